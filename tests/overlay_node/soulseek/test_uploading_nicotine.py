"""Nicotine+ downloads from us: whole, resumed after it was killed, at the pace we allow, and not at all when it is banned."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from pathlib import Path

import pytest

from apps.domain.soulseek.states import UploadState
from apps.domain.soulseek.uploads import UploadRules
from apps.domain.soulseek.user_rules import Effect, MatchBy, Rule
from overlay_node.store.soulseek.memory_sharing import MemorySharingRows
from tests.nicotine import Nicotine
from tests.overlay_node.soulseek.sharing_world import add, sharer
from tests.overlay_node.soulseek.world import played, soulseek_world

CONTENT = random.Random(6).randbytes(3_000_000)
NAMES = ["Band/Album/01 Song.flac", "Band/Album/02 Other Song.flac"]
PATHS = ["Music\\" + name.replace("/", "\\") for name in NAMES]
LIMIT_KIB_S = 600


@pytest.mark.e2e
def test_nicotine_gets_its_files_resumes_them_and_is_turned_away_when_banned(tmp_path: Path) -> None:
    async def scene() -> None:
        rows = MemorySharingRows()
        add(rows, tmp_path / "music", NAMES, CONTENT)
        async with soulseek_world(tmp_path) as world:
            alice = await sharer(world, rows, uploads=UploadRules(slots=1, speed_kib_s=LIMIT_KIB_S))
            carol = Nicotine(
                tmp_path / "carol",
                "carol",
                server_port=world.server.port,
                wants=[("alice", path, len(CONTENT)) for path in PATHS],
            )
            try:
                await asyncio.to_thread(carol.start)
                began = time.monotonic()
                await world.until(lambda: alice.uploads.queue.counts() == (1, 1))
                (waiting,) = alice.uploads.queue.waiting()
                assert alice.uploads.place("carol", waiting.path) == 1
                await world.until(lambda: sum(count for _, count in alice.sent) > 1_000_000)
                took = time.monotonic() - began
                assert sum(count for _, count in alice.sent) / took < LIMIT_KIB_S * 1024 * 1.1
                await asyncio.to_thread(carol.kill)
                await world.until(lambda: any(one.state is UploadState.ABORTED for one in rows.uploads.values()))
                await asyncio.to_thread(carol.start)
                files = [carol.downloads / name.rpartition("/")[2] for name in NAMES]
                await world.until(lambda: all(path.exists() for path in files))
                wanted = hashlib.sha256(CONTENT).digest()
                assert [hashlib.sha256(path.read_bytes()).digest() for path in files] == [wanted, wanted]
                ends = [one for one in rows.uploads.values() if one.state is UploadState.SUCCEEDED]
                await world.until(lambda: sum(one.state is UploadState.SUCCEEDED for one in rows.uploads.values()) == 2)
                ends = [one for one in rows.uploads.values() if one.state is UploadState.SUCCEEDED]
                assert any(one.offset > 0 for one in ends)  # the first one went on where it was cut off
                assert all(one.offset + one.sent_bytes == len(CONTENT) for one in ends)
            finally:
                await asyncio.to_thread(carol.stop)
            rows.rules.append(Rule(effect=Effect.BAN, match=MatchBy.REGEX, pattern="(?i)DA.*"))
            await alice.standings.read()
            dave = Nicotine(
                tmp_path / "dave",
                "dave",
                server_port=world.server.port,
                wants=[("alice", PATHS[0], len(CONTENT))],
            )
            try:
                await asyncio.to_thread(dave.start)
                await world.until(lambda: "Banned" in dave.log.read_text(errors="replace"))
                assert not any(user == "dave" for user, _ in alice.sent)
            finally:
                await asyncio.to_thread(dave.stop)

    played(scene)
