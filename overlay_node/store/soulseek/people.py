"""Rows of messages, rooms and users over Django."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from apps.domain.contracts.soulseek_people import (
    LineHeard,
    MessageHeard,
    RoomReport,
    RoomTold,
    ShareTold,
    UserInfo,
    UserTold,
)
from apps.soulseek import selectors_node_people as selectors
from apps.soulseek import services_node_people as services
from overlay_node.store.database_thread import DatabaseThread


class DjangoPeopleRows:
    """See `overlay_node.soulseek.people_rows.PeopleRows`."""

    def __init__(self, database: DatabaseThread) -> None:
        self._database: Final = database

    async def begin(self) -> None:
        """No session."""
        await self._database.run(services.rooms_begin)

    async def rooms_wanted(self) -> tuple[str, ...]:
        """Rooms to be in."""
        return await self._database.read(selectors.rooms_wanted)

    async def users_watched(self) -> tuple[str, ...]:
        """Users whose presence is shown."""
        return await self._database.read(selectors.users_watched)

    async def messages_write(self, messages: Sequence[MessageHeard]) -> tuple[int | None, ...]:
        """Private messages."""
        return await self._database.run(functools.partial(services.messages_write, messages))

    async def rooms_listed(self, rooms: Sequence[RoomTold]) -> None:
        """The server's list."""
        await self._database.run(functools.partial(services.rooms_listed, rooms))

    async def rooms_report(self, reports: Sequence[RoomReport]) -> None:
        """How rooms stand."""
        await self._database.run(functools.partial(services.rooms_report, reports))

    async def lines_write(self, lines: Sequence[LineHeard]) -> None:
        """Lines of rooms."""
        await self._database.run(functools.partial(services.lines_write, lines))

    async def users_told(self, told: Iterable[UserTold]) -> None:
        """What the server said."""
        await self._database.run(functools.partial(services.users_told, tuple(told)))

    async def user_info_write(self, info: UserInfo) -> None:
        """What they say of themselves."""
        await self._database.run(functools.partial(services.user_info_write, info))

    async def share_write(self, told: ShareTold) -> None:
        """Their list of files."""
        await self._database.run(functools.partial(services.share_write, told))

    async def people_forget(self, *, shares_before: datetime, users_before: datetime) -> tuple[int, int]:
        """What is old."""
        return await self._database.run(
            functools.partial(services.people_forget, shares_before=shares_before, users_before=users_before)
        )
