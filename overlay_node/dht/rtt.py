"""How long to wait for an answer, learned from the answers so far (RFC 6298's smoothed mean and deviation)."""

from __future__ import annotations

from dataclasses import dataclass

INITIAL_RTT_S = 0.5
"""Assumed before the first answer; gives a first soft timeout of 1.5 s, between RFC 6298's 1 s and libtorrent's 3 s."""
MIN_SOFT_S = 0.25
"""Loopback answers in under a millisecond, but a busy machine may stall for a scheduler slice or a collector pause."""
MAX_SOFT_S = 2.5
MIN_HARD_S = 2.0
"""Wrongly failing a live node costs more than waiting: it may be one of the k that hold the value."""
MAX_HARD_S = 7.5


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds after sending: at `soft_s` the question is repeated and somebody else is asked too, at `hard_s` it has failed."""

    soft_s: float
    hard_s: float


class RttEstimator:
    """One per address family; a node's own last round trip can lengthen its share, never shorten it."""

    def __init__(self) -> None:
        self.mean_s = INITIAL_RTT_S
        self._deviation_s = INITIAL_RTT_S / 2
        self._samples = 0

    def sample(self, rtt_s: float) -> None:
        """An answer came `rtt_s` after the *first* sending (after a repeat too: erring long is the safe side)."""
        if self._samples == 0:
            self.mean_s, self._deviation_s = rtt_s, rtt_s / 2
        else:
            self._deviation_s += (abs(rtt_s - self.mean_s) - self._deviation_s) / 4
            self.mean_s += (rtt_s - self.mean_s) / 8
        self._samples += 1

    def patience(self, node_rtt_s: float | None = None) -> Patience:
        """What to grant a question, given the node's own last round trip when known."""
        expected = max(self.mean_s + 4 * self._deviation_s, 2 * (node_rtt_s or 0.0))
        soft = min(max(expected, MIN_SOFT_S), MAX_SOFT_S)
        return Patience(soft, min(max(3 * soft, MIN_HARD_S), MAX_HARD_S))
