"""What a swarm session wants done, one value per deed. The runner carries them out in order.

Those made for every chunk are not frozen, because making a frozen value takes twice as long; nobody changes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from apps.domain.audio.payload import Leaves, PayloadFacts
from overlay_node.protocol.messages import CancelReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A payload's facts and leaf hashes, proven by its root. The preamble is a claim of `preamble_from` until the file was decoded."""

    facts: PayloadFacts
    leaves: Leaves
    preamble: bytes
    preamble_from: str = ""


class Charge(StrEnum):
    """What a peer is charged with."""

    BAD_LEAF = "bad_leaf"
    BAD_MANIFEST = "bad_manifest"
    NOT_DELIVERED = "not_delivered"
    """it advertised what it then did not have"""


@dataclass(frozen=True, slots=True)
class AskManifest:
    peer: str


@dataclass(slots=True)
class AskChunk:
    peer: str
    offset: int
    """bytes, payload space"""
    length: int
    priority: int
    deadline_ms: int


@dataclass(slots=True)
class CancelChunks:
    peer: str
    ranges: tuple[tuple[int, int], ...]
    """half-open byte ranges; empty = everything of this transfer"""
    reason: CancelReason


@dataclass(frozen=True, slots=True)
class KeepManifest:
    """Persist the leaf list and make room for the data, then tell the session `storage_ready`."""

    manifest: Manifest


@dataclass(slots=True)
class StoreLeaf:
    """Write a verified leaf. If that fails: `leaf_lost`."""

    peer: str
    leaf: int
    offset: int
    data: bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class ChargePeer:
    peer: str
    charge: Charge


@dataclass(frozen=True, slots=True)
class DropPeer:
    """Nothing more is asked of this peer in this transfer."""

    peer: str
    code: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing is on its way and nothing can be asked: why. "" = it flows again."""

    code: str


@dataclass(frozen=True, slots=True)
class Completed:
    """Every leaf was verified and handed out for storing."""


Action: TypeAlias = (
    AskManifest | AskChunk | CancelChunks | KeepManifest | StoreLeaf | ChargePeer | DropPeer | Waiting | Completed
)
