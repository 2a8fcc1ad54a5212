"""Wires the Soulseek plane of a node: which parts there are, and what each gets. Nothing here decides anything.

aioslsk is imported when a client is made, so a node without an account never loads it.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from apps.domain.contracts.soulseek_traffic import TrafficPlane
from apps.domain.soulseek.people import Pace
from overlay_node.config import SoulseekConfig
from overlay_node.services.fairness import NodeFairness
from overlay_node.soulseek.errands import Errands
from overlay_node.soulseek.plane import ClientMaker, Part, SoulseekPlane
from overlay_node.soulseek.ports import PlaneContext, SessionBoard, SoulseekSupplies, Spawn
from overlay_node.soulseek.rescue_ports import MeshBeside
from overlay_node.soulseek.searching import Searching
from overlay_node.soulseek.shares import SharePart
from overlay_node.soulseek.standing import Standings
from overlay_node.soulseek.traffic import TrafficCounter
from overlay_node.swarm.rate_limits import Direction

if TYPE_CHECKING:
    from overlay_node.soulseek.downloading import Downloads
    from overlay_node.soulseek.rescue import Rescues
    from overlay_node.soulseek.uploading import UploadPart


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSeams:
    """What parts need of the rest of the node. Whoever needs more adds a field here and hands it over in `services.root`."""

    boot_id: str
    traffic: TrafficCounter
    """every payload byte of Soulseek is told to it: `soulseek_down`, `soulseek_up`"""
    fairness: NodeFairness
    """whether Soulseek is preferred (`current`); parts tell it `soulseek_gives`, `soulseek_awaits` and `soulseek_uploads_wait`"""
    keep_folders: Callable[[Callable[[uuid.UUID], bool]], None]
    """transfers whose folders no sweep may take yet"""
    mesh: MeshBeside | None = None
    """what the mesh fetches; None: its sockets are closed"""


def soulseek_plane(
    config: SoulseekConfig,
    *,
    supplies: SoulseekSupplies,
    seams: NodeSeams,
    off_code: str,
    data_dir: Path,
    spawn: Spawn,
    clock: Callable[[], float],
    wall: Callable[[], datetime],
    rng: random.Random,
) -> SoulseekPlane:
    """The plane with all its parts; `off_code` not empty: it tells why it is off, and connects to nothing."""
    context = PlaneContext(
        config=config,
        data_dir=data_dir,
        rows=supplies.rows,
        errands=Errands(supplies.rows.errands, boot_id=seams.boot_id, spawn=spawn),
        board=SessionBoard(),
        spawn=spawn,
        clock=clock,
        wall=wall,
        rng=rng,
    )
    parts, make_client = soulseek_parts(context, seams)
    return SoulseekPlane(
        context, parts=parts, credentials=supplies.credentials, off_code=off_code, make_client=make_client
    )


def soulseek_parts(context: PlaneContext, seams: NodeSeams) -> tuple[list[Part], ClientMaker | None]:
    """The parts in the order in which they are told of a session, and the maker of the client when the library's own managers don't do."""
    if not context.config.username:  # nobody will log in: aioslsk stays unloaded
        return [], None
    sharing, make_client = sharing_parts(
        context, sent=lambda user, count: seams.traffic.add(TrafficPlane.SOULSEEK, Direction.UP, user, count)
    )
    board = context.board
    seams.fairness.soulseek_uploads_wait = lambda: bool(board.uploads_waiting or board.uploads_running)
    searching = Searching(context, context.rows.searches, budget=context.config.searches)
    people = people_parts(context, sharing[0])
    downloads = downloads_part(context, seams)
    return [*sharing, searching, downloads, rescues_part(context, seams, downloads), *people], make_client


def people_parts(context: PlaneContext, standings: Standings) -> tuple[Part, ...]:
    """Messages and users, rooms, browsing."""
    from overlay_node.soulseek.browsing import BrowsePart
    from overlay_node.soulseek.people import PeoplePart
    from overlay_node.soulseek.rooms import RoomsPart

    rows = context.rows.people
    people = PeoplePart(context, rows, standings, pace=Pace(burst=6, per_s=0.8))
    return people, RoomsPart(context, rows, standings, paced=people.paced), BrowsePart(context, rows)


def downloads_part(context: PlaneContext, seams: NodeSeams) -> Downloads:
    """Downloads; every byte of theirs is told to the ledger."""
    from overlay_node.soulseek.downloading import Downloads

    part = Downloads(
        context,
        context.rows.downloads,
        rules=context.config.downloads,
        rescue=context.config.rescue,
        counted=lambda user, count, job_id: seams.traffic.add(
            TrafficPlane.SOULSEEK, Direction.DOWN, user, count, job_id
        ),
    )
    seams.fairness.soulseek_gives = part.gives
    seams.fairness.soulseek_awaits = part.awaits
    seams.keep_folders(part.adopting.__contains__)
    return part


def rescues_part(context: PlaneContext, seams: NodeSeams, downloads: Downloads) -> Rescues:
    """The mesh helps downloads that do badly."""
    from overlay_node.soulseek.rescue import Rescues, RescueSettings

    config = context.config
    part = Rescues(
        context,
        context.rows.rescues,
        downloads,
        settings=RescueSettings(
            enabled=config.rescue_enabled,
            guardrails=config.guardrails,
            lookup=config.prints_looked_up,
            floor_kib_s=config.rescue.min_throughput_kbps,
        ),
        mesh=seams.mesh,
        traffic=seams.traffic,
    )
    seams.fairness.rescue_says = part.says
    return part


def sharing_parts(
    context: PlaneContext, *, sent: Callable[[str, int], None]
) -> tuple[tuple[Standings, SharePart, UploadPart], ClientMaker]:
    """Rules of users, what is shared, uploads; `sent(user, bytes)` hears of every payload byte."""
    from overlay_node.soulseek.sharing_client import Sharing
    from overlay_node.soulseek.uploading import UploadPart

    rows = context.rows.sharing
    standings = Standings(context, rows)
    shares = SharePart(context, rows, standings, enabled=context.config.share)
    uploads = UploadPart(context, rows, shares, standings, sent=sent)
    return (standings, shares, uploads), Sharing(shares, uploads, standings).make_client
