"""Upload slots: who is served now, and in which order the others come. Pure: the time is passed in.

Theory. A line that is cut into many thin streams serves nobody well: every peer's requests would take longer than the peer waits for them. So at
most `most` peers are served at once, each for a turn: TURN_S, longer when our limits kept it from getting TURN_BYTES meanwhile, and not longer when
it asked for less, or does not take what it is sent. A turn that is over costs nothing while nobody else wants the slot. Whoever comes when all slots are taken is told when to come back and gets a place in a line; its place
is kept until a little after that time, and nobody who came later is let in before it. So a peer that does as it is told waits at most
(peers ahead of it / slots + 1) turns, and asking more often, or with more transfers, moves nobody forward.

A slot is freed when its peer has left, when it has asked nothing for IDLE_S, or when its turn is over and somebody else's time has come. On a very
slow line a peer that holds a slot is told to come back when there are bytes for it; the slot is kept for it until then (`keep`), or whoever happens
to ask at the right moment would take what others were promised.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Final

from overlay_node.protocol.limits import DEFAULT_LEAF_BYTES, MIB

TURN_S: Final = 10.0  # long enough to be worth the connection's slow start, short enough that a line of three turns stays below 30 s
TURN_BYTES: Final = 1 * MIB  # four leaves: on a slow line a turn is measured in what it gave, not in seconds
TURN_MAX_S: Final = 60.0  # then it is over in any case
LULL_S: Final = 0.5  # a peer that is silent for less is between two requests, and counts on its slot
IDLE_S: Final = 2.0  # a round trip and a scheduler's tick, with room: a peer between two requests keeps its slot
GRACE_S: Final = 5.0  # how long a place is kept for a peer that comes late
MAX_LINE: Final = 256  # places kept; whoever comes when the line is full is told to come back, without a place
MAX_RETRY_S: Final = 600  # nobody is told to stay away for longer: by then everything has changed


@dataclass(slots=True)
class Turn:
    """A peer's hold on a slot. Mutable: it is counted at every chunk."""

    since: float
    served_bytes: int = 0
    idle_since: float | None = None
    """nothing of it is queued or being sent since then; None = it is busy"""
    stalled: bool = False
    """its socket takes nothing more at the moment"""
    kept_until: float = 0.0
    """it was told to come back before that"""

    def waits_for_promise(self, now: float) -> bool:
        """It was promised something and got nothing worth a turn yet."""
        return now < self.kept_until and self.served_bytes < DEFAULT_LEAF_BYTES

    def is_over(self, now: float) -> bool:
        """May another peer have the slot?"""
        held = now - self.since
        if held < TURN_S or self.waits_for_promise(now):
            return False
        enough = self.served_bytes >= TURN_BYTES or self.idle_since is not None
        return enough or self.stalled or held >= TURN_MAX_S

    def is_vacant(self, now: float) -> bool:
        """Nothing came for so long that the slot is free."""
        return self.idle_since is not None and now - self.idle_since >= IDLE_S and now >= self.kept_until

    def left_s(self, now: float) -> float:
        """Seconds until the turn is over, as far as can be told."""
        held = now - self.since
        left = max(0.0, TURN_S - held)
        if self.waits_for_promise(now):
            return max(left, self.kept_until - GRACE_S - now)
        hungry = self.idle_since is None and not self.stalled and self.served_bytes < TURN_BYTES
        if hungry and held >= 1.0:  # before, nothing can be told of its speed
            speed = self.served_bytes / held
            missing = (TURN_BYTES - self.served_bytes) / speed if speed > 0 else TURN_MAX_S
            left = max(left, min(TURN_MAX_S - held, missing))
        if self.idle_since is not None and now - self.idle_since >= LULL_S and now >= self.kept_until:
            left = min(left, max(0.0, self.idle_since + IDLE_S - now))
        return left


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to a peer that asks for something."""

    retry_after_s: int = 0
    """0 = it holds a slot now; otherwise seconds after which it does, when it comes"""
    evicted: str | None = None
    """whose turn this ended"""


_ADMITTED: Final = Admission()


class UploadSlots:
    """`most` peers at once, changeable."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._turns: Final[dict[str, Turn]] = {}
        """by peer, oldest first"""
        self._line: Final[dict[str, float]] = {}
        """peer -> until when its place is kept, in the order of coming"""

    def __len__(self) -> int:
        """Slots taken."""
        return len(self._turns)

    def __iter__(self) -> Iterator[str]:
        return iter(self._turns)

    @property
    def waiting(self) -> int:
        """Peers in the line."""
        return len(self._line)

    def turn_of(self, peer: str) -> Turn | None:
        """The peer's hold on a slot."""
        return self._turns.get(peer)

    def admit(self, peer: str, now: float) -> Admission:
        """The peer wants something: is it its turn? It is marked busy when it is."""
        turn = self._turns.get(peer)
        if turn is not None:
            turn.idle_since = None
            return _ADMITTED
        for name in [name for name, held in self._turns.items() if held.is_vacant(now)]:
            del self._turns[name]
        for name in [name for name, until in self._line.items() if until < now]:
            del self._line[name]
        ahead = self._ahead(peer)
        free = self.most - len(self._turns)
        if free > ahead:
            self._enter(peer, now)
            return _ADMITTED
        over = [name for name, held in self._turns.items() if held.is_over(now)]
        if free + len(over) > ahead and over:
            del self._turns[over[0]]
            self._enter(peer, now)
            return Admission(evicted=over[0])
        return Admission(self._promise(peer, now, ahead))

    def queue_up(self, peer: str, now: float) -> int:
        """The peer lost its slot, or never had one: to the end of the line. Returns when it should come."""
        self._turns.pop(peer, None)
        return self._promise(peer, now, self._ahead(peer))

    def idle(self, peer: str, now: float) -> None:
        """Everything it asked for is done."""
        turn = self._turns.get(peer)
        if turn is not None and turn.idle_since is None:
            turn.idle_since = now

    def keep(self, peer: str, until: float) -> None:
        """The peer was told to come back; its slot waits for it, a little longer than that."""
        turn = self._turns.get(peer)
        if turn is not None:
            turn.kept_until = until + GRACE_S

    def leave(self, peer: str) -> None:
        """The peer is gone."""
        self._turns.pop(peer, None)
        self._line.pop(peer, None)

    def surplus(self, now: float) -> list[str]:
        """Peers that have to go because there are fewer slots than there were, and whose turn is over."""
        count = len(self._turns) - self.most
        return [name for name, held in self._turns.items() if held.is_over(now) or held.is_vacant(now)][: max(count, 0)]

    # ---- private

    def _ahead(self, peer: str) -> int:
        """Places before the peer's own; all, if it has none."""
        ahead = 0
        for name in self._line:
            if name == peer:
                break
            ahead += 1
        return ahead

    def _enter(self, peer: str, now: float) -> None:
        self._line.pop(peer, None)
        self._turns[peer] = Turn(now)

    def _promise(self, peer: str, now: float, ahead: int) -> int:
        lefts = sorted(turn.left_s(now) for turn in self._turns.values())
        slots = max(1, min(self.most, len(lefts)))
        lefts = lefts[max(0, len(lefts) - self.most) :]  # of surplus holders the first to go free no slot
        wait = (lefts[ahead % slots] if lefts else 0.0) + (ahead // slots) * TURN_S
        retry_after_s = max(1, min(MAX_RETRY_S, ceil(wait)))
        if peer in self._line or len(self._line) < MAX_LINE:
            self._line[peer] = now + retry_after_s + GRACE_S
        return retry_after_s
