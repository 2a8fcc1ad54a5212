"""The re-scan part of `./slskdn bench scan`: an unchanged library walked again, by the worker's own code, in a process and a data folder of its own.

`rescan_bench` makes `files` small files in folders of ten, walks them once so that every row is there, counts them as read, walks them again to warm up and
then measures. That nothing was opened is counted by an audit hook: in the measured process, and in a second walk of the child's own code run inside
it. That nothing was written but the scan's and the root's own rows is read off the statements, and off the database's own counters of changed rows.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from slskdn_site.bench.peak import peak_bytes

BAR_S: Final = 8.0
"""Issue bar: seconds for 100,000 unchanged files, warm."""
_OWN_TABLES: Final = ("library_libraryscan", "library_libraryroot")


def rescan_bench(*, files: int = 100_000, folder: Path | None = None, database_url: str = "") -> dict[str, Any]:
    """The report: `rescan_s` and its proofs. `folder`: where files are made (default: the temporary folder); `database_url`: Postgres instead of
    SQLite. Raises RuntimeError with what the process said, if it failed."""
    place = Path(tempfile.mkdtemp(prefix="slskdn-bench-rescan-", dir=folder))
    try:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SLSKDN")}
        environment |= {"SLSKDN_DATA": str(place / "data"), "DJANGO_SETTINGS_MODULE": "slskdn_site.settings"}
        if database_url:
            environment["SLSKDN__DATABASE__URL"] = database_url
        done = subprocess.run(
            [sys.executable, "-m", "slskdn_site.bench.rescan_run", str(place), str(files)],
            env=environment,
            cwd=Path(__file__).resolve().parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr[-2000:])
        report: dict[str, Any] = json.loads((place / "report.json").read_text(encoding="utf-8"))
        return report
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("place", type=Path)
    parser.add_argument("files", type=int)
    args = parser.parse_args()
    (args.place / "data").mkdir(parents=True, exist_ok=True)
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0, skip_checks=True)
    report = _measured(args.place / "music", files=args.files)
    (args.place / "report.json").write_text(json.dumps(report), encoding="utf-8")


def _measured(music: Path, *, files: int) -> Mapping[str, object]:
    from django.db import connection

    from apps.library.models import AudioFile
    from apps.library.services import root_record
    from apps.library.services_scan import scan_create, scans_read_finish

    _make(music, files)
    root_id = root_record(music)
    first_s = _timed(lambda: _scan(scan_create(root_id).id))
    AudioFile.objects.update(read_state="read")
    scans_read_finish()
    _scan(scan_create(root_id).id)  # warm
    opened, statements = _Opened(music), _Statements()
    before = _changed_rows()
    scan = scan_create(root_id)
    sys.addaudithook(opened)
    with connection.execute_wrapper(statements):
        cpu = time.process_time(), os.times().children_user + os.times().children_system
        rescan_s = _timed(lambda: _scan(scan.id))
        own_cpu = time.process_time() - cpu[0]
        child_cpu = os.times().children_user + os.times().children_system - cpu[1]
    after, peak = _changed_rows(), peak_bytes()
    _walk_here(music, files)
    return {
        "files": files,
        "database": connection.vendor,
        "first_scan_s": round(first_s, 3),
        "rescan_s": round(rescan_s, 3),
        "bar_s": BAR_S,
        "cpu_s": round(own_cpu + child_cpu, 3),
        "opened": opened.count,
        "listed": opened.listed,
        "selects": statements.selects,
        "writes_elsewhere": statements.elsewhere,
        "own_row_updates": statements.own,
        "rows_changed": after - before if before is not None and after is not None else None,
        "unchanged": _unchanged(scan.id),
        "rss_mb": round(peak / 2**20, 1),
    }


def _make(music: Path, files: int) -> None:
    for number in range(files):
        folder = music / f"Artist {number // 100:04d}" / f"Album {number // 10:05d}"
        if number % 10 == 0:
            folder.mkdir(parents=True)
        (folder / f"{number % 10:02d} A song of some length.flac").touch()


def _scan(scan_id: Any) -> None:
    from workers.scan_library import walk_slice

    if walk_slice(scan_id, slice_s=600) is None:
        raise RuntimeError("the walk did not end")


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class _Opened:
    """Audit hook: opened files and listed folders below a folder."""

    def __init__(self, below: Path) -> None:
        self._below = os.fsencode(below)
        self.count = 0
        self.listed = 0

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if event not in ("open", "os.scandir") or not isinstance(arguments[0], str | bytes):
            return
        if os.fsencode(arguments[0]).startswith(self._below + b"/"):
            if event == "open":
                self.count += not os.fsencode(arguments[0]).endswith(b"/.slskdn-root")
            else:
                self.listed += 1


class _Statements:
    """Counts what is sent to the database."""

    def __init__(self) -> None:
        self.selects = self.own = self.elsewhere = 0

    def __call__(
        self,
        execute: Callable[..., Any],
        sql: str,
        params: object,
        many: bool,  # noqa: FBT001  (Django's signature)
        context: Mapping[str, Any],
    ) -> object:
        word = sql.lstrip().split(" ", 1)[0].upper()
        if word == "SELECT":
            self.selects += 1
        elif word in {"INSERT", "UPDATE", "DELETE"}:
            own = any(table in sql.split("SET", 1)[0] for table in _OWN_TABLES)
            self.own += own
            self.elsewhere += not own
        return execute(sql, params, many, context)


def _changed_rows() -> int | None:
    """Rows of the files' table that were ever inserted, updated or deleted, by the database's own counters (Postgres); None on SQLite."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables WHERE relname = 'library_audiofile'"
        )
        return int(cursor.fetchone()[0])


def _walk_here(music: Path, files: int) -> None:
    """The child's own code in this process, where the audit hook hears it."""
    from workers.gateways.walk import EXTENSIONS
    from workers.gateways.walk_child import Walk

    walk = Walk(os.fsencode(music), below=b"", after=b"", skip=frozenset(), extensions=EXTENSIONS)
    found, *_ = walk.batch(files + 1)
    if len(found) != files:
        raise RuntimeError("the walk lost files")


def _unchanged(scan_id: Any) -> int:
    from apps.library.selectors_scan import scan_view

    view = scan_view(scan_id)
    return view.unchanged if view is not None else 0


if __name__ == "__main__":
    _main()
