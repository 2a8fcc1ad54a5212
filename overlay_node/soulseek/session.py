"""One session with the Soulseek server, kept: the edge between `SessionKeeper` (which decides) and the client (which connects).

Obeys the intent row (online, away, "connect again"), reads the password afresh for each login, notices a server that is silent, and tells how it stands:
one row, written when something changed and at most once a second, with what happened.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from apps.domain.contracts.soulseek_session import IntentWork, SessionHappening, SessionReport
from apps.domain.errors import DomainError, Param
from apps.domain.soulseek.session import Health, Phase, SessionKeeper, SessionState
from overlay_node.soulseek.ports import Credentials, CredentialsSource, PlaneContext

if TYPE_CHECKING:
    from overlay_node.soulseek.client import Account, SoulseekClient

log = logging.getLogger(__name__)

INTENT_S: Final = 5.0
"""The intent row is read so often without a wake-up."""
RECORD_S: Final = 1.0
"""The session's row is written at most so often."""
PORT_S: Final = 60.0
"""A port that was taken is tried again so often."""
MAX_HAPPENINGS: Final = 200
"""Not yet written; older ones are lost when the database is away for long."""
MAX_SAID: Final = 2000
"""Characters of an operator's message that are kept."""


class Session:
    """See the module. For the loop's thread. `off_code` not empty: the plane is off, for this reason, whatever the intent says."""

    def __init__(
        self,
        context: PlaneContext,
        *,
        credentials: CredentialsSource,
        off_code: str,
        make_client: Callable[[Account], SoulseekClient] | None,
        attached: Callable[[SoulseekClient], None],
        online: Callable[[SoulseekClient], Awaitable[None]],
        offline: Callable[[str], Awaitable[None]],
    ) -> None:
        self.client: SoulseekClient | None = None
        self._context: Final = context
        self._credentials: Final = credentials
        self._off_code: Final = off_code
        self._make_client: Final = make_client
        self._attached: Final = attached
        self._tell_online: Final = online
        self._tell_offline: Final = offline
        self._keeper: Final = SessionKeeper(now=context.clock(), first_pause_s=context.config.first_pause_s)
        self._keeper.stop(off_code or "soulseek_not_started")
        self._intent: IntentWork | None = None
        self._next_intent = 0.0
        self._reading_intent = False
        self._started = False
        self._stopped = False
        self._attempt: asyncio.Task[None] | None = None
        self._ending = 0
        self._online = False
        self._telling: Final = asyncio.Lock()
        self._away_now = False
        self._address = ""
        self._since: datetime | None = None
        self._retry: tuple[float, datetime] | None = None
        self._heard = 0.0
        self._probed: float | None = None
        self._next_port = 0.0
        self._opening_port = False
        self._happenings: deque[SessionHappening] = deque(maxlen=MAX_HAPPENINGS)
        self._written: SessionReport | None = None
        self._next_record = 0.0
        self._recording = False
        context.errands.register("soulseek_session", self._told)
        self._counts: Final = {"logins": 0, "refusals": 0, "losses": 0, "attempts": 0}

    # ---- what others ask

    @property
    def is_online(self) -> bool:
        """We are logged in."""
        return self._online

    @property
    def has_account(self) -> bool:
        """Somebody wants the plane and gave what it needs: what hybrid mode acts by."""
        return not self._off_code and self.state().code != "soulseek_no_password"

    def state(self) -> SessionState:
        """Phase, health and why."""
        return self._keeper.state(self._context.clock())

    def report(self) -> Mapping[str, object]:
        """For the heartbeat."""
        state = self.state()
        return {
            "phase": state.phase.value,
            "health": state.health.value,
            "code": state.code,
            "params": dict(state.params),
            "username": self._context.config.username,
            "listening_port": self._listening_port(),
        }

    def metrics(self) -> Mapping[str, float]:
        """See `Part.metrics`."""
        rank = {Health.OFF: 0, Health.UNAVAILABLE: 1, Health.DEGRADED: 2, Health.HEALTHY: 3}
        return {
            "slskdn_soulseek_online": float(self._online),
            "slskdn_soulseek_health": float(rank[self.state().health]),
            **{f"slskdn_soulseek_{name}_total": float(count) for name, count in self._counts.items()},
        }

    # ---- life

    async def start(self) -> None:
        """Read what an earlier session left, and what people want."""
        board = self._context.board
        try:
            kept = await self._context.rows.session.kept()
            board.search_starts, board.last_ticket = kept.search_starts, kept.last_ticket
            board.wishlist_interval_s, board.excluded = kept.wishlist_interval_s, kept.excluded
        except DomainError as error:
            log.warning("session_not_restored code=%s", error.code)
        self._started = True
        await self._read_intent()
        await self._record()

    async def stop(self) -> None:
        """End the session, the connections, the client; write that it is over."""
        self._stopped = True
        await self._end("soulseek_node_stopped")
        if self.client is not None:
            try:
                async with asyncio.timeout(2.0):
                    await self.client.stop()
            except TimeoutError:
                log.warning("soulseek_client_stop_cut_short")
        await self._record()

    def wake(self) -> None:
        """The intent may have changed."""
        self._next_intent = 0.0

    def tick(self, now: float) -> None:
        """Each 0.25 s."""
        if self._stopped:
            return
        if now >= self._next_intent and not self._reading_intent:
            self._next_intent = now + INTENT_S
            self._reading_intent = True
            self._context.spawn(self._read_intent(), "soulseek-intent")
        if not self._ending and self._keeper.due(now):
            self._attempt = asyncio.get_running_loop().create_task(self._connect(), name="soulseek-login")
        if self._online:
            self._listen_to(now)
        if now >= self._next_record and not self._recording:
            self._recording = True
            self._context.spawn(self._record(), "soulseek-session-row")

    # ---- what people want

    async def _read_intent(self) -> None:
        try:
            intent = await self._context.rows.session.intent()
        except DomainError as error:
            log.warning("intent_not_read code=%s", error.code)
            return
        finally:
            self._reading_intent = False
        before, self._intent = self._intent, intent
        if self._stopped or self._off_code:
            return
        phase = self._keeper.state(self._context.clock()).phase
        if not intent.online:
            if before is None or phase is not Phase.IDLE:
                await self._end("soulseek_disconnected")
        elif before is None or not before.online:
            self._keeper.start(self._context.clock())
        elif intent.generation > before.generation:
            await self._end("soulseek_connecting", again=True)
        if self._online and intent.away != self._away_now:
            await self._set_away(intent.away)

    async def _set_away(self, away: bool) -> None:  # noqa: FBT001
        from aioslsk.commands import SetStatusCommand
        from aioslsk.exceptions import AioSlskException
        from aioslsk.user.model import UserStatus

        if self.client is None:
            return
        try:
            await self.client.execute(SetStatusCommand(UserStatus.AWAY if away else UserStatus.ONLINE))
        except AioSlskException as error:  # the session ended meanwhile: the next one begins with it
            log.info("away_not_set error=%s", error)
            return
        self._away_now = away
        self._happened("away" if away else "back")

    # ---- connecting

    async def _connect(self) -> None:
        """One attempt, from the secret to the login. Whatever comes of it is told to the keeper."""
        self._counts["attempts"] += 1
        clock, rng = self._context.clock, self._context.rng
        try:
            client = await self._ready_client()
        except DomainError as error:
            if error.code == "soulseek_no_password":
                self._keeper.stop(error.code)
            else:
                self._keeper.barred(error.code, error.params, clock())
            self._happened("stopped", error.code, error.params)
            return
        from aioslsk.exceptions import AioSlskException, AuthenticationError, ConnectionFailedError

        connected = False
        try:
            await self._open_port(client)
            async with asyncio.timeout(self._context.config.login_s):
                await client.network.connect_server()
                connected = True
                self._heard = clock()
                await client.login()
            if client.session is None:  # closed in the same breath
                raise AioSlskException
        except AuthenticationError as error:
            self._counts["refusals"] += 1
            self._keeper.refused(str(error.reason), clock())
            self._happened("refused")
        except ConnectionFailedError as error:
            self._keeper.unreachable(clock(), jitter=rng.random(), error=_cause(error))
            self._happened("unreachable")
        except TimeoutError:
            code = "soulseek_silent" if connected else "soulseek_unreachable"
            self._keeper.unreachable(clock(), jitter=rng.random(), code=code)
            self._happened("unreachable")
        except (AioSlskException, OSError) as error:  # it closed the connection before it answered
            log.info("soulseek_login_ended error=%s", error)
            self._keeper.lost(clock(), jitter=rng.random())
            self._happened("lost")
        else:
            await self._logged_in(client)
            return
        await client.network.disconnect_server()

    async def _ready_client(self) -> SoulseekClient:
        """The client, with the password as it is now. Raises DomainError."""
        credentials = await asyncio.get_running_loop().run_in_executor(None, self._credentials)
        if self.client is not None:
            self.client.settings.credentials.password = credentials.password
            return self.client
        from overlay_node.soulseek.client import SoulseekClient

        client = (self._make_client or SoulseekClient)(self._account(credentials))
        self._register(client)
        self._attached(client)
        await client.start(connect=False)
        self.client = client
        return client

    def _account(self, credentials: Credentials) -> Account:
        from overlay_node.soulseek.client import Account

        config = self._context.config
        return Account(
            username=credentials.username,
            password=credentials.password,
            server_host=config.server_host,
            server_port=config.server_port,
            listen_host=config.listen_host,
            listen_port=config.listen_port,
            upnp=config.upnp,
            race=config.race,
        )

    async def _logged_in(self, client: SoulseekClient) -> None:
        now = self._context.clock()
        self._counts["logins"] += 1
        self._keeper.logged_in(now)
        self._online, self._away_now, self._probed, self._heard = True, False, None, now
        self._since, self._address = self._context.wall(), str(client.session.ip_address)
        log.info("soulseek_online server=%s port=%d", self._server(), self._listening_port())
        self._happened("connected")
        if self._intent is not None and self._intent.away:
            await self._set_away(away=True)
        async with self._telling:
            if self._online:
                await self._tell_online(client)

    async def _open_port(self, client: SoulseekClient) -> None:
        """Open the port for other users. One that is taken hinders us, and is tried again; it does not keep us from the server."""
        from aioslsk.exceptions import ConnectionFailedError
        from aioslsk.network.connection import ConnectionState

        listening = client.network.listening_connections[0]
        if listening is None or listening.state == ConnectionState.CONNECTED:
            self._keeper.unhindered()
            return
        try:
            await listening.connect()
        except ConnectionFailedError as error:
            port = self._context.config.listen_port
            self._keeper.hindered("soulseek_port_taken", {"port": port, "error": _cause(error)})
            self._next_port = self._context.clock() + PORT_S
            log.warning("soulseek_port_taken port=%d error=%s", port, _cause(error))
        else:
            self._keeper.unhindered()

    async def _open_port_again(self, client: SoulseekClient) -> None:
        from aioslsk.exceptions import AioSlskException

        try:
            await self._open_port(client)
            if self._online and self._listening_port():
                await client.network.advertise_listening_ports()
        except AioSlskException as error:
            log.info("soulseek_port_not_told error=%s", error)
        finally:
            self._opening_port = False

    # ---- ending

    async def _end(self, code: str, *, again: bool = False) -> None:
        """A person's or the node's will: no attempt goes on, all connections close, also those with other users. `again`: and then a new attempt."""
        attempt, self._attempt = self._attempt, None
        if attempt is not None and not attempt.done():
            attempt.cancel()
            await asyncio.gather(attempt, return_exceptions=True)
        was_idle = self._keeper.state(self._context.clock()).phase is Phase.IDLE
        self._keeper.stop(self._off_code or code)
        if again:  # before anything is waited for: whoever wants it offline meanwhile has the last word
            self._keeper.start(self._context.clock())
        if self._online:
            self._offline(code)
        if not was_idle:
            self._happened("disconnected", code, {})
        if self.client is not None:
            self._ending += 1
            try:
                await self.client.network.disconnect()
            finally:
                self._ending -= 1

    def _offline(self, code: str) -> None:
        self._online, self._since, self._away_now = False, None, False

        async def tell() -> None:
            async with self._telling:
                await self._tell_offline(code)

        if self._stopped:  # parts have been stopped, and need not hear it
            return
        self._context.spawn(tell(), "soulseek-offline")

    def _listen_to(self, now: float) -> None:
        """Is the server still there? TCP alone would notice a dead one after minutes."""
        client = self.client
        if client is None:
            return
        config = self._context.config
        if self._probed is not None and now - self._probed >= config.probe_s:
            self._probed = None
            self._context.spawn(self._drop_silent(client), "soulseek-silent")
        elif self._probed is None and now - self._heard >= config.quiet_s:
            self._probed = now
            self._context.spawn(self._probe(client), "soulseek-probe")
        if self._next_port and now >= self._next_port and not self._opening_port:
            self._next_port, self._opening_port = 0.0, True
            self._context.spawn(self._open_port_again(client), "soulseek-port")

    async def _probe(self, client: SoulseekClient) -> None:
        """Ask something that every server answers."""
        from aioslsk.exceptions import AioSlskException
        from aioslsk.protocol.messages import GetUserStatus

        try:
            await client.network.send_server_messages(GetUserStatus.Request(self._context.config.username))
        except AioSlskException as error:
            log.debug("probe_not_sent error=%s", error)

    async def _drop_silent(self, client: SoulseekClient) -> None:
        if not self._online:
            return
        log.warning("soulseek_silent")
        self._keeper.unreachable(self._context.clock(), jitter=self._context.rng.random(), code="soulseek_silent")
        self._counts["losses"] += 1
        self._happened("lost")
        self._offline("soulseek_silent")
        await client.network.disconnect_server()

    # ---- what the server says (aioslsk keeps weak references: bound methods only)

    def _register(self, client: SoulseekClient) -> None:
        from aioslsk import events

        client.events.register(events.KickedEvent, self._on_kicked)
        client.events.register(events.ConnectionStateChangedEvent, self._on_connection)
        client.events.register(events.MessageReceivedEvent, self._on_message)
        client.events.register(events.AdminMessageEvent, self._on_said)
        client.events.register(events.PrivilegesUpdateEvent, self._on_privileges)

    def _on_kicked(self, _event: Any) -> None:
        self._keeper.kicked(self._context.clock())
        self._happened("kicked")

    def _on_connection(self, event: Any) -> None:
        client = self.client
        if client is None or event.connection is not client.network.server_connection:
            return
        if event.state.name != "CLOSED" or not self._online:
            return
        self._counts["losses"] += 1
        self._keeper.lost(self._context.clock(), jitter=self._context.rng.random())
        state = self.state()
        log.info("soulseek_offline code=%s reason=%s", state.code, getattr(event.close_reason, "name", ""))
        if state.phase is not Phase.STOPPED:
            self._happened("lost")
        self._offline(state.code)

    def _on_message(self, event: Any) -> None:
        client = self.client
        if client is None or event.connection is not client.network.server_connection:
            return
        self._heard, self._probed = self._context.clock(), None
        name = type(event.message).__qualname__
        if name == "WishlistInterval.Response":
            self._context.board.wishlist_interval_s = max(1, int(event.message.interval))
        elif name == "ExcludedSearchPhrases.Response":
            self._context.board.excluded = tuple(str(one)[:200] for one in event.message.phrases)[:1000]

    def _on_said(self, event: Any) -> None:
        self._happened("server_said", "", {"text": str(event.message)[:MAX_SAID]})

    def _on_privileges(self, event: Any) -> None:
        self._context.board.privileged_s = max(0, int(event.time_left))

    # ---- telling

    async def _told(self, _payload: Mapping[str, object]) -> Mapping[str, object]:
        """The errand `soulseek_session`: how it stands at this moment, where the row is up to a second old."""
        return self.report()

    def _happened(self, kind: str, code: str | None = None, params: Mapping[str, Param] | None = None) -> None:
        """Keep it for the next write; without `code`, with the keeper's reason."""
        if code is None:
            state = self.state()
            code, params = state.code, state.params
        self._happenings.append(
            SessionHappening(kind=kind, at=self._context.wall(), code=code, params=dict(params or {}))
        )
        self._next_record = min(self._next_record, self._context.clock())

    async def _record(self) -> None:
        report = self._row()
        happenings = list(self._happenings)
        changed = report if report != self._written else None
        self._next_record = self._context.clock() + RECORD_S
        try:
            if changed is not None or happenings:
                await self._context.rows.session.record(changed, happenings)
                self._written = report
                for _ in happenings:
                    self._happenings.popleft()
        except DomainError as error:
            log.warning("session_not_written code=%s", error.code)
        finally:
            self._recording = False

    def _row(self) -> SessionReport:
        state = self.state()
        if state.retry_at is None:
            self._retry = None
        elif self._retry is None or self._retry[0] != state.retry_at:
            in_s = max(0.0, state.retry_at - self._context.clock())
            self._retry = state.retry_at, self._context.wall() + timedelta(seconds=in_s)
        board = {one.name: getattr(self._context.board, one.name) for one in dataclasses.fields(self._context.board)}
        return SessionReport(
            phase=state.phase,
            health=state.health,
            code=state.code,
            params=state.params,
            username=self._context.config.username,
            server=self._server(),
            address=self._address if self._online else "",
            listening_port=self._listening_port(),
            away=self._away_now,
            since=self._since,
            retry_at=self._retry[1] if self._retry is not None else None,
            **board,
        )

    def _server(self) -> str:
        return f"{self._context.config.server_host}:{self._context.config.server_port}"

    def _listening_port(self) -> int:
        return int(self.client.network.get_listening_ports()[0]) if self.client is not None else 0


def _cause(error: BaseException) -> str:
    """The reason under the library's wrapping, in a few words."""
    found = error.__cause__ or error
    return (str(found) or type(found).__name__)[:200]
