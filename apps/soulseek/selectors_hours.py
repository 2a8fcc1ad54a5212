"""The kept hours of traffic as values."""

from __future__ import annotations

from datetime import datetime, timedelta

from apps.domain.soulseek.traffic_windows import HourBytes, first_hour
from apps.soulseek.models import TrafficHour


def hours_since(now: datetime, window: timedelta) -> list[HourBytes]:
    """Every hour that a window up to `now` touches, oldest first."""
    rows = TrafficHour.objects.filter(hour__gte=first_hour(now, window)).order_by("hour", "plane", "direction")
    return [HourBytes(*row) for row in rows.values_list("hour", "plane", "direction", "total_bytes")]
