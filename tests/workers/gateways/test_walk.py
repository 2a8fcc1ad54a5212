"""Walking real folders: order, resumption, odd names, what is no music file, and a child that hangs."""

from __future__ import annotations

import itertools
import os
import signal
import time
from pathlib import Path

import pytest

from workers.gateways import walk_child
from workers.gateways.walk import RootStalled, WalkBatch, WalkFailed, WatchedRoot

E_ACUTE_NFC, E_ACUTE_NFD = b"caf\xc3\xa9.flac", b"cafe\xcc\x81.flac"


def make(root: Path, *names: bytes) -> None:
    for name in names:
        path = os.path.join(os.fsencode(root), name)  # noqa: PTH118  (raw bytes)
        Path(os.fsdecode(os.path.dirname(path))).mkdir(parents=True, exist_ok=True)  # noqa: PTH120
        Path(os.fsdecode(path)).write_bytes(b"x")


def batches(
    root: Path, *, size: int = 500, below: bytes = b"", after: bytes = b"", skip: tuple[bytes, ...] = ()
) -> list[WalkBatch]:
    found = []
    with WatchedRoot(os.fsencode(root)) as watched:
        watched.walk(below=below, after=after, skip=skip)
        while not found or not found[-1].ended:
            found.append(watched.batch(size))
    return found


def paths(found: list[WalkBatch]) -> list[bytes]:
    return [file.path for batch in found for file in batch.files]


NAMES = sorted(
    [
        b"a/x.flac", b"a.flac", b"a b/x.flac", b"a-b.flac", b"a/b/c.mp3", b"a/b.mp3", b"Z/1.ogg", b"z.opus", b"a0.flac",
        b"caf\xe9.flac", E_ACUTE_NFC, E_ACUTE_NFD, b"\x01\n\x1b[31m.flac", b"n" * 250 + b".flac", b"d" * 255 + b"/x.flac", b"UP.FLAC",
    ]
)  # fmt: skip


def test_files_come_in_the_order_of_their_paths_bytes_whatever_their_names(tmp_path: Path) -> None:
    make(tmp_path, *NAMES)
    assert paths(batches(tmp_path)) == NAMES
    assert paths(batches(tmp_path, below=b"a")) == [b"a/b.mp3", b"a/b/c.mp3", b"a/x.flac"]
    assert not any(path.startswith(b"a/") for path in paths(batches(tmp_path, skip=(b"a",))))
    (first, *_) = batches(tmp_path, below=b"Z")[0].files
    status = (tmp_path / "Z" / "1.ogg").stat()
    assert (first.size_bytes, first.mtime_ns, first.inode) == (1, status.st_mtime_ns, status.st_ino)


def test_a_walk_goes_on_behind_any_path_also_one_that_is_gone(tmp_path: Path) -> None:
    make(tmp_path, *NAMES)
    cursors = [*NAMES, b"a", b"a/", b"a/b", b"a/zz", b"zz", b"a/b/c.mp3.gone"]
    for cursor in cursors:
        assert paths(batches(tmp_path, after=cursor)) == [name for name in NAMES if name > cursor], cursor


def test_batches_are_bounded_and_lose_nothing(tmp_path: Path) -> None:
    make(tmp_path, *NAMES)
    for size in (1, 3, len(NAMES), len(NAMES) + 1):
        found = batches(tmp_path, size=size)
        assert max(len(batch.files) for batch in found) <= size and paths(found) == NAMES


def test_a_folder_with_more_names_than_are_kept_at_once_is_read_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk_child, "NAMES_AT_ONCE", 3)
    make(tmp_path, *NAMES)
    os.mkfifo(tmp_path / "a9.flac")
    walk = walk_child.Walk(
        os.fsencode(tmp_path), below=b"", after=b"", skip=frozenset(), extensions=frozenset({b".flac", b".mp3", b".ogg", b".opus"})
    )  # fmt: skip
    files, refused, troubles, ended, _mounts = walk.batch(1000)
    assert [one[0] for one in files] == NAMES and ended
    assert (refused, troubles) == (1, [("file_not_regular", b"a9.flac", "")])


def test_links_hidden_names_and_other_files_are_passed_over_and_what_is_no_file_is_told(tmp_path: Path) -> None:
    make(
        tmp_path,
        b"in/good.flac",
        b".hidden.flac",
        b".hidden/x.flac",
        b".slskdn-trash/x.flac",
        b"cover.jpg",
        b"x.flac.part",
    )
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "link.flac").symlink_to(tmp_path / "in" / "good.flac")
    (tmp_path / "dangling.flac").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.flac")
    (tmp_path / "folder.flac").mkdir()
    found = batches(tmp_path)
    assert paths(found) == [b"in/good.flac"]
    assert [(one.code, one.path) for one in found[0].troubles] == [("file_not_regular", b"pipe.flac")]


def test_folders_that_are_too_deep_or_too_long_are_told(tmp_path: Path) -> None:
    make(tmp_path, b"/".join([b"d"] * 66) + b"/x.flac", b"ok.flac")
    found = batches(tmp_path)
    assert paths(found) == [b"ok.flac"]
    assert {one.code for one in found[0].troubles} == {"folder_too_deep"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list everything")
def test_a_folder_that_may_not_be_listed_is_told(tmp_path: Path) -> None:
    make(tmp_path, b"closed/x.flac", b"ok.flac")
    (tmp_path / "closed").chmod(0)
    found = batches(tmp_path)
    (tmp_path / "closed").chmod(0o755)
    assert paths(found) == [b"ok.flac"]
    assert [(one.code, one.path, one.errno) for one in found[0].troubles] == [
        ("folder_permission", b"closed", "EACCES")
    ]


def test_what_vanishes_while_it_is_walked_is_told(tmp_path: Path) -> None:
    make(tmp_path, b"a.flac", b"b/x.flac", b"c.flac")
    walk = walk_child.Walk(
        os.fsencode(tmp_path), below=b"", after=b"", skip=frozenset(), extensions=frozenset({b".flac"})
    )
    first, *_ = walk.batch(1)
    assert [one[0] for one in first] == [b"a.flac"]
    (tmp_path / "b" / "x.flac").unlink()
    (tmp_path / "b").rmdir()
    (tmp_path / "c.flac").unlink()
    files, refused, troubles, ended, _mounts = walk.batch(9)
    assert (files, refused, ended) == ([], 2, True)
    assert troubles == [("folder_vanished", b"b", "ENOENT"), ("file_vanished", b"c.flac", "ENOENT")]


def test_a_child_that_hangs_is_given_up_after_the_deadline_and_leaves_nobody_behind(tmp_path: Path) -> None:
    make(tmp_path, *NAMES)
    with WatchedRoot(os.fsencode(tmp_path), stall_s=0.3) as watched:
        watched.walk()
        watched.batch(1)
        os.kill(watched.child_pid, signal.SIGSTOP)  # as a system call that does not return: no signal but KILL ends it
        pid = watched.child_pid
        began = time.monotonic()
        with pytest.raises(RootStalled) as stalled:
            for _ in NAMES:
                watched.batch(1)
    assert stalled.value.code == "root_stalled" and time.monotonic() - began < 10
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_child_that_is_killed_is_told(tmp_path: Path) -> None:
    make(tmp_path, *NAMES)
    with WatchedRoot(os.fsencode(tmp_path)) as watched:
        os.kill(watched.child_pid, signal.SIGKILL)
        with pytest.raises(WalkFailed):
            for _ in itertools.repeat(None, 5):
                watched.look()


def test_stats_tell_what_is_gone_from_what_nobody_can_say(tmp_path: Path) -> None:
    make(tmp_path, b"a.flac", b"sub/b.flac")
    os.mkfifo(tmp_path / "pipe.flac")
    with WatchedRoot(os.fsencode(tmp_path)) as watched:
        a, gone, below_file, pipe = watched.stats([b"a.flac", b"nope.flac", b"a.flac/x", b"pipe.flac"])
    assert isinstance(a, tuple) and a[0] == 1
    assert (gone, below_file, pipe) == (None, None, None)


def test_a_marker_is_written_once_and_read_back(tmp_path: Path) -> None:
    with WatchedRoot(os.fsencode(tmp_path)) as watched:
        assert (watched.look().is_folder, watched.look().marker) == (True, None)
        assert watched.mark("id-1") and not watched.mark("id-2")
        assert watched.look().marker == "id-1"
    with WatchedRoot(os.fsencode(tmp_path / "nowhere")) as watched:
        assert not watched.look().is_folder and not watched.mark("id")
