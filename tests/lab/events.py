"""Virtual time: a queue of events, carried out in order of time and, at one time, in the order in which they were asked for."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush


class Timer:
    """An event to come."""

    __slots__ = ("at", "call")

    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at = at
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """It will not happen. Harmless when it has happened."""
        self.call = None


class EventQueue:
    """`now` is virtual seconds since the start of the run."""

    def __init__(self) -> None:
        self.now = 0.0
        self.steps = 0
        """events carried out"""
        self.hooks: dict[int, Callable[[], None]] = {}
        """faults: called right after the N-th event"""
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = 0

    def at(self, when: float, call: Callable[[], None]) -> Timer:
        """Call at `when` (now, if that has passed)."""
        timer = Timer(max(when, self.now), call)
        self._order += 1
        heappush(self._heap, (timer.at, self._order, timer))
        return timer

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call in so many seconds."""
        return self.at(self.now + seconds, call)

    def run(self, *, until: float, stop: Callable[[], bool] = lambda: False) -> bool:
        """Carry out events up to the time `until`, or until `stop()`; True when it was `stop`."""
        heap = self._heap
        while not stop():
            if not heap or heap[0][0] > until:
                self.now = max(self.now, until)
                return stop()
            _, _, timer = heappop(heap)
            call, timer.call = timer.call, None
            if call is None:
                continue
            self.now = timer.at
            call()
            self.steps += 1
            if self.steps in self.hooks:
                self.hooks[self.steps]()
        return True
