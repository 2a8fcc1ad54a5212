"""A rate over time: piecewise constant, known in full before the run, so that the bound may know the future."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from operator import mul

FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class Profile:
    """`values[i]` bytes a second from `times[i]` on; the last one holds for ever. `times` begin with 0 and ascend."""

    times: tuple[float, ...]
    values: tuple[float, ...]
    _sums: tuple[float, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.times or self.times[0] != 0 or len(self.times) != len(self.values):
            raise ValueError("a profile begins at 0 and has one value for each time")
        if any(one >= other for one, other in pairwise(self.times)) or min(self.values) < 0:
            raise ValueError("times ascend and values are not negative")
        sums = [0.0]
        for index, (start, end) in enumerate(pairwise(self.times)):
            sums.append(sums[-1] + self.values[index] * (end - start))
        object.__setattr__(self, "_sums", tuple(sums))

    @classmethod
    def constant(cls, value: float) -> Profile:
        """The same for ever."""
        return cls((0.0,), (value,))

    @classmethod
    def steps(cls, steps: Iterable[tuple[float, float]]) -> Profile:
        """From (time, value) pairs; of several for one time the last counts."""
        merged = dict(sorted(steps, key=lambda step: step[0]))
        return cls(tuple(merged), tuple(merged.values()))

    def at(self, time: float) -> float:
        """Bytes a second at a time."""
        return self.values[bisect_right(self.times, max(time, 0.0)) - 1]

    def carried_by(self, time: float) -> float:
        """Bytes carried from 0 to `time`."""
        if time <= 0:
            return 0.0
        index = bisect_right(self.times, time) - 1
        return self._sums[index] + self.values[index] * (time - self.times[index])

    def carried(self, start: float, end: float) -> float:
        """Bytes carried between two times; 0 when they are the wrong way round."""
        return max(0.0, self.carried_by(end) - self.carried_by(start)) if end > start else 0.0

    def when(self, start: float, amount: float) -> float:
        """When `amount` bytes will have been carried since `start`; infinity for never."""
        goal = self.carried_by(start) + amount
        index = max(bisect_left(self._sums, goal) - 1, bisect_right(self.times, max(start, 0.0)) - 1)
        if amount <= 0:
            return start
        if self.values[index] <= 0:
            return FOREVER
        return max(start, self.times[index] + (goal - self._sums[index]) / self.values[index])

    def times_factor(self, other: Profile) -> Profile:
        """The product of two: a capacity and a share of it."""
        return self._joined(other, mul)

    def least(self, other: Profile) -> Profile:
        """The lower of two at each time."""
        return self._joined(other, min)

    def _joined(self, other: Profile, function: Callable[[float, float], float]) -> Profile:
        if len(other.times) == 1 and len(self.times) == 1:
            return Profile.constant(function(self.values[0], other.values[0]))
        times = sorted({*self.times, *other.times})
        return Profile(tuple(times), tuple(function(self.at(time), other.at(time)) for time in times))

    @staticmethod
    def total(profiles: Iterable[Profile]) -> Profile:
        """The sum of many."""
        changes: dict[float, float] = {0.0: 0.0}
        for one in profiles:
            before = 0.0
            for time, value in zip(one.times, one.values, strict=True):
                changes[time] = changes.get(time, 0.0) + value - before
                before = value
        times, values, level = sorted(changes), [], 0.0
        for time in times:
            level += changes[time]
            values.append(max(level, 0.0))  # a hair below 0 by rounding
        return Profile(tuple(times), tuple(values))
