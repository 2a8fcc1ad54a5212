"""Tasks are sent by name, with ids, once the transaction that caused them has committed.

A message is a hint: when the broker is away the send is logged and nothing else happens, because the sweep finds every row that waits.
"""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import Final

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)


class TaskName(StrEnum):
    """Every task there is. The value is the registered name of the task in `workers`."""

    RESOLVE_JOB = "workers.resolve_job"
    EXPAND_JOB = "workers.expand"
    VERIFY_DOWNLOAD = "workers.verify_download"
    SAMPLE_DOWNLOAD = "workers.sample_download"
    CONSUME_NODE_EVENTS = "workers.consume_node_events"
    SWEEP = "workers.sweep"
    WRITE_MANIFESTS = "workers.write_manifests"
    RECHECK_UNCONFIRMED = "workers.recheck_unconfirmed"
    RETENTION = "workers.retention"
    RECOUNT_CANONICAL = "workers.recount_canonical"
    MATCH_FOLDERS = "workers.match_folders"
    DOCTOR_LOOK = "workers.doctor_look"
    DOCTOR_DUE = "workers.doctor_due"
    ANALYSE_VARIANTS = "workers.analyse_variants"
    TRASH_STEP = "workers.trash_step"
    REMEDIATE = "workers.remediate"
    RENAME_STEP = "workers.rename_step"
    LIBRARY_SCANS = "workers.library_scans"
    SCAN_LIBRARY = "workers.scan_library"
    READ_FILES = "workers.read_files"
    REREAD_TAGS = "workers.reread_tags"
    IDENTIFY_VARIANTS = "workers.identify_variants"
    WALK_STEP = "workers.walk_step"
    WALK_ENDED = "workers.walk_ended"
    FIND = "workers.find"
    TARGETS_COUNT = "workers.targets_count"
    DELIVER_WEBHOOKS = "workers.deliver_webhooks"
    DISCOGS_LOOK = "workers.discogs_look"
    DISCOGS_FETCH = "workers.discogs_fetch"
    TAKE_STREAM_ENDS = "workers.take_stream_ends"
    HUNT_STEP = "workers.hunt_step"
    HUNTS_DUE = "workers.hunts_due"
    CAPTURE = "workers.capture"


QUEUES: dict[TaskName, str] = {
    TaskName.RESOLVE_JOB: "default",
    TaskName.EXPAND_JOB: "default",
    TaskName.VERIFY_DOWNLOAD: "verify",
    TaskName.SAMPLE_DOWNLOAD: "verify",
    TaskName.CONSUME_NODE_EVENTS: "default",
    TaskName.SWEEP: "default",
    TaskName.WRITE_MANIFESTS: "default",
    TaskName.RECHECK_UNCONFIRMED: "verify",
    TaskName.RETENTION: "default",
    TaskName.RECOUNT_CANONICAL: "default",
    TaskName.MATCH_FOLDERS: "default",
    TaskName.DOCTOR_LOOK: "default",
    TaskName.DOCTOR_DUE: "default",
    TaskName.ANALYSE_VARIANTS: "analyse",
    TaskName.TRASH_STEP: "default",
    TaskName.REMEDIATE: "default",
    TaskName.RENAME_STEP: "default",
    TaskName.LIBRARY_SCANS: "default",
    TaskName.SCAN_LIBRARY: "analyse",
    TaskName.READ_FILES: "analyse",
    TaskName.REREAD_TAGS: "analyse",
    TaskName.IDENTIFY_VARIANTS: "verify",
    TaskName.WALK_STEP: "default",
    TaskName.WALK_ENDED: "default",
    TaskName.FIND: "default",
    TaskName.TARGETS_COUNT: "default",
    TaskName.DELIVER_WEBHOOKS: "default",
    TaskName.DISCOGS_LOOK: "default",
    TaskName.DISCOGS_FETCH: "default",
    TaskName.TAKE_STREAM_ENDS: "default",
    TaskName.HUNT_STEP: "default",
    TaskName.HUNTS_DUE: "default",
    TaskName.CAPTURE: "default",
}

LAST: Final = 9
"""Priority of what waits for everything else: Redis gives a worker the messages of all its queues with a smaller number first."""
PRIORITIES: dict[TaskName, int] = {
    TaskName.ANALYSE_VARIANTS: LAST,
    TaskName.REREAD_TAGS: LAST,
    TaskName.READ_FILES: LAST - 1,
    TaskName.SCAN_LIBRARY: LAST - 2,
    TaskName.CAPTURE: LAST,
    TaskName.WALK_STEP: LAST - 4,  # a minute each: people's finds and jobs go before
}
"""0 where nothing is said."""


def enqueue(task: TaskName, *args: str | int) -> None:
    """Send `task` after the current transaction commits (at once outside of one)."""
    transaction.on_commit(lambda: _send(task, args))


def _send(task: TaskName, args: tuple[str | int, ...]) -> None:
    try:
        current_app.send_task(task.value, args=args, queue=QUEUES[task], priority=PRIORITIES.get(task, 0), retry=False)
    except (OperationalError, OSError) as error:
        log.warning("broker away, the sweep will find it: task=%s args=%s error=%s", task.value, args, error)
