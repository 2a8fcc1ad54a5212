"""Randomness: one seed, and a stream of its own for each concern, so that a draw added in one place changes nothing elsewhere."""

from __future__ import annotations

import hashlib
import random


def stream(seed: int, *concern: str | int) -> random.Random:
    """The stream of a concern (`stream(7, "peer", "p03", "profile")`), the same in every process."""
    digest = hashlib.sha256(repr((seed, concern)).encode()).digest()
    return random.Random(int.from_bytes(digest, "big"))


class Ids:
    """UUID texts of one node, counted: no two nodes share one."""

    def __init__(self, node: int) -> None:
        self._node = node
        self._last = 0

    def __call__(self) -> str:
        self._last += 1
        return f"{self._node:08x}-0000-4000-8000-{self._last:012x}"
