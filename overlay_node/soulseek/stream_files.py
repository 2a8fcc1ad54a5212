"""One sharer's file on disk while it arrives: sequential, resumable where it is safe, its payload found and hashed on the way.

A folder per download:

    stream.<n>   the bytes, from the file's beginning, in order
    mark.json    which `stream.<n>` counts, how many of its bytes are surely on disk, and their BLAKE3; replaced as a whole

Order: bytes, fsync of them, then the mark. At the next start the file is cut to what the mark says and its hash compared: a kill loses at most what was
not synced, and what the disk lost or changed is not built upon. A resumed stream begins OVERLAP bytes before the end of what is here and these are
compared first: a sharer that ignores offsets, or has another file under the name by now, is noticed before a byte of it is kept.

A sharer that begins anew (it refuses offsets, or its file changed) is read beside what is here: while its bytes are the same nothing is written, and the
old ones stay until the new ones pass them; at the first difference they go into `stream.<n+1>`, which counts once it holds more.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from blake3 import blake3

from apps.domain.audio.payload import (
    HASH_BYTES,
    LEAF_BYTES,
    Leaves,
    PayloadSpan,
    find_span,
    leaf_bytes_of,
    leaf_hash,
    payload_root,
)
from apps.domain.errors import DomainError
from overlay_node.store.piece_store import PieceStoreError, translated_error

log = logging.getLogger(__name__)

OVERLAP: Final = 16 << 10
"""Compared before anything is added: one sector of nothing would pass by chance, this does not."""
SYNC_BYTES: Final = 4 << 20
TAIL_BYTES: Final = 8 << 10
"""Where the trailing tags of a file are looked for first; not asked for while it arrives."""
PARSE_STEP: Final = 64 << 10
MARK_FILE: Final = "mark.json"
_READ_BYTES: Final = 1 << 20


class _NotYet(Exception):
    """The header goes on behind what is here."""


class StreamFileError(DomainError):
    """A stream's file can't be written or read: disk_full (retryable), io_error (retryable)."""

    default_code = "io_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPayload:
    """What a whole file is."""

    span: PayloadSpan
    root: bytes
    leaves: Leaves


class StreamFile:
    """One download's bytes. `open`, `sync`, `payload`, `restart` and `discard` block for the disk and are called in a thread; the rest in the loop's.

    One of the blocking ones at a time, and `close` never during one; `write` may go on during `sync`.
    """

    def __init__(self, folder: Path, *, number: int, descriptor: int, size: int, have: int, hasher: blake3) -> None:
        """Use `open`."""
        self.folder: Final = folder
        self.size = size
        """of the whole file, as the sharer said; 0: it has not yet"""
        self.have = have
        """bytes that are here, in order from the beginning"""
        self.synced = have
        """bytes that survive anything"""
        self.span: PayloadSpan | None = None
        """once the header is here; its length supposes that no tags stand at the end, until the file is whole"""
        self.leaves: list[bytes] = []
        """hashes of the payload's whole leaves that are here, from the first on"""
        self._number = number
        self._descriptor = descriptor
        self._hasher = hasher
        self._hashed = have
        self._next_parse = 1
        self._fresh: tuple[int, int, int] | None = None
        """another beginning: (number, descriptor, bytes) of what shall take the place of what is here"""
        self._at: int | None = None
        """where the bytes that arrive are compared or added; None: no stream runs"""
        self._old: tuple[int, Path] | None = None
        """what was here before another beginning passed it; goes once the mark names the new one"""
        self._from_zero = False
        self._lock: Final = threading.Lock()

    # ---- beginning

    @classmethod
    def open(cls, folder: Path) -> Self:
        """What an earlier run left, or nothing. Raises StreamFileError."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            number, size, synced, digest = _read_mark(folder)
            path = folder / f"stream.{number}"
            for other in folder.glob("stream.*"):
                if other != path:
                    other.unlink()
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                hasher = blake3()
                if min(synced, os.fstat(descriptor).st_size) == synced:
                    _hash_from(descriptor, hasher, 0, synced)
                if hasher.hexdigest() != digest:
                    if synced:
                        log.warning("stream_damaged folder=%s bytes=%d", folder.name, synced)
                    hasher, synced = blake3(), 0
                os.ftruncate(descriptor, synced)
            except OSError:
                os.close(descriptor)
                raise
        except OSError as error:
            raise _translated(error) from error
        made = cls(folder, number=number, descriptor=descriptor, size=size, have=synced, hasher=hasher)
        made._look()
        return made

    def begin(self, size: int, *, anew: bool = False) -> int:
        """A stream of a file of `size` bytes begins; at which offset. `anew`: at 0, comparing with what is here. A file of another size begins anew."""
        self._drop_fresh()
        if size != self.size:
            anew = anew or (self.size != 0 and self.have > 0)
            self.size = size
            self._forget_payload()
            self._look()
        self._at = 0 if anew or self.have > size else max(0, self.have - OVERLAP)
        self._from_zero = self._at == 0
        return self._at

    # ---- arriving

    def write(self, offset: int, data: bytes) -> bool:
        """The next bytes. False: they are not what is here; nothing of them was kept, and only a beginning anew (`restart`) helps.

        Raises StreamFileError; then nothing of them was kept.
        """
        assert self._at is not None
        assert offset == self._at
        view = memoryview(data)
        try:
            if self._fresh is not None:
                self._write_fresh(view)
                return True
            known = min(len(view), self.have - offset)
            if known > 0:
                here = os.pread(self._descriptor, known, offset)
                if here != view[:known]:
                    return False
            if known < len(view):
                fresh = view[max(0, known) :]
                _write_all(self._descriptor, fresh, self.have)
                self.have += len(fresh)
                self._look()
            self._at += len(view)
            if self._at >= self.size and self.have > self.size:  # the same, and shorter than it was
                os.ftruncate(self._descriptor, self.size)
                self.have = self.size
                self.synced = min(self.synced, self.size)
        except OSError as error:
            raise _translated(error) from error
        return True

    def restart(self, offset: int, data: bytes) -> bool:
        """The sharer's file differs from what is here, at or behind `offset`, where `data` belongs. True: the new one is taken down beside the old.

        False: nothing is known of the new one's beginning; it must be asked for from 0. Blocks. Raises StreamFileError.
        """
        assert self._at is not None
        if self._at != offset or not self._from_zero:
            return False
        number = self._number + 1
        try:
            path = self.folder / f"stream.{number}"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                _copy(self._descriptor, descriptor, offset)
            except OSError:
                os.close(descriptor)
                path.unlink(missing_ok=True)
                raise
            self._fresh = (number, descriptor, offset)
            self._write_fresh(memoryview(data))
        except OSError as error:
            self._drop_fresh()
            raise _translated(error) from error
        return True

    @property
    def arrived(self) -> int:
        """Up to where the stream that runs has come."""
        return self._at if self._at is not None else self.have

    @property
    def whole(self) -> bool:
        """Every byte is here."""
        return self.size > 0 and self.have == self.size and self._fresh is None

    def paused(self) -> None:
        """The stream ended, in whatever way. What came of another beginning and had not passed what is here is forgotten."""
        self._drop_fresh()
        self._at = None

    # ---- safety

    @property
    def unsynced(self) -> int:
        """Bytes that a crash of the machine would lose."""
        return self.have - self.synced

    def sync(self) -> None:
        """What is here now is safe when this returns. Blocks. Raises StreamFileError."""
        with self._lock:
            descriptor, number, have, size = self._descriptor, self._number, self.have, self.size
            hasher, hashed = self._hasher, self._hashed
            old, self._old = self._old, None
        if descriptor < 0:
            return
        try:
            os.fsync(descriptor)
            if have < hashed:
                hasher, hashed = blake3(), 0
            _hash_from(descriptor, hasher, hashed, have)
            _write_mark(self.folder, number, size, have, hasher.hexdigest())
        except OSError as error:
            with self._lock:
                self._old = old
            raise _translated(error) from error
        with self._lock:
            if number == self._number:
                self._hasher, self._hashed, self.synced = hasher, have, have
        if old is not None:
            _remove(*old)

    # ---- what it is

    def leaf(self, index: int) -> bytes:
        """Bytes of a leaf that is in `leaves`. Raises IndexError, StreamFileError."""
        if self.span is None or not 0 <= index < len(self.leaves):
            raise IndexError(index)
        size = leaf_bytes_of(self.span.format)
        try:
            data = os.pread(self._descriptor, size, self.span.offset + index * size)
        except OSError as error:
            raise _translated(error) from error
        if len(data) != size:
            raise StreamFileError("The stream's file is shorter than it was.", retryable=True)
        return data

    def payload(self) -> StreamPayload:
        """Of the whole file. Leaves hashed on the way are not hashed again. Blocks. Raises StreamFileError."""
        try:
            span = find_span(lambda at, count: _read(self._descriptor, at, count, self.size), self.size)
            size = leaf_bytes_of(span.format)
            known = self.span is not None and (self.span.offset, self.span.format) == (span.offset, span.format)
            hashes = self.leaves[: span.length // size] if known else []
            at = span.offset + len(hashes) * size
            while at < span.end or not hashes:
                data = _read(self._descriptor, at, min(size, span.end - at), self.size)
                if len(data) < min(size, span.end - at):
                    raise StreamFileError("The stream's file is shorter than it was.", retryable=True)
                hashes.append(leaf_hash(data))
                at += size
        except OSError as error:
            raise _translated(error) from error
        leaves = Leaves(hashes=tuple(hashes), payload_bytes=span.length, leaf_bytes=size)
        self.span = span
        return StreamPayload(span=span, root=payload_root(span.facts, leaves.merkle), leaves=leaves)

    @property
    def path(self) -> Path:
        """The file that counts."""
        return self.folder / f"stream.{self._number}"

    # ---- end

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        self.paused()
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
            old, self._old = self._old, None
        if descriptor >= 0:
            os.close(descriptor)
        if old is not None:
            os.close(old[0])  # the mark still names it: its file stays

    def discard(self) -> None:
        """Close and delete everything. Blocks."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- inside

    def _write_fresh(self, view: memoryview) -> None:
        assert self._fresh is not None
        assert self._at is not None
        number, descriptor, count = self._fresh
        _write_all(descriptor, view, count)
        count += len(view)
        self._at = count
        self._fresh = (number, descriptor, count)
        if count > self.have or count >= self.size:  # the new one has passed the old: from now on it counts
            with self._lock:
                if self._old is None:
                    self._old = (self._descriptor, self.path)
                else:
                    _remove(self._descriptor, self.path)
                self._number, self._descriptor, self._fresh = number, descriptor, None
                self.have, self.synced, self._hashed, self._hasher = count, 0, 0, blake3()
            self._forget_payload()
            self._look()

    def _forget_payload(self) -> None:
        self.span, self.leaves, self._next_parse = None, [], 1

    def _drop_fresh(self) -> None:
        if self._fresh is not None:
            number, descriptor, _ = self._fresh
            self._fresh = None
            os.close(descriptor)
            with contextlib.suppress(OSError):
                (self.folder / f"stream.{number}").unlink(missing_ok=True)

    def _look(self) -> None:
        """Find the payload as soon as its header is here, then hash leaves as they fill."""
        if self.span is None:
            if not self.size or self.have < self._next_parse:
                return
            try:
                self.span = find_span(self._head_read, self.size)
            except _NotYet:
                self._next_parse = self.have + PARSE_STEP
                return
        size = leaf_bytes_of(self.span.format)
        end = self.span.offset + (len(self.leaves) + 1) * size
        while end <= self.have:
            self.leaves.append(leaf_hash(_read(self._descriptor, end - size, size, self.have)))
            end += size

    def _head_read(self, at: int, count: int) -> bytes:
        count = max(0, min(count, self.size - at))
        if at + count <= self.have:
            return _read(self._descriptor, at, count, self.have)
        if at >= self.size - TAIL_BYTES and self.have < self.size - TAIL_BYTES:
            return b""
        raise _NotYet


def streams_folder(partial_dir: Path) -> Path:
    """Where the folders of streams are."""
    return partial_dir / "streams"


def _read_mark(folder: Path) -> tuple[int, int, int, str]:
    """(number, size, synced bytes, their BLAKE3 in hex)."""
    nothing = (0, 0, 0, blake3().hexdigest())
    try:
        told = json.loads((folder / MARK_FILE).read_bytes()[:4096])
        found = (int(told["number"]), int(told["size"]), int(told["synced"]), str(told["blake3"]))
    except FileNotFoundError:
        return nothing
    except (ValueError, KeyError, TypeError):
        log.warning("stream_mark_unreadable folder=%s", folder.name)
        return nothing
    return found if min(found[:3]) >= 0 and len(found[3]) == 2 * HASH_BYTES else nothing


def _write_mark(folder: Path, number: int, size: int, synced: int, digest: str) -> None:
    data = json.dumps({"number": number, "size": size, "synced": synced, "blake3": digest}).encode()
    fresh = folder / f"{MARK_FILE}.new"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _write_all(descriptor, memoryview(data), 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fresh.replace(folder / MARK_FILE)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(descriptor: int, path: Path) -> None:
    os.close(descriptor)
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _write_all(descriptor: int, view: memoryview, offset: int) -> None:
    while view:
        done = os.pwrite(descriptor, view, offset)
        view, offset = view[done:], offset + done


def _read(descriptor: int, at: int, count: int, end: int) -> bytes:
    return os.pread(descriptor, max(0, min(count, end - at)), at)


def _hash_from(descriptor: int, hasher: blake3, start: int, end: int) -> None:
    """Add the bytes [start, end) to a hash. Raises OSError where they are not there."""
    while start < end:
        block = os.pread(descriptor, min(_READ_BYTES, end - start), start)
        if not block:
            raise OSError(5, "the file is shorter than it was")
        hasher.update(block)
        start += len(block)


def _copy(source: int, target: int, count: int) -> None:
    at = 0
    while at < count:
        block = os.pread(source, min(_READ_BYTES, count - at), at)
        if not block:
            raise OSError(5, "the file is shorter than it was")
        _write_all(target, memoryview(block), at)
        at += len(block)


def _translated(error: OSError) -> StreamFileError:
    meant: PieceStoreError = translated_error(error)
    return StreamFileError(meant.sentence, code=meant.code, retryable=meant.retryable)


__all__ = ["LEAF_BYTES", "StreamFile", "StreamFileError", "StreamPayload", "streams_folder"]
