"""Reads of claims, seeded releases and announcements."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count

from apps.domain.contracts.node_work import ClaimReport, KnownClaim
from apps.mesh.models import Announcement, Claim, ClaimVerdict, SeededRelease

MAX_CLAIMS_PER_RECORDING = 500
"""Sources beyond that change no choice; a flood of claims must not fill memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncementRow:
    """An announced release as lists show it."""

    release_mbid: uuid.UUID
    slot: int
    since: datetime
    announced_at: datetime | None
    stored_at: int


def seeded_releases() -> list[uuid.UUID]:
    """Releases a person chose to seed, oldest choice first."""
    return list(SeededRelease.objects.order_by("created_at").values_list("release_mbid", flat=True))


def announcement_list() -> list[AnnouncementRow]:
    """What is announced, by slot."""
    return [
        AnnouncementRow(
            release_mbid=row.release_mbid,
            slot=row.slot,
            since=row.since,
            announced_at=row.announced_at,
            stored_at=row.stored_at,
        )
        for row in Announcement.objects.all()
    ]


def claims_of(recording_mbid: uuid.UUID) -> list[KnownClaim]:
    """What peers claim to be a recording, with each claimer's record; newest first."""
    rows = (
        Claim.objects.filter(recording_mbid=recording_mbid)
        .select_related("peer")
        .order_by("-heard_at", "id")[:MAX_CLAIMS_PER_RECORDING]
    )
    return [
        KnownClaim(
            claim=ClaimReport(
                peer=row.peer.key,
                group=row.group,
                recording_mbid=row.recording_mbid,
                payload_format=row.payload_format,
                payload_root=bytes(row.payload_root),
                profile=row.profile,
                payload_bytes=row.payload_bytes,
                complete=row.complete,
                facts=row.facts,
            ),
            refuted=row.verdict == ClaimVerdict.REFUTED,
            wrong_claims=row.peer.wrong_claims,
        )
        for row in rows
    ]


def claim_verdict_counts() -> dict[str, int]:
    """How many claims stand open, confirmed and refuted."""
    return dict(Claim.objects.values_list("verdict").annotate(count=Count("id")))
