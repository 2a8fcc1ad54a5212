"""What neighbours say that they hold: for the node's search for sources, and as a list for people."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Exists, F, Max, OuterRef, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from apps.common.names import RecordingName, recording_names
from apps.domain.contracts.node_work import AdvertHeld, AdvertisedSources, ClaimReport, KnownAddress
from apps.domain.mesh.claims import stated_facts
from apps.mesh.models import Claim, ClaimVerdict
from apps.mesh.models_adverts import Advert, AvailableVariant

MAX_CLAIMS_PER_LOOK = 500
"""Sources beyond that change no choice."""
MAX_ADDRESSES = 32
"""To be dialled for one look; everybody else is found by the DHT as ever."""
AVAILABLE_ORDER = ("-id",)
"""The recording first heard of last comes first: an order that does not move under a reader."""
UNNAMED = RecordingName(title="", artist="", release="")


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailableRow:
    """A recording that neighbours say they hold. Names are empty when the catalogue does not know it."""

    recording_mbid: uuid.UUID
    title: str
    artist: str
    release: str
    peers: int
    payloads: int
    """different encodes of it"""
    profiles: tuple[str, ...]
    heard_at: datetime
    """when the last of them said so"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailableTotals:
    """How much is believed now."""

    peers: int
    recordings: int
    variants: int


def advert_held(peer_key: str) -> AdvertHeld | None:
    """How far a peer's adverts are held; None when nothing whole is, or it may not be believed any more."""
    row = Advert.objects.filter(peer__key=peer_key, whole=True, expires_at__gt=timezone.now()).first()
    return AdvertHeld(bundle_id=row.bundle_id, sequence=row.sequence) if row is not None else None


def sources_advertised(recordings: Collection[uuid.UUID]) -> AdvertisedSources:
    """What adverts say of some recordings, those heard last first, and where their peers answered or are said to be. Refuted claims are left out.

    The first word of each peer on each recording comes before the second of any: who says much says nobody else down.
    """
    word = Window(RowNumber(), partition_by=["advert_id", "recording_mbid"], order_by="id")
    rows = _believed().filter(recording_mbid__in=list(recordings)).select_related("advert__peer")
    claims = [
        ClaimReport(
            peer=row.advert.peer.key,
            group=row.advert.group,
            recording_mbid=row.recording_mbid,
            payload_format=row.payload_format,
            payload_root=bytes(row.payload_root),
            profile=row.profile,
            payload_bytes=row.payload_bytes,
            complete=True,
            facts=stated_facts(
                duration_ms=row.duration_ms, suspect=row.transcode_suspect, quality_score=row.quality_score
            ),
        )
        for row in rows.annotate(word=word).order_by("word", "-advert__heard_at", "id")[:MAX_CLAIMS_PER_LOOK]
    ]
    said = Advert.objects.filter(peer__key__in={claim.peer for claim in claims}, peer__addresses__isnull=False)
    found = said.order_by(F("peer__addresses__last_ok").desc(nulls_last=True), "-heard_at", "-peer__addresses__id")
    places = found.values_list("peer__key", "peer__addresses__host", "peer__addresses__port")[:MAX_ADDRESSES]
    return AdvertisedSources(
        claims=tuple(claims),
        addresses=tuple(KnownAddress(peer=key, host=host, port=port) for key, host, port in places),
    )


def available_query() -> QuerySet[AvailableVariant]:
    """One row for each available recording, to be paged in AVAILABLE_ORDER and told by `available_rows`."""
    before = _believed().filter(recording_mbid=OuterRef("recording_mbid"), id__lt=OuterRef("id"))
    return _believed().filter(~Exists(before))  # not GROUP BY: a page reads some hundred rows, however many there are


def available_rows(page: Sequence[AvailableVariant]) -> list[AvailableRow]:
    """The recordings of a page: three queries, whatever its length."""
    mbids = [row.recording_mbid for row in page]
    if not mbids:
        return []
    believed = _believed().filter(recording_mbid__in=mbids).order_by()
    counts = {
        line["recording_mbid"]: line
        for line in believed.values("recording_mbid").annotate(
            peers=Count("advert", distinct=True),
            payloads=Count("payload_root", distinct=True),
            heard_at=Max("advert__heard_at"),
        )
    }
    profiles: dict[uuid.UUID, list[str]] = {}
    for mbid, profile in believed.values_list("recording_mbid", "profile").distinct():
        profiles.setdefault(mbid, []).append(profile)
    names: Mapping[uuid.UUID, RecordingName] = recording_names(mbids)
    return [
        AvailableRow(
            recording_mbid=mbid,
            title=names.get(mbid, UNNAMED).title,
            artist=names.get(mbid, UNNAMED).artist,
            release=names.get(mbid, UNNAMED).release,
            peers=counts[mbid]["peers"],
            payloads=counts[mbid]["payloads"],
            profiles=tuple(sorted(profiles[mbid])[:8]),
            heard_at=counts[mbid]["heard_at"],
        )
        for mbid in mbids
        if mbid in counts
    ]


def available_totals() -> AvailableTotals:
    """Over everybody who is believed now; two queries. Rows of an advert go some minutes after it expired, and count until then."""
    found = AvailableVariant.objects.aggregate(recordings=Count("recording_mbid", distinct=True), variants=Count("id"))
    peers = Advert.objects.filter(expires_at__gt=timezone.now()).count()
    return AvailableTotals(peers=peers, recordings=found["recordings"], variants=found["variants"])


def _believed() -> QuerySet[AvailableVariant]:
    refuted = Claim.objects.filter(
        peer=OuterRef("advert__peer"),
        recording_mbid=OuterRef("recording_mbid"),
        payload_format=OuterRef("payload_format"),
        payload_root=OuterRef("payload_root"),
        verdict=ClaimVerdict.REFUTED,
    )
    return AvailableVariant.objects.filter(~Exists(refuted), advert__expires_at__gt=timezone.now())
