"""Two payloads for one recording: the second is fetched beside a first that stalls, bytes are never mixed, one is left in the end."""

from __future__ import annotations

import dataclasses
import errno
import os
from pathlib import Path

import pytest

from apps.domain.contracts.events import TransferSampled
from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.lifecycle import TransferRole, TransferState, WantDesired, WantPhase
from overlay_node.services.root import Node
from overlay_node.store.memory_rows import LibraryEntry, TransferRow
from overlay_node.store.memory_store import MemoryStore
from overlay_node.swarm import race
from tests.overlay_node.services.mesh_world import MeshWorld, assembled, library_entry, want


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested is what happens then, not how long it takes."""
    monkeypatch.setattr(race, "STALLED_S", 0.3)


def freeze(node: Node) -> None:
    """From now on it reads and answers nothing, and keeps its links open."""
    for link in list(node.overlay.links):
        link._transport.pauseProducing()


def payload_bytes(row: TransferRow) -> bytes:
    """What was assembled, without the preamble."""
    return Path(row.path).read_bytes()[row.preamble_bytes :]


def payload_of(entry: LibraryEntry) -> bytes:
    file = entry.payload.files[0]
    return Path(os.fsdecode(file.path)).read_bytes()[file.payload_offset :][: entry.payload.payload_bytes]


def of_root(store: MemoryStore, entry: LibraryEntry) -> TransferRow:
    return next(row for row in store.transfers.values() if row.work.payload_root == entry.payload.payload_root)


def folders(mesh: MeshWorld) -> set[str]:
    return {one.name for one in (mesh.root / "fetcher" / "partial").iterdir()}


async def frozen_first(mesh: MeshWorld, music: Path, store: MemoryStore) -> tuple[Node, LibraryEntry, LibraryEntry]:
    """A fetcher whose first payload came in part and then froze; another one is on offer. Returns it, the first and the second."""
    first, second = library_entry(music / "one.flac"), library_entry(music / "two.flac")
    holder = await mesh.seeder("first", first, upload_kbps=300)
    fetcher = await mesh.start("fetcher", store)
    await mesh.until(lambda: fetcher.swarms.running and fetcher.swarms.running[0].serves)
    freeze(holder)
    await mesh.seeder("second", second)
    return fetcher, first, second


def test_when_the_only_holder_freezes_the_job_is_completed_by_the_fallback_with_exactly_its_bytes(
    mesh: MeshWorld, music: Path
) -> None:
    async def scenario() -> None:
        store, wanted = MemoryStore(), want()
        store.want_put(wanted)
        _, first, second = await frozen_first(mesh, music, store)
        await mesh.until(lambda: len(store.transfers) == 2)
        stalled, beside = of_root(store, first), of_root(store, second)
        assert (stalled.work.role, beside.work.role) == (TransferRole.PRIMARY, TransferRole.FALLBACK)
        await mesh.until(lambda: assembled(store))
        assert assembled(store) == [beside]
        assert payload_bytes(beside) == payload_of(second)
        # the loser is kept, whole as far as it came, until the winner was verified
        assert stalled.work.state is TransferState.FETCHING
        assert folders(mesh) == {str(stalled.work.id), str(beside.work.id)}
        store.verdict_put(beside.work.id, accepted=True)
        await mesh.until(lambda: stalled.work.state is TransferState.STOPPED and not folders(mesh))
        assert (beside.work.state, stalled.code) == (TransferState.ACCEPTED, "want_satisfied")
        assert store.progress[wanted.id].phase is WantPhase.DONE

    mesh.run(scenario())


def test_when_the_fallback_is_refused_the_first_payload_goes_on_where_it_was(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        store, wanted = MemoryStore(), want()
        store.want_put(wanted)
        fetcher, first, second = await frozen_first(mesh, music, store)
        await mesh.until(lambda: assembled(store))
        stalled, beside = of_root(store, first), of_root(store, second)
        await mesh.until(lambda: stalled.work.id not in fetcher.swarms.runners)
        kept = stalled.verified_bytes
        await mesh.stop("first")
        back = await mesh.seeder("again", first)
        store.verdict_put(beside.work.id, accepted=False, code="wrong_recording")
        await mesh.until(lambda: stalled.work.state is TransferState.ASSEMBLED)
        assert payload_bytes(stalled) == payload_of(first)
        assert stalled.work.role is TransferRole.PRIMARY
        assert kept > 0
        assert back.swarms.up_bytes.total() <= stalled.work.payload_bytes - kept
        assert beside.work.state is TransferState.REJECTED
        assert folders(mesh) == {str(stalled.work.id)}

    mesh.run(scenario())


def test_both_are_found_again_after_a_restart_and_no_third_one_is_begun(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        store = MemoryStore()
        store.want_put(want())
        first, second = library_entry(music / "one.flac"), library_entry(music / "two.flac")
        holder = await mesh.seeder("first", first, upload_kbps=300)
        fetcher = await mesh.start("fetcher", store)
        await mesh.until(lambda: fetcher.swarms.running and fetcher.swarms.running[0].serves)
        freeze(holder)
        await mesh.seeder("second", second, upload_kbps=300)
        await mesh.until(lambda: len(fetcher.swarms.running) == 2 and all(one.serves for one in fetcher.swarms.running))
        await mesh.stop("fetcher")
        again = await mesh.start("fetcher", store)
        await mesh.until(lambda: len(again.swarms.running) == 2)
        # Whose links are new is frozen no more: either may win the race.
        await mesh.until(lambda: assembled(store))
        done = assembled(store)[0]
        assert payload_bytes(done) == payload_of(first if done is of_root(store, first) else second)
        assert len(store.transfers) == 2

    mesh.run(scenario())


@pytest.mark.parametrize("desired", [WantDesired.PAUSED, WantDesired.CANCELLED])
def test_pausing_and_cancelling_mean_both(mesh: MeshWorld, music: Path, desired: WantDesired) -> None:
    async def scenario() -> None:
        store, wanted = MemoryStore(), want()
        store.want_put(wanted)
        first, second = library_entry(music / "one.flac"), library_entry(music / "two.flac")
        holder = await mesh.seeder("first", first, upload_kbps=300)
        fetcher = await mesh.start("fetcher", store)
        await mesh.until(lambda: fetcher.swarms.running and fetcher.swarms.running[0].serves)
        freeze(holder)
        await mesh.seeder("second", second, upload_kbps=200)
        await mesh.until(lambda: len(fetcher.swarms.running) == 2)
        store.want_put(dataclasses.replace(wanted, desired=desired))
        fetcher.reconciler.wake()
        await mesh.until(lambda: not fetcher.swarms.runners)
        if desired is WantDesired.CANCELLED:
            await mesh.until(lambda: not folders(mesh))
            assert {row.work.state for row in store.transfers.values()} == {TransferState.STOPPED}
        else:
            await mesh.until(lambda: store.progress[wanted.id].phase is WantPhase.PAUSED)
            store.want_put(wanted)
            fetcher.reconciler.wake()
            await mesh.until(lambda: assembled(store))
            assert len(store.transfers) == 2

    mesh.run(scenario())


def test_a_fallback_that_finds_no_room_on_the_disk_goes_and_the_first_payload_stays(
    mesh: MeshWorld, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = False
    real = os.posix_fallocate

    def fallocate(descriptor: int, offset: int, length: int) -> None:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor, offset, length)

    monkeypatch.setattr(os, "posix_fallocate", fallocate)

    async def scenario() -> None:
        nonlocal full
        store, wanted = MemoryStore(), want()
        store.want_put(wanted)
        first, second = library_entry(music / "one.flac"), library_entry(music / "two.flac")
        holder = await mesh.seeder("first", first, upload_kbps=300)
        fetcher = await mesh.start("fetcher", store)
        await mesh.until(lambda: fetcher.swarms.running and fetcher.swarms.running[0].serves)
        full = True
        freeze(holder)
        await mesh.seeder("second", second)
        await mesh.until(lambda: any(row.code == "disk_full" for row in store.transfers.values()))
        gone = of_root(store, second)
        assert (gone.work.state, gone.work.role) == (TransferState.STOPPED, TransferRole.FALLBACK)
        assert of_root(store, first).work.state is TransferState.FETCHING
        await mesh.until(lambda: folders(mesh) == {str(of_root(store, first).work.id)})
        assert store.progress[wanted.id].phase is not WantPhase.BLOCKED
        reconciler = fetcher.reconciler
        await mesh.until(lambda: reconciler._pursuits[wanted.id].fallback_again_at > reconciler._clock())

    mesh.run(scenario())


def test_a_payload_that_the_job_does_not_accept_is_no_fallback(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        store, wanted = MemoryStore(), want(constraints=Constraints(allow_lossy=False))
        store.want_put(wanted)
        holder = await mesh.seeder("first", library_entry(music / "one.flac"), upload_kbps=300)
        fetcher = await mesh.start("fetcher", store)
        await mesh.until(lambda: fetcher.swarms.running and fetcher.swarms.running[0].serves)
        freeze(holder)
        lossy = library_entry(music / "two.flac", profile="mp3-320-44100-2")
        await mesh.seeder("lossy", lossy)
        pursuit = fetcher.reconciler._pursuits[wanted.id]
        await mesh.until(lambda: any(one[0].profile.startswith("mp3") for one in store.claims.values()))
        looked = pursuit.others_at or 0.0
        await mesh.until(lambda: (pursuit.others_at or 0.0) > looked)
        assert len(store.transfers) == 1

    mesh.run(scenario())


def test_a_payload_whose_beginning_is_another_recording_is_stopped_before_the_rest_has_come(
    mesh: MeshWorld, music: Path
) -> None:
    async def scenario() -> None:
        wrong, right = library_entry(music / "one.flac"), library_entry(music / "two.flac")
        store, wanted = MemoryStore(), want(duration_ms=1_200_000)  # 120 s of it are the first two of eight leaves
        store.want_put(wanted)
        liar = await mesh.seeder("liar", wrong, upload_kbps=400)
        await mesh.start("fetcher", store)
        await mesh.until(lambda: any(isinstance(event, TransferSampled) for event in store.events))
        row = of_root(store, wrong)
        assert row.work.state is TransferState.FETCHING
        beginning = Path(row.path).read_bytes()[row.preamble_bytes : row.sample_bytes]
        assert len(beginning) > len(payload_of(wrong)) // 8
        assert payload_of(wrong).startswith(beginning)
        store.verdict_put(row.work.id, accepted=False, code="wrong_recording")
        await mesh.until(lambda: row.work.state is TransferState.REJECTED)
        assert row.verified_bytes < row.work.payload_bytes
        assert store.peers[liar.peer_id].wrong_claims == 1
        await mesh.seeder("honest", right)
        await mesh.until(lambda: assembled(store))
        assert payload_bytes(assembled(store)[0]) == payload_of(right)
        assert folders(mesh) == {str(assembled(store)[0].work.id)}
        told = [event.transfer_id for event in store.events if isinstance(event, TransferSampled)]
        assert told.count(row.work.id) == 1

    mesh.run(scenario())
