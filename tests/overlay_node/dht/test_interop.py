"""Ours among libtorrent's, on real sockets: what one side announces, the other must find, in both address families."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import time
from collections.abc import Awaitable, Callable

import pytest

from overlay_node.dht.config import DhtConfig
from overlay_node.net.dht_udp import Dht

lt = pytest.importorskip("libtorrent")

from tests.overlay_node.dht.oracle import TorrentNode  # noqa: E402 -- needs libtorrent

pytestmark = pytest.mark.interop


def ipv6_works() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


HOSTS = [
    "127.0.0.1",
    pytest.param("::1", marks=pytest.mark.skipif(not ipv6_works(), reason="no IPv6 loopback here")),
]


def private_dht(host: str) -> Dht:
    return Dht(port=0, hosts=[host], config=DhtConfig().for_private_network())


def some_key() -> bytes:
    return hashlib.sha1(os.urandom(20)).digest()


async def until(attempt: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> bool:
    """Try until it is true or the time is over."""
    deadline = time.monotonic() + seconds
    while not await attempt():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


async def torrent_finds(node: TorrentNode, key: bytes, peer: tuple[str, int]) -> bool:
    async def attempt() -> bool:
        node.look_up(key)
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            node.poll()
            if peer in node.peers.get(key, ()):
                return True
            await asyncio.sleep(0.01)
        return False

    return await until(attempt)


async def ours_finds(dht: Dht, key: bytes, peer: tuple[str, int]) -> bool:
    async def attempt() -> bool:
        return peer in await dht.get_peers(key)

    return await until(attempt)


@pytest.mark.parametrize("host", HOSTS)
def test_what_ours_announces_libtorrent_stores_tells_and_finds(host: str) -> None:
    async def scenario() -> None:
        storer, seeker, ours = TorrentNode(host), TorrentNode(host), private_dht(host)
        try:
            await ours.start([(host, storer.port)])
            assert ours.stats().good_nodes == {f"v{6 if ':' in host else 4}": 1}
            key = some_key()
            assert (await ours.announce(key, 5001)).stored_at == 1
            # Ours is gone: only libtorrent can tell.
            await ours.stop()
            seeker.know(host, storer.port)
            assert await torrent_finds(seeker, key, (host, 5001))
        finally:
            await ours.stop()
            storer.close()
            seeker.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("host", HOSTS)
def test_what_libtorrent_announces_to_ours_another_libtorrent_finds_at_ours(host: str) -> None:
    async def scenario() -> None:
        announcer, seeker, ours = TorrentNode(host), TorrentNode(host), private_dht(host)
        try:
            await ours.start()
            announcer.know(host, ours.port)
            key = some_key()

            async def stored() -> bool:
                announcer.announce(key, 5002)
                announcer.poll()
                return ours.stats().stored_peers == 1

            assert await until(stored)
            announcer.close()
            seeker.know(host, ours.port)
            assert await torrent_finds(seeker, key, (host, 5002))
        finally:
            await ours.stop()
            announcer.close()
            seeker.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("host", HOSTS)
def test_what_libtorrent_announces_among_libtorrents_ours_finds(host: str) -> None:
    async def scenario() -> None:
        announcer, storer, ours = TorrentNode(host), TorrentNode(host), private_dht(host)
        try:
            announcer.know(host, storer.port)
            key = some_key()
            # Ours knows only the storer and stores nothing itself: what it finds was told.
            await ours.start([(host, storer.port)])

            async def found() -> bool:
                announcer.announce(key, 5003)
                announcer.poll()
                return (host, 5003) in await ours.get_peers(key)

            assert await until(found)
        finally:
            await ours.stop()
            announcer.close()
            storer.close()

    asyncio.run(scenario())


def test_a_mixed_network_is_one_network() -> None:
    async def scenario() -> None:
        host = "127.0.0.1"
        torrents = [TorrentNode(host) for _ in range(5)]
        ours = [private_dht(host) for _ in range(5)]
        try:
            for node in torrents[1:]:
                node.know(host, torrents[0].port)
            for dht in ours:
                await dht.start([(host, torrents[0].port)])
            by_ours, by_theirs = some_key(), some_key()
            assert (await ours[0].announce(by_ours, 6001)).stored_at >= 1
            assert await torrent_finds(torrents[4], by_ours, (host, 6001))
            assert await ours_finds(ours[4], by_ours, (host, 6001))

            async def announced() -> bool:
                torrents[2].announce(by_theirs, 6002)
                torrents[2].poll()
                return (host, 6002) in await ours[1].get_peers(by_theirs)

            assert await until(announced)
            assert await ours_finds(ours[3], by_theirs, (host, 6002))
            assert await torrent_finds(torrents[1], by_theirs, (host, 6002))
            assert any(sum(dht.stats().queries_in.values()) > 0 for dht in ours), "they ask ours, too"
        finally:
            for dht in ours:
                await dht.stop()
            for node in torrents:
                node.close()

    asyncio.run(scenario())
