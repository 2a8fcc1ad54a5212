"""Commands and their answers in memory, with the control plane's side (`put`, `answer_of`). Passes the same contract tests as `errands`."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from apps.domain.contracts.node_commands import CommandAnswer, CommandWork


@dataclass(slots=True, kw_only=True)
class _Command:
    id: uuid.UUID
    kind: str
    payload: Mapping[str, object]
    deadline: float
    boot_id: str = ""
    answer: CommandAnswer | None = None


@dataclass(slots=True)
class MemoryErrands:
    """See `overlay_node.soulseek.ports.ErrandRows`. `clock`: seconds of any kind."""

    clock: Callable[[], float]
    commands: dict[uuid.UUID, _Command] = field(default_factory=dict)

    def put(self, kind: str, payload: Mapping[str, object] | None = None, *, deadline_s: float = 5.0) -> uuid.UUID:
        """What the control plane does."""
        one = _Command(id=uuid.uuid4(), kind=kind, payload=dict(payload or {}), deadline=self.clock() + deadline_s)
        self.commands[one.id] = one
        return one.id

    def answer_of(self, command_id: uuid.UUID) -> CommandAnswer | None:
        """What the control plane sees."""
        return self.commands[command_id].answer

    async def forsaken(self, boot_id: str) -> int:
        """Answer what earlier boots left."""
        left = [one for one in self.commands.values() if one.answer is None and one.boot_id not in ("", boot_id)]
        for one in left:
            one.answer = CommandAnswer(code="node_restarted")
        return len(left)

    async def take(self, boot_id: str, *, kinds: Sequence[str], limit: int) -> tuple[CommandWork, ...]:
        """Take commands that nobody took."""
        now = self.clock()
        taken = [one for one in self.commands.values() if not one.boot_id and one.kind in kinds and one.deadline > now][
            :limit
        ]
        for one in taken:
            one.boot_id = boot_id
        return tuple(
            CommandWork(id=one.id, kind=one.kind, version=1, payload=one.payload, left_s=one.deadline - now)
            for one in taken
        )

    async def answer(self, command_id: uuid.UUID, *, boot_id: str, answer: CommandAnswer) -> bool:
        """Write an answer."""
        one = self.commands[command_id]
        if one.answer is not None or one.boot_id != boot_id:
            return False
        one.answer = answer
        return True
