"""Task: turn what the node reports into states of tracks."""

from __future__ import annotations

from celery import shared_task

from apps.common.dispatch import TaskName
from apps.jobs.services_events import node_events_consume


@shared_task(name=TaskName.CONSUME_NODE_EVENTS.value)
def consume_node_events() -> None:
    """See apps.jobs.services_events. Started by every event and, should a message get lost, every two seconds."""
    node_events_consume()
