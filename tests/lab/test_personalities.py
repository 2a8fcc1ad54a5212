"""Each personality does what it says, and a download gets past it. Faults at any step leave nothing undone."""

from __future__ import annotations

import dataclasses

import pytest

from tests.lab.personality import BOASTER, BURSTY, HALF_LIAR, LIAR, PLAIN, QUEUE_FOREVER, Personality
from tests.lab.plan import Plan, plan_of
from tests.lab.policies import POLICIES
from tests.lab.scenario import Fault, Group, Kind, Scenario, exactly, mb
from tests.lab.world import Outcome, World

PRODUCT = POLICIES["product"]


def plan_with(personality: Personality, *, count: int = 1, seed: int = 1, size: float = 8, **group: object) -> Plan:
    """Two plain peers and some of this kind."""
    one = Group(count=count, mb_s=exactly(1.0), rtt_ms=exactly(40), personality=personality, **group)  # type: ignore[arg-type]
    plain = Group(count=2, mb_s=exactly(0.5), rtt_ms=exactly(40))
    return plan_of(Scenario(name="test", kind=Kind.FAULT, about="", files=mb(size), groups=(plain, one)), seed)


class Watched:
    """A run, its log, and what the downloader knows of a peer in the end."""

    def __init__(self, plan: Plan) -> None:
        self.lines: list[str] = []
        self.world = World(plan, PRODUCT, log=self.lines.append)
        self.outcome: Outcome = self.world.run()
        assert self.outcome.completed
        (self.run,) = self.world.downloaders[0].done.values()

    def source(self, peer: str):
        return next(one for one in self.run.session.all_sources() if one.peer == peer)

    def chunks_of(self, peer: str) -> list[float]:
        """When chunks of a peer arrived."""
        return [
            float(line.split()[0]) for line in self.lines if "chunk_response" in line and line.endswith(f"from {peer}")
        ]

    def links_of(self, peer: str) -> int:
        return sum(line.endswith(f"d00 linked {peer}") for line in self.lines)


def test_a_liar_is_caught_and_nothing_of_it_stays() -> None:
    for liar in (LIAR, HALF_LIAR):
        watched = Watched(plan_with(liar))
        source = watched.source(f"p02-{liar.name}")
        assert source.bad_leaves > 0
        assert f"p02-{liar.name}" not in watched.run.stored.values()
        assert watched.world.monitors.charges > 0


def test_a_freezer_stays_linked_and_brings_nothing_more() -> None:
    plan = plan_with(Personality("freezer", freezes_s=(2.0, 2.0)))
    watched = Watched(plan)
    times = watched.chunks_of("p02-freezer")
    assert times
    assert max(times) < 2.1
    assert not any("unlinked p02" in line for line in watched.lines)
    assert watched.outcome.finish_s < 12


def test_a_leaver_goes_and_a_joiner_comes() -> None:
    leaving = Watched(plan_with(Personality("leaver", leaves_s=(1.5, 1.5))))
    assert max(leaving.chunks_of("p02-leaver")) < 1.5
    assert any("unlinked p02-leaver" in line for line in leaving.lines)
    joining = Watched(plan_with(Personality("joiner", joins_s=(2.0, 2.0))))
    assert min(joining.chunks_of("p02-joiner")) > 2.0 + 5 * 0.04


def test_a_flapper_is_linked_again_and_again() -> None:
    watched = Watched(plan_with(Personality("flapper", flaps_s=(0.8, 0.3))))
    assert watched.links_of("p02-flapper") >= 3
    assert watched.chunks_of("p02-flapper")


def test_a_throttler_drops_to_a_tenth_and_a_bursty_peer_switches() -> None:
    life = plan_with(Personality("throttler", throttles_s=(2.0, 2.0))).peers[2].life
    assert (life.up.at(1.9), life.up.at(2.1)) == (1e6, 1e5)
    bursty = plan_with(BURSTY).peers[2].life.up
    assert set(bursty.values) == {1e6, 1e5}
    assert 0.3 < bursty.carried(0, 200) / 200e6 < 0.8


def test_queue_forever_is_asked_and_never_gives() -> None:
    watched = Watched(plan_with(QUEUE_FOREVER))
    assert any("rate_limited" in line for line in watched.lines)
    assert watched.outcome.shares.get("p02-queue-forever", 0) == 0


def test_a_partial_holder_is_asked_only_for_what_it_holds() -> None:
    plan = plan_with(PLAIN, holds=0.4)
    watched = Watched(plan)
    held = plan.peers[2].holds[0]
    assert held is not None
    assert 0 < len(held) < plan.payloads[0].leaf_count
    asked = [line for line in watched.lines if "p02-plain got chunk_request" in line]
    leaf_bytes = plan.payloads[0].leaves.leaf_bytes
    assert asked
    assert {int(line.split("chunk_request ")[1].split("+")[0]) // leaf_bytes for line in asked} <= held


def test_a_boaster_is_charged_for_what_it_has_not() -> None:
    watched = Watched(plan_with(BOASTER, holds=0.2))
    assert any("invalid_range" in line for line in watched.lines)
    assert watched.world.monitors.charges == 1


def test_a_partition_cuts_both_ways_and_nobody_is_told() -> None:
    plan = plan_with(Personality("cut-off", cut_off_s=(1.0, 1.0, 2.0)))
    watched = Watched(plan)
    assert not [time for time in watched.chunks_of("p02-cut-off") if 1.1 < time < 3.0]
    assert [time for time in watched.chunks_of("p02-cut-off") if time > 3.0]
    heard = [line for line in watched.lines if "p02-cut-off got" in line]
    assert not [line for line in heard if 1.1 < float(line.split()[0]) < 3.0]
    assert watched.links_of("p02-cut-off") == 1


@pytest.mark.parametrize("fault", list(Fault))
def test_a_fault_at_any_step_leaves_nothing_undone(fault: Fault) -> None:
    plan = plan_with(PLAIN, size=3)
    steps = Watched(plan).world.queue.steps
    for step in range(1, steps, max(1, steps // 25)):
        Watched(dataclasses.replace(plan, faults=((step, fault),)))


def test_a_restart_keeps_the_leaves_that_lie_on_the_disk() -> None:
    plan = plan_with(PLAIN)
    watched = Watched(dataclasses.replace(plan, faults=((400, Fault.RESTART),)))
    at = next(index for index, line in enumerate(watched.lines) if "fault restart" in line)
    before = sum("d00 got chunk_response" in line for line in watched.lines[:at])
    assert before > 5
    assert watched.outcome.received_bytes < watched.outcome.payload_bytes + 4e6
