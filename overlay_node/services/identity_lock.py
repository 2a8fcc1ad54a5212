"""One running node per identity: a lock on the key folder, held by the kernel for as long as the process lives."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from apps.domain.errors import DomainError


class NodeRunning(DomainError):
    """Another process runs with this identity."""

    default_code = "node_already_running"


def identity_lock(folder: Path) -> int:
    """Take the lock of the identity kept in `folder`; returns the descriptor that holds it. Raises NodeRunning."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "node.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise NodeRunning("A node with this identity is running already.") from error
    return descriptor
