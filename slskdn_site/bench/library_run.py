"""Measures named requests on a large library through the whole web stack: times, CPU, queries, and what their plans read."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

from slskdn_site.bench.library_requests import Asked

BAR_MS: Final = 300.0


class NothingToMeasure(ValueError):
    """No request has the asked name, or the kept database is another one."""


def library_bench(
    *,
    variants: int,
    issues: int,
    rounds: int,
    tell: Callable[[str], None],
    only: str = "",
    plans: bool = False,
    kept: Path | None = None,
) -> dict[str, Any]:
    """The report. `only`: requests with this in their name; `plans`: tell each statement's plan; `kept`: where it is noted what the database was filled
    with, so that it is filled once. Raises NothingToMeasure, and whatever a request raises."""
    from slskdn_site.cli.main import django_setup

    django_setup()
    from django.core.management import call_command
    from django.db import connection

    from slskdn_site.bench.library_plans import WORK
    from slskdn_site.bench.library_rows import FILL, fill, settle

    os.environ.setdefault("SLSKDN_DEBUG", "0")
    call_command("migrate", verbosity=0, interactive=False)
    began = time.perf_counter()
    holds = {"variants": variants, "issues": issues, "fill": FILL}
    if kept is not None and kept.exists():
        if json.loads(kept.read_text(encoding="utf-8")) != holds:
            raise NothingToMeasure(f"{kept.parent} holds another library; give another folder or remove it.")
        settle()  # a migration may have come since
    else:
        tell(f"filling {variants} variants and {issues} issues …")
        fill(variants=variants, issues=issues)
        if kept is not None:
            kept.write_text(json.dumps(holds), encoding="utf-8")
    filled = time.perf_counter() - began
    from slskdn_site.bench.library_requests import requests

    client, measured, load = bench_client(), [], Load()
    for asked in requests(variants=variants):
        if only not in asked.name:
            continue
        one, told = measure(client, asked, rounds=rounds)
        tell(
            f"{one['name']}: p95 {one['p95_ms']} ms, {one['queries']} queries, work {one['work']} {one['seq_scans'] or ''}"
        )
        if plans:
            tell("\n".join(told))
        measured.append(one)
    if not measured:
        raise NothingToMeasure(f"no request has {only!r} in its name.")
    return {
        "database": connection.vendor,
        "version": version(),
        "variants": variants,
        "issues": issues,
        "rounds": rounds,
        "fill_s": round(filled, 1),
        "bar_ms": BAR_MS,
        "work": WORK[connection.vendor],
        "others_cores": load.others_cores(),
        "worst_p95_ms": max(one["p95_ms"] for one in measured),
        "requests": measured,
        "holds": all(one["holds"] for one in measured),
    }


def version() -> str:
    """Of the database."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version" if connection.vendor == "postgresql" else "SELECT sqlite_version()")
        return str(cursor.fetchone()[0])


def bench_client() -> Any:  # Django's test client
    """Somebody who may see everything, without a network between."""
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client(SERVER_NAME="localhost", REMOTE_ADDR="127.0.0.1")
    known = User.objects.filter(username="bench").first()
    client.force_login(known if known is not None else User.objects.create_superuser("bench"))
    return client


def measure(
    client: Any,
    asked: Asked,
    *,
    rounds: int,
    bar_ms: float = BAR_MS,
    big: Collection[str] | None = None,
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The line of the report, and the plans in words. `big`: tables that must not be read from one end to the other (None: the library's)."""
    from django.db import connection

    from slskdn_site.bench.library_plans import BIG, Listener, looked

    def ask() -> float:
        began = time.perf_counter()
        answer = client.get(asked.path)
        took = 1000 * (time.perf_counter() - began)
        if answer.status_code != 200:
            raise RuntimeError(f"{asked.path} answered {answer.status_code}")
        return took

    ask()  # templates and plans
    times, cpu, load = [], [], Load()
    for _ in range(min(asked.rounds or rounds, rounds)):
        before = load.own()
        times.append(ask())
        cpu.append(1000 * (load.own() - before))
    others = load.others_cores()
    times.sort()
    cpu.sort()
    listener = Listener()
    with connection.execute_wrapper(listener):
        ask()
    found = looked(listener.selects, big=BIG if big is None else big)
    p95 = times[min(len(times) - 1, round(0.95 * (len(times) - 1)))]
    line = {
        "name": asked.name,
        "path": asked.path,
        "p50_ms": round(times[len(times) // 2], 1),
        "p95_ms": round(p95, 1),
        "cpu_ms": round(cpu[len(cpu) // 2], 1),
        "others_cores": others,
        "queries": listener.count,
        "work": found.work,
        "seq_scans": list(found.seq_scans),
        "holds": p95 <= bar_ms and not found.seq_scans,
    }
    return line, found.told


class Load:
    """CPU of this process and the database's backend, and of everybody else, since it was made."""

    def __init__(self) -> None:
        self._backend = _backend()
        self._at, self._busy, self._own = time.monotonic(), _busy_s(), self.own()

    def own(self) -> float:
        """CPU seconds by now."""
        return time.process_time() + _process_s(self._backend)

    def others_cores(self) -> float:
        """Cores that other programs used meanwhile, on the average."""
        others = (_busy_s() - self._busy) - (self.own() - self._own)
        return round(max(0.0, others / max(0.001, time.monotonic() - self._at)), 2)


def _backend() -> int:
    """Process id of the database's backend on this machine; 0: there is none."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _process_s(pid: int) -> float:
    """CPU seconds of a process; in steps of some ten ms where the kernel gives no better."""
    if not pid:
        return 0.0
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def _busy_s() -> float:
    """CPU seconds that all programs of this machine have used; 0.0 where it does not say."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    except OSError:
        return 0.0
    ticks = [int(field) for field in fields]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")
