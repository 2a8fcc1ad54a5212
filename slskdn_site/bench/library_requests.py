"""The named requests that `./slskdn bench library` measures: every list of the library at its first, middle and last page, filters, and single pages."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from slskdn_site.bench.asked import Asked, pages_of

SMALL: Final = 10_000
"""Variants: in a smaller library combinations of filters cost nothing, and one of SMALL_STEP is asked for."""
SMALL_STEP: Final = 7
FEW: Final = 5
"""Rounds of each of the many combinations of filters."""


def requests(*, variants: int) -> Iterator[Asked]:
    """Every request that is measured; lists at their first, middle and last page."""
    yield from _files(variants)
    yield from _doctor(variants)
    yield from islice(_issue_combinations(), 0, None, 1 if variants >= SMALL else SMALL_STEP)
    yield from _identifications(variants)
    yield from _folders(variants)
    yield from _duplicates()
    yield from _trash()
    yield from _single(variants)


def _files(variants: int) -> Iterator[Asked]:
    from apps.library.models import AudioFile
    from apps.library.selectors_list import NEWEST, SHOWS, file_query
    from slskdn_site.bench.library_rows import artist

    middle = artist(variants // 2).replace(" ", "+")
    for show, (_, order) in SHOWS.items():
        rows, _ = file_query(show=show)
        query = f"show={show}" if show else ""
        yield from pages_of(f"library {show}".strip(), "/library", query, rows, order)
        if show:
            yield from pages_of(f"api files {show}", "/api/library/files", query, rows, order, places=("first", "last"))
    yield from pages_of("api files", "/api/library/files", "", AudioFile.objects.all(), NEWEST)
    for name, words in (("", "artist+0000"), (", rare", middle), (", nothing", "zzzznothing"), (", a letter", "a")):
        yield Asked(name=f"library search{name}", path=f"/library?q={words}")
        yield Asked(name=f"api files search{name}", path=f"/api/library/files?text={words}")
    for show in SHOWS:
        if show:
            yield Asked(name=f"library search in {show}", path=f"/library?show={show}&q=artist+0000")
            yield Asked(name=f"library search, a letter, in {show}", path=f"/library?show={show}&q=a")


def _doctor(variants: int) -> Iterator[Asked]:
    from apps.library.models import LibraryIssue
    from apps.library.selectors_issues import SORTS, IssueFilter, issue_query
    from slskdn_site.bench.library_rows import artist, release

    middle = variants // 2
    yield Asked(name="doctor overview", path="/doctor")
    yield Asked(name="doctor scan panel", path="/doctor/scan/now")
    yield Asked(name="api health summary", path="/api/library/health/summary")
    opened = LibraryIssue.objects.filter(open=True)
    for sort, order in SORTS.items():
        yield from pages_of(f"issues {sort}", "/doctor/issues", f"sort={sort}", opened, order)
        yield from pages_of(f"api issues {sort}", "/api/library/health/issues", f"sort={sort}", opened, order)
    missing = issue_query(IssueFilter(type="missing_track"))
    yield from pages_of("issues of a type", "/doctor/issues", "type=missing_track&sort=newest", missing, ("-id",))
    for name, query in (
        ("of an artist", f"artist={artist(middle).replace(' ', '+')}"),
        ("of an artist, all", f"show=all&artist={artist(middle).replace(' ', '+')}"),
        ("of an artist and type", f"artist={artist(middle).replace(' ', '+')}&type=tags_wrong&sort=newest"),
        ("of a release", f"release={release(middle)}"),
        ("of a release, all by artist", f"release={release(middle)}&show=all&sort=artist"),
        ("with words", "q=artist+0000"),
        ("with words, a letter", "q=a"),
        ("with words, nothing", "q=nobody+at+all"),
        ("with words, newest of a type", "q=artist+0000&type=tags_wrong&sort=newest"),
        ("with words, ignored", "q=artist+0000&show=ignored"),
        ("with words, resolved", "q=artist+0000&show=resolved"),
        ("with words, all", "q=artist+0000&show=all"),
        ("with words, all by album", "q=album&show=all&sort=album"),
        ("with words, all, nothing", "q=nobody+at+all&show=all"),
    ):
        yield Asked(name=f"issues {name}", path=f"/doctor/issues?{query}")
        api = query.replace("q=", "text=").replace("show=", "state=")
        yield Asked(name=f"api issues {name}", path=f"/api/library/health/issues?{api}")
    last = opened.order_by("-id").values_list("id", flat=True)[0]
    yield Asked(name="one issue", path=f"/doctor/issues/{last}")
    yield Asked(name="api one issue", path=f"/api/library/health/issues/{last}")
    yield Asked(name="api issues of a file", path=f"/api/library/health/issues?file={middle}")
    yield Asked(name="api doctor scans", path="/api/library/health/scan")
    yield Asked(name="api remediations", path="/api/library/health/remediations")
    yield Asked(name="api remediations failed", path="/api/library/health/remediations?state=failed")


def _issue_combinations() -> Iterator[Asked]:
    """State, type, severity and order together, each at its first page and where it ends."""
    from apps.library.selectors_issues import SORTS, IssueFilter, issue_query

    for show in ("open", "all", "ignored", "failed"):
        for kind in ("", "tags_wrong"):
            for severity in ("", "critical", "low"):
                for sort, order in SORTS.items():
                    wanted = IssueFilter(state=show, type=kind, severity=severity, sort=sort)
                    query = f"show={show}&type={kind}&severity={severity}&sort={sort}"
                    name = f"issues {show} {kind or 'any'} {severity or 'any'} {sort}"
                    places = ("first", "last")
                    for asked in pages_of(name, "/doctor/issues", query, issue_query(wanted), order, places=places):
                        yield Asked(name=asked.name, path=asked.path, rounds=FEW)


def _identifications(variants: int) -> Iterator[Asked]:
    from apps.library.models import AudioFile, Identification
    from apps.library.selectors_identity import IDENTIFICATION_ORDER

    for state in ("ambiguous", "decided"):
        rows = Identification.objects.filter(state=state)
        query = f"show={state}" if state != "ambiguous" else ""
        yield from pages_of(f"review {state}", "/library/review", query, rows, IDENTIFICATION_ORDER)
        path = "/api/library/identifications"
        yield from pages_of(f"api identifications {state}", path, f"state={state}", rows, IDENTIFICATION_ORDER)
    yield Asked(name="review, nothing", path="/library/review?show=rejected")
    file = AudioFile.objects.get(id=variants // 2 + 1)
    folder = f"{file.root_id}-{bytes(file.folder_hash).hex()}"
    yield Asked(name="review of a folder", path=f"/library/review?show=decided&folder={folder}")
    asked = Identification.objects.filter(state="ambiguous").order_by("variant_id").values_list("variant_id", flat=True)
    yield Asked(name="one question", path=f"/library/review/{asked[0]}")
    yield Asked(name="api one question", path=f"/api/library/identifications/{asked[0]}")


def _folders(variants: int) -> Iterator[Asked]:
    from apps.library.models import FolderMatch
    from apps.library.selectors_match import FOLDER_ORDER
    from slskdn_site.bench.library_rows import album, artist

    rows = FolderMatch.objects.all()
    for state in ("", "ambiguous"):
        some = rows.filter(state=state) if state else rows
        page, api = (f"show={state}", f"state={state}") if state else ("", "")
        yield from pages_of(f"folders {state}".strip(), "/library/folders", page, some, FOLDER_ORDER)
        yield from pages_of(f"api folders {state}".strip(), "/api/library/folders", api, some, FOLDER_ORDER)
    middle = variants // 2
    for name, words in (
        ("an album", album(middle)),
        ("an artist", artist(middle)),
        ("both", f"{artist(middle)} {album(middle)}"),
        ("a path", f"{artist(middle)}/{album(middle)}"),
        ("a common word", "artist"),
        ("a letter", "a"),
        ("a common word and a rare one", f"artist {album(middle)[-6:]}"),
        ("nothing", "zzzznothing"),
    ):
        text = words.replace(" ", "+").replace("/", "%2F")
        yield Asked(name=f"folders with {name}", path=f"/library/folders?q={text}")
        yield Asked(name=f"folders with {name}, ambiguous", path=f"/library/folders?q={text}&show=ambiguous")
        yield Asked(name=f"api folders with {name}", path=f"/api/library/folders?text={text}")
    yield from pages_of(
        "folders with a common word", "/library/folders", "q=artist", rows, FOLDER_ORDER, places=("middle", "last")
    )
    one = rows.order_by("id").values_list("id", flat=True)[0]
    yield Asked(name="one folder", path=f"/library/folders/{one}")
    yield Asked(name="api one folder", path=f"/api/library/folders/{one}")


def _duplicates() -> Iterator[Asked]:
    """Pages are walked to by the cursors that the list itself gives: groups have no row to begin at."""
    from apps.domain.library.duplicates import DuplicateKind
    from apps.library.selectors_duplicates import duplicate_groups

    for kind in DuplicateKind:
        cursors: list[str] = []
        cursor: str | None = None
        while len(cursors) < 40 and (cursor := duplicate_groups(kind, cursor=cursor).next_cursor):
            cursors.append(cursor)
        places = [("first", "")]
        if cursors:
            places += [("middle", cursors[(len(cursors) - 1) // 2]), ("last of 40" if cursor else "last", cursors[-1])]
        for place, at in places:
            ends = f"&cursor={at}" if at else ""
            yield Asked(name=f"duplicates {kind.value}, {place}", path=f"/library/duplicates?kind={kind.value}{ends}")
            path = f"/api/library/duplicates?kind={kind.value}{ends}"
            yield Asked(name=f"api duplicates {kind.value}, {place}", path=path)
    yield Asked(
        name="duplicates recording, end",
        path="/library/duplicates?kind=recording&cursor=" + _text_cursor("ff" * 4 + "-ff00-4000-8000-" + "0" * 12),
    )


def _trash() -> Iterator[Asked]:
    from apps.library.models import TrashedFile
    from apps.library.selectors_trash import SHOWN

    held = TrashedFile.objects.filter(state__in=sorted(SHOWN))
    yield from pages_of("trash", "/library/trash", "", held, ("-id",))
    yield from pages_of("api trash", "/api/library/trash", "", held, ("-id",))
    gone = TrashedFile.objects.filter(state__in=("restored", "purged", "failed"))
    yield from pages_of("trash, gone", "/library/trash", "show=gone", gone, ("-id",))
    one = held.order_by("id").values_list("id", flat=True)[0]
    yield Asked(name="api one trashed", path=f"/api/library/trash/{one}")


def _single(variants: int) -> Iterator[Asked]:
    from django.urls import NoReverseMatch, reverse

    from slskdn_site.bench.library_rows import TRACKS, hub_recording, recording

    middle = variants // 2 // TRACKS * TRACKS  # the first of an album has evidence to be drawn
    given: Mapping[str, tuple[str, list[object]]] = {
        "one file": ("library-file", [middle + 1]),
        "one file of many variants": ("library-file", [1]),
        "api one variant": ("api-library-variant", [middle + 1]),
        "api canonical": ("api-library-canonical", [recording(middle)]),
        "api canonical of many variants": ("api-library-canonical", [hub_recording()]),
        "scans": ("library-scans", []),
        "api scans": ("api-library-scans", []),
        "api roots": ("api-library-roots", []),
        "metrics": ("metrics", []),
        "system": ("system", []),
        "system library": ("system-library", []),
    }
    for name, (route, args) in given.items():
        try:
            yield Asked(name=name, path=reverse(route, args=args))
        except NoReverseMatch:
            continue


def _text_cursor(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).rstrip(b"=").decode()
