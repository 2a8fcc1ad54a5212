"""A stream's file: resumes where it is safe, survives kills and lying sharers, and knows its payload on the way."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.domain.audio.payload import (
    LEAF_BYTES,
    PayloadFormat,
    find_span_in_bytes,
    leaf_hash,
    leaf_hashes,
    payload_root,
)
from overlay_node.soulseek.stream_files import OVERLAP, StreamFile, StreamFileError

SIZE = 1_300_000
CONTENT = random.Random(1).randbytes(SIZE)


def flac(payload: bytes, *, picture: int = 0) -> bytes:
    """A file with FLAC's structure: STREAMINFO, a padding block of `picture` bytes, and sound that begins with a true frame header."""
    info = bytes.fromhex("1000100000000000000a0ac442f0") + bytes(20)
    head = b"fLaC" + b"\x00" + (34).to_bytes(3, "big") + info[:34]
    head += b"\x81" + picture.to_bytes(3, "big") + b"\xaa" * picture
    frame = bytes([0xFF, 0xF8, 0xC9, 0x18, 0x00, 0xC2])
    return head + frame + payload


def arrive(file: StreamFile, content: bytes, start: int, *, block: int = 50_000, until: int | None = None) -> bool:
    """The bytes of `content` from `start` on, in blocks; False as soon as one is refused."""
    until = len(content) if until is None else until
    return all(file.write(at, content[at : min(at + block, until)]) for at in range(start, until, block))


def kept(file: StreamFile) -> bytes:
    return file.path.read_bytes()[: file.have]


def test_a_file_that_arrives_in_order_is_whole_at_its_last_byte(tmp_path: Path) -> None:
    file = StreamFile.open(tmp_path)
    assert file.begin(SIZE) == 0
    assert arrive(file, CONTENT, 0)
    assert file.whole
    assert kept(file) == CONTENT
    file.close()


def test_what_was_not_synced_is_asked_for_again_and_what_was_is_not(tmp_path: Path) -> None:
    file = StreamFile.open(tmp_path)
    file.begin(SIZE)
    arrive(file, CONTENT, 0, until=500_000)
    file.sync()
    file.write(500_000, CONTENT[500_000:700_000])
    file.close()
    again = StreamFile.open(tmp_path)
    assert (again.have, again.size) == (500_000, SIZE)
    start = again.begin(SIZE)
    assert start == 500_000 - OVERLAP
    assert arrive(again, CONTENT, start)
    assert again.whole
    assert kept(again) == CONTENT


def test_bytes_that_the_disk_changed_are_not_built_upon(tmp_path: Path) -> None:
    file = StreamFile.open(tmp_path)
    file.begin(SIZE)
    arrive(file, CONTENT, 0, until=500_000)
    file.sync()
    file.close()
    with file.path.open("r+b") as raw:
        raw.seek(1234)
        raw.write(b"\0\0\0\0")
    assert StreamFile.open(tmp_path).have == 0


def test_a_mark_that_cannot_be_read_means_a_beginning_anew(tmp_path: Path) -> None:
    file = StreamFile.open(tmp_path)
    file.begin(SIZE)
    arrive(file, CONTENT, 0, until=300_000)
    file.sync()
    file.close()
    (tmp_path / "mark.json").write_text("[1", encoding="utf-8")
    assert StreamFile.open(tmp_path).have == 0


def test_a_sharer_that_ignores_the_offset_is_noticed_before_a_byte_is_kept(tmp_path: Path) -> None:
    file = StreamFile.open(tmp_path)
    file.begin(SIZE)
    arrive(file, CONTENT, 0, until=600_000)
    start = file.begin(SIZE)
    assert not file.write(start, CONTENT[:50_000])  # it sends its beginning
    assert file.have == 600_000
    assert not file.restart(start, CONTENT[:50_000])
    assert file.begin(SIZE, anew=True) == 0
    assert arrive(file, CONTENT, 0)
    assert file.whole
    assert kept(file) == CONTENT


def test_old_bytes_stay_until_another_beginning_has_passed_them(tmp_path: Path) -> None:
    other = CONTENT[:400_000] + b"x" + CONTENT[400_001:]
    file = StreamFile.open(tmp_path)
    file.begin(SIZE)
    arrive(file, CONTENT, 0, until=600_000)
    file.sync()
    file.begin(SIZE, anew=True)
    assert arrive(file, other, 0, until=400_000)
    assert not file.write(400_000, other[400_000:450_000])
    assert file.restart(400_000, other[400_000:450_000])
    arrive(file, other, 450_000, until=550_000)
    assert file.have == 600_000  # the old ones
    file.paused()
    assert kept(file) == CONTENT[:600_000]
    file.begin(SIZE, anew=True)
    arrive(file, other, 0, until=400_000)
    assert file.restart(400_000, other[400_000:450_000])
    assert arrive(file, other, 450_000)
    assert file.whole
    assert kept(file) == other
    file.sync()
    file.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mark.json", "stream.1"]
    assert StreamFile.open(tmp_path).have == SIZE


def test_a_kill_between_passing_and_the_mark_brings_the_old_bytes_back(tmp_path: Path) -> None:
    other = b"y" + CONTENT[1:]
    file = StreamFile.open(tmp_path)
    file.begin(SIZE)
    arrive(file, CONTENT, 0, until=300_000)
    file.sync()
    file.begin(SIZE, anew=True)
    file.restart(0, other[:50_000])
    arrive(file, other, 50_000, until=400_000)
    assert file.have == 400_000
    again = StreamFile.open(tmp_path)  # nobody closed the first: as after a kill
    assert again.have == 300_000
    assert kept(again) == CONTENT[:300_000]


def test_a_file_that_is_another_size_by_now_begins_anew_beside_the_old(tmp_path: Path) -> None:
    longer, shorter = CONTENT + b"more", CONTENT[:200_000]
    file = StreamFile.open(tmp_path)
    file.begin(SIZE)
    arrive(file, CONTENT, 0, until=600_000)
    assert file.begin(len(longer)) == 0
    assert arrive(file, longer, 0)
    assert kept(file) == longer
    assert file.begin(len(shorter)) == 0
    assert not file.whole
    assert arrive(file, shorter, 0)
    assert file.whole
    assert kept(file) == shorter
    file.sync()
    file.close()
    assert StreamFile.open(tmp_path).have == len(shorter)


@pytest.mark.parametrize(("picture", "cut"), [(0, 1), (300_000, 70_000), (0, 999)])
def test_the_payload_is_found_in_flight_and_its_leaves_are_those_of_the_file(
    tmp_path: Path, picture: int, cut: int
) -> None:
    content = flac(CONTENT, picture=picture)
    span = find_span_in_bytes(content)
    assert span.format is PayloadFormat.FLAC
    file = StreamFile.open(tmp_path)
    file.begin(len(content))
    half = span.offset + LEAF_BYTES * 2 + 10
    assert arrive(file, content, 0, block=cut if cut > 1 else 60_000, until=half)
    assert file.span is not None
    assert (file.span.offset, file.span.length, file.span.format) == (span.offset, span.length, span.format)
    assert file.leaves == [leaf_hash(content[span.offset + LEAF_BYTES * n :][:LEAF_BYTES]) for n in (0, 1)]
    assert file.leaf(1) == content[span.offset + LEAF_BYTES :][:LEAF_BYTES]
    arrive(file, content, half)
    found = file.payload()
    true = leaf_hashes([content[span.offset : span.end]])
    assert (found.span, found.leaves, found.root) == (span, true, payload_root(span.facts, true.merkle))


def test_tags_at_the_end_shorten_what_was_supposed_in_flight(tmp_path: Path) -> None:
    content = flac(CONTENT) + b"TAG" + bytes(125)
    file = StreamFile.open(tmp_path)
    file.begin(len(content))
    arrive(file, content, 0)
    found = file.payload()
    span = find_span_in_bytes(content)
    assert span.length == len(content) - span.offset - 128
    assert found.root == payload_root(span.facts, leaf_hashes([content[span.offset : span.end]]).merkle)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 60_000), st.sampled_from(["go", "sync", "kill", "break"])), max_size=25))
def test_however_it_is_broken_off_it_ends_as_the_file(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str]]
) -> None:
    folder = tmp_path_factory.mktemp("stream")
    content = CONTENT[:300_000]
    file = StreamFile.open(folder)
    at = file.begin(len(content))
    for count, what in [*steps, (len(content), "go")]:
        block = content[at : at + count]
        assert file.write(at, block)
        at += len(block)
        if what == "sync":
            file.sync()
        elif what == "kill":
            synced = file.synced
            file = StreamFile.open(folder)
            assert file.have == synced
            at = file.begin(len(content))
        elif what == "break":
            file.paused()
            at = file.begin(len(content))
        assert kept(file) == content[: file.have]
    assert file.whole


def test_a_process_that_is_killed_at_any_moment_loses_at_most_what_was_not_synced(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import random, sys
        from pathlib import Path
        from overlay_node.soulseek.stream_files import StreamFile
        content = random.Random(1).randbytes(1_300_000)
        file = StreamFile.open(Path(sys.argv[1]))
        at = file.begin(len(content))
        print("begun", flush=True)
        while at < len(content):
            file.write(at, content[at : at + 3000])
            at = min(at + 3000, len(content))
            if (at // 3000) % 7 == 0:
                file.sync()
                print(file.synced, flush=True)
        """
    )
    rng, promised = random.Random(3), 0
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
        )
        assert process.stdout is not None
        for _line in range(rng.randint(2, 12)):
            line = process.stdout.readline().strip()
            if line.isdigit():
                promised = max(promised, int(line))
        time.sleep(rng.random() / 200)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        file = StreamFile.open(tmp_path)
        assert file.have >= promised
        assert kept(file) == CONTENT[: file.have]
        file.close()
    assert promised > 0


def test_a_full_disk_is_told_and_nothing_of_the_block_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = StreamFile.open(tmp_path)
    file.begin(SIZE)
    arrive(file, CONTENT, 0, until=100_000)

    def full(_descriptor: int, _view: object, _offset: int) -> int:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patched, pytest.raises(StreamFileError) as told:
        patched.setattr(os, "pwrite", full)
        file.write(100_000, CONTENT[100_000:150_000])
    assert (told.value.code, told.value.retryable, file.have) == ("disk_full", True, 100_000)
    file.begin(SIZE)
    assert arrive(file, CONTENT, 100_000 - OVERLAP)
    assert kept(file) == CONTENT


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StreamFileError):
        StreamFile.open(tmp_path / "file" / "below")
