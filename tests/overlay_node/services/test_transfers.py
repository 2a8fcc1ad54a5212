"""Whole transfers between nodes on loopback: found by the DHT, linked by TLS, fetched leaf by leaf, assembled. And what goes wrong on the way."""

from __future__ import annotations

import dataclasses
import errno
import os
import uuid
from pathlib import Path

import pytest
import soundfile

from apps.domain.audio.payload import LEAF_BYTES
from apps.domain.contracts.events import TransferAssembled, TransferEnded, TransferStarted
from apps.domain.contracts.node_work import RateLimitWork
from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.lifecycle import TransferState, WantDesired, WantPhase
from overlay_node.store.memory_store import MemoryStore
from overlay_node.store.piece_store import PieceStore
from tests.overlay_node.services.faults import CorruptEvery, corrupt, twisted
from tests.overlay_node.services.mesh_world import (
    RELEASE,
    MeshWorld,
    assembled,
    library_entry,
    only_transfer,
    want,
)


def same_sound(path: str, original: Path) -> bool:
    samples, _ = soundfile.read(path, dtype="int16")
    expected, _ = soundfile.read(original, dtype="int16")
    return bool((samples == expected).all())


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
        assert same_sound(row.path, music / "one.flac")
        assert [type(event) for event in store.events] == [TransferStarted, TransferAssembled]
        assert row.verified_bytes == row.work.payload_bytes
        assert sum(source.verified_bytes for source in row.sources.values()) == row.work.payload_bytes
        await mesh.until(lambda: store.progress[wanted.id].phase is WantPhase.VERIFYING)
        store.verdict_put(row.work.id, accepted=True)
        await mesh.until(lambda: row.work.state is TransferState.ACCEPTED)
        await mesh.until(lambda: not list((mesh.root / "fetcher" / "partial").iterdir()))
        assert store.progress[wanted.id].phase is WantPhase.DONE
        assert {state for _, state in store.claims.values()} == {"confirmed"}

    mesh.run(scenario())


def test_a_peer_that_dies_in_the_middle_costs_nothing_but_its_turn(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        # So slow that neither is done long before the other is found, however busy the machine: 2 MiB at 64 KiB/s take half a minute.
        dying = await mesh.seeder("dying", entry, upload_kbps=64)
        steady_store = MemoryStore((entry,))
        steady = await mesh.start("steady", steady_store, seed_releases=(RELEASE,), upload_kbps=64)
        store = MemoryStore()
        store.want_put(want())
        fetcher = await mesh.start("fetcher", store)
        came = fetcher.swarms.down_bytes
        await mesh.until(lambda: came[dying.peer_id] >= LEAF_BYTES and came[steady.peer_id])
        for link in list(dying.overlay.links):
            link._transport.abortConnection()
        await mesh.stop("dying")
        steady_store.limits.append(RateLimitWork(scope="global", key="", direction="up", kbps=0))
        await mesh.until(lambda: assembled(store))
        row = only_transfer(store)
        assert same_sound(row.path, music / "one.flac")
        assert row.sources[dying.peer_id].verified_bytes > 0
        given = sum(source.verified_bytes for source in row.sources.values())
        assert given == row.work.payload_bytes

    mesh.run(scenario())


def test_wrong_bytes_are_dropped_charged_and_fetched_elsewhere(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        liar = await mesh.seeder("liar", entry, blobs=twisted(read_twist=corrupt))
        honest = await mesh.seeder("honest", entry, upload_kbps=4000)
        store = MemoryStore()
        store.want_put(want())
        await mesh.start("fetcher", store)
        await mesh.until(lambda: assembled(store))
        row = only_transfer(store)
        assert same_sound(row.path, music / "one.flac")
        assert row.sources[honest.peer_id].verified_bytes == row.work.payload_bytes
        assert row.sources[liar.peer_id].verified_bytes == 0
        if row.sources[liar.peer_id].bad_leaves:
            await mesh.until(lambda: store.peers[liar.peer_id].bad_leaves == row.sources[liar.peer_id].bad_leaves)
        assert store.peers[honest.peer_id].bad_leaves == 0

    mesh.run(scenario())


def test_a_corrupting_peer_that_is_the_only_source_delivers_in_the_end(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        liar = await mesh.seeder("liar", library_entry(music / "one.flac"), blobs=twisted(read_twist=CorruptEvery(3)))
        store = MemoryStore()
        store.want_put(want())
        await mesh.start("fetcher", store)
        await mesh.until(lambda: assembled(store))
        row = only_transfer(store)
        assert same_sound(row.path, music / "one.flac")
        assert row.sources[liar.peer_id].bad_leaves >= 2

    mesh.run(scenario())


def test_whoever_resumes_is_looked_for_at_once(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        store, wanted = MemoryStore(), want()
        store.want_put(wanted)
        fetcher = await mesh.start("fetcher", store)
        await mesh.until(lambda: wanted.id in store.progress and store.progress[wanted.id].phase is WantPhase.NO_SOURCE)
        pursuit = fetcher.reconciler._pursuits[wanted.id]
        await mesh.until(lambda: not pursuit.looking)
        pursuit.next_look_at = float("inf")  # the pause that had grown
        await mesh.seeder("seeder", library_entry(music / "one.flac"))
        store.want_put(dataclasses.replace(wanted, desired=WantDesired.PAUSED))
        fetcher.reconciler.wake()
        await mesh.until(lambda: store.progress[wanted.id].phase is WantPhase.PAUSED)
        store.want_put(wanted)
        fetcher.reconciler.wake()
        await mesh.until(lambda: assembled(store))

    mesh.run(scenario())


def test_a_peer_that_was_shut_out_stays_so_after_a_restart(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        vandal = await mesh.seeder("vandal", entry)
        store = MemoryStore()
        await store.peer_charge(vandal.peer_id, banned_for_s=300.0)
        store.want_put(want())
        fetcher = await mesh.start("fetcher", store)
        honest = await mesh.seeder("honest", entry)
        await mesh.until(lambda: assembled(store))
        assert set(fetcher.swarms.down_bytes) == {honest.peer_id}

    mesh.run(scenario())


def test_a_manifest_that_lies_about_size_is_charged_and_another_source_serves(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        liar = await mesh.seeder(
            "liar",
            entry,
            blobs=twisted(
                manifest_twist=lambda one: dataclasses.replace(
                    one, facts=dataclasses.replace(one.facts, payload_bytes=one.facts.payload_bytes - 1)
                )
            ),
        )
        store = MemoryStore()
        store.want_put(want())
        await mesh.start("fetcher", store)
        await mesh.until(lambda: store.peers.get(liar.peer_id) and store.peers[liar.peer_id].violations == 1)
        await mesh.seeder("honest", entry)
        await mesh.until(lambda: assembled(store))
        assert same_sound(only_transfer(store).path, music / "one.flac")

    mesh.run(scenario())


def test_no_source_is_said_and_ends_when_one_appears(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        store = MemoryStore()
        wanted = want()
        store.want_put(wanted)
        await mesh.start("fetcher", store)
        await mesh.until(lambda: wanted.id in store.progress and store.progress[wanted.id].phase is WantPhase.NO_SOURCE)
        assert store.progress[wanted.id].code == "no_source"
        assert store.progress[wanted.id].next_look_at is not None
        await mesh.seeder("late", library_entry(music / "one.flac"))
        await mesh.until(lambda: assembled(store))

    mesh.run(scenario())


def test_a_rejected_payload_is_never_fetched_again_its_claimer_charged_and_the_next_one_tried(
    mesh: MeshWorld, music: Path
) -> None:
    async def scenario() -> None:
        wrong = await mesh.seeder("wrong", library_entry(music / "two.flac"))  # two.flac under the MBID of one.flac
        store = MemoryStore()
        wanted = want()
        store.want_put(wanted)
        await mesh.start("fetcher", store)
        await mesh.until(lambda: assembled(store))
        first = assembled(store)[0]
        await mesh.seeder("right", library_entry(music / "one.flac"))
        store.verdict_put(first.work.id, accepted=False, code="wrong_recording")
        await mesh.until(lambda: assembled(store) and assembled(store)[0] is not first)
        second = assembled(store)[0]
        assert same_sound(second.path, music / "one.flac")
        assert first.work.state is TransferState.REJECTED
        assert store.peers[wrong.peer_id].wrong_claims == 1
        assert not Path(first.path).exists()

    mesh.run(scenario())


def test_a_refused_preamble_is_taken_from_another_peer_and_only_its_sender_is_charged(
    mesh: MeshWorld, music: Path
) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        altered = entry.payload.preamble[:-1] + bytes([entry.payload.preamble[-1] ^ 1])  # the MD5's last byte
        liar = await mesh.seeder(
            "liar", entry, blobs=twisted(manifest_twist=lambda one: dataclasses.replace(one, preamble=altered))
        )
        store = MemoryStore()
        store.want_put(want())
        await mesh.start("fetcher", store)
        await mesh.until(lambda: assembled(store))
        first = assembled(store)[0]
        await mesh.seeder("honest", entry)
        store.verdict_put(first.work.id, accepted=False, code="preamble_mismatch", deny=False)
        await mesh.until(lambda: assembled(store) and assembled(store)[0] is not first)
        assert same_sound(assembled(store)[0].path, music / "one.flac")
        assert (store.peers[liar.peer_id].bad_leaves, store.peers[liar.peer_id].wrong_claims) == (1, 0)
        assert {state for _, state in store.claims.values()} == {"open"}

    mesh.run(scenario())


def test_a_restart_resumes_and_fetches_no_verified_leaf_again(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        seeder = await mesh.seeder("seeder", entry, upload_kbps=700)
        store = MemoryStore()
        store.want_put(want())
        fetcher = await mesh.start("fetcher", store)
        await mesh.until(
            lambda: fetcher.swarms.running and fetcher.swarms.running[0].report().verified_bytes >= 3 * LEAF_BYTES
        )
        held = fetcher.swarms.running[0].report().verified_bytes
        await mesh.stop("fetcher")
        # as if it had been killed between the leaf list and its row, which holds what a liar claimed
        row = only_transfer(store)
        row.work = dataclasses.replace(row.work, payload_bytes=1)
        before = sum(seeder.swarms.up_bytes.values())
        again = await mesh.start("fetcher", store)
        await mesh.until(lambda: again.swarms.running)
        await mesh.until(lambda: assembled(store))
        assert sum(seeder.swarms.up_bytes.values()) - before <= entry.payload.payload_bytes - held
        assert only_transfer(store).work.payload_bytes == entry.payload.payload_bytes
        assert same_sound(only_transfer(store).path, music / "one.flac")

    mesh.run(scenario())


def test_a_partial_seeder_serves_what_it_has_and_tells_of_more(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        origin = await mesh.seeder("origin", entry, upload_kbps=900)
        middle_store, end_store = MemoryStore(), MemoryStore()
        middle_store.want_put(want())
        end_store.want_put(want())
        middle = await mesh.start("middle", middle_store)
        await mesh.until(lambda: middle.swarms.running and middle.swarms.running[0].serves)
        await mesh.start("end", end_store)
        await mesh.until(lambda: assembled(middle_store) and assembled(end_store))
        row = only_transfer(end_store)
        assert same_sound(row.path, music / "one.flac")
        assert row.sources[middle.peer_id].verified_bytes > 0
        assert sum(origin.swarms.up_bytes.values()) < 2 * entry.payload.payload_bytes

    mesh.run(scenario())


def test_a_paused_want_stops_and_a_resumed_one_goes_on_where_it_was(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        await mesh.seeder("seeder", library_entry(music / "one.flac"), upload_kbps=500)
        store = MemoryStore()
        wanted = want()
        store.want_put(wanted)
        fetcher = await mesh.start("fetcher", store)
        await mesh.until(lambda: fetcher.swarms.running and fetcher.swarms.running[0].serves)
        store.want_put(dataclasses.replace(wanted, desired=WantDesired.PAUSED))
        fetcher.reconciler.wake()
        await mesh.until(lambda: store.progress[wanted.id].phase is WantPhase.PAUSED)
        assert not fetcher.swarms.running
        store.want_put(wanted)
        fetcher.reconciler.wake()
        await mesh.until(lambda: assembled(store))
        assert len(store.transfers) == 1

    mesh.run(scenario())


def test_a_cancelled_want_ends_its_transfer_and_leaves_nothing_on_disk(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        await mesh.seeder("seeder", library_entry(music / "one.flac"), upload_kbps=300)
        store = MemoryStore()
        wanted = want()
        store.want_put(wanted)
        fetcher = await mesh.start("fetcher", store)
        await mesh.until(lambda: fetcher.swarms.running and fetcher.swarms.running[0].serves)
        store.want_put(dataclasses.replace(wanted, desired=WantDesired.CANCELLED))
        fetcher.reconciler.wake()
        await mesh.until(lambda: only_transfer(store).work.state is TransferState.STOPPED)
        assert isinstance(store.events[-1], TransferEnded)
        await mesh.until(lambda: not list((mesh.root / "fetcher" / "partial").iterdir()))

    mesh.run(scenario())


def test_a_full_disk_blocks_with_a_code_and_goes_on_when_there_is_room(
    mesh: MeshWorld, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = True
    real = os.posix_fallocate

    def fallocate(descriptor: int, offset: int, length: int) -> None:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor, offset, length)

    monkeypatch.setattr(os, "posix_fallocate", fallocate)

    async def scenario() -> None:
        nonlocal full
        await mesh.seeder("seeder", library_entry(music / "one.flac"))
        store = MemoryStore()
        wanted = want()
        store.want_put(wanted)
        fetcher = await mesh.start("fetcher", store)
        await mesh.until(lambda: wanted.id in store.progress and store.progress[wanted.id].phase is WantPhase.BLOCKED)
        assert store.progress[wanted.id].code == "disk_full"
        assert only_transfer(store).code == "disk_full"
        full = False
        fetcher.reconciler._pursuits[wanted.id].blocked_until = 0.0  # the pause is over
        await mesh.until(lambda: assembled(store))
        assert same_sound(only_transfer(store).path, music / "one.flac")
        assert only_transfer(store).code == ""

    mesh.run(scenario())


def test_a_lossy_payload_is_not_taken_when_only_lossless_will_do(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        await mesh.seeder("lossy", library_entry(music / "one.flac", profile="mp3-320-44100-2"))
        store = MemoryStore()
        wanted = want(constraints=Constraints(allow_lossy=False))
        store.want_put(wanted)
        await mesh.start("fetcher", store)
        await mesh.until(lambda: wanted.id in store.progress and store.progress[wanted.id].phase is WantPhase.NO_SOURCE)
        assert store.progress[wanted.id].code == "only_lossy_sources"

    mesh.run(scenario())


def test_eight_tracks_come_from_three_sources_at_once(mesh: MeshWorld, music: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        recordings = [uuid.uuid4() for _ in range(8)]
        entries = []
        for number, recording in enumerate(recordings):
            twin = tmp_path / f"{number}.flac"
            data = bytearray((music / "one.flac").read_bytes())
            data[-100 - number] ^= 0xFF  # another payload
            twin.write_bytes(data)
            entries.append(library_entry(twin, recording=recording))
        for name in ("a", "b", "c"):
            await mesh.seeder(name, *entries, upload_kbps=20_000)
        store = MemoryStore()
        for recording in recordings:
            store.want_put(want(recording))
        await mesh.start("fetcher", store)
        await mesh.until(lambda: len(assembled(store)) == 8)
        givers = {peer for row in store.transfers.values() for peer, one in row.sources.items() if one.verified_bytes}
        assert len(givers) == 3

    mesh.run(scenario())


def test_a_changed_library_file_is_not_served(mesh: MeshWorld, music: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "changed.flac"
        path.write_bytes((music / "one.flac").read_bytes())
        entry = library_entry(path)
        os.utime(path, ns=(1, 1))
        await mesh.seeder("seeder", entry)
        store = MemoryStore()
        wanted = want()
        store.want_put(wanted)
        await mesh.start("fetcher", store)
        await mesh.until(lambda: wanted.id in store.progress and store.progress[wanted.id].phase is WantPhase.NO_SOURCE)
        assert not assembled(store)

    mesh.run(scenario())


def test_damaged_bytes_on_disk_are_found_at_the_start_and_fetched_again(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        await mesh.seeder("seeder", library_entry(music / "one.flac"), upload_kbps=700)
        store = MemoryStore()
        store.want_put(want())
        fetcher = await mesh.start("fetcher", store)
        await mesh.until(
            lambda: fetcher.swarms.running and fetcher.swarms.running[0].report().verified_bytes >= 2 * LEAF_BYTES
        )
        await mesh.stop("fetcher")
        row = only_transfer(store)
        folder = mesh.root / "fetcher" / "partial" / str(row.work.id)
        opened = PieceStore.open(folder, root=row.work.payload_root)
        assert opened is not None
        opened.store.close()
        damaged = min(opened.held)
        with (folder / "audio.flac").open("r+b") as file:
            file.seek(42 + damaged * LEAF_BYTES)
            file.write(b"damage")
        await mesh.start("fetcher", store)
        await mesh.until(lambda: assembled(store))
        assert same_sound(row.path, music / "one.flac")

    mesh.run(scenario())


def test_a_file_lost_while_it_waits_for_its_verdict_is_fetched_again(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        await mesh.seeder("seeder", library_entry(music / "one.flac"))
        store = MemoryStore()
        store.want_put(want())
        await mesh.start("fetcher", store)
        await mesh.until(lambda: assembled(store))
        row = only_transfer(store)
        await mesh.stop("fetcher")
        Path(row.path).unlink()
        await mesh.start("fetcher", store)
        await mesh.until(lambda: row.work.state is TransferState.FETCHING)
        await mesh.until(lambda: assembled(store))
        assert same_sound(row.path, music / "one.flac")

    mesh.run(scenario())


def test_a_download_limit_holds_over_all_wants_of_a_group(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        await mesh.seeder("seeder", entry)
        store = MemoryStore()
        limited, group = Constraints(overlay_bandwidth_kbps=1024), uuid.uuid4()
        for _ in range(2):
            store.want_put(want(constraints=limited, group_id=group))
        fetcher = await mesh.start("fetcher", store)
        began = mesh.loop.time()
        await mesh.until(lambda: [one.work.state for one in store.transfers.values()] == [TransferState.ASSEMBLED] * 2)
        spent = mesh.loop.time() - began
        allowed = (spent + 1) * 1024 * 1024 + 512 * 1024  # what was saved up, and one chunk of debt
        assert fetcher.swarms.down_bytes.total() <= allowed

    mesh.run(scenario())
