"""Files into the trash and out of it: renamed on one filesystem, else copied, compared and only then removed.

Where a trashed file lies: `<root>/.slskdn-trash/<id>/<name>` (a rename, whatever its size), or, where the root's filesystem refuses that (another
one is mounted below, the root's folder may not be written), `<data folder>/trash/<id>/<name>` (a copy that was read back and compared).

Each function may be killed at any point and called again with the same arguments: it looks what is there by name, size and SHA-256, and goes on.
Nothing is ever replaced, except a file by the one that `swap_in` was told to put in its place, and only while it is the file it was told of.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from apps.domain.library.naming import MAX_COMPONENT_BYTES
from apps.domain.library.paths import PathKey, display_text
from apps.domain.library.trash import FOLDER
from workers.gateways.files import STAGED_PREFIX, FilesError, enter_folder, opened, pread, rename_noreplace, translated

Place = Literal["root", "data"]
PLACES: Final[tuple[Place, ...]] = ("root", "data")
Checkpoint = Callable[[str], None]
_BLOCK_BYTES: Final = 1 << 20
_MAX_NUMBER: Final = 99
_ELSEWHERE: Final = frozenset(
    {errno.EXDEV, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTSUP, errno.ELOOP, errno.ENOTDIR, errno.ENOSPC}
)
"""Why the root's own trash can't take a file: the data folder's is tried."""
_CANNOT_LINK: Final = frozenset(
    {errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EINVAL}
)
_PRIVATE: Final = 0o700


class TrashError(FilesError):
    """file_changed (not the file that was hashed), name_taken, trash_missing, trash_damaged; beside those of FilesError."""

    default_code = "trash_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What a file is like, byte for byte."""

    size_bytes: int
    mtime_ns: int
    mode: int
    """Permission bits."""
    sha256: bytes
    inode: int = field(default=0, compare=False)
    """Of the file that was read; 0: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrashSpot:
    """Which file, and where its trash is. `name` of the trash folder: the row's id. `data`: the data folder's trash."""

    id: str
    root: Path
    relative: bytes
    data: Path

    def __post_init__(self) -> None:
        """Raises PathKeyError for a path that leaves the root."""
        PathKey(root_id=0, relative=self.relative)

    @property
    def folders(self) -> list[bytes]:
        """Of the file, below the root."""
        return self.relative.split(b"/")[:-1]

    @property
    def name(self) -> bytes:
        """Of the file."""
        return self.relative.rpartition(b"/")[2]

    @property
    def shown(self) -> str:
        """The file's path as shown to people."""
        return display_text(self.relative)

    def base(self, place: Place) -> tuple[Path, list[bytes]]:
        """(folder that must be there, folders below it) of the trashed file."""
        own = self.id.encode()
        return (self.root, [os.fsencode(FOLDER), own]) if place == "root" else (self.data, [own])

    def path(self, place: Place) -> Path:
        """Of the trashed file."""
        base, folders = self.base(place)
        return base.joinpath(*(os.fsdecode(part) for part in [*folders, self.name]))


def _pass(_step: str) -> None:
    return


def facts_of(root: Path, relative: bytes) -> FileFacts:
    """Read a library's file whole. Raises FilesError, TrashError `file_changed` if it changes meanwhile."""
    spot = TrashSpot(id="0", root=root, relative=relative, data=root)
    with _translated(spot), contextlib.ExitStack() as stack:
        folder = enter_folder(stack, root, spot.folders, make=False)
        handle = stack.enter_context(_regular(folder, spot.name, spot))
        return _facts(handle, spot)


def is_held(spot: TrashSpot, facts: FileFacts) -> bool:
    """Whether the trash holds the file's very bytes already: a move was begun. Raises FilesError."""
    with _translated(spot):
        return _held(spot, facts) is not None


def move_in(spot: TrashSpot, facts: FileFacts, *, keep: bool = False, checkpoint: Checkpoint = _pass) -> Place:
    """Put the file into the trash; where it is then. It must be as `facts` say (TrashError `file_changed`, FilesError `file_missing` otherwise).

    `keep`: a copy goes there, the file stays (what tags are written over is kept so).
    """
    with _translated(spot):
        if (place := _held(spot, facts)) is not None:
            if place == "data" and not keep:
                _give_up_source(spot, facts, checkpoint)  # the copy was made, then we were killed
            return place
        spot.data.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            folder = enter_folder(stack, spot.root, spot.folders, make=False)
            source = stack.enter_context(_regular(folder, spot.name, spot))
            if not _like(os.fstat(source), facts):
                raise _changed(spot)
            os.fsync(source)
            checkpoint("checked")
            if keep:
                return _copied_somewhere(spot, facts, source, checkpoint)
            if _renamed(spot, facts, folder, source, checkpoint):
                return "root"
            _copied(spot, facts, source, "data", checkpoint)
        _give_up_source(spot, facts, checkpoint)
    return "data"


def move_out(
    spot: TrashSpot, facts: FileFacts, *, numbered_name: bool = False, checkpoint: Checkpoint = _pass
) -> bytes:
    """Put a trashed file back, with the mode and time it had; its path below the root.

    If its name is taken by other bytes: TrashError `name_taken`, or with `numbered_name` it gets a ` (2)`. By the same bytes: they are it.
    `trash_missing`, `trash_damaged`: what lies in the trash is not (whole) what was put there.
    """
    with _translated(spot):
        place = _held(spot, facts)
        if place is None:
            return _was_put_back(spot, facts, numbered_name=numbered_name)
        with contextlib.ExitStack() as stack:
            base, folders = spot.base(place)
            trash = enter_folder(stack, base, folders, make=False)
            source = stack.enter_context(_regular(trash, spot.name, spot))
            folder = enter_folder(stack, spot.root, spot.folders)
            checkpoint("found")
            name = _put(spot, facts, (trash, source), folder, numbered_name=numbered_name, checkpoint=checkpoint)
            os.fsync(folder)
            checkpoint("put")
        destroy(spot, checkpoint=checkpoint)
    return b"/".join([*spot.folders, name])


def destroy(spot: TrashSpot, *, places: Sequence[Place] = PLACES, checkpoint: Checkpoint = _pass) -> None:
    """Remove what lies in the trash for good. Repeating it changes nothing."""
    for place in places:
        base, folders = spot.base(place)
        with _translated(spot), contextlib.ExitStack() as stack:
            try:
                above = enter_folder(stack, base, folders[:-1], make=False)
                trash = stack.enter_context(
                    opened(folders[-1], os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, folder=above)
                )
            except FileNotFoundError:
                continue
            except FilesError as error:
                if place == "data" and error.code == "library_missing":
                    continue  # it was never made
                raise
            with os.scandir(trash) as entries:
                names = [os.fsencode(entry.name) for entry in entries]
            for name in names:
                os.unlink(name, dir_fd=trash)
            os.fsync(trash)
            checkpoint("emptied")
            os.rmdir(folders[-1], dir_fd=above)
            os.fsync(above)


def swap_in(staged: Path, spot: TrashSpot, facts: FileFacts) -> FileFacts:
    """Put the staged file (in the file's own folder) in the file's place, if the file still is what `facts` say and its bytes are in the trash.

    Returns what is there now. TrashError `file_changed` if somebody changed the file meanwhile: it then stays, the staged one is removed.
    """
    with _translated(spot), contextlib.ExitStack() as stack:
        if _held(spot, facts) is None:
            raise TrashError("The file is not in the trash.", code="trash_missing", path=spot.shown)
        folder = enter_folder(stack, spot.root, spot.folders, make=False)
        ours = os.fsencode(staged.name)
        made = stack.enter_context(opened(ours, os.O_RDONLY | os.O_NOFOLLOW, folder=folder))
        new = _facts(made, spot)
        os.fsync(made)
        _exchange(spot, facts, folder, ours, new)
        os.fsync(folder)
    return facts_of(spot.root, spot.relative)


def _exchange(spot: TrashSpot, facts: FileFacts, folder: int, ours: bytes, new: FileFacts) -> None:
    before = _status(folder, spot.name)
    if before is None or not _like(before, facts):
        if (
            before is not None
            and before.st_size == new.size_bytes
            and _sha256_at(folder, spot.name, spot) == new.sha256
        ):
            os.unlink(ours, dir_fd=folder)  # it was done, then we were killed
            return
        os.unlink(ours, dir_fd=folder)
        raise _changed(spot)
    if not _swap(folder, ours, spot.name):
        # No atomic exchange here (not Linux, some network filesystem). The look above was microseconds ago.
        os.rename(ours, spot.name, src_dir_fd=folder, dst_dir_fd=folder)
        return
    after = _status(folder, ours)
    if after is None or (after.st_dev, after.st_ino) != (before.st_dev, before.st_ino) or not _like(after, facts):
        _swap(folder, ours, spot.name)  # what came out is somebody's new file
        os.unlink(ours, dir_fd=folder)
        raise _changed(spot)
    os.unlink(ours, dir_fd=folder)


# --- steps ---------------------------------------------------------------------------------------------------------------------------


def _renamed(spot: TrashSpot, facts: FileFacts, folder: int, source: int, checkpoint: Checkpoint) -> bool:
    """Into the root's own trash, by its name alone. False: this filesystem or folder refuses."""
    base, folders = spot.base("root")
    with contextlib.ExitStack() as stack:
        try:
            trash = enter_folder(stack, base, folders, mode=_PRIVATE)
            os.rename(spot.name, spot.name, src_dir_fd=folder, dst_dir_fd=trash)
        except OSError as error:
            _forget_folder(spot, "root")
            if error.errno not in _ELSEWHERE:
                raise
            return False
        checkpoint("renamed")
        moved, handle = _status(trash, spot.name), os.fstat(source)
        same = moved is not None and (moved.st_dev, moved.st_ino) == (handle.st_dev, handle.st_ino)
        if not same or not _like(handle, facts) or _sha256(source) != facts.sha256:
            # Somebody replaced or wrote the file in between: it goes back. If its name is taken again, it stays in the trash's folder.
            with contextlib.suppress(OSError):
                os.link(spot.name, spot.name, src_dir_fd=trash, dst_dir_fd=folder, follow_symlinks=False)
                os.unlink(spot.name, dir_fd=trash)
                _forget_folder(spot, "root")
            raise _changed(spot)
        os.fsync(trash)
        os.fsync(folder)
    return True


def _copied_somewhere(spot: TrashSpot, facts: FileFacts, source: int, checkpoint: Checkpoint) -> Place:
    try:
        _copied(spot, facts, source, "root", checkpoint)
    except OSError as error:
        _forget_folder(spot, "root")
        if error.errno not in _ELSEWHERE:
            raise
    else:
        return "root"
    _copied(spot, facts, source, "data", checkpoint)
    return "data"


def _copied(spot: TrashSpot, facts: FileFacts, source: int, place: Place, checkpoint: Checkpoint) -> None:
    """A copy in the trash, read back. Raises TrashError `file_changed`, OSError."""
    base, folders = spot.base(place)
    staged = spot.name[:200] + b".part"
    with contextlib.ExitStack() as stack:
        trash = enter_folder(stack, base, folders, mode=_PRIVATE)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(staged, dir_fd=trash)
        try:
            _write_copy(source, trash, staged, facts)
            checkpoint("copied")
            if _sha256_at(trash, staged, spot) != facts.sha256:
                raise _changed(spot)
            os.rename(staged, spot.name, src_dir_fd=trash, dst_dir_fd=trash)
        except (OSError, TrashError):
            with contextlib.suppress(OSError):
                os.unlink(staged, dir_fd=trash)
            _forget_folder(spot, place)
            raise
        os.fsync(trash)
        checkpoint("kept")


def _give_up_source(spot: TrashSpot, facts: FileFacts, checkpoint: Checkpoint) -> None:
    """Remove the original, whose copy stands, if it still is what was copied. If that is refused, the copy goes instead: one of both remains."""
    try:
        with contextlib.ExitStack() as stack:
            folder = enter_folder(stack, spot.root, spot.folders, make=False)
            there = _status(folder, spot.name)
            if there is not None and _like(there, facts) and _sha256_at(folder, spot.name, spot) == facts.sha256:
                os.unlink(spot.name, dir_fd=folder)
                os.fsync(folder)
    except FileNotFoundError:
        pass  # its folder is gone, and it with it
    except OSError:
        destroy(spot, places=("data",))
        raise
    checkpoint("removed")


def _put(
    spot: TrashSpot,
    facts: FileFacts,
    trashed: tuple[int, int],
    folder: int,
    *,
    numbered_name: bool,
    checkpoint: Checkpoint,
) -> bytes:
    """Give the trashed file (handles of its folder and itself) its name again, or the next free one; the name."""
    for number in range(1, (_MAX_NUMBER if numbered_name else 1) + 1):
        name = _numbered(spot.name, number)
        there = _status(folder, name)
        if there is not None:
            if _holds(there, folder, name, facts, spot):
                return name
            continue
        if _give(spot, facts, trashed, folder, name=name, checkpoint=checkpoint):
            return name
    raise TrashError("Another file has this name now.", code="trash_name_taken", path=spot.shown)


def _give(
    spot: TrashSpot,
    facts: FileFacts,
    trashed: tuple[int, int],
    folder: int,
    *,
    name: bytes,
    checkpoint: Checkpoint,
) -> bool:
    """By a link where that is possible, else by a staged copy. False: the name was taken in this moment."""
    trash, source = trashed
    try:
        os.link(spot.name, name, src_dir_fd=trash, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
    else:
        _dress(source, facts)
        return True
    staged = STAGED_PREFIX + secrets.token_hex(8).encode() + b".part"
    try:
        _write_copy(source, folder, staged, facts)
        checkpoint("staged")
        with opened(staged, os.O_RDONLY | os.O_NOFOLLOW, folder=folder) as made:
            if _sha256(made) != facts.sha256:
                raise TrashError("The disk did not keep what was written.", code="disk_error", retryable=True)
        return rename_noreplace(folder, staged, name)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(staged, dir_fd=folder)


def _was_put_back(spot: TrashSpot, facts: FileFacts, *, numbered_name: bool) -> bytes:
    """The path of a file that an earlier call put back before it was killed. Raises TrashError `trash_missing`, `trash_damaged`."""
    with contextlib.ExitStack() as stack, contextlib.suppress(FileNotFoundError):
        folder = enter_folder(stack, spot.root, spot.folders, make=False)
        for number in range(1, (_MAX_NUMBER if numbered_name else 1) + 1):
            name = _numbered(spot.name, number)
            there = _status(folder, name)
            if there is None:
                break
            if _holds(there, folder, name, facts, spot):
                return b"/".join([*spot.folders, name])
    if any(os.path.lexists(spot.path(place)) for place in PLACES):
        raise TrashError("The file in the trash is not what was put there.", code="trash_damaged", path=spot.shown)
    raise TrashError("The file is not in the trash any more.", code="trash_missing", path=spot.shown)


def _held(spot: TrashSpot, facts: FileFacts) -> Place | None:
    """Which trash folder holds the file's very bytes."""
    for place in PLACES:
        base, folders = spot.base(place)
        with contextlib.ExitStack() as stack:
            try:
                trash = enter_folder(stack, base, folders, make=False)
            except FileNotFoundError:
                continue
            except FilesError as error:
                if place == "data" and error.code == "library_missing":
                    continue
                raise
            there = _status(trash, spot.name)
            if there is not None and _holds(there, trash, spot.name, facts, spot):
                return place
    return None


def _forget_folder(spot: TrashSpot, place: Place) -> None:
    """Remove the trash folder of a file that did not come, if it is empty."""
    base, folders = spot.base(place)
    with contextlib.suppress(OSError):
        base.joinpath(*(os.fsdecode(part) for part in folders)).rmdir()


def _numbered(name: bytes, number: int) -> bytes:
    """The name, or with ` (2)` … before its ending. Bytes: a person's file names need not be text."""
    if number == 1:
        return name
    stem, dot, ending = name.rpartition(b".")
    if not stem or len(ending) > 16:
        stem, dot, ending = name, b"", b""
    tail = b" (%d)" % number + dot + ending
    return stem[: MAX_COMPONENT_BYTES - len(tail)] + tail


# --- bytes ---------------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _translated(spot: TrashSpot) -> Iterator[None]:
    with translated(spot.relative):
        yield


@contextlib.contextmanager
def _regular(folder: int, name: bytes, spot: TrashSpot) -> Iterator[int]:
    with opened(name, os.O_RDONLY | os.O_NOFOLLOW, folder=folder) as handle:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise TrashError("This is not a regular file.", code="file_not_regular", path=spot.shown)
        yield handle


def _facts(handle: int, spot: TrashSpot) -> FileFacts:
    before = os.fstat(handle)
    sha256 = _sha256(handle)
    facts = FileFacts(
        size_bytes=before.st_size,
        mtime_ns=before.st_mtime_ns,
        mode=stat.S_IMODE(before.st_mode),
        sha256=sha256,
        inode=before.st_ino,
    )
    if not _like(os.fstat(handle), facts):
        raise _changed(spot)
    return facts


def _like(status: os.stat_result, facts: FileFacts) -> bool:
    return stat.S_ISREG(status.st_mode) and (status.st_size, status.st_mtime_ns) == (facts.size_bytes, facts.mtime_ns)


def _holds(status: os.stat_result, folder: int, name: bytes, facts: FileFacts, spot: TrashSpot) -> bool:
    """Whether what is called `name` has the very bytes."""
    if not stat.S_ISREG(status.st_mode) or status.st_size != facts.size_bytes:
        return False
    return _sha256_at(folder, name, spot) == facts.sha256


def _sha256_at(folder: int, name: bytes, spot: TrashSpot) -> bytes:
    with _regular(folder, name, spot) as handle:
        return _sha256(handle)


def _sha256(handle: int) -> bytes:
    digest = hashlib.sha256()
    position = 0
    while block := pread(handle, position, _BLOCK_BYTES):
        digest.update(block)
        position += len(block)
    return digest.digest()


def _status(folder: int, name: bytes) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _write_copy(source: int, folder: int, name: bytes, facts: FileFacts) -> None:
    target = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    with os.fdopen(target, "wb") as out:
        position = 0
        while block := pread(source, position, _BLOCK_BYTES):
            out.write(block)
            position += len(block)
        out.flush()
        _dress(out.fileno(), facts)
        os.fsync(out.fileno())


def _dress(handle: int, facts: FileFacts) -> None:
    """Mode and time as they were. A filesystem that has neither (FAT, some shares) keeps its own."""
    with contextlib.suppress(PermissionError):
        os.fchmod(handle, facts.mode)
    with contextlib.suppress(PermissionError):
        os.utime(handle, ns=(facts.mtime_ns, facts.mtime_ns))


def _changed(spot: TrashSpot) -> TrashError:
    return TrashError("The file is not what it was any more.", code="file_changed", path=spot.shown)


_RENAME_EXCHANGE: Final = 2
_LIBC = ctypes.CDLL(None, use_errno=True)


def _swap(folder: int, one: bytes, other: bytes) -> bool:
    """Exchange two names at once. False: not possible here."""
    if not hasattr(_LIBC, "renameat2"):
        return False
    done: int = _LIBC.renameat2(folder, one, folder, other, ctypes.c_uint(_RENAME_EXCHANGE))
    if done == 0:
        return True
    code = ctypes.get_errno()
    if code in _CANNOT_LINK:
        return False
    raise OSError(code, os.strerror(code))
