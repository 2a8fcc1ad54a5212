"""How transfers share what a link accepts. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from overlay_node.protocol.limits import CHUNKS_IN_FLIGHT_ACCEPTED


def requests_each(peers_of: Iterable[Iterable[str]]) -> Mapping[str, int]:
    """Given the peers of each transfer: how many requests one transfer may have in flight with a peer, by peer.

    A seeder accepts CHUNKS_IN_FLIGHT_ACCEPTED a link. How many of its share a transfer uses is its policy's choice: most need two or three.
    """
    users = Counter(peer for peers in peers_of for peer in peers)
    return {peer: max(1, CHUNKS_IN_FLIGHT_ACCEPTED // count) for peer, count in users.items()}
