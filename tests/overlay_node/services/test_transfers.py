"""Whole transfers between nodes on loopback: found by the DHT, linked by TLS, fetched leaf by leaf, assembled."""

from __future__ import annotations

from pathlib import Path

import soundfile

from apps.domain.audio.payload import LEAF_BYTES
from apps.domain.contracts.events import TransferAssembled, TransferStarted
from apps.domain.jobs.lifecycle import WantPhase
from overlay_node.store.memory_store import MemoryStore
from tests.overlay_node.services.mesh_world import MeshWorld, assembled, library_entry, only_transfer, want


def test_a_wanted_recording_is_found_fetched_verified_and_assembled_as_a_playable_file(
    mesh: MeshWorld, music: Path
) -> None:
    async def scenario() -> None:
        await mesh.seeder("seeder", library_entry(music / "one.flac"))
        store = MemoryStore()
        wanted = want()
        store.want_put(wanted)
        await mesh.start("fetcher", store)
        await mesh.until(lambda: assembled(store))
        row = only_transfer(store)
        samples, _ = soundfile.read(row.path, dtype="int16")
        original, _ = soundfile.read(music / "one.flac", dtype="int16")
        assert (samples == original).all()
        assert [type(event) for event in store.events] == [TransferStarted, TransferAssembled]
        assert row.verified_bytes == row.work.payload_bytes
        assert sum(source.verified_bytes for source in row.sources.values()) == row.work.payload_bytes
        await mesh.until(lambda: store.progress[wanted.id].phase is WantPhase.VERIFYING)

    mesh.run(scenario())


LEAVES_OF_TWO = 2 * LEAF_BYTES
