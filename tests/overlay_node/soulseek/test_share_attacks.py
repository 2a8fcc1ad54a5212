"""What a stranger tries to read beside what is shared: by every message that names a path, through twins of names, links, other people's names."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aioslsk.commands import PeerGetSharesCommand
from aioslsk.protocol.messages import PeerInit, PeerTransferQueue, PeerTransferReply, PeerTransferRequest

from apps.domain.contracts.soulseek_sharing import FileToSend
from apps.domain.soulseek.states import UploadState
from apps.domain.soulseek.uploads import UploadRules
from apps.domain.soulseek.user_rules import Effect, MatchBy, Rule
from apps.domain.soulseek.virtual_paths import Audience, FolderRule
from overlay_node.soulseek.client import SoulseekClient
from overlay_node.soulseek.share_files import FileRefused, open_shared
from overlay_node.store.soulseek.memory_sharing import MemorySharingRows
from tests.overlay_node.soulseek.sharing_world import ROOT, Sharer, add, note, sharer
from tests.overlay_node.soulseek.test_sharing import contents
from tests.overlay_node.soulseek.test_uploading import NOTHING_NOW, asked, get, over, states
from tests.overlay_node.soulseek.world import World, free_port, played, soulseek_world

SONG = "Band/Album/01 Song.flac"
PATH = "Music\\Band\\Album\\01 Song.flac"
FOLDERS = [
    "",
    ".",
    "..",
    "\\",
    "/",
    "Music\\..",
    "Music\\Band\\..",
    "Music\\Band\\Album\\..\\..\\..",
    "Music/Band/Album",
    "\\Music\\Band\\Album",
    "Music\\\\Band\\Album",
    "Music\\Band\\Album\\",
    "Music\\Band\\Album\\.",
    "Music\\Band\\Album\0",
    "music\\band\\album",
    "MUSIC\\BAND\\ALBUM",
    "Music\\Band\\Album\\01 Song.flac",
    "Music\\Hidden",
    "Music\\Buddies",
    "Music\\out",
    "Music\\out\\deeper",
    "C:\\",
    "\\\\?\\C:\\",
    "/etc",
    "/proc/self",
    "file:///etc",
    "Music\\%2e%2e",
    "Music\\\uff0e\uff0e",
    "A" * 50_000,
]


def library(folder: Path) -> MemorySharingRows:
    """One album for all, one for buddies, one for nobody; and secrets that no row tells of, some of them behind links made after the scan."""
    rows = MemorySharingRows()
    music = folder / "music"
    add(rows, music, [SONG], b"for all", first_id=1)
    add(rows, music, ["Buddies/01 Song.flac"], b"for buddies", first_id=2)
    add(rows, music, ["Hidden/01 Song.flac"], b"for nobody", first_id=3)
    rows.folder_rules += [
        FolderRule(root_id=ROOT, relative_path=b"Hidden", audience=Audience.NOBODY),
        FolderRule(root_id=ROOT, relative_path=b"Buddies", audience=Audience.BUDDIES),
    ]
    (folder / "outside" / "deeper").mkdir(parents=True)
    for name in ("secret.txt", "deeper/secret.txt"):
        (folder / "outside" / name).write_text("secret")
    (music / "out").symlink_to(folder / "outside")
    (music / "Band" / "Album" / "secret.txt").symlink_to(folder / "outside" / "secret.txt")
    os.link(folder / "outside" / "secret.txt", music / "hard.txt")
    return rows


@asynccontextmanager
async def attacked(
    folder: Path, rows: MemorySharingRows, rules: UploadRules | None = None
) -> AsyncIterator[tuple[World, Sharer, SoulseekClient]]:
    async with soulseek_world(folder) as world:
        alice = await sharer(world, rows, uploads=rules)
        async with world.user("mallory") as mallory:
            yield world, alice, mallory


def test_no_name_of_a_folder_shows_what_is_not_shared(tmp_path: Path) -> None:
    async def scene() -> None:
        async with attacked(tmp_path, library(tmp_path)) as (_world, _alice, mallory):
            for folder in FOLDERS:
                assert await contents(mallory, folder) == [], folder
            (album,) = await contents(mallory, "Music\\Band\\Album")
            assert [one.filename for one in album.files] == ["01 Song.flac"]
            visible, locked = await mallory.execute(PeerGetSharesCommand("alice"), response=True)
            assert {f"{one.name}\\{file.filename}" for one in visible for file in one.files} == {PATH}
            assert {f"{one.name}\\{file.filename}" for one in locked for file in one.files} == {
                "Music\\Buddies\\01 Song.flac"
            }

    played(scene)


def test_links_and_files_that_no_row_tells_of_are_refused_by_both_messages(tmp_path: Path) -> None:
    async def scene() -> None:
        async with attacked(tmp_path, library(tmp_path), NOTHING_NOW) as (_world, alice, mallory):
            for path in (
                "Music\\out\\secret.txt",
                "Music\\out\\deeper\\secret.txt",
                "Music\\Band\\Album\\secret.txt",
                "Music\\hard.txt",
                "Music\\Buddies\\01 Song.flac",
                "Music\\Hidden\\01 Song.flac",
                "Music\\Hidden\\..\\Band\\Album\\01 Song.flac",
            ):
                assert await asked(mallory, path) == "File not shared.", path
                answer = mallory.network.create_peer_response_future(
                    "alice", PeerTransferReply.Request, fields={"ticket": 5}
                )
                await mallory.network.send_peer_messages("alice", PeerTransferRequest.Request(0, 5, path))
                async with asyncio.timeout(10):
                    _, reply = await answer
                assert (reply.allowed, reply.reason) == (False, "File not shared."), path
            assert alice.uploads.waiting() == 0

    played(scene)


TWINS = {
    "Caf\u00e9/x.flac": b"composed",
    "Cafe\u0301/x.flac": b"decomposed",
    "Band/song.flac": b"small",
    "Band/SONG.flac": b"large",
    "Band/a\\b.flac": b"with a backslash",
    "Band/a_b.flac": b"with a line",
    "Band/a_b [15].flac": b"looks like a numbered one",
}


def test_twins_of_names_lead_each_to_its_own_bytes_and_no_third_form_to_any(tmp_path: Path) -> None:
    async def scene() -> None:
        rows = MemorySharingRows()
        music = tmp_path / "music"
        for file_id, (name, content) in enumerate(TWINS.items(), 11):
            add(rows, music, [name], content, first_id=file_id)
        async with attacked(tmp_path, rows, UploadRules(slots=9)) as (world, alice, mallory):
            paths = {one.file_id: one.path for one in alice.shares.index.entries()}
            assert len(paths) == len(set(paths.values())) == len(TWINS)
            for file_id, content in enumerate(TWINS.values(), 11):
                sink, transfer = await get(mallory, paths[file_id])
                await world.until(over(transfer))
                assert bytes(sink.content) == content, paths[file_id]
            for path in (
                "Music\\Band\\Song.flac",
                "Music\\CAF\u00c9\\x.flac",
                "Music\\Band\\a\\b.flac",
                "Music\\Band\\a/b.flac",
            ):
                assert await asked(mallory, path) == "File not shared.", path

    played(scene)


def path_taken_by_another(rows: MemorySharingRows, music: Path) -> bytes:
    """The file goes where nobody may see it, another takes its name."""
    (music / "Hidden" / "02.flac").write_bytes((music / SONG).read_bytes())
    note(rows, music, "Hidden/02.flac", 1)
    (music / SONG).write_bytes(b"another song")
    note(rows, music, SONG, 9)
    return b"another song"


def root_renamed(rows: MemorySharingRows, music: Path) -> bytes:
    rows.roots[ROOT] = (os.fsencode(music), "Records")
    return b""


def root_moved_away(_rows: MemorySharingRows, music: Path) -> bytes:
    music.rename(music.with_name("elsewhere"))
    return b""


def root_replaced_by_a_link(_rows: MemorySharingRows, music: Path) -> bytes:
    """Another tree under the old name: same paths, other files."""
    other = music.with_name("other")
    (other / SONG).parent.mkdir(parents=True)
    (other / SONG).write_bytes(b"secrets")  # as long as what was shared
    music.rename(music.with_name("elsewhere"))
    music.symlink_to(other)
    return b""


def folder_hidden(rows: MemorySharingRows, _music: Path) -> bytes:
    rows.folder_rules.append(FolderRule(root_id=ROOT, relative_path=b"Band", audience=Audience.NOBODY))
    return b""


def folder_for_buddies(rows: MemorySharingRows, _music: Path) -> bytes:
    rows.folder_rules.append(FolderRule(root_id=ROOT, relative_path=b"Band", audience=Audience.BUDDIES))
    return b""


@pytest.mark.parametrize(
    "change",
    [path_taken_by_another, root_renamed, root_moved_away, root_replaced_by_a_link, folder_hidden, folder_for_buddies],
)
def test_what_waits_is_looked_up_again_when_its_turn_comes(
    tmp_path: Path, change: Callable[[MemorySharingRows, Path], bytes]
) -> None:
    async def scene() -> None:
        rows = library(tmp_path)
        async with attacked(tmp_path, rows, NOTHING_NOW) as (world, alice, mallory):
            sink, transfer = await get(mallory, PATH)
            await world.until(lambda: alice.uploads.waiting() == 1)
            content = change(rows, tmp_path / "music")
            await alice.shares.read(await rows.plan())
            alice.uploads.queue.rules = UploadRules()  # now it may begin
            await world.until(over(transfer))
            assert bytes(sink.content) == content
            if not content:
                await world.until(lambda: states(rows)[PATH][0] is UploadState.REFUSED)

    played(scene)


def test_who_calls_himself_a_buddy_gets_nothing_of_what_is_for_buddies(tmp_path: Path) -> None:
    async def scene() -> None:
        rows = library(tmp_path)
        rows.rules.append(Rule(effect=Effect.BUDDY, match=MatchBy.USER, pattern="carol"))
        port = free_port()
        async with soulseek_world(tmp_path) as world:
            alice = await sharer(world, rows, listen_port=port)
            async with world.user("carol") as carol:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                path = "Music\\Buddies\\01 Song.flac"
                for message in (
                    PeerInit.Request(username="carol", typ="P", ticket=0),
                    PeerTransferQueue.Request(path),
                ):
                    writer.write(message.serialize())
                heard = asyncio.create_task(_granted(reader, writer))
                # The liar is asked and says yes; the file goes to where the server says that carol is, and she never asked for it.
                await world.until(lambda: path in states(rows) and states(rows)[path][1] == "user_unreachable")
                assert await heard >= 1
                writer.close()
                assert carol.transfers.transfers == []
                assert alice.sent == []

    played(scene)


async def _granted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    """Say yes to the first offer; its ticket."""
    while True:
        size = int.from_bytes(await reader.readexactly(4), "little")
        body = await reader.readexactly(size)
        if int.from_bytes(body[:4], "little") == PeerTransferRequest.Request.MESSAGE_ID:  # then direction, ticket, …
            ticket = int.from_bytes(body[8:12], "little")
            writer.write(PeerTransferReply.Request(ticket=ticket, allowed=True, filesize=11).serialize())
            return ticket


@pytest.mark.parametrize(
    "relative",
    [
        b"",
        b"..",
        b"../secret",
        b"a/../../secret",
        b"./a",
        b"a//b",
        b"/etc/passwd",
        b"a/",
        b"a\0b",
        b"a/.",
        b"\xff/../..",
        b"x" * 5000,
    ],
)
def test_even_a_row_leads_nowhere_else(tmp_path: Path, relative: bytes) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "music" / "a").mkdir(parents=True)
    wanted = FileToSend(file_id=1, root=os.fsencode(tmp_path / "music"), relative_path=relative, size=6, mtime_ns=0)
    with pytest.raises(FileRefused):
        open_shared(wanted)
