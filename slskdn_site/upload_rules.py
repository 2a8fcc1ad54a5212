"""The rules of uploads from `soulseek.uploads` of slskdn.yml."""

from __future__ import annotations

from typing import Final

from apps.domain.soulseek.uploads import Discipline, SpeedWindow, UploadGroup, UploadRules
from slskdn_site.config_soulseek import SoulseekUploads, SpeedWindowSection, UploadGroupSection

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_GIB: Final = 2**30
_DEFAULT: Final = (
    UploadGroup(name="buddies", priority=1, slots_a_user=2),
    UploadGroup(name="privileged", priority=5),
    UploadGroup(name="leechers", priority=20, slots=1),
    UploadGroup(name="default", priority=10),
)
"""Buddies first, then who pays for the server, then everybody; one slot for leechers."""


def upload_rules(section: SoulseekUploads) -> UploadRules:
    """Numbers of 0 there mean no limit. `default`, for who is in no other group, comes last."""
    groups = sorted((_group(one) for one in section.groups), key=lambda one: one.name == "default")
    return UploadRules(
        slots=section.slots,
        speed_kib_s=section.speed_kbps or None,
        groups=tuple(groups) or _DEFAULT,
        windows=tuple(_window(one) for one in section.windows),
    )


def _group(one: UploadGroupSection) -> UploadGroup:
    return UploadGroup(
        name=one.name,
        priority=one.priority,
        slots=one.slots or None,
        slots_a_user=one.slots_per_user,
        discipline=Discipline(one.queue),
        speed_kib_s=one.speed_kbps or None,
        waiting_a_user=one.files_waiting_per_user,
        day_bytes=int(one.day_gib * _GIB) or None,
        week_bytes=int(one.week_gib * _GIB) or None,
    )


def _window(one: SpeedWindowSection) -> SpeedWindow:
    return SpeedWindow(
        start=_minute(one.start),
        until=_minute(one.until),
        speed_kib_s=one.speed_kbps,
        days=frozenset(_DAYS.index(day) for day in one.days),
    )


def _minute(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)
