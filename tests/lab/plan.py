"""A scenario with a seed: everything random that is drawn before the run, and that the bound may know."""

from __future__ import annotations

from dataclasses import dataclass

from tests.lab.loss import Line, lossy_line
from tests.lab.nat import Meeting, meeting
from tests.lab.payloads import LabPayload, payload
from tests.lab.personality import Life, Personality
from tests.lab.profile import Profile
from tests.lab.scenario import FAULT_STEPS, Fault, Group, Scenario
from tests.lab.streams import stream

UNLIMITED_BPS = 1.25e9
"""what a link without a bandwidth of its own carries: 10 Gbit/s"""
DIAL_ROUND_TRIPS = 3
"""TCP, TLS, hello"""


@dataclass(frozen=True, slots=True)
class PeerPlan:
    """One peer as it was drawn."""

    name: str
    life: Life
    personality: Personality
    rtt_s: float
    jitter_s: float
    lines: tuple[Line, ...]
    """from it to each downloader"""
    meetings: tuple[Meeting | None, ...]
    """with each downloader"""
    holds: tuple[frozenset[int] | None, ...]
    """of each payload; None = all"""

    def opened_at(self, downloader: int, arrives: float) -> float | None:
        """When the link can be open at the earliest, if they ever meet. Whoever is there from the start is linked at time zero."""
        meets = self.meetings[downloader]
        if meets is None:
            return None
        if meets.linked_already or (arrives <= 0 and meets.after_s <= 0):
            return arrives
        return arrives + meets.after_s + DIAL_ROUND_TRIPS * self.rtt_s


@dataclass(frozen=True, slots=True)
class Wanted:
    """When the downloaders begin with a payload, and which leaves lie on their disks by then."""

    at: float = 0.0
    held: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is made from."""

    scenario: Scenario
    seed: int
    payloads: tuple[LabPayload, ...]
    peers: tuple[PeerPlan, ...]
    down: Profile
    faults: tuple[tuple[int, Fault], ...]
    """at which event what goes wrong"""
    wanted: tuple[Wanted, ...]
    """of each payload"""


def plan_of(scenario: Scenario, seed: int) -> Plan:
    """Draw everything."""
    payloads = tuple(payload(size, number) for number, size in enumerate(scenario.files))
    peers: list[PeerPlan] = []
    for at, group in enumerate(scenario.groups):
        for index in range(group.count):
            name = f"p{len(peers):02d}-{group.personality.name}"
            peers.append(_peer(scenario, seed, group, (at, index), name, payloads))
    faults = stream(seed, scenario.name, "faults")
    return Plan(
        scenario,
        seed,
        payloads,
        tuple(peers),
        Profile.constant(scenario.down_mb_s * 1e6),
        tuple(sorted((faults.randrange(1, FAULT_STEPS), fault) for fault in scenario.faults)),
        (Wanted(),) * len(payloads),
    )


def _peer(
    scenario: Scenario, seed: int, group: Group, place: tuple[int, int], name: str, payloads: tuple[LabPayload, ...]
) -> PeerPlan:
    size = stream(seed, scenario.name, "size", *place)
    rate, rtt_s = group.mb_s.draw(size) * 1e6, group.rtt_ms.draw(size) / 1000
    downloaders = range(scenario.downloaders)
    return PeerPlan(
        name=name,
        life=group.personality.draw(rate, stream(seed, scenario.name, "life", *place)),
        personality=group.personality,
        rtt_s=rtt_s,
        jitter_s=group.jitter_ms / 1000,
        lines=tuple(
            lossy_line(
                rate if group.loss else UNLIMITED_BPS,
                rtt_s=rtt_s,
                loss=group.loss,
                random=stream(seed, scenario.name, "loss", *place, one),
            )
            for one in downloaders
        ),
        meetings=tuple(
            meeting(scenario.nat, group.nat, stale=group.stale, random=stream(seed, scenario.name, "meet", *place, one))
            for one in downloaders
        ),
        holds=tuple(_held(one, group, seed, scenario, (*place, number)) for number, one in enumerate(payloads)),
    )


def _held(
    one: LabPayload, group: Group, seed: int, scenario: Scenario, place: tuple[int, int, int]
) -> frozenset[int] | None:
    if group.holds >= 1:
        return None
    random = stream(seed, scenario.name, "holds", *place)
    return frozenset(leaf for leaf in range(one.leaf_count) if random.random() < group.holds)
