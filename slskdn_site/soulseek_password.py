"""The Soulseek password: where it comes from, and the file that `./slskdn soulseek password` writes.

In this order: `soulseek.password` as configured (slskdn.yml, `SLSKDN__SOULSEEK__PASSWORD`, the file named by `…PASSWORD_FILE`), then
`secrets/soulseek-password` in the data folder, which must be readable by its owner alone. It appears in no log, no error and no repr.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from apps.domain.errors import DomainError

FILE: Final = "soulseek-password"
MAX_BYTES: Final = 1024
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def password_path(folder: Path) -> Path:
    """Its file in a data folder."""
    return folder / "secrets" / FILE


def password_read(configured: str, folder: Path) -> str:
    """The password as it is now.

    Raises DomainError: `soulseek_no_password`; `soulseek_password_readable` (others can read the file); `soulseek_password_unreadable`.
    """
    if configured:
        return configured
    path = password_path(folder)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        sentence = "There is no Soulseek password: `./slskdn soulseek password` sets it."
        raise DomainError(sentence, code="soulseek_no_password") from None
    except OSError as error:
        raise _unreadable(path, error.strerror or "it can't be opened") from error
    try:
        mode = os.fstat(descriptor).st_mode  # of what was opened, not of what the name leads to a moment later
        if not stat.S_ISREG(mode):
            raise _unreadable(path, "it is no file")
        if mode & OTHERS:
            octal = f"{stat.S_IMODE(mode):04o}"
            sentence = f"Others can read {path} (mode {octal}), so the password in it is not used: chmod 600 it."
            raise DomainError(sentence, code="soulseek_password_readable", path=str(path), mode=octal)
        content = os.read(descriptor, MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, error.strerror or "it can't be read") from error
    finally:
        os.close(descriptor)
    try:
        password = content.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise _unreadable(path, "it is not UTF-8") from None
    if len(content) > MAX_BYTES:
        raise _unreadable(path, "it is too long for a password")
    if not password:
        sentence = "There is no Soulseek password: `./slskdn soulseek password` sets it."
        raise DomainError(sentence, code="soulseek_no_password")
    return password


def soulseek_reachable(*, mode: str, username: str, configured: str, folder: Path) -> bool:
    """Whether this configuration can ask Soulseek for anything: a mode that does, a name, and a password (in the data folder's file, too)."""
    if mode == "mesh" or not username:
        return False
    try:
        password_read(configured, folder)
    except DomainError:  # what is wrong with it is said by the checks and by the session itself
        return False
    return True


def password_write(password: str, folder: Path) -> Path:
    """Keep it in its file, mode 0600, in place of an earlier one; the path. Raises DomainError `soulseek_password_empty`, OSError."""
    if not password or len(password.encode()) > MAX_BYTES or "\n" in password or "\0" in password:
        sentence = f"A password is one line of 1 to {MAX_BYTES} bytes."
        raise DomainError(sentence, code="soulseek_password_empty", most=MAX_BYTES)
    path = password_path(folder)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_name(f".{FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)  # whatever the umask took or left
            file.write(password)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return path


def _unreadable(path: Path, error: str) -> DomainError:
    sentence = f"The Soulseek password in {path} can't be read: {error}."
    return DomainError(sentence, code="soulseek_password_unreadable", path=str(path), error=error)
