"""Streams from Nicotine+: searches answered, ranges in any order, early ends without a penalty."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aioslsk.transfer.state import TransferState

from overlay_node.soulseek.streams import StreamTransfer
from slskdn_site.demo.soulseek_server.server import ServerSettings, SoulseekServer
from tests.nicotine import Nicotine
from tests.overlay_node.soulseek.test_streams import CONTENT, SIZE, Kept, client_of, ended, played


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
