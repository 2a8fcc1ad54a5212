"""A world for tests of the plane: a Soulseek server on loopback, the plane of a node with rows in memory, and plain clients as other users.

    async def scene() -> None:
        async with soulseek_world(tmp_path) as world:
            plane = await world.plane(parts=lambda context: [MyPart(context)])
            await world.until(lambda: plane.online)
            async with world.user("bob", shares=folder) as bob: ...

    played(scene)

All on real sockets; nothing waits for a fixed time: `until` asks again until it is so, or fails after `PATIENCE_S`.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aioslsk.settings import SharedDirectorySettingEntry

from overlay_node.config import SoulseekConfig
from overlay_node.services.background import Background
from overlay_node.soulseek.client import Account, SoulseekClient
from overlay_node.soulseek.errands import Errands
from overlay_node.soulseek.plane import ClientMaker, Part, SoulseekPlane
from overlay_node.soulseek.ports import Credentials, PlaneContext, PlaneRows, SessionBoard
from overlay_node.store.soulseek.memory_downloads import MemoryDownloads
from overlay_node.store.soulseek.memory_errands import MemoryErrands
from overlay_node.store.soulseek.memory_people import MemoryPeopleRows
from overlay_node.store.soulseek.memory_rescues import MemoryRescues
from overlay_node.store.soulseek.memory_searches import MemorySearches
from overlay_node.store.soulseek.memory_session import MemorySessionRows
from overlay_node.store.soulseek.memory_sharing import MemorySharingRows
from slskdn_site.demo.soulseek_server.server import ServerSettings, SoulseekServer
from tests.patience import PATIENCE_S

SCENE_S = 120.0


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def played(scene: Callable[[], Awaitable[None]]) -> None:
    """Run a scene in a loop of its own."""
    asyncio.run(asyncio.wait_for(scene(), SCENE_S))


def memory_rows() -> PlaneRows:
    """Rows in memory for every part; each part's owner adds a line."""
    return PlaneRows(
        session=MemorySessionRows(),
        errands=MemoryErrands(clock=lambda: asyncio.get_running_loop().time()),
        searches=MemorySearches(),
        downloads=MemoryDownloads(),
        rescues=MemoryRescues(),
        sharing=MemorySharingRows(),
        people=MemoryPeopleRows(),
    )


@asynccontextmanager
async def client_of(
    server: SoulseekServer, name: str, *, shares: Path | None = None, password: str = "pw"
) -> AsyncIterator[SoulseekClient]:
    """A user of the server, by the library's own client, logged in."""
    client = SoulseekClient(
        Account(
            username=name,
            password=password,
            server_host="127.0.0.1",
            server_port=server.port,
            listen_host="127.0.0.1",
            listen_port=free_port(),
            race=False,
        )
    )
    if shares is not None:
        client.settings.shares.directories = [SharedDirectorySettingEntry(path=str(shares))]
    await client.start()
    if shares is not None:
        await client.shares.scan()
    await client.login()
    try:
        yield client
    finally:
        await client.stop()


class World:
    """See the module. Made by `soulseek_world`."""

    def __init__(self, folder: Path, server: SoulseekServer) -> None:
        self.folder = folder
        self.server = server
        self.password = "pw"
        self._stack = AsyncExitStack()

    def config(self, username: str = "alice", *, listen: bool = True, **more: Any) -> SoulseekConfig:
        """An account at this server; pauses are a fraction of the real ones, so that scenes are short."""
        values: dict[str, Any] = {
            "username": username,
            "server_host": "127.0.0.1",
            "server_port": self.server.port,
            "listen_host": "127.0.0.1",
            "listen_port": free_port() if listen else 0,
            "race": False,
            "first_pause_s": 0.05,
        }
        return SoulseekConfig(**{**values, **more})

    def credentials(self, config: SoulseekConfig) -> Credentials:
        """What the plane logs in with; tests replace it."""
        return Credentials(config.username, self.password)

    async def plane(
        self,
        username: str = "alice",
        *,
        parts: Callable[[PlaneContext], Sequence[Part]] = lambda _context: (),
        rows: PlaneRows | None = None,
        config: SoulseekConfig | None = None,
        off_code: str = "",
        boot_id: str = "boot-1",
        make_client: ClientMaker | None = None,
    ) -> SoulseekPlane:
        """A started plane; it is stopped when the world ends, at the latest."""
        background = Background()
        loop = asyncio.get_running_loop()
        rows = rows or memory_rows()
        context = PlaneContext(
            config=config or self.config(username),
            data_dir=self.folder,
            rows=rows,
            errands=Errands(rows.errands, boot_id=boot_id, spawn=background.spawn),
            board=SessionBoard(),
            spawn=background.spawn,
            clock=loop.time,
            wall=lambda: datetime.now(UTC),
            rng=random.Random(1),
        )
        plane = SoulseekPlane(
            context,
            parts=parts(context),
            credentials=lambda: self.credentials(context.config),
            off_code=off_code,
            make_client=make_client,
        )

        async def end() -> None:
            await plane.stop()
            await background.close()

        self._stack.push_async_callback(end)
        await plane.start()
        return plane

    def user(
        self, name: str, *, shares: Path | None = None, password: str = "pw"
    ) -> AbstractAsyncContextManager[SoulseekClient]:
        """Another user of the server, by the library's own client, logged in."""
        return client_of(self.server, name, shares=shares, password=password)

    @staticmethod
    async def until(condition: Callable[[], object], *, within_s: float = PATIENCE_S) -> None:
        """Wait for it to be so."""
        async with asyncio.timeout(within_s):
            while not condition():
                await asyncio.sleep(0.02)

    async def close(self) -> None:
        await self._stack.aclose()


@asynccontextmanager
async def soulseek_world(folder: Path, settings: ServerSettings | None = None) -> AsyncIterator[World]:
    """A server that runs, and nobody there yet."""
    server = SoulseekServer(settings or ServerSettings())
    await server.start()
    world = World(folder, server)
    try:
        yield world
    finally:
        await world.close()
        await server.stop()
