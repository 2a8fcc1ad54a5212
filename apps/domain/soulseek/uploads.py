"""Whose upload is next: groups with slots of their own, a discipline inside each, quotas, and a schedule for speed. Pure; `now` is monotonic seconds, the
calendar (for quotas and schedules) is told as dates and minutes by the caller.

A sharer's queue is a promise, so places are honest: `place` plays what will happen, and nobody who waits is overtaken by somebody of the same group who
came later (fifo), or by more than one file of each other user (round robin). Places are played out one by one up to `EXACT_PLACES`; behind that they are
counted, which is never too small while nobody new comes.

The queue is made of lines, one for each user in a group; only the heads of lines are compared, so the cost of a step does not depend on how many wait.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from apps.domain.errors import Param

MAX_WAITING_A_USER: Final = 1000
"""More files of one user than this are refused; they may ask again."""
MAX_WAITING: Final = 50_000
MINUTES_A_DAY: Final = 1440
EXACT_PLACES: Final = 100
"""So many are played out; who waits behind them is told a place that was counted."""
MAX_COUNTED_USERS: Final = 3000


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


class _Line:
    """The files of one user in one group, oldest first. What was withdrawn stays until it comes to the head."""

    __slots__ = ("bytes", "count", "files", "group", "user")

    def __init__(self, user: str, group: str) -> None:
        self.user, self.group = user, group
        self.files: deque[Upload] = deque()
        self.count = 0
        self.bytes = 0


_Key = tuple[str, str]
_Turn = tuple[int, int, str]
"""(turn, order of the first file, user)"""


class UploadQueue:
    """See the module. What runs and what waits; the caller moves bytes."""

    def __init__(self, rules: UploadRules) -> None:
        self.rules = rules
        self._groups: dict[str, UploadGroup] = {one.name: one for one in rules.groups}
        self._waiting: dict[_Key, Upload] = {}
        self._running: dict[_Key, Upload] = {}
        self._lines: dict[_Key, _Line] = {}
        self._lines_of: dict[str, list[_Line]] = {}
        self._heads: dict[str, list[_Turn]] = {one.name: [] for one in rules.groups}
        self._orders: dict[str, list[int]] = {one.name: [] for one in rules.groups}
        self._sizes: dict[str, dict[int, int]] = {one.name: {} for one in rules.groups}
        """group → length of a line → lines of that length"""
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
        mine = self._lines_of.get(user, ())
        if sum(one.count for one in mine) >= group.waiting_a_user:
            return Refusal(code="too_many_files", params={"most": group.waiting_a_user})
        if len(self._waiting) >= MAX_WAITING:
            return Refusal(code="queue_full", params={"most": MAX_WAITING})
        promised = sum(one.bytes for one in mine) + sum(one.size for one in self._running.values() if one.user == user)
        for code, limit, had in (
            ("quota_day", group.day_bytes, day_bytes),
            ("quota_week", group.week_bytes, week_bytes),
        ):
            if limit is not None and had + promised + size > limit:
                return Refusal(code=code, params={"limit": limit, "had": had + promised})
        self._order += 1
        upload = Upload(user=user, path=path, size=size, order=self._order, group=group.name)
        self._append(upload)
        return upload

    def again(self, upload: Upload) -> Upload:
        """A running upload could not be begun (the user was not reached): it waits again, behind what came meanwhile."""
        self.over(upload.user, upload.path)
        self._order += 1
        later = Upload(user=upload.user, path=upload.path, size=upload.size, order=self._order, group=upload.group)
        self._append(later)
        return later

    def withdraw(self, user: str, path: str | None = None) -> int:
        """A user no longer wants a file, or any; how many were taken out of the queue. What runs is ended by `over`."""
        if path is not None:
            gone = [upload] if (upload := self._waiting.get((user, path))) is not None else []
        else:
            gone = [
                upload
                for line in self._lines_of.get(user, ())
                for upload in line.files
                if self._waiting.get((user, upload.path)) is upload
            ]
        for upload in gone:
            self._remove(upload)
        return len(gone)

    def over(self, user: str, path: str) -> None:
        """A running upload ended, however."""
        self._running.pop((user, path), None)

    # ---- what the plane does

    def due(self, *, speed_kib_s: int | None, online: Collection[str] | None = None) -> tuple[Upload, ...]:
        """The uploads to start now; they count as running. `speed_kib_s` 0: none. `online`: users that can be served; None: all."""
        if speed_kib_s == 0 or not self._waiting or len(self._running) >= self.rules.slots:
            return ()
        play = _Play(self, online)
        started = []
        while (chosen := play.next()) is not None:
            started.append(chosen)
        for upload in started:
            self._turns += 1
            self._served[upload.user] = self._turns
            self._remove(upload)
            self._running[upload.user, upload.path] = upload
        for user in {upload.user for upload in started}:
            for line in self._lines_of.get(user, ()):
                self._push(line)
        if len(self._served) > 2 * MAX_COUNTED_USERS:  # who has nothing here any more comes as new the next time
            kept = set(self._lines_of)
            self._served = {user: turn for user, turn in self._served.items() if user in kept}
        return tuple(started)

    def place(self, user: str, path: str) -> int | None:
        """1 = next, as it would go if nobody else asked and uploads ended in the order in which they began; 0 while it runs; None: unknown.

        What is told to a peer that asks for its place.
        """
        if (user, path) in self._running:
            return 0
        wanted = self._waiting.get((user, path))
        if wanted is None:
            return None
        upcoming = self.upcoming(EXACT_PLACES, until=wanted)
        if upcoming and upcoming[-1] is wanted:
            return len(upcoming)
        return max(EXACT_PLACES + 1, self._counted(wanted)) if len(upcoming) == EXACT_PLACES else None

    def upcoming(self, most: int, *, until: Upload | None = None) -> tuple[Upload, ...]:
        """The next `most` of those that wait, or up to and with `until`: in the order of their places."""
        play = _Play(self, None)
        found: list[Upload] = []
        while len(found) < most and not (found and found[-1] is until):
            while (chosen := play.next()) is None:
                if not play.end_oldest():
                    return tuple(found)
            found.append(chosen)
        return tuple(found)

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

    def users(self) -> frozenset[str]:
        """Who has something waiting."""
        return frozenset(self._lines_of)

    def waiting(self) -> tuple[Upload, ...]:
        """As they came."""
        return tuple(sorted(self._waiting.values(), key=lambda one: one.order))

    def running(self) -> tuple[Upload, ...]:
        """As they began."""
        return tuple(self._running.values())

    # ---- inside

    def _group(self, name: str) -> UploadGroup:
        return self._groups.get(name) or self.rules.groups[-1]

    def _append(self, upload: Upload) -> None:
        key = (upload.user, upload.group)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line(upload.user, upload.group)
            self._lines_of.setdefault(upload.user, []).append(line)
        self._waiting[upload.user, upload.path] = upload
        line.files.append(upload)
        self._resized(line, 1, upload.size)
        self._orders[upload.group].append(upload.order)  # orders only rise
        if line.count == 1:
            self._push(line)

    def _remove(self, upload: Upload) -> None:
        """Out of the queue; its line's new head is told to the heap."""
        del self._waiting[upload.user, upload.path]
        line = self._lines[upload.user, upload.group]
        was_head = line.files[0] is upload
        self._resized(line, -1, -upload.size)
        orders = self._orders[upload.group]
        del orders[bisect_left(orders, upload.order)]
        if not line.count:
            del self._lines[upload.user, upload.group]
            lines = self._lines_of[upload.user]
            lines.remove(line)
            if not lines:
                del self._lines_of[upload.user]
            return
        while self._waiting.get((line.user, line.files[0].path)) is not line.files[0]:
            line.files.popleft()
        if was_head:
            self._push(line)

    def _resized(self, line: _Line, count: int, size: int) -> None:
        sizes = self._sizes[line.group]
        if line.count:
            sizes[line.count] -= 1
            if not sizes[line.count]:
                del sizes[line.count]
        line.count += count
        line.bytes += size
        if line.count:
            sizes[line.count] = sizes.get(line.count, 0) + 1

    def _push(self, line: _Line) -> None:
        """Tell the heap of a line's head. Entries that are no longer true are left behind; `_Play` passes over them."""
        heads = self._heads[line.group]
        heapq.heappush(heads, self._turn_of(line.user, line.group, line.files[0].order, self._served))
        if len(heads) > 64 + 4 * len(self._lines):
            heads[:] = [
                self._turn_of(one.user, one.group, one.files[0].order, self._served)
                for one in self._lines.values()
                if one.group == line.group
            ]
            heapq.heapify(heads)

    def _turn_of(self, user: str, group: str, order: int, served: Mapping[str, int]) -> _Turn:
        robin = self._group(group).discipline is Discipline.ROUND_ROBIN
        return (served.get(user, 0) if robin else 0), order, user

    def _counted(self, wanted: Upload) -> int:
        """A place without playing: everything of better groups, and what of its own group comes first. Limits of slots are not looked at."""
        group = self._group(wanted.group)
        ahead = sum(
            len(self._orders[one.name])
            for one in self.rules.groups
            if one.priority < group.priority or (one.priority == group.priority and one.name != group.name)
        )
        if group.discipline is Discipline.FIFO:
            return ahead + bisect_left(self._orders[group.name], wanted.order) + 1
        line = self._lines[wanted.user, wanted.group]
        before = 0
        for one in line.files:
            if one is wanted:
                break
            before += self._waiting.get((one.user, one.path)) is one
        # Each other line is served up to `before` + 1 times before this file's turn: once less when its user's turn comes later.
        sizes = self._sizes[group.name]
        ahead += sum(min(length, before) * lines for length, lines in sizes.items()) - before
        mine = self._turn_of(line.user, line.group, line.files[0].order, self._served)
        heads = self._heads[group.name]
        longer = sum(lines for length, lines in sizes.items() if length > before) - 1
        if len(heads) <= MAX_COUNTED_USERS:
            earlier = {turn[2] for turn in heads if turn < mine}
            longer = sum(
                1
                for user in earlier
                if (other := self._lines.get((user, group.name))) is not None
                and other is not line
                and other.count > before
                and self._turn_of(user, group.name, other.files[0].order, self._served) < mine
            )
        return ahead + before + longer + 1


class _Play:
    """What happens next, played on copies: the one rule of order, for starting and for telling places."""

    def __init__(self, queue: UploadQueue, online: Collection[str] | None) -> None:
        self._queue, self._online = queue, online
        self._heads = {name: heads.copy() for name, heads in queue._heads.items() if heads}
        self._running = deque(queue._running.values())
        self._by_group: dict[str, int] = {}
        self._by_user: dict[str, int] = {}
        for one in self._running:
            self._by_group[one.group] = self._by_group.get(one.group, 0) + 1
            self._by_user[one.user] = self._by_user.get(one.user, 0) + 1
        self._at: dict[_Key, int] = {}
        self._served: dict[str, int] = {}
        self._turns = queue._turns
        self._held: dict[str, list[tuple[str, _Turn]]] = {}
        """user → heads that wait for one of the user's running uploads to end"""

    def next(self) -> Upload | None:
        """The upload that begins now; None: none can."""
        queue = self._queue
        if len(self._running) >= queue.rules.slots:
            return None
        best: tuple[int, _Turn, str] | None = None
        for name, heads in self._heads.items():
            group = queue._group(name)
            if group.slots is not None and self._by_group.get(name, 0) >= group.slots:
                continue
            turn = self._head(name, group, heads)
            if turn is not None and (best is None or (group.priority, turn) < best[:2]):
                best = (group.priority, turn, name)
        if best is None:
            return None
        _, turn, name = best
        heapq.heappop(self._heads[name])
        chosen = self._first((turn[2], name))
        assert chosen is not None
        self._at[turn[2], name] = self._at.get((turn[2], name), 0) + 1
        self._turns += 1
        self._served[chosen.user] = self._turns
        self._running.append(chosen)
        self._by_group[name] = self._by_group.get(name, 0) + 1
        self._by_user[chosen.user] = self._by_user.get(chosen.user, 0) + 1
        for line in queue._lines_of[chosen.user]:
            self._push(line)
        return chosen

    def end_oldest(self) -> bool:
        """The upload that began first ends. False: none runs."""
        if not self._running:
            return False
        ended = self._running.popleft()
        self._by_group[ended.group] -= 1
        self._by_user[ended.user] -= 1
        for name, turn in self._held.pop(ended.user, ()):
            heapq.heappush(self._heads.setdefault(name, []), turn)
        return True

    def _head(self, name: str, group: UploadGroup, heads: list[_Turn]) -> _Turn | None:
        """The best head of a group that may begin; those that may not are set aside."""
        while heads:
            turn = heads[0]
            user = turn[2]
            first = self._first((user, name))
            if (
                first is None
                or turn != self._turn(user, name, first.order)
                or (self._online is not None and user not in self._online)
            ):
                heapq.heappop(heads)
            elif self._by_user.get(user, 0) >= group.slots_a_user:
                self._held.setdefault(user, []).append((name, heapq.heappop(heads)))
            else:
                return turn
        return None

    def _first(self, key: _Key) -> Upload | None:
        """The first file of a line that is still there, in this play."""
        line = self._queue._lines.get(key)
        if line is None:
            return None
        at = self._at.get(key, 0)
        waiting = self._queue._waiting
        while at < len(line.files):
            one = line.files[at]
            if waiting.get((one.user, one.path)) is one:
                self._at[key] = at
                return one
            at += 1
        self._at[key] = at
        return None

    def _turn(self, user: str, name: str, order: int) -> _Turn:
        queue = self._queue
        if queue._group(name).discipline is not Discipline.ROUND_ROBIN:
            return 0, order, user
        served = self._served.get(user)
        return (queue._served.get(user, 0) if served is None else served), order, user

    def _push(self, line: _Line) -> None:
        first = self._first((line.user, line.group))
        if first is not None:
            heapq.heappush(self._heads.setdefault(line.group, []), self._turn(line.user, line.group, first.order))


def leecher(*, files: int, folders: int, least_files: int, least_folders: int) -> bool:
    """Whether a user shares less than is asked of everybody, by what the server tells of them."""
    return files < least_files or folders < least_folders


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
