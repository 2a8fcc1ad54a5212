"""The end game: what a source without work of its own takes over from one that would bring it later. Pure; O(sources) for each question.

Theory. Nothing is free any more (or what is free would come too late from this source). The payload is whole when its last leaf arrives, so the
one worth improving is the owner whose queue ends last. Its last leaf is taken if the taker would have it clearly earlier: moved, when the owner has
not begun with it (no byte is lost), raced for with a second whole copy otherwise (the loser's bytes are duplicates, counted, at most one leaf per
owner). Every step makes the end earlier by the estimates, so it comes to rest by itself; the gain that is asked for keeps their errors out.
"""

from __future__ import annotations

from collections.abc import Iterable

from apps.domain.swarm.modes import ModeParameters
from overlay_node.protocol.limits import KIB
from overlay_node.swarm.board import Board
from overlay_node.swarm.flight import Request
from overlay_node.swarm.policy import Claim, Order, Reason
from overlay_node.swarm.source import Source

TAIL_PART_BYTES = 64 * KIB
"""Pieces of a leaf in the end game: a cancel saves what was not begun, and an owner is seen to be late within a piece."""
VICTIMS = 3
"""How many owners, from the last to finish on, are looked at for one order."""


def take_over(
    board: Board, taker: Source, now: float, *, mode: ModeParameters, candidates: Iterable[Source]
) -> Order | None:
    """What `taker` should take over from one of `candidates`; None when that wins nothing."""
    leaf_bytes = board.map.leaf_bytes
    own = taker.pace.ready_at(now) + leaf_bytes / taker.pace.rate_bps
    ends = sorted(
        ((one.pace.ready_at(now), one.peer, one) for one in candidates if one is not taker and one.flight),
        key=lambda entry: (-entry[0], entry[1]),
    )
    left = own - now
    least = min(mode.move_gain, mode.race_gain) * left
    for ready, _, owner in ends[:VICTIMS]:
        if ready - own <= max(least, mode.gain_floor_s):
            return None
        after = 0
        for request in reversed(owner.flight.values()):
            ends_at = ready - after / owner.pace.rate_bps
            after += request.length
            if ends_at - own <= mode.gain_floor_s:
                break
            leaf = _takeable(board, taker, request)
            if leaf is None:
                continue
            claim = Claim.MOVE if _unbegun(owner, request, ends_at, leaf, now) else Claim.RACE
            gain = mode.move_gain if claim is Claim.MOVE else mode.race_gain
            if ends_at - own <= max(gain * left, mode.gain_floor_s):
                continue
            reason = Reason.SHIFTED_AWAY if claim is Claim.MOVE else Reason.TAKEN_OVER
            return Order(leaf, part_bytes=TAIL_PART_BYTES if claim is Claim.RACE else 0, reason=reason, claim=claim)
    return None


def _takeable(board: Board, taker: Source, request: Request) -> int | None:
    for leaf in range(request.leaf + request.leaves - 1, request.leaf - 1, -1):
        if board.carrier_count(leaf) == 1 and taker.has(leaf) and not (taker.tainted and board.rarity(leaf)):
            return leaf
    return None


def _unbegun(owner: Source, request: Request, ends_at: float, leaf: int, now: float) -> bool:
    """True when a cancel will reach the owner before it begins with the request (and it has sent no other part of the leaf)."""
    pace = owner.pace
    if pace.head is request or leaf in owner.parts:
        return False
    if any(one is not request and one.covers(leaf) for one in owner.flight.values()):
        return False  # other parts of the leaf are ahead of it
    return ends_at - request.length / pace.rate_bps > now + pace.delay_s / 2
