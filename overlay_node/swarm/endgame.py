"""The end game: what a source without work of its own takes over from one that would bring it later. Pure; O(sources) for each question.

Theory. Nothing is free any more (or what is free would come too late from this source). The payload is whole when its last leaf arrives, so the
one worth improving is the owner whose queue ends last. Its last leaf is taken if the taker would have it clearly earlier, and by the common end:
a taker that would be late itself leaves it to a quicker one that has not finished yet. The leaf is moved, when the owner has not begun with it (no
byte is lost), raced for with a second whole copy otherwise (the loser's bytes are duplicates, counted). Of two that race already the later one
makes room. Every step makes the end earlier by the estimates, so it comes to rest by itself; the gain that is asked for keeps their errors out.
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
VICTIMS = 4
"""How many owners, from the last to finish on, are looked at for one order."""


def take_over(
    board: Board,
    taker: Source,
    now: float,
    *,
    mode: ModeParameters,
    latest: float,
    late: Iterable[Source],
    may_move: bool = True,
) -> Order | None:
    """What `taker` should take over from one of `late` (those who end after the common end, the last first).

    None when that wins nothing, or when it would not have it by `latest` itself. `may_move` False: nothing is taken from anybody, only raced for.
    """
    own = taker.pace.ready_at(now) + board.map.leaf_bytes / taker.pace.rate_bps
    if own > latest:
        return None
    left = own - now
    least = own + max(min(mode.move_gain, mode.race_gain) * left, mode.gain_floor_s)
    looked = 0
    for owner in late:
        if owner is taker or not owner.flight:
            continue
        ready = owner.pace.ready_at(now)
        if ready <= least:
            continue
        looked += 1
        if looked > VICTIMS:
            return None
        after = 0
        for request in reversed(owner.flight.values()):
            ends_at = ready - after / owner.pace.rate_bps
            after += request.length
            if ends_at <= least:
                break
            order = _order(board, taker, owner, request, now, own=own, mode=mode, ends_at=ends_at, may_move=may_move)
            if order is not None:
                return order
    return None


def arrival_of(source: Source, leaf: int, now: float) -> float:
    """When `source` is expected to have brought the whole of `leaf`, which it was asked for."""
    ready, after = source.pace.ready_at(now), 0
    for request in reversed(source.flight.values()):
        if request.covers(leaf):
            break
        after += request.length
    return ready - after / source.pace.rate_bps


def _order(
    board: Board,
    taker: Source,
    owner: Source,
    request: Request,
    now: float,
    *,
    own: float,
    mode: ModeParameters,
    ends_at: float,
    may_move: bool,
) -> Order | None:
    for leaf in range(request.leaf + request.leaves - 1, request.leaf - 1, -1):
        carriers = board.carriers(leaf)
        if not carriers or taker in carriers or not taker.has(leaf) or (taker.tainted and board.rarity(leaf)):
            continue
        if len(carriers) == 1:
            unbegun = may_move and _unbegun(owner, request, ends_at, leaf, now)
            claim, gain = (Claim.MOVE, mode.move_gain) if unbegun else (Claim.RACE, mode.race_gain)
            loser, comes_at = None, ends_at
        elif not may_move:
            continue
        else:  # two race already: the later one makes room, if both are late
            arrivals = [(arrival_of(one, leaf, now), one.peer, one) for one in carriers]
            claim, gain = Claim.MOVE, mode.race_gain
            comes_at, loser = min(arrivals)[0], max(arrivals)[2]
        if comes_at - own <= max(gain * (own - now), mode.gain_floor_s):
            continue
        reason = Reason.TAKEN_OVER if claim is Claim.RACE else Reason.SHIFTED_AWAY
        parts = 0 if claim is Claim.MOVE and loser is None else TAIL_PART_BYTES
        return Order(leaf, part_bytes=parts, reason=reason, claim=claim, loser=loser)
    return None


def _unbegun(owner: Source, request: Request, ends_at: float, leaf: int, now: float) -> bool:
    """True when a cancel will reach the owner before it begins with the request (and it has sent no other part of the leaf)."""
    pace = owner.pace
    if pace.head is request or leaf in owner.parts:
        return False
    if any(one is not request and one.covers(leaf) for one in owner.flight.values()):
        return False  # other parts of the leaf are ahead of it
    return ends_at - request.length / pace.rate_bps > now + pace.delay_s / 2
