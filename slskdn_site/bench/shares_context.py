"""A context for parts of the Soulseek plane that are measured alone: no server, no commands, real time."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from overlay_node.config import SoulseekConfig
from overlay_node.services.background import Background
from overlay_node.soulseek.errands import Errands
from overlay_node.soulseek.ports import PlaneContext, PlaneRows, SessionBoard

if TYPE_CHECKING:
    from apps.domain.contracts.node_commands import CommandAnswer, CommandWork


class NoErrands:
    """There are no commands."""

    async def forsaken(self, boot_id: str) -> int:
        """None."""
        del boot_id
        return 0

    async def take(self, boot_id: str, *, kinds: Sequence[str], limit: int) -> tuple[CommandWork, ...]:
        """None."""
        del boot_id, kinds, limit
        return ()

    async def answer(self, command_id: uuid.UUID, *, boot_id: str, answer: CommandAnswer) -> bool:
        """Nothing to answer."""
        del command_id, boot_id, answer
        return False


def bench_context() -> PlaneContext:
    """For the running loop."""
    spawn = Background().spawn
    return PlaneContext(
        config=SoulseekConfig(username="bench"),
        data_dir=Path("/nonexistent"),
        rows=cast("PlaneRows", None),  # a measured part gets its own rows
        errands=Errands(NoErrands(), boot_id="bench", spawn=spawn),
        board=SessionBoard(),
        spawn=spawn,
        clock=asyncio.get_running_loop().time,
        wall=lambda: datetime.now(UTC),
        rng=random.Random(1),  # noqa: S311
    )
