"""`./slskdn transfers …`: what this node serves, and how fast anything may go. The same services as the API."""

from __future__ import annotations

import argparse
import dataclasses
import json
import uuid

from apps.domain.errors import DomainError
from slskdn_site.cli._answers import answer_print, clean, paged
from slskdn_site.cli.main import django_setup

SUMMARY = "What is served to other nodes now; downloads that do badly, and how the mesh rescues them; rate limits for the node, a peer or a job, changed while it runs."


class LimitTargetInvalid(DomainError):
    """A limit's target that is neither global, nor peer:ID, nor job:ID."""

    default_code = "rate_limit_invalid"


def register(parser: argparse.ArgumentParser) -> None:
    """uploads; limits show, set, clear; each with --json."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    words = "What other nodes fetch from this one, as of its last heartbeat."
    served = commands.add_parser("uploads", help=words, description=words)
    served.add_argument("--json", action="store_true", help="one JSON object instead of text")
    served.set_defaults(run=uploads)
    words = "Downloads from Soulseek that do badly, and why; the longest so first."
    badly = commands.add_parser("underperforming", help=words, description=words)
    badly.add_argument("--json", action="store_true", help="one JSON object instead of text")
    badly.set_defaults(run=underperforming)
    words = "Rescues: what the mesh gave to downloads that did badly, and why it was not let help; newest first."
    helped = commands.add_parser("rescues", help=words, description=words)
    states = ("live", "looking", "active", "recovered", "finished", "refused", "no_source", "ended")
    helped.add_argument("--state", choices=states, default="", help="only these")
    helped.add_argument("--job", default=None, metavar="ID", help="of this job only")
    paged(helped)
    helped.add_argument("--json", action="store_true", help="one JSON object instead of text")
    helped.set_defaults(run=rescues)
    words = "Rate limits: those that are set, and those that are configured."
    limits = commands.add_parser("limits", help=words, description=words)
    limits.add_argument("--json", action="store_true", help="one JSON object instead of text")
    limits.set_defaults(run=limits_show)
    actions = limits.add_subparsers(metavar="ACTION")
    for name, run, words in (
        ("show", limits_show, "All limits."),
        ("set", limits_set, "Set a limit; in force within a second."),
        ("clear", limits_clear, "Back to what is configured."),
    ):
        action = actions.add_parser(name, help=words, description=words)
        if name != "show":
            action.add_argument("target", help="global, peer:ID or job:ID")
            action.add_argument("direction", choices=("up", "down"), help="seen from this node")
        if name == "set":
            action.add_argument("kbps", type=int, help="KiB/s; 0 = no limit, whatever is configured")
        action.add_argument("--json", action="store_true", help="one JSON object instead of text")
        action.set_defaults(run=run)


def uploads(args: argparse.Namespace) -> int:
    """What is served; exit status 1 when the node is not alive."""
    django_setup()
    from apps.transfers.selectors_limits import uploads_now

    view = uploads_now()
    answer = dataclasses.asdict(view)
    answer["beat_at"] = view.beat_at.isoformat(timespec="seconds") if view.beat_at is not None else None
    lines = [
        f"{view.served} of {view.slots} slots, {view.waiting} peers wait, {view.queued} requests queued, {_speed(view.rate_bps)}."
    ]
    lines += [
        f"{clean(one.peer)[:16]:16}  {clean(one.state):9}  sent {one.sent_bytes:>14}  queued {one.queued:>3}  {_speed(one.peer_bps)}"
        for one in view.uploads
    ]
    if not view.alive:
        lines = ["The node gives no sign of life."]
    answer_print(args, answer, lines)
    return 0 if view.alive else 1


def underperforming(args: argparse.Namespace) -> int:
    """What does badly; exit status 0 also when nothing does."""
    django_setup()
    from apps.soulseek.selectors_download import underperforming as found
    from slskdn_site.cli.downloads import facts, line

    rows = found()
    lines = [f"{line(row)}  since {row.trouble_since:%Y-%m-%d %H:%M:%S} UTC" for row in rows]
    return answer_print(args, {"items": [facts(row) for row in rows]}, lines or ["Every download does well enough."])


def rescues(args: argparse.Namespace) -> int:
    """A page of rescues; exit status 0 also when there are none."""
    django_setup()
    from apps.common.sentences import message_of
    from apps.soulseek.selectors_rescues import rescue_page

    try:
        job_id = uuid.UUID(args.job) if args.job else None
    except ValueError as error:
        raise DomainError("That is no job's id.", code="job_unknown") from error
    page = rescue_page(state=args.state, job_id=job_id, cursor=args.cursor, limit=max(1, min(args.limit, 200)))
    items = []
    lines = []
    for row in page.items:
        says = message_of(row.code, row.params, fallback=row.code) if row.code else ""
        items.append({**dataclasses.asdict(row), "says": says})
        lines.append(
            f"{row.started_at:%Y-%m-%d %H:%M:%S}  {row.state.value:9}  {row.trouble:15}  mesh {row.overlay_bytes:>11}  "
            f"Soulseek {row.soulseek_bytes:>11}  {clean(row.user)}: {clean(row.name)}  {says}"
        )
    if page.next_cursor:
        lines.append(f"More: --cursor {page.next_cursor}")
    answer = json.loads(json.dumps({"items": items, "next": page.next_cursor}, default=str))
    return answer_print(args, answer, lines or ["Nothing was to be rescued."])


def limits_show(args: argparse.Namespace) -> int:
    """All limits."""
    django_setup()
    from apps.transfers.selectors_limits import rate_limit_defaults, rate_limit_list

    rows, defaults = rate_limit_list(), rate_limit_defaults()
    answer = {
        "items": [
            {
                "scope": row.scope,
                "key": row.key,
                "direction": row.direction,
                "kbps": row.kbps,
                "set_by": row.set_by,
                "set_at": row.set_at.isoformat(timespec="seconds") if row.set_at is not None else None,
            }
            for row in rows
        ],
        "defaults": [{"scope": row.scope, "direction": row.direction, "kbps": row.kbps} for row in defaults],
    }
    lines = [f"{_target(row.scope, row.key):58}  {row.direction:4}  {_kbps(row.kbps):>14}  set" for row in rows]
    lines += [
        f"{'each peer' if row.scope == 'peer' else 'global':58}  {row.direction:4}  {_kbps(row.kbps):>14}  configured"
        for row in defaults
    ]
    return answer_print(args, answer, lines)


def limits_set(args: argparse.Namespace) -> int:
    """Set one."""
    django_setup()
    from apps.transfers.services_limits import rate_limit_set

    scope, key = _of(args.target)
    created = rate_limit_set(scope, key, args.direction, kbps=args.kbps)
    answer = {"scope": scope, "key": key, "direction": args.direction, "kbps": args.kbps, "created": created}
    return answer_print(args, answer, [f"{_target(scope, key)}, {args.direction}: {_kbps(args.kbps)}."])


def limits_clear(args: argparse.Namespace) -> int:
    """Clear one; 0 also when none was set."""
    django_setup()
    from apps.transfers.services_limits import rate_limit_clear

    scope, key = _of(args.target)
    cleared = rate_limit_clear(scope, key, args.direction)
    answer = {"scope": scope, "key": key, "direction": args.direction, "cleared": cleared}
    words = "what is configured holds again" if cleared else "no limit was set"
    return answer_print(args, answer, [f"{_target(scope, key)}, {args.direction}: {words}."])


def _of(text: str) -> tuple[str, str]:
    """Scope and key of `global`, `peer:ID`, `job:ID`."""
    scope, _, key = text.partition(":")
    if scope not in {"global", "peer", "job"} or (scope == "global" and text != "global"):
        raise LimitTargetInvalid("A limit is for global, peer:ID or job:ID.", field="target")
    return scope, key


def _target(scope: str, key: str) -> str:
    return f"{scope}:{clean(key)}" if key else scope


def _kbps(value: int) -> str:
    return f"{value} KiB/s" if value else "no limit"


def _speed(bps: int) -> str:
    return f"{bps / 1024:.0f} KiB/s"
