"""What must hold of a swarm session at every moment, written once: as properties (`broken`), which tests and the lab check after every event, and as
counters that a running session feeds where a check costs nothing (`Violations`). A violation is counted and logged by the runner; it never raises.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from overlay_node.protocol.limits import CHUNKS_IN_FLIGHT_ACCEPTED, MAX_CHUNK_BYTES
from overlay_node.protocol.states import DownloaderState

if TYPE_CHECKING:
    from overlay_node.swarm.session import SwarmSession

UNVERIFIED: Final = "unverified_byte_accepted"
QUARANTINE: Final = "asked_quarantined_peer"
TOO_MANY: Final = "in_flight_limit_exceeded"
BUDGET: Final = "budget_exceeded"
TWO_CULPRITS: Final = "leaf_with_many_carriers"
LOST_LEAF: Final = "leaf_with_owner_not_on_its_way"
SILENT: Final = "waits_without_a_reason"
ACCOUNTS: Final = "accounts_disagree"
CORRUPT_KEPT: Final = "kept_leaf_of_corrupt_peer"

Violations = Counter[str]


def broken(session: SwarmSession, now: float) -> Iterator[str]:
    """The names of all invariants that do not hold. O(leaves + peers): not for the hot path."""
    board = session.board
    if board is None:
        return
    if session.unverified_leaves:
        yield UNVERIFIED
    flying: dict[int, list[str]] = {}
    for source in session.sources.values():
        # A source's share may fall below what is on its way already; asking beyond it is what `Asking` counts. A leaf longer than the longest chunk
        # needs several requests, whatever the share.
        if len(source.flight) > CHUNKS_IN_FLIGHT_ACCEPTED + (board.map.leaf_bytes - 1) // MAX_CHUNK_BYTES:
            yield TOO_MANY
        if source.flight_bytes != sum(one.length for one in source.flight.values()):
            yield ACCOUNTS
        if any(one.length > MAX_CHUNK_BYTES for one in source.flight.values()):
            yield TOO_MANY
        for leaf in {leaf for one in source.flight.values() for leaf in range(one.leaf, one.leaf + one.leaves)}:
            flying.setdefault(leaf, []).append(source.peer)
    carried = {leaf: [one.peer for one in carriers] for leaf, carriers in board.in_flight()}
    for leaf, peers in carried.items():
        if len(peers) > 2 or len(set(peers)) != len(peers):
            yield TWO_CULPRITS
        if sorted(flying.get(leaf, [])) != sorted(peers):
            yield LOST_LEAF
        if board.map.owner(leaf) != peers[0] or board.map.holds(leaf):
            yield ACCOUNTS
    for leaf in board.map.missing():
        if board.map.owner(leaf) is not None and leaf not in carried:
            yield LOST_LEAF
    clean = [one for one in session.sources.values() if not one.tainted]
    if board.completes != sum(one.complete for one in clean):
        yield ACCOUNTS
    if any(
        board.holders[leaf] != sum(one.has(leaf) and not one.complete for one in clean)
        for leaf in range(board.map.leaf_count)
    ):
        yield ACCOUNTS
    if not session.completed:
        corrupt = {one.peer for one in session.all_sources() if one.quarantined}
        if any(session.sender(leaf) in corrupt and board.rarity(leaf) for leaf in range(board.map.leaf_count)):
            yield CORRUPT_KEPT
        moving = any(
            one.flight or one.state is DownloaderState.NEGOTIATING or one.retry_at > now or one.bad_retry_at
            for one in session.sources.values()
        )
        budgets_spent = any(bucket.level(now) <= 0 for bucket in session.budgets)
        if not moving and not budgets_spent and session.storage and not session.waiting:
            yield SILENT
