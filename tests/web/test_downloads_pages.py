"""The queue of downloads: at nothing, in every state, with a thousand rows; acts and who may do them."""

from __future__ import annotations

import html
import re
import uuid

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.domain.contracts.soulseek_downloads import DownloadReport, FileAsked
from apps.domain.soulseek.states import DownloadDesired, DownloadState
from apps.soulseek.models import Batch, Download
from apps.soulseek.services_download import batch_create
from apps.soulseek.services_node_downloads import downloads_record
from tests.web import downloads_seed
from tests.workers.assembled import running_job, track_of

pytestmark = pytest.mark.django_db


def shown(client: Client, address: str = "/soulseek/downloads") -> str:
    response = client.get(address)
    assert response.status_code == 200
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode())))


def test_an_empty_queue_says_so(viewer: Client) -> None:
    assert "Nothing was asked of anybody yet" in shown(viewer)
    assert "Nothing matches this filter" in shown(viewer, "/soulseek/downloads?q=zzz")


def test_every_state_is_told_in_words_with_place_and_interval(viewer: Client) -> None:
    downloads_seed.fill()
    page = shown(viewer)
    for words in (
        "Winter Garden",
        "1 of 8 files",
        "Receiving",
        "400 KiB/s",
        "41–75 s",
        "Number 14 in their queue.",
        "20–40 min",
        "Their queue has not moved for 960 s.",
        "The stream broke off.",
        "They have banned us: Banned",
        "Being checked",
        "Number 2 in the queue here.",
        "from erin",
        "Loose files",
        "/data/x.flac",
    ):
        assert words in page, words
    assert "\u202e" not in page


def test_lists_are_narrowed_by_words_and_by_what_is_over(viewer: Client) -> None:
    downloads_seed.fill()
    assert "Another One" in shown(viewer, "/soulseek/downloads?show=ended")
    assert "Winter Garden" not in shown(viewer, "/soulseek/downloads?show=ended")
    assert "Another One" not in shown(viewer, "/soulseek/downloads?show=open")
    assert "Winter Garden" not in shown(viewer, "/soulseek/downloads?q=dave")
    assert "Winter Garden" in shown(viewer, "/soulseek/downloads?cursor=nonsense")


def test_a_thousand_rows_come_in_pages_and_in_few_questions(viewer: Client) -> None:
    for number in range(25):
        downloads_seed.batch(f"user{number}", f"Album {number}", 40)
    with CaptureQueriesContext(connection) as asked:
        page = shown(viewer)
    assert "Album 24" in page
    assert "Album 4 " not in page
    assert len(asked) < 25
    downloads_seed.batch("big", "Huge", 150)
    assert "130 more files" in shown(viewer)
    (huge,) = Batch.objects.filter(title="Huge")
    first = viewer.get(f"/soulseek/downloads/batch/{huge.id}").content.decode()
    assert first.count('id="download-') == 100
    (cursor,) = re.findall(r'rel="next" href="(\?[^"]+)"', first)
    assert (
        viewer.get(f"/soulseek/downloads/batch/{huge.id}{html.unescape(cursor)}")
        .content.decode()
        .count('id="download-')
        == 50
    )


def test_people_who_may_act_pause_batches_and_files_and_take_it_back(operator: Client, viewer: Client) -> None:
    rows = downloads_seed.batch("bob", "Album", 3)
    act = "/soulseek/downloads/act/"
    assert viewer.post(act + "pause", {"batches": str(rows[0].batch_id)}).status_code == 403
    answer = operator.post(act + "pause", {"batches": str(rows[0].batch_id)}, HTTP_HX_REQUEST="true")
    assert "3 files paused." in answer.content.decode()
    assert "Undo" in answer.content.decode()
    assert set(Download.objects.values_list("desired", flat=True)) == {DownloadDesired.PAUSED}
    answer = operator.post(act + "resume", {"ids": [str(rows[0].id), "no id"]}, HTTP_HX_REQUEST="true")
    assert "1 file goes on." in answer.content.decode()
    assert (
        operator.post(act + "cancel", {"ids": str(rows[1].id), "next": "https://elsewhere.example/"}).headers[
            "Location"
        ]
        == "/soulseek/downloads"
    )
    assert (
        "Nothing changed."
        in operator.post(act + "cancel", {"ids": str(rows[1].id)}, HTTP_HX_REQUEST="true").content.decode()
    )
    assert operator.post(act + "explode", {"ids": str(rows[1].id)}).status_code == 404
    assert operator.get(f"/soulseek/downloads/batch/{uuid.uuid4()}").status_code == 404


def test_nobody_sees_it_without_signing_in(client: Client) -> None:
    assert client.get("/soulseek/downloads").status_code == 302


def test_a_job_s_page_shows_what_streams_for_each_track(viewer: Client) -> None:
    job = running_job(tracks=2)
    track = track_of(job)
    file = FileAsked(path="Music\\01.flac", size_bytes=100, want_id=track.want_id, recording_mbid=track.recording_mbid)
    batch = batch_create(user="carol", folder="Music", files=[file], job_id=job.id, origin="job")
    row = Download.objects.get(batch=batch)
    downloads_record([DownloadReport(download_id=row.id, state=DownloadState.QUEUED, place=3)])
    page = shown(viewer, f"/jobs/{job.id}")
    assert "from carol over Soulseek" in page
    assert "Number 3 in their queue." in page
    assert page.count("over Soulseek") == 1
