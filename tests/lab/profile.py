"""A rate over time: piecewise constant, known in full before the run, so that the bound may know the future."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

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
        index = bisect_right(self.times, max(start, 0.0)) - 1
        while index + 1 < len(self.times) and self._sums[index + 1] < goal:
            index += 1
        if amount <= 0:
            return start
        if self.values[index] <= 0:
            return FOREVER
        return max(start, self.times[index] + (goal - self._sums[index]) / self.values[index])

    def times_factor(self, other: Profile) -> Profile:
        """The product of two: a capacity and a share of it."""
        times = sorted({*self.times, *other.times})
        return Profile(tuple(times), tuple(self.at(time) * other.at(time) for time in times))

    def least(self, other: Profile) -> Profile:
        """The lower of two at each time."""
        times = sorted({*self.times, *other.times})
        return Profile(tuple(times), tuple(min(self.at(time), other.at(time)) for time in times))

    @staticmethod
    def total(profiles: Iterable[Profile]) -> Profile:
        """The sum of many."""
        found = list(profiles)
        times = sorted({0.0, *(time for one in found for time in one.times)})
        return Profile(tuple(times), tuple(sum(one.at(time) for one in found) for time in times))
