"""The whole beat table. Times are in seconds; a message that no worker took within its period is dropped, the next one does its work."""

from __future__ import annotations

from typing import TypedDict

from celery.schedules import crontab

from apps.common.dispatch import PRIORITIES, QUEUES, TaskName


class BeatEntry(TypedDict):
    """A line of Celery's CELERY_BEAT_SCHEDULE."""

    task: str
    schedule: float | crontab
    options: dict[str, object]


CONSUME_NODE_EVENTS_S = 2.0
"""Events wake their consumer; this bounds what a lost wake-up costs."""
SWEEP_S = 5.0
"""One indexed query each over open jobs and tracks."""

WRITE_MANIFESTS_S = 5.0
"""What a changed job waits for its file at most; one look into an index when nothing waits."""

RECOUNT_CANONICAL_S = 10.0
"""What a change costs until statistics show it; one query when nothing waits."""

ANALYSE_VARIANTS_S = 15.0
"""What a new variant waits for its analysis while nothing else goes on; one query when nothing waits."""


DOCTOR_DUE_S = 15.0
"""Five looks into indexes: what changed, which look waits."""

LIBRARY_SCANS_S = 15.0
"""What a folder waits beyond its time, and what a lost message costs a scan; a few look-ups over roots and live scans."""


IDENTIFY_VARIANTS_S = 20.0
"""What a new variant waits until it is asked what it is; three queries when nothing waits."""

MATCH_FOLDERS_S = 20.0
"""What a new folder waits at most until its release is looked for; two queries when nothing waits."""


REREAD_TAGS_S = 300.0
"""Once, after a version that keeps more fields of tags; one look into an index when nothing waits."""


TARGETS_COUNT_S = 60.0
"""What a change of the library costs until lists of targets show it; a few looks into indexes when nothing changed."""


DISCOGS_LOOK_S = 30.0
"""What a file that fits waits until it completes a track of a release that only Discogs has; one look into an index when no such job waits."""


HUNTS_DUE_S = 2.0
"""What the end of a search waits for its answers to be weighed; four looks into indexes when nothing is hunted."""

CAPTURE_S = 60.0
"""What answers teach is known so late at most; one look into an index when nothing was answered."""


TAKE_STREAM_ENDS_S = 5.0
"""Every end of a download wakes its consumer; this bounds what a lost wake-up costs: one look into an index."""


def _every(task: TaskName, seconds: float) -> BeatEntry:
    options: dict[str, object] = {"queue": QUEUES[task], "expires": 2 * seconds, "priority": PRIORITIES.get(task, 0)}
    return {"task": task.value, "schedule": seconds, "options": options}


BEAT_SCHEDULE: dict[str, BeatEntry] = {
    "consume-node-events": _every(TaskName.CONSUME_NODE_EVENTS, CONSUME_NODE_EVENTS_S),
    "sweep": _every(TaskName.SWEEP, SWEEP_S),
    "write-manifests": _every(TaskName.WRITE_MANIFESTS, WRITE_MANIFESTS_S),
    "match-folders": _every(TaskName.MATCH_FOLDERS, MATCH_FOLDERS_S),
    "recount-canonical": _every(TaskName.RECOUNT_CANONICAL, RECOUNT_CANONICAL_S),
    "doctor-due": _every(TaskName.DOCTOR_DUE, DOCTOR_DUE_S),
    "identify-variants": _every(TaskName.IDENTIFY_VARIANTS, IDENTIFY_VARIANTS_S),
    "analyse-variants": _every(TaskName.ANALYSE_VARIANTS, ANALYSE_VARIANTS_S),
    "reread-tags": _every(TaskName.REREAD_TAGS, REREAD_TAGS_S),
    "targets-count": _every(TaskName.TARGETS_COUNT, TARGETS_COUNT_S),
    "discogs-look": _every(TaskName.DISCOGS_LOOK, DISCOGS_LOOK_S),
    "hunts-due": _every(TaskName.HUNTS_DUE, HUNTS_DUE_S),
    "capture": _every(TaskName.CAPTURE, CAPTURE_S),
    "take-stream-ends": _every(TaskName.TAKE_STREAM_ENDS, TAKE_STREAM_ENDS_S),
    "library-scans": _every(TaskName.LIBRARY_SCANS, LIBRARY_SCANS_S),
    "recheck-unconfirmed": {
        "task": TaskName.RECHECK_UNCONFIRMED.value,
        "schedule": crontab(minute="41"),
        "options": {"queue": QUEUES[TaskName.RECHECK_UNCONFIRMED], "expires": 3600},
    },
    "retention": {
        "task": TaskName.RETENTION.value,
        "schedule": crontab(hour="4", minute="17"),
        "options": {"queue": QUEUES[TaskName.RETENTION], "expires": 3600},
    },
}
