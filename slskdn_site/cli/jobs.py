"""`./slskdn jobs …`: ask for music by MBID, look at jobs, steer them. The same services as the API; the platform must run for work to happen."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from apps.domain.errors import DomainError
from slskdn_site.cli import _jobs_trees, _manifests

if TYPE_CHECKING:
    from apps.jobs.selectors import JobTree, TrackView
    from apps.jobs.selectors_tree import TreeFigures

SUMMARY = "Ask for releases and recordings by MBID; list, show, pause, resume, cancel and retry jobs; export, import, restore them."
_POLL_S = 1.0
STATES = ("pending", "resolving", "running", "paused", "completed", "partial", "failed", "cancelled")
KINDS = ("mb_release", "recording", "discography", "label_crate")
_NO_JOBS = "No jobs yet. `./slskdn jobs add-release MBID` asks for one."


def register(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, kind, what in (
        ("add-release", "mb_release", "Ask for a release (an edition of an album)."),
        ("add-recording", "recording", "Ask for one recording."),
    ):
        add = commands.add_parser(name, help=what, description=what)
        add.add_argument("mbid", help="its MusicBrainz id")
        add.add_argument("--lossless", action="store_true", help="lossless payloads only")
        add.add_argument("--max-lossy", type=int, metavar="N", help="at most N lossy tracks on the album")
        add.add_argument("--prefer", metavar="CODECS", help="preferred codecs, best first, such as flac,opus")
        add.add_argument("--kbps", type=int, metavar="N", help="at most N KiB/s over all tracks and peers")
        add.add_argument("--target-dir", metavar="DIR", help="folder below the library root")
        add.add_argument(
            "--mode",
            choices=("any", "canonical", "no-transcodes"),
            default="any",
            help="no-transcodes: nothing suspected to be one; canonical: besides, only the canonical variant or better",
        )
        add.add_argument(
            "--original-master", action="store_true", help="prefer the earliest edition, where that is known"
        )
        add.add_argument("--redownload", action="store_true", help="fetch although the library holds a good file")
        add.add_argument("--better-than", type=float, metavar="Q", help="only what beats this quality (0 to 1)")
        if kind == "mb_release":
            add.add_argument(
                "--track", action="append", default=[], metavar="[DISC-]N", help="only this track; may be given again"
            )
        add.add_argument("--key", help="idempotency key: the same key and request give the same job")
        add.add_argument("--wait", action="store_true", help="wait for the end; exit status 0 only if completed")
        add.add_argument("--json", action="store_true", help="print JSON")
        add.set_defaults(run=_add, kind=kind)
    _jobs_trees.register(commands)
    listing = commands.add_parser("list", help="The newest jobs.", description="The newest jobs.")
    listing.add_argument("--limit", type=int, default=20)
    listing.add_argument("--state", action="append", default=[], choices=STATES, help="only this; may be given again")
    listing.add_argument("--kind", action="append", default=[], choices=KINDS, help="only this; may be given again")
    listing.add_argument("--code", default="", help="only jobs that show this code")
    listing.add_argument("--text", default="", help="part of title or artist")
    listing.add_argument("--parent", metavar="ID", help="the children of this job")
    listing.add_argument("--children", action="store_true", help="children of other jobs stand in the list too")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(run=_list)
    show = commands.add_parser("show", help="One job with its tracks.", description="One job with its tracks.")
    show.add_argument("id")
    show.add_argument("--wait", action="store_true", help="wait for the end; exit status 0 only if completed")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(run=_show)
    _manifests.register(commands)
    for action, what in (
        ("pause", "Hold a job; what was fetched stays."),
        ("resume", "Go on with a paused job."),
        ("cancel", "End a job; finished files stay."),
        ("retry", "Try again what failed or was cancelled."),
    ):
        steer = commands.add_parser(action, help=what, description=what)
        steer.add_argument("id")
        steer.set_defaults(run=_steer, action=action)


def _ready() -> None:
    from slskdn_site.cli.main import django_setup

    django_setup()
    import slskdn_site.celery  # noqa: F401  (tasks are sent through its broker)


def _add(args: argparse.Namespace) -> int:
    _ready()
    from apps.jobs.services import job_create

    wishes: dict[str, object] = {"allow_lossy": not args.lossless, "target_dir": args.target_dir}
    wishes |= {"download_mode": args.mode, "redownload": args.redownload, "better_than": args.better_than}
    if args.original_master:
        wishes["original_master"] = True
    if args.prefer is not None:
        wishes["preferred_codecs"] = [codec.strip() for codec in args.prefer.split(",")]
    if args.kbps is not None:
        wishes["overlay_bandwidth_kbps"] = args.kbps
    if args.max_lossy is not None:
        wishes["max_lossy_tracks_per_album"] = args.max_lossy
    if getattr(args, "track", None):
        wishes["tracks"] = [_track_ref(text) for text in args.track]
    made = job_create(kind=args.kind, target_mbid=args.mbid, constraints=wishes, idempotency_key=args.key)
    if args.wait:
        return _wait(made.id, as_json=args.json)
    if args.json:
        print(json.dumps({"id": str(made.id), "created": made.created}))
    else:
        print(made.id)
    return 0


def _list(args: argparse.Namespace) -> int:
    _ready()
    from apps.domain.jobs.lifecycle import JobState
    from apps.jobs.selectors_list import JobFilter, job_page

    wanted = JobFilter(
        states=frozenset(JobState(state) for state in args.state),
        kinds=frozenset(args.kind),
        reason=args.code,
        text=args.text,
        parent=_job_id(args.parent) if args.parent else None,
        children=args.children,
    )
    page = job_page(wanted, limit=args.limit)
    if args.json:
        print(json.dumps([dataclasses.asdict(row) for row in page.items], default=str))
        return 0
    for row in page.items:
        name = " – ".join(part for part in (row.artist, row.title) if part) or str(row.target_mbid)
        print(f"{row.id}  {row.state:<10} {row.tracks_completed}/{row.tracks_total:<4} {name}")
        if row.figures:
            print(f"{'':38}{row.kind}: {_figures(row.figures)}")
        if row.code:
            print(f"{'':38}{row.sentence} [{row.code}]")
    if not page.items:
        print("No such jobs." if wanted != JobFilter() else _NO_JOBS)
    return 0


def _figures(figures: TreeFigures) -> str:
    parts = [
        f"{figures.releases_completed}/{figures.releases_total} releases",
        f"{figures.tracks_completed}/{figures.tracks_total} tracks",
    ]
    beside = {"not whole": figures.releases_failed, "held": figures.releases_held, "left out": figures.releases_omitted}
    return ", ".join([*parts, *(f"{count} {word}" for word, count in beside.items() if count)])


def _show(args: argparse.Namespace) -> int:
    _ready()
    job_id = _job_id(args.id)
    if args.wait:
        return _wait(job_id, as_json=args.json)
    _print_tree(_tree(job_id), as_json=args.json)
    return 0


def _steer(args: argparse.Namespace) -> int:
    _ready()
    from apps.domain.jobs.lifecycle import JobState
    from apps.jobs import services

    actions: dict[str, Callable[[uuid.UUID], JobState]] = {
        "pause": services.job_pause,
        "resume": services.job_resume,
        "cancel": services.job_cancel,
        "retry": services.job_retry,
    }
    print(actions[args.action](_job_id(args.id)).value)
    return 0


def _wait(job_id: uuid.UUID, *, as_json: bool) -> int:
    """Until the job has ended; progress goes to standard error, a line whenever it says something new."""
    from apps.domain.jobs.lifecycle import JobState

    said = ""
    while True:
        tree = _tree(job_id)
        if (line := _summary(tree)) != said:
            print(line, file=sys.stderr, flush=True)
            said = line
        if tree.ended:
            _print_tree(tree, as_json=as_json)
            return 0 if tree.state is JobState.COMPLETED else 1
        time.sleep(_POLL_S)


def _tree(job_id: uuid.UUID) -> JobTree:
    from apps.jobs.selectors import job_tree

    tree = job_tree(job_id)
    if tree is None:
        raise DomainError("There is no such job.", code="job_unknown", job=str(job_id))
    return tree


def _job_id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise DomainError("This is not a job's id; `./slskdn jobs list` shows them.", code="job_unknown") from error


def _track_ref(text: str) -> dict[str, object]:
    disc, _, position = text.rpartition("-")
    if not position.isdecimal() or (disc and not disc.isdecimal()):
        raise DomainError("A track is a number, or disc-number such as 2-5.", code="constraints_invalid", key="tracks")
    return {"medium": int(disc or 1), "position": int(position)}


def _summary(tree: JobTree) -> str:
    if tree.figures:
        line = f"{tree.state.value}: {_figures(tree.figures)}"
        return f"{line}. {tree.sentence} [{tree.code}]" if tree.code else line
    percent = 100 * tree.verified_bytes // tree.payload_bytes if tree.payload_bytes else 0
    line = f"{tree.state.value}: {tree.tracks_completed} of {len(tree.tracks)} tracks, {percent} % of the bytes found"
    return f"{line}. {tree.sentence} [{tree.code}]" if tree.code else line


def _print_tree(tree: JobTree, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(dataclasses.asdict(tree), default=str))
        return
    year = f" ({tree.year})" if tree.year else ""
    print(" – ".join(filter(None, (tree.artist, tree.title))) + year if tree.title else str(tree.target_mbid))
    print(f"{tree.id}  {_summary(tree)}")
    if tree.plan_code:
        print(f"  {_plan_says(tree)} [{tree.plan_code}]")
    if tree.parent:
        print(f"  of {tree.parent.kind} {tree.parent.id} {tree.parent.title or tree.parent.artist}")
    for track in tree.tracks:
        _print_track(track)
    if tree.figures:
        _print_releases(tree.id)


def _plan_says(tree: JobTree) -> str:
    from apps.common.sentences import message_of

    return message_of(tree.plan_code, tree.plan_params)


def _print_releases(job_id: uuid.UUID) -> None:
    from apps.common.sentences import sentence
    from apps.jobs.selectors_tree import planned_page

    page = planned_page(job_id, limit=200)
    for one in page.items:
        said = sentence(one.child_code, one.child_params) if one.child_code else sentence(one.reason)
        year = f" ({one.year})" if one.year else ""
        print(f"  {one.child_state or one.state:<12} {one.title}{year}  {one.child_id or one.other_id or ''}")
        if said.what:
            print(f"               {said}")
    if page.next_cursor:
        print(f"  … the rest: ./slskdn jobs list --parent {job_id}, or GET /api/jobs/{job_id}/releases")


def _print_track(track: TrackView) -> None:
    print(f"  {track.medium}-{track.position:02}  {track.state.value:<12} {track.title}")
    if track.placed_path:
        print(f"        {track.placed_path} ({track.verification})")
    if track.sentence:
        print(f"        {track.sentence}")
    for source in track.sources:
        bad = f", {source.bad_leaves} bad leaves" if source.bad_leaves else ""
        print(f"        {source.plane} {source.peer[:16]}: {source.verified_bytes} bytes, {source.share:.0%}{bad}")
    for refused in track.rejected:
        print(f"        refused {refused.payload_root[:12]}: {refused.sentence}")
