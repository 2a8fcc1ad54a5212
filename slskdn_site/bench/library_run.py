"""Measures named requests on a large library through the whole web stack: times, queries, and plans."""

from __future__ import annotations

import base64
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

BAR_MS: Final = 300.0
BIG: Final = (
    "library_audiofile",
    "library_audiovariant",
    "library_identification",
    "library_libraryissue",
    "library_canonicalstats",
    "library_foldermatch",
    "catalog_recording",
    "catalog_release",
)
"""Tables that must not be read from one end to the other for a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A named request."""

    name: str
    path: str


def library_bench(*, variants: int, issues: int, rounds: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """The report. Raises whatever a request raises."""
    from slskdn_site.cli.main import django_setup

    django_setup()
    from django.core.management import call_command

    os.environ.setdefault("SLSKDN_DEBUG", "0")
    call_command("migrate", verbosity=0, interactive=False)
    from slskdn_site.bench.library_rows import fill

    began = time.perf_counter()
    tell(f"filling {variants} variants and {issues} issues …")
    fill(variants=variants, issues=issues)
    filled = time.perf_counter() - began
    client = _client()
    from django.db import connection

    measured = []
    for asked in requests(variants=variants):
        one = _measure(client, asked, rounds=rounds)
        tell(f"{one['name']}: p95 {one['p95_ms']} ms, {one['queries']} queries {one['seq_scans'] or ''}")
        measured.append(one)
    worst = max(one["p95_ms"] for one in measured)
    return {
        "database": connection.vendor,
        "variants": variants,
        "issues": issues,
        "rounds": rounds,
        "fill_s": round(filled, 1),
        "bar_ms": BAR_MS,
        "worst_p95_ms": worst,
        "requests": measured,
        "holds": all(one["holds"] for one in measured),
    }


def requests(*, variants: int) -> Iterator[Asked]:
    """Every request that is measured; lists at their first, middle and last page."""
    from django.urls import NoReverseMatch, reverse

    from apps.library.models import AudioFile, FolderMatch, Identification, LibraryIssue
    from apps.library.selectors_identity import IDENTIFICATION_ORDER
    from apps.library.selectors_issues import SORTS, IssueFilter, issue_query
    from apps.library.selectors_list import NEWEST, SHOWS
    from apps.library.selectors_match import FOLDER_ORDER
    from slskdn_site.bench.library_rows import artist, recording, release

    middle = variants // 2
    files = AudioFile.objects.all()
    for show, (condition, order) in SHOWS.items():
        query = f"?show={show}" if show else ""
        yield from _pages(f"library {show}".strip(), f"/library{query}", files.filter(condition), order)
    yield from _pages("api files", "/api/library/files", files, NEWEST)
    yield Asked(name="library search", path="/library?q=artist+0000")
    yield Asked(name="library search, rare", path=f"/library?q={artist(middle).replace(' ', '+')}")
    yield Asked(name="library search, nothing", path="/library?q=zzzznothing")
    yield Asked(name="doctor overview", path="/doctor")
    yield Asked(name="api health summary", path="/api/library/health/summary")
    opened = LibraryIssue.objects.filter(open=True)
    for sort, order in SORTS.items():
        yield from _pages(f"issues {sort}", f"/doctor/issues?sort={sort}", opened, order)
    for query in (
        "type=missing_track",
        "severity=critical",
        "type=tags_wrong&severity=low",
        "show=ignored",
        "show=all&sort=artist",
        "show=fixing&type=corrupted_file",
        f"artist={artist(middle).replace(' ', '+')}",
        f"release={release(middle)}",
        "q=artist+0000",
        "q=nobody+at+all",
    ):
        yield Asked(name=f"issues {query[:28]}", path=f"/doctor/issues?{query}")
    missing = issue_query(IssueFilter(type="missing_track"))
    yield from _pages("issues of a type", "/doctor/issues?type=missing_track&sort=newest", missing, ("-id",))
    yield from _pages("api issues", "/api/library/health/issues?sort=newest", opened, ("-id",))
    yield Asked(name="one issue", path=f"/doctor/issues/{opened.order_by('-id').values_list('id', flat=True)[0]}")
    ambiguous = Identification.objects.filter(state="ambiguous")
    yield from _pages("review queue", "/library/review", ambiguous, IDENTIFICATION_ORDER)
    yield from _pages("folders", "/library/folders", FolderMatch.objects.all(), FOLDER_ORDER)
    yield Asked(name="duplicates", path="/library/duplicates")
    yield Asked(name="api canonical", path=f"/api/library/recordings/{recording(middle)}/canonical")
    for name, route, given in (
        ("one file", "library-file", [middle + 1]),
        ("one folder", "library-folder", [FolderMatch.objects.order_by("id").values_list("id", flat=True)[0]]),
        ("scans", "library-scans", []),
        ("trash", "library-trash", []),
        ("metrics", "metrics", []),
        ("system", "system", []),
        ("system library", "system-library", []),
    ):
        try:
            yield Asked(name=name, path=reverse(route, args=given))
        except NoReverseMatch:
            continue


def _pages(name: str, path: str, rows: Any, order: Sequence[str]) -> Iterator[Asked]:  # a QuerySet
    """First, middle and last page. A cursor is the sort key of a row and a direction, as apps.common.pagination writes it."""
    glue = "&" if "?" in path else "?"
    yield Asked(name=f"{name}, first", path=path)
    count = rows.count()
    for word, at in (("middle", count // 2), ("last", max(0, count - 60))):
        row = rows.order_by(*order)[at : at + 1].first()
        if row is not None:
            key = [str(getattr(row, one.removeprefix("-"))) for one in order]
            cursor = base64.urlsafe_b64encode(json.dumps([0, *key]).encode()).rstrip(b"=").decode()
            yield Asked(name=f"{name}, {word}", path=f"{path}{glue}cursor={cursor}")


def _client() -> Any:  # Django's test client
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client(SERVER_NAME="localhost", REMOTE_ADDR="127.0.0.1")
    client.force_login(User.objects.create_superuser("bench"))
    return client


def _measure(client: Any, asked: Asked, *, rounds: int) -> dict[str, Any]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def ask() -> float:
        began = time.perf_counter()
        answer = client.get(asked.path)
        took = 1000 * (time.perf_counter() - began)
        if answer.status_code != 200:
            raise RuntimeError(f"{asked.path} answered {answer.status_code}")
        return took

    ask()  # templates and plans
    times = sorted(ask() for _ in range(rounds))
    with CaptureQueriesContext(connection) as captured:
        ask()
    statements = [one["sql"] for one in captured.captured_queries if one["sql"].lstrip().upper().startswith("SELECT")]
    scans = sorted({table for statement in statements for table in _scanned(statement)})
    p95 = times[min(len(times) - 1, round(0.95 * (len(times) - 1)))]
    return {
        "name": asked.name,
        "path": asked.path,
        "p50_ms": round(times[len(times) // 2], 1),
        "p95_ms": round(p95, 1),
        "queries": len(captured.captured_queries),
        "seq_scans": scans,
        "holds": p95 <= BAR_MS and not scans,
    }


def _scanned(statement: str) -> Iterator[str]:
    """Large tables that the plan reads from one end to the other."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("EXPLAIN " + statement.replace("%", "%%"), [])
            lines = [str(row[0]) for row in cursor.fetchall()]
            found = [match[1] for line in lines if (match := re.search(r"Seq Scan on (\w+)", line))]
        else:
            from django.db.utils import DatabaseError

            try:
                cursor.execute("EXPLAIN QUERY PLAN " + statement)
            except DatabaseError:
                return  # the text of a statement with bytes or dates in it is not one that can be asked again
            lines = [str(row[3]) for row in cursor.fetchall()]
            if " LIMIT " in statement and not any("TEMP B-TREE" in line for line in lines):
                return  # a walk along the row ids that ends with the page, which Postgres would call an index scan
            found = [
                match[1] for line in lines if (match := re.match(r"SCAN (\w+)(?! USING)", line)) and "USING" not in line
            ]
    yield from (table for table in found if table in BIG)
