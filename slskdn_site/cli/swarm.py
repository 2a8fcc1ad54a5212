"""`./slskdn swarm …`: how peers perform, and who is asked for what in a job."""

from __future__ import annotations

import argparse
import json
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.jobs.selectors_swarm import SwarmSource, SwarmTrack

SUMMARY = "Swarms: how peers perform and what they cost, who is asked for what in a job."


def register(parser: argparse.ArgumentParser) -> None:
    """`stats peers` and `show JOB`, each with --json."""
    from slskdn_site.cli._peers_table import list_options

    nouns = parser.add_subparsers(required=True, metavar="COMMAND")
    stats = nouns.add_parser("stats", help="Statistics of swarms.", description="Statistics of swarms.")
    kinds = stats.add_subparsers(required=True, metavar="WHAT")
    words = "Round trip, throughput, error and timeout rates of each peer, and what a MiB from it costs."
    peers = kinds.add_parser("peers", help=words, description=words)
    list_options(peers)
    peers.set_defaults(run=_peers)
    words = "Who is asked for what in a job, what it costs, and what the living node says to it."
    show = nouns.add_parser("show", help=words, description=words)
    show.add_argument("job", help="the job's id")
    show.add_argument("--json", action="store_true", help="one JSON object instead of text")
    show.set_defaults(run=_show)


def _peers(args: argparse.Namespace) -> int:
    from slskdn_site.cli._peers_table import peers_print

    return peers_print(args, "stats")


def _show(args: argparse.Namespace) -> int:
    from slskdn_site.cli.main import django_setup

    django_setup()
    from apps.jobs.api.swarm import swarm_body
    from apps.jobs.selectors_swarm import job_swarm
    from apps.jobs.services import JobUnknown

    try:
        job_id = uuid.UUID(args.job)
    except ValueError as error:
        raise JobUnknown("There is no such job.") from error
    swarm = job_swarm(job_id)
    if swarm is None:
        raise JobUnknown("There is no such job.", job=str(job_id))
    if args.json:
        print(json.dumps(swarm_body(swarm)))
        return 0
    from slskdn_site.logs import one_line

    peers = f"{swarm.peers} peers" + (f", {swarm.quarantined} of them quarantined" if swarm.quarantined else "")
    print(f"{one_line(swarm.job.title) or swarm.job.target_mbid}: {swarm.job.state.value}, {peers}.")
    if not swarm.tracks:
        print("Nothing of it was asked of anybody yet.")
    for track in swarm.tracks:
        print("\n".join(_track_lines(track)))
    return 0


def _track_lines(one: SwarmTrack) -> list[str]:
    from apps.common.sentences import sentence
    from apps.jobs.swarm_words import transfer_facts
    from slskdn_site.cli._peers_table import size, span, speed
    from slskdn_site.logs import one_line

    transfer = one.transfer
    left = f", {span(transfer.eta_s)} to go" if transfer.eta_s is not None else ""
    here = f"{size(transfer.verified_bytes)} of {size(transfer.payload_bytes)}"
    pace = f" at {speed(transfer.speed_bps)}" if one.live else ""
    lines = [
        "",
        f"{one_line(one.track.number) or one.track.position} {one_line(one.track.title)}: {transfer.state.value}, {here}{pace}{left}",
    ]
    lines += [_source_line(source) for source in one.sources] or ["    nobody yet"]
    if one.explanation:
        lines += [f"    {name}: {one_line(value)}" for name, value in transfer_facts(one.explanation)]
    elif one.code:
        lines.append(f"    {sentence(one.code)}")
    return lines


def _source_line(one: SwarmSource) -> str:
    from apps.jobs.swarm_words import peer_facts
    from apps.peers.words import reasons_in_words
    from slskdn_site.cli._peers_table import size, speed
    from slskdn_site.logs import one_line

    source, peer = one.source, one.peer
    words = f"    {source.peer[:16]:16}  {source.state:<11} {size(source.verified_bytes):>9} at {speed(source.speed_bps):>11}"
    if source.bad_leaves:
        words += f", {source.bad_leaves} bad leaves"
    if source.wasted_bytes:
        words += f", {size(source.wasted_bytes)} in vain"
    if peer is not None:
        terms = " + ".join(f"{name} {value:.2f}" for name, value in peer.cost.terms().items() if value >= 0.005)
        words += f"\n      cost {peer.cost.total:.2f} = {terms or '0'}{' (speed assumed)' if peer.cost.assumed else ''}"
        words += f"; reputation {peer.reputation.score:.2f}: {reasons_in_words(peer.reputation)}"
    if one.now:
        words += f"\n      now: {one_line(', '.join(peer_facts(one.now)))}"
    return words
