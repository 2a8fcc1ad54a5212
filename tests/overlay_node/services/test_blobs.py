"""What is served: the bytes that were hashed, or an error; from memory without a thread where that is possible."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from apps.domain.audio.payload import PayloadFacts, PayloadFormat
from apps.domain.contracts.node_work import HeldFile
from overlay_node.ports import BlobManifest
from overlay_node.services.blobs import BlobError, LibraryBlob
from overlay_node.store.open_files import OpenFiles

DATA = bytes(range(256)) * 16
PREAMBLE = b"head"


class Clock:
    """Seconds that stand still until they are moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def library_blob(path: Path, *, files: OpenFiles) -> LibraryBlob:
    path.write_bytes(PREAMBLE + DATA)
    status = path.stat()
    return LibraryBlob(
        BlobManifest(
            facts=PayloadFacts(PayloadFormat.FILE, len(DATA), 0, 0, 0),
            leaf_bytes=1024,
            leaf_hashes=bytes(32 * 4),
            preamble=PREAMBLE,
        ),
        HeldFile(
            path=os.fsencode(path),
            size_bytes=status.st_size,
            mtime_ns=status.st_mtime_ns,
            payload_offset=len(PREAMBLE),
        ),
        files,
        Clock(),
    )


def test_both_ways_of_reading_bring_the_same_bytes_in_payload_space(tmp_path: Path) -> None:
    files = OpenFiles()
    blob = library_blob(tmp_path / "one", files=files)
    target = bytearray(100)
    assert blob.read(1000, 100) == DATA[1000:1100]
    if not blob.read_cached(1000, memoryview(target)):
        pytest.skip("this file system can't tell what lies in memory")
    assert target == DATA[1000:1100]
    assert len(files) == 1, "it stays open"


def test_a_file_that_changed_is_served_by_neither(tmp_path: Path) -> None:
    files = OpenFiles()
    blob = library_blob(tmp_path / "one", files=files)
    target = memoryview(bytearray(10))
    blob.read_cached(0, target)
    with (tmp_path / "one").open("ab") as file:
        file.write(b"more")
    for read in (lambda: blob.read(0, 10), lambda: blob.read_cached(0, target)):
        with pytest.raises(BlobError) as caught:
            read()
        assert caught.value.code == "not_found"
    assert len(files) == 0, "the next read looks for the file again"


def test_a_file_that_is_gone_is_not_found(tmp_path: Path) -> None:
    blob = library_blob(tmp_path / "one", files=OpenFiles())
    target = memoryview(bytearray(10))
    blob.read_cached(0, target)
    (tmp_path / "one").unlink()
    for read in (lambda: blob.read(0, 10), lambda: blob.read_cached(0, target), lambda: blob.read_cached(0, target)):
        with pytest.raises(BlobError) as caught:
            read()
        assert caught.value.code == "not_found"


def test_a_file_that_cannot_be_opened_is_an_error_that_may_pass(tmp_path: Path) -> None:
    blob = library_blob(tmp_path / "one", files=OpenFiles())
    (tmp_path / "one").unlink()
    (tmp_path / "one").symlink_to(tmp_path / "one")  # a loop
    with pytest.raises(BlobError) as caught:
        blob.read_cached(0, memoryview(bytearray(10)))
    assert (caught.value.code, caught.value.retryable) == ("io_error", True)
