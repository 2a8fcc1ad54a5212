"""Measures named requests on a filled database through the whole web stack: times, CPU, queries, and what their plans read."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slskdn_site.bench.asked import Asked


class NothingToMeasure(ValueError):
    """No request has the asked name, or the kept database is another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Rows and requests of a bench. `bars_ms`: by database; `big`: tables that must not be read from one end to the other; `version` rises when other rows
    are made: what was kept is filled anew. `fill` gives what `requests` has to know of the rows (made of what JSON has); `settle` is what happens in the
    background of a database that has run for a while."""

    bars_ms: Mapping[str, float]
    big: Collection[str]
    version: int
    fill: Callable[[Mapping[str, int]], Mapping[str, str]]
    settle: Callable[[], None]
    requests: Callable[[Mapping[str, str]], Iterable[Asked]]


def pages_bench(
    subject_of: Callable[[], Subject],
    *,
    sizes: Mapping[str, int],
    rounds: int,
    tell: Callable[[str], None],
    only: str = "",
    plans: bool = False,
    kept: Path | None = None,
) -> dict[str, Any]:
    """The report. `only`: requests with this in their name; `plans`: tell each statement's plan; `kept`: where it is noted what the database was filled
    with, so that it is filled once. Raises NothingToMeasure, and whatever a request raises."""
    from slskdn_site.cli.main import django_setup

    os.environ.setdefault("SLSKDN_DEBUG", "0")
    django_setup()
    from django.core.management import call_command
    from django.db import connection

    from slskdn_site.bench.plans import WORK
    from slskdn_site.settled import settle

    subject = subject_of()
    call_command("migrate", verbosity=0, interactive=False)
    began = time.perf_counter()
    known = _filled(subject, sizes, kept=kept, tell=tell)
    took = time.perf_counter() - began
    bar_ms = subject.bars_ms[connection.vendor]
    client, measured, load = bench_client(), [], Load()
    settle()  # as the web process does before it serves; what the filling left is nobody's request
    for asked in subject.requests(known):
        if only not in asked.name:
            continue
        one, told = measure(client, asked, rounds=rounds, bar_ms=bar_ms, big=subject.big)
        tell(
            f"{one['name']}: p50 {one['p50_ms']} ms, p95 {one['p95_ms']} ms, CPU {one['cpu_ms']} ms, {one['queries']} queries, work {one['work']} {one['seq_scans'] or ''}"
        )
        if plans:
            tell("\n".join(told))
        measured.append(one)
    if not measured:
        raise NothingToMeasure(f"no request has {only!r} in its name.")
    return {
        "database": connection.vendor,
        "version": version(),
        "sizes": dict(sizes),
        "rounds": rounds,
        "fill_s": round(took, 1),
        "bar_ms": bar_ms,
        "work": WORK[connection.vendor],
        "others_cores": load.others_cores(),
        "worst_p95_ms": max(one["p95_ms"] for one in measured),
        "worst_cpu_ms": max(one["cpu_ms"] for one in measured),
        "most_queries": max(one["queries"] for one in measured),
        "requests": measured,
        "holds": all(one["holds"] for one in measured),
    }


def _filled(
    subject: Subject, sizes: Mapping[str, int], *, kept: Path | None, tell: Callable[[str], None]
) -> Mapping[str, str]:
    holds = {"sizes": dict(sizes), "version": subject.version}
    if kept is not None and kept.exists():
        noted: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        known: dict[str, str] = noted.pop("known", {})
        if noted != holds:
            raise NothingToMeasure(f"{kept.parent} holds other rows; give another folder or remove it.")
        subject.settle()  # a migration may have come since
        return known
    tell(f"filling {' and '.join(f'{count} {what}' for what, count in sizes.items())} …")
    made = subject.fill(sizes)
    if kept is not None:
        kept.write_text(json.dumps({**holds, "known": dict(made)}), encoding="utf-8")
    return made


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
    bar_ms: float,
    big: Collection[str],
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The line of the report, and the plans in words. The first request is listened to and not timed, but for `rounds` 1. `big`: tables that must not be read from one end to the other."""
    from django.db import connection

    from slskdn_site.bench.plans import Listener, looked

    def ask() -> float:
        began = time.perf_counter()
        if asked.read is not None:
            asked.read()
            return 1000 * (time.perf_counter() - began)
        answer = client.get(asked.path)
        took = 1000 * (time.perf_counter() - began)
        if answer.status_code != 200:
            raise RuntimeError(f"{asked.path} answered {answer.status_code}")
        return took

    listener = Listener()
    with connection.execute_wrapper(listener):
        first = ask()  # templates and plans
    times, cpu, load = [], [], Load()
    for _ in range(min(asked.rounds or rounds, rounds) if rounds > 1 else 0):
        before = load.own()
        times.append(ask())
        cpu.append(1000 * (load.own() - before))
    others = load.others_cores()
    times = sorted(times or [first])
    cpu = sorted(cpu or [0.0])
    found = looked(listener.selects, big=big)
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
        "holds": p95 <= bar_ms and (asked.counts or not found.seq_scans),
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
