"""Downloads from headless Nicotine+: resumed at an offset, frozen, killed and back, banned, across a restart of our node."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from apps.domain.soulseek.states import DownloadDesired, DownloadState
from tests.nicotine import Nicotine
from tests.overlay_node.soulseek.downloads_world import RULES, SOUND, Node, download
from tests.overlay_node.soulseek.world import World, played, soulseek_world

PATH = "Music\\Some Artist\\An Album\\01 - Winter Garden.flac"


@asynccontextmanager
async def nicotine(
    world: World, folder: Path, *, upload_kib_s: int | None = None, banned: Sequence[str] = ()
) -> AsyncIterator[Nicotine]:
    """Carol, who shares one file and is online."""
    shared = folder / "shared"
    (shared / "Some Artist" / "An Album").mkdir(parents=True)
    (shared / "Some Artist" / "An Album" / "01 - Winter Garden.flac").write_bytes(SOUND)
    peer = Nicotine(
        folder / "carol",
        "carol",
        server_port=world.server.port,
        shared=shared,
        upload_kib_s=upload_kib_s,
        banned=banned,
    )
    peer.start()
    try:
        await world.until(lambda: "carol" in world.server.users and world.server.users["carol"].files > 0)
        yield peer
    finally:
        await asyncio.to_thread(peer.stop)


@pytest.mark.e2e
def test_a_file_arrives_and_after_a_restart_of_ours_only_what_was_missing(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world, nicotine(world, tmp_path, upload_kib_s=700):
            node = await Node(world, tmp_path / "node").start()
            one = node.rows.put(download(PATH, user="carol", want=False))
            await node.until_bytes(one, 900_000)
            await node.part.streams[one].sync()
            had = node.part.streams[one].file.synced if node.part.streams[one].file else 0
            assert had >= 900_000
            await node.crash()
            again = Node(world, tmp_path / "node", name="alice2")
            again.rows = node.rows
            await again.start()
            await again.until_state(one, DownloadState.SUCCEEDED)
            assert Path(again.rows.reports[one].path).read_bytes() == SOUND
            assert again.counted["carol"] < len(SOUND) - had + 100_000

    played(scene)


@pytest.mark.e2e
def test_a_frozen_sharer_is_noticed_and_goes_on_when_it_thaws(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world, nicotine(world, tmp_path, upload_kib_s=500) as peer:
            rules = dataclasses.replace(RULES, attempts=30)
            node = await Node(world, tmp_path / "node", rules=rules).start()
            one = node.rows.put(download(PATH, user="carol", want=False))
            await node.until_bytes(one, 500_000)
            with peer.frozen():
                await world.until(lambda: node.part.streams[one].core.attempts > 0)
                assert node.part.streams[one].core.code == "broke_off"
            await node.until_state(one, DownloadState.SUCCEEDED)
            assert Path(node.rows.reports[one].path).read_bytes() == SOUND
            assert node.counted["carol"] < 1.5 * len(SOUND)

    played(scene)


@pytest.mark.e2e
def test_a_sharer_that_was_killed_is_waited_for_and_resumed(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world, nicotine(world, tmp_path, upload_kib_s=500) as peer:
            rules = dataclasses.replace(RULES, attempts=40)
            node = await Node(world, tmp_path / "node", rules=rules).start()
            one = node.rows.put(download(PATH, user="carol", want=False))
            await node.until_bytes(one, 500_000)
            await asyncio.to_thread(peer.kill)
            await world.until(lambda: node.part.streams[one].core.code == "went_away")
            peer.start()
            await node.until_state(one, DownloadState.SUCCEEDED)
            assert Path(node.rows.reports[one].path).read_bytes() == SOUND
            assert node.counted["carol"] < 1.5 * len(SOUND)

    played(scene)


@pytest.mark.e2e
def test_somebody_who_banned_us_refuses_for_good(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world, nicotine(world, tmp_path, banned=["alice"]):
            node = await Node(world, tmp_path / "node").start()
            one = node.rows.put(download(PATH, user="carol"))
            await node.until_state(one, DownloadState.REFUSED)
            assert node.rows.reports[one].code == "banned_there"

    played(scene)


@pytest.mark.e2e
def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world, nicotine(world, tmp_path):
            node = await Node(world, tmp_path / "node").start()
            one = node.rows.put(download(PATH.replace("01", "02"), user="carol"))
            await node.until_state(one, DownloadState.REFUSED)
            assert node.rows.reports[one].code == "not_shared"

    played(scene)


@pytest.mark.e2e
def test_cancelled_in_the_middle_nothing_is_left(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world, nicotine(world, tmp_path, upload_kib_s=300):
            node = await Node(world, tmp_path / "node").start()
            row = download(PATH, user="carol")
            one = node.rows.put(row)
            await node.until_bytes(one, 200_000)
            node.rows.put(dataclasses.replace(row, desired=DownloadDesired.CANCELLED))
            await node.until_state(one, DownloadState.CANCELLED)
            await world.until(lambda: one not in node.part.streams)
            assert not list((tmp_path / "node" / "partial" / "streams").iterdir())

    played(scene)
