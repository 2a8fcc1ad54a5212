"""Scanning real folders: whole batches or nothing, the same rows whatever happens in between, and an absent disk deletes nothing."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.domain.library.scans import ScanState
from apps.library.models import AudioFile, FolderMatch, LibraryRoot, LibraryScan
from apps.library.selectors_scan import ScanView, roots_due, scan_view
from apps.library.services import root_record
from apps.library.services_scan import (
    ScanRefused,
    roots_sync,
    scan_cancel,
    scan_create,
    scan_pause,
    scan_resume,
    scans_read_finish,
)
from tests.workers.conftest import Killed, kill_at
from workers import scan_library
from workers.gateways.walk import WatchedRoot
from workers.gateways.walk_child import MARKER
from workers.scan_library import walk_slice

pytestmark = pytest.mark.django_db

PATHS = [f"Artist {a}/Album {b}/{c:02d} Song.flac" for a in range(3) for b in range(2) for c in range(4)]


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Files that a walk takes for music; nobody reads them here."""
    root = tmp_path / "music"
    for number, name in enumerate(PATHS):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * (number + 1))
    return root


def due(scan_id: uuid.UUID) -> None:
    """As if the time had come and the lease of whoever died had run out."""
    past = timezone.now() - timedelta(seconds=1)
    LibraryScan.objects.filter(id=scan_id, next_step_at__isnull=False).update(next_step_at=past)
    LibraryScan.objects.filter(id=scan_id, lease_until__isnull=False).update(lease_until=past)


def walked(root_id: int, *, below: bytes = b"", **given: object) -> ScanView:
    """A walk to its end; what it found counts as read."""
    view = scan_create(root_id, below=below)
    for _ in range(100):
        if walk_slice(view.id, **given) is not None:  # type: ignore[arg-type]
            break
        due(view.id)
    as_read()
    scans_read_finish()
    found = scan_view(view.id)
    assert found is not None
    return found


def as_read() -> None:
    AudioFile.objects.filter(read_state="pending").update(read_state="read")


def rows() -> list[tuple[object, ...]]:
    fields = (
        "rel_path",
        "rel_path_hash",
        "folder_hash",
        "display",
        "size_bytes",
        "mtime_ns",
        "inode",
        "read_state",
        "sort_key",
    )
    return [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in AudioFile.objects.order_by("rel_path").values_list(*fields)]  # fmt: skip


def test_a_walk_finds_every_file_and_a_second_one_writes_nothing_and_opens_nothing(music: Path) -> None:
    root = root_record(music)
    first = walked(root)
    assert (first.state, first.added, first.unchanged, first.missing) == (ScanState.COMPLETED, len(PATHS), 0, 0)
    assert [row[3] for row in rows()] == sorted(PATHS)
    before = rows()
    view = scan_create(root)
    with CaptureQueriesContext(connection) as caught:
        assert walk_slice(view.id, batch=10) is ScanState.COMPLETED
    batches = -(-len(PATHS) // 10)
    writes = [one["sql"] for one in caught if one["sql"].split(" ", 1)[0] in {"INSERT", "UPDATE", "DELETE"}]
    assert all("library_libraryscan" in sql or "library_libraryroot" in sql for sql in writes)
    asked = [sql for one in caught if (sql := one["sql"]).startswith("SELECT") and "library_audiofile" in sql]
    assert len(asked) <= batches + 5, "one query a batch"
    assert rows() == before
    assert not FolderMatch.objects.exists(), "folders follow when their files are read"
    second = scan_view(view.id)
    assert second is not None and (second.unchanged, second.added, second.changed) == (len(PATHS), 0, 0)


@pytest.mark.parametrize("step", ["claimed", "compared", "batch", "asked", "gone"])
def test_killed_anywhere_and_run_again_it_gives_the_same_rows(music: Path, tmp_path: Path, step: str) -> None:
    root = root_record(music)
    walked(root, batch=5)
    shutil.rmtree(music / "Artist 1" / "Album 0")
    (music / "Artist 0" / "Album 1" / "new.flac").write_bytes(b"new")
    (music / PATHS[0]).write_bytes(b"changed, and longer")
    view = scan_create(root)
    for _ in range(40):
        killed = False
        try:
            state = walk_slice(view.id, batch=5, checkpoint=every_second(step))
        except Killed:
            killed, state = True, None
        due(view.id)
        if state is not None:
            break
        assert killed
    found = scan_view(view.id)
    assert found is not None
    assert (found.seen, found.added, found.changed, found.missing) == (len(PATHS) - 4 + 1, 1, 1, 4)
    present = AudioFile.objects.filter(missing_since=None)
    assert {row.display for row in present} == {str(p.relative_to(music)) for p in music.rglob("*.flac")}
    assert {row.display for row in present.filter(read_state="pending")} == {
        PATHS[0],
        "Artist 0/Album 1/new.flac",
    }


def every_second(step: str) -> Callable[[str], None]:
    """Lets the first pass, so that a walk gets on."""
    passed: list[str] = []
    kill = kill_at(step)

    def checkpoint(name: str) -> None:
        if name == step and name in passed:
            kill(name)
        if name != "claimed" or step != "claimed":
            passed.append(name)

    return checkpoint


def test_a_slice_ends_and_the_next_goes_on_behind_it(music: Path) -> None:
    view = scan_create(root_record(music))
    for _ in range(3):
        assert walk_slice(view.id, batch=4, slice_s=0.0) is None
    between = scan_view(view.id)
    assert between is not None and (between.seen, between.state) == (12, ScanState.WALKING)
    assert walk_slice(view.id, batch=4) is ScanState.READING


def test_what_was_changed_is_read_again_and_keeps_what_is_known_of_it_until_then(music: Path) -> None:
    root = root_record(music)
    walked(root)
    before = AudioFile.objects.get(display=PATHS[3])
    (music / PATHS[3]).write_bytes(b"longer than it was")
    found = walked(root)
    assert (found.changed, found.unchanged) == (1, len(PATHS) - 1)
    after = AudioFile.objects.get(display=PATHS[3])
    # Whoever serves it sees from size and time that it is another file now.
    assert (after.id, after.size_bytes, after.mtime_ns) == (before.id, before.size_bytes, before.mtime_ns)


def test_files_that_are_gone_are_missing_and_come_back(music: Path) -> None:
    root = root_record(music)
    walked(root)
    aside = music.parent / "aside"
    (music / "Artist 1").rename(aside)
    assert walked(root).missing == 8
    assert AudioFile.objects.filter(missing_since__isnull=False).count() == 8
    assert walked(root).missing == 0
    aside.rename(music / "Artist 1")
    back = walked(root)
    assert (back.unchanged, back.added, back.changed) == (len(PATHS), 0, 0)
    assert not AudioFile.objects.filter(missing_since__isnull=False).exists()


def test_moved_files_keep_their_rows(music: Path) -> None:
    root = root_record(music)
    walked(root)
    ids = {row.inode: row.id for row in AudioFile.objects.all()}
    (music / "Artist 1").rename(music / "Zoë")
    (music / PATHS[0]).rename(music / "0 first.flac")
    found = walked(root)
    assert (found.added, found.changed, found.missing) == (0, 0, 0)
    assert {row.inode: row.id for row in AudioFile.objects.all()} == ids
    assert {row.display for row in AudioFile.objects.all()} == {
        str(p.relative_to(music)) for p in music.rglob("*.flac")
    }


def test_a_copy_and_a_hard_link_are_files_of_their_own(music: Path) -> None:
    root = root_record(music)
    walked(root)
    shutil.copy2(music / PATHS[0], music / "copy.flac")
    os.link(music / PATHS[1], music / "link.flac")
    assert walked(root).added == 2
    assert AudioFile.objects.count() == len(PATHS) + 2


def test_an_absent_or_empty_mount_deletes_nothing(music: Path) -> None:
    root = root_record(music)
    walked(root)
    aside = music.parent / "aside"
    music.rename(aside)
    for empty in (False, True):
        if empty:
            music.mkdir()
        found = walked(root)
        assert (found.state, found.code) == (ScanState.FAILED, "root_missing")
        assert LibraryRoot.objects.get().state_code == "root_missing"
        assert not AudioFile.objects.filter(missing_since__isnull=False).exists()
    music.rmdir()
    aside.rename(music)
    assert walked(root).state is ScanState.COMPLETED
    assert LibraryRoot.objects.get().state_code == ""


def test_a_writable_root_gets_a_marker_and_is_known_by_it(music: Path) -> None:
    root = root_record(music, writable=True)
    empty = music.parent / "empty"
    empty.mkdir()
    walked(root_record(empty, writable=True))
    assert not (empty / MARKER.decode()).exists(), "it may be the place of a mount"
    walked(root)
    marker = music / MARKER.decode()
    assert LibraryRoot.objects.get(id=root).marker == marker.read_text().strip() != ""
    for path in list(music.rglob("*.flac")):
        path.unlink()
    found = walked(root)  # the disk is there beyond doubt: they are deleted
    assert (found.state, found.missing) == (ScanState.COMPLETED, len(PATHS))


def test_a_lost_marker_with_everything_gone_is_a_disk_that_is_away_and_another_disk_is_told(music: Path) -> None:
    root = root_record(music, writable=True)
    walked(root)
    marker = music / MARKER.decode()
    text = marker.read_text()
    marker.unlink()
    assert walked(root).state is ScanState.COMPLETED and marker.read_text() == text
    for path in list(music.rglob("*.flac")):
        path.unlink()
    marker.write_text("somebody else's")
    assert walked(root).code == "root_differs"
    marker.unlink()
    assert walked(root).code == "root_missing"
    assert not AudioFile.objects.filter(missing_since__isnull=False).exists()


def test_a_root_that_was_only_renamed_inside_is_still_there(music: Path) -> None:
    root = root_record(music)
    walked(root)
    for number, path in enumerate(sorted(music.rglob("*.flac"))):
        path.rename(music / f"{number}.flac")
    found = walked(root)
    assert (found.state, found.added, found.missing) == (ScanState.COMPLETED, 0, 0)


def test_a_person_may_say_that_an_empty_folder_is_what_is_meant(music: Path) -> None:
    root = root_record(music)
    walked(root)
    for path in list(music.rglob("*.flac")):
        path.unlink()
    assert walked(root).code == "root_missing"
    view = scan_create(root, believe=True)
    assert walk_slice(view.id) is ScanState.COMPLETED
    assert AudioFile.objects.filter(missing_since__isnull=False).count() == len(PATHS)


def test_a_disk_that_goes_away_in_the_middle_deletes_nothing(music: Path) -> None:
    root = root_record(music)
    walked(root)
    view = scan_create(root)

    def unmount(step: str) -> None:
        if step == "batch" and music.exists():
            music.rename(music.parent / "aside")

    assert walk_slice(view.id, batch=4, checkpoint=unmount) in {ScanState.FAILED, None}
    assert not AudioFile.objects.filter(missing_since__isnull=False).exists()
    found = scan_view(view.id)
    assert found is not None and found.code == "root_missing"


def test_a_share_that_stalls_is_waited_for_and_in_the_end_given_up(
    music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child is stopped as a hung system call would stop it: it takes no signal but KILL and answers nothing."""

    class Stalling(WatchedRoot):
        def walk(self, **given: object) -> None:  # type: ignore[override]
            os.kill(self.child_pid, signal.SIGSTOP)
            super().walk(**given)  # type: ignore[arg-type]

    root = root_record(music)
    walked(root)
    view = scan_create(root)
    with monkeypatch.context() as patched:
        patched.setattr(scan_library, "WatchedRoot", Stalling)
        assert walk_slice(view.id, stall_s=0.2) is None
        waiting = LibraryScan.objects.get(id=view.id)
        assert (waiting.state, waiting.code, waiting.lease_until) == ("walking", "root_stalled", None)
        assert waiting.next_step_at is not None and waiting.next_step_at > timezone.now() + timedelta(seconds=20)
        assert LibraryRoot.objects.get().state_code == "root_stalled"
        assert walk_slice(view.id, stall_s=0.2) is None, "not before its time"
    due(view.id)
    assert walk_slice(view.id) is ScanState.COMPLETED
    assert LibraryRoot.objects.get().state_code == ""
    again = scan_create(root)
    with monkeypatch.context() as patched:
        patched.setattr(scan_library, "WatchedRoot", Stalling)
        for _ in range(8):
            walk_slice(again.id, stall_s=0.05)
            due(again.id)
    given_up = scan_view(again.id)
    assert given_up is not None and (given_up.state, given_up.code) == (ScanState.FAILED, "root_stalled")
    assert not AudioFile.objects.filter(missing_since__isnull=False).exists()


def test_a_folder_alone_is_scanned_and_only_its_files_can_be_missing(music: Path) -> None:
    root = root_record(music)
    walked(root)
    shutil.rmtree(music / "Artist 0" / "Album 0")
    shutil.rmtree(music / "Artist 1" / "Album 0")
    (music / "Artist 0").with_name("Artist 0b").mkdir()
    found = walked(root, below=b"Artist 0")
    assert (found.seen, found.missing) == (4, 4)
    assert AudioFile.objects.filter(missing_since__isnull=False).count() == 4


def test_pause_cancel_and_resume(music: Path) -> None:
    view = scan_create(root_record(music))

    def pause(step: str) -> None:
        if step == "batch":
            scan_pause(view.id)

    assert walk_slice(view.id, batch=4, checkpoint=pause) is None
    paused = scan_view(view.id)
    assert paused is not None and (paused.state, paused.seen) == (ScanState.PAUSED, 4)
    due(view.id)
    assert walk_slice(view.id) is None
    assert scan_resume(view.id).state is ScanState.QUEUED
    assert walk_slice(view.id) is ScanState.READING
    assert scan_pause(view.id).state is ScanState.PAUSED
    assert scan_resume(view.id).state is ScanState.READING
    assert scan_cancel(view.id).state is ScanState.CANCELLED
    with pytest.raises(ScanRefused):
        scan_resume(view.id)
    with pytest.raises(ScanRefused) as unknown:
        scan_pause(uuid.uuid4())
    assert unknown.value.code == "scan_not_found"


def test_a_root_has_one_live_scan_and_others_get_that_one(music: Path) -> None:
    root = root_record(music)
    first = scan_create(root)
    assert scan_create(root).id == first.id
    assert walk_slice(first.id) is ScanState.READING
    assert scan_create(root).id == first.id
    with pytest.raises(ScanRefused):
        scan_create(root + 100)


@pytest.mark.django_db(transaction=True)
def test_two_walkers_at_once_are_one(music: Path) -> None:
    view = scan_create(root_record(music))
    barrier, states = threading.Barrier(2), []

    def work() -> None:
        try:
            barrier.wait(10)
            states.append(walk_slice(view.id, batch=3))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(str(one) for one in states) == ["None", "reading"]
    assert (AudioFile.objects.count(), LibraryScan.objects.get().seen) == (len(PATHS), len(PATHS))


def test_a_walker_whose_lease_was_taken_writes_nothing_more(music: Path) -> None:
    view = scan_create(root_record(music))
    done: list[ScanState | None] = []

    def overtaken(step: str) -> None:
        if step == "compared" and not done:
            done.append(None)
            due(view.id)
            done.append(walk_slice(view.id, batch=7))

    assert walk_slice(view.id, batch=4, checkpoint=overtaken) is None
    assert done[1] is ScanState.READING
    assert (AudioFile.objects.count(), LibraryScan.objects.get().seen) == (len(PATHS), len(PATHS))


def test_configured_folders_become_roots_and_roots_inside_are_walked_as_themselves(music: Path) -> None:
    inner = root_record(music / "Artist 1")
    other = root_record(music.parent / "elsewhere")
    ids = roots_sync([(music.parent / "library", True), (music, False)])
    assert inner in ids and other not in ids and len(ids) == 3
    outer = LibraryRoot.objects.get(path=str(music))
    assert not outer.writable and LibraryRoot.objects.get(path__endswith="library").writable
    assert walked(outer.id).seen == len(PATHS) - 8
    assert walked(inner).seen == 8
    roots_sync([(music.parent / "library", True)])
    assert set(LibraryRoot.objects.filter(scanned=True).values_list("path", flat=True)) == {
        str(music.parent / "library")
    }


def test_roots_are_due_by_their_rows(music: Path) -> None:
    (root,) = roots_sync([(music, False)])
    assert roots_due(interval_hours=0) == []
    assert roots_due(interval_hours=24) == [root]
    view = scan_create(root, origin="schedule")
    assert roots_due(interval_hours=24) == []
    scan_cancel(view.id)
    assert roots_due(interval_hours=24) == []
    LibraryScan.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert roots_due(interval_hours=24) == [root]
    assert roots_due(interval_hours=26) == []


def test_troubles_are_counted_and_the_first_are_told(music: Path) -> None:
    for number in range(3):
        os.mkfifo(music / f"pipe{number}.flac")
    found = walked(root_record(music))
    assert found.refused == 3
    assert found.troubles["counts"] == {"file_not_regular": 3}
    first = found.troubles["first"]
    assert isinstance(first, list) and first[0] == ["file_not_regular", "pipe0.flac", ""]
