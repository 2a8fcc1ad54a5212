"""`./slskdn mb discography ID` and `./slskdn mb coverage ID`: an artist's discography as it is known, with its reasons; and what of it is held."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
import uuid
from typing import TYPE_CHECKING

from apps.domain.errors import DomainError
from slskdn_site.cli import _jobs_trees as trees

if TYPE_CHECKING:
    from apps.domain.catalog.discography import Discography
    from apps.jobs.selectors_coverage import CoverageGroup

_POLL_S = 0.5
_SHARE_S = 5.0
"""How long one list is read before the other has its turn."""


def register(commands: trees.Commands[argparse.ArgumentParser]) -> None:
    """Both commands, below `mb`."""
    what = "An artist's discography: which releases it takes, and why; what it leaves out, and why."
    show = commands.add_parser("discography", help=what, description=what)
    show.add_argument("artist", help="the artist's MusicBrainz id or address")
    trees.filter_options(show)
    show.add_argument("--start", action="store_true", help="ask for it: one job a release, a few at a time")
    show.add_argument("--known", action="store_true", help="what is known now; MusicBrainz is not asked")
    trees.wish_options(show)
    show.set_defaults(run=_discography)
    what = "What of an artist's discography is held, wanted or missing, track by track."
    cover = commands.add_parser("coverage", help=what, description=what)
    cover.add_argument("artist", help="the artist's MusicBrainz id or address")
    trees.filter_options(cover)
    cover.add_argument("--tracks", action="store_true", help="every track")
    cover.add_argument("--known", action="store_true", help="what is known now; MusicBrainz is not asked")
    cover.add_argument("--json", action="store_true", help="print JSON")
    cover.set_defaults(run=_coverage)


def _discography(args: argparse.Namespace) -> int:
    trees.ready()
    if args.start:
        return trees.ask(args, kind="discography", target=trees.id_of(args.artist))
    from apps.jobs.selectors_discography import discography_known

    found = discography_known(_graph(args), trees.selection_of(args))
    if args.limit:
        kept = {one.release.mbid for one in sorted(found.picks, key=lambda one: -one.weight)[: args.limit]}
        found = dataclasses.replace(found, picks=tuple(one for one in found.picks if one.release.mbid in kept))
    if args.json:
        print(json.dumps(_as_json(found), default=str))
        return 0
    for kind, picks in found.by_kind().items():
        print(f"{kind} ({len(picks)})")
        for pick in picks:
            edition = " · ".join(
                word for word in (pick.release.date, pick.release.country, pick.release.format_words) if word
            )
            mark = "*" if pick.recommended else " "
            print(f" {mark} {pick.year or '----'}  {pick.weight:.2f}  {pick.group.facts.title}")
            print(f"              {pick.release.mbid}  {edition}  {pick.release.track_count or '?'} tracks")
            print(f"              {_says(pick.reason)}")
    if not found.picks:
        print("Nothing of it fits this profile and its filters.")
    if found.omitted:
        print(f"Left out ({len(found.omitted)})")
    for left in found.omitted:
        year = left.group.facts.first_release_date[:4] or "----"
        print(f"   {year}  {left.group.facts.title}: {_says(left.code)} [{left.code}]")
    print(
        f"{len(found.picks)} releases, {sum(one.recommended for one in found.picks)} recommended (*). --start asks for them."
    )
    return 0


def _coverage(args: argparse.Namespace) -> int:
    trees.ready()
    from apps.jobs.selectors_coverage import coverage_page

    artist, selection = _graph(args), trees.selection_of(args)
    cursor: str | None = None
    groups: list[CoverageGroup] = []
    while True:
        page = coverage_page(artist, selection, cursor=cursor)
        groups += page.groups
        cursor = page.next_cursor
        if not args.json:
            for group in page.groups:
                _print_group(group, tracks=args.tracks)
        if cursor is None:
            break
    if args.json:
        print(json.dumps([group.as_json() for group in groups], default=str))
    elif not groups:
        print("Nothing of it fits this profile and its filters.")
    return 0


def _print_group(group: CoverageGroup, *, tracks: bool) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in group.counts.items() if count)
    state = group.state.replace("_", " ") + (f" · {counts}" if counts else "")
    print(f"{group.year or '----'}  {group.title} ({group.kind}): {state}")
    if tracks:
        for track in group.tracks:
            print(f"        {track.medium}-{track.position:02}  {track.state:<9} {track.title}")


def _graph(args: argparse.Namespace) -> uuid.UUID:
    """The artist, once their graph is read (here, beside the workers: the rows decide who reads); with --known at once."""
    from apps.catalog.selectors_graph import graph_state, walk_status
    from apps.catalog.services_walk import artist_graph_ask
    from apps.domain.catalog.walks import WalkKind
    from apps.jobs.services import mbid_of
    from workers.composition import musicbrainz
    from workers.walks import walk

    mbid = mbid_of(trees.id_of(args.artist))
    if args.known:
        return mbid
    graph, said = artist_graph_ask(mbid), ""
    while graph.state == "walking":
        line = f"{graph.groups_taken}/{graph.groups_total or '?'} groups, "
        line += f"{graph.releases_taken}/{graph.releases_total or '?'} releases  {_says(graph.code, **graph.params)}"
        if line != said:
            print(line.rstrip(), file=sys.stderr, flush=True)
            said = line
        for kind in (WalkKind.ARTIST_GROUPS, WalkKind.ARTIST_RELEASES):
            if (one := walk_status(kind, graph.mbid)) is not None:
                walk(one.id, musicbrainz=musicbrainz(), clock=time.monotonic, budget_s=_SHARE_S)
        graph = graph_state(mbid)
        if graph.state == "walking":
            time.sleep(_POLL_S)
    if graph.state == "failed":
        raise DomainError(_says(graph.code, **graph.params), code=graph.code)
    return mbid


def _says(code: str, **params: object) -> str:
    from apps.common.sentences import message_of

    return message_of(code, params) if code else ""


def _as_json(found: Discography) -> dict[str, object]:
    return {
        "profile": found.profile.value,
        "picks": [
            {
                "release_mbid": pick.release.mbid,
                "group_mbid": pick.group.facts.mbid,
                "title": pick.group.facts.title,
                "year": pick.year,
                "type": pick.kind,
                "weight": pick.weight,
                "recommended": pick.recommended,
                "editions": pick.editions,
                "reason": pick.reason,
                "held": pick.held,
                "date": pick.release.date,
                "country": pick.release.country,
                "format": pick.release.format_words,
                "track_count": pick.release.track_count,
            }
            for pick in found.picks
        ],
        "omitted": [
            {"group_mbid": left.group.facts.mbid, "title": left.group.facts.title, "code": left.code}
            for left in found.omitted
        ],
    }
