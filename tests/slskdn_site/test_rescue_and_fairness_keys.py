"""Every key of `transfers.rescue_mode` and of `fairness` has an effect: what is configured is what the node does.

Key → test, for those that need more than one figure:

    transfers.rescue_mode.*, guardrails.*    test_a_key_of_rescues_changes_what_the_node_does
    fairness.*                               test_a_key_of_fairness_changes_what_the_node_does
    all of them                              test_no_key_is_without_an_effect
    recovery_throughput_kbps, its least      test_slow_and_well_at_once_is_refused
    transfers.rescue_mode.enabled            also tests/overlay_node/soulseek/test_rescue_after_kill.py
    fairness.overlay_bandwidth_cap           also tests/overlay_node/services/test_fairness.py
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import ValidationError

from apps.domain.contracts.soulseek_traffic import JobHunt, TrafficPlane
from apps.domain.mesh.policy import Mode
from apps.domain.soulseek.fairness import GIB
from apps.domain.soulseek.guardrails import RescueFacts, may_rescue
from apps.domain.soulseek.performance import KIB, PerformanceWatch
from overlay_node.__main__ import node_config
from overlay_node.config import NodeConfig
from overlay_node.services.fairness import NodeFairness
from overlay_node.soulseek.traffic import TrafficCounter
from overlay_node.store.soulseek.traffic_memory import MemoryTraffic
from overlay_node.swarm.rate_limits import Direction, RateLimits
from slskdn_site.config import Config
from slskdn_site.config_soulseek import Fairness, GuardrailsSection, RescueMode

JOB: Final = uuid.UUID(int=3)
NOON: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)


def configured(section: Mapping[str, Any]) -> NodeConfig:
    """What the node is given, when this is in slskdn.yml."""
    account = {"username": "alice", "password": "pw"}
    return node_config(Config(soulseek=account, **section), Path("/nowhere"))


# ---- rescues


def watched(node: NodeConfig) -> PerformanceWatch:
    return PerformanceWatch(node.soulseek.rescue, now=0)


def stalled(node: NodeConfig, *, at_s: int) -> bool:
    """A stream that never says anything."""
    one = watched(node)
    one.active(0)
    return one.look(at_s).underperforming


def slow_from(node: NodeConfig, *, kib_s: float) -> int | None:
    """The second at which a steady stream is called slow."""
    one = watched(node)
    for second in range(1200):
        one.arrived(second, int(kib_s * KIB))
        if one.look(second).underperforming:
            return second
    return None


def well_from(node: NodeConfig, *, kib_s: float) -> int | None:
    """Seconds at a speed until a slow stream is well again."""
    one = watched(node)
    for second in range(700):
        one.arrived(second, KIB)
        one.look(second)
    assert one.look(700).underperforming
    for second in range(701, 2000):
        one.arrived(second, int(kib_s * KIB))
        if not one.look(second).underperforming:
            return second - 700
    return None


def ruled(**facts: Any) -> Callable[[NodeConfig], str]:
    """What the guardrails say to these facts."""
    known: dict[str, Any] = {
        "origin_attempted": True,
        "origin_seen": True,
        "origin_alive": True,
        "soulseek_bytes": 100 << 20,
        **facts,
    }
    return lambda node: may_rescue(RescueFacts(**known), node.soulseek.guardrails).code


DEAD: Final = {"origin_alive": False, "provable": True}
RESCUES: Final[Mapping[str, tuple[object, object, Callable[[NodeConfig], object], object, object]]] = {
    # key: a value, another, what is looked at, and what is seen with each of them
    "enabled": (True, False, lambda node: node.soulseek.rescue_enabled, True, False),
    "max_queue_time_seconds": (
        600, 1200, lambda node: watched(node).look(900).underperforming, True, False,
    ),
    "min_throughput_kbps": (5, 20, lambda node: slow_from(node, kib_s=10), None, 300),
    "min_duration_seconds": (30, 60, lambda node: slow_from(node, kib_s=1), 30, 60),
    "stall_timeout_seconds": (20, 300, lambda node: stalled(node, at_s=100), True, False),
    "recovery_seconds": (20, 200, lambda node: (well_from(node, kib_s=100) or 0) > 150, False, True),
    "recovery_throughput_kbps": (40, 80, lambda node: well_from(node, kib_s=60) is not None, True, False),
    "guardrails.require_soulseek_origin": (
        True, False, ruled(origin_attempted=False, origin_seen=False), "rescue_origin_not_attempted", "rescue_allowed",
    ),
    "guardrails.max_overlay_to_soulseek_ratio": (
        2.0, 4.0, ruled(overlay_bytes=300 << 20), "rescue_ratio_reached", "rescue_allowed",
    ),
    "guardrails.max_concurrent_rescue_jobs": (3, 4, ruled(rescues_running=3), "rescue_too_many", "rescue_allowed"),
    "guardrails.allow_overlay_only_if_verified_by_fingerprint": (
        True, False, ruled(**DEAD, soulseek_bytes=0), "rescue_origin_dead", "rescue_overlay_only_forbidden",
    ),
    "guardrails.strict": (
        False, True, ruled(**DEAD, overlay_bytes=300 << 20), "rescue_origin_dead", "rescue_ratio_reached",
    ),
}  # fmt: skip


def nested(key: str, value: object) -> dict[str, Any]:
    head, _, rest = key.partition(".")
    return {head: nested(rest, value) if rest else value}


@pytest.mark.parametrize("key", RESCUES)
def test_a_key_of_rescues_changes_what_the_node_does(key: str) -> None:
    one, other, seen, with_one, with_other = RESCUES[key]
    found = [seen(configured({"transfers": {"rescue_mode": nested(key, value)}})) for value in (one, other)]
    assert found == [with_one, with_other]
    assert with_one != with_other


def test_slow_and_well_at_once_is_refused() -> None:
    with pytest.raises(ValidationError, match="slow and well at once"):
        RescueMode(min_throughput_kbps=60)
    assert RescueMode(min_throughput_kbps=60, recovery_throughput_kbps=60).min_throughput_kbps == 60


# ---- fairness


class Desk:
    """The governor of a node that moved this much."""

    def __init__(self, node: NodeConfig, *, mode: Mode = Mode.HYBRID, hunts: Mapping[uuid.UUID, JobHunt]) -> None:
        self.now = 1000.0
        rows = MemoryTraffic()
        rows.hunts.update(hunts)
        self.limits = RateLimits(now=self.now)
        self.traffic = TrafficCounter(rows, boot_id=uuid.uuid4(), wall=lambda: NOON)
        self.fairness = NodeFairness(
            node.fairness,
            mode=lambda: mode,
            guardrails=node.soulseek.guardrails,
            provable=False,
            rows=rows,
            traffic=self.traffic,
            limits=self.limits,
            jobs=lambda: {JOB},
            wants=list,
            clock=lambda: self.now,
            wall=lambda: NOON,
        )

    def looked(self) -> Desk:
        asyncio.run(self.traffic.flush())
        self.now += 10
        asyncio.run(self.fairness.look())
        return self


def moved(**bytes_: int) -> Callable[[NodeConfig], Desk]:
    """Up and down, on both planes, in GiB; what is down is of one job."""

    def looked(node: NodeConfig) -> Desk:
        desk = Desk(node, hunts={JOB: JobHunt(attempted=True)})
        for name, count in bytes_.items():
            plane, _, way = name.partition("_")
            job = JOB if way == "down" else None
            desk.traffic.add(TrafficPlane(plane), Direction(way), "p", count * GIB, job)
        return desk.looked()

    return looked


def code(looked: Callable[[NodeConfig], Desk]) -> Callable[[NodeConfig], object]:
    return lambda node: looked(node).fairness.current.code


LEECH: Final = moved(overlay_down=8, overlay_up=2, soulseek_up=8)
FAIRNESS: Final[Mapping[str, tuple[object, object, Callable[[NodeConfig], object], object, object]]] = {
    "min_overlay_upload_download_ratio": (
        0.5, 0.2, code(LEECH), "fairness_min_overlay_upload_download_ratio", "fairness_fine",
    ),
    "max_overlay_to_soulseek_upload_ratio": (
        2.0, 8.0, code(moved(overlay_up=8, soulseek_up=2)), "fairness_max_overlay_to_soulseek_upload_ratio", "fairness_fine",
    ),
    "min_soulseek_contribution": (
        0, 1.0, code(moved(overlay_down=4, overlay_up=4, soulseek_up=2)), "fairness_fine", "fairness_min_soulseek_contribution",
    ),
    "overlay_bandwidth_cap": (
        0, 200, lambda node: moved(overlay_up=1)(node).limits.node_budget(Direction.DOWN).rate, None, 200 * KIB,
    ),
    "overlay_day_gib": (50, 4, code(moved(overlay_down=2, overlay_up=2, soulseek_up=2)), "fairness_fine", "fairness_overlay_day_gib"),
    "enforce_per_job": (
        False, True,
        lambda node: [one.code for one in moved(overlay_down=4, overlay_up=4, soulseek_up=4, soulseek_down=1)(node).fairness.job_states.values()],
        [], ["fairness_job"],
    ),
    "generous": (False, True, code(LEECH), "fairness_min_overlay_upload_download_ratio", "fairness_generous"),
    "grace_gib": (2, 20, code(LEECH), "fairness_min_overlay_upload_download_ratio", "fairness_fine"),
}  # fmt: skip


@pytest.mark.parametrize("key", FAIRNESS)
def test_a_key_of_fairness_changes_what_the_node_does(key: str) -> None:
    one, other, seen, with_one, with_other = FAIRNESS[key]
    assert [seen(configured({"fairness": {key: value}})) for value in (one, other)] == [with_one, with_other]
    assert with_one != with_other


def test_no_key_is_without_an_effect() -> None:
    rescues = {key for key in RescueMode.model_fields if key != "guardrails"}
    assert RESCUES.keys() == rescues | {f"guardrails.{key}" for key in GuardrailsSection.model_fields}
    assert FAIRNESS.keys() == set(Fairness.model_fields)
