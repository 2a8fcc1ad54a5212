"""Asking for music: the same request twice, and every button on a job."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import User
from django.db import connections

from apps.domain.errors import DomainError
from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.lifecycle import JobState, TrackState, WantDesired
from apps.jobs import services
from apps.jobs.models import Job, JobTrack
from apps.transfers.models import Transfer, Want

pytestmark = pytest.mark.django_db


def make(alice: User | None, mbid: uuid.UUID, **given: object) -> services.JobCreated:
    return services.job_create(kind="mb_release", target_mbid=mbid, requested_by=alice, **given)  # type: ignore[arg-type]


def resolved_job(mbid: uuid.UUID, *, tracks: int = 2, **wishes: object) -> Job:
    created = services.job_create(kind="mb_release", target_mbid=mbid, constraints=wishes)
    job = Job.objects.get(id=created.id)
    Job.objects.filter(id=job.id).update(state=JobState.RUNNING, next_step_at=None)
    for position in range(1, tracks + 1):
        recording = uuid.uuid4()
        want = Want.objects.create(recording_mbid=recording, constraints=job.constraints)
        JobTrack.objects.create(
            job=job, position=position, title=f"Song {position}", recording_mbid=recording, want=want
        )
    job.refresh_from_db()
    return job


def states(job: Job) -> list[str]:
    return [track.state for track in job.tracks.all()]


def desired(job: Job) -> list[str]:
    return [track.want.desired for track in job.tracks.select_related("want")]


def test_one_key_and_one_request_make_one_job(alice: User, release_mbid: uuid.UUID) -> None:
    first = make(alice, release_mbid, idempotency_key="k1")
    again = make(alice, str(release_mbid).upper(), idempotency_key="k1")
    assert (first.created, again.created) == (True, False)
    assert first.id == again.id
    assert Job.objects.count() == 1


def test_one_key_for_two_requests_is_a_conflict(alice: User, release_mbid: uuid.UUID) -> None:
    make(alice, release_mbid, idempotency_key="k1")
    with pytest.raises(DomainError) as refused:
        make(alice, release_mbid, idempotency_key="k1", constraints={"allow_lossy": False})
    assert refused.value.code == "idempotency_conflict"


def test_keys_of_two_people_do_not_meet(alice: User, release_mbid: uuid.UUID) -> None:
    make(alice, release_mbid, idempotency_key="k1")
    other = make(None, release_mbid, idempotency_key="k1")
    assert other.created
    assert not make(None, release_mbid, idempotency_key="k1").created


def test_without_a_key_every_request_is_a_job(alice: User, release_mbid: uuid.UUID) -> None:
    assert make(alice, release_mbid).id != make(alice, release_mbid).id


@pytest.mark.parametrize(
    "mbid",
    [
        "",
        "x",
        "78db95c6be794c9b9b27a6c3a40e2fc5",
        "{78db95c6-be79-4c9b-9b27-a6c3a40e2fc5}",
        "0" * 8 + "-0000-0000-0000-" + "0" * 12,
    ],
)
def test_what_is_no_mbid_is_refused(mbid: str) -> None:
    with pytest.raises(DomainError) as refused:
        services.job_create(kind="mb_release", target_mbid=mbid)
    assert refused.value.code == "mbid_invalid"


def test_an_unknown_kind_is_refused(release_mbid: uuid.UUID) -> None:
    with pytest.raises(DomainError) as refused:
        services.job_create(kind="mixtape", target_mbid=release_mbid)
    assert refused.value.code == "job_kind_unknown"


@pytest.mark.parametrize(
    "folder", ["/abs", "..", "a/../b", "a//b", "", "a\0b", ".hidden", "a/b/c/d/e/f/g/h/i", "x" * 300, "a\u202eb", "c:"]
)
def test_a_target_folder_that_leaves_the_library_is_refused(folder: str, release_mbid: uuid.UUID) -> None:
    with pytest.raises(DomainError) as refused:
        services.job_create(kind="mb_release", target_mbid=release_mbid, constraints={"target_dir": folder})
    assert refused.value.code == "constraints_invalid"


def test_pause_and_resume_hold_and_release_the_wants(release_mbid: uuid.UUID) -> None:
    job = resolved_job(release_mbid)
    assert services.job_pause(job.id) is JobState.PAUSED
    assert services.job_pause(job.id) is JobState.PAUSED
    assert desired(job) == [WantDesired.PAUSED] * 2
    assert services.job_resume(job.id) is JobState.RUNNING
    assert services.job_resume(job.id) is JobState.RUNNING
    assert desired(job) == [WantDesired.ACTIVE] * 2


def test_a_job_paused_before_it_was_resolved_goes_back_to_resolving(release_mbid: uuid.UUID) -> None:
    created = services.job_create(kind="mb_release", target_mbid=release_mbid)
    services.job_pause(created.id)
    assert services.job_resume(created.id) is JobState.PENDING
    assert Job.objects.get(id=created.id).next_step_at is not None


def test_a_job_whose_last_track_ended_while_paused_ends_when_resumed(release_mbid: uuid.UUID) -> None:
    job = resolved_job(release_mbid)
    services.job_pause(job.id)
    JobTrack.objects.filter(job=job).update(state=TrackState.COMPLETED)
    assert services.job_resume(job.id) is JobState.COMPLETED


def test_cancel_ends_tracks_and_wants_and_retry_brings_them_back(release_mbid: uuid.UUID) -> None:
    job = resolved_job(release_mbid)
    JobTrack.objects.filter(job=job, position=1).update(state=TrackState.COMPLETED)
    assert services.job_cancel(job.id) is JobState.CANCELLED
    assert services.job_cancel(job.id) is JobState.CANCELLED
    assert states(job) == [TrackState.COMPLETED, TrackState.CANCELLED]
    assert services.job_retry(job.id) is JobState.RUNNING
    assert states(job) == [TrackState.COMPLETED, TrackState.WANTED]
    assert desired(job)[1] == WantDesired.ACTIVE


def test_retrying_a_failed_track_of_a_paused_job_keeps_it_paused(release_mbid: uuid.UUID) -> None:
    job = resolved_job(release_mbid)
    JobTrack.objects.filter(job=job, position=1).update(state=TrackState.FAILED, code="name_taken")
    Want.objects.filter(job_track__job=job, job_track__position=1).update(desired=WantDesired.CANCELLED)
    services.job_pause(job.id)
    assert services.job_retry(job.id) is JobState.PAUSED
    assert (states(job), desired(job)) == ([TrackState.WANTED] * 2, [WantDesired.PAUSED] * 2)
    assert services.job_resume(job.id) is JobState.RUNNING
    assert desired(job) == [WantDesired.ACTIVE] * 2


def test_a_completed_job_can_be_neither_retried_nor_cancelled(release_mbid: uuid.UUID) -> None:
    job = resolved_job(release_mbid)
    JobTrack.objects.filter(job=job).update(state=TrackState.COMPLETED)
    assert services.job_refresh_state(job.id) is JobState.COMPLETED
    for button, code in [
        (services.job_retry, "job_not_retryable"),
        (services.job_cancel, "job_ended"),
        (services.job_pause, "job_ended"),
        (services.job_resume, "job_ended"),
    ]:
        with pytest.raises(DomainError) as refused:
            button(job.id)
        assert refused.value.code == code


def test_a_job_is_told_by_its_tracks(release_mbid: uuid.UUID) -> None:
    job = resolved_job(release_mbid)
    assert services.job_refresh_state(job.id) is JobState.RUNNING
    JobTrack.objects.filter(job=job, position=1).update(state=TrackState.COMPLETED)
    JobTrack.objects.filter(job=job, position=2).update(state=TrackState.FAILED)
    assert services.job_refresh_state(job.id) is JobState.PARTIAL
    job.refresh_from_db()
    assert (job.code, job.params) == ("tracks_failed", {"failed": 1, "total": 2})
    assert job.ended_at is not None


def test_a_full_disk_is_shown_on_the_job_until_it_is_over(release_mbid: uuid.UUID) -> None:
    job = resolved_job(release_mbid)
    JobTrack.objects.filter(job=job, position=1).update(
        state=TrackState.VERIFYING, code="disk_full", params={"path": "x"}
    )
    services.job_refresh_state(job.id)
    job.refresh_from_db()
    assert (job.state, job.code) == (JobState.RUNNING, "disk_full")
    JobTrack.objects.filter(job=job, position=1).update(state=TrackState.COMPLETED, code="")
    services.job_refresh_state(job.id)
    job.refresh_from_db()
    assert job.code == ""


def test_once_the_lossy_tracks_are_used_up_the_rest_must_be_lossless(release_mbid: uuid.UUID) -> None:
    job = resolved_job(release_mbid, max_lossy_tracks_per_album=1)
    first, second = job.tracks.all()
    JobTrack.objects.filter(id=first.id).update(state=TrackState.DOWNLOADING)
    Transfer.objects.create(
        want=first.want,
        payload_format="mp3",
        payload_root=b"r" * 32,
        profile="mp3-320-44100-2",
        payload_bytes=9,
        leaf_bytes=262144,
    )
    services.job_refresh_state(job.id)
    assert Constraints.from_json(Want.objects.get(id=first.want_id).constraints).allow_lossy
    assert not Constraints.from_json(Want.objects.get(id=second.want_id).constraints).allow_lossy

    Transfer.objects.update(state="rejected")
    JobTrack.objects.filter(id=first.id).update(state=TrackState.WANTED)
    services.job_refresh_state(job.id)
    assert Constraints.from_json(Want.objects.get(id=second.want_id).constraints).allow_lossy


def test_two_requests_with_one_key_at_one_moment_make_one_job(transactional_db: None, release_mbid: uuid.UUID) -> None:
    alice = User.objects.create_user("alice")
    start = threading.Barrier(4)

    def post(_: int) -> services.JobCreated:
        try:
            start.wait()
            return make(alice, release_mbid, idempotency_key="k")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(post, range(4)))
    assert len({one.id for one in made}) == 1
    assert [one.created for one in made].count(True) == 1
    assert Job.objects.count() == 1


def test_an_unknown_job_says_so() -> None:
    for button in (
        services.job_pause,
        services.job_resume,
        services.job_cancel,
        services.job_retry,
        services.job_refresh_state,
    ):
        with pytest.raises(DomainError) as refused:
            button(uuid.uuid4())
        assert refused.value.code == "job_unknown"
