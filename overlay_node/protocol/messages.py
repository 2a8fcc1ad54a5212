"""The messages of the overlay: one frozen dataclass per type, checked when it is made.

Owns fields and their rules, not framing (``envelope``), nor who may say what and when (``registry``, ``connection``). A message that
exists is well-formed: construction raises LocalProtocolError otherwise, decoding turns that into RemoteProtocolError. Hashes are 32 raw
bytes here and lower-case hexadecimal on the wire. Bytes that follow a message (its attachment) are never part of the dataclass.

``message_id`` is hop-local. "" means: not assigned yet; ``Connection.send`` assigns one from its injected source of ids.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Final, TypeVar

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
    IntegerMap,
    Json,
    JsonMap,
    Many,
    Part,
    Ranges,
    Real,
    Text,
    fail,
    is_uuid,
    record_check,
    record_to_json,
    record_values,
    wire,
)

_FEATURE: Final = re.compile(r"[a-z][a-z0-9_.-]*/[0-9]{1,4}!?\Z")
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
_PROFILE: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
_FORMAT: Final = re.compile(r"[a-z][a-z0-9_]{0,15}\Z")

_CODE_TEXT: Final = Text(40, _CODE, 1)
PROFILE_TEXT: Final = Text(limits.MAX_PROFILE_CHARS, _PROFILE, 1)
FORMAT_TEXT: Final = Text(16, _FORMAT, 1)
_TITLE: Final = Text(limits.MAX_TITLE_CHARS)
COUNT: Final = Integer(0, limits.MAX_WIRE_INTEGER)
ROOT: Final = Hex(limits.ROOT_BYTES)
_FACTS: Final = IntegerMap(limits.MAX_FACTS, limits.MAX_FACT_NAME_CHARS)
_RETRY: Final = Integer(0, limits.MAX_RETRY_AFTER_S)


class Purpose(StrEnum):
    """What a link is for. Duplicate links are a question within one purpose only."""

    MAIN = "main"
    RELAY_LEG = "relay_leg"
    PROBE = "probe"


class HaveState(StrEnum):
    """Whether a peer holds all leaves of a payload or some."""

    COMPLETE = "complete"
    PARTIAL = "partial"


class TrackState(StrEnum):
    """As HaveState, for a track of a release, which may also be missing."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    MISSING = "missing"


class ChunkError(StrEnum):
    """Why a chunk was not served."""

    RATE_LIMITED = "rate_limited"
    NOT_FOUND = "not_found"
    IO_ERROR = "io_error"
    POLICY_VIOLATION = "policy_violation"
    TIMEOUT = "timeout"
    INVALID_RANGE = "invalid_range"


class CancelReason(StrEnum):
    """Why a downloader takes requests back."""

    SWARM_REBALANCED = "swarm_rebalanced"
    USER_CANCELLED = "user_cancelled"
    TIMEOUT = "timeout"
    ERROR = "error"
    QUALITY_UPGRADE = "quality_upgrade"
    POLICY_CHANGE = "policy_change"
    COMPLETE = "complete"


class Record:
    """A nested record: checked at construction."""

    __slots__ = ()

    def __post_init__(self) -> None:
        record_check(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What every message has. ``TYPE`` and ``VERSION`` are of the class, and go into the envelope."""

    TYPE: ClassVar[str] = ""
    VERSION: ClassVar[int] = 1

    message_id: str = ""
    """UUID, hop-local; "" until it is sent"""
    in_reply_to: str | None = None
    """message_id of the message that this one answers"""

    def __post_init__(self) -> None:
        if self.message_id and not is_uuid(self.message_id):
            raise fail("message_id", "must be a lower-case UUID")
        if self.in_reply_to is not None and not is_uuid(self.in_reply_to):
            raise fail("in_reply_to", "must be a lower-case UUID")
        record_check(self)
        self._check_whole()

    def _check_whole(self) -> None:
        """Rules that span several fields."""

    def to_json(self) -> dict[str, Json]:
        """The envelope without its attachment fields. LocalProtocolError while no message_id is assigned."""
        if not self.message_id:
            raise LocalProtocolError("no_message_id", "A message needs its id before it is encoded.")
        envelope: dict[str, Json] = {"type": self.TYPE, "version": self.VERSION, "message_id": self.message_id}
        if self.in_reply_to is not None:
            envelope["in_reply_to"] = self.in_reply_to
        envelope.update(record_to_json(self))
        return envelope


# ---- session ------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedAddress(Record):
    """Where a peer sees us come from; a hint about NAT, never trusted."""

    host: str = field(metadata=wire(Text(64, None, 1)))
    port: int = field(metadata=wire(Integer(1, 65535)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello(Message):
    """First message of both sides. Sent once."""

    TYPE: ClassVar[str] = "hello"

    magic: str = field(default=limits.MAGIC, metadata=wire(Text(32, None, 1)))
    protocol_min: int = field(default=limits.PROTOCOL_MIN, metadata=wire(Integer(1, 65535)))
    protocol_max: int = field(default=limits.PROTOCOL_MAX, metadata=wire(Integer(1, 65535)))
    nonce: bytes = field(metadata=wire(Hex(limits.NONCE_BYTES)))
    """random; the hello_ack echoes it"""
    features: tuple[str, ...] = field(
        default=(), metadata=wire(Many(Text(limits.MAX_FEATURE_CHARS, _FEATURE), limits.MAX_FEATURES, unique=True))
    )
    """`name/major`, with `!` when the peer must know it"""
    feature_params: Mapping[str, Json] = field(
        default_factory=dict, metadata=wire(JsonMap(limits.MAX_FEATURE_PARAMS_BYTES))
    )
    listen_port: int = field(default=0, metadata=wire(Integer(0, 65535)))
    """TCP port of the overlay listener; 0 = does not listen"""
    network: str = field(default="public", metadata=wire(Text(limits.MAX_NETWORK_CHARS, None, 1)))
    """peers of different networks part at once"""
    boot_id: str | None = field(default=None, metadata=wire(UUID_TEXT, optional=True))
    """a new UUID at each start of the node"""
    purpose: Purpose = field(default=Purpose.MAIN, metadata=wire(Choice(Purpose)))
    agent: str = field(default="", metadata=wire(Text(limits.MAX_AGENT_CHARS)))
    observed: ObservedAddress | None = field(default=None, metadata=wire(Part(ObservedAddress), optional=True))
    reach: str | None = field(default=None, metadata=wire(_CODE_TEXT, optional=True))
    """how the sender can be reached (`direct`, …); free text today"""
    limits: Mapping[str, int] | None = field(
        default=None, metadata=wire(IntegerMap(limits.MAX_HELLO_LIMITS, 40), optional=True)
    )

    @override
    def _check_whole(self) -> None:
        if self.protocol_min > self.protocol_max:
            raise fail("protocol_min", "must not exceed protocol_max")


@dataclass(frozen=True, slots=True, kw_only=True)
class HelloAck(Message):
    """Answer to a hello; sent again, with the same nonce, whenever the admission token rotates."""

    TYPE: ClassVar[str] = "hello_ack"

    magic: str = field(default=limits.MAGIC, metadata=wire(Text(32, None, 1)))
    protocol: int = field(metadata=wire(Integer(1, 65535)))
    """the dialect that the sender chose: the highest that both speak"""
    nonce: bytes = field(metadata=wire(Hex(limits.NONCE_BYTES)))
    """of the hello it answers"""
    admission_token: bytes = field(metadata=wire(Hex(limits.ADMISSION_TOKEN_BYTES)))
    """to be put into data requests to the sender"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping(Message):
    TYPE: ClassVar[str] = "ping"
    nonce: int = field(metadata=wire(COUNT))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pong(Message):
    TYPE: ClassVar[str] = "pong"
    nonce: int = field(metadata=wire(COUNT))
    """of the ping it answers"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bye(Message):
    """Last message of a side. Nothing that follows it is read."""

    TYPE: ClassVar[str] = "bye"
    reason_code: str = field(metadata=wire(_CODE_TEXT))
    retry_after_s: int | None = field(default=None, metadata=wire(_RETRY, optional=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReply(Message):
    """Refuses one message without closing."""

    TYPE: ClassVar[str] = "error"
    code: str = field(metadata=wire(_CODE_TEXT))
    retry_after_s: int | None = field(default=None, metadata=wire(_RETRY, optional=True))

    @override
    def _check_whole(self) -> None:
        if self.in_reply_to is None:
            raise fail("in_reply_to", "is missing")


# ---- query and signal ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MbidQuery(Message):
    """Asks what a peer holds of some releases or recordings."""

    TYPE: ClassVar[str] = "mbid_query"
    releases: tuple[str, ...] = field(
        default=(), metadata=wire(Many(UUID_TEXT, limits.MAX_RELEASES_PER_QUERY, unique=True))
    )
    recordings: tuple[str, ...] = field(
        default=(), metadata=wire(Many(UUID_TEXT, limits.MAX_RECORDINGS_PER_QUERY, unique=True))
    )
    preferred_profile: str | None = field(default=None, metadata=wire(PROFILE_TEXT, optional=True))

    @override
    def _check_whole(self) -> None:
        if not self.releases and not self.recordings:
            raise fail("recordings", "or releases must name something")


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantOffer(Record):
    """One payload that a peer holds of one recording. A claim of that peer, to be proven by leaves, root and fingerprint."""

    recording: str = field(metadata=wire(UUID_TEXT))
    profile: str = field(metadata=wire(PROFILE_TEXT))
    """codec profile: `flac-16-44100-2`"""
    size: int = field(metadata=wire(Integer(1, limits.MAX_WIRE_INTEGER)))
    """payload bytes"""
    payload_format: str = field(metadata=wire(FORMAT_TEXT))
    """`flac`, `mp3`, `file`, …"""
    payload_root: bytes = field(metadata=wire(ROOT))
    fingerprint_hash: bytes | None = field(default=None, metadata=wire(Hex(32), optional=True))
    """a hint, never a key for grouping"""
    verified: bool = field(default=False, metadata=wire(Flag()))
    """the peer confirmed the recording by fingerprint"""
    state: HaveState = field(default=HaveState.COMPLETE, metadata=wire(Choice(HaveState)))
    quality_score: float | None = field(default=None, metadata=wire(Real(0.0, 1.0), optional=True))
    facts: Mapping[str, int] | None = field(default=None, metadata=wire(_FACTS, optional=True))
    """integers of the peer's analyser, with its version: `dr10, lufs_c, peak_c, clip_ppm, suspect, dur_ms`"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MbidResponse(Message):
    """Answer to mbid_query; empty when the peer holds nothing of it."""

    TYPE: ClassVar[str] = "mbid_response"
    variants: tuple[VariantOffer, ...] = field(
        default=(), metadata=wire(Many(Part(VariantOffer), limits.MAX_VARIANTS_PER_RESPONSE))
    )
    more: bool = field(default=False, metadata=wire(Flag()))
    """there were more than fit: ask for fewer recordings at once"""

    @override
    def _check_whole(self) -> None:
        if self.in_reply_to is None:
            raise fail("in_reply_to", "is missing")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseIds(Record):
    """Ids of one release in the catalogues that know it."""

    mb_release: str = field(metadata=wire(UUID_TEXT))
    mb_release_group: str | None = field(default=None, metadata=wire(UUID_TEXT, optional=True))
    discogs_release: int | None = field(default=None, metadata=wire(Integer(1, limits.MAX_WIRE_INTEGER), optional=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionProfile(Record):
    """What tells one edition from another. Display and matching hints."""

    catalogue_number: str | None = field(default=None, metadata=wire(Text(64), optional=True))
    country: str | None = field(default=None, metadata=wire(Text(8), optional=True))
    date: str | None = field(default=None, metadata=wire(Text(10), optional=True))
    medium: str | None = field(default=None, metadata=wire(Text(32), optional=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmTrack(Record):
    """One track of a release and what the sender holds of it; without a payload when it is missing."""

    number: int = field(metadata=wire(Integer(1, 9999)))
    """counted over all media"""
    recording: str = field(metadata=wire(UUID_TEXT))
    state: TrackState = field(metadata=wire(Choice(TrackState)))
    duration_ms: int | None = field(default=None, metadata=wire(COUNT, optional=True))
    size: int | None = field(default=None, metadata=wire(COUNT, optional=True))
    """payload bytes"""
    profile: str | None = field(default=None, metadata=wire(PROFILE_TEXT, optional=True))
    payload_format: str | None = field(default=None, metadata=wire(FORMAT_TEXT, optional=True))
    payload_root: bytes | None = field(default=None, metadata=wire(ROOT, optional=True))
    quality_score: float | None = field(default=None, metadata=wire(Real(0.0, 1.0), optional=True))
    facts: Mapping[str, int] | None = field(default=None, metadata=wire(_FACTS, optional=True))

    @override
    def __post_init__(self) -> None:
        record_check(self)
        held = (self.size, self.profile, self.payload_format, self.payload_root)
        if self.state is not TrackState.MISSING and any(item is None for item in held):
            raise fail("tracks[]", "must state size, profile, format and root of a track that is held")


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmPolicies(Record):
    """What the sender is willing to do. Advice: each chunk is decided when it is asked for."""

    upload_slots: int = field(default=2, metadata=wire(Integer(0, 1000)))
    upload_kbps: int = field(default=2000, metadata=wire(COUNT))
    """KiB/s; 0 = unlimited"""
    max_peers: int = field(default=4, metadata=wire(Integer(0, 1000)))
    relay: bool = field(default=False, metadata=wire(Flag()))


@dataclass(frozen=True, slots=True, kw_only=True)
class MbidSwarmDescriptor(Message):
    """What a peer holds of one release that it seeds: every 15 min, on query, on completion."""

    TYPE: ClassVar[str] = "mbid_swarm_descriptor"
    release: ReleaseIds = field(metadata=wire(Part(ReleaseIds)))
    title: str = field(default="", metadata=wire(_TITLE))
    artist: str = field(default="", metadata=wire(_TITLE))
    label: str | None = field(default=None, metadata=wire(_TITLE, optional=True))
    mb_label: str | None = field(default=None, metadata=wire(UUID_TEXT, optional=True))
    edition: EditionProfile | None = field(default=None, metadata=wire(Part(EditionProfile), optional=True))
    tracks: tuple[SwarmTrack, ...] = field(metadata=wire(Many(Part(SwarmTrack), limits.MAX_TRACKS_PER_DESCRIPTOR)))
    policies: SwarmPolicies | None = field(default=None, metadata=wire(Part(SwarmPolicies), optional=True))
    capabilities: tuple[str, ...] = field(default=(), metadata=wire(Many(_CODE_TEXT, 16, unique=True)))
    """`flac`, `mp3`, `complete`, `cache`; unknown ones are ignored"""


# ---- bulk ---------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadRequest(Message):
    """Asks for the manifest of a payload: before any chunk of it."""

    TYPE: ClassVar[str] = "payload_request"
    transfer_id: str = field(metadata=wire(UUID_TEXT))
    """chosen by the downloader; names this transfer between these two peers"""
    payload_format: str = field(metadata=wire(FORMAT_TEXT))
    payload_root: bytes = field(metadata=wire(ROOT))
    admission_token: bytes | None = field(default=None, metadata=wire(Hex(limits.ADMISSION_TOKEN_BYTES), optional=True))
    """filled in by ``Connection.send``"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadManifest(Message):
    """Answer to payload_request. The attachment is the list of leaf hashes, 32 bytes each (``split_leaf_hashes``).

    The receiver recomputes the root from the leaves and the five facts before it asks for anything. The preamble is not covered by the
    root: it is untrusted until the decode test.
    """

    TYPE: ClassVar[str] = "payload_manifest"
    transfer_id: str = field(metadata=wire(UUID_TEXT))
    payload_format: str = field(metadata=wire(FORMAT_TEXT))
    payload_root: bytes = field(metadata=wire(ROOT))
    payload_bytes: int = field(metadata=wire(Integer(1, limits.MAX_WIRE_INTEGER)))
    leaf_bytes: int = field(metadata=wire(Integer(limits.MIN_LEAF_BYTES, limits.MAX_LEAF_BYTES)))
    sample_rate_hz: int = field(default=0, metadata=wire(Integer(0, limits.MAX_SAMPLE_RATE_HZ)))
    """0 = unknown, here and below"""
    channels: int = field(default=0, metadata=wire(Integer(0, limits.MAX_CHANNELS)))
    bits_per_sample: int = field(default=0, metadata=wire(Integer(0, limits.MAX_BITS_PER_SAMPLE)))
    preamble: bytes = field(default=b"", metadata=wire(Base64(limits.MAX_PREAMBLE_BYTES)))
    """FLAC: 42 bytes (`fLaC` + STREAMINFO); MP3: at most one frame (Xing/Info/VBRI); otherwise empty"""
    have: tuple[tuple[int, int], ...] = field(
        metadata=wire(Ranges(limits.MAX_LEAVES, limits.MAX_HAVE_RANGES)),
    )
    """leaves that the sender can serve now: half-open ranges [first, end)"""

    @property
    def leaf_count(self) -> int:
        """Number of leaves; the last one may be short."""
        return -(-self.payload_bytes // self.leaf_bytes)

    @override
    def _check_whole(self) -> None:
        if self.in_reply_to is None:
            raise fail("in_reply_to", "is missing")
        if self.leaf_count > limits.MAX_LEAVES:
            raise fail("leaf_bytes", f"must cut the payload into at most {limits.MAX_LEAVES} leaves")
        if self.have and self.have[-1][1] > self.leaf_count:
            raise fail("have", "must lie within the payload")


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadHave(Message):
    """A partial seeder tells what it can serve in addition. At most one a second per payload."""

    TYPE: ClassVar[str] = "payload_have"
    payload_root: bytes = field(metadata=wire(ROOT))
    ranges: tuple[tuple[int, int], ...] = field(metadata=wire(Ranges(limits.MAX_LEAVES, limits.MAX_HAVE_RANGES)))
    """new leaves: half-open ranges [first, end)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRequest(Message):
    """Asks for bytes of a payload, in payload space. Exactly one chunk_response follows, unless it is cancelled."""

    TYPE: ClassVar[str] = "chunk_request"
    transfer_id: str = field(metadata=wire(UUID_TEXT))
    payload_root: bytes = field(metadata=wire(ROOT))
    offset: int = field(metadata=wire(COUNT))
    length: int = field(metadata=wire(Integer(1, limits.MAX_CHUNK_BYTES)))
    priority: int = field(default=5, metadata=wire(Integer(0, limits.MAX_PRIORITY)))
    """advice, 10 = most urgent"""
    deadline_ms: int = field(default=limits.CHUNK_DEADLINE_MS, metadata=wire(Integer(1, limits.MAX_DEADLINE_MS)))
    """advice; the reply timeout is twice as long"""
    admission_token: bytes | None = field(default=None, metadata=wire(Hex(limits.ADMISSION_TOKEN_BYTES), optional=True))
    """filled in by ``Connection.send``"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkResponse(Message):
    """Bytes of a payload (the attachment, exactly ``length``), or the reason why not (no attachment, length 0)."""

    TYPE: ClassVar[str] = "chunk_response"
    transfer_id: str = field(metadata=wire(UUID_TEXT))
    offset: int = field(metadata=wire(COUNT))
    length: int = field(default=0, metadata=wire(Integer(0, limits.MAX_CHUNK_BYTES)))
    eof: bool = field(default=False, metadata=wire(Flag()))
    """the range ends where the payload ends"""
    error_code: ChunkError | None = field(default=None, metadata=wire(Choice(ChunkError), optional=True))
    retry_after_s: int | None = field(default=None, metadata=wire(_RETRY, optional=True))
    """with rate_limited"""

    @override
    def _check_whole(self) -> None:
        if self.in_reply_to is None:
            raise fail("in_reply_to", "is missing")
        if (self.error_code is None) != (self.length > 0):
            raise fail("length", "must be positive exactly when there is no error")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkCancel(Message):
    """Takes chunk requests of a transfer back. Chunks already on their way may still arrive."""

    TYPE: ClassVar[str] = "chunk_cancel"
    transfer_id: str = field(metadata=wire(UUID_TEXT))
    ranges: tuple[tuple[int, int], ...] = field(
        default=(), metadata=wire(Ranges(limits.MAX_WIRE_INTEGER, limits.MAX_CANCEL_RANGES, ordered=False))
    )
    """half-open byte ranges in payload space [start, end); a request that overlaps one is cancelled; empty = all"""
    reason_code: CancelReason = field(metadata=wire(Choice(CancelReason)))


MESSAGE_CLASSES: Final[tuple[type[Message], ...]] = (
    Hello,
    HelloAck,
    Ping,
    Pong,
    Bye,
    ErrorReply,
    MbidQuery,
    MbidResponse,
    MbidSwarmDescriptor,
    PayloadRequest,
    PayloadManifest,
    PayloadHave,
    ChunkRequest,
    ChunkResponse,
    ChunkCancel,
)

MessageT = TypeVar("MessageT", bound=Message)


def with_id(message: MessageT, message_id: str) -> MessageT:
    """The same message with its hop-local id."""
    return dataclasses.replace(message, message_id=message_id)


def decode_message(message_class: type[MessageT], envelope: Mapping[str, Json]) -> MessageT:
    """Build a message of a known type from its parsed envelope. RemoteProtocolError when a field breaks its rule."""
    try:
        values = record_values(message_class, envelope, message_class.TYPE)
        return message_class(
            message_id=_required_id(envelope.get("message_id")),
            in_reply_to=_optional_text(envelope.get("in_reply_to")),
            **values,  # each kind checks its own value at construction
        )
    except LocalProtocolError as error:
        raise RemoteProtocolError(error.code, f"{message_class.TYPE}: {error.sentence}") from None


def _required_id(raw: Json) -> str:
    if not is_uuid(raw):
        raise fail("message_id", "must be a lower-case UUID")
    assert isinstance(raw, str)
    return raw


def _optional_text(raw: Json) -> str | None:
    if raw is not None and not isinstance(raw, str):
        raise fail("in_reply_to", "must be a lower-case UUID")
    return raw


def split_leaf_hashes(manifest: PayloadManifest, attachment: bytes | bytearray) -> tuple[bytes, ...]:
    """The leaf hashes that came with a manifest. RemoteProtocolError when their number is not ``leaf_count``."""
    if len(attachment) != manifest.leaf_count * limits.LEAF_HASH_BYTES:
        raise RemoteProtocolError("bad_attachment", "payload_manifest: the attachment must hold one hash per leaf.")
    size = limits.LEAF_HASH_BYTES
    return tuple(bytes(attachment[start : start + size]) for start in range(0, len(attachment), size))
