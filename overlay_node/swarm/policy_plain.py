"""What is done when the scheduler is switched off: no estimates, no costs.

Every peer that has room gets the next leaf in the board's order (what came back, then the rarest, then the lowest number), one whole leaf a
request, as many as its share allows. When nothing is free any more, a peer without work races for the leaf that was asked for longest ago; never
more than two peers for one leaf.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from overlay_node.swarm.policy import Claim, Order, Policy, Reason

if TYPE_CHECKING:
    from overlay_node.swarm.board import Board
    from overlay_node.swarm.source import Source


class PlainPolicy(Policy):
    """First come, first served."""

    name = "plain"

    def begin(self, board: Board, now: float) -> None:
        self._board = board

    def choose(self, source: Source, now: float) -> Order | None:
        leaf = self._board.next_free(source, now)
        if leaf is not None:
            return Order(leaf)
        if source.flight:
            return None
        oldest: tuple[float, int] | None = None
        for leaf, carriers in self._board.in_flight():
            if len(carriers) == 1 and carriers[0] is not source and self._board.may_ask(source, leaf, now):
                asked_at = next((one.asked_at for one in carriers[0].flight.values() if one.covers(leaf)), now)
                if oldest is None or (asked_at, leaf) < oldest:
                    oldest = asked_at, leaf
        return None if oldest is None else Order(oldest[1], reason=Reason.TAKEN_OVER, claim=Claim.RACE)
