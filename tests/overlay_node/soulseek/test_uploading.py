"""Uploads on real sockets: whole files, the rest of files, honest places, refusals, limits, restarts. The other side is the library's own client."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import os
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aioslsk.protocol.messages import (
    PeerPlaceInQueueReply,
    PeerPlaceInQueueRequest,
    PeerTransferQueue,
    PeerTransferQueueFailed,
    PeerTransferReply,
    PeerTransferRequest,
)
from aioslsk.transfer.model import Transfer
from aioslsk.transfer.state import TransferState

from apps.domain.soulseek.states import UploadState
from apps.domain.soulseek.uploads import Discipline, SpeedWindow, UploadGroup, UploadRules
from apps.domain.soulseek.user_rules import Effect, MatchBy, Rule
from apps.domain.soulseek.virtual_paths import Audience, FolderRule
from overlay_node.soulseek import upload_stream
from overlay_node.soulseek.client import SoulseekClient
from overlay_node.soulseek.streams import StreamTransfer
from overlay_node.soulseek.uploading import CANCEL
from overlay_node.store.soulseek.memory_sharing import MemorySharingRows
from tests.overlay_node.soulseek.sharing_world import ROOT, Sharer, add, sharer
from tests.overlay_node.soulseek.world import World, played, soulseek_world

CONTENT = random.Random(5).randbytes(1_500_000)
NAMES = [f"Band/Album/{number:02} Song.flac" for number in range(1, 9)]
PATHS = ["Music\\" + name.replace("/", "\\") for name in NAMES]
NOTHING_NOW = UploadRules(windows=(SpeedWindow(start=0, until=1440, speed_kib_s=0),))


class Kept:
    """A sink in memory that wants everything from `start` on."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.content = bytearray()

    def may_begin(self) -> bool:
        return True

    def next_offset(self, size: int) -> int:
        del size
        return self.start

    async def write(self, offset: int, data: bytes) -> bool:
        assert offset == self.start + len(self.content)
        self.content += data
        return True


def library(folder: Path, content: bytes = CONTENT) -> MemorySharingRows:
    rows = MemorySharingRows()
    add(rows, folder / "music", NAMES, content)
    return rows


@asynccontextmanager
async def two(
    folder: Path, rows: MemorySharingRows, rules: UploadRules | None = None, **config: Any
) -> AsyncIterator[tuple[World, Sharer, SoulseekClient]]:
    async with soulseek_world(folder) as world:
        alice = await sharer(world, rows, uploads=rules, **config)
        async with world.user("bob") as bob:
            yield world, alice, bob


async def get(bob: SoulseekClient, path: str, *, start: int = 0) -> tuple[Kept, Transfer]:
    """A download of bob's, begun."""
    sink = Kept(start)
    transfer = await bob.transfers.add(StreamTransfer("alice", path, sink))
    await bob.transfers.queue(transfer)
    return sink, transfer


def over(transfer: Transfer) -> Callable[[], bool]:
    return lambda: transfer.state.VALUE in (TransferState.COMPLETE, TransferState.FAILED)


async def asked(bob: SoulseekClient, path: str) -> str:
    """The refusal; "" = none came before the place in the queue did, or half a second passed."""
    failed = bob.network.create_peer_response_future(
        "alice", PeerTransferQueueFailed.Request, fields={"filename": path}
    )
    await bob.network.send_peer_messages("alice", PeerTransferQueue.Request(path))
    try:
        async with asyncio.timeout(0.5):
            _, message = await failed
    except TimeoutError:
        return ""
    return str(message.reason)


async def place(bob: SoulseekClient, path: str) -> int:
    answer = bob.network.create_peer_response_future("alice", PeerPlaceInQueueReply.Request, fields={"filename": path})
    await bob.network.send_peer_messages("alice", PeerPlaceInQueueRequest.Request(path))
    async with asyncio.timeout(10):
        _, message = await answer
    return int(message.place)


def states(rows: MemorySharingRows) -> dict[str, tuple[UploadState, str]]:
    return {one.remote_path: (one.state, one.code) for one in rows.uploads.values()}


def test_files_arrive_whole_and_the_rest_of_a_file_from_where_the_asker_says(tmp_path: Path) -> None:
    async def scene() -> None:
        rows = library(tmp_path)
        async with two(tmp_path, rows) as (world, alice, bob):
            whole, first = await get(bob, PATHS[0])
            rest, second = await get(bob, PATHS[1], start=1_200_000)
            await world.until(lambda: over(first)() and over(second)())
            assert hashlib.sha256(bytes(whole.content)).digest() == hashlib.sha256(CONTENT).digest()
            assert bytes(rest.content) == CONTENT[1_200_000:]
            await world.until(lambda: len(states(rows)) == 2 and all(one.ended_at for one in rows.uploads.values()))
            assert set(states(rows).values()) == {(UploadState.SUCCEEDED, "")}
            told = {one.remote_path: one for one in rows.uploads.values()}
            assert (told[PATHS[1]].offset, told[PATHS[1]].sent_bytes) == (1_200_000, 300_000)
            assert told[PATHS[0]].speed_bps > 0
            assert sum(count for _, count in alice.sent) == len(CONTENT) + 300_000
            assert {user for user, _ in alice.sent} == {"bob"}
            await world.until(lambda: world.server.users["alice"].speed > 0)

    played(scene)


def test_every_place_in_the_queue_is_answered(tmp_path: Path) -> None:
    async def scene() -> None:
        rows = library(tmp_path)
        async with two(tmp_path, rows, NOTHING_NOW) as (world, alice, bob), world.user("carol") as carol:
            for path in PATHS[:4]:
                assert await asked(bob, path) == ""
            assert await asked(carol, PATHS[0]) == ""
            assert [await place(bob, path) for path in PATHS[:4]] == [1, 3, 4, 5]
            assert await place(carol, PATHS[0]) == 2
            assert alice.uploads.place("bob", PATHS[7]) is None

    played(scene)


def test_the_heartbeat_tells_places_and_why_each_waits(tmp_path: Path) -> None:
    async def scene() -> None:
        rows = library(tmp_path)
        async with two(tmp_path, rows, NOTHING_NOW) as (world, alice, bob):
            assert alice.uploads.report() == {"uploads": {"waits": []}}
            for path in PATHS[:3]:
                assert await asked(bob, path) == ""
            told = alice.plane.report()["uploads"]
            assert isinstance(told, dict)
            await world.until(lambda: len(rows.uploads) == 3)
            ids = {str(upload_id): one.remote_path for upload_id, one in rows.uploads.items()}
            assert [(ids[row[0]], *row[1:]) for row in told["waits"]] == [
                (path, number, "upload_waits_closed", {}, None, None) for number, path in enumerate(PATHS[:3], 1)
            ]
            json.dumps(told)

    played(scene)


def test_who_asks_by_the_older_message_is_queued_too(tmp_path: Path) -> None:
    async def scene() -> None:
        rows = library(tmp_path)
        async with two(tmp_path, rows, NOTHING_NOW) as (_world, alice, bob):
            for path, reason in ((PATHS[0], "Queued"), ("Music\\..\\x", "File not shared.")):
                answer = bob.network.create_peer_response_future(
                    "alice", PeerTransferReply.Request, fields={"ticket": 9}
                )
                await bob.network.send_peer_messages("alice", PeerTransferRequest.Request(0, 9, path))
                async with asyncio.timeout(10):
                    _, reply = await answer
                assert (reply.allowed, reply.reason) == (False, reason)
            assert alice.uploads.waiting() == 1

    played(scene)


EVIL = [
    "..\\..\\secret.txt",
    "Music\\..\\secret.txt",
    "Music\\Band\\..\\..\\secret.txt",
    "Music\\Band\\Album\\..\\..\\..\\secret.txt",
    "Music/Band/Album/01 Song.flac",
    "Music\\Band/Album\\01 Song.flac",
    "\\Music\\Band\\Album\\01 Song.flac",
    "Music\\\\Band\\Album\\01 Song.flac",
    "Music\\Band\\.\\Album\\01 Song.flac",
    "Music\\Band\\Album\\01 Song.flac\\",
    "Music\\Band\\Album\\01 Song.flac\0",
    "Music\\Band\\Album\\01 Song.flac\0.jpg",
    "Music\\Band\\Album\\01 Song.flac ",
    "music\\band\\album\\01 song.flac",
    "MUSIC\\BAND\\ALBUM\\01 SONG.FLAC",
    "Music\\Band\\Album",
    "Music",
    "",
    "C:\\Windows\\win.ini",
    "C:Music\\Band\\Album\\01 Song.flac",
    "\\\\?\\C:\\secret.txt",
    "\\\\server\\share\\secret.txt",
    "file:///etc/passwd",
    "/etc/passwd",
    "/dev/zero",
    "/proc/self/environ",
    "@@music\\Band\\Album\\01 Song.flac",
    "Music\\Band\\Album\\01 Song.flac::$DATA",
    "Music\\Band\\Album\\%2e%2e\\secret.txt",
    "Music\\Band\\Album\\..%c0%afsecret.txt",
    "Music\\Band\\Album\\\uff0e\uff0e\\secret.txt",
    "Music\\Band\\Album\\Motorhead\u0308.flac",  # what is shared is the composed form
    "Music\\Band\\Album\\\ufffd.flac",
    "Music\\link.flac",
    "Music\\secret.txt",
    "Music\\Hidden\\Album\\01 Song.flac",
    "Music\\Buddies\\Album\\01 Song.flac",
    "A" * 100_000,
]


def test_nothing_but_what_is_shared_can_be_asked_for_whatever_the_path(tmp_path: Path) -> None:
    async def scene() -> None:
        rows = library(tmp_path)
        music = tmp_path / "music"
        (tmp_path / "secret.txt").write_text("secret")
        (music / "secret.txt").write_text("no row tells of it")
        (music / "link.flac").symlink_to(tmp_path / "secret.txt")
        add(rows, music, ["Band/Album/Mot\u00f6rhead.flac"], b"x", first_id=50)
        add(rows, music, ["Hidden/Album/01 Song.flac"], b"x", first_id=60)
        add(rows, music, ["Buddies/Album/01 Song.flac"], b"x", first_id=70)
        rows.folder_rules += [
            FolderRule(root_id=ROOT, relative_path=b"Hidden", audience=Audience.NOBODY),
            FolderRule(root_id=ROOT, relative_path=b"Buddies", audience=Audience.BUDDIES),
        ]
        async with two(tmp_path, rows, NOTHING_NOW) as (_world, alice, bob):
            for path in EVIL:
                assert await asked(bob, path) == "File not shared.", path
            assert alice.uploads.waiting() == 0
            # Bytes that are no UTF-8, and surrogates, as raw messages.
            for raw in (
                b"Music\\Band\\Album\\\xed\xa0\x80.flac",
                b"\xff\xfe\\..\\secret",
                b"Music\\\xc0\xae\xc0\xae\\secret.txt",
            ):
                body = len(raw).to_bytes(4, "little") + raw
                message = (len(body) + 4).to_bytes(4, "little") + (43).to_bytes(4, "little") + body
                failed = bob.network.create_peer_response_future("alice", PeerTransferQueueFailed.Request)
                await bob.network.send_peer_messages("alice", message)
                async with asyncio.timeout(10):
                    _, answer = await failed
                assert answer.reason == "File not shared."
            assert await asked(bob, PATHS[0]) == ""
            assert await asked(bob, "Music\\Band\\Album\\Mot\u00f6rhead.flac") == ""

    played(scene)


def swapped_for_link(music: Path, file: Path) -> None:
    file.unlink()
    file.symlink_to(music.parent / "secret.bin")


def folder_swapped_for_link(music: Path, file: Path) -> None:
    elsewhere = music.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / file.name).write_bytes(CONTENT)
    os.utime(elsewhere / file.name, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    file.parent.rename(music / "moved")
    file.parent.symlink_to(elsewhere)


def fifo(_music: Path, file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def gone(_music: Path, file: Path) -> None:
    file.unlink()


def changed(_music: Path, file: Path) -> None:
    file.write_bytes(CONTENT + b"more")


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        (swapped_for_link, "shared_file_gone", "File not shared."),
        (folder_swapped_for_link, "shared_file_gone", "File not shared."),
        (fifo, "shared_file_no_file", "File not shared."),
        (gone, "shared_file_gone", "File not shared."),
        (changed, "shared_file_changed", "File read error."),
    ],
)
def test_a_file_that_is_not_what_its_row_says_is_refused(
    tmp_path: Path, change: Callable[[Path, Path], None], code: str, reason: str
) -> None:
    async def scene() -> None:
        rows = library(tmp_path)
        (tmp_path / "secret.bin").write_bytes(CONTENT)
        async with two(tmp_path, rows) as (world, _alice, bob):
            music = tmp_path / "music"
            file = music / NAMES[0]
            os.utime(tmp_path / "secret.bin", ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
            change(music, file)
            sink, transfer = await get(bob, PATHS[0])
            await world.until(over(transfer))
            assert transfer.fail_reason == reason
            assert not sink.content
            await world.until(lambda: states(rows).get(PATHS[0]) == (UploadState.REFUSED, code))

    played(scene)


def test_the_banned_are_told_so_and_the_ignored_hear_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        rows = library(tmp_path)
        async with two(tmp_path, rows, NOTHING_NOW) as (world, alice, bob):
            assert await asked(bob, PATHS[0]) == ""
            rows.rules.append(Rule(effect=Effect.BAN, match=MatchBy.USER, pattern="bob"))
            heard = bob.network.create_peer_response_future("alice", PeerTransferQueueFailed.Request)
            await alice.standings.read()
            async with asyncio.timeout(10):
                _, message = await heard
            assert message.reason == "Banned"
            await world.until(lambda: states(rows)[PATHS[0]] == (UploadState.REFUSED, "user_banned"))
            assert await asked(bob, PATHS[1]) == "Banned"
            rows.rules[:] = [Rule(effect=Effect.IGNORE, match=MatchBy.CIDR, pattern="127.0.0.0/8")]
            await alice.standings.read()
            assert await asked(bob, PATHS[1]) == ""
            assert alice.uploads.waiting() == 0
            rows.rules[:] = []
            await alice.standings.read()
            assert await asked(bob, PATHS[1]) == ""
            assert alice.uploads.waiting() == 1

    played(scene)


def test_a_person_cancels_what_waits_and_what_runs(tmp_path: Path) -> None:
    async def scene() -> None:
        rows = library(tmp_path)
        async with two(tmp_path, rows, UploadRules(slots=1, speed_kib_s=100)) as (world, alice, bob):
            transfers = [(await get(bob, path))[1] for path in PATHS[:2]]
            await world.until(lambda: any(one.state is UploadState.SENDING for one in rows.uploads.values()))
            errand = alice.plane.context.errands._table[CANCEL]
            for path in PATHS[:2]:
                (row,) = [one for one in rows.uploads.values() if one.remote_path == path]
                assert await errand({"upload_id": str(row.id)}) == {"cancelled": 1}
            assert [states(rows)[path] for path in PATHS[:2]] == [(UploadState.CANCELLED, "cancelled_by_person")] * 2
            assert alice.uploads.queue.counts() == (0, 0)
            await world.until(lambda: transfers[1].fail_reason == "Cancelled")

    played(scene)


def test_quotas_count_what_was_sent_before_the_node_began_again(tmp_path: Path) -> None:
    quota = UploadRules(groups=(UploadGroup(name="default", day_bytes=2 * len(CONTENT)),))

    async def scene() -> None:
        rows = library(tmp_path)
        async with two(tmp_path, rows, quota) as (world, _alice, bob):
            _, transfer = await get(bob, PATHS[0])
            await world.until(lambda: over(transfer)() and states(rows)[PATHS[0]][0] is UploadState.SUCCEEDED)
        async with two(tmp_path, rows, quota) as (world, _alice, bob):
            _, transfer = await get(bob, PATHS[1])
            await world.until(lambda: over(transfer)() and states(rows)[PATHS[1]][0] is UploadState.SUCCEEDED)
            assert await asked(bob, PATHS[2]) == "Too many megabytes"
            await world.until(lambda: states(rows).get(PATHS[2]) == (UploadState.REFUSED, "quota_day"))
            assert await asked(bob, PATHS[3]) == "Too many megabytes"
            assert PATHS[3] not in states(rows)  # one row tells it, not one for each file

    played(scene)


def test_what_waited_keeps_its_place_when_the_node_begins_again(tmp_path: Path) -> None:
    fifo_rules = UploadRules(slots=1, groups=(UploadGroup(name="default", discipline=Discipline.FIFO),))

    async def scene() -> None:
        rows = library(tmp_path)
        closed = dataclasses.replace(fifo_rules, windows=NOTHING_NOW.windows)
        async with two(tmp_path, rows, closed) as (world, _alice, bob):
            for path in reversed(PATHS[:4]):
                assert await asked(bob, path) == ""
            await world.until(lambda: len(rows.uploads) == 4)
        async with two(tmp_path, rows, closed) as (world, _alice, bob):
            assert [await place(bob, path) for path in PATHS[:4]] == [4, 3, 2, 1]
            assert len(rows.uploads) == 4

    played(scene)


def test_a_limit_is_kept_from_the_first_second_and_shared_among_uploads(tmp_path: Path) -> None:
    async def scene() -> None:
        rows = library(tmp_path, CONTENT[:400_000])
        rules = UploadRules(slots=2, speed_kib_s=200, groups=(UploadGroup(name="default", slots_a_user=2),))
        async with two(tmp_path, rows, rules) as (world, _alice, bob):
            sinks = [await get(bob, path) for path in PATHS[:2]]
            began = time.monotonic()
            await world.until(lambda: all(over(transfer)() for _, transfer in sinks))
            took = time.monotonic() - began
            assert 800_000 / took < 200 * 1024 * 1.1  # a slow machine only makes it slower
            assert all(bytes(sink.content) == CONTENT[:400_000] for sink, _ in sinks)

    played(scene)


def test_leechers_are_known_by_what_the_server_says_of_them(tmp_path: Path) -> None:
    rules = dataclasses.replace(
        NOTHING_NOW,
        groups=(
            UploadGroup(name="buddies", priority=1),
            UploadGroup(name="vip", priority=2),
            UploadGroup(name="leechers", priority=20, waiting_a_user=1),
            UploadGroup(name="default"),
        ),
    )

    async def scene() -> None:
        rows = library(tmp_path)
        rows.rules += [
            Rule(effect=Effect.BUDDY, match=MatchBy.USER, pattern="dave"),
            Rule(effect=Effect.GROUP, match=MatchBy.REGEX, pattern="e.e", group="vip"),
        ]
        async with two(tmp_path, rows, rules, leecher_files=10) as (world, alice, bob):
            assert [await asked(bob, path) for path in PATHS[:2]] == ["", "Too many files"]
            async with world.user("carol") as carol, world.user("dave") as dave, world.user("eve") as eve:
                world.server.users["carol"].files = 50
                for user in (carol, dave, eve):
                    assert [await asked(user, path) for path in PATHS[:2]] == ["", ""]
                groups = {one.user: one.group for one in alice.uploads.queue.waiting()}
                assert groups == {"bob": "leechers", "carol": "default", "dave": "buddies", "eve": "vip"}
                order = [alice.uploads.place(user, PATHS[0]) for user in ("dave", "eve", "carol", "bob")]
                assert order == sorted(order)  # type: ignore[type-var]

    played(scene)


def test_who_goes_away_in_the_middle_costs_no_slot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_stream, "BLOCK_S", 5.0)

    async def scene() -> None:
        rows = library(tmp_path)
        async with soulseek_world(tmp_path) as world:
            alice = await sharer(world, rows, uploads=UploadRules(slots=1, speed_kib_s=200))
            async with world.user("bob") as bob:
                sink, _transfer = await get(bob, PATHS[0])
                await world.until(lambda: sink.content)
            await world.until(lambda: states(rows)[PATHS[0]] == (UploadState.ABORTED, "user_closed"))
            assert alice.uploads.queue.counts() == (0, 0)
            now = datetime.now(UTC)
            assert all(one.ended_at is not None and one.ended_at <= now for one in rows.uploads.values())

    played(scene)
