"""Which jobs' manifests on disk are older than their rows, and how one is noted as written.

Rows are the truth while they exist; the files are for when they don't. `manifest_mark` is called inside the transaction that changes a job, so that a
change and its mark commit together; `workers.manifests` writes the files. Each job has a file of its own, a child too (it names its parent), so that
marking a child marks nothing else and a change costs one small file, whatever the size of the tree.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime

from django.db.models.functions import Now

from apps.jobs.models import Job

MARKS_AT_ONCE = 500
"""Ids in one UPDATE: SQLite takes 999 variables at least."""
UNWRITTEN_ORIGINS = frozenset({"doctor"})
"""A fix belongs to rows of the library and to the places of its files: without them it is another job, and the doctor finds its issue again."""


def manifest_mark(job_ids: Iterable[uuid.UUID]) -> None:
    """Note that these jobs' manifests are to be written again. One UPDATE for up to 500 jobs; call it inside the transaction that changes them."""
    ids = list(job_ids)
    for at in range(0, len(ids), MARKS_AT_ONCE):
        rows = Job.objects.filter(id__in=ids[at : at + MARKS_AT_ONCE]).exclude(origin__in=UNWRITTEN_ORIGINS)
        rows.update(manifest_due_at=Now())


def manifests_take(job_ids: Iterable[uuid.UUID], *, stamp: datetime) -> int:
    """Put the writer's own stamp on due jobs before they are read: whatever marks one from now on changes it. Returns how many are still due.

    `stamp`: its microseconds must be no whole milliseconds, since SQLite's clock gives these: no mark can equal it.
    """
    return Job.objects.filter(id__in=list(job_ids), manifest_due_at__isnull=False).update(manifest_due_at=stamp)


def manifest_written(job_id: uuid.UUID, *, stamp: datetime) -> bool:
    """Its manifest is on disk as it was read after `stamp`. False: it was marked again meanwhile, and stays due."""
    return Job.objects.filter(id=job_id, manifest_due_at=stamp).update(manifest_due_at=None) == 1
