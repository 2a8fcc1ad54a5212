"""The Soulseek plane of a node: one client, one session, and the parts that use them.

A part is one topic (searches, downloads, shares, chat …). It registers its listeners and errands in `attach`, works while the session is `online`, and is
given the time every quarter of a second. Parts decide in pure cores; only their edges touch the client.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from apps.domain.soulseek.session import SessionState
from overlay_node.soulseek.ports import CredentialsSource, PlaneContext
from overlay_node.soulseek.session import Session

if TYPE_CHECKING:
    from overlay_node.soulseek.client import Account, SoulseekClient

log = logging.getLogger(__name__)

TICK_S: Final = 0.25
ERRANDS_S: Final = 1.0
"""Commands are looked for so often without a wake-up."""


class Part(Protocol):
    """One topic of the plane. Subclass it: what a part does not need does nothing.

    All methods are called from the loop's thread. An exception of one part is logged and disturbs no other.
    """

    async def start(self) -> None:
        """Once, before anything else: read rows that are needed from the beginning. There may never be a session."""
        return

    def attach(self, client: SoulseekClient) -> None:
        """Once, before the first connection: register listeners with `client.events` (bound methods: it keeps weak references)."""
        return

    async def online(self, client: SoulseekClient) -> None:
        """A session stands. Called after each login."""
        return

    async def offline(self, code: str) -> None:
        """The session ended, `code` says why (`apps.domain.soulseek.words`). Called once for each `online`; peers' connections may still stand."""
        return

    def tick(self, now: float) -> None:
        """Each 0.25 s, also without a session; monotonic seconds. Takes no longer than a few ms: longer work is spawned."""
        return

    def wake(self) -> None:
        """The control plane rang: rows may have changed."""
        return

    async def stop(self) -> None:
        """The node stops: write what is known. The client still stands."""
        return

    def metrics(self) -> Mapping[str, float]:
        """Counters and gauges, Prometheus names (`slskdn_soulseek_…`)."""
        return {}

    def report(self) -> Mapping[str, object]:
        """For the heartbeat's report, under `soulseek`; small, JSON."""
        return {}


ClientMaker = Callable[["Account"], "SoulseekClient"]
"""Makes the client of an account; the default is SoulseekClient itself. Whoever brings a shares manager of its own does it here."""


class SoulseekPlane:
    """See the module. Made also when the plane is off (`off_code`): it tells so in its row and answers what needs no session."""

    def __init__(
        self,
        context: PlaneContext,
        *,
        parts: Sequence[Part],
        credentials: CredentialsSource,
        off_code: str = "",
        make_client: ClientMaker | None = None,
    ) -> None:
        self.context: Final = context
        self.parts: Final = tuple(parts)
        self.session: Final = Session(
            context,
            credentials=credentials,
            off_code=off_code,
            make_client=make_client,
            attached=self._attached,
            online=self._online,
            offline=self._offline,
        )
        self._next_errands = 0.0

    @property
    def client(self) -> SoulseekClient | None:
        """The client, once there was a reason to make it; whether it is logged in says `online`."""
        return self.session.client

    @property
    def online(self) -> bool:
        """A session stands."""
        return self.session.is_online

    def state(self) -> SessionState:
        """Phase, health and why."""
        return self.session.state()

    async def start(self) -> None:
        """Begin: parts first, then commands, then the session."""
        for part in self.parts:
            await self._safely(part, "start", part.start())
        await self.context.errands.start()
        await self.session.start()
        self.context.spawn(self._run(), "soulseek")

    async def stop(self) -> None:
        """Parts write what they know, then the connections end."""
        for part in reversed(self.parts):
            await self._safely(part, "stop", part.stop())
        await self.session.stop()

    def wake(self) -> None:
        """Rows may have changed: intent, commands, and whatever the parts read."""
        self.session.wake()
        self.context.errands.look()
        for part in self.parts:
            try:
                part.wake()
            except Exception:
                log.exception("soulseek_part_failed part=%s step=wake", type(part).__name__)

    def metrics(self) -> dict[str, float]:
        """Of the session and all parts."""
        found = dict(self.session.metrics())
        for part in self.parts:
            found.update(part.metrics())
        return found

    def report(self) -> dict[str, object]:
        """For the heartbeat."""
        found: dict[str, object] = dict(self.session.report())
        for part in self.parts:
            found.update(part.report())
        return found

    # ---- inside

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            now = self.context.clock()
            self.session.tick(now)
            if now >= self._next_errands:
                self._next_errands = now + ERRANDS_S
                self.context.errands.look()
            for part in self.parts:
                try:
                    part.tick(now)
                except Exception:
                    log.exception("soulseek_part_failed part=%s step=tick", type(part).__name__)

    def _attached(self, client: SoulseekClient) -> None:
        for part in self.parts:
            part.attach(client)

    async def _online(self, client: SoulseekClient) -> None:
        for part in self.parts:
            await self._safely(part, "online", part.online(client))

    async def _offline(self, code: str) -> None:
        for part in self.parts:
            await self._safely(part, "offline", part.offline(code))

    @staticmethod
    async def _safely(part: Part, step: str, work: Coroutine[object, object, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("soulseek_part_failed part=%s step=%s", type(part).__name__, step)
