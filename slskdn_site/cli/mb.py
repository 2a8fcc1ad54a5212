"""`./slskdn mb …`: artists, labels and releases as MusicBrainz tells them, fetched into the catalog and shown."""

from __future__ import annotations

import argparse
import json
import sys
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from slskdn_site.cli import _mb_discography

if TYPE_CHECKING:
    from apps.domain.catalog.walks import GraphState, WalkStatus

SUMMARY = "MusicBrainz: fetch an artist's graph, ask for something again, show what is being read."
KINDS = ("artist", "label", "release-group", "release", "recording")
POLL_S = 0.5


def register(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    what = "Fetch an artist's release groups and releases (kept for 30 days), and count them by type."
    graph = commands.add_parser("artist-graph", help=what, description=what)
    graph.add_argument("id", metavar="ID", help="MBID or MusicBrainz address of an artist")
    graph.add_argument("--wait", action="store_true", help="read on here until all is read, with progress")
    graph.add_argument("--refresh", action="store_true", help="ask again, however fresh it is")
    graph.add_argument("--json", action="store_true", help="print JSON")
    graph.set_defaults(run=_artist_graph)
    what = "Ask MusicBrainz for one thing again, however fresh it is."
    refresh = commands.add_parser("refresh", help=what, description=what)
    refresh.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    refresh.add_argument("id", metavar="ID", help="MBID or MusicBrainz address")
    refresh.add_argument("--wait", action="store_true", help="read on here until all is read, with progress")
    refresh.add_argument("--json", action="store_true", help="print JSON")
    refresh.set_defaults(run=_refresh)
    what = "Lists of MusicBrainz that are being read, or were."
    walks = commands.add_parser("walks", help=what, description=what)
    walks.add_argument("--open", action="store_true", help="only those that are not at their end")
    walks.add_argument("--limit", type=int, default=50, metavar="N")
    walks.add_argument("--json", action="store_true", help="print JSON, a line a list")
    walks.set_defaults(run=_walks)
    _mb_discography.register(commands)


def _ready() -> None:
    from slskdn_site.cli.main import django_setup

    django_setup()


def _artist_graph(args: argparse.Namespace) -> int:
    """Exit status 1 if it can't be read."""
    _ready()
    from apps.catalog.services_walk import artist_graph_ask

    mbid = _mbid(args.id)
    state = artist_graph_ask(mbid, refresh=args.refresh)
    if args.wait:
        state = _wait(_Graph("artist", state.mbid), quiet=args.json)
    return _show_graph("artist", state, as_json=args.json)


def _refresh(args: argparse.Namespace) -> int:
    """Exit status 1 if it can't be read."""
    _ready()
    from apps.catalog.services_walk import artist_graph_ask, group_graph_ask, label_graph_ask

    mbid = _mbid(args.id)
    if args.kind in ("release", "recording"):
        return _refresh_one(args.kind, mbid, as_json=args.json)
    kind: GraphKind = "artist" if args.kind == "artist" else "label" if args.kind == "label" else "group"
    ask = {"artist": artist_graph_ask, "label": label_graph_ask, "group": group_graph_ask}[kind]
    state = ask(mbid, refresh=True)
    if args.wait:
        state = _wait(_Graph(kind, state.mbid), quiet=args.json)
    return _show_graph(kind, state, as_json=args.json)


def _refresh_one(kind: str, mbid: uuid.UUID, *, as_json: bool) -> int:
    from apps.catalog.services import recording_store, release_store
    from workers.composition import musicbrainz

    if kind == "release":
        release = musicbrainz().release(mbid)
        release_store(release, asked_for=mbid)
        now_is, title, credit = release.mbid, release.title, release.artist_credit
    else:
        recording, _ = musicbrainz().recording(mbid)
        recording_store(recording, asked_for=mbid)
        now_is, title, credit = recording.mbid, recording.title, recording.artist_credit
    told = {"kind": kind, "mbid": str(now_is), "asked_for": str(mbid), "title": title, "artist": credit}
    print(json.dumps(told) if as_json else f"{credit} - {title}  {now_is}")
    return 0


def _walks(args: argparse.Namespace) -> int:
    _ready()
    from apps.catalog.selectors_graph import walk_list
    from apps.common.sentences import message_of

    for one in walk_list(limit=max(1, args.limit), open_only=args.open):
        if args.json:
            print(json.dumps(_walk_json(one)))
            continue
        total = "?" if one.total is None else one.total
        why = f"  {message_of(one.code, one.params)}" if one.code else ""
        unread = f"  {one.unreadable} unreadable" if one.unreadable else ""
        print(f"{one.state:<8} {one.kind:<16} {one.mbid}  {one.taken}/{total}{unread}{why}")
    return 0


GraphKind = Literal["artist", "label", "group"]


@dataclass(frozen=True, slots=True)
class _Graph:
    """A graph that is waited for."""

    kind: GraphKind
    mbid: uuid.UUID

    def state(self) -> GraphState:
        from apps.catalog.selectors_graph import graph_state, group_state, label_state

        return {"artist": graph_state, "label": label_state, "group": group_state}[self.kind](self.mbid)

    def walks(self) -> tuple[WalkStatus, ...]:
        from apps.catalog.selectors_graph import walk_status
        from apps.domain.catalog.walks import WalkKind

        kinds = {
            "artist": (WalkKind.ARTIST_GROUPS, WalkKind.ARTIST_RELEASES),
            "label": (WalkKind.LABEL_RELEASES,),
            "group": (WalkKind.GROUP_RELEASES,),
        }[self.kind]
        found = (walk_status(kind, self.mbid) for kind in kinds)
        return tuple(one for one in found if one is not None)


def _wait(graph: _Graph, *, quiet: bool) -> GraphState:
    """Read on in this process as a worker would, beside those that run: the rows decide who reads."""
    from apps.common.sentences import message_of
    from workers.composition import musicbrainz
    from workers.walks import walk

    shown = ""
    while (state := graph.state()).state == "walking":
        for one in graph.walks():
            walk(one.id, musicbrainz=musicbrainz(), clock=time.monotonic, budget_s=5.0)
        state = graph.state()
        line = _progress(state) + (f"  {message_of(state.code, state.params)}" if state.code else "")
        if not quiet and line != shown:
            print(line, file=sys.stderr)
            shown = line
        if state.state == "walking":
            time.sleep(POLL_S)
    return state


def _progress(state: GraphState) -> str:
    def of(taken: int, total: int | None) -> str:
        return f"{taken}/{'?' if total is None else total}"

    groups = f"{of(state.groups_taken, state.groups_total)} groups, " if state.groups_total is not None else ""
    return f"{groups}{of(state.releases_taken, state.releases_total)} releases"


def _show_graph(kind: GraphKind, state: GraphState, *, as_json: bool) -> int:
    from apps.catalog.selectors_graph import artist_detail, counts_by_type, group_detail, label_detail
    from apps.common.sentences import message_of

    counts = counts_by_type(state.mbid) if kind == "artist" else {}
    match kind:
        case "artist":
            artist = artist_detail(state.mbid)
            name = artist.name if artist else ""
        case "label":
            label = label_detail(state.mbid)
            name = label.name if label else ""
        case "group":
            group = group_detail(state.mbid)
            name = group.facts.title if group else ""
    if as_json:
        told = {
            "kind": kind,
            "mbid": str(state.mbid),
            "name": name,
            "state": state.state,
            "code": state.code,
            "params": dict(state.params),
            "groups": {"taken": state.groups_taken, "total": state.groups_total},
            "releases": {"taken": state.releases_taken, "total": state.releases_total},
            "unreadable": state.unreadable,
            "by_type": {one: {"groups": some[0], "releases": some[1]} for one, some in counts.items()},
            "source": "musicbrainz",
            "fetched_at": state.fetched_at.isoformat() if state.fetched_at else None,
        }
        print(json.dumps(told))
        return 1 if state.state == "failed" else 0
    print(f"{name or state.mbid}  [{state.state}]  {_progress(state)}")
    if state.code:
        print(message_of(state.code, state.params))
    if state.unreadable:
        print(f"{state.unreadable} entries could not be read.")
    for one, (groups, releases) in counts.items():
        print(f"  {one:<28} {groups:>5} groups  {releases:>5} releases")
    if state.state == "walking":
        print("A worker reads on; `--wait` reads on here, `mb walks` shows how far it is.", file=sys.stderr)
    if state.fetched_at:
        print(f"From MusicBrainz, {state.fetched_at:%Y-%m-%d %H:%M} UTC.")
    return 1 if state.state == "failed" else 0


def _walk_json(one: WalkStatus) -> dict[str, object]:
    return {
        "id": one.id,
        "kind": one.kind.value,
        "mbid": str(one.mbid),
        "state": one.state.value,
        "taken": one.taken,
        "total": one.total,
        "unreadable": one.unreadable,
        "code": one.code,
        "params": dict(one.params),
        "fresh": one.fresh,
        "read_at": one.read_at.isoformat() if one.read_at else None,
    }


def _mbid(text: str) -> uuid.UUID:
    """An MBID, alone or as the last part of a MusicBrainz address. Raises DomainError `mbid_invalid`."""
    from apps.jobs.services import mbid_of

    return mbid_of(text.split("?", maxsplit=1)[0].split("#", maxsplit=1)[0].rstrip("/").rsplit("/", 1)[-1])
