"""Open files are bounded, told apart from what they were, and read without waiting where the system can say so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from overlay_node.store import open_files
from overlay_node.store.open_files import OpenFile, OpenFiles, read_now


def made(folder: Path, name: str, data: bytes = b"0123456789") -> bytes:
    path = folder / name
    path.write_bytes(data)
    return os.fsencode(path)


def is_open(descriptor: int) -> bool:
    return Path(f"/proc/self/fd/{descriptor}").is_symlink()


def test_the_files_used_last_stay_open_and_the_others_are_closed(tmp_path: Path) -> None:
    files = OpenFiles(limit=2)
    names = [made(tmp_path, str(number)) for number in range(3)]
    first = files.get(names[0], 1.0).descriptor
    second = files.get(names[1], 2.0).descriptor
    assert files.get(names[0], 3.0).descriptor == first
    files.get(names[2], 4.0)
    assert len(files) == 2
    assert is_open(first)
    assert not is_open(second)
    files.close_idle(4.0)
    assert len(files) == 1
    assert not is_open(first)
    files.close()
    assert len(files) == 0


def test_a_file_that_is_being_read_is_closed_only_when_its_reader_lets_go(tmp_path: Path) -> None:
    files = OpenFiles()
    held = files.get(made(tmp_path, "one"), 0.0)
    files.close()
    assert is_open(held.descriptor)
    descriptor = held.descriptor
    del held
    assert not is_open(descriptor)


def test_a_file_that_grew_was_touched_or_deleted_is_not_the_same(tmp_path: Path) -> None:
    path = made(tmp_path, "one")
    opened, status = OpenFile(path), os.stat(path)  # noqa: PTH116  (paths are raw bytes)
    assert opened.unchanged(status.st_size, status.st_mtime_ns)
    assert not opened.unchanged(status.st_size + 1, status.st_mtime_ns)
    assert not opened.unchanged(status.st_size, status.st_mtime_ns + 1)
    (tmp_path / "one").unlink()
    assert not opened.unchanged(status.st_size, status.st_mtime_ns)


def test_a_file_that_is_not_there_leaves_no_trace(tmp_path: Path) -> None:
    files = OpenFiles()
    with pytest.raises(FileNotFoundError):
        files.get(os.fsencode(tmp_path / "none"), 0.0)
    assert len(files) == 0


@pytest.mark.parametrize("folder", [None, "/dev/shm"], ids=["disk", "memory"])
def test_what_was_just_written_is_read_without_waiting(folder: str | None, tmp_path: Path) -> None:
    if folder is not None and not os.access(folder, os.W_OK):
        pytest.skip(f"{folder} is not here")
    place = tmp_path if folder is None else Path(folder)
    path = made(place, f"slskdn-test-{os.getpid()}")
    try:
        opened, target = OpenFile(path), bytearray(4)
        if not read_now(opened.descriptor, memoryview(target), 3, device=opened.device):
            pytest.skip("this file system can't tell what lies in memory")
        assert target == b"3456"
        assert not read_now(opened.descriptor, memoryview(target), 8, device=opened.device), "shorter than asked"
    finally:
        os.unlink(path)  # noqa: PTH108


def test_without_the_flag_nothing_is_ever_read_in_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_files, "_NOWAIT", 0)
    opened, target = OpenFile(made(tmp_path, "one")), bytearray(4)
    assert not read_now(opened.descriptor, memoryview(target), 0, device=opened.device)
    assert target == bytes(4)
