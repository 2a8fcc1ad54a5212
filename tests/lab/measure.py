"""One run measured: the plan's bound, and the outcome in its terms."""

from __future__ import annotations

from dataclasses import dataclass

from overlay_node.protocol.limits import MAX_CHUNK_BYTES
from overlay_node.swarm.rate_limits import BURST_BYTES
from tests.lab.bound import Supply, crowd_bound, optimum, supply_of
from tests.lab.plan import Plan
from tests.lab.policies import POLICIES
from tests.lab.profile import FOREVER, Profile
from tests.lab.world import Log, Outcome, World


@dataclass(frozen=True, slots=True)
class Measured:
    """What a report needs of one run; cheap to send between processes."""

    scenario: str
    seed: int
    policy: str
    completed: bool
    ratio: float
    finish_s: float
    bound_s: float
    payload_bytes: int
    """of all downloaders together"""
    vain_bytes: int
    """everything that was received in vain"""
    parted_bytes: int
    """of these, leaves that verified and were fetched again because their sender proved corrupt: the rule's price, not the policy's"""
    fairness: float
    wall_s: float
    violation: str = ""

    @property
    def waste_bytes(self) -> int:
        """Duplicate and bad bytes, but for those parted from."""
        return max(0, self.vain_bytes - self.parted_bytes)

    @property
    def waste(self) -> float:
        """Duplicate and bad bytes / payload."""
        return self.waste_bytes / self.payload_bytes

    @property
    def parted(self) -> float:
        """Bytes parted from / payload; with `waste` it makes up all that was received in vain."""
        return self.parted_bytes / self.payload_bytes


def supplies_of(plan: Plan, downloader: int = 0) -> list[Supply]:
    """Every stay of every peer that can help."""
    manifest = sum(len(one.packed) for one in plan.payloads)
    supplies = []
    for peer in plan.peers:
        if not peer.personality.helps:
            continue
        for start, end in peer.life.present:
            opened = peer.opened_at(downloader, start)
            if opened is not None and opened + 2 * peer.rtt_s < end:
                supplies.append(
                    supply_of(
                        peer.life.up.least(peer.lines[downloader].bandwidth),
                        opened=opened,
                        end=end,
                        rtt_s=peer.rtt_s,
                        manifest_bytes=manifest,
                        holds=peer.holds[0] if len(plan.payloads) == 1 else None,
                    )
                )
    return supplies


def bound_of(plan: Plan) -> float:
    """No policy can be done before."""
    if plan.scenario.downloaders > 1:
        return crowd_bound(
            supplies_of(plan),
            ups=[Profile.constant(plan.scenario.up_mb_s * 1e6)] * plan.scenario.downloaders,
            down=plan.down,
            payload_bytes=plan.scenario.payload_bytes,
        )
    return max(_limit_bound(plan), _optimum(plan))


def _limit_bound(plan: Plan) -> float:
    """What a limit lets pass: a bucket of one chunk at once, one request as a debt, the rest at its rate."""
    rest = plan.scenario.payload_bytes - BURST_BYTES - MAX_CHUNK_BYTES
    return rest / (plan.scenario.limit_mb_s * 1e6) if plan.scenario.limit_mb_s is not None else 0.0


def _optimum(plan: Plan) -> float:
    return optimum(
        supplies_of(plan),
        down=plan.down,
        payload_bytes=plan.scenario.payload_bytes,
        leaf_bytes=plan.payloads[0].leaves.leaf_bytes,
        whole_leaves=len(plan.payloads) == 1,
    )


def jain(values: list[float]) -> float:
    """Jain's index of fairness: 1 = all alike, 1/n = one has everything."""
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 1.0


def fairness_of(plan: Plan, outcome: Outcome) -> float:
    """Over downloaders' speeds when there are several; else over peers: what each gave per byte it could have given."""
    if plan.scenario.downloaders > 1:
        return jain([1 / finish if finish < FOREVER else 0.0 for finish in outcome.finishes])
    shares = []
    for peer in plan.peers:
        rate = peer.life.up.least(peer.lines[0].bandwidth)
        able = sum(rate.carried(start, min(end, outcome.finish_s)) for start, end in peer.life.present)
        if able > 0 and peer.personality.helps and peer.meetings[0] is not None:
            shares.append(outcome.shares.get(peer.name, 0) / able)
    return jain(shares)


def measure(plan: Plan, policy: str, *, log: Log | None = None) -> Measured:
    """Run and measure. A violated invariant is told, not raised: the report names the seed."""
    world = World(plan, POLICIES[policy], log=log)
    bound_s = bound_of(plan)
    violation = ""
    try:
        outcome = world.run()
    except AssertionError as error:
        violation = f"{type(error).__name__}: {error}"
        outcome = Outcome(False, [FOREVER], plan.scenario.payload_bytes, 0, 0, world.queue.steps, 0.0)
    return Measured(
        scenario=plan.scenario.name,
        seed=plan.seed,
        policy=policy,
        completed=outcome.completed,
        ratio=outcome.finish_s / bound_s,
        finish_s=outcome.finish_s,
        bound_s=bound_s,
        payload_bytes=outcome.payload_bytes,
        vain_bytes=outcome.waste_bytes,
        parted_bytes=outcome.parted_bytes,
        fairness=fairness_of(plan, outcome) if outcome.completed else 0.0,
        wall_s=outcome.wall_s,
        violation=violation,
    )
