"""Small payloads for swarm tests: real roots and leaves over pseudo-random bytes."""

from __future__ import annotations

import random
from dataclasses import dataclass

from apps.domain.audio.payload import LEAF_BYTES, PayloadFacts, PayloadFormat, leaf_hashes, payload_root
from overlay_node.swarm.actions import Manifest
from overlay_node.swarm.choice import PayloadKey


@dataclass(frozen=True)
class TestPayload:
    __test__ = False

    data: bytes
    manifest: Manifest
    key: PayloadKey

    def leaf(self, index: int) -> bytes:
        return self.data[index * LEAF_BYTES : (index + 1) * LEAF_BYTES]


def make_payload(size: int, *, seed: int = 1) -> TestPayload:
    data = random.Random(seed).randbytes(size)
    facts = PayloadFacts(PayloadFormat.FILE, size)
    leaves = leaf_hashes([data])
    root = payload_root(facts, leaves.merkle)
    return TestPayload(data, Manifest(facts=facts, leaves=leaves, preamble=b""), PayloadKey("file", root))
