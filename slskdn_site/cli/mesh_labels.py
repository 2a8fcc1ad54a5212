"""`./slskdn mesh labels`: record labels as neighbours' releases show them, or one label's releases. Registered by `mesh`."""

from __future__ import annotations

import argparse
import json
import uuid
from typing import TYPE_CHECKING

from apps.domain.errors import DomainError
from slskdn_site.cli._answers import clean

if TYPE_CHECKING:
    from apps.jobs.selectors_labels import LabelView
    from apps.mesh.selectors_labels import LabelRow

SUMMARY = (
    "Labels in the mesh by popularity, with releases, artists and peers; or one label's releases. Never sent to anyone."
)
MAX_SHOWN = 200


class LabelUnclear(DomainError):
    """Words that name no label, or several."""

    default_code = "label_not_heard"


def register(command: argparse.ArgumentParser) -> None:
    """[LABEL] --search --min-releases --codec --studio --limit --cursor, --json."""
    command.add_argument(
        "label", nargs="?", default="", help="an MBID, a key of the list, or a name: that label's releases"
    )
    command.add_argument("--search", default="", metavar="WORDS", help="only labels with these words in their names")
    command.add_argument("--min-releases", type=int, default=0, metavar="N", help="only labels with N releases or more")
    command.add_argument(
        "--codec", default="", help="of one label: only what peers have in it (flac, mp3, …, lossless)"
    )
    command.add_argument("--studio", action="store_true", help="of one label: studio albums only")
    command.add_argument("--limit", type=int, default=50, help=f"how many (default 50, at most {MAX_SHOWN})")
    command.add_argument("--cursor", default=None, help="the next page, as --json gave it")
    command.add_argument("--json", action="store_true", help="one JSON object instead of text")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print them; 0 also when there are none."""
    from slskdn_site.cli.main import django_setup

    django_setup()
    args.limit = max(1, min(args.limit, MAX_SHOWN))
    return _one(args) if args.label else _list(args)


def _list(args: argparse.Namespace) -> int:
    from apps.common.pagination import keyset_page
    from apps.mesh.selectors_labels import LABEL_ORDER, label_query, label_rows, label_totals

    rows = label_query(search=args.search, min_releases=args.min_releases)
    page = keyset_page(rows, order=LABEL_ORDER, cursor=args.cursor, limit=args.limit)
    labels, totals = label_rows(page.items), label_totals()
    if args.json:
        answer = {
            "labels": [_figures(row) for row in labels],
            "next": page.next_cursor,
            "totals": {"labels": totals.labels, "releases": totals.releases, "peers": totals.peers},
        }
        print(json.dumps(answer))
        return 0
    if not labels:
        print(
            "No neighbour was heard to have anything of such a label." if args.search else "No label was heard of yet."
        )
        return 0
    print(f"{'popularity':>10}  {'releases':>8}  {'artists':>7}  {'peers':>5}  label")
    for row in labels:
        print(f"{row.popularity:>10.2f}  {row.releases:>8}  {row.artists:>7}  {row.peers:>5}  {clean(row.name)[:80]}")
    print(
        f"Labels: {totals.labels}, releases: {totals.releases}, peers: {totals.peers}; counted here only, never sent."
    )
    return 0


def _one(args: argparse.Namespace) -> int:
    from apps.jobs.selectors_labels import label_view

    found = label_view(_key(args.label), limit=args.limit, codec=args.codec.lower(), studio_only=args.studio)
    if args.json:
        print(json.dumps(_told(found)))
        return 0
    name = clean(found.name) or str(found.key)
    if found.source == "nothing":
        print(f"{name}: the mesh knows nothing of this label, and MusicBrainz was not asked for its releases yet.")
        return 0
    if found.figures is not None:
        row = found.figures
        print(
            f"{name}: popularity {row.popularity:.2f}, {row.releases} releases, {row.artists} artists, {row.peers} peers."
        )
    else:
        print(f"{name}: the mesh knows nothing of this label; these are its releases by MusicBrainz, the newest first.")
    for line in found.releases:
        words = f"{clean(line.artist)} – {clean(line.title)}" if line.title else str(line.release_mbid)
        seen = f"{line.popularity:6.2f}  {line.peers:>3} peers  " if found.figures is not None else ""
        quality = f"  quality {line.quality:.2f}" if line.quality is not None else ""
        print(f"  {seen}{words[:80]}  {line.year}  {clean(line.kind)}{quality}")
    if found.total > len(found.releases):
        print(f"  … and {found.total - len(found.releases)} more.")
    return 0


def _key(words: str) -> uuid.UUID:
    """The key that somebody means: as it stands, else the one label of that name."""
    from apps.catalog.selectors_labels import labels_named
    from apps.domain.mesh.labels import search_form
    from apps.mesh.selectors_labels import label_query

    try:
        return uuid.UUID(words)
    except ValueError:
        pass
    wanted = search_form(words)
    heard = {row.label_key for row in label_query(search=words)[:MAX_SHOWN] if row.name_search == wanted}
    found = heard or {one.mbid for one in labels_named(words)}
    if len(found) > 1:
        raise LabelUnclear(
            f"Several labels are called {clean(words)[:60]}: say which by its MBID.",
            code="label_ambiguous", name=words[:200], count=len(found),
        )  # fmt: skip
    if not found:
        raise LabelUnclear(f"No label called {clean(words)[:60]} is known here.", name=words[:200])
    return found.pop()


def _figures(row: LabelRow) -> dict[str, object]:
    return {
        "key": str(row.key),
        "mbid": str(row.label_mbid) if row.label_mbid else None,
        "name": row.name,
        "releases": row.releases,
        "artists": row.artists,
        "peers": row.peers,
        "popularity": round(row.popularity, 4),
        "heard_at": row.heard_at.isoformat(timespec="seconds") if row.heard_at else None,
    }


def _told(found: LabelView) -> dict[str, object]:
    return {
        "key": str(found.key),
        "mbid": str(found.label_mbid) if found.label_mbid else None,
        "name": found.name,
        "releases_from": found.source,
        "figures": _figures(found.figures) if found.figures else None,
        "total": found.total,
        "releases": [
            {
                "release": str(line.release_mbid),
                "title": line.title,
                "artist": line.artist,
                "year": line.year,
                "kind": line.kind,
                "peers": line.peers,
                "popularity": round(line.popularity, 4),
                "quality": line.quality,
                "profiles": list(line.profiles),
            }
            for line in found.releases
        ],
    }
