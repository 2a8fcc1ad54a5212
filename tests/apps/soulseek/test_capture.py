"""What downloads teach of sharers: one sighting for each file that came, under a pseudonym, with what it was found to be."""

from __future__ import annotations

import uuid

import pytest
from django.utils import timezone

from apps.catalog.services import release_store
from apps.domain.contracts.soulseek_downloads import FileAsked
from apps.domain.soulseek.capture import Verdict, verdict_of
from apps.domain.soulseek.states import DOWNLOAD_ENDS, DownloadState
from apps.soulseek.models import Download, DownloadProgress, OfferSighting
from apps.soulseek.services_capture import downloads_capture
from apps.soulseek.services_download import batch_create, download_retry
from apps.soulseek.services_download_ends import ends_take
from tests.workers.assembled import release_facts

pytestmark = pytest.mark.django_db
FOLDER = r"m\The Testers\2019 - First Album"


def name(user: str) -> str:
    return f"~{user}"


def fetched(*names: str, state: DownloadState, code: str = "", payload_format: str = "") -> list[uuid.UUID]:
    """External downloads that ended so, and were taken in."""
    files = [FileAsked(path=rf"{FOLDER}\{one}", size_bytes=9, profile="flac-16-44100-2") for one in names]
    batch = batch_create(user="bob", folder=FOLDER, files=files)
    rows = list(Download.objects.filter(batch=batch, live=True).values_list("id", flat=True))
    ended(rows, state=state, code=code, payload_format=payload_format)
    return rows


def ended(rows: list[uuid.UUID], *, state: DownloadState, code: str = "", payload_format: str = "") -> None:
    for row in rows:
        DownloadProgress.objects.create(
            download_id=row,
            state=state,
            code=code,
            payload_format=payload_format,
            payload_bytes=8 if payload_format else None,
            ended_at=timezone.now(),
        )
    assert ends_take() == len(rows)


@pytest.mark.parametrize("state", sorted(DOWNLOAD_ENDS))
def test_only_what_came_whole_says_what_it_is(state: DownloadState) -> None:
    whole = {DownloadState.SUCCEEDED: Verdict.ACCEPTED, DownloadState.REJECTED: Verdict.REJECTED}
    assert verdict_of(state, external=False) is whole.get(state)
    fetched("01 - Song 1.flac", state=state)
    assert downloads_capture(name) == 1
    assert OfferSighting.objects.count() == (1 if state in whole else 0)


def test_what_was_delivered_raw_is_known_to_be_there_and_only_probably_what_it_is_called() -> None:
    release_store(release_facts())
    fetched("01 - Song 1.flac", "cover.jpg", state=DownloadState.SUCCEEDED, payload_format="flac")
    assert downloads_capture(name) == 2
    row = OfferSighting.objects.get()
    assert (row.sharer, row.verdict, row.files, row.times) == ("~bob", "unjudged", 1, 1)
    assert (row.artist, row.title, row.release_mbid) == ("The Testers", "First Album", release_facts().mbid)
    assert (row.payload_format, row.payload_bytes, row.profile, row.recording_mbid) == (
        "flac",
        8,
        "flac-16-44100-2",
        None,
    )
    assert 0 < row.certainty < 1
    assert row.payload_root is None
    assert row.length_ms is None


def test_the_same_file_fetched_again_is_one_sighting_that_says_what_came_last() -> None:
    rows = fetched("01 - Song 1.flac", state=DownloadState.REJECTED, code="decode_failed")
    assert downloads_capture(name) == 1
    first = OfferSighting.objects.get()
    assert (first.verdict, first.code, first.certainty) == ("rejected", "decode_failed", 0.0)
    again = list(download_retry(rows))
    assert downloads_capture(name) == 0, "what is under way teaches nothing yet"
    ended(again, state=DownloadState.SUCCEEDED)
    assert downloads_capture(name) == 1
    row = OfferSighting.objects.get()
    assert (row.verdict, row.code, row.times, row.first_seen) == ("unjudged", "", 2, first.first_seen)


def test_files_of_one_folder_and_the_folder_itself_are_kept_apart() -> None:
    fetched("01 - Song 1.flac", "02 - Song 2.flac", state=DownloadState.SUCCEEDED)
    assert downloads_capture(name) == 2
    assert len({bytes(one) for one in OfferSighting.objects.values_list("folder_digest", flat=True)}) == 2
