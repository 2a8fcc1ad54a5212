"""The rows that messages, rooms and users need: a protocol, implemented over Django and in memory (`overlay_node/store/soulseek/people.py`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from apps.domain.contracts.soulseek_people import (
    LineHeard,
    MessageHeard,
    RoomReport,
    RoomTold,
    ShareTold,
    UserInfo,
    UserTold,
)


class PeopleRows(Protocol):
    """Each method raises DomainError `store_unavailable` when the database can't be reached."""

    async def begin(self) -> None:
        """There is no session: in no room, nobody's presence known."""

    async def rooms_wanted(self) -> tuple[str, ...]:
        """Rooms that somebody wants to be in."""

    async def users_watched(self) -> tuple[str, ...]:
        """Users whose presence is shown: buddies, and those with whom messages were exchanged."""

    async def messages_write(self, messages: Sequence[MessageHeard]) -> tuple[int | None, ...]:
        """Ids of private messages; None for one that was written before."""

    async def rooms_listed(self, rooms: Sequence[RoomTold]) -> None:
        """The server's list."""

    async def rooms_report(self, reports: Sequence[RoomReport]) -> None:
        """Rooms that we are in, left or were refused."""

    async def lines_write(self, lines: Sequence[LineHeard]) -> None:
        """Lines of rooms; the newest thousand of each stay."""

    async def users_told(self, told: Iterable[UserTold]) -> None:
        """What the server said of users."""

    async def user_info_write(self, info: UserInfo) -> None:
        """What a user says of themselves."""

    async def share_write(self, told: ShareTold) -> None:
        """Somebody's list of files."""

    async def people_forget(self, *, shares_before: datetime, users_before: datetime) -> tuple[int, int]:
        """Old lists of files, and users of whom nothing was heard; how many of each."""
