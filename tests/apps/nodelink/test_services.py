"""Events of the node and its heartbeat as rows."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.domain.contracts.events import TransferEnded, read_event
from apps.domain.contracts.node_work import Heartbeat
from apps.nodelink.models import NodeHeartbeat
from apps.nodelink.selectors import events_open, node_status
from apps.nodelink.services import event_failed, event_processed, event_record, events_sweep, heartbeat_record

pytestmark = pytest.mark.django_db
EVENT = TransferEnded(transfer_id=uuid.uuid4(), want_id=uuid.uuid4(), code="want_cancelled")


def test_an_event_is_read_as_it_was_written_and_dealt_with_once() -> None:
    event_record(EVENT)
    (row,) = events_open()
    assert read_event(kind=row.kind, version=row.version, payload=row.payload) == EVENT
    assert event_processed(row.id)
    assert not event_processed(row.id)
    assert events_open() == []


def test_a_failed_event_stays_open_until_it_is_final() -> None:
    event_id = event_record(EVENT)
    event_failed(event_id, code="broken", final=False)
    assert events_open()[0].attempts == 1
    event_failed(event_id, code="broken", final=True)
    assert events_open() == []


def test_old_processed_events_are_swept_and_open_ones_never() -> None:
    done, _open = event_record(EVENT), event_record(EVENT)
    event_processed(done)
    assert events_sweep(processed_before=timezone.now() - timedelta(days=1)) == 0
    assert events_sweep(processed_before=timezone.now() + timedelta(days=1)) == 1
    assert len(events_open()) == 1


def test_a_node_that_stopped_beating_is_not_alive() -> None:
    assert node_status() is None
    heartbeat_record(
        Heartbeat(peer_id="p", boot_id="b", started_at=timezone.now(), version="1", report={"mode": "mesh"})
    )
    status = node_status()
    assert status is not None
    assert status.alive
    assert status.report == {"mode": "mesh"}
    NodeHeartbeat.objects.update(beat_at=timezone.now() - timedelta(seconds=60))
    stopped = node_status()
    assert stopped is not None
    assert not stopped.alive
