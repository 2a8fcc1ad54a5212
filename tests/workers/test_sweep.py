"""Whatever waits, is due and is in nobody's hands gets its task again; nothing else does. Against the tests' own Valkey."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from celery import Celery
from django.utils import timezone

from apps.common.dispatch import QUEUES, TaskName
from apps.domain.jobs.lifecycle import JobState, TrackState
from apps.jobs.models import Job, JobTrack
from apps.jobs.services import job_cancel, job_create, job_pause, job_retry
from apps.jobs.services_resolve import resolve_claim
from apps.jobs.services_sweep import jobs_waiting, tracks_put_right, verifications_waiting
from apps.jobs.services_verify import verify_claim
from slskdn_site.broker import redis_url
from slskdn_site.celery import app
from tests.workers.assembled import assemble, due, running_job, track_of
from workers.schedule import BEAT_SCHEDULE
from workers.sweep import sweep

pytestmark = pytest.mark.django_db(transaction=True)

PAST = timedelta(seconds=-5)


@pytest.fixture
def sent() -> Iterator[redis.Redis]:
    """The broker's queues, empty before and after."""
    client = redis.Redis.from_url(redis_url())
    client.flushdb()
    yield client
    client.flushdb()


def tasks_in(client: redis.Redis) -> list[tuple[str, str]]:
    found = []
    for queue in set(QUEUES.values()):
        for message in client.lrange(queue, 0, -1):  # type: ignore[union-attr]
            headers = json.loads(message)["headers"]
            found.append((headers["task"], str(headers["argsrepr"])))
    return sorted(found)


def ask() -> uuid.UUID:
    return job_create(kind="mb_release", target_mbid=uuid.uuid4()).id


def test_asking_sends_the_task_at_once(sent: redis.Redis) -> None:
    job_id = ask()
    ((task, args),) = tasks_in(sent)
    assert task == TaskName.RESOLVE_JOB
    assert str(job_id) in args


def test_a_lost_task_is_sent_again_but_not_twice_at_once(sent: redis.Redis) -> None:
    job_id = ask()
    sent.flushdb()
    sweep()
    sweep()
    assert [(task, str(job_id) in args) for task, args in tasks_in(sent)] == [(TaskName.RESOLVE_JOB, True)]


def test_work_in_somebodys_hands_not_due_paused_or_done_is_left_alone(sent: redis.Redis) -> None:
    working, later, paused, failed = (ask() for _ in range(4))
    assert resolve_claim(working, lease_s=60)
    Job.objects.filter(id=later).update(next_step_at=timezone.now() + timedelta(hours=1))
    job_pause(paused)
    Job.objects.filter(id=failed).update(state=JobState.FAILED)
    assert jobs_waiting() == []
    Job.objects.filter(id=working).update(lease_until=timezone.now() + PAST)
    assert [step.id for step in jobs_waiting()] == [working]


def test_an_assembled_file_waits_until_it_is_judged(tmp_path: Path, sent: redis.Redis) -> None:
    job = running_job(tracks=1)
    transfer = assemble(job, tmp_path)
    assert [step.id for step in verifications_waiting()] == [transfer.id]
    assert verify_claim(transfer.id, lease_s=60)
    assert verifications_waiting() == []
    due(job)
    sent.flushdb()
    sweep()
    assert [task for task, _ in tasks_in(sent)] == [TaskName.VERIFY_DOWNLOAD]


def test_a_track_whose_transfer_vanished_under_verification_is_wanted_again(tmp_path: Path) -> None:
    job = running_job(tracks=1)
    transfer = assemble(job, tmp_path)
    assert tracks_put_right() == 0
    type(transfer).objects.filter(id=transfer.id).update(state="failed")
    assert tracks_put_right() == 0  # its event may be on its way
    JobTrack.objects.update(updated_at=timezone.now() - timedelta(minutes=5))
    assert tracks_put_right() == 1
    assert (track_of(job).state, track_of(job).code) == (TrackState.WANTED, "file_missing")


def test_a_file_assembled_before_its_job_was_cancelled_and_taken_back_is_verified_after_all(tmp_path: Path) -> None:
    job = running_job(tracks=1)
    transfer = assemble(job, tmp_path)
    job_cancel(job.id)
    job_retry(job.id)  # before the node had seen the first: for it nothing has changed
    assert track_of(job).state == TrackState.WANTED
    assert tracks_put_right() == 0  # its event may be on its way
    JobTrack.objects.update(updated_at=timezone.now() - timedelta(seconds=30))
    assert tracks_put_right() == 1
    assert [step.id for step in verifications_waiting()] == [transfer.id]
    assert verify_claim(transfer.id, lease_s=60)


def test_a_job_whose_tracks_have_all_ended_is_ended() -> None:
    job = running_job(tracks=2)
    JobTrack.objects.filter(job=job).update(state=TrackState.COMPLETED)
    assert tracks_put_right() == 1
    job.refresh_from_db()
    assert job.state == JobState.COMPLETED


def test_without_a_broker_asking_still_works_and_the_sweep_waits(
    sent: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = redis.Redis.from_url("unix:///nonexistent/valkey.sock")
    monkeypatch.setattr("workers.sweep._hints", lambda: nobody)
    cut_off = Celery("cut off", broker="redis+socket:///nonexistent/valkey.sock")
    cut_off.conf.broker_transport_options = app.conf.broker_transport_options
    cut_off.set_current()
    try:
        job_id = ask()
        sweep()
    finally:
        app.set_current()
    assert tasks_in(sent) == []
    assert Job.objects.get(id=job_id).state == JobState.PENDING


def test_a_broker_whose_memory_or_disk_is_full_refuses_nobody(sent: redis.Redis) -> None:
    before = str(sent.config_get("maxmemory")["maxmemory"])  # type: ignore[index]
    sent.config_set("maxmemory", 1)
    try:
        job_id = ask()
    finally:
        sent.config_set("maxmemory", before)
    assert tasks_in(sent) == []
    assert Job.objects.get(id=job_id).state == JobState.PENDING
    sweep()
    assert [str(job_id) in args for _, args in tasks_in(sent)] == [True]


def test_every_line_of_the_beat_table_names_a_task_and_a_queue() -> None:
    app.loader.import_default_modules()
    for entry in BEAT_SCHEDULE.values():
        assert entry["task"] in app.tasks
        assert entry["options"]["queue"] in QUEUES.values()
    assert {task.value for task in TaskName} <= set(app.tasks)
