"""A job's trace as a page: who sees it, what it says with and without a trace, and that nothing in a trace becomes part of the page."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from apps.domain.swarm.trace_lines import TraceWriter
from apps.jobs.models import Job, JobTrack
from apps.transfers.traces import traces_dir
from tests.domain.swarm.traces import CONTEXT, START, chunk, event
from tests.web.trace_seed import write_trace

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder() -> Iterator[Path]:
    made = traces_dir()
    made.mkdir(exist_ok=True)
    yield made
    for path in made.iterdir():
        path.unlink()


@pytest.fixture
def job() -> Job:
    made = Job.objects.create(
        kind="mb_release", target_mbid=uuid.UUID(int=1), state="completed", title="Kind of Blue", artist="Miles Davis"
    )
    for position in (1, 2):
        JobTrack.objects.create(
            job=made, position=position, title=f"Song {position}", recording_mbid=uuid.UUID(int=position)
        )
    return made


def page(client: Client, job: Job, query: str = "") -> str:
    response = client.get(reverse("job-trace", args=[job.id]) + query)
    assert response.status_code == 200
    return response.content.decode()


def test_a_job_leads_to_its_trace_and_back(viewer: Client, job: Job) -> None:
    address = reverse("job-trace", args=[job.id])
    assert address in viewer.get(reverse("job", args=[job.id])).content.decode()
    assert reverse("job", args=[job.id]) in page(viewer, job)


def test_without_a_trace_the_page_says_why_and_how_to_get_one(viewer: Client, job: Job) -> None:
    shown = page(viewer, job)
    for words in ("tracing is off", "Tracing is off", "swarm.tracing.enabled: true", "30 days"):
        assert words in shown, words


def test_an_unknown_job_is_not_found_and_a_stranger_signs_in_first(viewer: Client, client: Client, job: Job) -> None:
    assert viewer.get(reverse("job-trace", args=[uuid.UUID(int=9)])).status_code == 404
    assert client.get(reverse("job-trace", args=[job.id])).status_code == 302


def test_the_page_says_in_words_and_tables_what_is_drawn(
    viewer: Client, job: Job, folder: Path, django_assert_max_num_queries: object
) -> None:
    write_trace(folder, job.id, [uuid.UUID(int=1), uuid.UUID(int=2)], chunks=400)
    with django_assert_max_num_queries(8):  # type: ignore[operator]
        shown = page(viewer, job)
    for words in (
        "Corrupt leaves from peer kliar",
        "No verified byte for 21 s (nobody had it).",
        "vinylhead_77",
        "Song 2",
        "corrupt lea",
        "transfer_started",
        f'data-trace="/api/jobs/{job.id}/trace/columns"',
    ):
        assert words in shown, words
    assert shown.count("<tr>") > 50


def test_events_are_filtered_and_paged_by_the_address(viewer: Client, job: Job, folder: Path) -> None:
    write_trace(folder, job.id, [uuid.UUID(int=1)], chunks=200)
    first = page(viewer, job, "?action=leaf_verified")
    assert first.count('data-label="What">leaf_verified') == 50
    cursor = first.split("cursor=")[1].split("#")[0].split("&")[0]
    second = page(viewer, job, f"?action=leaf_verified&cursor={cursor}")
    assert second.count('data-label="What">leaf_verified') == 50
    assert viewer.get(reverse("job-trace", args=[job.id]) + "?cursor=nonsense").status_code == 302
    assert "No event matches." in page(viewer, job, "?code=never_heard_of")


def test_an_empty_trace_is_a_page_too(viewer: Client, job: Job, folder: Path) -> None:
    (folder / f"{job.id}.jsonl").write_text(TraceWriter(job.id).header(part=1, at=START))
    assert "Nothing out of the ordinary." in page(viewer, job)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(name.startswith("on") or name == "style" for name, _value in attrs), attrs


@pytest.mark.parametrize(
    "text", ['"><script>alert(1)</script>', "x\u202egnp", "</script><b>", "{{ settings }}", "a" * 300]
)
def test_what_peers_call_themselves_stays_text(viewer: Client, job: Job, folder: Path, text: str) -> None:
    def tags(name: str) -> list[str]:
        context = dataclasses.replace(CONTEXT, job=job.id)
        events = [
            event(0, "transfer_started", context=context, length=9),
            *chunk(1, f"soulseek:{name}", 0, context=context),
        ]
        events += [event(2, "peer_gone", f"soulseek:{name}", context=context, code="disconnected")]
        events += [event(3, "waiting", context=context, code=name[:60])]
        writer = TraceWriter(job.id)
        lines = [writer.header(part=1, at=START), writer.context(context), *(writer.event(one) for one in events)]
        (folder / f"{job.id}.jsonl").write_text("".join(lines))
        shape = Tags()
        shape.feed(page(viewer, job))
        return shape.tags

    assert tags(text) == tags("somebody")
