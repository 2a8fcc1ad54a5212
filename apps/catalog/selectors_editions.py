"""Reads of the catalog that matching begins with: the editions of a group, and which releases some recordings stand on."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import timedelta

from django.db.models import Count
from django.utils import timezone

from apps.catalog.models import Release, ReleaseGroup, Track
from apps.catalog.selectors import RELEASE_FRESH, release_facts
from apps.domain.catalog.release import ReleaseFacts


def group_editions(
    group_mbid: uuid.UUID, *, fresh_for: timedelta | None = RELEASE_FRESH
) -> tuple[ReleaseFacts, ...] | None:
    """All releases of a group with their tracks; None if they were never fetched all, or too long ago. `fresh_for=None`: whatever is known."""
    at = ReleaseGroup.objects.filter(mbid=group_mbid).values_list("editions_at", flat=True).first()
    if fresh_for is not None and (at is None or at < timezone.now() - fresh_for):
        return None
    fetched = Release.objects.filter(release_group_id=group_mbid, fetched_at__isnull=False)
    mbids = fetched.order_by("date", "mbid").values_list("mbid", flat=True)
    found = (release_facts(mbid, fresh_for=None) for mbid in mbids)
    return tuple(one for one in found if one is not None)


def releases_with(
    recordings: Collection[uuid.UUID], *, limit: int = 5
) -> tuple[tuple[uuid.UUID, uuid.UUID | None], ...]:
    """(release, its group) of the known releases that have most of these recordings, at most 500; two of them at least where two are asked for."""
    wanted = sorted(recordings)[:500]
    rows = (
        Track.objects.filter(recording_id__in=wanted)
        .values("medium__release_id", "medium__release__release_group_id")
        .annotate(hits=Count("recording_id", distinct=True))
        .filter(hits__gte=min(2, len(wanted)))
        .order_by("-hits", "medium__release_id")[:limit]
    )
    return tuple((row["medium__release_id"], row["medium__release__release_group_id"]) for row in rows)
