"""Rescues over HTTP, on pages and by the command line: what the mesh gave, and why it was not let help."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from apps.domain.soulseek.states import DownloadState
from apps.jobs.models import Job
from apps.soulseek.models import Batch, Download, DownloadProgress, Rescue
from apps.soulseek.selectors_rescues import rescues_of_jobs
from slskdn_site.cli.main import main
from tests.workers.assembled import running_job, track_of

pytestmark = pytest.mark.django_db
JOB = uuid.UUID(int=5)


def rescue(number: int, state: str, code: str, **more: Any) -> Rescue:
    batch, _ = Batch.objects.get_or_create(title="Album", user="bob", folder="Music\\Album")
    download, _ = Download.objects.get_or_create(
        batch=batch, user="bob", remote_path=f"Music\\Album\\{number}.flac", defaults={"size_bytes": 100}
    )
    now = timezone.now() - timedelta(minutes=number)
    return Rescue.objects.create(
        download=download, trouble="too_slow", trouble_at=now, started_at=now, state=state, code=code, **more
    )


@pytest.fixture
def two() -> None:
    rescue(1, "active", "rescue_same_payload", overlay_bytes=75, soulseek_bytes=25, peers=2, job_id=JOB)
    rescue(2, "refused", "rescue_ratio_reached", params={"ratio": 3.5, "most": 2.0})


@pytest.mark.usefixtures("two")
def test_the_list_tells_both_planes_the_share_and_why_in_words(viewer_api: APIClient) -> None:
    first, second = viewer_api.get("/api/rescues").json()["items"]
    assert (first["name"], first["state"], first["overlay_bytes"], first["soulseek_bytes"], first["share"]) == (
        "1.flac", "active", 75, 25, 0.75,
    )  # fmt: skip
    assert (second["code"], second["share"]) == ("rescue_ratio_reached", None)
    assert "3.5" in second["says"]
    for query, names in (("state=live", ["1.flac"]), ("state=refused", ["2.flac"]), (f"job={JOB}", ["1.flac"])):
        assert [one["name"] for one in viewer_api.get(f"/api/rescues?{query}").json()["items"]] == names
    page = viewer_api.get("/api/rescues?limit=1").json()
    assert [one["name"] for one in viewer_api.get(f"/api/rescues?limit=1&cursor={page['next']}").json()["items"]] == [
        "2.flac"
    ]
    assert viewer_api.get("/api/rescues?state=nonsense").status_code == 400


@pytest.mark.usefixtures("two")
def test_the_queue_and_the_list_of_rescues_show_them(client: Client) -> None:
    client.force_login(User.objects.create_superuser("admin", password="x"))
    queue = client.get("/soulseek/downloads").content.decode()
    assert "Rescue active" in queue
    assert "(75 %)" in queue
    assert "Rescue refused" in queue
    listed = client.get("/soulseek/rescues").content.decode()
    assert "1.flac" in listed
    assert "2.flac" in listed
    refused = client.get("/soulseek/rescues?show=refused").content.decode()
    assert "1.flac" not in refused
    assert client.get("/admin/soulseek/rescue/").status_code == 200


@pytest.mark.usefixtures("two")
def test_a_rescued_file_is_not_said_to_have_come_another_way_as_well(client: Client) -> None:
    client.force_login(User.objects.create_superuser("admin", password="x"))
    for download in Download.objects.all():
        DownloadProgress.objects.create(download=download, state="enough", code="want_satisfied")
    assert "Came another way" in client.get("/soulseek/downloads").content.decode()
    Rescue.objects.update(state="finished", code="rescued")
    queue = client.get("/soulseek/downloads").content.decode()
    assert "Came another way" not in queue
    assert "Rescued" in queue


@pytest.mark.usefixtures("two")
def test_the_command_line_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transfers", "rescues", "--json", "--state", "refused"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["items"]
    assert (one["name"], one["state"]) == ("2.flac", "refused")
    assert main(["transfers", "rescues"]) == 0
    assert "Soulseek" in capsys.readouterr().out


def test_nothing_to_rescue_is_said(viewer_api: APIClient, capsys: pytest.CaptureFixture[str]) -> None:
    assert viewer_api.get("/api/rescues").json()["items"] == []
    assert main(["transfers", "rescues"]) == 0
    assert "Nothing was to be rescued." in capsys.readouterr().out


SAYS_NO = "The mesh gave 3.5 times what Soulseek gave; at most 2.0 times is allowed."


def in_trouble(one: Rescue) -> Download:
    DownloadProgress.objects.create(
        download=one.download,
        state=DownloadState.RECEIVING,
        bytes_have=25,
        speed_bps=2048,
        trouble="too_slow",
        trouble_since=one.trouble_at,
        params={"kib_s": 2.0, "floor_kib_s": 10.0},
    )
    return one.download


def test_a_download_tells_its_rescue_over_the_api_and_by_the_command_line(
    viewer_api: APIClient, capsys: pytest.CaptureFixture[str]
) -> None:
    helped = in_trouble(rescue(1, "active", "rescue_same_payload", overlay_bytes=7500, soulseek_bytes=2500, job_id=JOB))
    refused = in_trouble(rescue(2, "refused", "rescue_ratio_reached", params={"ratio": 3.5, "most": 2.0}))
    told = {one["id"]: one["rescue"] for one in viewer_api.get("/api/soulseek/downloads").json()["items"]}
    active = told[str(helped.id)]
    assert (active["state"], active["share"], active["overlay_bytes"], active["soulseek_bps"]) == (
        "active",
        0.75,
        7500,
        2048,
    )
    assert told[str(refused.id)]["says"] == SAYS_NO
    batch = viewer_api.get(f"/api/soulseek/batches/{helped.batch_id}").json()
    assert {one["rescue"]["state"] for one in batch["downloads"]} == {"active", "refused"}
    badly = viewer_api.get("/api/transfers/underperforming").json()["items"]
    assert {one["rescue"]["state"] for one in badly} == {"active", "refused"}
    for words in ("transfers underperforming", "downloads list"):
        assert main([*words.split(), "--json"]) == 0
        items = {one["id"]: one["rescue"] for one in json.loads(capsys.readouterr().out)["items"]}
        assert items[str(refused.id)]["says"] == SAYS_NO
        assert items[str(helped.id)]["overlay_bytes"] == 7500
        assert main(words.split()) == 0
        text = capsys.readouterr().out
        assert f"rescue refused: {SAYS_NO}" in text
        assert (
            "rescue active (2 KiB of Soulseek + 7 KiB of the mesh, 75 %; 2 + 0 KiB/s): The mesh has the very same"
            in text
        )


def test_a_download_without_one_says_so(viewer_api: APIClient) -> None:
    rescue(1, "active", "rescue_same_payload").delete()
    assert viewer_api.get("/api/soulseek/downloads").json()["items"][0]["rescue"] is None


def of_a_job(job: Job, state: str, code: str, *, position: int = 1, **more: Any) -> Rescue:
    track = track_of(job, position)
    made = rescue(position, state, code, job_id=job.id, **more)
    Download.objects.filter(id=made.download_id).update(want_id=track.want_id)
    in_trouble(made)
    return made


def test_a_job_tells_the_rescues_of_its_tracks_on_its_page_and_over_the_api(
    client: Client, viewer_api: APIClient
) -> None:
    job = running_job(tracks=2)
    of_a_job(job, "active", "rescue_same_payload", overlay_bytes=75 << 20, soulseek_bytes=25 << 20)
    of_a_job(job, "refused", "rescue_ratio_reached", position=2, params={"ratio": 3.5, "most": 2.0})
    client.force_login(User.objects.create_superuser("admin", password="x"))
    page = client.get(f"/jobs/{job.id}").content.decode()
    head = page.split('id="job-rescues"')[1].split("</p>")[0]
    assert "Rescue active" in head
    assert "(75 %)" in head
    assert "The mesh may not help 1 download" in head
    assert f"/soulseek/rescues?job={job.id}" in head
    assert SAYS_NO in page
    listed = client.get(f"/soulseek/rescues?job={job.id}").content.decode()
    assert "1.flac" in listed
    assert "1.flac" not in client.get(f"/soulseek/rescues?job={uuid.uuid4()}").content.decode()
    assert client.get("/soulseek/rescues?job=nonsense").status_code == 200

    told = viewer_api.get(f"/api/jobs/{job.id}").json()
    assert (told["rescue"]["live"], told["rescue"]["active"], told["rescue"]["refused"]) == (1, 1, 1)
    assert (told["rescue"]["share"], told["rescue"]["soulseek_bps"]) == (0.75, 2048)
    first, second = (track["download"] for track in told["tracks"])
    assert (first["rescue"]["state"], first["rescue"]["share"]) == ("active", 0.75)
    assert second["rescue"]["says"] == SAYS_NO


def test_a_job_of_jobs_tells_those_of_everything_below_it(client: Client, viewer_api: APIClient) -> None:
    top, child = running_job(tracks=1), running_job(tracks=1)
    Job.objects.filter(id=top.id).update(kind="discography", release_mbid=None)
    Job.objects.filter(id=child.id).update(parent=top)
    of_a_job(child, "looking", "rescue_allowed")
    told = viewer_api.get(f"/api/jobs/{top.id}").json()["rescue"]
    assert (told["live"], told["active"], told["share"]) == (1, 0, None)
    client.force_login(User.objects.create_superuser("admin", password="x"))
    assert "Help of the mesh is looked for" in client.get(f"/jobs/{top.id}").content.decode()


def test_a_job_without_any_says_nothing(client: Client, viewer_api: APIClient) -> None:
    job = running_job(tracks=1)
    client.force_login(User.objects.create_superuser("admin", password="x"))
    assert "job-rescues" not in client.get(f"/jobs/{job.id}").content.decode()
    told = viewer_api.get(f"/api/jobs/{job.id}").json()
    assert (told["rescue"]["live"], told["tracks"][0]["download"]) == (0, None)


def test_rescues_of_a_thousand_downloads_are_summed_in_one_question(django_assert_num_queries: Any) -> None:
    for number, (state, live) in enumerate(
        [("active", True), ("looking", True), ("refused", True), ("refused", False)]
    ):
        made = rescue(number, state, "", overlay_bytes=3, soulseek_bytes=1, job_id=JOB)
        Download.objects.filter(id=made.download_id).update(live=live)
    for _ in range(2):
        rescue(9, "finished", "", overlay_bytes=100, job_id=JOB)
    rescue(10, "active", "", overlay_bytes=100, job_id=uuid.UUID(int=6))
    with django_assert_num_queries(1):
        told = rescues_of_jobs([JOB])
    assert (told.live, told.active, told.refused, told.finished) == (2, 1, 1, 1)
    assert (told.overlay_bytes, told.soulseek_bytes, told.share, told.percent) == (6, 2, 0.75, 75)
    assert rescues_of_jobs([uuid.UUID(int=7)]).share is None
