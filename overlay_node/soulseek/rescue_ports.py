"""What rescues need of rows and of the mesh beside them, as typed protocols. Over Django: `store.soulseek.rescues`; in memory: `store.soulseek.memory_rescues`."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Protocol

from apps.domain.contracts.node_work import TransferWork
from apps.domain.contracts.soulseek_rescues import RescueKept, RescueOrigin, RescueReport
from overlay_node.swarm.allowance import Allowance
from overlay_node.swarm.choice import Candidate


class RescueRows(Protocol):
    """Rows of rescues. Each method raises DomainError `store_unavailable` when the database can't be reached."""

    async def kept(self) -> tuple[RescueKept, ...]:
        """What an earlier run left: rescues that are not over, oldest first, and how their downloads ended meanwhile."""

    async def origins(self, downloads: Collection[uuid.UUID]) -> tuple[RescueOrigin, ...]:
        """What is known of the Soulseek side of these."""

    async def record(self, reports: Sequence[RescueReport]) -> None:
        """Write how rescues stand; of one download at most one is live."""


class RescueRunner(Protocol):
    """A transfer of the mesh, as `overlay_node.services.swarm_runner.SwarmRunner`."""

    stream_bps: int

    @property
    def work(self) -> TransferWork: ...

    @property
    def allowance(self) -> Allowance: ...

    @property
    def peers(self) -> frozenset[str]: ...

    @property
    def waiting(self) -> str: ...

    @property
    def whole(self) -> bool: ...

    @property
    def leaf_hashes(self) -> tuple[bytes, ...] | None: ...

    @property
    def held_bytes(self) -> int: ...

    @property
    def stream_bytes(self) -> int: ...

    @property
    def asked_bytes(self) -> int: ...

    def held(self) -> tuple[tuple[int, int], ...]: ...

    def sent_by(self, leaf: int) -> str: ...

    def offer(self, user: str, leaf: int, data: bytes) -> bool: ...

    def from_far_end(self) -> None: ...

    def rescues(self, *, active: bool) -> None: ...

    def note_rescue(self, *, begun: bool, code: str) -> None: ...


class MeshBeside(Protocol):
    """What of the mesh's work for a want a rescue sees, and asks for."""

    def mode(self) -> str:
        """legacy, hybrid or mesh, as it comes out."""

    def runners(self, want_id: uuid.UUID) -> Sequence[RescueRunner]:
        """What is fetched of a want, or was and waits for its verdict."""

    def may(self, want_id: uuid.UUID) -> bool:
        """False: whoever asked for it does not want the mesh."""

    def look_for(self, want_id: uuid.UUID) -> None:
        """Look for sources now."""

    def begin_with(self, prefers: Callable[[uuid.UUID, Sequence[Candidate]], Candidate | None]) -> None:
        """Who names the payload that is begun first."""

    def from_far_end(self, beside: Callable[[uuid.UUID], bool]) -> None:
        """Who says of which wants a stream brings the beginning: transfers that begin ask peers from the end on."""

    def before_asking(self, meet: Callable[[RescueRunner], Awaitable[None]]) -> None:
        """Who gives a transfer what the stream has, once its leaves can be written and before it asks its first peer."""
