"""Streams from Nicotine+: searches answered, ranges in any order, early ends without a penalty."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest
from aioslsk.transfer.state import TransferState

from apps.domain.contracts.soulseek_search import SearchWork
from apps.domain.soulseek.budget import SearchBudget, SearchScope, Urgency
from overlay_node.soulseek.searching import Searching
from overlay_node.soulseek.streams import StreamTransfer
from overlay_node.store.soulseek.memory_searches import MemorySearches
from slskdn_site.demo.soulseek_server.server import ServerSettings, SoulseekServer
from tests.nicotine import Nicotine
from tests.overlay_node.soulseek.test_streams import CONTENT, SIZE, Kept, ended, played
from tests.overlay_node.soulseek.world import client_of, soulseek_world


@pytest.mark.e2e
def test_ranges_of_a_file_come_from_a_client_that_nobody_here_wrote(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    (shared / "Some Artist" / "An Album").mkdir(parents=True)
    (shared / "Some Artist" / "An Album" / "01 - Winter Garden.flac").write_bytes(CONTENT)

    async def scene() -> None:
        server = SoulseekServer(ServerSettings())
        await server.start()
        peer = Nicotine(tmp_path / "carol", "carol", server_port=server.port, shared=shared)
        peer.start()
        try:
            async with client_of(server, "alice") as alice:
                results: list[object] = []
                while not results:
                    request = await alice.searches.search("winter garden")
                    await asyncio.sleep(1)
                    results = list(request.results)
                (found,) = results
                (item,) = found.shared_items  # type: ignore[attr-defined]
                assert (found.username, item.filesize) == ("carol", SIZE)  # type: ignore[attr-defined]
                assert item.filename.endswith("\\Some Artist\\An Album\\01 - Winter Garden.flac")
                got = bytearray(SIZE)
                for start, until in ((2_000_000, SIZE), (0, 1_200_000), (1_200_000, 2_000_000)):
                    sink = Kept(start=start, until=until)
                    transfer = await alice.transfers.add(StreamTransfer("carol", item.filename, sink))
                    await alice.transfers.queue(transfer)
                    assert await ended(transfer) is TransferState.State.COMPLETE
                    await alice.transfers.remove(transfer)
                    got[start : start + len(sink.content)] = sink.content
                assert bytes(got) == CONTENT
        finally:
            peer.stop()
            await server.stop()

    played(scene)


@pytest.mark.e2e
def test_a_search_from_a_row_is_answered_by_a_client_that_nobody_here_wrote(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    (shared / "Some Artist" / "An Album").mkdir(parents=True)
    for name in ("01 - Winter Garden.flac", "02 - Second Song.flac"):
        (shared / "Some Artist" / "An Album" / name).write_bytes(CONTENT)

    async def scene() -> None:
        rows = MemorySearches()
        async with soulseek_world(tmp_path) as world:
            peer = Nicotine(tmp_path / "carol", "carol", server_port=world.server.port, shared=shared)
            peer.start()
            try:
                await world.plane(parts=lambda context: [Searching(context, rows, budget=SearchBudget())])
                while not rows.answers:  # it answers a second or two after its start: ask anew until it does
                    one = SearchWork(
                        id=uuid.uuid4(),
                        query="some artist an album -live",
                        scope=SearchScope.NETWORK,
                        whom="",
                        urgency=Urgency.PERSON,
                        anew=True,
                        whose="person",
                    )
                    rows.searches[one.id] = one
                    await world.until(lambda: (told := rows.progress.get(one.id)) is not None and told.ended_at)  # noqa: B023
                ((_search, user), answer) = next(iter(rows.answers.items()))
                assert user == "carol"
                assert [file.name for file in answer.files] == ["01 - Winter Garden.flac", "02 - Second Song.flac"]
                assert {file.size for file in answer.files} == {SIZE}
                assert answer.free_slot
            finally:
                peer.stop()

    played(scene)
