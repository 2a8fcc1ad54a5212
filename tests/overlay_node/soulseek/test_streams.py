"""Streams against the library's own uploader, through the loopback server: offsets, ends, resumes, in real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aioslsk.exceptions import AuthenticationError
from aioslsk.transfer.state import TransferState

from overlay_node.soulseek.client import Account, SoulseekClient, settings_of
from overlay_node.soulseek.streams import StreamTransfer
from slskdn_site.demo.soulseek_server.server import ServerSettings, SoulseekServer
from tests.overlay_node.soulseek.world import client_of
from tests.patience import PATIENCE_S

SIZE = 3_000_000
CONTENT = bytes((at * 7 + at // 251) % 256 for at in range(SIZE))


class Kept:
    """A sink in memory. `until`: how many bytes of the file are wanted."""

    def __init__(self, *, start: int = 0, until: int = SIZE, disk_full_at: int = SIZE + 1) -> None:
        self.start, self.until, self.disk_full_at = start, until, disk_full_at
        self.blocks: list[tuple[int, bytes]] = []

    def may_begin(self) -> bool:
        return True

    def next_offset(self, size: int) -> int:
        assert size == SIZE
        return self.start

    async def write(self, offset: int, data: bytes) -> bool:
        if offset + len(data) > self.disk_full_at:
            raise OSError(28, "No space left on device")
        self.blocks.append((offset, data[: max(0, self.until - offset)]))
        return offset + len(data) < self.until

    @property
    def content(self) -> bytes:
        assert all(one[0] + len(one[1]) == other[0] for one, other in zip(self.blocks, self.blocks[1:], strict=False))
        return b"".join(block for _, block in self.blocks)


@asynccontextmanager
async def two(folder: Path) -> AsyncIterator[tuple[SoulseekClient, str]]:
    """Alice, who wants a file, and the path under which Bob shares it."""
    (folder / "Album").mkdir()
    (folder / "Album" / "01 Song.flac").write_bytes(CONTENT)
    async with AsyncExitStack() as stack:
        server = SoulseekServer(ServerSettings())
        await server.start()
        stack.push_async_callback(server.stop)
        bob = await stack.enter_async_context(client_of(server, "bob", shares=folder))
        alice = await stack.enter_async_context(client_of(server, "alice"))
        (item,) = bob.shares.shared_directories[0].items
        yield alice, item.get_remote_path()


async def ended(transfer: StreamTransfer) -> TransferState.State:
    """The state in which it comes to rest."""
    rest = {TransferState.State.COMPLETE, TransferState.State.FAILED, TransferState.State.INCOMPLETE}
    while transfer.state.VALUE not in rest:
        await asyncio.sleep(0.02)
    return transfer.state.VALUE


async def stream(alice: SoulseekClient, path: str, sink: Kept) -> TransferState.State:
    transfer = await alice.transfers.add(StreamTransfer("bob", path, sink))
    await alice.transfers.queue(transfer)
    state = await ended(transfer)
    await alice.transfers.remove(transfer)
    return state


def played(scene: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scene()

    asyncio.run(bounded())


@pytest.mark.e2e
def test_a_file_arrives_as_a_stream_and_ranges_of_it_in_any_order(tmp_path: Path) -> None:
    async def scene() -> None:
        async with two(tmp_path) as (alice, path):
            whole, tail, middle = Kept(), Kept(start=2_500_000), Kept(start=1_000_000, until=1_500_000)
            assert await stream(alice, path, whole) is TransferState.State.COMPLETE
            assert whole.content == CONTENT
            assert await stream(alice, path, tail) is TransferState.State.COMPLETE
            assert tail.content == CONTENT[2_500_000:]
            assert await stream(alice, path, middle) is TransferState.State.COMPLETE
            assert middle.content == CONTENT[1_000_000:1_500_000]
            assert whole.blocks[0][0] == 0
            assert tail.blocks[0][0] == 2_500_000

    played(scene)


@pytest.mark.e2e
def test_a_disk_that_takes_no_more_fails_the_stream_and_leaves_what_was_kept(tmp_path: Path) -> None:
    async def scene() -> None:
        async with two(tmp_path) as (alice, path):
            sink = Kept(disk_full_at=700_000)
            assert await stream(alice, path, sink) is TransferState.State.FAILED
            assert CONTENT.startswith(sink.content)
            rest = Kept(start=len(sink.content))
            assert await stream(alice, path, rest) is TransferState.State.COMPLETE
            assert sink.content + rest.content == CONTENT

    played(scene)


def test_settings_ignore_the_environment_and_passwords_are_in_no_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEBUG", "USERS", "NETWORK", "CREDENTIALS", "SHARES"):
        monkeypatch.setenv(name, "1")
    account = Account(username="alice", password="hunter2", server_host="127.0.0.1", server_port=1)
    assert settings_of(account).credentials.username == "alice"
    assert "hunter2" not in repr(account)


@pytest.mark.e2e
def test_a_wrong_password_is_told_and_the_loop_keeps_its_exception_handler() -> None:
    async def scene() -> None:
        server = SoulseekServer(ServerSettings(accounts={"alice": "other"}))
        await server.start()
        account = Account(username="alice", password="pw", server_host="127.0.0.1", server_port=server.port)
        client = SoulseekClient(account)
        loop, mine = asyncio.get_running_loop(), lambda *_: None
        loop.set_exception_handler(mine)
        await client.start()
        assert loop.get_exception_handler() is mine
        with pytest.raises(AuthenticationError) as refused:
            await client.login()
        assert refused.value.reason == "INVALIDPASS"
        await client.stop()
        await server.stop()

    played(scene)
