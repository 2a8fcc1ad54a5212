"""New names for files inside one library root: by rename alone, never over anything, without following a link.

Each function may be killed anywhere and called again with the same arguments: it looks what is where, and goes on.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from apps.domain.library.paths import PathKey, display_text
from apps.domain.library.renaming import name_key
from workers.gateways.files import FilesError, enter_folder, translated

Checkpoint = Callable[[str], None]
_RENAME_NOREPLACE: Final = 1
_CANNOT: Final = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})
"""The filesystem or the kernel has no such rename."""
_CANNOT_LINK: Final = frozenset(
    {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EINVAL}
)
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class RenameError(FilesError):
    """rename_name_taken, rename_other_disk, file_changed, file_not_regular; beside those of FilesError."""

    default_code = "rename_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What tells that a file is the same as before: a rename changes none of it."""

    size_bytes: int
    mtime_ns: int
    inode: int


def _pass(_step: str) -> None:
    return


def look(root: Path, relative: bytes) -> Seen | None:
    """The regular file at `relative`; None if there is none of that name. Raises FilesError (`file_not_regular` for anything else there)."""
    *folders, name = PathKey(root_id=0, relative=relative).relative.split(b"/")
    with translated(relative), contextlib.ExitStack() as stack:
        try:
            status = os.stat(name, dir_fd=enter_folder(stack, root, folders, make=False), follow_symlinks=False)
        except FileNotFoundError:
            return None
    if not stat.S_ISREG(status.st_mode):
        raise RenameError("This is not a regular file.", code="file_not_regular", path=display_text(relative))
    return Seen(size_bytes=status.st_size, mtime_ns=status.st_mtime_ns, inode=status.st_ino)


def rename_within(root: Path, old: bytes, new: bytes, *, seen: Seen, checkpoint: Checkpoint = _pass) -> Seen:
    """Give the file that was `seen` at `old` the name `new`; folders on the way are made. What it is like then.

    A call after one that was killed finds the file at its new name by size and time. Raises RenameError (`rename_name_taken`: something has the
    name; `rename_other_disk`: another filesystem is mounted below), FilesError; the file is then where it was.
    """
    at_old = look(root, old)
    if at_old is None:
        at_new = look(root, new)
        if at_new is None or (at_new.size_bytes, at_new.mtime_ns) != (seen.size_bytes, seen.mtime_ns):
            raise RenameError("The file is not there any more.", code="file_missing", path=display_text(old))
        return at_new
    if (at_old.size_bytes, at_old.mtime_ns) != (seen.size_bytes, seen.mtime_ns):
        raise RenameError("The file changed just now.", code="file_changed", path=display_text(old))
    *folders, name = PathKey(root_id=0, relative=old).relative.split(b"/")
    *new_folders, new_name = PathKey(root_id=0, relative=new).relative.split(b"/")
    there = _folders_there(root, new_folders)
    with translated(new), contextlib.ExitStack() as stack:
        source = enter_folder(stack, root, folders, make=False)
        try:
            target = enter_folder(stack, root, new_folders)
            checkpoint("folders")
            if not _moved(source, name, target, new_name, only_case=name_key(old) == name_key(new)):
                raise RenameError("Another file has this name.", code="rename_name_taken", path=display_text(new))
        except (OSError, FilesError):
            remove_emptied(root, b"/".join(new_folders), keep=there)
            raise
        checkpoint("renamed")
        os.fsync(target)
        os.fsync(source)
        status = os.stat(new_name, dir_fd=target, follow_symlinks=False)
    return Seen(size_bytes=status.st_size, mtime_ns=status.st_mtime_ns, inode=status.st_ino)


def _folders_there(root: Path, folders: list[bytes]) -> int:
    """How many of these, from the first on, are there."""
    for count in range(len(folders), 0, -1):
        with contextlib.suppress(OSError, FilesError), contextlib.ExitStack() as stack:
            enter_folder(stack, root, folders[:count], make=False)
            return count
    return 0


def remove_emptied(root: Path, folder: bytes, *, keep: int = 0) -> None:
    """Remove a folder that was emptied, and those above it that held nothing else; never the root, nor its first `keep` parts. What is not empty stays."""
    parts = folder.split(b"/") if folder else []
    while len(parts) > keep:
        try:
            with contextlib.ExitStack() as stack:
                os.rmdir(parts[-1], dir_fd=enter_folder(stack, root, parts[:-1], make=False))
        except FileNotFoundError:
            pass  # an earlier call did it
        except (OSError, FilesError):
            return
        parts.pop()


def names_in(root: Path, folder: bytes) -> tuple[tuple[bytes, bool], ...]:
    """(name, is a regular file) of everything in a folder; nothing for one that is not there. Raises FilesError."""
    with translated(folder or b"."), contextlib.ExitStack() as stack:
        try:
            handle = enter_folder(stack, root, folder.split(b"/") if folder else [], make=False)
        except (FileNotFoundError, NotADirectoryError):
            return ()
        with os.scandir(handle) as entries:
            return tuple((os.fsencode(entry.name), entry.is_file(follow_symlinks=False)) for entry in entries)


def _moved(source: int, name: bytes, target: int, new_name: bytes, *, only_case: bool) -> bool:
    """False: something has the name. Raises OSError; FilesError `rename_other_disk`."""
    outcome = _renameat2(source, name, target, new_name)
    if outcome == errno.EEXIST and only_case and _same_file(source, name, target, new_name):
        # A filesystem that takes case for nothing: the name in the way is the file's own.
        os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=target)
        return True
    if outcome in (0, errno.EEXIST):
        return outcome == 0
    if outcome == errno.EXDEV:
        raise RenameError(
            "Another disk is mounted in between; files are only renamed, not copied.", code="rename_other_disk"
        )
    if outcome not in _CANNOT:
        raise OSError(outcome, os.strerror(outcome))
    try:
        os.link(name, new_name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
    except FileExistsError:
        if not _linked(source, name, target, new_name):
            return False
        os.unlink(name, dir_fd=source)  # a call that was killed behind its link
        return True
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
    else:
        os.unlink(name, dir_fd=source)
        return True
    try:
        os.close(
            os.open(new_name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=target)
        )
    except FileExistsError:
        return False
    # What is replaced here is the empty file made one line above.
    os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=target)
    return True


def _same_file(source: int, name: bytes, target: int, new_name: bytes) -> bool:
    """One file under two spellings, not two names (hard links) of one."""
    return _linked(source, name, target, new_name) and os.stat(name, dir_fd=source, follow_symlinks=False).st_nlink == 1


def _linked(source: int, name: bytes, target: int, new_name: bytes) -> bool:
    """Both names are one file's."""
    one = os.stat(name, dir_fd=source, follow_symlinks=False)
    other = os.stat(new_name, dir_fd=target, follow_symlinks=False)
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def _renameat2(source: int, name: bytes, target: int, new_name: bytes) -> int:
    """0, or the errno."""
    if _LIBC is None or not hasattr(_LIBC, "renameat2"):
        return errno.ENOSYS
    done = _LIBC.renameat2(source, name, target, new_name, ctypes.c_uint(_RENAME_NOREPLACE))
    return 0 if done == 0 else ctypes.get_errno()
