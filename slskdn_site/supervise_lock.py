"""One supervisor per data folder: a lock that the kernel lets go when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from apps.domain.errors import DomainError


def supervisor_lock(folder: Path) -> IO[str]:
    """Take the lock of data folder `folder`; it is held as long as the returned file is open.

    Raises DomainError `already_running` with the holder's process id.
    """
    path = folder / "run" / "supervisor.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    file = os.fdopen(descriptor, "r+", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = file.read().strip() or "unknown"
        file.close()
        sentence = f"slskdn runs already on {folder} (process {holder}). Stop it first, or name another folder with `--data DIR`."
        raise DomainError(sentence, code="already_running", pid=holder) from error
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file
