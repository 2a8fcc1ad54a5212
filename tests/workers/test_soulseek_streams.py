"""From a sharer's file to a verdict: a stream over real sockets, Django's rows, the worker that judges; right, wrong, and remembered."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from apps.domain.contracts.soulseek_downloads import FileAsked
from apps.domain.jobs.lifecycle import JobState, TrackState, TransferState
from apps.domain.soulseek.performance import RescueRules
from apps.domain.soulseek.states import DownloadState, Outcome
from apps.jobs.models import Job
from apps.jobs.services_events import node_events_consume
from apps.library.models import AudioVariant
from apps.soulseek.models import Batch, Download, DownloadProgress, OfferSighting, SoulseekUser, SourceOutcome
from apps.soulseek.services_capture import downloads_capture
from apps.soulseek.services_download import batch_create
from apps.soulseek.services_download_ends import ends_take
from apps.transfers.models import Transfer
from apps.transfers.node_services import verdict_apply
from overlay_node.soulseek.downloading import Downloads
from overlay_node.soulseek.ports import PlaneContext
from overlay_node.store.database_thread import DatabaseThread
from overlay_node.store.soulseek.downloads import DjangoDownloads
from tests.overlay_node.soulseek.downloads_world import RULES
from tests.overlay_node.soulseek.test_downloading import path_of
from tests.overlay_node.soulseek.world import World, played, soulseek_world
from tests.workers.assembled import OTHER, Names, flac, recording_id, running_job, track_of
from workers.verification import Verifier

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e]
T = TypeVar("T")


class Plane:
    """A node's downloads over Django's rows, and what happens beside them."""

    def __init__(self, world: World, folder: Path, *, knows: uuid.UUID) -> None:
        self.world, self.folder = world, folder
        self.database = DatabaseThread()
        self.verifier = Verifier(
            acoustid=Names(recordings=(knows,)),
            fingerprinting=True,
            require_fingerprint=False,
            library_root=lambda: folder / "library",
            template="{albumartist}/{album} ({year})/{disc_track} {title}.{ext}",
        )
        (folder / "library").mkdir()

    async def start(self) -> None:
        def parts(context: PlaneContext) -> list[Downloads]:
            return [
                Downloads(
                    context,
                    DjangoDownloads(self.database),
                    rules=RULES,
                    rescue=RescueRules(),
                    counted=lambda _user, _count, _job: None,
                    partial_dir=self.folder / "partial",
                    downloads_dir=self.folder / "downloads",
                )
            ]

        plane = await self.world.plane(parts=parts)
        await self.world.until(lambda: plane.online)

    async def rows(self, call: Callable[[], T]) -> T:
        return await self.database.read(call)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not await self.rows(condition):
                await asyncio.sleep(0.1)

    async def judged(self) -> None:
        """What workers and the reconciler do with what was assembled."""
        await self.until(lambda: Transfer.objects.filter(state=TransferState.ASSEMBLED).exists())
        transfer_id = await self.rows(lambda: Transfer.objects.get(state=TransferState.ASSEMBLED).id)
        await self.rows(node_events_consume)
        await self.rows(lambda: self.verifier.verify(transfer_id))
        await self.database.run(lambda: verdict_apply(transfer_id))

    async def ended(self, download_id: uuid.UUID) -> DownloadState:
        def taken() -> bool:
            ends_take()
            return DownloadProgress.objects.filter(download_id=download_id, taken_at__isnull=False).exists()

        await self.until(taken)
        row = await self.rows(lambda: DownloadProgress.objects.get(download_id=download_id))
        return DownloadState(row.state)


def asked(job: Job, *paths: str) -> list[uuid.UUID]:
    track = track_of(job)
    files = [
        FileAsked(
            path=path,
            want_id=track.want_id if path.endswith("flac") else None,
            recording_mbid=track.recording_mbid if path.endswith("flac") else None,
            profile="flac-16-44100-2",
        )
        for path in paths
    ]
    batch = batch_create(user="bob", folder="x", files=files, job_id=job.id, origin="job")
    return list(Download.objects.filter(batch=batch).order_by("order").values_list("id", flat=True))


def shared(folder: Path) -> Path:
    (folder / "Album").mkdir(parents=True)
    (folder / "Album" / "1.flac").write_bytes(flac(1).read_bytes())
    return folder


def test_the_right_recording_is_filed_and_a_missing_picture_fails_nothing(tmp_path: Path) -> None:
    job = running_job(tracks=1)

    async def scene() -> None:
        async with (
            soulseek_world(tmp_path / "w") as world,
            world.user("bob", shares=shared(tmp_path / "shared")) as bob,
        ):
            plane = Plane(world, tmp_path, knows=recording_id(1))
            await plane.start()
            song = path_of(bob, "1.flac")
            one, picture = await plane.rows(lambda: asked(job, song, song.replace("1.flac", "cover.jpg")))
            await plane.judged()
            assert await plane.ended(one) is DownloadState.SUCCEEDED
            await plane.until(lambda: ends_take() or not Download.objects.filter(live=True).exists())
            states = await plane.rows(lambda: dict(DownloadProgress.objects.values_list("download_id", "state")))
            assert states == {one: "succeeded", picture: "refused"}
            await plane.database.close()

    played(scene)
    job.refresh_from_db()
    assert job.state == JobState.COMPLETED
    assert (tmp_path / "library/The Testers/First Album (2019)/01 Song 1.flac").exists()
    assert Batch.objects.get().ended_at is not None
    good = SourceOutcome.objects.get(outcome=Outcome.SUCCEEDED)
    assert (good.user, good.recording_mbid, bytes(good.payload_root or b"")) == (
        "bob",
        recording_id(1),
        bytes(Transfer.objects.get().payload_root),
    )
    assert SoulseekUser.objects.get().completed == 1
    assert downloads_capture(lambda user: f"~{user}") == 2, "the picture is taken in, and teaches nothing"
    assert downloads_capture(lambda user: f"~{user}") == 0
    taught, transfer = OfferSighting.objects.get(), Transfer.objects.get()
    assert (taught.sharer, taught.verdict, taught.recording_mbid, taught.certainty, taught.files) == (
        "~bob",
        "accepted",
        recording_id(1),
        1.0,
        1,
    )
    assert (taught.payload_format, bytes(taught.payload_root or b""), taught.payload_bytes, taught.profile) == (
        "flac",
        bytes(transfer.payload_root),
        transfer.payload_bytes,
        transfer.profile,
    )
    assert taught.length_ms == AudioVariant.objects.get(payload_root=transfer.payload_root).duration_ms > 0


def test_a_wrong_recording_is_rejected_and_remembered_and_the_track_goes_on_looking(tmp_path: Path) -> None:
    job = running_job(tracks=1)

    async def scene() -> None:
        async with (
            soulseek_world(tmp_path / "w") as world,
            world.user("bob", shares=shared(tmp_path / "shared")) as bob,
        ):
            plane = Plane(world, tmp_path, knows=OTHER)
            await plane.start()
            song = path_of(bob, "1.flac")
            (one,) = await plane.rows(lambda: asked(job, song))
            await plane.judged()
            assert await plane.ended(one) is DownloadState.REJECTED
            (again,) = await plane.rows(lambda: asked(job, song))  # a person insists: it is refused before it is judged
            assert await plane.ended(again) is DownloadState.REJECTED
            row = await plane.rows(lambda: DownloadProgress.objects.get(download_id=again))
            assert row.code == "payload_denied"
            await plane.database.close()

    played(scene)
    assert track_of(job).state == TrackState.WANTED
    first = SourceOutcome.objects.order_by("id").first()
    assert first is not None
    assert (first.outcome, first.code, first.again_at) == (Outcome.WRONG_RECORDING, "wrong_recording", None)
    assert SoulseekUser.objects.get().failed == 2
    assert downloads_capture(lambda user: f"~{user}") == 2
    taught = OfferSighting.objects.get()
    assert (taught.verdict, taught.recording_mbid, taught.certainty, taught.payload_format, taught.times) == (
        "rejected",
        None,
        0.0,
        "flac",
        1,
    )
    assert taught.code in {"wrong_recording", "payload_denied"}
