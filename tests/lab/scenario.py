"""What a scenario is made of. `scenarios.py` holds the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from tests.lab.nat import Nat
from tests.lab.payloads import MB
from tests.lab.personality import PLAIN, Personality


class Kind(StrEnum):
    """Which bar a scenario is measured by."""

    STEADY = "steady"
    CHURN = "churn"
    FAULT = "fault"


class Fault(StrEnum):
    """What a hook does at the N-th event."""

    DISCONNECT = "disconnect"
    """the link to one peer breaks; both dial again"""
    STORAGE_ERROR = "storage_error"
    """the next leaf can't be written"""
    RESTART = "restart"
    """the first downloader's process starts again, with the leaves it holds"""


@dataclass(frozen=True, slots=True)
class Between:
    """A number drawn for each peer, evenly on a logarithmic scale."""

    low: float
    high: float

    def draw(self, random: Random) -> float:
        """One number."""
        return self.low if self.low == self.high else self.low * (self.high / self.low) ** random.random()


def exactly(value: float) -> Between:
    """Always the same."""
    return Between(value, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Some peers of one kind."""

    count: int
    mb_s: Between
    """uplink, MB/s"""
    rtt_ms: Between = Between(15, 80)
    jitter_ms: float = 2.0
    loss: float = 0.0
    """share of packets"""
    personality: Personality = PLAIN
    holds: float = 1.0
    """share of the leaves, drawn at random"""
    nat: Nat = Nat.NONE
    stale: float = 0.0
    """how likely an old mapping is all that is known of it at first"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A network, and what is fetched over it."""

    name: str
    kind: Kind
    about: str
    files: tuple[int, ...]
    """bytes of each payload; several are fetched at once, as an album is"""
    groups: tuple[Group, ...]
    down_mb_s: float = 125.0
    """the downloaders' downlinks, MB/s (125: 1 Gbit/s)"""
    downloaders: int = 1
    up_mb_s: float = 1.25
    """the downloaders' uplinks"""
    nat: Nat = Nat.NONE
    """the downloaders'"""
    limit_mb_s: float | None = None
    """what a person allows each downloader to fetch, MB/s"""
    faults: tuple[Fault, ...] = ()
    """each happens at an event drawn from the first FAULT_STEPS ones"""
    limit_s: float = 900.0
    """a run that is not done by then has failed"""

    @property
    def payload_bytes(self) -> int:
        """Of all files."""
        return sum(self.files)


FAULT_STEPS = 1500


def mb(*sizes: float) -> tuple[int, ...]:
    """Files of so many megabytes."""
    return tuple(int(size * MB) for size in sizes)
