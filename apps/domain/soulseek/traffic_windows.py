"""Rolling windows over bytes that are kept by the hour, and the same by the day. Pure.

The hour in which a window begins counts by the part of it that lies inside, as if its bytes had come evenly: exact to that one hour's rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Final

from apps.domain.soulseek.fairness import Traffic

HOUR: Final = timedelta(hours=1)
RETENTION: Final = timedelta(days=60)
"""Hours and actions older than this are removed."""
WINDOWS: Final[Mapping[str, timedelta]] = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
DEFAULT_WINDOW: Final = "7d"


@dataclass(frozen=True, slots=True)
class HourBytes:
    """One kept figure: `hour` is its first moment, aware."""

    hour: datetime
    plane: str
    direction: str
    total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTraffic:
    """One day of a person's calendar."""

    day: date
    traffic: Traffic


def traffic_of(sums: Mapping[tuple[str, str], float]) -> Traffic:
    """Bytes by (plane, direction) as a value."""
    return Traffic(
        overlay_up=round(sums.get(("overlay", "up"), 0)),
        overlay_down=round(sums.get(("overlay", "down"), 0)),
        soulseek_up=round(sums.get(("soulseek", "up"), 0)),
        soulseek_down=round(sums.get(("soulseek", "down"), 0)),
    )


def first_hour(now: datetime, window: timedelta) -> datetime:
    """The oldest hour that a window up to `now` touches: what has to be read."""
    start = now - window
    return start.replace(minute=0, second=0, microsecond=0)


def window_traffic(hours: Iterable[HourBytes], *, now: datetime, window: timedelta) -> Traffic:
    """What passed in `window` up to `now`. Hours outside are ignored."""
    start = now - window
    sums: Counter[tuple[str, str]] = Counter()
    for one in hours:
        end = one.hour + HOUR
        if end <= start or one.hour > now:
            continue
        inside = 1.0 if one.hour >= start else (end - start) / HOUR
        sums[one.plane, one.direction] += one.total_bytes * inside  # type: ignore[assignment]  # a Counter of floats
    return traffic_of(sums)


def days_traffic(hours: Iterable[HourBytes], *, now: datetime, days: int, zone: tzinfo) -> tuple[DayTraffic, ...]:
    """The last `days` days of the calendar in `zone`, oldest first, today included, those without a byte too."""
    today = now.astimezone(zone).date()
    sums: dict[date, Counter[tuple[str, str]]] = {today - timedelta(days=back): Counter() for back in range(days)}
    for one in hours:
        found = sums.get(one.hour.astimezone(zone).date())
        if found is not None:
            found[one.plane, one.direction] += one.total_bytes
    return tuple(DayTraffic(day=day, traffic=traffic_of(sums[day])) for day in sorted(sums))
