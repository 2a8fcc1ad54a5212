"""The key under which names of sharers are kept: a file of the data folder, made once, readable by its owner alone."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

from apps.domain.soulseek.capture import pseudonym

KEY_BYTES: Final = 32
FILE: Final = "pseudonyms"


def sharer_namer(folder: Path, *, keyed: bool) -> Callable[[str], str]:
    """How a user is called in what is kept: a keyed pseudonym, or (not `keyed`) the name itself."""
    if not keyed:
        return lambda name: name
    key = pseudonym_key(folder)
    return lambda name: pseudonym(name, key=key)


def pseudonym_key(folder: Path) -> bytes:
    """Read it, or make it. Of several who make it at once all get the same. Raises OSError."""
    path = folder / FILE
    try:
        return _read(path)
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = folder / f".{FILE}.{secrets.token_hex(8)}"
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(made, path)  # never over one that is there
    finally:
        made.unlink(missing_ok=True)
    return _read(path)


def _read(path: Path) -> bytes:
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise OSError(f"{path} holds no key")
    return key
