"""Downloads as rows: asked for once, moved, ordered, asked for again; taken over by the node, adopted once, taken in at their end."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.domain.audio.payload import PayloadFormat
from apps.domain.contracts.soulseek_downloads import Adoption, DownloadReport, FileAsked, WholeStream
from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.lifecycle import TransferRole, TransferState, WantDesired
from apps.domain.soulseek.states import DownloadDesired, DownloadState, Outcome
from apps.nodelink.models import NodeEvent
from apps.soulseek.models import Batch, Download, DownloadProgress, SoulseekUser, SourceOutcome
from apps.soulseek.selectors_node_downloads import downloads_keeping, downloads_work, sharers_past
from apps.soulseek.services_download import (
    DownloadInvalid,
    Spot,
    batch_create,
    batch_move,
    batch_retry,
    download_move,
    download_priority,
    download_reorder,
    download_retry,
)
from apps.soulseek.services_download_ends import downloads_forget, ends_take
from apps.soulseek.services_node_downloads import downloads_record, stream_adopt
from apps.transfers.models import PayloadDenial, Transfer, TransferSource, Want
from apps.transfers.services import want_create

pytestmark = pytest.mark.django_db

RECORDING = uuid.UUID(int=9)
ROOT = b"r" * 32


@pytest.fixture
def want(db: None) -> Want:
    return want_create(
        RECORDING, release_mbids=[uuid.UUID(int=3)], duration_ms=1000, constraints=Constraints(), requested_by_id=None
    )


def asked(*names: str, want: Want | None = None, user: str = "bob") -> list[uuid.UUID]:
    """A batch of files; the ids of its rows, in the queue's order."""
    files = [
        FileAsked(
            path=f"Music\\Album\\{name}",
            size_bytes=1000,
            want_id=want.id if want else None,
            recording_mbid=RECORDING if want else None,
        )
        for name in names
    ]
    batch = batch_create(user=user, folder="Music\\Album", files=files, title="An Album")
    return list(Download.objects.filter(batch=batch).order_by("order").values_list("id", flat=True))


def told(download_id: uuid.UUID, state: DownloadState, **more: object) -> None:
    downloads_record([DownloadReport(download_id=download_id, state=state, **more)])  # type: ignore[arg-type]


def queue() -> list[str]:
    return [work.remote_path.rpartition("\\")[2] for work in downloads_work((), limit=100)]


def whole(download_id: uuid.UUID, *, root: bytes = ROOT) -> WholeStream:
    return WholeStream(
        download_id=download_id,
        transfer_id=uuid.uuid4(),
        payload_format=PayloadFormat.FLAC,
        payload_root=root,
        payload_bytes=900,
        leaf_bytes=262144,
        preamble_bytes=100,
        profile="flac-16-44100-2",
        path="/partial/x/audio.flac",
        size_bytes=1000,
    )


def test_a_file_is_asked_for_once_while_it_is_under_way() -> None:
    (first,) = asked("1.flac")
    batch = Download.objects.get(id=first).batch_id
    assert batch_create(user="bob", folder="", files=[FileAsked(path="Music\\Album\\1.flac")]) == batch
    both = batch_create(user="bob", folder="", files=[FileAsked(path="Music\\Album\\1.flac"), FileAsked(path="x")])
    assert both != batch
    assert list(Download.objects.filter(batch=both).values_list("remote_path", flat=True)) == ["x"]
    assert len(asked("1.flac", user="eve")) == 1


@pytest.mark.parametrize(("user", "paths"), [("", ["a"]), ("bob", []), ("bob", [""]), ("bo\0b", ["a"]), ("b", ["a\0"])])
def test_what_can_be_no_download_is_refused(user: str, paths: list[str]) -> None:
    with pytest.raises(DownloadInvalid):
        batch_create(user=user, folder="", files=[FileAsked(path=path) for path in paths])


def test_moves_may_be_repeated_and_what_is_cancelled_stays_so() -> None:
    one, two = asked("1.flac", "2.flac")
    assert download_move([one, two], DownloadDesired.PAUSED) == 2
    assert download_move([one, two], DownloadDesired.PAUSED) == 0
    assert download_move([one], DownloadDesired.ACTIVE) == 1
    assert batch_move([Download.objects.get(id=one).batch_id], DownloadDesired.CANCELLED) == 2
    assert download_move([one, two], DownloadDesired.ACTIVE) == 0
    assert {work.desired for work in downloads_work((), limit=9)} == {DownloadDesired.CANCELLED}


def test_the_queue_is_ordered_by_priority_and_as_people_put_it() -> None:
    one, two, three, four = asked("1", "2", "3", "4")
    assert queue() == ["1", "2", "3", "4"]
    assert download_reorder([four, three], Spot.TOP) == 2
    assert queue() == ["4", "3", "1", "2"]
    assert download_reorder([two], Spot.BEFORE, before=three) == 1
    assert queue() == ["4", "2", "3", "1"]
    assert download_priority([one], 10) == 1
    assert queue() == ["1", "4", "2", "3"]
    assert download_reorder([two], Spot.TOP) == 1
    assert queue() == ["2", "1", "4", "3"]
    assert download_reorder([two, one], Spot.BOTTOM) == 2
    assert queue() == ["4", "3", "2", "1"]
    with pytest.raises(DownloadInvalid):
        download_reorder([one], Spot.BEFORE, before=uuid.uuid4())
    with pytest.raises(DownloadInvalid):
        download_priority([one], 11)


def test_the_head_of_the_queue_is_read_and_what_runs_wherever_it_stands() -> None:
    rows = asked(*[f"{number:02}" for number in range(10)])
    works = downloads_work([rows[8]], limit=3)
    assert [work.id for work in works] == [*rows[:3], rows[8]]


def test_an_end_is_final_and_kept_times_are_not_forgotten() -> None:
    (one,) = asked("1.flac")
    now = timezone.now()
    told(one, DownloadState.RECEIVING, bytes_have=10, asked_at=now, first_byte_at=now, size_bytes=1000)
    told(one, DownloadState.INTERRUPTED, code="broke_off", bytes_have=20, next_try_at=now + timedelta(seconds=5))
    row = DownloadProgress.objects.get()
    assert (row.first_byte_at, row.size_bytes, row.bytes_have, row.code) == (now, 1000, 20, "broke_off")
    told(one, DownloadState.SUCCEEDED, bytes_have=1000, path="/d/x")
    told(one, DownloadState.RECEIVING, bytes_have=5)
    told(one, DownloadState.ABORTED)
    row.refresh_from_db()
    assert (row.state, row.bytes_have, row.path) == ("succeeded", 1000, "/d/x")
    assert row.ended_at is not None
    assert downloads_work((), limit=9) == ()
    assert downloads_keeping([one]) == frozenset()


def test_an_end_is_taken_in_once_and_teaches(want: Want) -> None:
    good, bad, ours = asked("1.flac", "2.flac", "3.flac", want=want)
    now = timezone.now()
    told(
        good,
        DownloadState.SUCCEEDED,
        bytes_have=5_000_000,
        asked_at=now - timedelta(seconds=100),
        first_byte_at=now - timedelta(seconds=40),
        params={"stream_bps": 125_000, "first_place": 4},
    )
    told(bad, DownloadState.REFUSED, code="banned_there")
    told(ours, DownloadState.CANCELLED, code="person_cancelled")
    assert ends_take() == 3
    assert ends_take() == 0
    assert not Download.objects.filter(live=True).exists()
    assert Batch.objects.get().ended_at is not None
    assert sorted(SourceOutcome.objects.values_list("outcome", flat=True)) == [Outcome.BANNED, Outcome.SUCCEEDED]
    user = SoulseekUser.objects.get()
    assert (user.completed, user.failed, user.speeds, user.median_bps) == (1, 1, [125_000], 125_000)
    assert user.waits == [[4, 60.0]]
    assert user.banned_us_at is not None
    own, others = sharers_past(["bob"])
    assert own[0].speeds == (125_000.0,)
    assert own[0].waits == ((4, 60.0),)
    assert others == own


def test_what_did_not_come_is_asked_for_again_in_a_new_row_of_its_batch() -> None:
    one, two, three = asked("1.flac", "2.flac", "3.flac")
    told(one, DownloadState.TIMED_OUT, code="no_answer")
    told(two, DownloadState.SUCCEEDED)
    ends_take()
    assert download_retry([two, three]) == ()
    (again,) = download_retry([one])
    assert download_retry([one]) == ()
    rows = Download.objects.filter(remote_path="Music\\Album\\1.flac")
    assert {row.id: row.live for row in rows} == {one: False, again: True}
    told(again, DownloadState.ABORTED, code="went_away")
    ends_take()
    batch = rows[0].batch_id
    assert len(batch_retry([batch])) == 1
    assert batch_retry([batch]) == ()


def test_a_whole_stream_becomes_one_transfer_that_the_judge_is_told_of(want: Want) -> None:
    (one,) = asked("1.flac", want=want)
    assert stream_adopt(whole(one)) is Adoption.ADOPTED
    assert stream_adopt(whole(one)) is Adoption.ADOPTED
    transfer = Transfer.objects.get()
    assert (transfer.state, transfer.role, bytes(transfer.payload_root)) == ("assembled", "primary", ROOT)
    source = TransferSource.objects.select_related("peer").get()
    assert (source.adapter, source.peer.plane, source.peer.key, source.verified_bytes) == (
        "soulseek",
        "soulseek",
        "bob",
        900,
    )
    assert NodeEvent.objects.get().kind == "transfer_assembled"
    (work,) = downloads_work((), limit=9)
    assert work.transfer is not None
    assert (work.state, work.transfer.state) == (DownloadState.WHOLE, TransferState.ASSEMBLED)


@pytest.mark.parametrize(
    ("desired", "said"),
    [
        (WantDesired.SATISFIED, Adoption.ENOUGH),
        (WantDesired.CANCELLED, Adoption.CANCELLED),
        (WantDesired.PAUSED, Adoption.WAIT),
    ],
)
def test_a_stream_of_a_want_that_rests_or_is_over_becomes_none(
    want: Want, desired: WantDesired, said: Adoption
) -> None:
    (one,) = asked("1.flac", want=want)
    Want.objects.update(desired=desired)
    assert stream_adopt(whole(one)) is said
    assert not Transfer.objects.exists()


def test_a_payload_that_was_refused_for_this_recording_is_not_judged_again(want: Want) -> None:
    (one,) = asked("1.flac", want=want)
    PayloadDenial.objects.create(
        recording_mbid=RECORDING, payload_format="flac", payload_root=ROOT, code="wrong_recording"
    )
    assert stream_adopt(whole(one)) is Adoption.DENIED


def test_what_the_mesh_fetches_waits_beside_it_and_the_same_payload_gives_way(want: Want) -> None:
    def fetching(root: bytes, role: TransferRole) -> Transfer:
        return Transfer.objects.create(
            want=want, payload_format="flac", payload_root=root, profile="", payload_bytes=900, leaf_bytes=1, role=role
        )

    same, other = fetching(ROOT, TransferRole.PRIMARY), fetching(b"o" * 32, TransferRole.FALLBACK)
    one, two = asked("1.flac", "2.flac", want=want)
    assert stream_adopt(whole(one)) is Adoption.ADOPTED
    assert Transfer.objects.get(id=same.id).state == TransferState.STOPPED
    assert Transfer.objects.get(id=other.id).state == TransferState.FETCHING
    adopted = Transfer.objects.get(state=TransferState.ASSEMBLED)
    assert adopted.role == TransferRole.PRIMARY
    assert stream_adopt(whole(two, root=b"t" * 32)) is Adoption.WAIT


def test_a_second_one_of_the_mesh_makes_room(want: Want) -> None:
    for root, role in ((b"a" * 32, TransferRole.PRIMARY), (b"b" * 32, TransferRole.FALLBACK)):
        Transfer.objects.create(
            want=want, payload_format="flac", payload_root=root, profile="", payload_bytes=9, leaf_bytes=1, role=role
        )
    (one,) = asked("1.flac", want=want)
    assert stream_adopt(whole(one)) is Adoption.ADOPTED
    states = {bytes(row.payload_root)[:1]: (row.state, row.role) for row in Transfer.objects.all()}
    assert states == {b"a": ("fetching", "primary"), b"b": ("stopped", "fallback"), b"r": ("assembled", "fallback")}


def test_batches_that_ended_long_ago_are_forgotten_and_what_is_under_way_stays() -> None:
    (old,), (new,) = asked("1.flac"), asked("2.flac")
    told(old, DownloadState.SUCCEEDED)
    ends_take()
    assert downloads_forget(ended_before=timezone.now() - timedelta(days=1)) == 0
    assert downloads_forget(ended_before=timezone.now() + timedelta(days=1)) == 1
    assert list(Download.objects.values_list("id", flat=True)) == [new]
    assert SoulseekUser.objects.get().completed == 1
