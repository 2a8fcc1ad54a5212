"""A planned release whose edition can't be read takes another edition of its group, by the rules that chose the first one."""

from __future__ import annotations

import uuid
from typing import Final

from django.db import transaction
from django.db.models.functions import Now

from apps.catalog.selectors_graph import group_briefs
from apps.common.dispatch import TaskName, enqueue
from apps.common.doorbell import WEB_CHANNEL, ring
from apps.common.transitions import advance
from apps.domain.catalog.discography import edition_of
from apps.domain.catalog.graph import ReleaseBrief
from apps.domain.jobs.lifecycle import JOB_MOVES, JobState
from apps.domain.jobs.selection import Selection
from apps.jobs.models import Job, JobKind, PlannedRelease
from apps.jobs.selectors_discography import filters_of
from apps.jobs.services_manifest import manifest_mark
from apps.jobs.services_resolve import ResolveClaim
from apps.library.selectors_held import releases_touched

UNREADABLE_RELEASE: Final = frozenset(
    {"release_not_found", "musicbrainz_garbled", "musicbrainz_refused", "release_without_tracks"}
)
"""Why an edition can't be read: it is gone, its answer makes no sense however often it is asked for, or it has no sound."""
MAX_TRIED: Final = 5
"""So many editions of a group are given up at most; then it is no longer the edition that is wrong."""
INSTEAD: Final = "edition_instead"


def edition_instead(claim: ResolveClaim, *, why: str) -> uuid.UUID | None:
    """Let the child of a tree fetch the next edition of its group instead, at once. `why`: the code of what was wrong with the one before.

    None, and nothing changed: `why` says nothing of the edition, the job is no child with a plan, no edition is left, or it is no longer this worker's.
    """
    if why not in UNREADABLE_RELEASE:
        return None
    with transaction.atomic():
        line = PlannedRelease.objects.select_related("job", "child").filter(child_id=claim.job_id).first()
        if line is None or line.group_mbid is None or len(line.tried) + 1 >= MAX_TRIED:
            return None
        next_ = _next(line)
        if next_ is None:
            return None
        moved = advance(
            Job.objects.filter(id=claim.job_id, attempt=claim.attempt, state=JobState.RESOLVING),
            moves=JOB_MOVES,
            to=JobState.PENDING,
            target_mbid=next_.mbid,
            title=next_.title[:1000],
            code="other_edition",
            params={"left": str(line.release_mbid), "why": why},
            lease_until=None,
            next_step_at=Now(),
        )
        if not moved:
            return None
        PlannedRelease.objects.filter(id=line.id).update(
            release_mbid=next_.mbid,
            title=next_.title[:1000],
            track_count=next_.track_count,
            reason=INSTEAD,
            tried=[*line.tried, str(line.release_mbid)],
        )
        manifest_mark([claim.job_id, line.job_id])
        enqueue(TaskName.RESOLVE_JOB, str(claim.job_id))
        ring(WEB_CHANNEL, f"job {claim.job_id}")
        ring(WEB_CHANNEL, f"job {line.job_id}")
    return next_.mbid


def _next(line: PlannedRelease) -> ReleaseBrief | None:
    """The best of the group's editions that the tree has nothing to do with yet; of a crate, one of the same label."""
    assert line.group_mbid is not None
    briefs = group_briefs(line.group_mbid)
    if line.job.kind == JobKind.LABEL_CRATE:
        labels = next((_labels(one) for one in briefs if one.mbid == line.release_mbid), frozenset())
        briefs = tuple(one for one in briefs if labels & _labels(one))
    taken = {line.release_mbid, *map(uuid.UUID, line.tried)}
    mbids = [one.mbid for one in briefs]
    taken |= set(Job.objects.filter(parent=line.job_id, target_mbid__in=mbids).values_list("target_mbid", flat=True))
    planned = PlannedRelease.objects.filter(job=line.job_id, release_mbid__in=mbids)
    taken |= set(planned.values_list("release_mbid", flat=True))
    left = [one for one in briefs if one.mbid not in taken]
    filters = filters_of(Selection.from_json(line.job.selection))
    chosen = edition_of(left, filters=filters, held=releases_touched([one.mbid for one in left]))
    return None if isinstance(chosen, str) else chosen[0]


def _labels(release: ReleaseBrief) -> frozenset[uuid.UUID]:
    return frozenset(one.label.mbid for one in release.labels if one.label is not None)
