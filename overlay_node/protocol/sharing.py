"""The messages by which nodes tell each other what can be had: bundle adverts and cache jobs. As `messages`, and checked alike.

An advert's recordings travel as its attachment (compact JSON), in parts: a list of a hundred releases fits no envelope. `read_bundle` parses one
part with the strictness of an envelope and gives back the advert with `recordings` and `withdrawn` filled in; `write_bundle` is its inverse. Every
word of both kinds of message is a claim of the sender: possession is proven by leaves, identity by a fingerprint of our own.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Final, TypeAlias

from typing_extensions import override

from overlay_node.protocol import limits
from overlay_node.protocol.errors import LocalProtocolError, RemoteProtocolError
from overlay_node.protocol.fields import (
    UUID_TEXT,
    Base64,
    Choice,
    Flag,
    Hex,
    Integer,
    Json,
    Many,
    Part,
    Real,
    Text,
    fail,
    record_to_json,
    record_values,
    wire,
)
from overlay_node.protocol.messages import COUNT, FORMAT_TEXT, PROFILE_TEXT, ROOT, Message, Record, VariantOffer

BundleParser: TypeAlias = Callable[[bytes], Mapping[str, Json]]
"""Strict JSON of one object to its values; raises RemoteProtocolError"""

_VARIANT_ID: Final = Text(limits.MAX_VARIANT_ID_CHARS, re.compile(r"[a-z0-9]+\Z"), 1)
_CONTAINER: Final = Text(16, re.compile(r"[a-z0-9]+\Z"), 1)
_TTL: Final = Integer(limits.MIN_TTL_S, limits.MAX_TTL_S)
_PARTS: Final = Integer(1, limits.MAX_ADVERT_PARTS)


# ---- adverts ------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleVariant(Record):
    """One whole payload that the sender holds. `variant_id` is its own private name for it, used to withdraw it later."""

    variant_id: str = field(metadata=wire(_VARIANT_ID))
    profile: str = field(metadata=wire(PROFILE_TEXT))
    payload_format: str = field(metadata=wire(FORMAT_TEXT))
    payload_root: bytes = field(metadata=wire(ROOT))
    size: int = field(metadata=wire(Integer(1, limits.MAX_WIRE_INTEGER)))
    """payload bytes"""
    container: str | None = field(default=None, metadata=wire(_CONTAINER, optional=True))
    duration_ms: int | None = field(default=None, metadata=wire(COUNT, optional=True))
    bitrate_kbps: int | None = field(default=None, metadata=wire(COUNT, optional=True))
    pcm_md5: bytes | None = field(default=None, metadata=wire(Hex(16), optional=True))
    """of a FLAC's STREAMINFO: an index, never a proof"""
    fingerprint: bytes | None = field(
        default=None, metadata=wire(Base64(limits.MAX_ADVERT_FINGERPRINT_BYTES), optional=True)
    )
    """Chromaprint, compressed form; decides nothing at the reader, who makes its own"""
    transcode_suspect: bool | None = field(default=None, metadata=wire(Flag(), optional=True))
    quality_score: float | None = field(default=None, metadata=wire(Real(0.0, 1.0), optional=True))
    verified: bool = field(default=False, metadata=wire(Flag()))
    """the sender confirmed the recording by fingerprint"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRecording(Record):
    """A recording and the payloads that the sender holds of it."""

    recording: str = field(metadata=wire(UUID_TEXT))
    acoustid: str | None = field(default=None, metadata=wire(UUID_TEXT, optional=True))
    variants: tuple[BundleVariant, ...] = field(
        metadata=wire(Many(Part(BundleVariant), limits.MAX_VARIANTS_PER_RECORDING))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bundle(Record):
    """What the attachment of an advert holds."""

    recordings: tuple[BundleRecording, ...] = field(
        default=(), metadata=wire(Many(Part(BundleRecording), limits.MAX_RECORDINGS_PER_PART))
    )
    withdrawn: tuple[str, ...] = field(
        default=(), metadata=wire(Many(_VARIANT_ID, limits.MAX_WITHDRAWN_PER_PART, unique=True))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerprintBundleRequest(Message):
    """Asks a peer for what it announces and seeds, and for its changes from then on, for as long as the link lives.

    With the series and sequence that the asker holds: a sender that has nothing newer says so by an empty advert of that sequence.
    """

    TYPE: ClassVar[str] = "fingerprint_bundle_request"
    bundle_id: str | None = field(default=None, metadata=wire(UUID_TEXT, optional=True))
    sequence: int = field(default=0, metadata=wire(COUNT))
    """0 = nothing is held"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerprintBundleAdvert(Message):
    """What the sender announces and seeds, or how that changed. Sent only to who asked for it on this link.

    A snapshot (`full_snapshot`) replaces everything said before; any other advert is the step from `sequence` - 1. Parts of one sequence come in
    order and without another one between. Equal to the sequence held and empty: nothing changed, what is held stays good for `ttl_s` more.
    """

    TYPE: ClassVar[str] = "fingerprint_bundle_advert"
    bundle_id: str = field(metadata=wire(UUID_TEXT))
    """names a series of sequences: a new one at each start of the sender"""
    sequence: int = field(metadata=wire(Integer(1, limits.MAX_WIRE_INTEGER)))
    full_snapshot: bool = field(metadata=wire(Flag()))
    part: int = field(default=1, metadata=wire(_PARTS))
    parts: int = field(default=1, metadata=wire(_PARTS))
    ttl_s: int = field(default=limits.ADVERT_TTL_S, metadata=wire(_TTL))
    """how long it may be believed without being renewed"""
    more: bool = field(default=False, metadata=wire(Flag()))
    """the sender has more than the protocol lets it tell"""
    recordings: tuple[BundleRecording, ...] = ()
    """from the attachment; empty until `read_bundle`"""
    withdrawn: tuple[str, ...] = ()
    """variant ids that are no longer held; from the attachment"""

    @override
    def _check_whole(self) -> None:
        if self.part > self.parts:
            raise fail("part", "must not exceed parts")

    @property
    def is_renewal(self) -> bool:
        """Nothing changed since the sequence it names."""
        return not (self.full_snapshot or self.recordings or self.withdrawn) and self.parts == 1


def write_bundle(*, recordings: Sequence[BundleRecording], withdrawn: Sequence[str]) -> list[bytes]:
    """The attachments that tell these, in as many parts as are needed; [b""] when there is nothing to tell.

    LocalProtocolError when more than MAX_ADVERT_PARTS would be needed.
    """
    parts: list[bytes] = []
    room = limits.MAX_ADVERT_PART_BYTES - 64  # for the braces and names around the lists
    rows: list[str] = []
    gone: list[str] = []
    used = 0

    def close() -> None:
        nonlocal used
        if rows or gone:
            parts.append(f'{{"recordings":[{",".join(rows)}],"withdrawn":[{",".join(gone)}]}}'.encode())
            rows.clear()
            gone.clear()
            used = 0

    for recording in recordings:
        text = json.dumps(record_to_json(recording), separators=(",", ":"), allow_nan=False, ensure_ascii=False)
        size = len(text.encode()) + 1
        if used + size > room or len(rows) >= limits.MAX_RECORDINGS_PER_PART:
            close()
        rows.append(text)
        used += size
    for variant_id in withdrawn:
        size = len(variant_id) + 3
        if used + size > room or len(gone) >= limits.MAX_WITHDRAWN_PER_PART:
            close()
        gone.append(f'"{variant_id}"')
        used += size
    close()
    if len(parts) > limits.MAX_ADVERT_PARTS:
        raise LocalProtocolError("advert_too_large", f"An advert has at most {limits.MAX_ADVERT_PARTS} parts.")
    return parts or [b""]


def read_bundle(
    advert: FingerprintBundleAdvert, attachment: bytes | bytearray, *, parse: BundleParser
) -> FingerprintBundleAdvert:
    """The advert with what its attachment says. `parse` is the strict parser of envelopes. RemoteProtocolError when a rule is broken."""
    if not attachment:
        return advert
    try:
        bundle = _Bundle(**record_values(_Bundle, parse(bytes(attachment)), advert.TYPE))  # type: ignore[arg-type]
        names = [variant.variant_id for recording in bundle.recordings for variant in recording.variants]
        if len(set(names)) != len(names):
            raise fail("variant_id", "must not repeat itself")
        return dataclasses.replace(advert, recordings=bundle.recordings, withdrawn=bundle.withdrawn)
    except LocalProtocolError as error:
        raise RemoteProtocolError(error.code, f"{advert.TYPE}: {error.sentence}") from None


# ---- cache jobs ---------------------------------------------------------------------------------------------------------------------


class CacheJobRole(StrEnum):
    """Which side of a cache job is speaking."""

    REQUEST = "request"
    OFFER = "offer"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedTrack(Record):
    """A track that the asker's job still lacks."""

    recording: str = field(metadata=wire(UUID_TEXT))
    priority: int = field(default=5, metadata=wire(Integer(0, limits.MAX_PRIORITY)))
    desired_profile: str | None = field(default=None, metadata=wire(PROFILE_TEXT, optional=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheConstraints(Record):
    """In a request: what the asker allows. In an offer: what the sender keeps to. None of it obliges anybody to serve."""

    ttl_s: int = field(default=limits.CACHE_JOB_TTL_S, metadata=wire(_TTL))
    """how long the offer stands"""
    max_bytes: int | None = field(default=None, metadata=wire(COUNT, optional=True))
    """payload bytes of all offered tracks together; None = no cap"""
    max_peers: int | None = field(default=None, metadata=wire(Integer(1, 1000), optional=True))
    """how many peers the asker draws into the job"""
    allow_transitive_relay: bool = field(default=False, metadata=wire(Flag()))
    """the sender of an offer may pass bytes on from somebody else; we never do"""
    allow_new_soulseek_fetch: bool = field(default=False, metadata=wire(Flag()))
    """the sender of an offer may fetch for the asker; we never do"""
    respect_soulseek_slots: bool = field(default=True, metadata=wire(Flag()))


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshCacheJob(Message):
    """A job tells a neighbour which tracks of a release it lacks; the neighbour offers what it holds of them."""

    TYPE: ClassVar[str] = "mesh_cache_job"
    job_id: str = field(metadata=wire(UUID_TEXT))
    """a pseudonym, another one for each neighbour: never the asker's own id of the job"""
    role: CacheJobRole = field(metadata=wire(Choice(CacheJobRole)))
    release: str = field(metadata=wire(UUID_TEXT))
    requested_tracks: tuple[RequestedTrack, ...] = field(
        default=(), metadata=wire(Many(Part(RequestedTrack), limits.MAX_TRACKS_PER_CACHE_JOB))
    )
    offered_tracks: tuple[VariantOffer, ...] = field(
        default=(), metadata=wire(Many(Part(VariantOffer), limits.MAX_VARIANTS_PER_RESPONSE))
    )
    constraints: CacheConstraints = field(default=CacheConstraints(), metadata=wire(Part(CacheConstraints)))

    @override
    def _check_whole(self) -> None:
        offers = self.role is CacheJobRole.OFFER
        if offers != (self.in_reply_to is not None):
            raise fail("in_reply_to", "must be there exactly in an offer")
        if offers and self.requested_tracks:
            raise fail("requested_tracks", "must be empty in an offer")
        if not offers and (not self.requested_tracks or self.offered_tracks):
            raise fail("requested_tracks", "must name something in a request, which offers nothing")
        recordings = [track.recording for track in self.requested_tracks]
        if len(set(recordings)) != len(recordings):
            raise fail("requested_tracks", "must not repeat itself")


SHARING_CLASSES: Final[tuple[type[Message], ...]] = (FingerprintBundleRequest, FingerprintBundleAdvert, MeshCacheJob)
