"""What peers tell in messages, as claims: one place, however they told it (an answer, an offer, a descriptor, an advert)."""

from __future__ import annotations

import uuid
from typing import Final

from apps.domain.contracts.node_work import AdvertisedVariant, AdvertReport, ClaimReport
from apps.domain.mesh.claims import stated_facts
from overlay_node.net.link import Link
from overlay_node.protocol.limits import DEFAULT_LEAF_BYTES, MAX_LEAVES
from overlay_node.protocol.messages import HaveState, SwarmTrack, TrackState, VariantOffer

MAX_PAYLOAD_BYTES: Final = MAX_LEAVES * DEFAULT_LEAF_BYTES
MAX_FORMAT_CHARS: Final = 12  # of the rows


def is_storable(payload_format: str, payload_bytes: int) -> bool:
    """False for what no manifest could describe or no row could hold."""
    return payload_bytes <= MAX_PAYLOAD_BYTES and len(payload_format) <= MAX_FORMAT_CHARS


def claim_of_offer(link: Link, offer: VariantOffer) -> ClaimReport:
    """Of an answer to `mbid_query` or an offer to a cache job."""
    return ClaimReport(
        peer=link.peer_id,
        group=link.group,
        recording_mbid=uuid.UUID(offer.recording),
        payload_format=offer.payload_format,
        payload_root=offer.payload_root,
        profile=offer.profile,
        payload_bytes=offer.size,
        complete=offer.state is HaveState.COMPLETE,
        facts=stated_facts(offer.facts, quality_score=offer.quality_score),
    )


def claim_of_track(link: Link, track: SwarmTrack) -> ClaimReport | None:
    """Of a line of a descriptor; None when it names no payload that could be asked for."""
    if track.state is TrackState.MISSING:
        return None
    if track.payload_root is None or track.payload_format is None or track.profile is None or not track.size:
        return None
    return ClaimReport(
        peer=link.peer_id,
        group=link.group,
        recording_mbid=uuid.UUID(track.recording),
        payload_format=track.payload_format,
        payload_root=track.payload_root,
        profile=track.profile,
        payload_bytes=track.size,
        complete=track.state is TrackState.COMPLETE,
        facts=stated_facts(track.facts, duration_ms=track.duration_ms, quality_score=track.quality_score),
    )


def claim_of_advert(report: AdvertReport, one: AdvertisedVariant) -> ClaimReport:
    """Of a variant in an advert: adverts tell of whole payloads only."""
    return ClaimReport(
        peer=report.peer,
        group=report.group,
        recording_mbid=one.recording_mbid,
        payload_format=one.payload_format,
        payload_root=one.payload_root,
        profile=one.profile,
        payload_bytes=one.payload_bytes,
        complete=True,
        facts=stated_facts(duration_ms=one.duration_ms, suspect=one.transcode_suspect, quality_score=one.quality_score),
    )
