"""Who is asked for what in a job, and why: transfers and sources from rows, metrics and costs of the peers, and the living node's own explanation."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from django.conf import settings

from apps.domain.jobs.lifecycle import TRANSFER_LIVE, TrackState
from apps.jobs.selectors import JobTree, SourceView, TrackView, TransferView, job_tree
from apps.nodelink.control import NodeUnreachable, node_ask
from apps.peers.selectors_metrics import MetricsRow, metrics_of_keys

MAX_EXPLAINED: Final = 8
"""Transfers whose explanation is asked for: as many as run at once. Each answer takes the node a millisecond or two."""
MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmSource:
    """A peer in a transfer, with what is known of it across transfers."""

    source: SourceView
    peer: MetricsRow | None
    """None: it never gave or refused us anything"""
    now: Mapping[str, object] = field(default_factory=dict)
    """the node's word on this peer (session.explain), empty when it has none"""

    @property
    def mib_s(self) -> float | None:
        """Seconds it needs for a MiB at the pace it has in this transfer, else at its usual one."""
        speed = self.source.speed_bps or (self.peer.metrics.throughput_bps if self.peer else None)
        return MIB / speed if speed else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmTrack:
    """A track with a transfer, and everybody in it."""

    track: TrackView
    transfer: TransferView
    live: bool
    sources: tuple[SwarmSource, ...]
    explanation: Mapping[str, object]
    """of the node (session.explain, without its peers); empty when it has none"""
    code: str = ""
    """why there is no explanation of a live transfer"""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSwarm:
    """A job as the scheduler sees it."""

    job: JobTree
    tracks: tuple[SwarmTrack, ...]

    @property
    def peers(self) -> int:
        """Different peers in it."""
        return len({one.source.peer for track in self.tracks for one in track.sources})

    @property
    def quarantined(self) -> int:
        """How many of them are below the threshold."""
        return len(
            {
                one.source.peer
                for track in self.tracks
                for one in track.sources
                if one.peer is not None and one.peer.standing == "quarantined"
            }
        )


def job_swarm(job_id: uuid.UUID, *, explain: bool = True) -> JobSwarm | None:
    """Of one job; None if there is none. Five queries, and with `explain` at most MAX_EXPLAINED questions to the node."""
    tree = job_tree(job_id)
    if tree is None:
        return None
    chosen = settings.SWARM_SCHEDULER
    keys = {source.peer for track in tree.tracks for source in track.sources if source.plane == "overlay"}
    known = metrics_of_keys(keys, weights=chosen.weights, min_reputation=chosen.min_reputation)
    asking = _Asking(enabled=explain)
    tracks = [_track(one, one.transfer, known, asking) for one in tree.tracks if one.transfer is not None]
    tracks.sort(key=lambda one: (not one.live, one.track.medium, one.track.position))
    return JobSwarm(job=tree, tracks=tuple(tracks))


class _Asking:
    """Asks the node until it does not answer, or was asked often enough. Mutable."""

    def __init__(self, *, enabled: bool) -> None:
        self._left = MAX_EXPLAINED if enabled else 0
        self._code = ""

    def explanation(self, transfer_id: uuid.UUID) -> tuple[Mapping[str, object], str]:
        """The node's answer, or why there is none."""
        if self._code or not self._left:
            return {}, self._code
        self._left -= 1
        try:
            answer = node_ask(settings.NODE_SOCKET, "swarm", of=str(transfer_id))
        except NodeUnreachable:
            self._code = "node_unreachable"
            return {}, self._code
        return ({}, "swarm_unknown") if "error" in answer else (answer, "")


def _track(track: TrackView, transfer: TransferView, known: Mapping[str, MetricsRow], asking: _Asking) -> SwarmTrack:
    live = transfer.state in TRANSFER_LIVE and track.state is TrackState.DOWNLOADING
    answer, code = asking.explanation(transfer.id) if live else ({}, "")
    told = answer.get("peers")
    by_peer = {str(one.get("peer")): one for one in told if isinstance(one, dict)} if isinstance(told, list) else {}
    sources = [
        SwarmSource(source=one, peer=known.get(one.peer), now=by_peer.get(one.peer, {})) for one in track.sources
    ]
    sources.sort(key=lambda one: (-one.source.verified_bytes, one.source.peer))
    return SwarmTrack(
        track=track,
        transfer=transfer,
        live=live,
        sources=tuple(sources),
        explanation={name: value for name, value in answer.items() if name != "peers"},
        code=code,
    )
