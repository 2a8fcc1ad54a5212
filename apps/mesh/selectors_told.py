"""What peers told first-hand of payloads, for whoever weighs variants of a recording: claims on links, and adverts that are believed now."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from django.db.models import Exists, OuterRef
from django.utils import timezone

from apps.domain.mesh.claims import stated_facts
from apps.mesh.models import Claim, ClaimVerdict
from apps.mesh.models_adverts import AvailableVariant

MAX_TOLD = 500
"""Words per recording, the latest first: more change no consensus, and a flood must not fill memory."""
SLICE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldPayload:
    """One peer's word on one payload. `facts` are empty where they proved wrong; words that proved to be of another recording are left out."""

    recording_mbid: uuid.UUID
    group: str
    """/24 or /56; the peer itself where that is unknown"""
    payload_format: str
    payload_root: bytes
    profile: str
    payload_bytes: int
    complete: bool
    facts: Mapping[str, int] = field(default_factory=dict)


def payloads_told(recordings: Collection[uuid.UUID]) -> dict[uuid.UUID, list[ToldPayload]]:
    """What peers tell of these recordings, each peer and payload once; two queries for every 200 recordings."""
    wanted = sorted(set(recordings))
    found: dict[uuid.UUID, dict[tuple[str, str, bytes], ToldPayload]] = {}
    for at in range(0, len(wanted), SLICE):
        some = wanted[at : at + SLICE]
        for peer, one in (*_claimed(some), *_advertised(some)):
            words = found.setdefault(one.recording_mbid, {})
            if len(words) < MAX_TOLD:
                words.setdefault((peer, one.payload_format, one.payload_root), one)
    return {mbid: list(words.values()) for mbid, words in found.items()}


def _claimed(recordings: list[uuid.UUID]) -> list[tuple[str, ToldPayload]]:
    rows = (
        Claim.objects.filter(recording_mbid__in=recordings, first_hand=True)
        .exclude(verdict=ClaimVerdict.REFUTED)
        .order_by("-heard_at", "id")
        .values_list(
            "peer_id", "recording_mbid", "group", "payload_format", "payload_root", "profile", "payload_bytes",
            "complete", "facts", "facts_wrong",
        )
    )  # fmt: skip
    return [
        (
            str(peer),
            ToldPayload(
                recording_mbid=mbid,
                group=group or f"peer:{peer}",
                payload_format=kind,
                payload_root=bytes(root),
                profile=profile,
                payload_bytes=size,
                complete=complete,
                facts={} if wrong else dict(facts),
            ),
        )
        for peer, mbid, group, kind, root, profile, size, complete, facts, wrong in rows[: MAX_TOLD * len(recordings)]
    ]


def _advertised(recordings: list[uuid.UUID]) -> list[tuple[str, ToldPayload]]:
    refuted = Claim.objects.filter(
        peer=OuterRef("advert__peer"),
        recording_mbid=OuterRef("recording_mbid"),
        payload_format=OuterRef("payload_format"),
        payload_root=OuterRef("payload_root"),
        verdict=ClaimVerdict.REFUTED,
    )
    rows = (
        AvailableVariant.objects.filter(
            ~Exists(refuted),
            recording_mbid__in=recordings,
            advert__expires_at__gt=timezone.now(),
        )
        .order_by("-id")
        .values_list(
            "advert__peer_id", "recording_mbid", "advert__group", "payload_format", "payload_root", "profile",
            "payload_bytes", "duration_ms", "transcode_suspect", "quality_score",
        )
    )  # fmt: skip
    return [
        (
            str(peer),
            ToldPayload(
                recording_mbid=mbid,
                group=group or f"peer:{peer}",
                payload_format=kind,
                payload_root=bytes(root),
                profile=profile,
                payload_bytes=size,
                complete=True,
                facts=stated_facts(duration_ms=lasts, suspect=suspect, quality_score=score),
            ),
        )
        for peer, mbid, group, kind, root, profile, size, lasts, suspect, score in rows[: MAX_TOLD * len(recordings)]
    ]
