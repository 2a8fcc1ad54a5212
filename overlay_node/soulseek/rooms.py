"""Rooms: in those that somebody wants, out of the others; lines, members, the server's list.

A wish is a row and survives everything; after each login we join anew. What the server refuses is said in words and not tried again until somebody asks again
or the session is another. Lines of the ignored are not kept.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from apps.domain.contracts.soulseek_people import LineHeard, RoomReport, RoomTold
from apps.domain.errors import DomainError
from apps.domain.soulseek.people import MAX_MEMBERS, MAX_NAME, MAX_ROOMS, Pace, heard, room_name, said
from overlay_node.soulseek.people_rows import PeopleRows
from overlay_node.soulseek.plane import Part
from overlay_node.soulseek.ports import PlaneContext
from overlay_node.soulseek.presence import STATUS, session_of
from overlay_node.soulseek.standing import Standings

if TYPE_CHECKING:
    from overlay_node.soulseek.client import SoulseekClient

log = logging.getLogger(__name__)

WANTED_S: Final = 5.0
"""Wishes are read so often without a wake-up."""
REPORT_S: Final = 2.0
"""A room's members are written at most so often."""
ANSWER_S: Final = 20.0
"""The server lets in or refuses by then, or says nothing."""
AGAIN_S: Final = 600.0
"""A room of which the server said nothing is tried again."""
SAY_S: Final = 4.0
MAX_WAITING: Final = 5000
BATCH: Final = 200
MAX_PACES: Final = 5000


@dataclass(slots=True)
class _Room:
    """A room that is wanted, as far as the server answered. Mutable."""

    asked_at: float
    here: bool = False
    private: bool = False
    code: str = ""
    users: dict[str, str] = field(default_factory=dict)
    dirty: bool = True
    written_at: float = float("-inf")


class RoomsPart(Part):
    """See the module. `paced` counts what we say, and refuses too much (`PeoplePart.paced`)."""

    def __init__(
        self, context: PlaneContext, rows: PeopleRows, standings: Standings, *, paced: Callable[[], None]
    ) -> None:
        self._context, self._rows, self._standings, self._paced = context, rows, standings, paced
        self._client: SoulseekClient | None = None
        self._rooms: Final[dict[str, _Room]] = {}
        self._left: Final[set[str]] = set()
        self._lines: Final[deque[LineHeard]] = deque()
        self._paces: dict[str, Pace] = {}
        self._list: tuple[RoomTold, ...] | None = None
        self._next_wanted = 0.0
        self._reading = False
        self._writing = False
        self._not_before = 0.0
        self._counts: Final = {"heard": 0, "dropped": 0}
        context.errands.register("soulseek_room_say", self._say)
        context.errands.register("soulseek_rooms", self._ask_list)

    # ---- life

    def attach(self, client: SoulseekClient) -> None:
        """Listen."""
        from aioslsk import events

        client.events.register(events.RoomListEvent, self._on_list)
        client.events.register(events.RoomJoinedEvent, self._on_joined)
        client.events.register(events.RoomLeftEvent, self._on_left)
        client.events.register(events.RoomMessageEvent, self._on_line)
        client.events.register(events.UserStatusUpdateEvent, self._on_status)
        client.events.register(events.MessageReceivedEvent, self._on_message)

    async def online(self, client: SoulseekClient) -> None:
        """Join what is wanted, and ask for the whole list: that of the login has the big rooms only."""
        from aioslsk.exceptions import AioSlskException
        from aioslsk.protocol.messages import RoomList

        self._rooms.clear()
        self._left.clear()
        self._client = client
        self._next_wanted = 0.0
        try:
            await client.network.send_server_messages(RoomList.Request())
        except AioSlskException as error:
            log.info("rooms_not_asked error=%s", error)

    async def offline(self, code: str) -> None:
        """In no room; `PeoplePart` has written that."""
        del code
        self._client = None
        self._rooms.clear()
        self._left.clear()

    async def stop(self) -> None:
        """Write the last lines."""
        if not self._writing:
            self._writing = True
            await self._write()

    def wake(self) -> None:
        """Wishes may have changed."""
        self._next_wanted = 0.0

    def tick(self, now: float) -> None:
        """Read wishes, write what was heard."""
        if self._client is not None and now >= self._next_wanted and not self._reading:
            self._reading, self._next_wanted = True, now + WANTED_S
            self._context.spawn(self._follow(), "rooms wanted")
        for room in self._rooms.values():
            if not room.here and not room.code and now - room.asked_at > ANSWER_S:
                room.code, room.dirty = "room_no_answer", True
        due = (
            self._list is not None
            or self._lines
            or self._left
            or any(self._due(one, now) for one in self._rooms.values())
        )
        if due and not self._writing and now >= self._not_before:
            self._writing = True
            self._context.spawn(self._write(), "rooms")

    def metrics(self) -> Mapping[str, float]:
        """See `Part.metrics`."""
        counts = {f"slskdn_soulseek_room_lines_{name}_total": float(count) for name, count in self._counts.items()}
        return {**counts, "slskdn_soulseek_rooms": float(sum(1 for one in self._rooms.values() if one.here))}

    # ---- wishes

    async def _follow(self) -> None:
        from aioslsk.commands import JoinRoomCommand, LeaveRoomCommand
        from aioslsk.exceptions import AioSlskException

        try:
            wanted = await self._rows.rooms_wanted()
            client, now = self._client, self._context.clock()
            if client is None:
                return
            for name in wanted:
                room = self._rooms.get(name)
                again = room is not None and room.code == "room_no_answer" and now - room.asked_at > AGAIN_S
                if room is None or again:
                    self._rooms[name] = _Room(asked_at=now)
                    self._left.discard(name)
                    await client.execute(JoinRoomCommand(name))
            for name in set(self._rooms) - set(wanted):
                if self._rooms.pop(name).here:
                    await client.execute(LeaveRoomCommand(name))
                self._left.add(name)
        except DomainError as error:
            log.warning("rooms_wanted_not_read code=%s", error.code)
        except AioSlskException as error:
            log.info("rooms_not_joined error=%s", error)
        finally:
            self._reading = False

    async def _say(self, payload: Mapping[str, object]) -> Mapping[str, object]:
        """`{room, text}`: said when the server says it back to us, as to everybody there."""
        from aioslsk.commands import RoomMessageCommand
        from aioslsk.exceptions import AioSlskException

        name, text = room_name(str(payload["room"])), said(str(payload["text"]))
        client = session_of(self._client)
        room = self._rooms.get(name)
        if room is None or not room.here:
            raise DomainError("We are not in this room.", code="room_not_here", room=name)
        self._paced()
        try:
            await client.execute(RoomMessageCommand(name, text), response=True, timeout=SAY_S)
        except (AioSlskException, TimeoutError) as error:
            raise DomainError("The server did not pass it on.", code="room_not_said", retryable=True) from error
        await self._flush()
        return {}

    async def _ask_list(self, _payload: Mapping[str, object]) -> Mapping[str, object]:
        """`{}`: the server's list, anew."""
        from aioslsk.commands import GetRoomListCommand
        from aioslsk.exceptions import AioSlskException

        client = session_of(self._client)
        try:
            rooms = await client.execute(GetRoomListCommand(), response=True, timeout=SAY_S)
        except (AioSlskException, TimeoutError) as error:
            raise DomainError("The server did not answer.", code="soulseek_silent", retryable=True) from error
        await self._flush()
        return {"rooms": len(rooms or ())}

    # ---- what the server says

    def _on_list(self, event: Any) -> None:
        told = event.raw_message
        rooms = [(name, count, False) for name, count in zip(told.rooms, told.rooms_user_count, strict=False)]
        rooms += [
            (name, count, True) for name, count in zip(told.rooms_private, told.rooms_private_user_count, strict=False)
        ]
        rooms += [
            (name, count, True)
            for name, count in zip(told.rooms_private_owned, told.rooms_private_owned_user_count, strict=False)
        ]
        rooms.sort(key=lambda one: -one[1])
        known = {
            name: RoomTold(name=name, members=count, private=private) for name, count, private in rooms[:MAX_ROOMS]
        }
        self._list = tuple(one for name, one in known.items() if name and len(name) <= MAX_NAME and "\0" not in name)

    def _on_joined(self, event: Any) -> None:
        room = self._rooms.get(event.room.name)
        if room is None:
            return
        if event.user is not None:
            room.users[str(event.user.name)] = STATUS.get(event.user.status.value, "offline")
        else:
            room.here, room.code, room.private = True, "", bool(event.room.private)
            room.users = {str(one.name): STATUS.get(one.status.value, "offline") for one in event.room.users}
        room.dirty = True

    def _on_left(self, event: Any) -> None:
        room = self._rooms.get(event.room.name)
        if room is None:
            return
        if event.user is not None:
            room.users.pop(str(event.user.name), None)
        elif room.here:
            room.here, room.code, room.users = False, "room_left_by_server", {}
        room.dirty = True

    def _on_status(self, event: Any) -> None:
        name, status = str(event.raw_message.username), STATUS.get(event.raw_message.status, "offline")
        for room in self._rooms.values():
            if room.users.get(name, status) != status:
                room.users[name], room.dirty = status, True

    def _on_message(self, event: Any) -> None:
        from aioslsk.protocol.messages import CannotCreateRoom

        if isinstance(event.message, CannotCreateRoom.Response):
            room = self._rooms.get(event.message.room)
            if room is not None:
                room.here, room.code, room.dirty = False, "room_refused", True

    def _on_line(self, event: Any) -> None:
        name, user = str(event.message.room.name), str(event.message.user.name)
        ours = user == self._context.config.username
        if name not in self._rooms or len(user) > MAX_NAME:
            return
        if not ours and not self._audible(user):
            self._counts["dropped"] += 1
            return
        self._counts["heard"] += 1
        text = heard(str(event.message.message))
        self._lines.append(
            LineHeard(room=name, user=heard(user, most=MAX_NAME), text=text, at=self._context.wall(), ours=ours)
        )

    def _audible(self, user: str) -> bool:
        if not self._standings.ready or self._standings.standing(user).ignored or len(self._lines) >= MAX_WAITING:
            return False
        if len(self._paces) >= MAX_PACES and user not in self._paces:
            self._paces.clear()
        return self._paces.setdefault(user, Pace(burst=60, per_s=1)).take(self._context.clock()) == 0

    # ---- rows

    @staticmethod
    def _due(room: _Room, now: float) -> bool:
        return room.dirty and (now - room.written_at >= REPORT_S or not room.here)

    async def _flush(self) -> None:
        """Write now; when a write is under way, it takes along what there is."""
        if not self._writing:
            self._writing = True
            await self._write()

    async def _write(self) -> None:
        try:
            if self._list is not None:
                listed, self._list = self._list, None
                await self._rows.rooms_listed(listed)
            await self._report()
            while self._lines:
                batch = [self._lines[place] for place in range(min(BATCH, len(self._lines)))]
                await self._rows.lines_write(batch)
                for _ in batch:
                    self._lines.popleft()
        except DomainError as error:
            log.warning("rooms_not_written code=%s", error.code)
            self._not_before = self._context.clock() + 1.0
        finally:
            self._writing = False

    async def _report(self) -> None:
        now = self._context.clock()
        due = {name: room for name, room in self._rooms.items() if self._due(room, now)}
        left = set(self._left)
        reports = [RoomReport(name=name, here=False) for name in left]
        for name, room in due.items():
            room.dirty, room.written_at = False, now
            users = tuple(sorted(room.users.items(), key=lambda pair: pair[0].casefold())[:MAX_MEMBERS])
            reports.append(
                RoomReport(
                    name=name,
                    here=room.here,
                    members=len(room.users),
                    private=room.private,
                    users=tuple((heard(user, most=MAX_NAME), status) for user, status in users),
                    code=room.code,
                )
            )
        if not reports:
            return
        try:
            await self._rows.rooms_report(reports)
        except DomainError:
            for room in due.values():
                room.dirty = True
            raise
        self._left.difference_update(left)
