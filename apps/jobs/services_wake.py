"""Jobs of jobs that wait for lists of MusicBrainz go on as soon as these are read."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from apps.common.dispatch import TaskName, enqueue
from apps.domain.jobs.lifecycle import JobState
from apps.domain.jobs.tree import LISTS_WALKING, TREE_KINDS
from apps.jobs.models import Job


def trees_wake(subjects: Collection[uuid.UUID]) -> int:
    """Let the trees of these artists and labels look at once that wait for lists; how many. Those that somebody looks at now look again by themselves."""
    if not subjects:
        return 0
    # A crate by the label's name has another target than its label: it notes whose lists it waits for.
    meant = Q(target_mbid__in=subjects) | Q(params__subject__in=[str(one) for one in subjects])
    with transaction.atomic():
        waiting = Job.objects.filter(
            meant, kind__in=TREE_KINDS, state=JobState.PENDING, code__in=LISTS_WALKING, lease_until=None
        )
        ids = list(waiting.filter(next_step_at__isnull=False).values_list("id", flat=True))
        Job.objects.filter(id__in=ids, state=JobState.PENDING, lease_until=None).update(next_step_at=Now())
        for one in ids:
            enqueue(TaskName.EXPAND_JOB, str(one))
    return len(ids)
