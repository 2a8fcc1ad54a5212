"""What the node reports moves tracks: once, in order, and never from a state that has moved on."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.domain.contracts.events import TransferAssembled, TransferEnded, TransferStarted
from apps.domain.jobs.lifecycle import TrackState
from apps.jobs.models import JobTrack
from apps.jobs.services import job_cancel
from apps.jobs.services_events import MAX_ATTEMPTS, node_events_consume, node_events_forget
from apps.nodelink.models import NodeEvent
from apps.nodelink.services import event_record
from tests.apps.jobs.test_services import resolved_job

pytestmark = pytest.mark.django_db


def told(track: JobTrack, *kinds: str, code: str = "peer_lost") -> JobTrack:
    transfer = uuid.uuid4()
    assert track.want_id is not None
    for kind in kinds:
        match kind:
            case "started":
                event_record(TransferStarted(transfer_id=transfer, want_id=track.want_id))
            case "assembled":
                event_record(TransferAssembled(transfer_id=transfer, want_id=track.want_id))
            case _:
                event_record(TransferEnded(transfer_id=transfer, want_id=track.want_id, code=code))
    node_events_consume()
    track.refresh_from_db()
    return track


@pytest.fixture
def track(release_mbid: uuid.UUID) -> JobTrack:
    found = resolved_job(release_mbid, tracks=1).tracks.first()
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("kinds", "state", "code"),
    [
        (["started"], TrackState.DOWNLOADING, ""),
        (["assembled"], TrackState.VERIFYING, ""),
        (["started", "assembled"], TrackState.VERIFYING, ""),
        (["started", "ended"], TrackState.WANTED, "peer_lost"),
        (["started", "assembled", "ended"], TrackState.WANTED, "peer_lost"),
        (["started", "ended", "started"], TrackState.DOWNLOADING, ""),
        (["ended"], TrackState.WANTED, ""),
    ],
)
def test_events_move_a_track(kinds: list[str], state: TrackState, code: str, track: JobTrack) -> None:
    moved = told(track, *kinds)
    assert (moved.state, moved.code) == (state, code)
    assert (moved.next_step_at is not None) == (state is TrackState.VERIFYING)
    assert not NodeEvent.objects.filter(processed_at=None).exists()


def test_an_event_is_dealt_with_once(track: JobTrack) -> None:
    told(track, "started")
    JobTrack.objects.filter(id=track.id).update(state=TrackState.WANTED)
    assert node_events_consume() == 0
    track.refresh_from_db()
    assert track.state == TrackState.WANTED


def test_events_of_a_cancelled_job_change_nothing(track: JobTrack) -> None:
    job_cancel(track.job_id)
    assert told(track, "started", "assembled", "ended").state == TrackState.CANCELLED


def test_events_of_a_want_without_a_job_are_closed(track: JobTrack) -> None:
    event_record(TransferStarted(transfer_id=uuid.uuid4(), want_id=uuid.uuid4()))
    assert node_events_consume() == 1


def test_an_event_from_a_newer_version_is_closed_with_its_code_and_holds_nothing_up(track: JobTrack) -> None:
    NodeEvent.objects.create(kind="transfer_started", version=9, payload={})
    assert told(track, "started").state == TrackState.DOWNLOADING
    assert NodeEvent.objects.get(version=9).error_code == "contract_unreadable"


def test_an_event_whose_handling_fails_stays_open_but_not_for_ever(
    track: JobTrack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr("apps.jobs.services_events.advance", broken)
    told(track, "started")
    event = NodeEvent.objects.get()
    assert (event.processed_at, event.attempts, event.error_code) == (None, 1, "ZeroDivisionError")
    for _ in range(MAX_ATTEMPTS):
        node_events_consume()
    event.refresh_from_db()
    assert event.processed_at is not None and event.attempts == MAX_ATTEMPTS


def test_old_processed_events_are_forgotten_and_open_ones_are_not(track: JobTrack) -> None:
    told(track, "started")
    NodeEvent.objects.update(processed_at=timezone.now() - timedelta(days=8))
    NodeEvent.objects.create(kind="transfer_started", payload={})
    assert node_events_forget() == 1
    assert NodeEvent.objects.count() == 1
