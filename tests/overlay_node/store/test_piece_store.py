"""Partial files: what is on disk after every kind of end, and what is believed of it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from apps.domain.audio.payload import LEAF_BYTES
from overlay_node.store.piece_store import PieceStore, PieceStoreError, extension_of
from tests.overlay_node.swarm.payloads import TestPayload, make_payload

PAYLOAD = make_payload(LEAF_BYTES * 3 + 77, seed=3)


def made(folder: Path, payload: TestPayload = PAYLOAD) -> PieceStore:
    return PieceStore.create(folder / "t", payload.manifest, extension="bin")


def put(store: PieceStore, *leaves: int) -> None:
    for leaf in leaves:
        store.write_leaf(leaf, leaf * LEAF_BYTES, PAYLOAD.leaf(leaf))


def test_a_whole_file_is_the_payload(tmp_path: Path) -> None:
    store = made(tmp_path)
    put(store, 2, 0, 3, 1)
    assert store.finish().read_bytes() == PAYLOAD.data
    store.close()


def test_leaves_that_came_together_are_written_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = made(tmp_path)
    whole = memoryview(PAYLOAD.data)
    calls, real = [], os.pwritev

    def short(descriptor: int, buffers: list[memoryview], at: int) -> int:
        calls.append(at)
        if len(calls) == 1:  # the kernel may stop anywhere, also within the second buffer
            return real(descriptor, [buffers[0], buffers[1][:1000]], at)
        return real(descriptor, buffers, at)

    monkeypatch.setattr(os, "pwritev", short)
    store.write_leaves(1, LEAF_BYTES, [whole[LEAF_BYTES : 2 * LEAF_BYTES], whole[2 * LEAF_BYTES : 3 * LEAF_BYTES]])
    assert len(calls) == 2
    assert store.written() == {1, 2}
    put(store, 0, 3)
    assert store.finish().read_bytes() == PAYLOAD.data
    store.close()


def test_what_was_written_is_found_again_without_any_hint(tmp_path: Path) -> None:
    store = made(tmp_path)
    put(store, 0, 3)
    store.close()
    opened = PieceStore.open(tmp_path / "t", root=PAYLOAD.key.payload_root)
    assert opened is not None
    assert opened.held == {0, 3}
    assert opened.damaged == 0
    assert opened.store.manifest == PAYLOAD.manifest
    opened.store.close()


def test_a_hinted_leaf_that_is_wrong_is_not_held_and_is_counted(tmp_path: Path) -> None:
    store = made(tmp_path)
    put(store, 0, 1)
    store.save_hint()
    store.close()
    with store.path.open("r+b") as file:
        file.seek(LEAF_BYTES)
        file.write(b"x")
    opened = PieceStore.open(tmp_path / "t", root=PAYLOAD.key.payload_root)
    assert opened is not None
    assert (opened.held, opened.damaged) == ({0}, 1)
    opened.store.close()


@pytest.mark.parametrize("cut", [0, 1, 20, 200])
def test_a_torn_or_altered_leaf_list_is_no_leaf_list(tmp_path: Path, cut: int) -> None:
    made(tmp_path).close()
    path = tmp_path / "t" / "leaves.bin"
    data = path.read_bytes()
    path.write_bytes(data[:cut])
    assert PieceStore.open(tmp_path / "t", root=PAYLOAD.key.payload_root) is None
    path.write_bytes(data[:50] + bytes([data[50] ^ 1]) + data[51:])
    assert PieceStore.open(tmp_path / "t", root=PAYLOAD.key.payload_root) is None


def test_another_payloads_folder_is_not_taken(tmp_path: Path) -> None:
    made(tmp_path).close()
    assert PieceStore.open(tmp_path / "t", root=bytes(32)) is None
    assert PieceStore.open(tmp_path / "none", root=bytes(32)) is None


def test_a_truncated_audio_file_loses_its_end_only(tmp_path: Path) -> None:
    store = made(tmp_path)
    put(store, 0, 1, 2, 3)
    store.close()
    os.truncate(store.path, LEAF_BYTES + 5)
    opened = PieceStore.open(tmp_path / "t", root=PAYLOAD.key.payload_root)
    assert opened is not None
    assert opened.held == {0}
    put(opened.store, 1, 2, 3)
    assert opened.store.finish().read_bytes() == PAYLOAD.data
    opened.store.close()


def test_only_written_leaves_are_read_for_others(tmp_path: Path) -> None:
    store = made(tmp_path)
    put(store, 1)
    assert store.read(LEAF_BYTES + 3, 10) == PAYLOAD.data[LEAF_BYTES + 3 : LEAF_BYTES + 13]
    with pytest.raises(PieceStoreError) as failure:
        store.read(LEAF_BYTES - 1, 2)
    assert failure.value.code == "not_found"
    store.discard()
    assert not (tmp_path / "t").exists()


def test_a_full_disk_has_its_own_code_and_leaves_nothing_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_given: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    store = made(tmp_path)
    monkeypatch.setattr(os, "pwritev", full)
    with pytest.raises(PieceStoreError) as failure:
        put(store, 0)
    assert (failure.value.code, failure.value.retryable) == ("disk_full", True)
    assert store.written() == frozenset()
    store.close()
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(PieceStoreError):
        PieceStore.create(tmp_path / "u", PAYLOAD.manifest, extension="bin")
    assert not (tmp_path / "u").exists()


def test_a_read_that_meets_the_closing_never_reads_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = made(tmp_path / "t")
    put(store, 0)
    secret = tmp_path / "secret"
    secret.write_bytes(b"S" * 4096)
    taken: list[int] = []
    real = os.pread

    def closed_just_before(descriptor: int, length: int, offset: int) -> bytes:
        store.close()
        taken.append(os.open(secret, os.O_RDONLY))  # the lowest free number: the store's, if that is what is read
        return real(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", closed_just_before)
    data = store.read(0, 100)
    monkeypatch.undo()
    os.close(taken[0])
    assert data == PAYLOAD.leaf(0)[:100]
    with pytest.raises(PieceStoreError):
        store.read(0, 100)


def test_names_come_from_format_and_codec_never_from_a_peer() -> None:
    assert extension_of("flac", "flac-16-44100-2") == "flac"
    assert extension_of("file", "vorbis-q6-44100-2") == "ogg"
    assert extension_of("file", "../../etc") == "bin"


def test_written_leaves_are_read_without_a_thread_and_others_refused(tmp_path: Path) -> None:
    store = PieceStore.create(tmp_path / "one", PAYLOAD.manifest, extension="flac")
    target = bytearray(10)
    with pytest.raises(PieceStoreError):
        store.read_cached(0, memoryview(target))
    store.write_leaf(0, 0, PAYLOAD.data[:LEAF_BYTES])
    if store.read_cached(3, memoryview(target)):
        assert target == PAYLOAD.data[3:13]
    with pytest.raises(PieceStoreError):
        store.read_cached(LEAF_BYTES - 1, memoryview(target))
    store.close()
    with pytest.raises(PieceStoreError) as caught:
        store.read_cached(3, memoryview(target))
    assert caught.value.code == "not_found"
