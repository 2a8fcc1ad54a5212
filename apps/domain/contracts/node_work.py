"""Frozen values that pass between the rows and the node: what is wanted, what the node reports, what peers said, what is held here.

The node knows no model, the rows know no node; both speak these. Ids are UUIDs, hashes 32 raw bytes, peers their overlay key (base32).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from apps.domain.errors import Param
from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.lifecycle import TransferRole, TransferState, WantDesired, WantPhase


@dataclass(frozen=True, slots=True, kw_only=True)
class WantWork:
    """A want, with everything that decides how it is met."""

    id: uuid.UUID
    recording_mbid: uuid.UUID
    release_mbids: tuple[uuid.UUID, ...]
    duration_ms: int | None
    constraints: Constraints
    desired: WantDesired
    priority: int
    group_id: uuid.UUID | None = None
    """wants with the same one share `constraints.overlay_bandwidth_kbps`"""
    denied: frozenset[tuple[str, bytes]] = frozenset()
    """(format, root) of payloads that were analysed and are not this recording"""
    refused_preambles: frozenset[str] = frozenset()
    """BLAKE3 (hex) of preambles that did not fit their payload"""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictWork:
    """A worker's judgement that the node has not acted on yet."""

    accepted: bool
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferWork:
    """A live transfer."""

    id: uuid.UUID
    want_id: uuid.UUID
    recording_mbid: uuid.UUID
    payload_format: str
    payload_root: bytes
    profile: str
    payload_bytes: int
    leaf_bytes: int
    state: TransferState
    verdict: VerdictWork | None = None
    role: TransferRole = TransferRole.PRIMARY


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitWork:
    """A rate limit that a person set; it wins over the configuration's."""

    scope: str
    """global, peer or job"""
    key: str
    """"" for global, the peer's id, the job's id"""
    direction: str
    """up or down"""
    kbps: int
    """KiB/s; 0 = unlimited"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeWork:
    """Desired state and what is under way: all that the reconciler compares."""

    wants: tuple[WantWork, ...] = ()
    """active and paused ones, and those with a live transfer, most urgent first"""
    transfers: tuple[TransferWork, ...] = ()
    limits: tuple[RateLimitWork, ...] = ()
    """all that are set"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantReport:
    """What the node does for a want, and why it waits."""

    want_id: uuid.UUID
    phase: WantPhase
    code: str = ""
    params: Mapping[str, Param] = field(default_factory=dict)
    sources_known: int = 0
    next_look_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """What one peer gave to one transfer so far."""

    peer: str
    state: str
    code: str = ""
    verified_bytes: int = 0
    wasted_bytes: int = 0
    bad_leaves: int = 0
    speed_bps: int = 0
    adapter: str = "overlay"
    """overlay: `peer` is a peer id; soulseek: a user's name"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressReport:
    """How far a transfer is."""

    transfer_id: uuid.UUID
    verified_bytes: int
    refetched_bytes: int
    speed_bps: int
    sources: tuple[SourceReport, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimReport:
    """A peer said that a payload is a recording."""

    peer: str
    group: str
    recording_mbid: uuid.UUID
    payload_format: str
    payload_root: bytes
    profile: str
    payload_bytes: int
    complete: bool
    facts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownClaim:
    """A claim as the rows hold it, with what is known of its claimer."""

    claim: ClaimReport
    refuted: bool
    wrong_claims: int
    delivered: bool = False
    """the peer gave bytes of it that hashed right, or the claim was confirmed"""
    cooling_s: float = 0.0
    """seconds for which the peer is not asked for it: it failed to deliver"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """Whether a peer had what it claimed to have, told when it was asked."""

    peer: str
    payload_format: str
    payload_root: bytes
    delivered: bool
    """True: bytes of it hashed right; False: it had nothing to give"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredPayload:
    """What this node found out itself of a payload that it held once."""

    payload_format: str
    payload_root: bytes
    recording_mbid: uuid.UUID | None
    verified: bool
    """a fingerprint confirmed `recording_mbid`"""
    duration_ms: int = 0
    suspect: bool | None = None
    quality: float | None = None
    """0..1"""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictApplied:
    """A verdict was acted on."""

    charged: tuple[str, ...] = ()
    """peers whose claim turned out to be another recording, or whose stated facts were wrong"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerReport:
    """A peer was met: it proved its key on a link."""

    key: str
    agent: str = ""
    host: str = ""
    """"" when it has no address of its own (a relayed link)"""
    port: int = 0
    """its listener; 0 = does not listen"""
    group: str = ""
    source: str = "link"
    answered: bool = True
    """we dialled that address and the peer was there; False: it only says so"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAddress:
    """Where a peer answered before."""

    peer: str
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressTried:
    """An address was dialled."""

    host: str
    port: int
    answered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvertisedSources:
    """What adverts say of some recordings, and where their peers may be found: known before anybody is asked."""

    claims: tuple[ClaimReport, ...] = ()
    addresses: tuple[KnownAddress, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficReport:
    """Bytes since the last report."""

    peer: str
    direction: str
    """down or up"""
    count_bytes: int
    purpose: str = "payload"
    path: str = "direct"
    plane: str = "overlay"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldVariant:
    """A payload of a recording that lies in the library and may be offered."""

    recording_mbid: uuid.UUID
    profile: str
    payload_format: str
    payload_root: bytes
    payload_bytes: int
    duration_ms: int
    verified: bool
    quality_score: float | None = None
    container: str = ""
    bitrate_kbps: int = 0
    """0 = unknown"""
    pcm_md5: bytes | None = None
    transcode_suspect: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvertisedVariant:
    """A peer says that it holds this payload whole."""

    variant_id: str
    """the peer's own private name for it"""
    recording_mbid: uuid.UUID
    payload_format: str
    payload_root: bytes
    profile: str
    payload_bytes: int
    duration_ms: int | None = None
    quality_score: float | None = None
    transcode_suspect: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvertReport:
    """One part of what a peer tells of its announced and seeded releases."""

    peer: str
    group: str
    bundle_id: uuid.UUID
    sequence: int
    full: bool
    """it replaces everything said before; otherwise it is one step further"""
    first: bool
    last: bool
    more: bool
    """the peer holds more than it tells"""
    ttl_s: int
    variants: tuple[AdvertisedVariant, ...] = ()
    withdrawn: tuple[str, ...] = ()
    """variant ids that the peer holds no longer"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvertHeld:
    """Everything up to `sequence` of this series is written down."""

    bundle_id: uuid.UUID
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldTrack:
    """A track of a release that is offered, and the payload held of it (None: missing)."""

    number: int
    recording_mbid: uuid.UUID
    duration_ms: int | None
    variant: HeldVariant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRelease:
    """A release that is offered, as far as rows know it."""

    release_mbid: uuid.UUID
    release_group_mbid: uuid.UUID | None = None
    title: str = ""
    artist: str = ""
    label: str = ""
    label_mbid: uuid.UUID | None = None
    catalogue_number: str = ""
    country: str = ""
    date: str = ""
    medium: str = ""
    tracks: tuple[HeldTrack, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFile:
    """A library file with a payload in it, as it was when it was hashed."""

    path: bytes
    size_bytes: int
    mtime_ns: int
    payload_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPayload:
    """Everything needed to serve a payload from the library."""

    payload_format: str
    payload_root: bytes
    payload_bytes: int
    leaf_bytes: int
    rate_hz: int
    channels: int
    bits: int
    preamble: bytes
    leaf_hashes: bytes
    """32 bytes a leaf"""
    files: tuple[HeldFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedRelease:
    """A DHT key that is announced, in its sticky slot."""

    release_mbid: uuid.UUID
    slot: int
    announced_at: datetime | None = None
    stored_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The node's sign of life."""

    peer_id: str
    boot_id: str
    started_at: datetime
    version: str
    report: Mapping[str, object] = field(default_factory=dict)
