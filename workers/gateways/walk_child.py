"""The child process that touches a library folder's names: it may hang in a system call for as long as it likes, its parent does not.

Run by path with the standard library alone (`python -I -S walk_child.py ROOT`), so that it starts in milliseconds. Talks in frames: 4 bytes length,
then `marshal` of a tuple; an empty frame says "still alive, and getting on". Requests: `("look",)`, `("mark", text)`, `("walk", below, after, skip)`, `("next", n)`,
`("stat", [paths], [mounts])`. Paths are bytes relative to ROOT. It opens folders and the marker file, never a music file.

Order: full paths compared as bytes (a folder sorts as its name with a slash). Of a folder at most NAMES_AT_ONCE names are kept; a larger one is read again
for the next ones, so memory does not grow with it.
"""

# ruff: noqa: PTH108, PTH116, PTH118, PTH120, PTH122
from __future__ import annotations

import ctypes
import errno
import heapq
import marshal
import os
import signal
import stat
import sys
import time
from collections.abc import Iterator

NAMES_AT_ONCE = 100_000
MAX_DEPTH = 64
MAX_PATH_BYTES = 4096
MARKER = b".slskdn-root"
"""Name of a root's marker file; its content is the id that LibraryRoot.marker has."""
MARKER_BYTES = 64
ALIVE_EVERY_S = 1.0
TOLD_PER_BATCH = 100
_IN, _OUT = 0, 1

Entry = tuple[bytes, int, int, int]
Trouble = tuple[str, bytes, str]


def main() -> None:
    """Answer requests until the parent goes away."""
    _leash()
    root, extensions = os.fsencode(sys.argv[1]), frozenset(os.fsencode(one) for one in sys.argv[2].split(","))
    walk: Walk | None = None
    while (request := _receive()) is not None:
        match request:
            case ("look",):
                _send(_look(root))
            case ("mark", str() as text):
                _send((_mark(root, text),))
            case ("walk", bytes() as below, bytes() as after, list() as skip):
                walk = Walk(root, below=below, after=after, skip=frozenset(skip), extensions=extensions)
                _send(("ok",))
            case ("next", int() as size) if walk is not None:
                _send(walk.batch(size))
            case ("stat", list() as paths, list() as mounts):
                away: dict[bytes, bool] = {}
                _send(([_stat(root, path, mounts, away) for path in paths],))
            case _:
                return


class Walk:
    """A walk in order, batch by batch."""

    def __init__(
        self, root: bytes, *, below: bytes, after: bytes, skip: frozenset[bytes], extensions: frozenset[bytes]
    ) -> None:
        self._root = root
        self._after = after
        self._skip = skip
        self._extensions = extensions
        self._troubles: list[Trouble] = []
        self._refused = 0
        self._told_at = time.monotonic()
        self._device = _device(root)
        self._mounts: dict[bytes, int] = {}
        self._untold: list[bytes] = []
        self._entries = self._folder(below, 0)

    def batch(self, size: int) -> tuple[list[Entry], int, list[Trouble], bool, list[bytes]]:
        """(files in order, names and folders that can't be walked, the first of them with code and errno name, whether this was the end, folders
        found to be on another disk than the root, each once)."""
        found: list[Entry] = []
        ended = True
        for entry in self._entries:
            found.append(entry)
            if len(found) >= size:
                ended = False
                break
        refused, troubles = self._refused, self._troubles
        self._refused, self._troubles = 0, []
        mounts, self._untold = self._untold, []
        return found, refused, troubles, ended, mounts

    def _folder(self, relative: bytes, depth: int) -> Iterator[Entry]:
        prefix = relative + b"/" if relative else b""
        beyond = b""
        while True:
            names, more = self._names(relative, prefix, beyond)
            for name in names:
                path = prefix + name
                if not name.endswith(b"/"):
                    if (entry := self._file(path)) is not None:
                        yield entry
                elif path[:-1] in self._skip:
                    continue
                elif depth >= MAX_DEPTH:
                    self._refuse("folder_too_deep", path[:-1])
                else:
                    yield from self._folder(path[:-1], depth + 1)
            if not more:
                return
            beyond = names[-1]

    def _names(self, relative: bytes, prefix: bytes, beyond: bytes) -> tuple[list[bytes], bool]:
        """The first names of a folder in order behind the name `beyond`, as far as the cursor leaves something of them; are there more?"""
        try:
            with os.scandir(os.path.join(self._root, relative) if relative else self._root) as found:
                wanted = heapq.nsmallest(NAMES_AT_ONCE + 1, self._wanted(found, prefix, beyond))
        except OSError as error:
            self._refuse(_folder_code(error), relative, error)
            return [], False
        return wanted[:NAMES_AT_ONCE], len(wanted) > NAMES_AT_ONCE

    def _wanted(self, found: Iterator[os.DirEntry[bytes]], prefix: bytes, beyond: bytes) -> Iterator[bytes]:
        for entry in found:
            self._alive()
            name = entry.name
            if name.startswith(b"."):
                continue
            try:
                folder = entry.is_dir(follow_symlinks=False)
            except OSError:
                folder = False  # what is wrong with it is told when its turn comes
            if folder:
                name += b"/"
                path = prefix + name
                if name > beyond and (path > self._after or self._after.startswith(path)):
                    yield name
            elif (
                os.path.splitext(name)[1].lower() in self._extensions and name > beyond and prefix + name > self._after
            ):
                yield name

    def _file(self, path: bytes) -> Entry | None:
        self._alive()
        if len(path) > MAX_PATH_BYTES:
            self._refuse("library_path_too_long", path)
            return None
        try:
            status = os.lstat(os.path.join(self._root, path))
        except OSError as error:
            self._refuse(_file_code(error), path, error)
            return None
        if stat.S_ISLNK(status.st_mode):
            return None
        if not stat.S_ISREG(status.st_mode):
            self._refuse("file_not_regular", path)
            return None
        if status.st_dev != self._device:
            self._elsewhere(path, status.st_dev)
        return path, status.st_size, status.st_mtime_ns, status.st_ino

    def _elsewhere(self, path: bytes, device: int) -> None:
        """Find the folder below which the file's disk is mounted; folders are only asked for it where no mount is known that explains the file."""
        if any(device == known and path.startswith(mount + b"/") for mount, known in self._mounts.items()):
            return
        mount = os.path.dirname(path)
        while mount and _device(os.path.join(self._root, os.path.dirname(mount))) == device:
            mount = os.path.dirname(mount)
        # A file that is a mount itself has no such folder.
        if mount and _device(os.path.join(self._root, mount)) == device:
            self._mounts[mount] = device
            self._untold.append(mount)

    def _refuse(self, code: str, path: bytes, error: OSError | None = None) -> None:
        self._refused += 1
        if len(self._troubles) < TOLD_PER_BATCH:
            name = errno.errorcode.get(error.errno or 0, "") if error is not None else ""
            self._troubles.append((code, path, name))

    def _alive(self) -> None:
        now = time.monotonic()
        if now - self._told_at >= ALIVE_EVERY_S:
            self._told_at = now
            _write_all(b"\0\0\0\0")


def _folder_code(error: OSError) -> str:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return "folder_vanished"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "folder_permission"
    return "library_path_too_long" if error.errno == errno.ENAMETOOLONG else "folder_unreadable"


def _file_code(error: OSError) -> str:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return "file_vanished"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "library_permission"
    return "library_path_too_long" if error.errno == errno.ENAMETOOLONG else "disk_error"


def _look(root: bytes) -> tuple[bool, str | None]:
    """(is it a folder that can be listed, what its marker says)."""
    try:
        with os.scandir(root) as found:
            next(found, None)
    except OSError:
        return False, None
    try:
        descriptor = os.open(os.path.join(root, MARKER), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return True, None
    try:
        return True, os.read(descriptor, MARKER_BYTES).decode("ascii", errors="replace").strip()
    except OSError:
        return True, None
    finally:
        os.close(descriptor)


def _mark(root: bytes, text: str) -> bool:
    """Write the marker where there is none; False: the folder can't be written."""
    path = os.path.join(root, MARKER)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError:
        return False
    try:
        os.write(descriptor, text.encode("ascii") + b"\n")
        os.fsync(descriptor)
    except OSError:
        os.unlink(path)
        return False
    finally:
        os.close(descriptor)
    return True


def _stat(root: bytes, path: bytes, mounts: list[bytes], away: dict[bytes, bool]) -> tuple[int, int, int] | str:
    """(size, mtime_ns, inode) of a regular file; `gone`; `away`: it is on one of the `mounts`, and that is not mounted now; or `unknown`: nobody
    can say now. `away`: what is known of mounts, for one request."""
    try:
        status = os.lstat(os.path.join(root, path))
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            return "unknown"
        for mount in mounts:
            if path.startswith(mount + b"/"):
                if mount not in away:
                    away[mount] = not _mounted(root, mount)
                if away[mount]:
                    return "away"
        return "gone"
    except ValueError:
        return "gone"
    return (status.st_size, status.st_mtime_ns, status.st_ino) if stat.S_ISREG(status.st_mode) else "gone"


def _mounted(root: bytes, mount: bytes) -> bool:
    """Whether a disk with something on it is mounted there. The place of a mount that is away is a folder of the disk around it, empty or not; what
    an automounter leaves there is a disk of its own, and empty."""
    path = os.path.join(root, mount)
    try:
        status = os.lstat(path)
        if not stat.S_ISDIR(status.st_mode) or status.st_dev == os.stat(os.path.dirname(path)).st_dev:
            return False
        with os.scandir(path) as found:
            return next(found, None) is not None
    except OSError:
        return False


def _device(path: bytes) -> int:
    """Of a folder; -1: nobody can say."""
    try:
        return os.stat(path).st_dev
    except OSError:
        return -1


def _receive() -> tuple[object, ...] | None:
    head = _read_all(4)
    if head is None:
        return None
    body = _read_all(int.from_bytes(head, "big"))
    return marshal.loads(body) if body is not None else None  # noqa: S302  (our own parent wrote it)


def _read_all(length: int) -> bytes | None:
    parts = b""
    while len(parts) < length:
        block = os.read(_IN, length - len(parts))
        if not block:
            return None
        parts += block
    return parts


def _send(answer: tuple[object, ...]) -> None:
    body = marshal.dumps(answer)  # type: ignore[arg-type]
    _write_all(len(body).to_bytes(4, "big") + body)


def _write_all(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(_OUT, view) :]


def _leash() -> None:
    """End with the parent. Its pid came by argument: one that died before this line would never signal."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != int(sys.argv[3]):
            os._exit(1)


if __name__ == "__main__":
    main()
