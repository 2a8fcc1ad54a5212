"""What the node reads of claims and seeded releases. The lists for people are in `selectors_list`."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.utils import timezone

from apps.domain.contracts.node_work import ClaimReport, KnownClaim
from apps.domain.mesh.claims import cooling_s
from apps.mesh.models import Claim, ClaimVerdict, SeededRelease

MAX_CLAIMS_PER_RECORDING = 500
"""Sources beyond that change no choice; a flood of claims must not fill memory."""


def seeded_releases() -> list[uuid.UUID]:
    """Releases a person chose to seed, oldest choice first."""
    return list(SeededRelease.objects.order_by("created_at").values_list("release_mbid", flat=True))


def claims_of(recording_mbid: uuid.UUID) -> list[KnownClaim]:
    """What peers claim to be a recording, with each claimer's record; newest first."""
    now = timezone.now()
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
            delivered=row.delivered_at is not None or row.verdict == ClaimVerdict.CONFIRMED,
            cooling_s=_cooling_left_s(row, now),
        )
        for row in rows
    ]


def _cooling_left_s(row: Claim, now: datetime) -> float:
    if row.undelivered_at is None:
        return 0.0
    return max(0.0, cooling_s(row.undelivered) - max(0.0, (now - row.undelivered_at).total_seconds()))
