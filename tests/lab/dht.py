"""A whole DHT in virtual time: many nodes, many of which die at once, and who still finds what was announced.

The network itself (delays, loss, one seed) is `tests.overlay_node.dht.lab`, which the tests of the DHT's core use too.
"""

from __future__ import annotations

from dataclasses import dataclass

from overlay_node.dht.events import AnnounceFinished, GetPeersFinished
from tests.overlay_node.dht.lab import grown

LOSS = 0.02
ANNOUNCERS = 3
"""of each key: neighbours who hold the same release"""
KEYS = 100
LOOKUPS = 500


@dataclass(frozen=True, slots=True)
class DhtOutcome:
    """What came of it."""

    nodes: int
    killed: int
    lookups: int
    found: int
    """lookups that brought somebody who announced and is alive"""
    slowest_s: float
    """virtual seconds of the slowest lookup"""

    @property
    def answered(self) -> float:
        """Share of lookups, 0..1."""
        return self.found / self.lookups


def run_dht(seed: int, *, nodes: int, killed: int, keys: int = KEYS, lookups: int = LOOKUPS) -> DhtOutcome:
    """Grow it, announce, kill so many at once, look up at once. Announcers are among the dead as often as anybody."""
    network, members = grown(seed, nodes, loss=LOSS)
    announced: list[tuple[bytes, dict[tuple[bytes, int], int]]] = []
    for _ in range(keys):
        key = network.random.randbytes(20)
        who: dict[tuple[bytes, int], int] = {}
        for number in network.random.sample(range(nodes), ANNOUNCERS):
            announcer, port = members[number], 20_000 + number
            call = announcer.node.start_announce(key, port, network.now)
            assert isinstance(network.finish(announcer, call), AnnounceFinished)
            who[announcer.endpoint.packed, port] = number
        announced.append((key, who))
    for member in network.random.sample(members, killed):
        member.alive = False
    living = [member for member in members if member.alive]
    # what nobody alive announced can't be found by anybody
    open_keys = [one for one in announced if any(members[number].alive for number in one[1].values())]
    found, slowest_s = 0, 0.0
    for _ in range(lookups):
        key, who = network.random.choice(open_keys)
        member, asked_at = network.random.choice(living), network.now
        event = network.finish(member, member.node.start_get_peers(key, network.now))
        assert isinstance(event, GetPeersFinished)
        told = [who.get((peer.packed, peer.port)) for peer in event.peers]
        found += any(number is not None and members[number].alive for number in told)
        slowest_s = max(slowest_s, network.now - asked_at)
    return DhtOutcome(nodes, killed, lookups, found, slowest_s)
