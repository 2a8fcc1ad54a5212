"""`./slskdn debug …`: what happened in a job's swarm, from its trace. Works without a running platform: it reads rows and files."""

from __future__ import annotations

import argparse
import json
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from apps.domain.errors import DomainError
from slskdn_site.cli._answers import clean
from slskdn_site.cli.main import django_setup

if TYPE_CHECKING:
    from datetime import datetime

    from apps.domain.swarm.trace import TraceEvent
    from apps.domain.swarm.trace_summary import PeerShare, Summary
    from apps.jobs.traces import JobTrace

SUMMARY = "What happened in a job's swarm: its trace, event by event or in a page."
_BLOCKS = " ▁▂▃▄▅▆▇█"


def register(parser: argparse.ArgumentParser) -> None:
    """job-trace, job-summary, track-summary, tracing."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    trace = commands.add_parser(
        "job-trace",
        help="Every event of a job's trace, in order.",
        description="Every event of a job's trace, in order. --json prints one JSON object a line.",
    )
    trace.add_argument("id", help="the job's id")
    trace.add_argument(
        "--filter",
        action="append",
        default=[],
        metavar="KEY=VALUE,…",
        help="only events with action, peer, track, transfer, source or code so; ids by their beginning; a key that comes again adds a value",
    )
    trace.add_argument("--limit", type=int, metavar="N", help="the last N of them")
    trace.add_argument("--json", action="store_true", help="one JSON object a line")
    trace.set_defaults(run=_trace)
    job = commands.add_parser("job-summary", help="A job's trace in a page.", description="A job's trace in a page.")
    job.add_argument("id", help="the job's id")
    job.add_argument("--json", action="store_true", help="print JSON")
    job.set_defaults(run=_job)
    track = commands.add_parser("track-summary", help="One track of it.", description="One track of a job's trace.")
    track.add_argument("id", help="the job's id")
    track.add_argument("track", metavar="TRACK", help="[DISC-]NUMBER, or the recording's MBID")
    track.add_argument("--json", action="store_true", help="print JSON")
    track.set_defaults(run=_track)
    state = commands.add_parser(
        "tracing", help="Whether swarms are traced, and how to switch it.", description="Whether swarms are traced."
    )
    state.add_argument("--json", action="store_true", help="print JSON")
    state.set_defaults(run=_tracing)


def _trace(args: argparse.Namespace) -> int:
    from apps.domain.swarm.trace_filter import TraceFilter, events_matching

    wanted = TraceFilter.of(args.filter)
    found = _found(args.id)
    events = list(events_matching(found.trace, wanted))
    if args.limit is not None:
        events = events[-args.limit :] if args.limit > 0 else []
    if args.json:
        from apps.jobs.api.traces import event_body

        for event_id, event in events:
            print(json.dumps(event_body(event_id, event)))
        return 0
    begin = found.trace.events[0].at if found.trace.events else None
    for _event_id, event in events:
        print(_line(found, event, begin))
    for words in _about(found):
        print(words)
    if not events:
        print("No event matches.")
    return 0


def _job(args: argparse.Namespace) -> int:
    found = _found(args.id)
    if args.json:
        from apps.jobs.api.traces import trace_body

        print(json.dumps(trace_body(found), default=str))
        return 0
    summary = found.summary()
    name = f"{found.artist} – {found.title}" if found.title else str(found.job)
    print(f"{clean(name)}\n{found.job}  {summary.events} events")
    _print_summary(found, summary.whole)
    for track in summary.tracks:
        if track.track is not None and len(summary.tracks) > 1:
            print(f"\n{clean(found.track(track.track).label)}")
            _print_summary(found, track, indent="  ", findings=False)
    return 0


def _track(args: argparse.Namespace) -> int:
    found = _found(args.id)
    from apps.jobs.traces import summary_of_track, track_of

    summary = summary_of_track(found, track_of(found, args.track))
    if args.json:
        from apps.jobs.api.traces import summary_body

        print(json.dumps(summary_body(summary), default=str))
        return 0
    assert summary.track is not None
    print(clean(found.track(summary.track).label))
    for transfer in summary.transfers:
        print(f"{transfer.variant[:12]} {transfer.profile}  {transfer.outcome or 'under way'} {transfer.code}".rstrip())
    _print_summary(found, summary)
    return 0


def _tracing(args: argparse.Namespace) -> int:
    django_setup()
    from apps.transfers.traces import traces_count, traces_dir, tracing_state

    state = tracing_state()
    if args.json:
        from apps.jobs.api.traces import tracing_body

        print(json.dumps(tracing_body(state)))
        return 0
    limits = state.limits
    print(f"Tracing is {'on' if state.enabled else 'off'}. {traces_count()} traces in {traces_dir()}.")
    print(
        f"Kept: {limits.jobs} traces of {state.max_size_mb} MiB, {limits.total_mb} MiB in all, for {limits.days} days."
    )
    other = "false" if state.enabled else "true"
    print(
        f"To switch: `swarm.tracing.enabled: {other}` in slskdn.yml (or SLSKDN__SWARM__TRACING__ENABLED), then restart."
    )
    return 0


# ---- words


def _print_summary(found: JobTrace, summary: Summary, *, indent: str = "", findings: bool = True) -> None:
    before = f" (+ {_size(summary.held_before)} from before)" if summary.held_before else ""
    state = "complete" if _whole(summary) else "under way" if summary.ended_at is None else "ended"
    print(f"{indent}{_size(summary.verified)}{before} of {_size(summary.payload)} verified, {state}{_times(summary)}")
    if any(summary.curve.bins):
        print(f"{indent}{_spark(summary.curve.bins)}  {_size(_fastest(summary))}/s at most")
    for plane in summary.planes:
        print(f"{indent}{plane.source.value:<9} {plane.share:>6.1%}  {_size(plane.verified)}")
    for peer in summary.peers:
        print(f"{indent}  {_peer(peer)}")
    for reason, count in list(summary.decisions.items())[:8]:
        print(f"{indent}  decided {clean(reason) or 'without a reason'}: {count} ×")
    if findings:
        from apps.jobs.traces import findings_with_tracks

        for finding, words, track in findings_with_tracks(found, summary.findings):
            when = f"at {_after(summary.started_at, finding.at)}" if finding.at and summary.started_at else ""
            about = f" [{' '.join(part for part in (clean(track), when) if part)}]" if track or when else ""
            print(f"{indent}{'!' if finding.tone in {'bad', 'warn'} else '·'} {clean(words)}{about}")


def _peer(peer: PeerShare) -> str:
    parts = [f"{peer.share:>6.1%}  {_size(peer.verified):>9}  {clean(peer.peer)[:24]}"]
    if peer.mean_ms is not None:
        parts.append(f"{peer.mean_ms:.0f} ms a chunk")
    for count, words in (
        (peer.bad_leaves, "corrupt leaves"),
        (peer.timeouts, "timeouts"),
        (peer.refusals, "refusals"),
        (peer.cancelled, "taken back"),
        (peer.left, "× left"),
    ):
        if count:
            parts.append(f"{count} {words}")
    if peer.vain:
        parts.append(f"{_size(peer.vain)} in vain")
    return ", ".join(parts)


def _line(found: JobTrace, event: TraceEvent, begin: datetime | None) -> str:
    where = f"leaf {event.leaf}" if event.leaf >= 0 else ""
    if event.offset >= 0 and event.length:
        where += f" {event.offset}+{event.length}"
    elif event.length:
        where += f" {event.length}"
    took = f"{event.duration_ms:.1f} ms" if event.duration_ms >= 0 else ""
    parts = (
        f"{_after(begin, event.at) if begin else '':>12}",
        f"{clean(str(event.action)):<18}",
        f"{event.source.value if event.peer else '':<8}",
        f"{clean(event.peer)[:12]:<12}",
        f"{clean(found.track(event.context.track).label)[:24]:<24}",
        where.strip(),
        took,
        clean(event.code),
    )
    return " ".join(part for part in parts if part).rstrip()


def _about(found: JobTrace) -> Sequence[str]:
    trace, lines = found.trace, []
    if trace.unreadable:
        lines.append(f"({trace.unreadable} lines can't be read)")
    if trace.torn:
        lines.append("(the last line is incomplete)")
    if trace.carried:
        lines.append("(older events are gone: swarm.tracing.max_size_mb)")
    return lines


def _times(summary: Summary) -> str:
    if summary.started_at is None or summary.seconds is None:
        return ""
    first = ""
    if summary.first_byte_at is not None:
        first = f", first leaf after {(summary.first_byte_at - summary.started_at).total_seconds():.1f} s"
    return f"; {summary.started_at:%Y-%m-%d %H:%M:%S} UTC, {summary.seconds:.1f} s{first}"


def _whole(summary: Summary) -> bool:
    done = [transfer for transfer in summary.transfers if transfer.outcome == "completed"]
    return bool(done) and len(done) == len(summary.transfers)


def _fastest(summary: Summary) -> float:
    return max(summary.curve.bins) / summary.curve.bin_s if summary.curve.bin_s else 0.0


def _spark(bins: Sequence[int]) -> str:
    most = max(bins)
    return "".join(_BLOCKS[-(-count * (len(_BLOCKS) - 1) // most)] for count in bins)


def _after(begin: datetime | None, at: datetime) -> str:
    seconds = (at - begin).total_seconds() if begin else 0.0
    sign, seconds = ("-" if seconds < 0 else "+"), abs(seconds)
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{sign}{f'{hours:.0f}:{minutes:02.0f}' if hours else f'{minutes:.0f}'}:{rest:06.3f}"


def _size(count: float) -> str:
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(amount) < 1000 or unit == "GiB":
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.3g} {unit}"
        amount /= 1024
    return ""


def _found(text: str) -> JobTrace:
    try:
        job_id = uuid.UUID(text)
    except ValueError as error:
        raise DomainError("This is not a job's id; `./slskdn jobs list` shows them.", code="job_unknown") from error
    django_setup()
    from apps.jobs.traces import job_trace

    try:
        return job_trace(job_id)
    except DomainError as error:
        if error.code in {"trace_expired", "trace_none", "trace_off"}:
            from apps.domain.jobs.sentences import sentence

            error.sentence = sentence(error.code, error.params)
        raise
