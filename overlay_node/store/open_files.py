"""Files kept open for reading while they are being served, and reads that never wait for a disk.

A file is opened once and asked again at each read whether it is still what it was (size, time of change, a name in some folder): one `fstat`.
A number of open files is bounded; one that nobody read for a while is closed, so that a disk can be taken out and the room of a deleted file
comes back.
"""

from __future__ import annotations

import errno
import os
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import Final

MAX_OPEN: Final = 64
_NOWAIT: Final[int] = getattr(os, "RWF_NOWAIT", 0)  # Linux
_WOULD_WAIT: Final = frozenset({errno.EAGAIN, errno.EINTR})
_MAX_DEVICES: Final = 256
_CANT_TELL: Final[set[int]] = set()
"""devices whose file system does not know the flag"""
_MEMORY_FILE_SYSTEMS: Final = frozenset({b"tmpfs", b"ramfs"})


class OpenFile:
    """One descriptor, closed when the last one that holds this object lets go of it: a thread may read what the table has just dropped."""

    __slots__ = ("descriptor", "device", "used_at")

    def __init__(self, path: bytes) -> None:
        """Raises OSError."""
        self.descriptor: Final = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.device: Final = os.fstat(self.descriptor).st_dev
        self.used_at = 0.0

    def __del__(self) -> None:
        descriptor = getattr(self, "descriptor", -1)  # -1: it could not be opened
        if descriptor >= 0:
            os.close(descriptor)

    def unchanged(self, size_bytes: int, mtime_ns: int) -> bool:
        """True while it has this size and time, and still has a name. Raises OSError."""
        status = os.fstat(self.descriptor)
        return status.st_size == size_bytes and status.st_mtime_ns == mtime_ns and status.st_nlink > 0


class OpenFiles:
    """At most `limit` of them, the ones used last. For one thread; what it hands out may be read in others."""

    def __init__(self, *, limit: int = MAX_OPEN) -> None:
        self._limit: Final = limit
        self._files: Final[OrderedDict[bytes, OpenFile]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._files)

    def get(self, path: bytes, now: float) -> OpenFile:
        """The open file of that name, opened if need be. Raises OSError."""
        found = self._files.get(path)
        if found is None:
            found = self._files[path] = OpenFile(path)
            if len(self._files) > self._limit:
                self._files.popitem(last=False)
        else:
            self._files.move_to_end(path)
        found.used_at = now
        return found

    def drop(self, path: bytes) -> None:
        """It is not what it was: the next `get` opens what has that name now."""
        self._files.pop(path, None)

    def close_idle(self, before: float) -> None:
        """Let go of what was last used before then."""
        while self._files:
            path, oldest = next(iter(self._files.items()))
            if oldest.used_at >= before:
                return
            del self._files[path]

    def close(self) -> None:
        """Let go of all."""
        self._files.clear()


def read_now(descriptor: int, target: memoryview, offset: int, *, device: int) -> bool:
    """Fill `target` from what lies in memory; never waits for a disk. `device` is the file's `st_dev`.

    False: it would have to wait, the file is too short, or the system can't tell (other systems than Linux; file systems on a network).
    Raises OSError.
    """
    if not _NOWAIT:
        return False
    if device not in _CANT_TELL:
        try:
            return os.preadv(descriptor, (target,), offset, _NOWAIT) == len(target)
        except OSError as error:
            if error.errno in _WOULD_WAIT:
                return False
            if error.errno != errno.EOPNOTSUPP:
                raise
        if len(_CANT_TELL) < _MAX_DEVICES:
            _CANT_TELL.add(device)
    # tmpfs does not know the flag, and has no disk to wait for.
    return _lies_in_memory(device) and os.preadv(descriptor, (target,), offset) == len(target)


@lru_cache(maxsize=_MAX_DEVICES)
def _lies_in_memory(device: int) -> bool:
    """True for the file systems that have no disk. Asked once per device."""
    number = b"%d:%d" % (os.major(device), os.minor(device))
    try:
        lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    except OSError:
        return False
    for line in lines:
        mount, _, system = line.partition(b" - ")
        if mount.split(b" ", 3)[2:3] == [number]:
            return system.split(b" ", 1)[0] in _MEMORY_FILE_SYSTEMS
    return False
