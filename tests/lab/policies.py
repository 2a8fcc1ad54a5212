"""Policies by name, and how a node's sessions are made with them: the product's, its plain one, and the baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random

from apps.domain.swarm.estimate import Pace
from apps.domain.swarm.settings import SchedulerMode, SchedulerSettings
from apps.domain.swarm.trace import TraceSink
from overlay_node.swarm.actions import Manifest
from overlay_node.swarm.choice import PayloadKey
from overlay_node.swarm.peer_book import MemoryPeerBook
from overlay_node.swarm.policy import Policy
from overlay_node.swarm.policy_cost import CostPolicy
from overlay_node.swarm.policy_plain import PlainPolicy
from overlay_node.swarm.rate_limits import ByteBucket
from overlay_node.swarm.session import SwarmSession
from tests.lab.baselines import BASELINE_POLICIES, BASELINES_WITH_END_GAME

PRODUCT = "product"


@dataclass(frozen=True, slots=True)
class NamedPolicy:
    """A policy; `make` is called once for each session."""

    name: str
    about: str
    make: Callable[[Random], Policy]


def _cost(mode: SchedulerMode) -> Callable[[Random], Policy]:
    return lambda random: CostPolicy(SchedulerSettings(mode=mode), draw=random.randrange)


_OURS = (
    NamedPolicy(PRODUCT, "what slskdn does: the balanced mode", _cost(SchedulerMode.BALANCED)),
    NamedPolicy("conservative", "slskdn's conservative mode", _cost(SchedulerMode.CONSERVATIVE)),
    NamedPolicy("aggressive", "slskdn's aggressive mode", _cost(SchedulerMode.AGGRESSIVE)),
    NamedPolicy("plain", "slskdn with the scheduler switched off", lambda _random: PlainPolicy()),
)
_OTHERS = tuple(NamedPolicy(one.name, (one.__doc__ or "").strip(), one) for one in BASELINE_POLICIES)
_MORE = tuple(NamedPolicy(one.name, (one.__doc__ or "").strip(), one) for one in BASELINES_WITH_END_GAME)
POLICIES: dict[str, NamedPolicy] = {one.name: one for one in (*_OURS, *_OTHERS, *_MORE)}
BASELINES: tuple[str, ...] = tuple(one.name for one in _OTHERS)


@dataclass(slots=True)
class Scheduling:
    """What the sessions of one node share, as `overlay_node.services.swarms` shares it: the peers' book and the paces of its links."""

    policy: NamedPolicy
    random: Random
    now: Callable[[], float]
    limit_bps: float | None = None
    """bytes a second, over all sessions"""
    budgets: tuple[ByteBucket, ...] = field(init=False)
    book: MemoryPeerBook = field(init=False)
    paces: dict[str, Pace] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.book = MemoryPeerBook(self.now())
        self.budgets = () if self.limit_bps is None else (ByteBucket(rate=self.limit_bps, now=self.now()),)

    def session(
        self,
        key: PayloadKey,
        *,
        manifest: Manifest | None = None,
        held: Iterable[int] = (),
        trace: TraceSink | None = None,
    ) -> SwarmSession:
        """A session of one payload; `held` are leaves that lie on the disk (only with `manifest`)."""
        return SwarmSession(
            key,
            manifest=manifest,
            held=held,
            policy=self.policy.make(self.random),
            book=self.book,
            paces=self.paces,
            budgets=self.budgets,
            trace=trace,
            now=self.now(),
        )
