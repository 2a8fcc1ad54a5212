"""`./slskdn mesh …`: what this node seeds, whom it met, how it is."""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from apps.domain.errors import DomainError
from slskdn_site.cli import mesh_available, mesh_labels
from slskdn_site.cli._answers import answer_print, clean
from slskdn_site.cli.main import django_setup

SUMMARY = "The mesh: seed and unseed releases, list labels, peers and how far they are trusted, show the node's state."


class MbidInvalid(DomainError):
    """Text that is no MBID."""

    default_code = "mbid_invalid"


def register(parser: argparse.ArgumentParser) -> None:
    """seed, unseed, peers, peers-metrics, peers-reputation, available, labels, status; each with --json."""
    from slskdn_site.cli._peers_table import list_options

    nouns = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, words in (
        ("seed", seed, "Announce and serve a release of the library, even when nothing is fetched."),
        ("unseed", unseed, "Stop announcing and serving a release that was seeded by hand."),
    ):
        command = _command(nouns, name, run, words)
        command.add_argument("release", help="MBID of the release")
    command = _command(nouns, "peers", peers, "Peers this node met, the last seen first.")
    command.add_argument("--limit", type=int, default=50, help="how many (default 50)")
    for name, show, words in (
        ("peers-metrics", peers_metrics, "What each peer did lately: counters that halve every seven days."),
        ("peers-reputation", peers_reputation, "How far each peer is trusted (0 to 1), and why. Never sent to anyone."),
    ):
        command = nouns.add_parser(name, help=words, description=words)
        list_options(command)
        command.set_defaults(run=show)
    mesh_available.register(
        nouns.add_parser("available", help=mesh_available.SUMMARY, description=mesh_available.SUMMARY)
    )
    mesh_labels.register(nouns.add_parser("labels", help=mesh_labels.SUMMARY, description=mesh_labels.SUMMARY))
    _command(nouns, "status", status, "The node: address, links, transfers, announcements.")


def seed(args: argparse.Namespace) -> int:
    """Seed a release; 0 also when it was seeded already."""
    django_setup()
    from apps.library.node_selectors import release_offered
    from apps.mesh.services import release_seed

    release = _mbid(args.release)
    created = release_seed(release)
    held = release_offered(release)
    tracks = sum(1 for track in held.tracks if track.variant is not None) if held is not None else 0
    answer = {"release": str(release), "seeded": True, "changed": created, "tracks_held": tracks}
    words = f"{release} is {'now' if created else 'already'} seeded; {tracks} of its tracks are in the library."
    return answer_print(args, answer, [words])


def unseed(args: argparse.Namespace) -> int:
    """Stop seeding a release; 0 also when it was not seeded by hand. A release of mesh.seed.releases stays seeded."""
    django_setup()
    from apps.mesh.services import release_unseed
    from slskdn_site.config import load_config

    release = _mbid(args.release)
    removed = release_unseed(release)
    configured = str(release) in {text.lower() for text in load_config().mesh.seed.releases}
    answer = {"release": str(release), "seeded": configured, "changed": removed}
    words = f"{release} is {'no longer' if removed else 'not'} seeded by hand."
    return answer_print(args, answer, [words, *(["mesh.seed.releases still names it."] if configured else [])])


def peers(args: argparse.Namespace) -> int:
    """List peers."""
    django_setup()
    from apps.peers.selectors import peer_list

    rows = peer_list(limit=max(1, args.limit))
    answer = {
        "peers": [
            {
                "plane": row.plane,
                "peer": row.key,
                "agent": row.agent,
                "first_seen": _iso(row.first_seen),
                "last_seen": _iso(row.last_seen),
                "down_bytes": row.down_bytes,
                "up_bytes": row.up_bytes,
                "bad_leaves": row.bad_leaves,
                "wrong_claims": row.wrong_claims,
                "violations": row.violations,
                "addresses": list(row.addresses),
            }
            for row in rows
        ]
    }
    lines = [
        f"{row.key[:16]}  {clean(row.agent)[:20]:20}  down {row.down_bytes:>12}  up {row.up_bytes:>12}  "
        f"bad leaves {row.bad_leaves:>4}  wrong claims {row.wrong_claims:>3}  last seen {_iso(row.last_seen) or 'never'}"
        for row in rows
    ]
    return answer_print(args, answer, lines or ["No peer was met yet."])


def peers_metrics(args: argparse.Namespace) -> int:
    """Raw metrics of each peer."""
    from slskdn_site.cli._peers_table import peers_print

    return peers_print(args, "metrics")


def peers_reputation(args: argparse.Namespace) -> int:
    """Score and reason of each peer."""
    from slskdn_site.cli._peers_table import peers_print

    return peers_print(args, "reputation")


def status(args: argparse.Namespace) -> int:
    """The node's last heartbeat; exit status 1 when it is not alive."""
    django_setup()
    from apps.mesh.selectors import seeded_releases
    from apps.mesh.selectors_list import announcement_list, claims_by_verdict
    from apps.nodelink.selectors import node_status

    node = node_status()
    announced = announcement_list()
    answer: dict[str, object] = {
        "alive": node is not None and node.alive,
        "peer_id": node.peer_id if node is not None else None,
        "beat_at": _iso(node.beat_at) if node is not None else None,
        "started_at": _iso(node.started_at) if node is not None else None,
        "report": node.report if node is not None else None,
        "seeded": [str(mbid) for mbid in seeded_releases()],
        "announced": [
            {"release": str(row.release_mbid), "slot": row.slot, "stored_at": row.stored_at} for row in announced
        ],
        "claims": claims_by_verdict(),
    }
    if node is None:
        answer_print(args, answer, ["No node ran with this data folder yet: ./slskdn up starts one."])
        return 1
    report = node.report
    overlay, dht, moved = _part(report, "overlay"), _part(report, "dht"), _part(report, "bytes")
    links, transfers = _list(report, "links"), _list(report, "transfers")
    lines = [
        (
            f"Node {node.peer_id} {'is alive' if node.alive else 'does not beat'}, mode {clean(str(report.get('mode')))}, "
            f"last beat {_iso(node.beat_at)}."
        ),
        f"Overlay port {overlay.get('port')}, DHT port {dht.get('port')}, {sum(known.values()) if isinstance(known := dht.get('good_nodes'), dict) else 0} good DHT nodes.",
        f"{len(links)} links, {len(transfers)} transfers, {len(announced)} releases announced.",
        f"Payload bytes since its start: {moved.get('down')} down, {moved.get('up')} up.",
    ]
    answer_print(args, answer, lines)
    return 0 if node.alive else 1


def _command(
    nouns: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    words: str,
) -> argparse.ArgumentParser:
    command = nouns.add_parser(name, help=words, description=words)
    command.add_argument("--json", action="store_true", help="one JSON object instead of text")
    command.set_defaults(run=run)
    return command


def _mbid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise MbidInvalid(f"{clean(text)[:60]} is not an MBID.") from error


def _part(report: Mapping[str, object], key: str) -> Mapping[str, object]:
    part = report.get(key)
    return part if isinstance(part, dict) else {}


def _list(report: Mapping[str, object], key: str) -> Sequence[object]:
    part = report.get(key)
    return part if isinstance(part, list) else []


def _iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at is not None else None
