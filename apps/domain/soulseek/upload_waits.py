"""Why an upload waits, what place it has, and when it is likely to begin. Pure: the queue is played on (`UploadQueue.upcoming`), nothing is changed.

A time is an interval and a guess: sizes ahead are known, how fast those users take them is not, so its ends are apart by SPREAD each way.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from apps.domain.errors import Param
from apps.domain.soulseek.uploads import EXACT_PLACES, MINUTES_A_DAY, Upload, UploadQueue, UploadRules

SPREAD: Final = 2.0
MAX_S: Final = 30 * 86_400

Key = tuple[str, str]
"""(user, path)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadMoment:
    """What is known now. `left`: bytes left of what runs; `each_bps`: what one upload makes lately (0: nobody knows)."""

    speed_kib_s: int | None
    day: int
    """0 = Monday"""
    minute: int
    online: Collection[str] = frozenset()
    calls: Mapping[str, float] = field(default_factory=dict)
    """users who could not be reached: seconds until they are called again"""
    left: Mapping[Key, int] = field(default_factory=dict)
    each_bps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadWait:
    """How one waits. `code` "": it begins in a moment. `low_s`…`high_s` until it begins; None: not known."""

    upload: Upload
    place: int
    code: str
    params: Mapping[str, Param]
    low_s: int | None = None
    high_s: int | None = None


def waits(queue: UploadQueue, moment: UploadMoment, *, most: int = EXACT_PLACES) -> tuple[UploadWait, ...]:
    """Of the next `most`, in the order in which they would begin."""
    running = queue.running()
    speed = _together_bps(queue.rules, moment)
    ahead = sum(moment.left.get((one.user, one.path), one.size) for one in running)
    free = queue.rules.slots - len(running)
    found = []
    for place, upload in enumerate(queue.upcoming(most), 1):
        why = _reason(queue, upload, moment, free=place <= free)
        low = high = None
        if why.code in ("", *_IN_TURN) and speed:
            # A slot is free once what is ahead, but for what the other slots still have, is through.
            seconds = 0.0 if not why.code else ahead / speed / max(1, queue.rules.slots)
            low = min(MAX_S, math.floor(seconds / SPREAD))
            high = min(MAX_S, math.ceil(seconds * SPREAD * max(1, queue.rules.slots)))
        found.append(UploadWait(upload=upload, place=place, code=why.code, params=why.params, low_s=low, high_s=high))
        ahead += upload.size
    return tuple(found)


_IN_TURN: Final = frozenset({"upload_waits_user", "upload_waits_group", "upload_waits_slots"})


def _together_bps(rules: UploadRules, moment: UploadMoment) -> float:
    """What all slots make together; 0: nobody knows."""
    speed = float(moment.each_bps * rules.slots)
    return speed if moment.speed_kib_s is None else min(speed, moment.speed_kib_s * 1024.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Why:
    code: str = ""
    params: Mapping[str, Param] = field(default_factory=dict)


def _reason(queue: UploadQueue, upload: Upload, moment: UploadMoment, *, free: bool) -> _Why:
    """The first thing that holds it up."""
    rules = queue.rules
    if moment.speed_kib_s == 0:
        minutes = opens_in(rules, day=moment.day, minute=moment.minute)
        if minutes is None:
            return _Why(code="upload_waits_closed")
        if minutes > MINUTES_A_DAY:
            return _Why(code="upload_waits_days", params={"days": math.ceil(minutes / MINUTES_A_DAY)})
        at = (moment.minute + minutes) % MINUTES_A_DAY
        return _Why(code="upload_waits_schedule", params={"until": f"{at // 60:02}:{at % 60:02}"})
    if upload.user not in moment.online:
        return _Why(code="upload_waits_offline")
    if upload.user in moment.calls:
        return _Why(code="upload_waits_call", params={"seconds": max(1, math.ceil(moment.calls[upload.user]))})
    group = next((one for one in rules.groups if one.name == upload.group), rules.groups[-1])
    running = queue.running()
    if sum(one.user == upload.user for one in running) >= group.slots_a_user:
        return _Why(code="upload_waits_user", params={"most": group.slots_a_user})
    if group.slots is not None and sum(one.group == group.name for one in running) >= group.slots:
        return _Why(code="upload_waits_group", params={"group": group.name, "slots": group.slots})
    return _Why() if free else _Why(code="upload_waits_slots", params={"slots": rules.slots})


def opens_in(rules: UploadRules, *, day: int, minute: int) -> int | None:
    """Minutes until uploads may begin, by the schedule; 0: now; None: never."""
    if rules.speed_now(day=day, minute=minute) != 0:
        return 0
    edges = sorted({0, *(one.start for one in rules.windows), *(one.until % MINUTES_A_DAY for one in rules.windows)})
    for later in range(8):
        for edge in edges:
            minutes = later * MINUTES_A_DAY + edge - minute
            if minutes > 0 and rules.speed_now(day=(day + later) % 7, minute=edge) != 0:
                return minutes
    return None
