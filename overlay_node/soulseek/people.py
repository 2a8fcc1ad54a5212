"""Private messages, and what is known of users.

A message that came is acknowledged to the server when its row is written, not before: what a crash swallowed is sent again at the next login, and the row's
key keeps it single. The ignored are acknowledged and not kept. Messages of ours are commands: sent at a calm pace, written, answered.
"""

from __future__ import annotations

import dataclasses
import logging
from collections import OrderedDict, deque
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from apps.domain.contracts.soulseek_people import MessageHeard, UserInfo, UserTold
from apps.domain.errors import DomainError
from apps.domain.soulseek.people import MAX_DESCRIPTION, MAX_NAME, Pace, heard, picture_type, said, user_name
from overlay_node.soulseek.people_rows import PeopleRows
from overlay_node.soulseek.plane import Part
from overlay_node.soulseek.ports import PlaneContext
from overlay_node.soulseek.presence import STATUS, session_of, user_watched
from overlay_node.soulseek.standing import Standings

if TYPE_CHECKING:
    from overlay_node.soulseek.client import SoulseekClient

log = logging.getLogger(__name__)

WATCH_S: Final = 30.0
"""Whose presence is shown is looked at so often without a wake-up."""
ASKED_PER_TICK: Final = 20
TOLD_S: Final = 1.0
"""What the server says of users is written so often."""
RETRY_S: Final = 1.0
FORGET_S: Final = 3600.0
USERS_DAYS: Final = 180
"""Users of whom nothing was heard for so long, and who gave nothing, are forgotten."""
INFO_S: Final = 20.0
BATCH: Final = 100
MAX_WAITING: Final = 5000
"""Messages that are not written yet; more are not taken, and the server sends them again."""
MAX_WATCHED: Final = 500
MAX_PACES: Final = 2000


class PeoplePart(Part):
    """See the module."""

    def __init__(self, context: PlaneContext, rows: PeopleRows, standings: Standings, *, pace: Pace) -> None:
        self._context, self._rows, self._standings, self._pace = context, rows, standings, pace
        self._client: SoulseekClient | None = None
        self._heard: Final[deque[Any]] = deque()
        self._writing = False
        self._not_before = 0.0
        self._paces: dict[str, Pace] = {}
        self._watched: Final[OrderedDict[str, str]] = OrderedDict()
        self._to_watch: Final[deque[str]] = deque()
        self._told: dict[str, UserTold] = {}
        self._next_told = 0.0
        self._telling = False
        self._next_watch = 0.0
        self._looking = False
        self._next_forget = 0.0
        self._counts: Final = {"received": 0, "repeated": 0, "ignored": 0, "sent": 0}
        context.errands.register("soulseek_message", self._say)
        context.errands.register("soulseek_user", self._look)

    # ---- life

    async def start(self) -> None:
        """Nobody is known to be there."""
        await self._begin()

    def attach(self, client: SoulseekClient) -> None:
        """Listen."""
        from aioslsk import events

        client.users.heard = self._came
        client.settings.credentials.info.description = self._context.config.description
        client.events.register(events.UserStatusUpdateEvent, self._on_status)
        client.events.register(events.MessageReceivedEvent, self._on_message)

    async def online(self, client: SoulseekClient) -> None:
        """Watch again: the server has forgotten."""
        self._client = client
        self._watched.clear()
        self._to_watch.clear()
        self._next_watch = 0.0

    async def offline(self, code: str) -> None:
        """Nobody's presence is known."""
        del code
        self._client = None
        self._told.clear()
        await self._begin()

    async def stop(self) -> None:
        """Write what came; it is acknowledged while the session stands."""
        self._not_before = 0.0
        if not self._writing:
            self._writing = True
            await self._write()

    def tick(self, now: float) -> None:
        """Write, watch, forget."""
        if self._heard and not self._writing and now >= self._not_before:
            self._writing = True
            self._context.spawn(self._write(), "messages")
        if self._told and not self._telling and now >= self._next_told:
            self._telling, self._next_told = True, now + TOLD_S
            self._context.spawn(self._tell(), "users told")
        if self._client is not None and now >= self._next_watch and not self._looking:
            self._looking, self._next_watch = True, now + WATCH_S
            self._context.spawn(self._look_whom(), "users watched")
        if self._to_watch and self._client is not None:
            names = [self._to_watch.popleft() for _ in range(min(ASKED_PER_TICK, len(self._to_watch)))]
            self._context.spawn(self._watch(self._client, names), "watch users")
        if now >= self._next_forget:
            self._next_forget = now + FORGET_S
            self._context.spawn(self._forget(), "forget people")

    def wake(self) -> None:
        """There may be a new buddy."""
        self._next_watch = 0.0

    def metrics(self) -> Mapping[str, float]:
        """See `Part.metrics`."""
        return {f"slskdn_soulseek_messages_{name}_total": float(count) for name, count in self._counts.items()}

    # ---- messages that come

    def _came(self, message: Any) -> None:
        """From the server's reader, which must not wait."""
        if len(self._heard) < MAX_WAITING:
            self._heard.append(message)

    async def _write(self) -> None:
        try:
            while self._heard and self._standings.ready:
                batch = [self._heard[place] for place in range(min(BATCH, len(self._heard)))]
                kept = [one for one in batch if self._wanted(one)]
                ids = await self._rows.messages_write([self._row(one) for one in kept]) if kept else ()
                for _ in batch:
                    self._heard.popleft()
                self._counts["received"] += sum(1 for one in ids if one is not None)
                self._counts["repeated"] += sum(1 for one in ids if one is None)
                self._counts["ignored"] += len(batch) - len(kept)
                await self._acknowledge([int(one.chat_id) for one in batch])
        except DomainError as error:
            log.warning("messages_not_written code=%s waiting=%d", error.code, len(self._heard))
        finally:
            self._not_before = self._context.clock() + (RETRY_S if self._heard else 0.0)
            self._writing = False

    def _wanted(self, message: Any) -> bool:
        """Not of the ignored, not one of a flood."""
        name = str(message.username)
        if not name or len(name) > MAX_NAME or self._standings.standing(name).ignored:
            return False
        if len(self._paces) >= MAX_PACES and name not in self._paces:
            self._paces.clear()
        pace = self._paces.setdefault(name, Pace(burst=300, per_s=1))
        if pace.take(self._context.clock()) > 0:
            log.warning("messages_flooded user=%r", name)
            return False
        return True

    def _row(self, message: Any) -> MessageHeard:
        return MessageHeard(
            user=heard(str(message.username), most=MAX_NAME),
            incoming=True,
            text=heard(str(message.message)),
            at=datetime.fromtimestamp(int(message.timestamp), UTC),
            server_id=int(message.chat_id),
            while_away=not message.is_direct,
        )

    async def _acknowledge(self, chat_ids: list[int]) -> None:
        from aioslsk.exceptions import AioSlskException
        from aioslsk.protocol.messages import PrivateChatMessageAck

        if self._client is None:  # the server will repeat them, and the rows are there
            return
        try:
            await self._client.network.send_server_messages(*(PrivateChatMessageAck.Request(one) for one in chat_ids))
        except AioSlskException as error:
            log.info("messages_not_acknowledged error=%s", error)

    # ---- messages of ours

    async def _say(self, payload: Mapping[str, object]) -> Mapping[str, object]:
        """`{user, text}` → `{id, status}`: `offline`, and the server gives it to them when they come."""
        from aioslsk.commands import PrivateMessageCommand
        from aioslsk.exceptions import AioSlskException

        name, text = user_name(str(payload["user"])), said(str(payload["text"]))
        client = session_of(self._client)
        status = self._watched.get(name) or await self._presence(client, name)
        self.paced()
        try:
            await client.execute(PrivateMessageCommand(name, text))
        except AioSlskException as error:
            raise DomainError("It could not be sent.", code="soulseek_not_online", retryable=True) from error
        (row_id,) = await self._rows.messages_write(
            [MessageHeard(user=name, incoming=False, text=text, at=self._context.wall())]
        )
        self._counts["sent"] += 1
        return {"id": row_id, "status": status}

    def paced(self) -> None:
        """Count something that we say. Raises DomainError when it was too much of late: servers ban who floods."""
        wait_s = self._pace.take(self._context.clock())
        if wait_s > 0:
            raise DomainError("That was fast.", code="chat_too_fast", retryable=True, seconds=max(1, round(wait_s)))

    # ---- users

    async def _presence(self, client: SoulseekClient, name: str) -> str:
        """Ask the server. Raises DomainError, `soulseek_user_unknown` too."""
        told = await user_watched(client, name)
        if not told.exists:
            raise DomainError("There is no such user.", code="soulseek_user_unknown", user=name)
        status = STATUS.get(told.status, "offline")
        self._remember(name, status)
        return status

    async def _look(self, payload: Mapping[str, object]) -> Mapping[str, object]:
        """`{user}`: ask the server, then the user. What they say is written; the answer tells whether they are there."""
        from aioslsk.commands import PeerGetUserInfoCommand
        from aioslsk.exceptions import AioSlskException

        name = user_name(str(payload["user"]))
        client = session_of(self._client)
        status = await self._presence(client, name)
        await self._tell()
        if status == "offline":
            raise DomainError("They are not online.", code="user_offline", retryable=True, user=name)
        try:
            info = await client.execute(PeerGetUserInfoCommand(name), response=True, timeout=INFO_S)
        except (AioSlskException, TimeoutError) as error:
            raise DomainError("They can't be reached.", code="person_unreachable", retryable=True, user=name) from error
        picture = bytes(info.picture or b"")
        await self._rows.user_info_write(
            UserInfo(
                name=name,
                at=self._context.wall(),
                description=heard(info.description, most=MAX_DESCRIPTION),
                picture=picture if picture_type(picture) else b"",
                upload_slots=info.upload_slots,
                free_slots=bool(info.has_slots_free),
                queue=info.queue_length,
            )
        )
        return {"status": status}

    def _remember(self, name: str, status: str) -> None:
        self._watched[name] = status
        self._watched.move_to_end(name)
        if len(self._watched) > MAX_WATCHED:
            self._watched.popitem(last=False)

    async def _look_whom(self) -> None:
        try:
            for name in await self._rows.users_watched():
                if name not in self._watched and name not in self._to_watch:
                    self._to_watch.append(name)
        except DomainError as error:
            log.warning("users_watched_not_read code=%s", error.code)
        finally:
            self._looking = False

    async def _watch(self, client: SoulseekClient, names: list[str]) -> None:
        from aioslsk.exceptions import AioSlskException
        from aioslsk.protocol.messages import AddUser

        try:
            for name in names:
                self._remember(name, "")
            await client.network.send_server_messages(*(AddUser.Request(name) for name in names))
        except AioSlskException as error:
            log.info("users_not_watched error=%s", error)

    def _on_message(self, event: Any) -> None:
        from aioslsk.protocol.messages import AddUser, GetUserStats

        told = event.message
        if isinstance(told, AddUser.Response) and told.exists:
            status = STATUS.get(told.status, "offline")
            if told.username in self._watched:
                self._watched[told.username] = status
            country = (told.country_code or "")[:2]
            self._tell_of(told.username, status=status, country=country or None, stats=told.user_stats)
        elif isinstance(told, GetUserStats.Response) and told.username in self._watched:
            self._tell_of(told.username, stats=told.user_stats)

    def _on_status(self, event: Any) -> None:
        name = str(event.raw_message.username)
        if name in self._watched:
            self._watched[name] = STATUS.get(event.raw_message.status, "offline")
            self._tell_of(name, status=self._watched[name])

    def _tell_of(self, name: str, *, status: str | None = None, country: str | None = None, stats: Any = None) -> None:
        if not name or len(name) > MAX_NAME:
            return
        changes: dict[str, Any] = {"status": status, "country": country}
        if stats is not None:
            changes |= {
                "speed_bps": stats.avg_speed,
                "files": min(stats.shared_file_count, 2**31 - 1),
                "folders": min(stats.shared_folder_count, 2**31 - 1),
            }
        known = {key: value for key, value in changes.items() if value is not None}
        now = self._context.wall()
        self._told[name] = dataclasses.replace(self._told.get(name) or UserTold(name=name, at=now), at=now, **known)

    async def _tell(self) -> None:
        told, self._told = self._told, {}
        try:
            if told:
                await self._rows.users_told(tuple(told.values()))
        except DomainError as error:
            log.warning("users_not_written code=%s", error.code)
            self._told = told | self._told
        finally:
            self._telling = False

    async def _begin(self) -> None:
        try:
            await self._rows.begin()
        except DomainError as error:
            log.warning("people_not_reset code=%s", error.code)

    async def _forget(self) -> None:
        now = self._context.wall()
        try:
            await self._rows.people_forget(
                shares_before=now - timedelta(hours=max(1, self._context.config.browse_cache_hours)),
                users_before=now - timedelta(days=USERS_DAYS),
            )
        except DomainError as error:
            log.warning("people_not_forgotten code=%s", error.code)
