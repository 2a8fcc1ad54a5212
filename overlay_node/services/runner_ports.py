"""What a `SwarmRunner` is given by its surroundings, and what may become of it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from overlay_node.net.link import Link
from overlay_node.protocol.messages import ChunkCancel, ChunkRequest
from overlay_node.swarm.actions import Manifest
from overlay_node.swarm.session import SwarmSession

if TYPE_CHECKING:
    from overlay_node.services.swarm_runner import SwarmRunner


class NewSession(Protocol):
    """Makes the session of one transfer, with everything the node's sessions share."""

    def __call__(self, manifest: Manifest | None, held: Iterable[int]) -> SwarmSession:
        """`manifest` and the leaves held already when an earlier run left some."""


class MeetStreams(Protocol):
    """Hands a transfer what streams beside it have, before it asks its first peer."""

    async def __call__(self, runner: SwarmRunner, /) -> None:
        """Never raises; returns soon."""


class RunnerState(StrEnum):
    """What became of a runner."""

    RUNNING = "running"
    ASSEMBLED = "assembled"
    BLOCKED = "blocked"
    STOPPED = "stopped"


class ChunkDesk(Protocol):
    """Where chunk requests go: links accept only so many at once, over all transfers."""

    def link_of(self, peer: str) -> Link | None:
        """The open link to a peer."""

    def ask_chunk(self, peer: str, request: ChunkRequest) -> None:
        """Send now, or when the link has room."""

    def cancel_chunks(self, peer: str, cancel: ChunkCancel) -> None:
        """Drop what waits, and take back what was sent."""
