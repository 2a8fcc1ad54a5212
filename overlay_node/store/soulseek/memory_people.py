"""Rows of messages, rooms and users in memory. Passes the same contract tests as `people`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from apps.domain.contracts.soulseek_people import (
    LineHeard,
    MessageHeard,
    RoomReport,
    RoomTold,
    ShareTold,
    UserInfo,
    UserTold,
)
from apps.domain.soulseek.people import KEPT_LINES


@dataclass(slots=True)
class MemoryPeopleRows:
    """See `overlay_node.soulseek.people_rows.PeopleRows`. `wanted` and `watched` are the control plane's to change."""

    wanted: list[str] = field(default_factory=list)
    watched: list[str] = field(default_factory=list)
    messages: list[MessageHeard] = field(default_factory=list)
    listed: dict[str, RoomTold] = field(default_factory=dict)
    rooms: dict[str, RoomReport] = field(default_factory=dict)
    lines: list[LineHeard] = field(default_factory=list)
    users: dict[str, UserTold] = field(default_factory=dict)
    infos: dict[str, UserInfo] = field(default_factory=dict)
    shares: dict[str, ShareTold] = field(default_factory=dict)
    last_id: int = 0

    async def begin(self) -> None:
        """No session."""
        self.rooms = {name: dataclasses.replace(one, here=False, users=()) for name, one in self.rooms.items()}
        self.users = {name: dataclasses.replace(one, status="") for name, one in self.users.items()}

    async def rooms_wanted(self) -> tuple[str, ...]:
        """Rooms to be in."""
        return tuple(self.wanted)

    async def users_watched(self) -> tuple[str, ...]:
        """Users whose presence is shown."""
        return tuple(dict.fromkeys((*self.watched, *reversed([one.user for one in self.messages]))))

    async def messages_write(self, messages: Sequence[MessageHeard]) -> tuple[int | None, ...]:
        """Private messages."""
        ids: list[int | None] = []
        for one in messages:
            there = one.server_id is not None and any(
                (one.user, one.server_id, one.at) == (old.user, old.server_id, old.at) for old in self.messages
            )
            if there:
                ids.append(None)
                continue
            self.messages.append(one)
            self.last_id += 1
            ids.append(self.last_id)
        return tuple(ids)

    async def rooms_listed(self, rooms: Sequence[RoomTold]) -> None:
        """The server's list."""
        self.listed = {one.name: one for one in rooms}

    async def rooms_report(self, reports: Sequence[RoomReport]) -> None:
        """How rooms stand."""
        self.rooms |= {one.name: one for one in reports}

    async def lines_write(self, lines: Sequence[LineHeard]) -> None:
        """Lines of rooms."""
        self.lines.extend(lines)
        for room in {one.room for one in lines}:
            here = [one for one in self.lines if one.room == room]
            beyond = {id(one) for one in here[:-KEPT_LINES]}
            self.lines = [one for one in self.lines if id(one) not in beyond]

    async def users_told(self, told: Iterable[UserTold]) -> None:
        """What the server said."""
        for one in told:
            known = {key: value for key, value in dataclasses.asdict(one).items() if value is not None}
            self.users[one.name] = dataclasses.replace(self.users.get(one.name, one), **known)

    async def user_info_write(self, info: UserInfo) -> None:
        """What they say of themselves."""
        self.infos[info.name] = info

    async def share_write(self, told: ShareTold) -> None:
        """Their list of files."""
        self.shares[told.name] = told

    async def people_forget(self, *, shares_before: datetime, users_before: datetime) -> tuple[int, int]:
        """What is old."""
        old = [name for name, one in self.shares.items() if one.at < shares_before]
        for name in old:
            del self.shares[name]
        gone = [
            name
            for name, one in self.users.items()
            if one.at < users_before and not one.status and name not in self.shares
        ]
        for name in gone:
            del self.users[name]
        return len(old), len(gone)
