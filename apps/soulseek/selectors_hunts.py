"""Hunts and their candidates, for people."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from apps.soulseek.models import Hunt


def jobs_with_hunts(job_ids: Collection[uuid.UUID]) -> frozenset[uuid.UUID]:
    """Of these jobs, those that have a hunt."""
    named, found = list(job_ids), set[uuid.UUID]()
    for at in range(0, len(named), 500):
        rows = Hunt.objects.filter(job_id__in=named[at : at + 500]).values_list("job_id", flat=True)
        found.update(one for one in rows if one is not None)
    return frozenset(found)
