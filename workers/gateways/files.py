"""Files on disk: reading for identity, putting a file together from its payload, placing it in a library without clobbering anything.

Paths of a library are bytes below an opened root folder; every step goes from folder handle to folder handle without following links, so that
neither text nor a link inside the library leads out of it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import stat
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from apps.domain.audio import mpeg
from apps.domain.audio.flac import PreambleError, parse_streaminfo
from apps.domain.audio.payload import (
    Leaves,
    PayloadFacts,
    PayloadFormat,
    PayloadHasher,
    PayloadSpan,
    ReadAt,
    file_root,
    find_span,
    leaf_bytes_of,
    payload_root,
)
from apps.domain.errors import DomainError
from apps.domain.library.naming import numbered
from apps.domain.library.paths import PathKey, PathKeyError, display_text

_BLOCK_BYTES = 1 << 20
STAGED_PREFIX = b".slskdn-"
"""Of names that are ours and on their way: hidden, so that no scan sees them."""
_STAGED_STALE_S = 86_400
"""A staged file older than a day was left by a kill: no copy takes that long."""
_MAX_NUMBER = 99
_RENAME_NOREPLACE = 1

_CODES = {
    errno.ENOSPC: ("disk_full", "The disk is full.", True),
    errno.EDQUOT: ("disk_full", "The disk quota is used up.", True),
    errno.EROFS: ("library_read_only", "The filesystem is mounted read-only.", True),
    errno.EACCES: ("library_permission", "This folder may not be written by slskdn's user.", True),
    errno.EPERM: ("library_permission", "This folder may not be written by slskdn's user.", True),
    errno.ENOENT: ("file_missing", "A file or folder is gone.", True),
    errno.ELOOP: (
        "library_path_link",
        "A folder on the way is a link; slskdn does not follow links inside a library.",
        False,
    ),
    errno.ENOTDIR: ("library_path_blocked", "A folder on the way is a file or a link.", False),
    errno.ENAMETOOLONG: ("library_path_too_long", "The filesystem refuses so long a name.", False),
    errno.EIO: ("disk_error", "The disk reported an error.", True),
}


class FilesError(DomainError):
    """The filesystem said no; `code` says why (see _CODES), `retryable` whether waiting or a person's help may change it."""

    default_code = "file_failed"


@contextlib.contextmanager
def translated(path: Path | bytes) -> Iterator[None]:
    """Turn OSError into FilesError with a stable code."""
    try:
        yield
    except OSError as error:
        _fail(error, path)


def _fail(error: OSError, path: Path | bytes) -> NoReturn:
    code, sentence, retryable = _CODES.get(error.errno or 0, ("file_failed", "The filesystem refused.", True))
    shown = display_text(os.fsencode(path))
    raise FilesError(
        sentence, code=code, retryable=retryable, path=shown, errno=errno.errorcode.get(error.errno or 0, "")
    ) from error


# --- reading -------------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def reading(path: Path) -> Iterator[tuple[ReadAt, int]]:
    """(`read_at`, size) of a regular file. Raises FilesError."""
    with translated(path):
        # NONBLOCK: a FIFO somebody put into a library must not hang a worker at open().
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise FilesError(
                    "This is not a regular file.", code="file_not_regular", path=display_text(os.fsencode(path))
                )
            yield lambda offset, length: pread(descriptor, offset, length), status.st_size
        finally:
            os.close(descriptor)


def pread(descriptor: int, offset: int, length: int) -> bytes:
    """All `length` bytes, fewer only at the end of the file."""
    block = os.pread(descriptor, length, offset)
    while 0 < len(block) < length:
        more = os.pread(descriptor, length - len(block), offset + len(block))
        if not more:
            break
        block += more
    return block


@dataclass(frozen=True, slots=True)
class Identity:
    """A file's payload: where it is and what it is called."""

    span: PayloadSpan
    root: bytes
    leaves: Leaves


def identify(path: Path) -> Identity:
    """Find and hash a file's payload. Raises FilesError, LeavesError if the file shrinks meanwhile."""
    with reading(path) as (read_at, size):
        span = find_span(read_at, size)
        root, leaves = file_root(read_at, span)
    return Identity(span=span, root=root, leaves=leaves)


# --- assembling ----------------------------------------------------------------------------------------------------------------------


def assemble(
    target: Path,
    *,
    payload: Path,
    facts: PayloadFacts,
    preamble: bytes,
    payload_offset: int = 0,
    expected_root: bytes | None = None,
) -> bytes:
    """Write a playable, still untagged file: preamble + payload, nothing else of the source. Returns the root of what was written.

    FLAC's preamble must be canonical and agree with `facts` (PreambleError). MP3's is advice: its numbers are made true from the payload, and
    one that is no information frame of this stream is left out. `file` takes none.
    `target` is replaced if it exists (it is our own work file); on any error it does not. FilesError `disk_full` is retryable; a root
    other than `expected_root` is FilesError `payload_root_mismatch`.
    """
    staged = target.with_name(target.name + ".part")
    with reading(payload) as (read_at, size), translated(target):
        if payload_offset < 0 or size < payload_offset + facts.payload_bytes:
            raise FilesError("The payload is shorter than it should be.", code="payload_short", size=size)
        head = _checked_preamble(read_at, facts, preamble, payload_offset)
        try:
            with staged.open("wb") as out:
                out.write(head)
                root = _copy_payload(read_at, out.write, facts, payload_offset)
                out.flush()
                os.fsync(out.fileno())
            if expected_root is not None and root != expected_root:
                raise FilesError(
                    "The payload on disk is not the one that was asked for.",
                    code="payload_root_mismatch",
                    root=root.hex(),
                )
            staged.replace(target)
        finally:
            staged.unlink(missing_ok=True)
    return root


def _checked_preamble(read_at: ReadAt, facts: PayloadFacts, preamble: bytes, offset: int) -> bytes:
    match facts.format:
        case PayloadFormat.FILE:
            if preamble:
                raise PreambleError("A whole file has no preamble.", length=len(preamble))
            return b""
        case PayloadFormat.FLAC:
            info = parse_streaminfo(preamble)
            if (info.rate, info.channels, info.bits) != (facts.rate, facts.channels, facts.bits):
                raise PreambleError(
                    "The FLAC preamble is not that of this payload.",
                    rate=info.rate,
                    channels=info.channels,
                    bits=info.bits,
                )
            return preamble
        case PayloadFormat.MP3:
            return true_information_frame(read_at, offset, facts.payload_bytes, preamble)


def true_information_frame(read_at: ReadAt, offset: int, payload_bytes: int, preamble: bytes) -> bytes:
    """The preamble with true numbers; nothing if it is not exactly one information frame that chains with the payload at `offset`."""
    header, first = mpeg.parse_header(preamble[:4]), mpeg.parse_header(read_at(offset, 4))
    if header is None or first is None or len(preamble) != header.length or not header.chains_with(first):
        return b""
    if not mpeg.is_information_frame(preamble):
        return b""
    end = offset + payload_bytes
    return mpeg.rebuild_information(
        preamble, [at - offset for at, _ in mpeg.walk_frames(read_at, offset, end)], payload_bytes
    )


def _copy_payload(read_at: ReadAt, write: Callable[[bytes], object], facts: PayloadFacts, offset: int) -> bytes:
    hasher = PayloadHasher(leaf_bytes=leaf_bytes_of(facts.format))
    position, end = offset, offset + facts.payload_bytes
    while position < end:
        block = read_at(position, min(_BLOCK_BYTES, end - position))
        if not block:
            raise FilesError("The payload is shorter than it should be.", code="payload_short", position=position)
        hasher.update(block)
        write(block)
        position += len(block)
    return payload_root(facts, hasher.finish().merkle)


# --- placing -------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a file now is."""

    relative: bytes
    """Below the library root; the name may have got a ` (2)`."""
    path: Path
    already: bool
    """The same bytes were there before: a repeated call, or the person's own copy."""


def place(source: Path, *, library_root: Path, relative: bytes) -> Placed:
    """Move `source` to `relative` below `library_root`. Never replaces anything; safe to repeat after a kill at any point.

    If the name is taken by other bytes, ` (2)` … ` (99)` are tried; by the same bytes, that file is the result. `source` is gone afterwards.
    The data is on disk before the name is. Raises FilesError (`disk_full` retryable; `library_missing`; `library_path_link`; `name_taken` …),
    PathKeyError if `relative` is not a plain relative path.
    """
    key = PathKey(root_id=0, relative=relative)
    *folders, name = key.relative.split(b"/")
    if name.startswith(STAGED_PREFIX):
        raise PathKeyError("This name is kept for files on their way.", path=key.display)
    with translated(relative), contextlib.ExitStack() as stack:
        source_fd = stack.enter_context(opened(os.fsencode(source), os.O_RDONLY | os.O_NOFOLLOW))
        if not stat.S_ISREG(os.fstat(source_fd).st_mode):
            raise FilesError("Only a regular file can be placed.", code="file_not_regular", path=key.display)
        folder = enter_folder(stack, library_root, folders)
        _sweep_staged(folder)
        os.fsync(source_fd)
        for number in range(1, _MAX_NUMBER + 1):
            attempt = name if number == 1 else os.fsencode(numbered(os.fsdecode(name), number))
            same = _same_content(source_fd, folder, attempt)
            claimed = same is None and _claim(source, source_fd, folder, attempt)
            if same is None and not claimed:
                same = _same_content(source_fd, folder, attempt)  # somebody took the name between the two looks
            if not claimed and not same:
                continue
            os.fsync(folder)
            source.unlink(missing_ok=True)
            placed = b"/".join([*folders, attempt])
            return Placed(relative=placed, path=library_root / os.fsdecode(placed), already=not claimed)
    raise FilesError("Too many files have this name already.", code="name_taken", path=key.display)


def same_there(source: Path, *, library_root: Path, relative: bytes) -> bool:
    """Whether `place` would find the same bytes in a file that is not the source itself, and leave it at that: then what is there is not ours.

    To be noted before placing: afterwards nobody can tell a person's own file from one that was placed by a call that was killed.
    """
    *folders, name = PathKey(root_id=0, relative=relative).relative.split(b"/")
    with translated(relative), contextlib.ExitStack() as stack:
        source_fd = stack.enter_context(opened(os.fsencode(source), os.O_RDONLY | os.O_NOFOLLOW))
        ours = os.fstat(source_fd)
        try:
            folder = enter_folder(stack, library_root, folders, make=False)
        except FileNotFoundError:
            return False
        for number in range(1, _MAX_NUMBER + 1):
            attempt = name if number == 1 else os.fsencode(numbered(os.fsdecode(name), number))
            same = _same_content(source_fd, folder, attempt)
            if same is None:
                return False
            if same:
                there = os.stat(attempt, dir_fd=folder, follow_symlinks=False)
                return (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino)
    return False


@contextlib.contextmanager
def opened(path: bytes, flags: int, *, folder: int | None = None) -> Iterator[int]:
    """A file handle (below `folder`, if given), closed at the end. Opening never waits for a FIFO's other end. Raises OSError."""
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def enter_folder(
    stack: contextlib.ExitStack, library_root: Path, folders: list[bytes], *, make: bool = True, mode: int = 0o777
) -> int:
    """Handle of a folder of a library, reached without following a link. Missing folders are made below the root (unless `make` is False: then
    FileNotFoundError), the root itself never (it may be an unmounted disk). `mode`: of folders made, less the umask."""
    try:
        # The root may itself be a link: the operator named it.
        folder = stack.enter_context(opened(os.fsencode(library_root), os.O_RDONLY | os.O_DIRECTORY))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FilesError(
            "The library folder is missing; is its disk mounted?",
            code="library_missing",
            retryable=True,
            path=str(library_root),
        ) from error
    for part in folders:
        if make:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, mode, dir_fd=folder)
                os.fsync(folder)
        folder = stack.enter_context(opened(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, folder=folder))
    return folder


def _same_content(source: int, folder: int, name: bytes) -> bool | None:
    """None if there is nothing called `name`; else whether it is a regular file with the source's bytes."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    ours = os.fstat(source)
    if not stat.S_ISREG(status.st_mode) or status.st_size != ours.st_size:
        return False
    if (status.st_dev, status.st_ino) == (ours.st_dev, ours.st_ino):
        return True
    with opened(name, os.O_RDONLY | os.O_NOFOLLOW, folder=folder) as other:
        position = 0
        while position < ours.st_size:
            block = pread(source, position, _BLOCK_BYTES)
            if not block or block != pread(other, position, _BLOCK_BYTES):
                return False
            position += len(block)
    return True


_CANNOT_LINK = {errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EINVAL}


def _claim(source: Path, source_fd: int, folder: int, name: bytes) -> bool:
    """Give the source's bytes the name, if nothing has it. False if something has. By link on one filesystem, else by a staged copy."""
    try:
        os.link(os.fsencode(source), name, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
    else:
        return True
    staged = STAGED_PREFIX + secrets.token_hex(8).encode() + b".part"
    try:
        # Mode 666 less the umask: the library's files are for whoever the operator shares them with.
        target = os.open(
            staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=folder
        )
        with os.fdopen(target, "wb") as out:
            position = 0
            while block := pread(source_fd, position, _BLOCK_BYTES):
                out.write(block)
                position += len(block)
            out.flush()
            os.fsync(out.fileno())
        return rename_noreplace(folder, staged, name)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(staged, dir_fd=folder)


def rename_noreplace(folder: int, old: bytes, new: bytes) -> bool:
    """Rename within one folder unless `new` exists (False). renameat2, else link + unlink, else (exFAT) a name reserved by O_EXCL."""
    outcome = _renameat2(folder, old, new)
    if outcome in (0, errno.EEXIST):
        return outcome == 0
    if outcome not in _CANNOT_LINK:
        raise OSError(outcome, os.strerror(outcome))
    try:
        os.link(old, new, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
    else:
        os.unlink(old, dir_fd=folder)
        return True
    try:
        os.close(
            os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=folder)
        )
    except FileExistsError:
        return False
    # What is replaced here is the empty file made one line above.
    os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)
    return True


_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _renameat2(folder: int, old: bytes, new: bytes) -> int:
    """0, or the errno."""
    if _LIBC is None or not hasattr(_LIBC, "renameat2"):
        return errno.ENOSYS
    done = _LIBC.renameat2(folder, old, folder, new, ctypes.c_uint(_RENAME_NOREPLACE))
    return 0 if done == 0 else ctypes.get_errno()


def _sweep_staged(folder: int) -> None:
    """Remove copies that a kill left behind in this folder."""
    with os.scandir(folder) as entries:
        names = [os.fsencode(entry.name) for entry in entries]
    for name in names:
        if not (name.startswith(STAGED_PREFIX) and name.endswith(b".part")):
            continue
        with contextlib.suppress(OSError):
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode) and time.time() - status.st_mtime > _STAGED_STALE_S:
                os.unlink(name, dir_fd=folder)
