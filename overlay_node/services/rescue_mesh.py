"""The mesh as a rescue sees it: transfers of the swarms, and the reconciler that begins them."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from apps.domain.mesh.policy import Mode
from overlay_node.services.reconciler import Reconciler
from overlay_node.services.runner_ports import RunnerState
from overlay_node.services.swarm_runner import SwarmRunner
from overlay_node.services.swarms import Swarms
from overlay_node.soulseek.rescue_ports import RescueRunner
from overlay_node.swarm.choice import Candidate


class RescueMesh:
    """See `overlay_node.soulseek.rescue_ports.MeshBeside`. `mode` as it comes out now."""

    def __init__(self, *, swarms: Swarms, reconciler: Reconciler, mode: Callable[[], Mode]) -> None:
        self._swarms: Final = swarms
        self._reconciler: Final = reconciler
        self._mode: Final = mode

    def mode(self) -> str:
        """Legacy, hybrid or mesh."""
        return self._mode().value

    def runners(self, want_id: uuid.UUID) -> Sequence[SwarmRunner]:
        """What runs or is whole."""
        alive = {RunnerState.RUNNING, RunnerState.ASSEMBLED}
        return [one for one in self._swarms.runners.values() if one.work.want_id == want_id and one.state in alive]

    def may(self, want_id: uuid.UUID) -> bool:
        """What the job wishes; a want that is not known yet is not forbidden anything."""
        want = self._reconciler.wants.get(want_id)
        return want is None or want.constraints.use_overlay

    def look_for(self, want_id: uuid.UUID) -> None:
        """At the next pass."""
        self._reconciler.look_for(want_id)

    def begin_with(self, prefers: Callable[[uuid.UUID, Sequence[Candidate]], Candidate | None]) -> None:
        """Of all wants."""
        self._reconciler.prefer(prefers)

    def from_far_end(self, beside: Callable[[uuid.UUID], bool]) -> None:
        """Of wants with a stream."""
        self._swarms.far_end = beside

    def before_asking(self, meet: Callable[[RescueRunner], Awaitable[None]]) -> None:
        """Of all transfers."""

        async def met(runner: SwarmRunner, /) -> None:
            await meet(runner)

        self._swarms.meet_streams = met
