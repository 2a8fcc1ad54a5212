"""`./slskdn canonical …`: which variant of a recording is the canonical one, and why."""

from __future__ import annotations

import argparse
import dataclasses
import json
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.library.selectors_canonical import CanonicalView, TrackStatsView

SUMMARY = "Which variant of a recording or release is the canonical one, and why."


def register(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    what = "The variants of a recording, or of every track of a release that is held, in canonical order with reasons."
    show = commands.add_parser("show", help=what, description=what)
    show.add_argument("id", help="MusicBrainz id of a recording or release")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(run=_show)


def _show(args: argparse.Namespace) -> int:
    """Exit status 1 when nothing is known."""
    from slskdn_site.cli.main import django_setup

    django_setup()
    from apps.jobs.services import mbid_of
    from apps.library.selectors_canonical import canonical_view, track_stats

    mbid = mbid_of(args.id)
    tracks = track_stats(mbid)
    if tracks:
        return _release(mbid, tracks, as_json=args.json)
    view = canonical_view(mbid)
    if args.json:
        print(json.dumps(view_json(view), default=str))
    elif not view.candidates:
        print("Nothing is held of this id, and no peer tells of it as a recording.")
    else:
        _print_view(view)
    return 0 if view.candidates else 1


def _release(mbid: uuid.UUID, tracks: tuple[TrackStatsView, ...], *, as_json: bool) -> int:
    from apps.library.selectors_canonical import canonical_of

    ranked = canonical_of({one.recording_mbid for one in tracks if one.recording_mbid is not None})
    if as_json:
        rows = []
        for one in tracks:
            best = ranked.get(one.recording_mbid, ()) if one.recording_mbid is not None else ()
            rows.append({**dataclasses.asdict(one), "candidates": [candidate_json(each) for each in best]})
        print(json.dumps({"release_mbid": str(mbid), "tracks": rows}, default=str))
        return 0
    for one in tracks:
        mean = f"{one.mean_score:.2f}" if one.mean_score is not None else "not scored"
        codecs = ", ".join(f"{count} {codec}" for codec, count in one.codecs.items())
        print(
            f"{one.medium}-{one.track:02}  {one.variants} variant(s): {codecs}; mean quality {mean}; {one.suspects} suspect"
        )
        found = ranked.get(one.recording_mbid, ()) if one.recording_mbid is not None else ()
        if found:
            print(f"      {found[0].profile}  {_words(found[0].reasons)}")
    return 0


def _print_view(view: CanonicalView) -> None:
    print(f"recording {view.recording_mbid}{'  (about to be counted again)' if view.stale else ''}")
    for at, one in enumerate(view.candidates):
        place = f"variant {one.variant_id}" if one.variant_id is not None else "not here"
        print(f"{'*' if at == 0 else ' '} {one.profile:<18} {one.score:.2f}  {place:<14} {one.payload_root.hex()[:12]}")
        print(f"    {_words(one.reasons)}")
    if view.stats:
        print("held, by profile:")
    for row in view.stats:
        mean = f"{row.mean_score:.2f}" if row.mean_score is not None else "not scored"
        rates = ", ".join(f"{count} at {bucket}" for bucket, count in row.bitrates.items())
        print(
            f"    {row.profile:<18} {row.variants} variant(s), mean quality {mean}, {row.suspects} suspect; kbit/s: {rates}"
        )


def _words(reasons: object) -> str:
    from apps.common.sentences import sentence

    assert isinstance(reasons, tuple)
    return "; ".join(str(sentence(one.code, one.params)).rstrip(".") for one in reasons)


def candidate_json(one: object) -> dict[str, object]:
    """A candidate as JSON: hashes as hex, ranks left out."""
    from apps.domain.library.canonical import CanonicalCandidate

    assert isinstance(one, CanonicalCandidate)
    fields = dataclasses.asdict(one)
    fields.pop("ranks")
    return {**fields, "payload_root": one.payload_root.hex(), "held": one.held}


def view_json(view: CanonicalView) -> dict[str, object]:
    """A recording as JSON."""
    return {
        "recording_mbid": str(view.recording_mbid),
        "stale": view.stale,
        "candidates": [candidate_json(one) for one in view.candidates],
        "stats": [dataclasses.asdict(row) for row in view.stats],
    }
