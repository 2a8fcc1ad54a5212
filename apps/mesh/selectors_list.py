"""What is seeded, what is announced, and how claims turned out, for API, pages and metrics."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count

from apps.common.names import ReleaseName, release_names
from apps.mesh.models import Announcement, Claim, SeededRelease

UNNAMED = ReleaseName(title="", artist="", year="")
MAX_SHOWN = 100  # of seeds and of announcements: there are never more (DESIGN §8)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedRow:
    """A seeded release; names are empty when MusicBrainz was not asked about it."""

    release_mbid: uuid.UUID
    title: str
    artist: str
    year: str
    requested_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncementRow:
    """A release this node announces in the DHT."""

    release_mbid: uuid.UUID
    title: str
    artist: str
    slot: int
    since: datetime
    announced_at: datetime | None
    stored_at: int
    """DHT nodes that took the last announcement."""


def seed_list() -> list[SeedRow]:
    """Seeded releases, newest first; two queries."""
    rows = list(SeededRelease.objects.select_related("requested_by").order_by("-created_at")[:MAX_SHOWN])
    names = release_names([row.release_mbid for row in rows])
    return [
        SeedRow(
            release_mbid=row.release_mbid,
            title=names.get(row.release_mbid, UNNAMED).title,
            artist=names.get(row.release_mbid, UNNAMED).artist,
            year=names.get(row.release_mbid, UNNAMED).year,
            requested_by=row.requested_by.get_username() if row.requested_by else "",
            created_at=row.created_at,
        )
        for row in rows
    ]


def announcement_list() -> list[AnnouncementRow]:
    """What is announced, by slot; two queries."""
    rows = list(Announcement.objects.order_by("slot")[:MAX_SHOWN])
    names = release_names([row.release_mbid for row in rows])
    return [
        AnnouncementRow(
            release_mbid=row.release_mbid,
            title=names.get(row.release_mbid, UNNAMED).title,
            artist=names.get(row.release_mbid, UNNAMED).artist,
            slot=row.slot,
            since=row.since,
            announced_at=row.announced_at,
            stored_at=row.stored_at,
        )
        for row in rows
    ]


def claims_by_verdict() -> dict[str, int]:
    """How many claims are open, confirmed, refuted."""
    lines = Claim.objects.order_by().values("verdict").annotate(count=Count("id"))
    return {line["verdict"]: line["count"] for line in lines}
