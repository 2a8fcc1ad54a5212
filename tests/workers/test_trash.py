"""The trash with its rows: in, back and away, killed at every step; the file's row goes with it; roots that are only read are left alone."""

from __future__ import annotations

import hashlib
import os
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from apps.domain.audio.payload import PayloadFormat
from apps.domain.audio.profile import parse_profile
from apps.domain.audio.variant import VariantFacts
from apps.domain.errors import DomainError
from apps.domain.library.issues import Finding, IssueSeverity, IssueType
from apps.domain.library.paths import PathKey
from apps.domain.library.trash import TRASH_MOVES, TRASH_OPEN, TrashReason, TrashState
from apps.library.models import AudioFile, CanonicalDirty, LibraryIssue, LibraryRoot, LibraryScan, TrashedFile
from apps.library.selectors_trash import trash_expired, trash_list, trash_proven, trash_sum, trash_waiting
from apps.library.services import FilePlace, FileStat, file_record, root_record
from apps.library.services_issues import issues_record
from apps.library.services_trash import (
    root_changes_allow,
    trash_forget,
    trash_plan,
    trash_purge_ask,
    trash_restore_ask,
)
from tests.workers.conftest import Killed, kill_at
from workers.trash import trash_file, trash_purge, trash_restore, trash_step

pytestmark = pytest.mark.django_db(transaction=True)

NAME = b"Artist/Album/01 Song.flac"
BYTES = b"sound" * 1000
WHEN_NS = 1_600_000_000_000_000_007
IN_STEPS = ["claimed", "hashed", "written", "checked", "renamed", "moved", "finished"]
OUT_STEPS = ["claimed", "found", "put", "emptied", "moved", "finished"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    root_record(folder, writable=True)
    return folder


def record(root: Path, relative: bytes = NAME, content: bytes = BYTES, recording: uuid.UUID | None = None) -> int:
    """A file on disk with its rows."""
    path = root / os.fsdecode(relative)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o644)
    os.utime(path, ns=(WHEN_NS, WHEN_NS))
    status = path.stat()
    return file_record(
        PathKey(root_id=root_record(root), relative=relative),
        stat=FileStat(size_bytes=status.st_size, mtime_ns=status.st_mtime_ns, inode=status.st_ino),
        facts=VariantFacts(
            payload_format=PayloadFormat.FLAC,
            payload_root=hashlib.sha256(content).digest(),
            payload_bytes=len(content),
            payload_offset=0,
            preamble=b"",
            profile=parse_profile("flac-16-44100-2"),
            container="flac",
            bits=16,
            bitrate_bps=900_000,
            total_samples=441_000,
            duration_ms=10_000,
            min_block=4096,
            max_block=4096,
            vendor="test",
            pcm_md5=None,
        ),
        leaf_hashes=bytes(32),
        fingerprint=b"",
        recording_mbid=recording or uuid.uuid4(),
        recording_source="tag",
        verified=False,
        place=FilePlace(title="Song", artist="Artist", album="Album"),
    ).file_id


def due(trash_id: uuid.UUID) -> None:
    """A minute passes: whoever died is missed."""
    TrashedFile.objects.filter(id=trash_id).update(
        lease_until=timezone.now() - timedelta(seconds=1), next_step_at=timezone.now() - timedelta(seconds=1)
    )


def as_it_was(path: Path) -> bool:
    status = path.stat()
    return (path.read_bytes(), status.st_mtime_ns, status.st_mode & 0o777) == (BYTES, WHEN_NS, 0o644)


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_trashed_file_leaves_its_name_free_keeps_its_row_and_comes_back_as_it_was(root: Path) -> None:
    file_id = record(root)
    before = AudioFile.objects.values().get(id=file_id)
    CanonicalDirty.objects.all().delete()
    view = trash_file(file_id, reason=TrashReason.DUPLICATE)
    assert (view.state, view.reason, view.path, view.title) == (
        TrashState.TRASHED, "duplicate", "Artist/Album/01 Song.flac", "Song",
    )  # fmt: skip
    assert view.sha256 == hashlib.sha256(BYTES).hexdigest()
    assert files(root) == [f".slskdn-trash/{view.id}/01 Song.flac"]
    row = AudioFile.objects.get(id=file_id)
    assert row.missing_since is not None
    assert bytes(row.rel_path) == f".slskdn-trash/{view.id}/01 Song.flac".encode()
    assert CanonicalDirty.objects.exists()  # statistics are counted without it
    newcomer = record(root, content=b"better")
    assert newcomer != file_id  # the name is free
    (root / os.fsdecode(NAME)).unlink()
    back = trash_restore(view.id)
    assert (back.state, back.restored_to) == (TrashState.RESTORED, "")
    assert as_it_was(root / os.fsdecode(NAME))
    after = AudioFile.objects.values().get(id=file_id)
    assert after | {"inode": 0} == before | {"inode": 0}
    assert not AudioFile.objects.filter(id=newcomer, missing_since=None).exists()


def test_a_root_that_is_only_read_is_refused_until_somebody_allows_it(root: Path) -> None:
    file_id = record(root)
    root_id = LibraryRoot.objects.get().id
    assert root_changes_allow(root_id, allowed=False)
    with pytest.raises(DomainError) as caught:
        trash_file(file_id, reason=TrashReason.PERSON)
    assert caught.value.code == "root_not_writable"
    assert as_it_was(root / os.fsdecode(NAME))
    assert not TrashedFile.objects.exists()
    root_changes_allow(root_id, allowed=True)
    view = trash_file(file_id, reason=TrashReason.PERSON)
    root_changes_allow(root_id, allowed=False)
    with pytest.raises(DomainError) as caught:
        trash_restore(view.id)
    assert caught.value.code == "root_not_writable"


@pytest.mark.parametrize("step", IN_STEPS)
def test_killed_on_the_way_in_the_row_tells_and_the_next_worker_finishes(root: Path, step: str) -> None:
    file_id = record(root)
    with pytest.raises(Killed):
        trash_file(file_id, reason=TrashReason.REPLACED, checkpoint=kill_at(step))
    row = TrashedFile.objects.get()
    held = [path for path in root.rglob("*.flac") if path.is_file()]
    assert len(held) == 1
    assert as_it_was(held[0])
    assert TrashState(row.state) in TRASH_OPEN or step == "finished"
    if step != "finished":
        due(row.id)
        assert [one.id for one in trash_waiting()] == [row.id]
    trash_step(row.id)
    row.refresh_from_db()
    assert (row.state, row.lease_until, row.next_step_at) == (TrashState.TRASHED, None, None)
    assert files(root) == [f".slskdn-trash/{row.id}/01 Song.flac"]
    assert AudioFile.objects.get(id=file_id).missing_since is not None
    assert as_it_was(root / f".slskdn-trash/{row.id}/01 Song.flac")


@pytest.mark.parametrize("step", OUT_STEPS)
def test_killed_on_the_way_out_the_next_worker_finishes(root: Path, step: str) -> None:
    file_id = record(root)
    view = trash_file(file_id, reason=TrashReason.REPLACED)
    with pytest.raises(Killed):
        trash_restore(view.id, checkpoint=kill_at(step))
    for path in root.rglob("*.flac"):
        assert as_it_was(path)
    due(view.id)
    trash_step(view.id)
    assert TrashedFile.objects.get().state == TrashState.RESTORED
    assert files(root) == [os.fsdecode(NAME)]
    assert as_it_was(root / os.fsdecode(NAME))
    file = AudioFile.objects.get(id=file_id)
    assert (bytes(file.rel_path), file.missing_since) == (NAME, None)


@pytest.mark.parametrize("step", ["claimed", "emptied", "moved", "finished"])
def test_killed_while_it_is_purged_the_next_worker_finishes(root: Path, step: str) -> None:
    view = trash_file(record(root), reason=TrashReason.REPLACED)
    with pytest.raises(Killed):
        trash_purge(view.id, checkpoint=kill_at(step))
    due(view.id)
    trash_step(view.id)
    row = TrashedFile.objects.get()
    assert (row.state, row.purged_at is not None) == (TrashState.PURGED, True)
    assert files(root) == []
    assert trash_purge(view.id) is None
    with pytest.raises(DomainError) as caught:
        trash_restore(view.id)
    assert caught.value.code == "trash_state"


def test_only_one_worker_has_a_row(root: Path) -> None:
    file_id = record(root)
    with pytest.raises(Killed):
        trash_file(file_id, reason=TrashReason.REPLACED, checkpoint=kill_at("written"))
    row = TrashedFile.objects.get()
    TrashedFile.objects.update(lease_until=timezone.now() + timedelta(seconds=30))
    trash_step(row.id)
    assert TrashedFile.objects.get().attempt == 1
    assert as_it_was(root / os.fsdecode(NAME))


def test_asking_twice_is_one_row(root: Path) -> None:
    file_id = record(root)
    first = trash_plan(file_id, reason=TrashReason.PERSON)
    assert trash_plan(file_id, reason=TrashReason.PERSON) == first
    trash_step(first)
    assert trash_plan(file_id, reason=TrashReason.PERSON) == first
    assert TrashedFile.objects.count() == 1
    assert trash_restore_ask(first) is TrashState.RESTORING
    assert trash_restore_ask(first) is TrashState.RESTORING


def test_a_name_that_was_taken_meanwhile_is_told_and_a_number_is_given_if_asked(root: Path) -> None:
    file_id = record(root)
    view = trash_file(file_id, reason=TrashReason.REPLACED)
    newcomer = record(root, content=b"new")
    refused = trash_restore(view.id)
    assert (refused.state, refused.code) == (TrashState.TRASHED, "trash_name_taken")
    assert (root / os.fsdecode(NAME)).read_bytes() == b"new"
    back = trash_restore(view.id, numbered=True)
    assert (back.state, back.restored_to) == (TrashState.RESTORED, "Artist/Album/01 Song (2).flac")
    assert (root / os.fsdecode(NAME)).read_bytes() == b"new"
    assert as_it_was(root / "Artist/Album/01 Song (2).flac")
    assert AudioFile.objects.get(id=file_id).display == "Artist/Album/01 Song (2).flac"
    assert AudioFile.objects.get(id=newcomer).missing_since is None


def test_a_file_that_is_gone_fails_with_the_reason(root: Path) -> None:
    file_id = record(root)
    (root / os.fsdecode(NAME)).unlink()
    view = trash_file(file_id, reason=TrashReason.PERSON)
    assert (view.state, view.code) == (TrashState.FAILED, "file_is_missing")
    AudioFile.objects.update(missing_since=timezone.now())
    with pytest.raises(DomainError) as caught:
        trash_file(file_id, reason=TrashReason.PERSON)
    assert caught.value.code == "file_is_missing"


@pytest.mark.parametrize("look_alike", [False, True])
def test_a_file_that_somebody_put_in_its_place_meanwhile_stays(root: Path, *, look_alike: bool) -> None:
    trash_id = trash_plan(record(root), reason=TrashReason.DUPLICATE)
    path, other = root / os.fsdecode(NAME), root / "downloads.part"
    theirs = BYTES[::-1] if look_alike else b"a person's own"
    other.write_bytes(theirs)
    if look_alike:  # size and time of the one that was meant: only the inode tells
        os.utime(other, ns=(WHEN_NS, WHEN_NS))
    other.replace(path)
    trash_step(trash_id)
    row = TrashedFile.objects.get()
    assert (row.state, row.code) == (TrashState.FAILED, "file_changed")
    assert files(root) == [os.fsdecode(NAME)]
    assert path.read_bytes() == theirs
    assert AudioFile.objects.get().missing_since is None


def test_a_file_that_was_read_anew_while_it_waited_is_not_the_one_that_was_meant(root: Path) -> None:
    file_id = record(root)
    trash_id = trash_plan(file_id, reason=TrashReason.PERSON)
    (root / os.fsdecode(NAME)).unlink()
    assert record(root, content=b"edited") == file_id  # the scan has read it
    trash_step(trash_id)
    assert TrashedFile.objects.get().code == "file_changed"
    assert (root / os.fsdecode(NAME)).read_bytes() == b"edited"
    assert trash_file(file_id, reason=TrashReason.PERSON).state is TrashState.TRASHED  # asked for anew, it is meant


def test_a_root_that_is_away_is_waited_for(root: Path, tmp_path: Path) -> None:
    file_id = record(root)
    root.rename(tmp_path / "away")
    view = trash_file(file_id, reason=TrashReason.PERSON)
    assert (view.state, view.code) == (TrashState.PLANNED, "library_missing")
    assert trash_waiting() == []  # not yet
    (tmp_path / "away").rename(root)
    due(view.id)
    trash_step(view.id)
    assert TrashedFile.objects.get().state == TrashState.TRASHED


def test_a_kept_copy_leaves_the_file_and_its_row_alone(root: Path) -> None:
    file_id = record(root)
    trash_id = trash_plan(file_id, reason=TrashReason.RETAGGED, keep=True)
    trash_step(trash_id)
    assert as_it_was(root / os.fsdecode(NAME))
    assert as_it_was(root / f".slskdn-trash/{trash_id}/01 Song.flac")
    assert AudioFile.objects.get(id=file_id).missing_since is None
    row = TrashedFile.objects.get()
    assert (row.file_id, row.replaced_by_id) == (None, file_id)
    # an edit of the file does not reach the copy
    (root / os.fsdecode(NAME)).write_bytes(b"edited")
    assert as_it_was(root / f".slskdn-trash/{trash_id}/01 Song.flac")


def test_files_are_kept_for_so_many_days_and_for_ever_with_0(root: Path) -> None:
    view = trash_file(record(root), reason=TrashReason.PERSON)
    now = timezone.now()
    assert trash_expired(now=now + timedelta(days=89), keep_days=90) == []
    assert trash_expired(now=now + timedelta(days=91), keep_days=90) == [view.id]
    assert trash_expired(now=now + timedelta(days=9999), keep_days=0) == []


def scanned(root: Path, **given: object) -> LibraryScan:
    now = timezone.now()
    fields: dict[str, object] = {"state": "completed", "walked_at": now, "ended_at": now, "below": b"", **given}
    return LibraryScan.objects.create(root=LibraryRoot.objects.get(path=str(root)), **fields)


def test_what_is_kept_until_the_new_file_is_proven_goes_after_a_whole_scan_that_saw_it_sound(root: Path) -> None:
    recording = uuid.uuid4()
    old, new = record(root, b"old.flac", recording=recording), record(root, b"new.flac", b"new", recording=recording)
    scanned(root)  # before: proves nothing
    view = trash_file(old, reason=TrashReason.REPLACED, replaced_by_id=new, keep_until_proven=True)
    assert trash_proven() == []
    scanned(root, ended_at=None, walked_at=None, state="walking")
    scanned(root, below=b"folder")
    scanned(root, code="root_missing", state="failed")
    assert trash_proven() == []
    whole = scanned(root)
    assert trash_proven() == [view.id]
    finding = Finding(
        type=IssueType.CORRUPTED_FILE,
        severity=IssueSeverity.CRITICAL,
        subject=(new,),
        code="decode_failed",
        file_id=new,
    )
    issues_record([finding])
    assert trash_proven() == []
    LibraryIssue.objects.update(open=False)
    AudioFile.objects.filter(id=new).update(missing_since=timezone.now())
    assert trash_proven() == []
    AudioFile.objects.filter(id=new).update(missing_since=None, read_state="unreadable")
    assert trash_proven() == []
    AudioFile.objects.filter(id=new).update(read_state="read")
    assert trash_proven() == [view.id]
    whole.delete()
    assert trash_proven() == []


def test_the_list_is_paged_and_costs_one_query_a_page(
    root: Path, django_assert_num_queries: pytest.FixtureRequest
) -> None:
    ids = [trash_file(record(root, b"%d.flac" % n, b"%d" % n), reason=TrashReason.PERSON).id for n in range(5)]
    with django_assert_num_queries(1):  # type: ignore[operator]
        first = trash_list(limit=3, keep_days=30)
    assert [one.id for one in first.items] == ids[:1:-1]
    second = trash_list(limit=3, cursor=first.next_cursor)
    assert [one.id for one in second.items] == ids[1::-1]
    assert second.next_cursor is None
    view = first.items[0]
    assert view.trashed_at is not None
    assert view.purge_at == view.trashed_at + timedelta(days=30)
    assert (trash_sum().files, trash_sum().size_bytes) == (5, 5)


def test_rows_that_ended_are_forgotten_those_in_the_trash_never(root: Path) -> None:
    kept, gone = (trash_file(record(root, name, name), reason=TrashReason.PERSON).id for name in (b"a.flac", b"b.flac"))
    trash_purge_ask([gone])
    trash_step(gone)
    later = timezone.now() + timedelta(days=1)
    assert trash_forget(ended_before=later) == 1
    assert [row.id for row in TrashedFile.objects.all()] == [kept]


def test_every_state_is_reached_and_every_end_is_final() -> None:
    reached = {to for targets in TRASH_MOVES.values() for to in targets} | {TrashState.PLANNED}
    assert reached == set(TrashState) == set(TRASH_MOVES)
    assert {state for state, targets in TRASH_MOVES.items() if not targets} == {
        TrashState.RESTORED, TrashState.PURGED, TrashState.FAILED,
    }  # fmt: skip
