"""A disk that is mounted inside a library folder and goes away: what is on it is kept and told, only what was deleted is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.common.sentences import message_of
from apps.library.models import AudioFile, LibraryRoot, LibraryScan
from apps.library.selectors_scan import ScanView
from apps.library.services import root_record
from apps.library.services_scan import scan_create
from tests.workers.test_scan_library import as_read, music, walked
from workers.gateways.walk import WatchedRoot
from workers.gateways.walk_child import MARKER
from workers.import_library import NOBODY, import_folder
from workers.read_files import read_batch
from workers.scan_library import walk_slice

pytestmark = pytest.mark.django_db
__all__ = ["music"]

INNER = "Artist 1"


def missing() -> list[str]:
    return sorted(AudioFile.objects.filter(missing_since__isnull=False).values_list("display", flat=True))


def emptied(folder: Path) -> None:
    """As the place of a mount looks when the disk is away."""
    shutil.rmtree(folder)
    folder.mkdir()


def known_mount(root_id: int) -> None:
    """An earlier walk saw another disk there."""
    LibraryRoot.objects.filter(id=root_id).update(mounts=[INNER.encode().hex()])


def told(view: ScanView) -> tuple[object, object]:
    return view.troubles.get("counts"), view.troubles.get("first")


@pytest.mark.parametrize("absent", [False, True])
def test_files_of_a_disk_inside_the_folder_stay_while_it_is_away(music: Path, *, absent: bool) -> None:
    root = root_record(music, writable=True)
    walked(root)
    known_mount(root)
    emptied(music / INNER)
    if absent:
        (music / INNER).rmdir()
    (music / "Artist 0/Album 0/00 Song.flac").unlink()  # this one was deleted
    view = walked(root)
    assert missing() == ["Artist 0/Album 0/00 Song.flac"]
    assert (view.missing, view.refused) == (1, 8)
    assert told(view) == ({"mount_away": 8}, [["mount_away", INNER, ""]])
    assert "away" in message_of("mount_away", {})


def test_what_lies_at_the_place_of_the_mount_meanwhile_changes_nothing(music: Path) -> None:
    root = root_record(music, writable=True)
    walked(root)
    known_mount(root)
    emptied(music / INNER)
    (music / INNER / "downloaded.flac").write_bytes(b"onto the wrong disk")
    view = walked(root)
    assert (missing(), view.added) == ([], 1)
    (music / INNER).rename(music / "away")
    (music / INNER).symlink_to(music / "Artist 0")
    assert walked(root).missing == 0
    assert missing() == []


def test_a_slice_that_ends_while_files_are_asked_for_counts_each_once(music: Path) -> None:
    root = root_record(music, writable=True)
    walked(root)
    known_mount(root)
    emptied(music / INNER)
    assert told(walked(root, batch=3)) == ({"mount_away": 8}, [["mount_away", INNER, ""]])
    assert missing() == []


def test_a_person_may_say_that_the_disk_will_not_come_back(music: Path) -> None:
    root = root_record(music, writable=True)
    walked(root)
    known_mount(root)
    emptied(music / INNER)
    view = scan_create(root, believe=True)
    walk_slice(view.id)
    as_read()
    assert len(missing()) == 8
    assert LibraryRoot.objects.get().mounts == []


def test_a_file_that_waits_to_be_read_is_not_gone_while_its_disk_is_away(music: Path) -> None:
    root = root_record(music, writable=True)
    walk_slice(scan_create(root).id)  # marked, all pending
    known_mount(root)
    emptied(music / INNER)
    shutil.rmtree(music / "Artist 0")
    shutil.rmtree(music / "Artist 2")
    done = read_batch(batch_s=60)
    assert done.put_off
    assert not any(one.startswith(INNER) for one in missing())


def test_an_import_takes_nothing_for_deleted_whose_disk_is_away(music: Path) -> None:
    root = root_record(music, writable=True)
    walked(root)
    known_mount(root)
    emptied(music / INNER)
    assert import_folder(music, wish=NOBODY).missing == 0
    assert missing() == []


# --- a real disk -----------------------------------------------------------------------------------------------------------------------


def mount(folder: Path) -> None:
    made = subprocess.run(["mount", "-t", "tmpfs", "none", str(folder)], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"mounting needs a privilege that this machine does not give: {made.stderr.decode().strip()}")


def unmount(folder: Path) -> None:
    subprocess.run(["umount", str(folder)], capture_output=True, check=True)


@pytest.fixture
def disk(music: Path) -> Iterator[Path]:
    """`Artist 1/Box` is another disk with four files."""
    folder = music / INNER / "Box"
    folder.mkdir()
    mount(folder)
    fill(folder)
    yield folder
    subprocess.run(["umount", str(folder)], capture_output=True, check=False)


def fill(folder: Path) -> None:
    for number in range(4):
        path = folder / f"Album {number % 2}" / f"{number}.flac"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"y" * (number + 100))
        os.utime(path, ns=(1_600_000_000_000_000_000 + number,) * 2)


def test_a_real_disk_is_noticed_by_the_stats_that_a_walk_takes_anyway(music: Path, disk: Path) -> None:
    with WatchedRoot(os.fsencode(music)) as root:
        root.walk()
        found = root.batch(100)
        assert found.mounts == [os.fsencode(disk.relative_to(music))]
        unmount(disk)
        assert root.stats([f"{INNER}/Box/Album 0/0.flac".encode(), b"Artist 0/none.flac"]) == ["away", None]


def test_a_real_disk_goes_away_and_comes_back(music: Path, disk: Path) -> None:
    root = root_record(music, writable=True)
    walked(root)
    assert LibraryRoot.objects.get().mounts == [f"{INNER}/Box".encode().hex()]
    assert (music / os.fsdecode(MARKER)).exists()  # so the root itself is known to be there
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert walked(root).unchanged == 28
    assert not [one for one in queries if "library_libraryroot" in one["sql"] and "mounts" in one["sql"].partition("WHERE")[0] and one["sql"].startswith("UPDATE")]  # fmt: skip
    unmount(disk)
    assert told(walked(root)) == ({"mount_away": 4}, [["mount_away", f"{INNER}/Box", ""]])
    assert missing() == []
    mount(disk)
    assert told(walked(root))[0] == {"mount_away": 4}  # an automounter's empty place is no disk yet
    fill(disk)
    (disk / "Album 0/0.flac").unlink()
    view = walked(root)
    assert missing() == [f"{INNER}/Box/Album 0/0.flac"]  # it is there, so this one was deleted
    assert (view.missing, LibraryScan.objects.latest("created_at").troubles) == (1, {})
