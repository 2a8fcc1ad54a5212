"""Whose upload is next: groups with slots of their own, a discipline inside each, quotas, and a schedule for speed. Pure; `now` is monotonic seconds, the
calendar (for quotas and schedules) is told as dates and minutes by the caller.

A sharer's queue is a promise, so places are honest: `place` simulates what will happen, and nobody who waits is overtaken by somebody of the same group who
came later (fifo), or by more than one file of each other user (round robin).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from apps.domain.errors import Param

MAX_WAITING_A_USER: Final = 1000
"""More files of one user than this are refused; they may ask again."""
MAX_WAITING: Final = 50_000
MINUTES_A_DAY: Final = 1440


class Discipline(StrEnum):
    """The order inside a group."""

    FIFO = "fifo"
    ROUND_ROBIN = "round_robin"


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadGroup:
    """Rules for some users. Groups are served by `priority` (small first) while they have slots free; None: no limit of its own."""

    name: str
    priority: int = 10
    slots: int | None = None
    slots_a_user: int = 1
    discipline: Discipline = Discipline.ROUND_ROBIN
    speed_kib_s: int | None = None
    """of each transfer"""
    waiting_a_user: int = MAX_WAITING_A_USER
    day_bytes: int | None = None
    """a user's quota"""
    week_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedWindow:
    """Minutes of the day (local, 0…1439) with a global speed of their own; `until` before `start` runs over midnight. 0 KiB/s: no uploads start."""

    start: int
    until: int
    speed_kib_s: int
    days: Collection[int] = frozenset(range(7))
    """0 = Monday"""

    def holds(self, *, day: int, minute: int) -> bool:
        """Is it in force? A window over midnight belongs to the day on which it begins."""
        if self.start <= self.until:
            return day in self.days and self.start <= minute < self.until
        return (day in self.days and minute >= self.start) or ((day - 1) % 7 in self.days and minute < self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRules:
    """`soulseek.uploads`. The last group is for everybody who is in no other."""

    slots: int = 4
    speed_kib_s: int | None = None
    groups: tuple[UploadGroup, ...] = (UploadGroup(name="default"),)
    windows: tuple[SpeedWindow, ...] = ()

    def group_of(self, names: Collection[str]) -> UploadGroup:
        """The first group that a user is in, by the configured order."""
        return next((one for one in self.groups if one.name in names), self.groups[-1])

    def speed_now(self, *, day: int, minute: int) -> int | None:
        """Global KiB/s at a time of the week; None: unlimited. The first window that holds counts."""
        return next((one.speed_kib_s for one in self.windows if one.holds(day=day, minute=minute)), self.speed_kib_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that somebody asked for. `order` rises with time."""

    user: str
    path: str
    size: int
    order: int
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a file is not queued: file_not_shared is the caller's; here quota_day, quota_week, too_many_files, queue_full, uploads_paused."""

    code: str
    params: dict[str, Param] = field(default_factory=dict)


class UploadQueue:
    """See the module. What runs and what waits; the caller moves bytes."""

    def __init__(self, rules: UploadRules) -> None:
        self.rules = rules
        self._waiting: dict[tuple[str, str], Upload] = {}
        self._running: dict[tuple[str, str], Upload] = {}
        self._served: dict[str, int] = {}
        self._turns = 0
        self._order = 0

    # ---- what users do

    def ask(
        self, user: str, path: str, *, size: int, groups: Collection[str] = (), day_bytes: int = 0, week_bytes: int = 0
    ) -> Upload | Refusal:
        """Queue a file. Asking for one that waits or runs gives that one. `day_bytes`, `week_bytes`: what this user already got, waiting files not counted."""
        key = (user, path)
        if (known := self._running.get(key) or self._waiting.get(key)) is not None:
            return known
        group = self.rules.group_of(groups)
        mine = [one for one in self._waiting.values() if one.user == user]
        if len(mine) >= group.waiting_a_user:
            return Refusal(code="too_many_files", params={"most": group.waiting_a_user})
        if len(self._waiting) >= MAX_WAITING:
            return Refusal(code="queue_full", params={"most": MAX_WAITING})
        promised = sum(one.size for one in mine) + sum(one.size for one in self._running.values() if one.user == user)
        for code, limit, had in (
            ("quota_day", group.day_bytes, day_bytes),
            ("quota_week", group.week_bytes, week_bytes),
        ):
            if limit is not None and had + promised + size > limit:
                return Refusal(code=code, params={"limit": limit, "had": had + promised})
        self._order += 1
        upload = Upload(user=user, path=path, size=size, order=self._order, group=group.name)
        self._waiting[key] = upload
        return upload

    def withdraw(self, user: str, path: str | None = None) -> int:
        """A user no longer wants a file, or any; how many were taken out of the queue. What runs is ended by `over`."""
        gone = [key for key in self._waiting if key[0] == user and path in (None, key[1])]
        for key in gone:
            del self._waiting[key]
        return len(gone)

    def over(self, user: str, path: str) -> None:
        """A running upload ended, however."""
        self._running.pop((user, path), None)

    # ---- what the plane does

    def due(self, *, speed_kib_s: int | None, online: Collection[str] | None = None) -> tuple[Upload, ...]:
        """The uploads to start now; they count as running. `speed_kib_s` 0: none. `online`: users that can be served; None: all."""
        if speed_kib_s == 0:
            return ()
        started = []
        while (chosen := self._next(self._waiting.values(), self._running.values(), self._served, online)) is not None:
            key = (chosen.user, chosen.path)
            del self._waiting[key]
            self._running[key] = chosen
            self._turns += 1
            self._served[chosen.user] = self._turns
            started.append(chosen)
        return tuple(started)

    def place(self, user: str, path: str) -> int | None:
        """1 = next, as it would go if nobody else asked and uploads ended in the order in which they began; 0 while it runs; None: unknown.

        What is told to a peer that asks for its place.
        """
        if (user, path) in self._running:
            return 0
        if (user, path) not in self._waiting:
            return None
        waiting = dict(self._waiting)
        running = list(self._running.values())
        served, turns, place = dict(self._served), self._turns, 0
        while waiting:
            chosen = self._next(waiting.values(), running, served, None)
            if chosen is None:
                if not running:
                    return None
                running.pop(0)
                continue
            place += 1
            if (chosen.user, chosen.path) == (user, path):
                return place
            del waiting[chosen.user, chosen.path]
            running.append(chosen)
            turns += 1
            served[chosen.user] = turns
        return None

    def speeds(self, *, speed_kib_s: int | None) -> Mapping[tuple[str, str], float | None]:
        """KiB/s of each running upload: its group's limit, and an equal share of the global one with what others leave over; None: unlimited."""
        limits = {key: self._group(one.group).speed_kib_s for key, one in self._running.items()}
        if speed_kib_s is None:
            return {key: None if limit is None else float(limit) for key, limit in limits.items()}
        shares: dict[tuple[str, str], float | None] = {}
        left = float(speed_kib_s)
        ranked = sorted(limits, key=lambda key: (limits[key] is None, limits[key] or 0, key))
        for at, key in enumerate(ranked):
            equal = left / (len(ranked) - at)
            limit = limits[key]
            given = equal if limit is None else min(equal, float(limit))
            shares[key] = given
            left -= given
        return shares

    def counts(self) -> tuple[int, int]:
        """(waiting, running)."""
        return len(self._waiting), len(self._running)

    def waiting(self) -> tuple[Upload, ...]:
        """As they came."""
        return tuple(sorted(self._waiting.values(), key=lambda one: one.order))

    def running(self) -> tuple[Upload, ...]:
        """As they began."""
        return tuple(self._running.values())

    # ---- inside

    def _group(self, name: str) -> UploadGroup:
        return self.rules.group_of((name,))

    def _next(
        self,
        waiting: Iterable[Upload],
        running: Iterable[Upload],
        served: Mapping[str, int],
        online: Collection[str] | None,
    ) -> Upload | None:
        """The one rule of order, for starting and for telling places."""
        busy = list(running)
        if len(busy) >= self.rules.slots:
            return None
        by_group = _counted(one.group for one in busy)
        by_user = _counted(one.user for one in busy)

        def may(one: Upload) -> bool:
            group = self._group(one.group)
            return (
                (online is None or one.user in online)
                and by_user.get(one.user, 0) < group.slots_a_user
                and (group.slots is None or by_group.get(group.name, 0) < group.slots)
            )

        return min((one for one in waiting if may(one)), key=lambda one: self._rank(one, served), default=None)

    def _rank(self, one: Upload, served: Mapping[str, int]) -> tuple[int, int, int]:
        group = self._group(one.group)
        turn = served.get(one.user, 0) if group.discipline is Discipline.ROUND_ROBIN else 0
        return group.priority, turn, one.order


def leecher(*, files: int, folders: int, least_files: int, least_folders: int) -> bool:
    """Whether a user shares less than is asked of everybody, by what the server tells of them."""
    return files < least_files or folders < least_folders


def _counted(names: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return found


def windows_clash(windows: Sequence[SpeedWindow]) -> tuple[int, int] | None:
    """Two windows that hold at the same minute of some day (the first of them would win silently); None: no two do."""
    for first, one in enumerate(windows):
        for second in range(first + 1, len(windows)):
            other = windows[second]
            edges = {one.start, other.start, one.until % MINUTES_A_DAY, other.until % MINUTES_A_DAY, 0}
            if any(
                one.holds(day=day, minute=minute) and other.holds(day=day, minute=minute)
                for day in range(7)
                for minute in edges
            ):
                return first, second
    return None
