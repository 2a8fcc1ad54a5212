"""Measures the named requests of `jobs_requests` on many jobs, through the whole web stack: times, queries, and what their plans read."""

from __future__ import annotations

import dataclasses
import json
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from slskdn_site.bench.library_run import Load, NothingToMeasure, bench_client, measure, version

BARS_MS: Final = {"postgresql": 300.0, "sqlite": 600.0}
BIG: Final = frozenset({
    "jobs_jobtrack", "jobs_webhookdelivery", "transfers_want", "transfers_wantprogress", "transfers_transfer",
    "transfers_transfersource",
})  # fmt: skip
"""Tables that must not be read from one end to the other for a request. Jobs themselves and what they planned may be: a search for words reads all
titles, and a tree's figures a sixth of what was planned; both are a few MiB."""


def jobs_bench(
    *,
    jobs: int,
    tracks: int,
    rounds: int,
    tell: Callable[[str], None],
    only: str = "",
    plans: bool = False,
    kept: Path | None = None,
) -> dict[str, Any]:
    """The report; parameters as those of `library_bench`. Raises NothingToMeasure, and whatever a request raises."""
    from slskdn_site.cli.main import django_setup

    django_setup()
    from django.core.management import call_command
    from django.db import connection

    from slskdn_site.bench.jobs_requests import requests
    from slskdn_site.bench.jobs_rows import Filled, fill, settle
    from slskdn_site.bench.library_plans import WORK

    os.environ.setdefault("SLSKDN_DEBUG", "0")
    call_command("migrate", verbosity=0, interactive=False)
    began = time.perf_counter()
    if kept is not None and kept.exists():
        known = json.loads(kept.read_text(encoding="utf-8"))
        if (known["jobs"], known["tracks"]) != (jobs, tracks):
            raise NothingToMeasure(f"{kept.parent} holds other jobs; give another folder or remove it.")
        ids = {name: uuid.UUID(known[name]) for name in ("largest", "child", "single", "hook")}
        filled = Filled(jobs=jobs, tracks=tracks, **ids)
        settle()  # a migration may have come since
    else:
        tell(f"filling {jobs} jobs and {tracks} tracks …")
        filled = fill(jobs=jobs, tracks=tracks)
        if kept is not None:
            kept.write_text(json.dumps(dataclasses.asdict(filled), default=str), encoding="utf-8")
    took = time.perf_counter() - began
    bar_ms = BARS_MS[connection.vendor]
    client, measured, load = bench_client(), [], Load()
    for asked in requests(filled):
        if only not in asked.name:
            continue
        one, told = measure(client, asked, rounds=rounds, bar_ms=bar_ms, big=BIG)
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
        "jobs": filled.jobs,
        "tracks": filled.tracks,
        "rounds": rounds,
        "fill_s": round(took, 1),
        "bar_ms": bar_ms,
        "work": WORK[connection.vendor],
        "others_cores": load.others_cores(),
        "worst_p95_ms": max(one["p95_ms"] for one in measured),
        "requests": measured,
        "holds": all(one["holds"] for one in measured),
    }
