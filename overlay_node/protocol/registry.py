"""The one table of message types. Limits, the decoder, PROTOCOL.md and the fuzz tests are generated from it or checked against it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from overlay_node.protocol import limits, messages, sharing
from overlay_node.protocol.limits import KIB
from overlay_node.protocol.states import ConnectionState


class MessageClass(StrEnum):
    """What a message is about; rates and budgets are kept per link and class."""

    SESSION = "session"
    QUERY = "query"
    SIGNAL = "signal"
    GOSSIP = "gossip"
    TOPIC = "topic"
    RECORDS = "records"
    BULK = "bulk"


class Direction(StrEnum):
    """Who may send a type, in terms of its role on this link."""

    BOTH = "both"
    CLIENT = "client"
    SERVER = "server"


class Rate(StrEnum):
    """Which budget an incoming message is counted against."""

    CONTROL = "control"
    """10/s in all"""
    HAVE = "have"
    """a hint: dropped when there are too many, never punished"""
    CANCEL = "cancel"
    ADVERT = "advert"
    """comes in bursts, seldom, and costs rows"""
    IN_FLIGHT = "in_flight"
    """bounded by what is in flight, not by time"""


@dataclass(frozen=True, slots=True)
class MessageSpec:
    """One row of the table."""

    message: type[messages.Message]
    message_class: MessageClass
    states: frozenset[ConnectionState]
    """states in which it may be received"""
    max_envelope_bytes: int
    max_attachment_bytes: int = 0
    """0 = must not have one"""
    direction: Direction = Direction.BOTH
    feature: str | None = None
    """feature both sides must have named in hello; None = every peer speaks it"""
    limited_link: bool = True
    """may run on a link whose bytes a third node pays for"""
    rate: Rate = Rate.CONTROL
    answers: str | None = None
    """the type it replies to; unasked ones are ignored"""
    may_answer: str | None = None
    """the type it replies to when it carries in_reply_to; without one it is no answer"""

    @property
    def type(self) -> str:
        """Name on the wire."""
        return self.message.TYPE

    @property
    def version(self) -> int:
        """Version on the wire; other versions are treated as unknown types."""
        return self.message.VERSION


FEATURE_ADVERTS: Final = "adverts/1"
FEATURE_CACHE_JOBS: Final = "cache_jobs/1"

_ANY: Final = frozenset({ConnectionState.HANDSHAKE, ConnectionState.OPEN})
_FIRST: Final = frozenset({ConnectionState.HANDSHAKE})
_OPEN: Final = frozenset({ConnectionState.OPEN})
_S, _Q, _G, _B = MessageClass.SESSION, MessageClass.QUERY, MessageClass.SIGNAL, MessageClass.BULK
_FULL: Final = limits.MAX_ENVELOPE_BYTES

_ROWS: Final[tuple[MessageSpec, ...]] = (
    MessageSpec(messages.Hello, _S, _FIRST, 8 * KIB),
    MessageSpec(messages.HelloAck, _S, _ANY, 4 * KIB),
    MessageSpec(messages.Ping, _S, _OPEN, 1 * KIB),
    MessageSpec(messages.Pong, _S, _OPEN, 1 * KIB),
    MessageSpec(messages.Bye, _S, _ANY, 1 * KIB),
    MessageSpec(messages.ErrorReply, _S, _OPEN, 1 * KIB),
    MessageSpec(messages.MbidQuery, _Q, _OPEN, 8 * KIB),
    MessageSpec(messages.MbidResponse, _Q, _OPEN, _FULL, answers="mbid_query"),
    MessageSpec(messages.MbidSwarmDescriptor, _G, _OPEN, _FULL),
    MessageSpec(messages.PayloadRequest, _B, _OPEN, 2 * KIB, limited_link=False),
    MessageSpec(
        messages.PayloadManifest,
        _B,
        _OPEN,
        _FULL,
        limits.MAX_ATTACHMENT_BYTES,
        limited_link=False,
        answers="payload_request",
    ),
    MessageSpec(messages.PayloadHave, _B, _OPEN, _FULL, limited_link=False, rate=Rate.HAVE),
    MessageSpec(messages.ChunkRequest, _B, _OPEN, 2 * KIB, limited_link=False, rate=Rate.IN_FLIGHT),
    MessageSpec(
        messages.ChunkResponse,
        _B,
        _OPEN,
        2 * KIB,
        limits.MAX_CHUNK_BYTES,
        limited_link=False,
        rate=Rate.IN_FLIGHT,
        answers="chunk_request",
    ),
    MessageSpec(messages.ChunkCancel, _B, _OPEN, 8 * KIB, limited_link=False, rate=Rate.CANCEL),
    MessageSpec(sharing.FingerprintBundleRequest, _Q, _OPEN, 1 * KIB, feature=FEATURE_ADVERTS),
    MessageSpec(
        sharing.FingerprintBundleAdvert,
        _G,
        _OPEN,
        2 * KIB,
        limits.MAX_ADVERT_PART_BYTES,
        feature=FEATURE_ADVERTS,
        limited_link=False,
        rate=Rate.ADVERT,
    ),
    MessageSpec(
        sharing.MeshCacheJob, _Q, _OPEN, _FULL, feature=FEATURE_CACHE_JOBS, may_answer=sharing.MeshCacheJob.TYPE
    ),
)

MESSAGE_CLASSES: Final = (*messages.MESSAGE_CLASSES, *sharing.SHARING_CLASSES)
"""every class of messages, in the table's order"""

REGISTRY: Final[Mapping[str, MessageSpec]] = MappingProxyType({row.type: row for row in _ROWS})
"""type name -> its row"""

TYPE_GRAMMAR: Final = re.compile(r"[a-z][a-z0-9_]{1,39}\Z")

RESERVED_TYPES: Final = frozenset(
    {
        "gossip_hello",
        "obs_query",
        "obs_batch",
        "peer_exchange",
        "want_digest",
        "mesh_search",
        "mesh_search_result",
        "record_get",
        "records",
        "pcm_request",
        "pcm_manifest",
        "fingerprint_batch",
        "album_job",
        "cache_announce",
    }
)
"""Names with a meaning to come; unknown today, never to be used for anything else"""

RESERVED_PREFIXES: Final = ("topic_", "reach_", "relay_", "punch_", "receipt_")
EXPERIMENTAL_PREFIX: Final = "x_"
RESERVED_FEATURES: Final = frozenset({"pcm1"})
RESERVED_PAYLOAD_FORMATS: Final = frozenset({"pcm"})
RESERVED_ALPN: Final = frozenset({"slskdn-relay/1", "slskdn-probe/1"})
RESERVED_DHT_DOMAINS: Final = frozenset(
    {"slskdn-mb-v1", "slskdn-node-v1", "slskdn-scene-v1", "slskdn-relay-v1", "slskdn-want-v1"}
)


def is_reserved(name: str) -> bool:
    """True for a type name that is kept for a later part or for experiments."""
    return name in RESERVED_TYPES or name.startswith((*RESERVED_PREFIXES, EXPERIMENTAL_PREFIX))


def registry_markdown() -> str:
    """The table as PROTOCOL.md holds it; a test compares the two."""
    lines = [
        "| type | v | class | direction | states | feature | envelope ≤ | attachment ≤ | limited link | rate | answers |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in REGISTRY.values():
        states = ", ".join(sorted(state.value for state in row.states))
        cells = (
            f"`{row.type}`",
            str(row.version),
            row.message_class.value,
            row.direction.value,
            states,
            row.feature or "–",
            f"{row.max_envelope_bytes // KIB} KiB",
            f"{row.max_attachment_bytes // KIB} KiB" if row.max_attachment_bytes else "–",
            "yes" if row.limited_link else "no",
            row.rate.value,
            f"`{row.answers}`" if row.answers else f"`{row.may_answer}`, or nothing" if row.may_answer else "–",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
