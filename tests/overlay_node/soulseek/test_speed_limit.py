"""`soulseek.downloads.speed_kbps`: all streams together take no more bytes than the limit gives, in a time that only the limiter's own waiting moves on."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest
from aioslsk.network import rate_limiter
from aioslsk.network.connection import PeerConnection, PeerConnectionType

from overlay_node.soulseek.streams import StreamTransfer, StreamTransferManager
from tests.overlay_node.soulseek.downloads_world import RULES, Node
from tests.overlay_node.soulseek.world import played, soulseek_world

KIB_S = 512
SIZE = 4 << 20


class Time:
    """Stands still but where the limiter waits."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


class Counting:
    """A sink that notes when each byte came."""

    def __init__(self, time: Time, came: list[tuple[float, str, int]], name: str) -> None:
        self.time, self.came, self.name = time, came, name

    def may_begin(self) -> bool:
        return True

    def next_offset(self, size: int) -> int:
        return 0

    async def write(self, offset: int, data: bytes) -> bool:
        self.came.append((self.time.now, self.name, len(data)))
        return True


class Endless:
    """A sharer's connection that always has as much as is asked for."""

    def __init__(self, limiter: rate_limiter.RateLimiter) -> None:
        self.download_rate_limiter = limiter

    async def receive_data(self, count: int) -> bytes:
        return bytes(count)


def test_two_streams_share_what_the_limit_gives_and_neither_exceeds_it_nor_wastes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    time = Time()
    came: list[tuple[float, str, int]] = []
    monkeypatch.setattr(rate_limiter, "time", time)
    monkeypatch.setattr(rate_limiter, "asyncio", SimpleNamespace(sleep=time.sleep, Lock=asyncio.Lock))

    async def scene() -> None:
        limiter = rate_limiter.RateLimiter.create_limiter(KIB_S)
        transfers = [StreamTransfer("bob", name, Counting(time, came, name)) for name in ("one", "two")]
        for transfer in transfers:
            transfer.filesize = SIZE
        await asyncio.gather(*(StreamTransferManager._take(one, Endless(limiter)) for one in transfers))
        assert all(one.enough for one in transfers)

    asyncio.run(scene())
    limit, total = KIB_S * 1024, 0
    for at, _name, count in came:
        total += count
        assert total <= limit * (1 + at - 100.0) + 1, "a second's worth at the beginning, and then as it comes"
    assert total == 2 * SIZE
    ideal = total / limit - 1
    assert ideal <= came[-1][0] - 100.0 <= 1.1 * ideal
    half = [name for at, name, _count in came if at - 100.0 <= ideal / 2]
    assert 0.4 <= half.count("one") / len(half) <= 0.6, "they take turns"


@pytest.mark.parametrize("kib_s", [0, KIB_S])
def test_the_configured_limit_holds_for_every_connection_that_brings_files(tmp_path: Path, kib_s: int) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world:
            node = await Node(world, tmp_path / "node", rules=dataclasses.replace(RULES, speed_kbps=kib_s)).start()
            client = node.plane.client
            assert client is not None
            for _ in range(2):
                brings = PeerConnection("127.0.0.1", 1, client.network, connection_type=PeerConnectionType.FILE)
                client.network._finalize_peer_connection(brings)
                assert brings.download_rate_limiter.limit_bps == kib_s * 1024
                assert brings.download_rate_limiter is client.network._download_rate_limiter, "one for all of them"

    played(scene)
