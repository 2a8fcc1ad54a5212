"""Where Redis is: the configured one, or the embedded Valkey's unix socket."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from slskdn_site.config import data_dir, load_config

SOCKET_PATH_LIMIT = 100  # bytes; Linux allows 107, macOS 103


def valkey_socket() -> Path:
    """The embedded Valkey's socket: in the data folder, or under the temporary folder where that path is too long for a socket."""
    path = data_dir() / "run" / "valkey.sock"
    if len(str(path).encode()) <= SOCKET_PATH_LIMIT:
        return path
    digest = hashlib.sha256(str(data_dir()).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"slskdn-{digest}" / "valkey.sock"


def redis_url() -> str:
    """URL for redis-py."""
    return load_config().redis.url or f"unix://{valkey_socket()}"


def celery_broker_url() -> str:
    """URL for kombu, which names a unix socket differently."""
    return load_config().redis.url or f"redis+socket://{valkey_socket()}"
