"""Payload identity: a BLAKE3 Merkle root over the encoded sound of a file, its tags stripped (`span` says which bytes those are).

Exact encoding, version "slskdn-payload-1" (B3 = BLAKE3-256, ‖ = concatenation, all integers big-endian):

    leaf   = B3(00 ‖ bytes)            256 KiB each, the last one short; a payload of 0 bytes has one leaf, B3(00)
    node   = B3(01 ‖ left ‖ right)
    merkle = leaves paired from the left, level by level; a level's odd last node is *promoted unchanged* to the next level
             (never paired with itself; the shape of RFC 6962); one leaf alone is its own merkle
    root   = B3(02 ‖ "slskdn-payload-1" (16 bytes ASCII)
                ‖ u8 length of the format's name ‖ the name, ASCII
                ‖ u64 payload_bytes ‖ u32 rate (Hz) ‖ u32 channels ‖ u32 bits     (0 where unknown)
                ‖ 32 bytes merkle)

The three prefixes keep leaves, nodes and roots apart; payload_bytes fixes the tree's shape, so promotion is unambiguous.
The preamble is *not* covered: FLAC's is checked by decoding, MP3's information frame is advice to players.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from blake3 import blake3

from apps.domain.audio.flac import PreambleError, ReadAt, StreamInfo, parse_streaminfo
from apps.domain.audio.span import PayloadFacts, PayloadFormat, PayloadSpan, find_span, find_span_in_bytes
from apps.domain.errors import DomainError

__all__ = [
    "HASH_BYTES",
    "LEAF_BYTES",
    "Leaves",
    "LeavesError",
    "PayloadFacts",
    "PayloadFormat",
    "PayloadHasher",
    "PayloadSpan",
    "PreambleError",
    "ReadAt",
    "StreamInfo",
    "file_root",
    "find_span",
    "find_span_in_bytes",
    "leaf_bytes_of",
    "leaf_count",
    "leaf_hash",
    "leaf_hashes",
    "leaf_length",
    "merkle_root",
    "parse_streaminfo",
    "payload_root",
    "verify_leaf",
    "verify_manifest",
]  # fmt: skip

LEAF_BYTES = 256 << 10
"""Leaf size of every format known today. Large enough that 16,384 leaves cover 4 GiB, small enough to blame one peer for one leaf."""
HASH_BYTES = 32
_ROOT_DOMAIN = b"slskdn-payload-1"
_LEAF_PREFIX, _NODE_PREFIX, _ROOT_PREFIX = b"\x00", b"\x01", b"\x02"
_READ_BYTES = 1 << 20


class LeavesError(DomainError):
    """A list of leaf hashes that cannot belong to the payload it is said to belong to."""

    default_code = "leaves_invalid"


def leaf_bytes_of(payload_format: PayloadFormat) -> int:
    """Leaf size of a format's payloads: a property of the format (and stated by manifests), not a constant of the network."""
    match payload_format:
        case PayloadFormat.FLAC | PayloadFormat.MP3 | PayloadFormat.FILE:
            return LEAF_BYTES


def leaf_count(payload_bytes: int, *, leaf_bytes: int = LEAF_BYTES) -> int:
    """How many leaves a payload has: at least one."""
    return max(1, -(-payload_bytes // leaf_bytes))


def leaf_length(index: int, payload_bytes: int, *, leaf_bytes: int = LEAF_BYTES) -> int:
    """Bytes of leaf `index` (the last one may be short). Raises IndexError outside the payload."""
    if not 0 <= index < leaf_count(payload_bytes, leaf_bytes=leaf_bytes):
        raise IndexError(f"leaf {index} of {leaf_count(payload_bytes, leaf_bytes=leaf_bytes)}")
    return min(leaf_bytes, payload_bytes - index * leaf_bytes)


def leaf_hash(data: bytes | memoryview) -> bytes:
    """B3(00 ‖ data)."""
    hasher = blake3(_LEAF_PREFIX)
    hasher.update(data)
    return hasher.digest()


def leaf_hashes(blocks: Iterable[bytes], *, leaf_bytes: int = LEAF_BYTES) -> Leaves:
    """Hash a payload given as blocks of any lengths."""
    hasher = PayloadHasher(leaf_bytes=leaf_bytes)
    for block in blocks:
        hasher.update(block)
    return hasher.finish()


def verify_leaf(data: bytes | memoryview, expected: bytes) -> bool:
    """True if `data` is the leaf whose hash is `expected`."""
    return leaf_hash(data) == expected


def merkle_root(hashes: Sequence[bytes]) -> bytes:
    """Root of the tree over `hashes` (32 bytes each, at least one). Raises LeavesError otherwise."""
    if not hashes or any(len(one) != HASH_BYTES for one in hashes):
        raise LeavesError("A payload has at least one leaf hash, each of 32 bytes.", leaves=len(hashes))
    level = list(hashes)
    while len(level) > 1:
        paired = [blake3(_NODE_PREFIX + level[at] + level[at + 1]).digest() for at in range(0, len(level) - 1, 2)]
        level = paired + level[len(level) & ~1 :]
    return level[0]


def payload_root(facts: PayloadFacts, merkle: bytes) -> bytes:
    """The payload's name: 32 bytes. Raises LeavesError if `merkle` is not 32 bytes."""
    if len(merkle) != HASH_BYTES:
        raise LeavesError("A Merkle root has 32 bytes.", length=len(merkle))
    name = facts.format.value.encode("ascii")
    return blake3(
        b"".join(
            (
                _ROOT_PREFIX,
                _ROOT_DOMAIN,
                len(name).to_bytes(1, "big"),
                name,
                facts.payload_bytes.to_bytes(8, "big"),
                facts.rate.to_bytes(4, "big"),
                facts.channels.to_bytes(4, "big"),
                facts.bits.to_bytes(4, "big"),
                merkle,
            )
        )
    ).digest()


@dataclass(frozen=True, slots=True)
class Leaves:
    """The leaf hashes of one payload, in order. Raises LeavesError unless their number fits the payload's length."""

    hashes: tuple[bytes, ...]
    payload_bytes: int
    leaf_bytes: int = LEAF_BYTES

    def __post_init__(self) -> None:
        if self.leaf_bytes <= 0 or self.payload_bytes < 0:
            raise LeavesError(
                "Leaf and payload sizes are not negative.", leaf_bytes=self.leaf_bytes, payload_bytes=self.payload_bytes
            )
        wanted = leaf_count(self.payload_bytes, leaf_bytes=self.leaf_bytes)
        if len(self.hashes) != wanted or any(len(one) != HASH_BYTES for one in self.hashes):
            raise LeavesError(
                "The number of leaves does not fit the payload's length.", leaves=len(self.hashes), wanted=wanted
            )

    @property
    def merkle(self) -> bytes:
        """Root of the tree."""
        return merkle_root(self.hashes)

    def pack(self) -> bytes:
        """The hashes one after another: a manifest's attachment, a row's field."""
        return b"".join(self.hashes)

    @classmethod
    def unpack(cls, packed: bytes, *, payload_bytes: int, leaf_bytes: int = LEAF_BYTES) -> Self:
        """Read what `pack` wrote. Raises LeavesError on a length that does not fit."""
        if len(packed) % HASH_BYTES:
            raise LeavesError("Packed leaf hashes have 32 bytes each.", length=len(packed))
        hashes = tuple(packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES))
        return cls(hashes=hashes, payload_bytes=payload_bytes, leaf_bytes=leaf_bytes)


def verify_manifest(root: bytes, facts: PayloadFacts, leaves: Leaves) -> bool:
    """True if `leaves` and `facts` are those of `root`: from then on every leaf can be believed alone."""
    return (
        leaves.payload_bytes == facts.payload_bytes
        and leaves.leaf_bytes == leaf_bytes_of(facts.format)
        and payload_root(facts, leaves.merkle) == root
    )


class PayloadHasher:
    """Hashes a payload that arrives in order in blocks of any length. Not reusable after `finish`."""

    def __init__(self, *, leaf_bytes: int = LEAF_BYTES) -> None:
        self._leaf_bytes = leaf_bytes
        self._current = blake3(_LEAF_PREFIX)
        self._filled = 0
        self._total = 0
        self._done: list[bytes] = []

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Add the next bytes."""
        view = memoryview(data)
        self._total += len(view)
        while view:
            if self._filled == self._leaf_bytes:
                self._close_leaf()
            part = view[: self._leaf_bytes - self._filled]
            self._current.update(part)
            self._filled += len(part)
            view = view[len(part) :]

    def finish(self) -> Leaves:
        """The leaves of everything added."""
        self._close_leaf()
        return Leaves(hashes=tuple(self._done), payload_bytes=self._total, leaf_bytes=self._leaf_bytes)

    def _close_leaf(self) -> None:
        self._done.append(self._current.digest())
        self._current = blake3(_LEAF_PREFIX)
        self._filled = 0


def file_root(read_at: ReadAt, span: PayloadSpan) -> tuple[bytes, Leaves]:
    """Root and leaves of the payload at `span`. Raises LeavesError if the file ends before the span does (it changed meanwhile)."""
    hasher = PayloadHasher(leaf_bytes=leaf_bytes_of(span.format))
    position = span.offset
    while position < span.end:
        block = read_at(position, min(_READ_BYTES, span.end - position))
        if not block:
            raise LeavesError("The file ended before its payload did.", position=position, end=span.end)
        hasher.update(block)
        position += len(block)
    leaves = hasher.finish()
    return payload_root(span.facts, leaves.merkle), leaves
