"""The measurement of `./slskdn bench scheduler`: one real session, peers as arithmetic, virtual time.

Each peer answers in order at its own rate, a delay after an idle moment. Only time inside the session's calls is counted (CPU of this thread).
Hashing is left out by a check that always says yes: its cost is the transport's, and known.
"""

from __future__ import annotations

import gc
import heapq
import statistics
import time
from random import Random
from typing import Any, Final
from unittest import mock

from apps.domain.audio.payload import LEAF_BYTES, Leaves, PayloadFacts, PayloadFormat
from overlay_node.swarm import judging
from overlay_node.swarm.actions import Action, AskChunk, AskManifest, CancelChunks, Manifest
from overlay_node.swarm.choice import PayloadKey
from overlay_node.swarm.policy_cost import CostPolicy
from overlay_node.swarm.session import TICK_S, SwarmSession

PEERS: Final = (3, 10, 30, 100, 300)
MANY_PEERS: Final = 1000
MANY_LEAVES: Final = 10_000
BAR_US: Final = 65.0
"""a leaf: 10 % of 2.6 CPU seconds a GiB (what the transport takes, both sides summed) over the 4096 leaves of a GiB"""
BAR_FLAT: Final = 1.5
"""100 peers against 3"""
BAR_DECISION_MS: Final = 5.0
_ZEROS: Final = memoryview(bytes(512 * 1024))


class _Peers:
    """Peers of 0.5 to 5 MB/s and 20 to 80 ms that answer what they are asked."""

    def __init__(self, count: int, random: Random) -> None:
        self.names = [f"peer{number:04d}" for number in range(count)]
        self.rates = {name: 0.5e6 * 10 ** random.random() for name in self.names}
        self.delays = {name: random.uniform(0.02, 0.08) for name in self.names}
        self.free_at = dict.fromkeys(self.names, 0.0)
        self.events: list[tuple[float, int, str, int, int]] = []
        self.cancelled: set[tuple[str, int]] = set()
        self.order = 0

    def do(self, actions: list[Action], now: float) -> list[str]:
        """Carry out what the session wants; returns who is asked for the manifest."""
        manifests = []
        for action in actions:
            if isinstance(action, AskChunk):
                begins = max(self.free_at[action.peer], now + self.delays[action.peer])
                self.free_at[action.peer] = begins + action.length / self.rates[action.peer]
                self.order += 1
                heapq.heappush(
                    self.events, (self.free_at[action.peer], self.order, action.peer, action.offset, action.length)
                )
            elif isinstance(action, AskManifest):
                manifests.append(action.peer)
            elif isinstance(action, CancelChunks):
                self._cancel(action)
        return manifests

    def _cancel(self, cancel: CancelChunks) -> None:
        kept = []
        for event in self.events:
            _, _, peer, offset, length = event
            if peer == cancel.peer and (
                not cancel.ranges or any(a < offset + length and offset < b for a, b in cancel.ranges)
            ):
                continue
            kept.append(event)
        if len(kept) != len(self.events):
            self.events = kept
            heapq.heapify(self.events)


def one_run(peers: int, leaves: int, seed: int) -> tuple[float, list[float]]:
    """CPU seconds inside the session for the whole payload, and the seconds of every call."""
    random = Random(seed)  # noqa: S311  (a simulation, not a secret)
    world = _Peers(peers, random)
    size = leaves * LEAF_BYTES
    facts = PayloadFacts(PayloadFormat.FILE, size)
    hashes = tuple(number.to_bytes(32, "big") for number in range(leaves))
    manifest = Manifest(
        facts=facts, leaves=Leaves(hashes=hashes, payload_bytes=size, leaf_bytes=LEAF_BYTES), preamble=b""
    )
    session = SwarmSession(PayloadKey("file", bytes(32)), manifest=manifest, policy=CostPolicy(draw=random.randrange))
    calls: list[float] = []
    clock = time.thread_time

    def timed(began: float) -> None:
        calls.append(clock() - began)

    now = 0.0
    for name in world.names:
        began = clock()
        actions = session.peer_added(name, now)
        timed(began)
        world.do(actions, now)
    for name in world.names:
        now += 0.0001
        began = clock()
        actions = session.manifest_received(
            name, facts, hashes, leaf_bytes=LEAF_BYTES, preamble=b"", have=((0, leaves),), now=now
        )
        timed(began)
        world.do(actions, now)
    tick_at = now + TICK_S
    gc.collect()
    gc.freeze()
    while not session.completed:
        if not world.events or world.events[0][0] > tick_at:
            now = tick_at
            tick_at += TICK_S
            began = clock()
            actions = session.tick(now)
            timed(began)
            world.do(actions, now)
            continue
        now, _, peer, offset, length = heapq.heappop(world.events)
        data = _ZEROS[:length]
        began = clock()
        actions = session.chunk_received(peer, offset, data, now)
        timed(began)
        world.do(actions, now)
    gc.unfreeze()
    return sum(calls), calls


def scheduler_bench(*, leaves: int, rounds: int) -> dict[str, Any]:
    """Everything, rounds interleaved."""
    per_leaf: dict[int, list[float]] = {peers: [] for peers in PEERS}
    many: list[tuple[float, list[float]]] = []
    with mock.patch.object(judging, "verify_leaf", _yes):
        one_run(3, 200, 0)  # warm up
        for number in range(rounds):
            for peers in PEERS:
                per_leaf[peers].append(1e6 * one_run(peers, leaves, number)[0] / leaves)
            many.append(one_run(MANY_PEERS, MANY_LEAVES, number))
    medians = {peers: statistics.median(values) for peers, values in per_leaf.items()}
    worst = statistics.median([1e3 * max(calls) for _, calls in many])
    p99 = statistics.median([1e3 * sorted(calls)[int(len(calls) * 0.99)] for _, calls in many])
    flat = medians[100] / medians[3]
    return {
        "leaves": leaves,
        "rounds": rounds,
        "us_per_leaf": {str(peers): round(value, 2) for peers, value in medians.items()},
        "ratios": {"flat_100_vs_3": round(flat, 3)},
        "decision_ms": {
            "peers": MANY_PEERS,
            "leaves": MANY_LEAVES,
            "us_per_leaf": round(1e6 * statistics.median([total for total, _ in many]) / MANY_LEAVES, 2),
            "p50": round(statistics.median([1e3 * statistics.median(calls) for _, calls in many]), 4),
            "p99": round(p99, 4),
            "worst": round(worst, 4),
        },
        "bars": [
            _bar("µs a leaf, up to 100 peers", max(medians[peers] for peers in PEERS if peers <= 100), BAR_US),
            _bar("100 peers against 3", flat, BAR_FLAT),
            _bar("ms of the slowest decision, 1000 peers and 10,000 leaves", worst, BAR_DECISION_MS),
        ],
    }


def _bar(name: str, value: float, limit: float) -> dict[str, Any]:
    return {"bar": name, "value": round(value, 4), "limit": limit, "holds": value <= limit}


def _yes(_data: memoryview, _expected: bytes) -> bool:
    return True
