"""The beginning of a file that is still being fetched: another recording is told at once, and nothing else is concluded from it."""

from __future__ import annotations

import functools
import uuid
from pathlib import Path

import pytest
import redis

from apps.common.dispatch import TaskName
from apps.domain.contracts.events import TransferSampled
from apps.jobs.models import JobTrack
from apps.jobs.services_events import node_events_consume
from apps.nodelink.services import event_record
from apps.transfers.models import PayloadDenial, Transfer, TransferVerdict
from tests.workers.assembled import OTHER, Names, recording_id, running_job, track_of
from tests.workers.gateways import sound
from tests.workers.test_sweep import sent as sent  # noqa: PLC0414  (a fixture)
from tests.workers.test_sweep import tasks_in
from workers.gateways.acoustid import AcoustidMatch, AcoustidPort
from workers.gateways.errors import Transient
from workers.gateways.files import identify
from workers.sampling import sample
from workers.verification import Verifier

pytestmark = pytest.mark.django_db(transaction=True)

SECONDS, SAMPLED_S = 200, 140


@functools.cache
def _whole(folder: Path) -> Path:
    return sound.write(folder / "long.flac", SECONDS, seed=3)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _whole(tmp_path_factory.mktemp("long"))


def verifier(acoustid: AcoustidPort | None, *, fingerprinting: bool = True) -> Verifier:
    return Verifier(
        acoustid=acoustid,
        fingerprinting=fingerprinting,
        require_fingerprint=False,
        library_root=lambda: Path("/nonexistent"),
        template="{title}.{ext}",
    )


@pytest.fixture
def transfer(whole: Path, tmp_path: Path) -> Transfer:
    """As the node leaves it: the beginning verified, room for the rest, which is zeros."""
    return fetching(whole, tmp_path, seconds=SAMPLED_S)


def fetching(whole: Path, folder: Path, *, seconds: float) -> Transfer:
    found = identify(whole)
    track = track_of(running_job(tracks=1))
    assert track.want is not None
    here = int(found.span.length * seconds / SECONDS)
    data = whole.read_bytes()
    path = folder / "audio.flac"
    beginning = found.span.preamble + data[found.span.offset : found.span.offset + here]
    path.write_bytes(beginning + bytes(found.span.length - here))
    return Transfer.objects.create(
        want=track.want, payload_format="flac", payload_root=found.root, profile="flac-16-44100-2",
        payload_bytes=found.span.length, leaf_bytes=262144, preamble_bytes=len(found.span.preamble),
        verified_bytes=here, path=str(path), sample_bytes=len(beginning),
    )  # fmt: skip


def test_another_recording_is_refused_before_the_rest_has_come(transfer: Transfer) -> None:
    service = Names((OTHER,))
    assert sample(transfer.id, verifier(service))
    verdict = TransferVerdict.objects.get(transfer=transfer)
    assert (verdict.accepted, verdict.code, verdict.params["sampled_s"]) == (False, "wrong_recording", 120)
    assert PayloadDenial.objects.get().payload_root == transfer.payload_root
    assert service.asked == 1
    assert not sample(transfer.id, verifier(service))  # told twice, judged once
    assert service.asked == 1


@pytest.mark.parametrize(
    "service",
    [
        Names((recording_id(1),)),
        Names(()),
        None,
        Names(error=Transient("away", code="acoustid_unavailable")),
        Names(error=Transient("garbled", code="acoustid_garbled")),
    ],
)
def test_anything_else_is_left_to_the_whole_file(transfer: Transfer, service: Names | None) -> None:
    assert not sample(transfer.id, verifier(service))
    assert not TransferVerdict.objects.exists()
    assert not PayloadDenial.objects.exists()


def test_a_beginning_that_is_too_short_proves_nothing(whole: Path, tmp_path: Path) -> None:
    short = fetching(whole, tmp_path, seconds=60)
    service = Names((OTHER,))
    assert not sample(short.id, verifier(service))
    assert service.asked == 0


@pytest.mark.parametrize("state", ["assembled", "stopped"])
def test_whoever_comes_too_late_changes_nothing(transfer: Transfer, state: str) -> None:
    Transfer.objects.filter(id=transfer.id).update(state=state)
    assert not sample(transfer.id, verifier(Names((OTHER,))))
    assert not TransferVerdict.objects.exists()


def test_a_file_that_was_assembled_meanwhile_is_judged_as_a_whole(transfer: Transfer) -> None:
    class Slow(Names):
        def lookup(self, fingerprint: str, *, duration_s: int) -> tuple[AcoustidMatch, ...]:
            Transfer.objects.filter(id=transfer.id).update(state="assembled")
            return super().lookup(fingerprint, duration_s=duration_s)

    assert not sample(transfer.id, verifier(Slow((OTHER,))))
    assert not TransferVerdict.objects.exists()


def test_a_file_that_is_gone_or_no_sound_is_nobodys_fault(transfer: Transfer) -> None:
    Path(transfer.path).write_bytes(b"no sound at all" * 100_000)
    assert not sample(transfer.id, verifier(Names((OTHER,))))
    Path(transfer.path).unlink()
    assert not sample(transfer.id, verifier(Names((OTHER,))))
    assert not sample(uuid.uuid4(), verifier(Names((OTHER,))))
    assert not sample(transfer.id, verifier(Names((OTHER,)), fingerprinting=False))
    assert not TransferVerdict.objects.exists()


def test_what_the_node_tells_sends_the_task_and_moves_no_track(transfer: Transfer, sent: redis.Redis) -> None:
    before = JobTrack.objects.get().state
    sent.flushdb()
    event_record(TransferSampled(transfer_id=transfer.id, want_id=transfer.want_id))
    node_events_consume()
    asked = [args for task, args in tasks_in(sent) if task == TaskName.SAMPLE_DOWNLOAD]
    assert [str(transfer.id) in args for args in asked] == [True]
    assert JobTrack.objects.get().state == before
