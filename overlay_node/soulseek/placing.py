"""Where an external download is put: raw, below the downloads folder and nowhere else, without ever taking a name that is taken.

And the name under which a whole stream is judged (`linked`). Every part of the path is a name made by the project's one function. Folders are entered one by one and never through a link. Blocks for the disk.
"""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from apps.domain.audio.payload import PayloadFormat, PayloadSpan
from apps.domain.library.naming import numbered, safe_name
from overlay_node.soulseek.stream_files import StreamFileError
from overlay_node.store.piece_store import extension_of, translated_error

_MAX_NUMBER: Final = 99
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.EXDEV, errno.EMLINK, errno.ENOSYS})
_COPY_BYTES: Final = 1 << 20


def place_of(user: str, remote_path: str) -> tuple[str, ...]:
    """user / last folder / name, each safe in every file system."""
    *folders, name = [part for part in remote_path.replace("/", "\\").split("\\") if part.strip()] or ["unnamed"]
    return (safe_name(user), *([safe_name(folders[-1])] if folders else []), safe_name(name))


def place_raw(source: Path, *, downloads: Path, parts: Sequence[str]) -> Path:
    """Give `source` a second name below `downloads` (`parts`: folders, then the name; " (2)" … when it is taken); the source stays.

    Safe to repeat after a kill: where the same file stands already, that is the answer. Raises StreamFileError: disk_full, io_error, name_taken.
    """
    *folders, name = parts
    try:
        with contextlib.ExitStack() as stack:
            downloads.mkdir(mode=0o755, parents=True, exist_ok=True)
            folder = _entered(stack, None, str(downloads))
            for part in folders:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=folder)
                folder = _entered(stack, folder, part)
            ours = source.stat()
            for number in range(1, _MAX_NUMBER + 1):
                attempt = name if number == 1 else numbered(name, number)
                if _taken(source, ours, folder, attempt):
                    os.fsync(folder)
                    return downloads.joinpath(*folders, attempt)
    except OSError as error:
        meant = translated_error(error)
        raise StreamFileError(meant.sentence, code=meant.code, retryable=True) from error
    raise StreamFileError("Too many files have this name already.", code="name_taken")


def _taken(source: Path, ours: os.stat_result, folder: int, name: str) -> bool:
    """The name is ours now (or was already). False: somebody else's."""
    try:
        os.link(source, name, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        there = os.stat(name, dir_fd=folder, follow_symlinks=False)
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _copied(source, folder, name)
    os.chmod(name, 0o644, dir_fd=folder)
    return True


def _copied(source: Path, folder: int, name: str) -> bool:
    """Where files can't have two names: the name is taken by an empty file of ours, which the copy, whole by then, takes the place of."""
    try:
        os.close(
            os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644, dir_fd=folder)
        )
    except FileExistsError:
        return False
    staged = f".slskdn-{uuid.uuid4().hex}"
    try:
        target = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=folder)
        with os.fdopen(target, "wb") as out, source.open("rb") as data:
            while block := data.read(_COPY_BYTES):
                out.write(block)
            out.flush()
            os.fsync(out.fileno())
        os.rename(staged, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        for made in (staged, name):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(made, dir_fd=folder)
        raise
    return True


def _entered(stack: contextlib.ExitStack, folder: int | None, name: str) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    descriptor = os.open(name, flags if folder is None else flags | os.O_NOFOLLOW, dir_fd=folder)
    stack.callback(os.close, descriptor)
    return descriptor


def linked(source: Path, folder: Path, name: str) -> Path:
    """A second name for a stream's file, in its transfer's folder; or a copy where files have only one."""
    target = folder / name
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except FileExistsError:
            pass
        except OSError:
            staged = folder / "copy"
            staged.write_bytes(b"")
            with source.open("rb") as data, staged.open("wb") as out:
                while block := data.read(1 << 20):
                    out.write(block)
                out.flush()
                os.fsync(out.fileno())
            staged.replace(target)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        meant = translated_error(error)
        raise StreamFileError(meant.sentence, code=meant.code, retryable=True) from error
    return target


def profile_of(span: PayloadSpan, told: str) -> str:
    """What the payload is: of FLAC by its header, else as it was offered."""
    if span.format is PayloadFormat.FLAC and span.rate and span.channels and span.bits:
        return f"flac-{span.bits}-{span.rate}-{span.channels}"
    return told


def extension_kept(payload_format: PayloadFormat, profile: str, remote_path: str) -> str:
    """What the file is called while it is judged; of a payload taken whole as its owner calls it, if that is a plain word."""
    if payload_format is not PayloadFormat.FILE:
        return extension_of(payload_format, profile)
    named = remote_path.rpartition(".")[2].casefold()
    if 1 <= len(named) <= 8 and named.isascii() and named.isalnum():
        return named
    return extension_of(payload_format, profile)
