"""A library folder, looked at through a child process: names and stats in bounded batches, and a deadline that holds even where a system call hangs.

A share that stalls leaves a process in an uninterruptible sleep. It is the child's (`walk_child`); here it is a `RootStalled` after `stall_s` seconds in
which the child got nowhere, and the child is killed and, should even that wait for the share, left to itself.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from apps.domain.errors import DomainError

STALL_S = 30.0
"""A folder that gives no name and no stat for so long does not answer. NFS over a bad line was seen to take 10 s."""
BATCH = 500
"""Files in one batch, and so in one query: SQLite takes as few as 999 variables."""
EXTENSIONS = frozenset(
    b".flac .mp3 .mp2 .ogg .oga .opus .spx .m4a .m4b .mp4 .aac .wav .w64 .aif .aiff .aifc .wma .asf .ape .wv .tta .tak .mpc .mpp .ofr .shn "
    b".dsf .dff .ac3 .caf .mka".split()
)
"""Files looked at; everything else in a music folder (covers, logs, cue sheets) is passed over in silence."""
_MAX_FRAME = 64 << 20
_END_S = 1.0
_CHILD = Path(__file__).with_name("walk_child.py")


class RootStalled(DomainError):
    """The folder's filesystem does not answer."""

    default_code = "root_stalled"


class WalkFailed(DomainError):
    """The child ended by itself: it was killed, or it has a defect."""

    default_code = "walk_failed"


@dataclass(frozen=True, slots=True)
class WalkedFile:
    """A file as the walk saw it. `path` is relative to the root."""

    path: bytes
    size_bytes: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class WalkTrouble:
    """A name or folder that can't be walked. Codes: folder_vanished, folder_permission, folder_unreadable, folder_too_deep, file_vanished,
    file_not_regular, library_permission, library_path_too_long, disk_error."""

    code: str
    path: bytes
    errno: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkBatch:
    """The next files in order of their paths' bytes. `refused` counts what `troubles` names (the first hundred)."""

    files: Sequence[WalkedFile]
    refused: int
    troubles: Sequence[WalkTrouble]
    ended: bool
    mounts: Sequence[bytes] = ()
    """Folders below which another disk is mounted, as this walk found them; each once."""


@dataclass(frozen=True, slots=True)
class RootLook:
    """What is at the root's path. `marker`: what the marker file holds; None: there is none."""

    is_folder: bool
    marker: str | None


class WatchedRoot:
    """`with WatchedRoot(path) as root:`; every method raises RootStalled or WalkFailed, after either only leaving is left."""

    def __init__(self, root: bytes, *, stall_s: float = STALL_S, mounts: Collection[bytes] = ()) -> None:
        self._root = root
        self._mounts = set(mounts)
        self._stall_s = stall_s
        self._asked = False
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        extensions = b",".join(sorted(EXTENSIONS))
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_CHILD), self._root, extensions, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={"LC_ALL": "C.UTF-8"},
            bufsize=0,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)  # one in an uninterruptible sleep ends when its share lets it; nobody waits for that

    @property
    def child_pid(self) -> int:
        """Process id of the child."""
        return self._running().pid

    def look(self) -> RootLook:
        """Is it a folder, and what does its marker say?"""
        is_folder, marker = self._ask(("look",))
        return RootLook(is_folder=bool(is_folder), marker=cast("str | None", marker))

    def mark(self, text: str) -> bool:
        """Write the marker file if there is none; False: that can't be done here."""
        return bool(self._ask(("mark", text))[0])

    def walk(self, *, below: bytes = b"", after: bytes = b"", skip: Collection[bytes] = ()) -> None:
        """Begin a walk over the folder `below` behind the path `after`, without the folders `skip`. Then `batch` until it has ended."""
        self._ask(("walk", below, after, list(skip)))
        self._asked = False

    def batch(self, size: int = BATCH) -> WalkBatch:
        """The next files. The child gathers the batch after this one while the caller works with it."""
        if not self._asked:
            self._send(("next", size))
        files, refused, troubles, ended, mounts = self._receive()
        found = cast("list[bytes]", mounts)
        self._mounts.update(found)
        self._asked = not ended
        if not ended:
            self._send(("next", size))
        return WalkBatch(
            files=[WalkedFile(*one) for one in cast("list[tuple[bytes, int, int, int]]", files)],
            refused=cast("int", refused),
            troubles=[WalkTrouble(*one) for one in cast("list[tuple[str, bytes, str]]", troubles)],
            ended=bool(ended),
            mounts=found,
        )

    def stats(self, paths: Sequence[bytes]) -> list[tuple[int, int, int] | str | None]:
        """(size, mtime_ns, inode) of each regular file, None for one that is not there, "away" for one whose disk is not mounted now (one of `mounts`, or
        found by a walk of this), "unknown" where nobody can say. Not during a walk."""
        answers = cast("list[tuple[int, int, int] | str]", self._ask(("stat", list(paths), sorted(self._mounts)))[0])
        return [None if one == "gone" else one for one in answers]

    def _ask(self, request: tuple[object, ...]) -> tuple[object, ...]:
        if self._asked:  # a batch that nobody fetched is still to come
            self._receive()
            self._asked = False
        self._send(request)
        return self._receive()

    def _send(self, request: tuple[object, ...]) -> None:
        body = marshal.dumps(request)  # type: ignore[arg-type]
        stdin = self._running().stdin
        assert stdin is not None
        data = memoryview(len(body).to_bytes(4, "big") + body)
        os.set_blocking(stdin.fileno(), False)
        deadline = time.monotonic() + self._stall_s
        with selectors.DefaultSelector() as selector:
            selector.register(stdin, selectors.EVENT_WRITE)
            while data:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise self._stalled()
                try:
                    data = data[os.write(stdin.fileno(), data) :]
                except OSError as error:
                    raise self._failed() from error

    def _receive(self) -> tuple[object, ...]:
        while True:
            length = int.from_bytes(self._read(4), "big")
            if length > _MAX_FRAME:
                raise self._failed()
            if length:
                return cast("tuple[object, ...]", marshal.loads(self._read(length)))  # noqa: S302  (our own child wrote it)

    def _read(self, length: int) -> bytes:
        stdout = self._running().stdout
        assert stdout is not None
        data = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while len(data) < length:
                if not selector.select(self._stall_s):
                    raise self._stalled()
                block = os.read(stdout.fileno(), length - len(data))
                if not block:
                    raise self._failed()
                data += block
        return bytes(data)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise WalkFailed("The walk has not begun.")
        return self._process

    def _stalled(self) -> RootStalled:
        return RootStalled("The folder does not answer.", retryable=True, seconds=round(self._stall_s))

    def _failed(self) -> WalkFailed:
        return WalkFailed("The process that looks at the folder ended.", retryable=True)
