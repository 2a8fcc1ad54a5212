"""Commands and their answers: over Django's rows, and in memory."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Sequence
from typing import Final

from apps.domain.contracts.node_commands import CommandAnswer, CommandWork
from apps.nodelink import services_command as commands
from overlay_node.store.database_thread import DatabaseThread


class DjangoErrands:
    """See `overlay_node.soulseek.ports.ErrandRows`."""

    def __init__(self, database: DatabaseThread) -> None:
        self._database: Final = database

    async def forsaken(self, boot_id: str) -> int:
        """Answer what earlier boots left."""
        return await self._database.run(functools.partial(commands.commands_forsaken, boot_id))

    async def take(self, boot_id: str, *, kinds: Sequence[str], limit: int) -> tuple[CommandWork, ...]:
        """Take commands that nobody took. Most looks find none: those stay outside of transactions."""
        if not await self._database.read(functools.partial(commands.commands_waiting, kinds=kinds)):
            return ()
        return await self._database.run(functools.partial(commands.commands_take, boot_id, kinds=kinds, limit=limit))

    async def answer(self, command_id: uuid.UUID, *, boot_id: str, answer: CommandAnswer) -> bool:
        """Write an answer."""
        return await self._database.run(
            functools.partial(commands.command_answered, command_id, boot_id=boot_id, answer=answer)
        )
