"""Resolving a job: every fault of MusicBrainz, run twice, killed at every step: one tracklist, or one reason."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.catalog.models import Release
from apps.domain.catalog.release import RecordingFacts, ReleaseFacts, ReleaseRef
from apps.domain.jobs.lifecycle import JobState, TrackState, WantDesired
from apps.jobs.models import Job, JobTrack
from apps.jobs.services import job_cancel, job_create, job_pause, job_resume, job_retry
from apps.jobs.services_resolve import resolve_claim
from apps.transfers.models import Want
from tests.workers.assembled import recording_id, release_facts
from tests.workers.conftest import ANSWERS, Killed, Metadata, kill_at, limiter
from workers.gateways.errors import Permanent
from workers.gateways.musicbrainz import Musicbrainz
from workers.resolution import resolve

pytestmark = pytest.mark.django_db(transaction=True)

RELEASES = sorted((ANSWERS / "musicbrainz/ws/2/release").glob("????????-*.json"))
RELEASE = next(
    uuid.UUID(path.stem) for path in RELEASES if len(json.loads(path.read_text())["media"][0]["tracks"]) == 8
)


def ask(**wishes: object) -> uuid.UUID:
    return job_create(kind="mb_release", target_mbid=RELEASE, constraints=wishes).id


def due(job_id: uuid.UUID) -> None:
    """As if the time had come and the lease of whoever died had run out."""
    past = timezone.now() - timedelta(seconds=5)
    Job.objects.filter(id=job_id, next_step_at__isnull=False).update(next_step_at=past)
    Job.objects.filter(id=job_id, lease_until__isnull=False).update(lease_until=past)


def assert_resolved_once(job_id: uuid.UUID, *, tracks: int = 8) -> Job:
    job = Job.objects.get(id=job_id)
    assert (job.state, job.code, job.lease_until, job.next_step_at) == (JobState.RUNNING, "", None, None)
    assert job.title and job.artist and job.release_mbid == RELEASE
    assert JobTrack.objects.filter(job=job, state=TrackState.WANTED).count() == tracks
    assert Want.objects.filter(job_track__job=job, desired=WantDesired.ACTIVE).count() == tracks
    return job


def test_a_release_becomes_tracks_and_wants(musicbrainz: Musicbrainz) -> None:
    job_id = ask()
    resolve(job_id, musicbrainz=musicbrainz)
    job = assert_resolved_once(job_id)
    first = JobTrack.objects.filter(job=job).select_related("want")[0]
    assert first.want is not None
    assert first.want.release_mbids == [str(RELEASE)]
    assert first.want.duration_ms == first.length_ms
    assert first.recording_mbid == first.want.recording_mbid


def test_run_twice_changes_nothing(musicbrainz: Musicbrainz, metadata: Metadata) -> None:
    job_id = ask()
    for _ in range(2):
        resolve(job_id, musicbrainz=musicbrainz)
    assert_resolved_once(job_id)
    assert len(metadata.requests) == 1


@pytest.mark.parametrize("step", ["claimed", "asked", "stored", "finished"])
def test_killed_at_any_step_and_run_again_gives_the_same(step: str, musicbrainz: Musicbrainz) -> None:
    job_id = ask()
    with pytest.raises(Killed):
        resolve(job_id, musicbrainz=musicbrainz, checkpoint=kill_at(step))
    resolve(job_id, musicbrainz=musicbrainz)  # the lease of the dead is still live: nobody works
    due(job_id)
    resolve(job_id, musicbrainz=musicbrainz)
    assert_resolved_once(job_id)


def test_a_fresh_release_is_not_asked_for_again(musicbrainz: Musicbrainz, metadata: Metadata) -> None:
    for _ in range(2):
        resolve(ask(), musicbrainz=musicbrainz)
    assert len(metadata.requests) == 1


def test_an_old_tracklist_has_to_do_while_musicbrainz_is_away(musicbrainz: Musicbrainz, metadata: Metadata) -> None:
    resolve(ask(), musicbrainz=musicbrainz)
    Release.objects.update(fetched_at=timezone.now() - timedelta(days=90))
    metadata.fault("status", status=503)
    job_id = ask()
    resolve(job_id, musicbrainz=musicbrainz)
    assert_resolved_once(job_id)
    assert len(metadata.requests) == 2


def test_a_subset_of_tracks_is_all_that_is_wanted(musicbrainz: Musicbrainz) -> None:
    job_id = ask(tracks=[{"position": 3}, {"medium": 1, "position": 5}])
    resolve(job_id, musicbrainz=musicbrainz)
    assert_resolved_once(job_id, tracks=2)
    assert list(JobTrack.objects.filter(job_id=job_id).values_list("position", flat=True)) == [3, 5]


def test_a_track_the_release_does_not_have_fails_the_job_with_a_code(musicbrainz: Musicbrainz) -> None:
    job_id = ask(tracks=[{"position": 99}])
    resolve(job_id, musicbrainz=musicbrainz)
    job = Job.objects.get(id=job_id)
    assert (job.state, job.code) == (JobState.FAILED, "track_not_on_release")


def test_no_lossy_tracks_means_lossless_wants(musicbrainz: Musicbrainz) -> None:
    job_id = ask(max_lossy_tracks_per_album=0)
    resolve(job_id, musicbrainz=musicbrainz)
    wants = Want.objects.filter(job_track__job_id=job_id)
    assert {want.constraints["allow_lossy"] for want in wants} == {False}


def test_a_busy_musicbrainz_is_waited_for_as_long_as_it_asks(musicbrainz: Musicbrainz, metadata: Metadata) -> None:
    job_id = ask()
    metadata.fault("status", status=503, retry_after_s=40)
    resolve(job_id, musicbrainz=musicbrainz)
    job = Job.objects.get(id=job_id)
    assert (job.state, job.code, job.params["tries"]) == (JobState.PENDING, "musicbrainz_unavailable", 1)
    assert job.next_step_at is not None
    assert job.next_step_at > timezone.now() + timedelta(seconds=35)
    resolve(job_id, musicbrainz=musicbrainz)  # not due: nothing is asked
    assert len(metadata.requests) == 1


@pytest.mark.parametrize("kind", ["hang", "close", "truncated", "garbage", "html"])
def test_a_musicbrainz_that_recovers_is_asked_again_by_itself(
    kind: str, musicbrainz: Musicbrainz, metadata: Metadata
) -> None:
    job_id = ask()
    metadata.fault(kind, **({"seconds": 5.0} if kind == "hang" else {}))
    resolve(job_id, musicbrainz=musicbrainz)
    assert Job.objects.get(id=job_id).code in {"musicbrainz_unavailable", "musicbrainz_garbled"}
    due(job_id)
    resolve(job_id, musicbrainz=musicbrainz)
    assert_resolved_once(job_id)


def test_garbage_is_put_up_with_a_few_times(musicbrainz: Musicbrainz, metadata: Metadata) -> None:
    job_id = ask()
    metadata.fault("garbage", count=100)
    for _ in range(10):
        due(job_id)
        resolve(job_id, musicbrainz=musicbrainz)
    job = Job.objects.get(id=job_id)
    assert (job.state, job.code, job.params["tries"]) == (JobState.FAILED, "musicbrainz_garbled", 5)
    assert len(metadata.requests) == 5
    metadata.heal()
    assert job_retry(job_id) is JobState.PENDING
    resolve(job_id, musicbrainz=musicbrainz)
    assert_resolved_once(job_id)


def test_an_unknown_release_fails_the_job_with_a_code(musicbrainz: Musicbrainz) -> None:
    job_id = job_create(kind="mb_release", target_mbid=uuid.uuid4()).id
    resolve(job_id, musicbrainz=musicbrainz)
    job = Job.objects.get(id=job_id)
    assert (job.state, job.code) == (JobState.FAILED, "release_not_found")
    assert job.ended_at is not None


def test_a_job_paused_or_cancelled_while_it_is_resolved_stays_so(musicbrainz: Musicbrainz) -> None:
    for stop, state in ((job_pause, JobState.PAUSED), (job_cancel, JobState.CANCELLED)):
        job_id = ask()

        def interfere(step: str, job_id: uuid.UUID = job_id, stop: object = stop) -> None:
            if step == "claimed":
                stop(job_id)  # type: ignore[operator]

        resolve(job_id, musicbrainz=musicbrainz, checkpoint=interfere)
        assert Job.objects.get(id=job_id).state == state
        assert not JobTrack.objects.filter(job_id=job_id).exists()
    paused = Job.objects.get(state=JobState.PAUSED).id
    job_resume(paused)
    resolve(paused, musicbrainz=musicbrainz)
    assert_resolved_once(paused)


def test_a_worker_that_lost_its_lease_writes_nothing(musicbrainz: Musicbrainz) -> None:
    job_id = ask()

    def take_over(step: str) -> None:
        if step == "asked":
            due(job_id)
            assert resolve_claim(job_id, lease_s=60) is not None

    resolve(job_id, musicbrainz=musicbrainz, checkpoint=take_over)
    assert Job.objects.get(id=job_id).state == JobState.RESOLVING
    assert not JobTrack.objects.filter(job_id=job_id).exists()


def test_something_unexpected_is_recorded_and_tried_a_bounded_number_of_times() -> None:
    class Broken:
        def release(self, mbid: uuid.UUID) -> object:
            raise ZeroDivisionError

        recording = release

    job_id = ask()
    for _ in range(8):
        due(job_id)
        resolve(job_id, musicbrainz=Broken())  # type: ignore[arg-type]
    job = Job.objects.get(id=job_id)
    assert (job.state, job.code, job.params["error"]) == (JobState.FAILED, "unexpected", "ZeroDivisionError")


class Known:
    """A MusicBrainz that knows one recording, on these releases."""

    def __init__(self, facts: ReleaseFacts | None, *, gone: bool = False) -> None:
        self._facts = facts
        self._gone = gone

    def release(self, mbid: uuid.UUID) -> ReleaseFacts:
        if self._facts is None or self._gone:
            raise Permanent("gone", code="release_not_found")
        return self._facts

    def recording(self, mbid: uuid.UUID) -> tuple[RecordingFacts, tuple[ReleaseRef, ...]]:
        recording = next(track.recording for _, track in release_facts().tracks() if track.recording.mbid == mbid)
        others = tuple(ReleaseRef(mbid=uuid.UUID(int=number)) for number in range(1, 20))
        return recording, (ReleaseRef(mbid=self._facts.mbid), *others) if self._facts else ()


def test_a_recording_is_filed_under_its_best_release_and_looked_up_under_the_best_ten() -> None:
    job_id = job_create(kind="recording", target_mbid=recording_id(2)).id
    resolve(job_id, musicbrainz=Known(release_facts()))
    job, track = Job.objects.get(id=job_id), JobTrack.objects.select_related("want").get(job_id=job_id)
    assert (job.state, job.title, job.release_mbid, job.year) == (
        JobState.RUNNING,
        "Song 2",
        release_facts().mbid,
        "2019",
    )
    assert (track.medium_position, track.position, track.recording_mbid) == (1, 2, recording_id(2))
    assert track.want is not None
    assert track.want.release_mbids[0] == str(release_facts().mbid)
    assert len(track.want.release_mbids) == 10


@pytest.mark.parametrize("musicbrainz", [Known(None), Known(release_facts(), gone=True)], ids=["no release", "gone"])
def test_a_recording_without_a_release_is_wanted_all_the_same(musicbrainz: Known) -> None:
    job_id = job_create(kind="recording", target_mbid=recording_id(1)).id
    resolve(job_id, musicbrainz=musicbrainz)
    job, track = Job.objects.get(id=job_id), JobTrack.objects.get(job_id=job_id)
    assert (job.state, job.release_mbid, track.position, track.title) == (JobState.RUNNING, None, 0, "Song 1")


def test_an_unknown_recording_fails_the_job_with_a_code(musicbrainz: Musicbrainz) -> None:
    job_id = job_create(kind="recording", target_mbid=uuid.uuid4()).id
    resolve(job_id, musicbrainz=musicbrainz)
    assert Job.objects.get(id=job_id).code == "recording_not_found"


def test_with_musicbrainz_switched_off_what_is_known_is_resolved_and_the_rest_waits(
    musicbrainz: Musicbrainz, metadata: Metadata
) -> None:
    resolve(ask(), musicbrainz=musicbrainz)
    Release.objects.update(fetched_at=timezone.now() - timedelta(days=400))
    asked = len(metadata.requests)
    offline = Musicbrainz(host=metadata.url, contact="", version="0", limiter=limiter(), offline=True)
    album = ask()
    song = job_create(kind="recording", target_mbid=JobTrack.objects.all()[2].recording_mbid).id
    unknown = job_create(kind="mb_release", target_mbid=uuid.uuid4()).id
    for job_id in (album, song, unknown):
        resolve(job_id, musicbrainz=offline)
    assert_resolved_once(album)
    one = Job.objects.get(id=song)
    assert (one.state, one.release_mbid) == (JobState.RUNNING, RELEASE)
    waits = Job.objects.get(id=unknown)
    assert (waits.state, waits.code) == (JobState.PENDING, "musicbrainz_offline")
    assert len(metadata.requests) == asked
