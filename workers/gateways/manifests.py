"""Manifests as files: `active/` and `completed/` below one folder, each file replaced atomically; and a folder of them read back.

A job of no tree is `active/<type>-<id>.yaml`; a child is in a folder named by its parent, `active/<parent>/mb_release-<id>.yaml`, so that no folder grows with
the size of the trees. A manifest moves by a rename before it is written anew: killed at any point there is one file of each job, never two and never half.
One writer at a time, by a lock of the operating system on `.lock`, which a killed one lets go.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from apps.domain.jobs.job_manifest import JobManifest, manifest_yaml
from apps.domain.jobs.lifecycle import JOB_ENDED
from apps.domain.jobs.marked_yaml import MAX_BYTES
from workers.gateways.files import FilesError, translated

ACTIVE: Final = "active"
COMPLETED: Final = "completed"
SUFFIXES: Final = (".yaml", ".yml")
MAX_FILES: Final = 100_000
"""Read back at once."""
_ENDED: Final = frozenset(state.value for state in JOB_ENDED)

Checkpoint = Callable[[str], None]


def _pass(_step: str) -> None:
    return


class ManifestFolder:
    """The folder of manifests, held for writing. Use as a context manager; `held` is False while another process writes."""

    def __init__(self, path: Path, *, checkpoint: Checkpoint = _pass) -> None:
        self.path = path
        self.held = False
        self._checkpoint = checkpoint
        self._lock = -1

    def __enter__(self) -> Self:
        """Make the folder and take its lock. Raises FilesError."""
        with translated(self.path):
            _folder_make(self.path)
            self._lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.held = True
            except BlockingIOError:
                self.held = False
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)
        self.held = False

    def put(self, manifest: JobManifest) -> bool:
        """Have this manifest on disk, in the folder that its state names. False: it was there just so. Raises FilesError."""
        assert self.held
        ended = manifest.state in _ENDED
        target = self.path / place_of(manifest, ended=ended)
        other = self.path / place_of(manifest, ended=not ended)
        data = manifest_yaml(manifest).encode()
        with translated(target):
            _folder_make(target.parent)
            if _rename(other, target):
                self._checkpoint("moved")
                _sync(target.parent)
                _sync(other.parent)
                self._empty(other.parent)
            if _content(target, most=len(data) + 1) == data:
                return False
            staged = target.with_name(f".{target.name}.part")
            with contextlib.suppress(FileNotFoundError):
                staged.unlink()  # of a writer that was killed, or anything else of that name
            try:
                with open(
                    staged, "xb", opener=lambda path, flags: os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
                ) as out:
                    out.write(data)
                    out.flush()
                    os.fsync(out.fileno())
                self._checkpoint("staged")
                staged.replace(target)
            except OSError:
                with contextlib.suppress(OSError):
                    staged.unlink()
                raise
            self._checkpoint("written")
            _sync(target.parent)
        return True

    def _empty(self, folder: Path) -> None:
        """Take away the folder of a tree that has no more files in it."""
        if folder.parent != self.path:
            with contextlib.suppress(OSError):
                folder.rmdir()


def place_of(manifest: JobManifest, *, ended: bool) -> Path:
    """Where a manifest is kept, below the folder of manifests."""
    state = Path(COMPLETED if ended else ACTIVE)
    return (state / str(manifest.parent) if manifest.parent else state) / manifest.file_name


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """A file that may hold manifests. `code`: why it could not be read ("" else); `data` is then empty."""

    path: Path
    data: bytes = b""
    code: str = ""


def manifest_paths(folder: Path) -> list[Path]:
    """Every file of manifests below a folder, or the one file that `folder` is, the newest first; no hidden name is looked at, no folder behind a link.
    Raises FilesError if the folder itself can't be read."""
    with translated(folder):
        if not stat.S_ISDIR(folder.stat().st_mode):
            return [folder]
        return [path for _, path in sorted((-_mtime(path), path) for path in _walk(folder))]


def manifest_file(path: Path) -> ManifestFile:
    """One file, at most a byte more than a manifest may have."""
    try:
        with translated(path):
            data = _content(path, most=MAX_BYTES)
        return ManifestFile(path, data) if data is not None else ManifestFile(path, code="manifest_absent")
    except FilesError as error:
        return ManifestFile(path, code=error.code)


def _walk(folder: Path) -> Iterator[Path]:
    count = 0
    for base, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        for name in names:
            if name.endswith(SUFFIXES) and not name.startswith("."):
                count += 1
                if count > MAX_FILES:
                    raise FilesError("This folder holds too many files.", code="manifest_too_large", limit=MAX_FILES)
                yield Path(base, name)


def _mtime(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def _raise(error: OSError) -> None:
    raise error


def _content(path: Path, *, most: int) -> bytes | None:
    """Up to `most` + 1 bytes of a regular file; None: there is none."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise FilesError("This is no regular file.", code="file_not_regular")
        source = os.fdopen(handle, "rb", closefd=False)
        return source.read(most + 1)
    finally:
        os.close(handle)


def _rename(old: Path, new: Path) -> bool:
    try:
        old.rename(new)
    except FileNotFoundError:
        return False
    return True


def _folder_make(folder: Path) -> None:
    """Make it with what is missing above, so that it is there after a power cut too."""
    if folder.is_dir():
        return
    _folder_make(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
