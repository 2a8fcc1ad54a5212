"""Rescues for real: a Soulseek server, a sharer who is too slow, peers on the mesh; all on loopback, rows in memory."""

from __future__ import annotations

import dataclasses
import random
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aioslsk.client import SoulSeekClient as SoulseekClient

from apps.domain.audio.payload import LEAF_BYTES, find_span_in_bytes
from apps.domain.contracts.soulseek_rescues import RescueOrigin, RescueReport
from apps.domain.jobs.lifecycle import TransferState, WantDesired
from apps.domain.mesh.policy import Mode
from apps.domain.soulseek.guardrails import GRACE_BYTES
from apps.domain.soulseek.performance import RescueRules
from apps.domain.soulseek.states import DownloadState, RescueState
from overlay_node.services.root import Node
from overlay_node.services.swarm_runner import SwarmRunner
from overlay_node.soulseek.downloading import Downloads
from overlay_node.soulseek.ports import Credentials, SoulseekSupplies
from overlay_node.soulseek.rescue import Rescues
from overlay_node.soulseek.stream import Stream
from overlay_node.store.memory_rows import LibraryEntry, TransferRow
from overlay_node.store.memory_store import MemoryStore
from overlay_node.store.soulseek.memory_downloads import MemoryDownloads
from overlay_node.store.soulseek.memory_rescues import MemoryRescues
from tests.overlay_node.services.mesh_world import MeshWorld, assembled, library_entry, only_transfer, want
from tests.overlay_node.soulseek.downloads_world import RULES as STREAM_RULES
from tests.overlay_node.soulseek.downloads_world import download
from tests.overlay_node.soulseek.test_downloading import limited, path_of, shared
from tests.overlay_node.soulseek.test_stream_files import flac
from tests.overlay_node.soulseek.world import World, memory_rows, soulseek_world

pytestmark = pytest.mark.e2e

SLOW_KIB_S = 250
RULES = RescueRules(
    min_throughput_kbps=600, min_duration_s=1.0, stall_timeout_s=20.0, recovery_s=3.0, recovery_kbps=900
)
SOUND = flac(random.Random(9).randbytes(24 * LEAF_BYTES + 1000))
OTHER = flac(random.Random(10).randbytes(24 * LEAF_BYTES + 1000))
SPAN = find_span_in_bytes(SOUND)


class Scene:
    """One node with both planes, and a sharer."""

    def __init__(self, mesh: MeshWorld, world: World, rules: RescueRules) -> None:
        self.mesh, self.world = mesh, world
        self.store = MemoryStore()
        self.downloads = MemoryDownloads()
        self.rescues = MemoryRescues()
        self.wanted = want()
        self.config = world.config(rescue=rules, downloads=STREAM_RULES, first_pause_s=0.05)
        self.id = uuid.UUID(int=0)

    async def start(self) -> Node:
        rows = dataclasses.replace(memory_rows(), downloads=self.downloads, rescues=self.rescues)
        supplies = SoulseekSupplies(rows=rows, credentials=lambda: Credentials("alice", "pw"))
        return await self.mesh.start("fetcher", self.store, supplies=supplies, soulseek=self.config, mode=Mode.HYBRID)

    def ask(self, remote_path: str) -> None:
        """What the control plane does for a job."""
        asked = download(remote_path, size=len(SOUND))
        asked = dataclasses.replace(asked, want_id=self.wanted.id, recording_mbid=self.wanted.recording_mbid)
        self.id = self.downloads.put(asked)
        self.store.want_put(self.wanted)

    @property
    def node(self) -> Node:
        return self.mesh.nodes["fetcher"]

    @property
    def part(self) -> Rescues:
        assert self.node.plane is not None
        return next(one for one in self.node.plane.parts if isinstance(one, Rescues))

    @property
    def stream(self) -> Stream:
        assert self.node.plane is not None
        return next(one for one in self.node.plane.parts if isinstance(one, Downloads)).streams[self.id]

    def rescue(self) -> RescueReport:
        """The newest."""
        return self.rescues.of(self.id)[-1]

    def stands(self, state: RescueState, code: str = "") -> bool:
        return bool(self.rescues.of(self.id)) and self.rescue().state is state and code in {"", self.rescue().code}

    async def accepted(self, row: TransferRow) -> None:
        """The judge says yes, and the want is met."""
        self.store.verdict_put(row.work.id, accepted=True)
        self.downloads.wants[self.wanted.id] = WantDesired.SATISFIED
        await self.mesh.until(lambda: row.work.state is TransferState.ACCEPTED)


@asynccontextmanager
async def scene_of(
    mesh: MeshWorld, folder: Path, rules: RescueRules = RULES
) -> AsyncIterator[tuple[Scene, SoulseekClient]]:
    files = shared(folder / "s", "1.flac", content=SOUND)
    async with soulseek_world(folder) as world, world.user("bob", shares=files) as bob:
        limited(bob, SLOW_KIB_S)
        scene = Scene(mesh, world, rules)
        scene.ask(path_of(bob, "1.flac"))
        await scene.start()
        try:
            yield scene, bob
        finally:
            await mesh.stop("fetcher")


def entry_of(folder: Path, content: bytes) -> LibraryEntry:
    path = folder / "held.flac"
    path.write_bytes(content)
    return library_entry(path)


def test_a_slow_stream_is_rescued_and_the_file_has_bytes_of_both_planes(mesh: MeshWorld, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene_of(mesh, tmp_path) as (scene, _bob):
            await mesh.until(lambda: scene.stands(RescueState.LOOKING))
            assert scene.rescue().trouble == "too_slow"
            entry = entry_of(tmp_path, SOUND)
            await mesh.seeder("seeder", entry, upload_kbps=3000)
            await mesh.until(lambda: scene.stands(RescueState.ACTIVE, "rescue_same_payload"))
            await mesh.until(lambda: assembled(scene.store))
            row = only_transfer(scene.store)
            data = Path(row.path).read_bytes()
            found = find_span_in_bytes(data)
            assert data[found.offset : found.end] == SOUND[SPAN.offset : SPAN.end]
            assert row.work.payload_root == entry.payload.payload_root
            by = {source.adapter: source for source in row.sources.values()}
            assert by["soulseek"].peer == "bob"
            assert by["soulseek"].verified_bytes >= LEAF_BYTES
            assert by["overlay"].verified_bytes > 0
            assert by["soulseek"].verified_bytes + by["overlay"].verified_bytes == SPAN.length
            assert by["overlay"].bad_leaves == 0
            await mesh.until(lambda: scene.stands(RescueState.FINISHED))
            told = scene.rescue()
            assert (told.overlay_bytes, told.soulseek_bytes) == (
                by["overlay"].verified_bytes,
                by["soulseek"].verified_bytes,
            )
            assert told.transfer_id == row.work.id
            assert told.first_byte_at is not None
            await mesh.until(
                lambda: scene.stream.core.code == "mesh_has_rest"
            )  # the sharer is not asked for what is here
            assert scene.stream.have < len(SOUND)
            await scene.accepted(row)
            await mesh.until(lambda: scene.downloads.state(scene.id) is DownloadState.ENOUGH)

    mesh.run(scenario())


def test_a_mesh_without_any_limit_is_given_what_the_stream_has_before_it_is_asked(
    mesh: MeshWorld, tmp_path: Path
) -> None:
    """However fast it is: leaves that are here when it begins are the sharer's in the file, by construction."""

    async def scenario() -> None:
        async with scene_of(mesh, tmp_path) as (scene, _bob):
            await mesh.until(lambda: scene.stands(RescueState.LOOKING))
            await mesh.until(lambda: len(scene.stream.leaves) > 0)
            had: list[int] = []
            part, meet = scene.part, scene.node.swarms.meet_streams

            async def met(runner: SwarmRunner, /) -> None:
                assert runner.asked_bytes == 0
                had.append(len(scene.stream.leaves))
                await meet(runner)
                assert runner.asked_bytes == 0
                assert runner.stream_bytes >= had[0] * LEAF_BYTES
                assert part.cases[scene.id].core.state is RescueState.ACTIVE

            scene.node.swarms.meet_streams = met
            await mesh.seeder("seeder", entry_of(tmp_path, SOUND))
            await mesh.until(lambda: assembled(scene.store))
            by = {source.adapter: source for source in only_transfer(scene.store).sources.values()}
            assert by["soulseek"].verified_bytes >= had[0] * LEAF_BYTES > 0
            assert by["overlay"].verified_bytes > 0
            await mesh.until(lambda: scene.stands(RescueState.FINISHED, "rescue_finished"))

    mesh.run(scenario())


def test_a_leaf_that_differs_is_another_payload_and_nothing_of_the_stream_is_merged(
    mesh: MeshWorld, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with scene_of(mesh, tmp_path) as (scene, _bob):
            await mesh.until(lambda: scene.stands(RescueState.LOOKING))
            await mesh.seeder("seeder", entry_of(tmp_path, OTHER), upload_kbps=3000)
            await mesh.until(lambda: scene.stands(RescueState.ACTIVE, "rescue_other_payload"))
            await mesh.until(lambda: assembled(scene.store))
            row = only_transfer(scene.store)
            assert {source.adapter for source in row.sources.values()} == {"overlay"}
            assert row.verified_bytes == SPAN.length
            data = Path(row.path).read_bytes()
            found = find_span_in_bytes(data)
            assert data[found.offset : found.end] == OTHER[SPAN.offset : SPAN.end]
            assert len(scene.part.cases[scene.id].differs) == 1
            assert scene.stream.core.state is DownloadState.RECEIVING  # it is a payload of its own, and goes on
            await mesh.until(lambda: scene.stands(RescueState.FINISHED, "rescue_other_payload"))
            assert scene.rescue().soulseek_bytes == 0

    mesh.run(scenario())


def test_a_stream_that_does_well_again_is_preferred_and_brings_the_rest_itself(mesh: MeshWorld, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene_of(mesh, tmp_path, dataclasses.replace(RULES, recovery_s=1.0)) as (scene, bob):
            await mesh.until(lambda: scene.stands(RescueState.LOOKING))
            await mesh.seeder("seeder", entry_of(tmp_path, SOUND), upload_kbps=150)
            await mesh.until(lambda: scene.stands(RescueState.ACTIVE, "rescue_same_payload"))
            await mesh.until(lambda: scene.rescue().overlay_bytes > 0)
            limited(bob, 1200)
            await mesh.until(lambda: scene.stands(RescueState.RECOVERED, "rescue_recovered"))
            (runner,) = scene.node.swarms.running
            assert runner.allowance.spent
            was = runner.held_bytes - runner.stream_bytes + runner.asked_bytes
            await mesh.until(lambda: assembled(scene.store))  # with what the mesh had brought by then
            assert scene.stands(RescueState.RECOVERED)
            assert runner.held_bytes - runner.stream_bytes <= was  # no more than what was in flight

    mesh.run(scenario())


def test_the_ratio_of_bytes_holds_the_mesh_back_is_recorded_and_ends_when_a_fingerprint_can_prove_it(
    mesh: MeshWorld, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with scene_of(mesh, tmp_path) as (scene, _bob):
            spent = RescueOrigin(
                download_id=scene.id,
                attempted=True,
                seen=True,
                overlay_bytes=20 * GRACE_BYTES,
                soulseek_bytes=GRACE_BYTES,
            )
            scene.rescues.known[scene.id] = spent
            job = dataclasses.replace(scene.downloads.downloads[scene.id], job_id=uuid.uuid4())
            scene.downloads.put(job)
            await mesh.seeder("seeder", entry_of(tmp_path, SOUND), upload_kbps=3000)
            scene.store.want_put(dataclasses.replace(scene.wanted, desired=WantDesired.PAUSED))
            await mesh.until(lambda: scene.stands(RescueState.REFUSED, "rescue_ratio_reached"))
            scene.store.want_put(scene.wanted)
            scene.node.reconciler.wake()
            told = scene.rescue()
            assert told.params["most"] == 2.0
            assert float(told.params["ratio"] or 0) > 15
            assert told.ended_at is not None
            await mesh.until(lambda: scene.store.progress[scene.wanted.id].code == "rescue_ratio_reached")
            assert not scene.store.transfers
            scene.rescues.known[scene.id] = dataclasses.replace(spent, provable=True)
            await mesh.until(lambda: scene.stands(RescueState.ACTIVE))
            assert scene.rescue().id == told.id
            assert scene.rescue().ended_at is None
            await mesh.until(lambda: assembled(scene.store))

    mesh.run(scenario())


def test_a_node_that_was_stopped_goes_on_with_its_rescue_and_loses_no_byte(mesh: MeshWorld, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene_of(mesh, tmp_path) as (scene, _bob):
            await mesh.until(lambda: scene.stands(RescueState.LOOKING))
            await mesh.seeder("seeder", entry_of(tmp_path, SOUND), upload_kbps=400)
            await mesh.until(lambda: scene.stands(RescueState.ACTIVE, "rescue_same_payload"))
            await mesh.until(lambda: scene.rescue().overlay_bytes > 2 * LEAF_BYTES)
            before = scene.rescue()
            held = only_transfer(scene.store)
            await mesh.stop("fetcher")
            had = held.verified_bytes
            await scene.start()
            await mesh.until(lambda: scene.id in scene.part.cases)
            assert scene.part.cases[scene.id].id == before.id
            await mesh.until(lambda: assembled(scene.store))
            row = only_transfer(scene.store)
            assert row.refetched_bytes <= 2 * LEAF_BYTES
            assert row.verified_bytes == SPAN.length
            assert had > 0
            await mesh.until(lambda: scene.stands(RescueState.FINISHED))
            assert scene.rescue().id == before.id
            told = scene.rescue()
            assert told.soulseek_bytes >= before.soulseek_bytes
            assert told.overlay_bytes + told.soulseek_bytes == SPAN.length

    mesh.run(scenario())
