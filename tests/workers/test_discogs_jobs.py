"""A release that only Discogs has, as a job: its tracks wait without a want, and files of the library complete them."""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.domain.catalog.identity import discogs_id, discogs_track_id
from apps.domain.catalog.links import DiscogsKind
from apps.domain.errors import DomainError
from apps.domain.jobs.lifecycle import JobState, TrackState
from apps.jobs.models import Job, JobTrack, TargetSource
from apps.jobs.services import job_cancel, job_create, job_pause, job_resume, job_retry
from apps.jobs.services_discogs import discogs_look, discogs_look_at
from apps.library.models import AudioFile
from apps.library.selectors_likeness import like_files
from apps.transfers.models import Want
from tests.apps.library.doctor_rows import file
from tests.workers.conftest import Killed, Metadata, kill_at, limiter
from workers.discogs_kept import KeptDiscogs
from workers.discogs_look import discogs_look as discogs_look_task
from workers.gateways.discogs import INTERVAL_MS, Discogs
from workers.gateways.musicbrainz import Musicbrainz
from workers.resolution import resolve

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = 9_000_001
DERIVED = discogs_id("release", NUMBER)


@pytest.fixture
def discogs(metadata: Metadata) -> KeptDiscogs:
    port = Discogs(
        base_url=metadata.url, token="", contact="", version="0", limiter=limiter(), interval_ms=INTERVAL_MS, timeout_s=1.0
    )  # fmt: skip
    return KeptDiscogs(port)


def ask(number: int = NUMBER, **wishes: object) -> uuid.UUID:
    return job_create(
        kind="mb_release",
        target_mbid=discogs_id("release", number),
        target_source="discogs",
        target_ref=str(number),
        constraints=wishes,
    ).id


def held(title: str, duration_ms: int, *, folder: str = "Tapes", audio: str = "", **more: Any) -> AudioFile:
    """A file that nobody identified, as its tags tell."""
    path = f"{folder}/{title}.flac"
    root = hashlib.sha256(path.encode()).digest()
    same = hashlib.md5((audio or path).encode(), usedforsecurity=False).digest()
    variant = {
        "duration_ms": duration_ms, "recording_mbid": None, "recording_source": "tag", "verified": False,
        "payload_root": root, "pcm_md5": same, "total_samples": duration_ms, "rate_hz": 44100,
    } | more.pop("variant", {})  # fmt: skip
    tags = {"title": title, "artist": "Harbour Committee", "recording_mbid": "", "release_mbid": ""}
    places = {"release_mbid": None, "medium_position": None, "track_position": None}
    return file(1, 1, name=path, variant=variant, tags=tags, **(places | more))


def tracks(job_id: uuid.UUID) -> dict[str, JobTrack]:
    return {one.number: one for one in JobTrack.objects.filter(job_id=job_id)}


def resolved(discogs: KeptDiscogs, musicbrainz: Musicbrainz, **wishes: object) -> uuid.UUID:
    job_id = ask(**wishes)
    resolve(job_id, musicbrainz=musicbrainz, discogs=discogs)
    return job_id


def test_its_tracks_wait_without_a_want_and_say_why(
    discogs: KeptDiscogs, musicbrainz: Musicbrainz, metadata: Metadata
) -> None:
    job_id = resolved(discogs, musicbrainz)
    job = Job.objects.get(id=job_id)
    assert (job.state, job.code, job.release_mbid) == (JobState.RUNNING, "discogs_waits_for_sources", None)
    assert (job.title, job.artist, job.year) == ("Minutes Of The Tide Board", "Harbour Committee", "1986")
    rows = tracks(job_id)
    assert list(rows) == ["A1", "A2", "A3", "B1", "B2", "B3"]
    assert rows["A1"].recording_mbid == discogs_track_id(NUMBER, 1, 1)
    assert {one.state for one in rows.values()} == {TrackState.WANTED}
    assert (rows["A1"].code, rows["A3"].code) == ("discogs_no_source", "discogs_length_unknown")
    assert not Want.objects.exists()
    assert {request["service"] for request in metadata.requests} == {"discogs"}


def test_files_that_are_held_complete_their_tracks_with_their_level(
    discogs: KeptDiscogs, musicbrainz: Musicbrainz
) -> None:
    first = held("Apologies For Absence", 184_000)
    held("Matters Arising", 161_000, audio="same")
    held("Matters Arising", 161_000, folder="Copies", audio="same")
    held("Any Other Business", 90_000)  # one copy, and no length is told
    held("Near Shore", 260_000)  # ten seconds too long
    job_id = resolved(discogs, musicbrainz)
    rows = tracks(job_id)
    assert (rows["A1"].state, rows["A1"].verification, rows["A1"].code) == ("completed", "duration", "held_by_duration")
    assert rows["A1"].audio_file_id == first.pk
    assert rows["A1"].placed_path.endswith("Tapes/Apologies For Absence.flac")
    assert (rows["A2"].verification, rows["A2"].code, rows["A2"].params) == (
        "consensus",
        "held_by_consensus",
        {"copies": 2},
    )
    assert {rows[number].state for number in ("A3", "B1", "B2", "B3")} == {TrackState.WANTED}
    assert Job.objects.get(id=job_id).code == "discogs_waits_for_sources"


def test_what_arrives_later_completes_the_rest_and_then_the_job(discogs: KeptDiscogs, musicbrainz: Musicbrainz) -> None:
    job_id = resolved(discogs, musicbrainz)
    assert discogs_look() == 0
    for title, seconds in [("Apologies For Absence", 185), ("Matters Arising", 160), ("Soundings: Near Shore", 250),
                           ("Far Shore", 356), ("Adjournment", 372)]:  # fmt: skip
        held(title, 1000 * seconds)
    assert discogs_look() == 5
    assert discogs_look() == 0
    assert Job.objects.get(id=job_id).state == JobState.RUNNING
    held("Any Other Business", 90_000, audio="same")
    held("Any Other Business", 90_000, folder="Copies", audio="same")
    assert discogs_look() == 1
    job = Job.objects.get(id=job_id)
    assert (job.state, job.code) == (JobState.COMPLETED, "")
    assert {one.verification for one in tracks(job_id).values()} == {"duration", "consensus"}


def test_a_look_comes_only_after_the_library_changed(
    discogs: KeptDiscogs, musicbrainz: Musicbrainz, django_assert_max_num_queries: Any
) -> None:
    resolved(discogs, musicbrainz)
    discogs_look()
    AudioFile.objects.update(read_at=timezone.now() - timedelta(days=1))
    with django_assert_max_num_queries(8):
        assert discogs_look() == 0


def test_many_jobs_are_looked_at_in_turns(discogs: KeptDiscogs, musicbrainz: Musicbrainz) -> None:
    first, second = resolved(discogs, musicbrainz), resolved(discogs, musicbrainz, allow_lossy=False)
    held("Matters Arising", 160_000)
    turns = iter([True, False])
    assert discogs_look(going_on=lambda: next(turns)) == 1
    assert tracks(first)["A2"].state == TrackState.COMPLETED
    assert tracks(second)["A2"].state == TrackState.WANTED
    assert discogs_look() == 1
    assert tracks(second)["A2"].state == TrackState.COMPLETED


def test_the_task_looks(discogs: KeptDiscogs, musicbrainz: Musicbrainz) -> None:
    job_id = resolved(discogs, musicbrainz)
    held("Matters Arising", 160_000)
    discogs_look_task()
    assert tracks(job_id)["A2"].state == TrackState.COMPLETED


def test_a_file_stands_for_one_track_over_several_looks(discogs: KeptDiscogs, musicbrainz: Musicbrainz) -> None:
    job_id = resolved(discogs, musicbrainz)
    held("Apologies For Absence", 185_000)
    assert discogs_look_at(job_id) == 1
    JobTrack.objects.filter(job_id=job_id, number="A2").update(title="Apologies For Absence", length_ms=185_000)
    assert discogs_look_at(job_id) == 0


def test_wishes_hold_for_what_is_held(discogs: KeptDiscogs, musicbrainz: Musicbrainz) -> None:
    held("Matters Arising", 160_000, variant={"lossless": False})
    held("Apologies For Absence", 185_000, variant={"transcode_suspect": True})
    job_id = resolved(discogs, musicbrainz, allow_lossy=False, download_mode="no-transcodes")
    assert {one.state for one in tracks(job_id).values()} == {TrackState.WANTED}
    again = resolved(discogs, musicbrainz)
    assert {number for number, one in tracks(again).items() if one.state == "completed"} == {"A1", "A2"}
    anew = resolved(discogs, musicbrainz, redownload=True)
    assert {one.state for one in tracks(anew).values()} == {TrackState.WANTED}


def test_files_that_do_not_decode_or_are_gone_stand_for_nothing() -> None:
    from apps.domain.jobs.likeness import LikeTrack

    asked = [LikeTrack(title="Matters Arising", artist="Harbour Committee", length_ms=160_000)]
    held("Matters Arising", 160_000, variant={"analysis_code": "decode_failed"})
    held("Matters Arising", 160_000, folder="Gone", missing_since=timezone.now())
    held("Matters Arising", 160_000, folder="Unread", read_state="unreadable")
    assert like_files(asked)[0] == []
    good = held("matters arising", 160_000, folder="Here")
    assert [one.file_id for one in like_files(asked)[0]] == [good.pk]


@pytest.mark.parametrize("step", ["claimed", "asked"])
def test_killed_and_run_again_gives_the_same(step: str, discogs: KeptDiscogs, musicbrainz: Musicbrainz) -> None:
    job_id = ask()
    with pytest.raises(Killed):
        resolve(job_id, musicbrainz=musicbrainz, discogs=discogs, checkpoint=kill_at(step))
    past = timezone.now() - timedelta(seconds=5)
    Job.objects.filter(id=job_id).update(lease_until=past, next_step_at=past)
    resolve(job_id, musicbrainz=musicbrainz, discogs=discogs)
    assert len(tracks(job_id)) == 6
    assert Job.objects.get(id=job_id).state == JobState.RUNNING


def test_a_discogs_that_is_away_is_waited_for_and_an_unknown_number_ends_it(
    discogs: KeptDiscogs, musicbrainz: Musicbrainz, metadata: Metadata
) -> None:
    metadata.fault("status", prefix="/releases", count=1, retry_after_s=30)
    job_id = ask()
    resolve(job_id, musicbrainz=musicbrainz, discogs=discogs)
    job = Job.objects.get(id=job_id)
    assert (job.state, job.code) == (JobState.PENDING, "discogs_unavailable")
    assert job.next_step_at is not None
    assert job.next_step_at > timezone.now() + timedelta(seconds=25)
    unknown = ask(4)
    away = KeptDiscogs(None)
    resolve(unknown, musicbrainz=musicbrainz, discogs=away)
    assert Job.objects.get(id=unknown).code == "discogs_disabled"


def test_it_is_paused_resumed_cancelled_and_taken_back(discogs: KeptDiscogs, musicbrainz: Musicbrainz) -> None:
    job_id = resolved(discogs, musicbrainz)
    job_pause(job_id)
    held("Matters Arising", 160_000)
    assert discogs_look() == 0
    job_resume(job_id)
    assert Job.objects.get(id=job_id).code == "discogs_waits_for_sources"
    assert discogs_look() == 1
    job_cancel(job_id)
    job_retry(job_id)
    discogs_look()
    rows = tracks(job_id)
    assert rows["A2"].state == TrackState.COMPLETED
    assert (rows["A1"].state, rows["A1"].code) == (TrackState.WANTED, "discogs_no_source")
    assert Job.objects.get(id=job_id).code == "discogs_waits_for_sources"


def test_asking_by_the_derived_id_alone_knows_where_it_comes_from(discogs: KeptDiscogs) -> None:
    discogs.facts(DiscogsKind.RELEASE, NUMBER)
    job = Job.objects.get(id=job_create(kind="mb_release", target_mbid=DERIVED).id)
    assert (job.target_source, job.target_ref) == (TargetSource.DISCOGS, str(NUMBER))


def test_an_id_that_is_not_the_numbers_is_refused() -> None:
    with pytest.raises(DomainError) as refused:
        job_create(kind="mb_release", target_mbid=uuid.uuid4(), target_source="discogs", target_ref="5")
    assert refused.value.code == "target_invalid"
