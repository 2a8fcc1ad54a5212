"""What is not a swarm with a bound: the DHT after a massacre, and the siege of one node. Their bars, in the terms of the report."""

from __future__ import annotations

from tests.lab.bars import Bar, at_least, at_most
from tests.lab.dht import DhtOutcome, run_dht
from tests.lab.hostile import LIMITS, HostileOutcome, run_hostile

DHT, HOSTILE = "dht", "hostile"
EXTRAS: dict[str, str] = {
    DHT: "1000 DHT nodes of which 30 % die at once: who still finds what was announced",
    HOSTILE: "10,000 hostile connections against one serving node",
}
DHT_NODES, DHT_KILLED = 1000, 300


def run_extra(name: str, seed: int) -> DhtOutcome | HostileOutcome:
    """One run. Takes about half a minute of a processor."""
    return run_dht(seed, nodes=DHT_NODES, killed=DHT_KILLED) if name == DHT else run_hostile(seed)


def bars_of_extra(outcome: DhtOutcome | HostileOutcome) -> list[Bar]:
    """What must hold."""
    if isinstance(outcome, DhtOutcome):
        where = f"{outcome.killed} of {outcome.nodes} nodes killed"
        return [at_least("share of DHT lookups that are answered", 0.99, {where: outcome.answered})]
    late = {name: outcome.served_at_s.get(name, float("inf")) for name in ("friend-before", "friend-dialled")}
    sizes = {name: outcome.most[name] / limit for name, limit in LIMITS.items()}
    return [
        at_most("virtual seconds until an honest peer was served in the siege", 300.0, late),
        at_most("size of the besieged node's state / its limit", 1.0, sizes),
        at_most("charges against honest peers in the siege", 0.0, {"all": float(outcome.honest_charged)}),
    ]
