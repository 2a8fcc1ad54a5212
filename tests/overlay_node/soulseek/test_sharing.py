"""What peers are told of our files, on real sockets, by the library's own client."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aioslsk.commands import PeerGetSharesCommand
from aioslsk.protocol.messages import PeerDirectoryContentsReply, PeerDirectoryContentsRequest
from aioslsk.protocol.primitives import DirectoryData
from aioslsk.search.model import SearchRequest

from apps.domain.soulseek.user_rules import Effect, MatchBy, Rule
from apps.domain.soulseek.virtual_paths import Audience, FolderRule
from overlay_node.soulseek.client import SoulseekClient
from overlay_node.store.soulseek.memory_sharing import MemorySharingRows
from slskdn_site.demo.soulseek_server.server import ServerSettings
from tests.overlay_node.soulseek.sharing_world import ROOT, add, note, sharer
from tests.overlay_node.soulseek.world import World, played, soulseek_world

ALBUM = [f"Some Artist/An Album/{number:02} - Winter Garden.flac" for number in range(1, 4)]
BUDDIES = ["Private/Some Artist/Demo/01 - Winter Attic.flac"]
HIDDEN = ["Diary/Some Artist/01 - Winter Secret.flac"]
RULES = [
    FolderRule(root_id=ROOT, relative_path=b"Private", audience=Audience.BUDDIES),
    FolderRule(root_id=ROOT, relative_path=b"Diary", audience=Audience.NOBODY),
]


def library(folder: Path) -> MemorySharingRows:
    rows = MemorySharingRows(folder_rules=list(RULES))
    add(rows, folder / "music", [*ALBUM, *BUDDIES, *HIDDEN], b"sound" * 100)
    return rows


async def found(world: World, bob: SoulseekClient, query: str, *, some: bool = True) -> SearchRequest:
    """A search with its answers; `some` False: it waits for a moment in which there could have been one."""
    request = await bob.searches.search(query)
    if some:
        await world.until(lambda: request.results)
    else:
        await asyncio.sleep(0.5)
    return request


async def contents(bob: SoulseekClient, folder: str) -> list[DirectoryData]:
    """What is in a folder of alice's, as she says (the library's own command for it waits for the wrong ticket)."""
    answer = bob.network.create_peer_response_future("alice", PeerDirectoryContentsReply.Request, fields={"ticket": 7})
    await bob.network.send_peer_messages("alice", PeerDirectoryContentsRequest.Request(7, folder))
    async with asyncio.timeout(10):
        _, reply = await answer
    assert reply.directory == folder
    return list(reply.directories)


def test_a_search_finds_what_its_asker_may_have_and_shows_the_rest_as_locked(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world:
            rows = library(tmp_path)
            alice = await sharer(world, rows)
            async with world.user("bob") as bob:
                (answer,) = (await found(world, bob, "winter some -secret")).results
                assert answer.username == "alice"
                assert {item.filename for item in answer.shared_items} == {
                    "Music\\" + name.replace("/", "\\") for name in ALBUM
                }
                assert [item.filename for item in answer.locked_results] == [
                    "Music\\Private\\Some Artist\\Demo\\01 - Winter Attic.flac"
                ]
                item = answer.shared_items[0]
                assert (item.filesize, item.extension) == (500, "flac")
                assert {one.key: one.value for one in item.attributes} == {1: 180, 4: 44_100, 5: 16}
                assert answer.has_free_slots
                assert not (await found(world, bob, "winter secret", some=False)).results
                rows.rules.append(Rule(effect=Effect.BUDDY, match=MatchBy.USER, pattern="bob"))
                await alice.standings.read()
                (answer,) = (await found(world, bob, "winter attic")).results
                assert len(answer.shared_items) == 1
                assert not answer.locked_results
                rows.rules[:] = [Rule(effect=Effect.BAN, match=MatchBy.REGEX, pattern="b[aeiou]b")]
                await alice.standings.read()
                assert not (await found(world, bob, "winter garden", some=False)).results
                rows.rules[:] = [Rule(effect=Effect.BAN, match=MatchBy.CIDR, pattern="127.0.0.0/8")]
                await alice.standings.read()
                assert not (await found(world, bob, "winter garden", some=False)).results

    played(scene)


def test_phrases_that_the_server_forbids_are_in_no_answer(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path, ServerSettings(excluded_phrases=("winter garden",))) as world:
            rows = library(tmp_path)
            add(rows, tmp_path / "music", ["Some Artist/Other/01 - Winter.flac"], b"x", first_id=20)
            await sharer(world, rows)
            async with world.user("bob") as bob:
                (answer,) = (await found(world, bob, "winter -attic")).results
                assert [item.filename for item in answer.shared_items] == [
                    "Music\\Some Artist\\Other\\01 - Winter.flac"
                ]

    played(scene)


def test_everything_can_be_browsed_as_far_as_it_is_for_the_asker(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world:
            rows = library(tmp_path)
            await sharer(world, rows)
            async with world.user("bob") as bob:
                visible, locked = await bob.execute(PeerGetSharesCommand("alice"), response=True)
                files = {f"{one.name}\\{file.filename}" for one in visible for file in one.files}
                assert files == {"Music\\" + name.replace("/", "\\") for name in ALBUM}
                assert "Music" in {one.name for one in visible}  # folders above are told too
                assert [(one.name, len(one.files)) for one in locked if one.files] == [
                    ("Music\\Private\\Some Artist\\Demo", 1)
                ]
                (folder,) = await contents(bob, "Music\\Some Artist\\An Album")
                assert [file.filename for file in folder.files] == [name.rpartition("/")[2] for name in ALBUM]
                for hidden in ("Music\\Private\\Some Artist\\Demo", "Music\\Diary\\Some Artist", "Music\\..", "/etc"):
                    assert await contents(bob, hidden) == []

    played(scene)


def test_the_library_changes_and_the_index_follows_without_reading_everything(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world:
            rows = library(tmp_path)
            alice = await sharer(world, rows)
            await world.until(lambda: world.server.users["alice"].files == 4)
            read = alice.shares.feed_s
            music = tmp_path / "music"
            add(rows, music, ["Some Artist/New/01 - Spring.flac"], b"y", first_id=30)
            rows.drop(1)
            (music / ALBUM[1]).rename(music / "moved.flac")
            note(rows, music, "moved.flac", 2)
            alice.shares.wake()
            await world.until(lambda: alice.shares.index.at("Music\\Some Artist\\New\\01 - Spring.flac"))
            await world.until(lambda: alice.shares.index.at("Music\\moved.flac"))
            gone = ["Music\\" + ALBUM[at].replace("/", "\\") for at in (0, 1)]
            assert [alice.shares.index.at(path) for path in gone] == [None, None]
            assert alice.shares.feed_s == read  # not read anew
            assert rows.noted == {}
            rows.folder_rules.append(FolderRule(root_id=ROOT, relative_path=b"Some Artist", audience=Audience.NOBODY))
            alice.shares.wake()
            await world.until(lambda: alice.shares.index.counts()[1] == 2)

    played(scene)


def test_two_files_that_would_have_one_name_are_both_shared(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world:
            rows = MemorySharingRows()
            add(rows, tmp_path / "music", ["a\\b.flac", "a_b.flac"], b"x")
            alice = await sharer(world, rows)
            assert sorted(one.path for one in alice.shares.index.entries()) == [
                "Music\\a_b [2].flac",
                "Music\\a_b.flac",
            ]

    played(scene)
