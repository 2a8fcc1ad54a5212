"""Opening a shared file: beneath its root, component by component, never through a link, and only what the row says it is.

The path that is opened comes from the library's rows, never from a peer. Still nothing is taken on trust: a folder that was replaced by a link after the
scan, a device file, a fifo (which would block), a file that was changed or replaced: each is refused with its own code.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

from apps.domain.contracts.soulseek_sharing import FileToSend
from apps.domain.errors import DomainError

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG})


class FileRefused(DomainError):
    """It can't be given away. Codes: `shared_file_gone`, `shared_file_changed`, `shared_file_no_file`, `shared_file_unreadable`."""

    default_code = "shared_file_unreadable"


class SharedFile:
    """An open file. For one reader at a time; may be read in any thread. Closed with `close`, or when it is let go of."""

    __slots__ = ("_descriptor", "size")

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor, self.size = descriptor, size

    def read(self, offset: int, count: int) -> bytes:
        """Bytes from there; fewer only at the end. Raises FileRefused when the file was cut short meanwhile, or can't be read."""
        wanted = min(count, self.size - offset)
        if wanted <= 0:
            return b""
        try:
            data = os.pread(self._descriptor, wanted, offset)
        except OSError as error:
            raise _refused(error) from error
        if not data:
            raise FileRefused("The file became shorter.", code="shared_file_changed")
        return data

    def close(self) -> None:
        """Let go of it. May be called again."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()


def open_shared(wanted: FileToSend) -> SharedFile:
    """Open it. Blocks on disks: call it in a thread. Raises FileRefused."""
    parts = wanted.relative_path.split(b"/")
    if not wanted.relative_path or any(part in (b"", b".", b"..") or b"\0" in part for part in parts):
        raise FileRefused("The path of this row leads nowhere.", code="shared_file_no_file")
    folder = -1
    try:
        folder = os.open(wanted.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # the operator may have named a link
        for part in parts[:-1]:
            below = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = below
        descriptor = os.open(parts[-1], _FILE, dir_fd=folder)
    except OSError as error:
        raise _refused(error) from error
    finally:
        if folder >= 0:
            os.close(folder)
    found = os.fstat(descriptor)
    opened = SharedFile(descriptor, found.st_size)
    if not stat.S_ISREG(found.st_mode):
        opened.close()
        raise FileRefused("This is no file.", code="shared_file_no_file")
    if found.st_size != wanted.size or found.st_mtime_ns != wanted.mtime_ns:
        opened.close()
        raise FileRefused("The file was changed since the last scan.", code="shared_file_changed")
    return opened


def _refused(error: OSError) -> FileRefused:
    if error.errno in _GONE:
        return FileRefused("The file is no longer there.", code="shared_file_gone")
    return FileRefused("The file can't be read.", code="shared_file_unreadable", retryable=True)
