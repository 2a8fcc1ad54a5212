"""What is transferred: real bytes with real roots, views of one block made once in each process, so that bytes cost little."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

from apps.domain.audio.payload import LEAF_BYTES, Leaves, PayloadFacts, PayloadFormat, leaf_hash, payload_root
from overlay_node.swarm.choice import PayloadKey

MB = 1_000_000
_SHIFT = 4096 + 13
"""payloads of one size begin so far apart in the block: no two leaves of them are alike"""


@dataclass(frozen=True, slots=True, eq=False)
class LabPayload:
    """One payload."""

    key: PayloadKey
    facts: PayloadFacts
    leaves: Leaves
    packed: bytes
    """the leaf hashes, as a manifest carries them"""
    data: memoryview

    @property
    def size(self) -> int:
        """bytes"""
        return self.facts.payload_bytes

    @property
    def leaf_count(self) -> int:
        """leaves, the last one may be short"""
        return len(self.leaves.hashes)


@cache
def _block(size: int) -> memoryview:
    return memoryview(random.Random(size).randbytes(size))


@cache
def payload(size: int, number: int = 0) -> LabPayload:
    """The payload of `size` bytes with that number."""
    largest = size + 64 * _SHIFT
    data = _block(largest)[number * _SHIFT : number * _SHIFT + size]
    hashes = tuple(leaf_hash(data[at : at + LEAF_BYTES]) for at in range(0, size, LEAF_BYTES))
    facts = PayloadFacts(PayloadFormat.FILE, size)
    leaves = Leaves(hashes=hashes, payload_bytes=size)
    key = PayloadKey("file", payload_root(facts, leaves.merkle))
    return LabPayload(key, facts, leaves, leaves.pack(), data)
