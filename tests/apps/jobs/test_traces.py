"""Traces over HTTP and in the terminal: pages, filters, summaries, columns, and why there is nothing to show."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.jobs.models import Job, JobTrack
from apps.transfers import traces
from apps.transfers.models import Transfer, Want
from slskdn_site.cli.main import main
from tests.web.trace_seed import START, write_trace
from workers.retention import retention

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder() -> Iterator[Path]:
    """The traces of this data folder, none before and none after."""
    made: Path = traces.traces_dir()
    made.mkdir(exist_ok=True)
    yield made
    for path in made.iterdir():
        path.unlink()


@pytest.fixture
def job() -> Job:
    made = Job.objects.create(
        kind="mb_release", target_mbid=uuid.UUID(int=1), state="running", title="Kind of Blue", artist="Miles Davis"
    )
    for position in (1, 2, 3):
        JobTrack.objects.create(
            job=made,
            position=position,
            title=f"Song {position}",
            recording_mbid=uuid.UUID(int=position),
            state="wanted",
        )
    return made


@pytest.fixture
def traced(job: Job, folder: Path) -> Job:
    write_trace(folder, job.id, [uuid.UUID(int=1), uuid.UUID(int=2)], chunks=120)
    return job


def moved(job: Job, *, days_ago: int) -> None:
    """A transfer of the job that last moved then."""
    wanted = Want.objects.create(recording_mbid=uuid.UUID(int=1), group_id=job.id)
    row = Transfer.objects.create(
        want=wanted,
        payload_format="flac",
        payload_root=b"r" * 32,
        profile="flac-16-44100-2",
        payload_bytes=1,
        leaf_bytes=1,
    )
    Transfer.objects.filter(id=row.id).update(updated_at=timezone.now() - timedelta(days=days_ago))


def all_pages(api: APIClient, job: Job, query: str = "") -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    cursor = ""
    while True:
        body = api.get(f"/api/jobs/{job.id}/trace?limit=100{query}{cursor}").json()
        found += body["items"]
        if body["next"] is None:
            return found
        cursor = f"&cursor={body['next']}"


def test_events_come_page_by_page_each_once_and_in_order(viewer_api: APIClient, traced: Job) -> None:
    items = all_pages(viewer_api, traced)
    assert len(items) > 300
    assert [item["id"] for item in items] == sorted({item["id"] for item in items})  # type: ignore[type-var]
    first = items[0]
    assert (first["action"], first["job"], first["at"]) == (
        "transfer_started",
        str(traced.id),
        START.isoformat().replace("+00:00", "Z"),
    )
    chunk = next(item for item in items if item["action"] == "chunk_received")
    assert chunk["bytes"] == 262144
    assert chunk["source"] in {"overlay", "soulseek"}
    assert chunk["duration_ms"]


def test_filters_narrow_and_combine(viewer_api: APIClient, traced: Job) -> None:
    everything = all_pages(viewer_api, traced)
    some = all_pages(viewer_api, traced, "&action=leaf_verified&action=leaf_bad&source=soulseek")
    assert some == [
        item for item in everything if item["action"] in {"leaf_verified", "leaf_bad"} and item["source"] == "soulseek"
    ]
    assert all_pages(viewer_api, traced, "&peer=kfast&track=00000000-0000-0000-0000-000000000002")
    assert all_pages(viewer_api, traced, "&code=never_heard_of") == []


@pytest.mark.parametrize("query", ["cursor=x", "limit=0", "limit=100000", "source=pigeon"])
def test_a_query_that_makes_no_sense_is_refused(viewer_api: APIClient, traced: Job, query: str) -> None:
    assert viewer_api.get(f"/api/jobs/{traced.id}/trace?{query}").status_code == 400


def test_the_summary_adds_up_and_names_tracks(viewer_api: APIClient, traced: Job) -> None:
    body = viewer_api.get(f"/api/jobs/{traced.id}/trace/summary").json()
    assert [track["label"] for track in body["tracks"]] == ["01 Song 1", "02 Song 2"]
    whole = body["whole"]
    assert whole["verified"] == whole["payload"] == sum(track["summary"]["verified"] for track in body["tracks"])
    assert sum(peer["share"] for peer in whole["peers"]) == pytest.approx(1)
    assert sum(plane["verified"] for plane in whole["planes"]) == whole["verified"]
    assert all(finding["message"] and "{" not in finding["message"] for finding in whole["findings"])
    assert body["tracing"]["enabled"] is False
    one = viewer_api.get(f"/api/jobs/{traced.id}/trace/tracks/2").json()
    assert one == body["tracks"][1]["summary"]
    assert viewer_api.get(f"/api/jobs/{traced.id}/trace/tracks/{uuid.UUID(int=2)}").json() == one
    missing = viewer_api.get(f"/api/jobs/{traced.id}/trace/tracks/3")
    assert (missing.status_code, missing.json()["code"]) == (404, "trace_track_unknown")


def test_columns_are_there_for_drawing(viewer_api: APIClient, traced: Job) -> None:
    body = viewer_api.get(f"/api/jobs/{traced.id}/trace/columns").json()
    assert {len(column) for column in body["chunks"].values()} == {len(body["chunks"]["start"])}
    assert [track["label"] for track in body["tracks"]] == ["01 Song 1", "02 Song 2"]
    assert body["start"] == START.timestamp()


def test_strangers_see_nothing(stranger_api: APIClient, traced: Job) -> None:
    for path in ("trace", "trace/columns", "trace/summary", "trace/tracks/1"):
        assert stranger_api.get(f"/api/jobs/{traced.id}/{path}").status_code == 401


def test_why_there_is_nothing_is_told(viewer_api: APIClient, job: Job, settings: object, folder: Path) -> None:
    def code(job_id: uuid.UUID = job.id) -> tuple[int, str]:
        response = viewer_api.get(f"/api/jobs/{job_id}/trace")
        return response.status_code, response.json()["code"]

    assert code(uuid.UUID(int=77)) == (404, "job_unknown")
    assert code() == (404, "trace_off")
    switch_on(settings)
    assert code() == (404, "trace_none")
    moved(job, days_ago=1)
    assert code() == (404, "trace_none")
    Transfer.objects.update(updated_at=timezone.now() - timedelta(days=31))
    assert code() == (404, "trace_expired")
    (folder / f"{job.id}.jsonl").write_text('{"trace":99,"job":"x","part":1}\n')
    assert code() == (409, "trace_newer")


def switch_on(settings: object) -> None:
    config = settings.CONFIG  # type: ignore[attr-defined]
    tracing = config.swarm.tracing.model_copy(update={"enabled": True, "retention_jobs": 2})
    settings.CONFIG = config.model_copy(  # type: ignore[attr-defined]
        update={"swarm": config.swarm.model_copy(update={"tracing": tracing})}
    )


def test_a_trace_that_gave_way_to_newer_ones_is_told_to_be_gone(
    viewer_api: APIClient, job: Job, settings: object, folder: Path
) -> None:
    switch_on(settings)
    moved(job, days_ago=3)
    for number in (1, 2):
        (folder / f"{uuid.UUID(int=number)}.jsonl").write_text("")
    assert viewer_api.get(f"/api/jobs/{job.id}/trace").json()["code"] == "trace_expired"


def test_a_trace_that_grows_and_rotates_is_read_as_it_is_now(viewer_api: APIClient, traced: Job, folder: Path) -> None:
    before = len(all_pages(viewer_api, traced))
    newest = folder / f"{traced.id}.jsonl"
    lines = newest.read_bytes().splitlines(keepends=True)
    newest.write_bytes(b"".join(lines[:200]))
    newest.rename(folder / f"{traced.id}.1.jsonl")
    newest.write_bytes(lines[0].replace(b'"part":1', b'"part":2') + b"".join(lines[200:]) + b'{"at":"torn')
    body = viewer_api.get(f"/api/jobs/{traced.id}/trace?limit=1000").json()
    assert len(body["items"]) == before
    assert (body["torn"], body["unreadable"]) == (True, 0)


def test_the_retention_task_sweeps_and_may_run_twice(folder: Path, settings: object) -> None:
    switch_on(settings)
    for number in range(4):
        path = folder / f"{uuid.UUID(int=number)}.jsonl"
        path.write_text("{}\n")
        os.utime(path, (timezone.now().timestamp() - number * 3600,) * 2)
    for _run in range(2):
        retention()
        assert {path.name for path in folder.iterdir()} == {f"{uuid.UUID(int=number)}.jsonl" for number in (0, 1)}
    assert traces.traces_sweep(now=timezone.now() + timedelta(days=31)) == 2


# ---- the terminal


def test_the_terminal_prints_events_for_people_and_programs(traced: Job, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["debug", "job-trace", str(traced.id), "--limit", "40"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 40
    assert "transfer_completed" in shown[-1]
    command = ["debug", "job-trace", str(traced.id), "--json", "--filter", "action=leaf_verified,peer=kfast"]
    assert main(command) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events
    assert {(event["action"], event["peer"][:5]) for event in events} == {("leaf_verified", "kfast")}


def test_the_terminal_sums_a_job_and_a_track_up(traced: Job, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["debug", "job-summary", str(traced.id)]) == 0
    shown = capsys.readouterr().out
    for words in ("Miles Davis – Kind of Blue", "01 Song 1", "overlay", "soulseek", "vinylhead_77", "complete"):
        assert words in shown, words
    assert main(["debug", "job-summary", str(traced.id), "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["whole"]["verified"] == body["whole"]["payload"]
    assert main(["debug", "track-summary", str(traced.id), "1-2"]) == 0
    assert "02 Song 2" in capsys.readouterr().out
    assert main(["debug", "track-summary", str(traced.id), "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["track"] == str(uuid.UUID(int=2))


def test_the_terminal_says_whether_tracing_is_on_and_how_to_switch(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["debug", "tracing"]) == 0
    shown = capsys.readouterr().out
    assert "Tracing is off" in shown
    assert "swarm.tracing.enabled: true" in shown
    assert main(["debug", "tracing", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["enabled"] is False


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["debug", "job-trace", "nonsense"], "job_unknown"),
        (["debug", "job-trace", str(uuid.UUID(int=7))], "job_unknown"),
        (["debug", "job-summary", "JOB"], "trace_off"),
        (["debug", "job-trace", "JOB", "--filter", "colour=blue"], "trace_filter_invalid"),
        (["debug", "job-trace", "JOB", "--filter", "action"], "trace_filter_invalid"),
    ],
)
def test_a_mistake_gets_a_sentence_and_a_code(
    words: list[str], code: str, job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(job.id) if word == "JOB" else word for word in words]) == 1
    assert f"[{code}]" in capsys.readouterr().err


def test_a_track_that_is_not_in_the_trace_gets_a_sentence(traced: Job, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["debug", "track-summary", str(traced.id), "3"]) == 1
    assert "[trace_track_unknown]" in capsys.readouterr().err
