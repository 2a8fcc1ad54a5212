"""What a connection tells its owner, one value per fact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from overlay_node.protocol.envelope import Attachment
from overlay_node.protocol.messages import Hello, Message


@dataclass(frozen=True, slots=True)
class HandshakeCompleted:
    """Fired once: both sides have said hello and acknowledged it. From now on messages may be sent."""

    hello: Hello
    """the peer's; every word of it is a claim"""
    protocol: int
    """dialect in use: the highest that both speak"""
    features: frozenset[str]
    """`name/major` that both named, without `!`"""


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """Fired for every message but those of the session class. ``error`` is fired too."""

    message: Message
    attachment: Attachment
    """b"" when there is none; decoded when it travelled compressed"""


@dataclass(frozen=True, slots=True)
class ConnectionClosed:
    """Fired once, when a side said bye, the handshake was refused or a deadline passed. Not fired for violations: those raise."""

    reason_code: str
    by_peer: bool
    retry_after_s: int | None = None


Event: TypeAlias = HandshakeCompleted | MessageReceived | ConnectionClosed
