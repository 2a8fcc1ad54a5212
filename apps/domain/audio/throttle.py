"""How much of the machine the library's background work may take: a share of the cores, and hours of quiet.

A share becomes whole slots (workers at work at once) and, for what is left of it, rests: one of two cores at 25 % of both is one slot that rests
as long as it works. The clock is the caller's.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

_QUIET: Final = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")
LONGEST_REST_S: Final = 600.0
"""However long one piece of work took: a stopped clock or a suspended machine must not stop the library for hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """`cores_percent` 1..100 of `cores` ≥ 1. `quiet_hours`: "22:00-07:00" in local time, "" for none. Raises ValueError on anything else."""

    cores_percent: int = 100
    cores: int = 1
    quiet_hours: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.cores_percent <= 100 or self.cores < 1:
            raise ValueError("a share is 1 to 100 percent of at least one core")
        if self.quiet_hours and _hours(self.quiet_hours) is None:
            raise ValueError("quiet hours are written 22:00-07:00")

    @property
    def slots(self) -> int:
        """Pieces of work that may run at once."""
        return max(1, math.ceil(self._share - 1e-9))

    def rest_s(self, busy_s: float) -> float:
        """How long a slot rests after `busy_s` seconds of work, so that all slots together keep to the share."""
        duty = min(1.0, self._share / self.slots)
        return min(LONGEST_REST_S, max(0.0, busy_s) * (1 / duty - 1))

    def quiet_s(self, now: datetime) -> float:
        """Seconds until the quiet hours end; 0.0 outside of them. `now` in local time."""
        hours = _hours(self.quiet_hours)
        if hours is None:
            return 0.0
        begin, end = hours
        if begin == end:
            return 0.0
        clock = now.time()
        inside = begin <= clock < end if begin < end else clock >= begin or clock < end
        if not inside:
            return 0.0
        ends = now.replace(hour=end.hour, minute=end.minute, second=0, microsecond=0)
        if ends <= now:
            ends += timedelta(days=1)
        return (ends - now).total_seconds()

    @property
    def _share(self) -> float:
        return self.cores * self.cores_percent / 100


def _hours(text: str) -> tuple[time, time] | None:
    found = _QUIET.fullmatch(text)
    if found is None:
        return None
    begin_hour, begin_minute, end_hour, end_minute = (int(part) for part in found.groups())
    try:
        return time(begin_hour, begin_minute), time(end_hour, end_minute)
    except ValueError:
        return None
