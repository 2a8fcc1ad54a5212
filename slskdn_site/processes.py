"""What each process of the platform is: its command line, its environment, how it is known to work. Used by the supervisor and by containers alike."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from apps.domain.errors import DomainError
from slskdn_site.broker import run_socket
from slskdn_site.config import Config, data_dir
from slskdn_site.secret_files import secret_read_or_create

PROJECT = Path(__file__).resolve().parent.parent
PROCESS_NAMES = ("web", "worker", "beat", "node", "flower")
QUEUES = "default,verify,analyse"
HEALTH_TIMEOUT_S = 5.0
FLOWER_USER = "admin"


def process_command(name: str, *, config: Config, web_descriptor: int | None = None) -> list[str]:
    """The command line of process `name`. `web_descriptor`: a listening socket that the web process inherits."""
    python = [sys.executable]
    celery = [*python, "-m", "celery", "--quiet", "-A", "slskdn_site.celery:app"]
    match name:
        case "web":
            where = ["--host", config.web.host, "--port", str(config.web.port)]
            return [
                *python,
                "-m",
                "slskdn_site.serve",
                *(where if web_descriptor is None else ["--fd", str(web_descriptor)]),
            ]
        case "worker":
            processes = config.worker.concurrency or os.cpu_count() or 1
            quiet = ["--without-gossip", "--without-mingle"]
            return [*celery, "worker", "-Q", QUEUES, "-c", str(processes), "-n", "worker@%h", "-l", "INFO", *quiet]
        case "beat":
            return [*celery, "beat", "-l", "INFO", "--pidfile="]
        case "node":
            return [*python, "-m", "overlay_node"]
        case "flower":
            host = os.environ.get("SLSKDN_FLOWER_HOST", "127.0.0.1")  # a container's own network, where compose says so
            return [*celery, "flower", f"--address={host}", f"--port={config.flower.port}", "--inspect_timeout=2000"]
        case _:
            sentence = f"There is no process {name}: {', '.join(PROCESS_NAMES)}."
            raise DomainError(sentence, code="process_unknown")


def process_environment(name: str) -> Mapping[str, str]:
    """What process `name` needs in its environment besides what is there already."""
    environment = {
        "SLSKDN_DATA": str(data_dir()),
        "DJANGO_SETTINGS_MODULE": "slskdn_site.settings",
        "PYTHONPATH": str(PROJECT),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        # Celery warns of root because of pickled messages; ours are JSON only.
        "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges",
        # The pool has one process per core already; numeric libraries must not multiply that.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "SLSKDN_READY_FILE": str(ready_file(name)),
    }
    if name == "flower":
        # By environment: a command line can be read by every user of the machine.
        environment["FLOWER_BASIC_AUTH"] = f"{FLOWER_USER}:{secret_read_or_create('flower_password', length_bytes=18)}"
    return environment


def ready_file(name: str) -> Path:
    """The file that worker and beat write once they take work; `SLSKDN_READY_DIR` is for containers that share a data folder."""
    folder = os.environ.get("SLSKDN_READY_DIR")
    return (Path(folder) if folder else data_dir() / "run") / f"{name}.ready"


def web_answers(host: str, port: int) -> bool:
    """True when the web process answers `/healthz/live`."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    connection = HTTPConnection(reachable, port, timeout=HEALTH_TIMEOUT_S)
    try:
        connection.request("GET", "/healthz/live", headers={"Host": "localhost"})
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def node_answers() -> bool:
    """True when the node's control socket accepts."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(HEALTH_TIMEOUT_S)
            connection.connect(str(run_socket("node.sock")))
            return True
    except OSError:
        return False


def flower_answers(port: int) -> bool:
    """True when Flower's port accepts."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=HEALTH_TIMEOUT_S):
            return True
    except OSError:
        return False


def web_listen(host: str, port: int) -> socket.socket:
    """A listening socket for the web process; port 0 takes a free one.

    It is the supervisor's, so that requests wait instead of being refused while the web process is restarted.
    Raises DomainError `port_taken`.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server((str(address[0]), port), family=family, backlog=256)
    except OSError as error:
        sentence = (
            f"The web pages cannot listen on {host}:{port} ({error.strerror or error}). Set web.port or web.host."
        )
        raise DomainError(sentence, code="port_taken", port=port) from error
    listener.set_inheritable(True)
    return listener
