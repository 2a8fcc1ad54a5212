"""Errands: what the control plane asks the node to do once. A table of kinds, filled by the parts, and the runner of their commands.

A command is taken (a row says by which boot), done, and answered once. It is not begun after its deadline, is cut short there unless the errand goes on in
the background, and one that a crash interrupted is answered `node_restarted`, never done twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from apps.domain.contracts.node_commands import CommandAnswer, CommandWork
from apps.domain.errors import DomainError
from overlay_node.soulseek.ports import ErrandRows, Spawn

log = logging.getLogger(__name__)

Errand = Callable[[Mapping[str, object]], Awaitable[Mapping[str, object]]]
"""Gets the command's payload and gives the answer's body. Raises DomainError (its code and params are the answer), KeyError, TypeError or ValueError for a payload
that makes no sense (`command_invalid`)."""

MAX_AT_ONCE: Final = 64


class Errands:
    """See the module. For the loop's thread."""

    def __init__(self, rows: ErrandRows, *, boot_id: str, spawn: Spawn) -> None:
        self._rows: Final = rows
        self._boot_id: Final = boot_id
        self._spawn: Final = spawn
        self._table: Final[dict[str, Errand]] = {}
        self._looking = False
        self._again = False
        self.running = 0
        self.done = 0
        self.failed = 0

    def register(self, kind: str, errand: Errand) -> None:
        """`errand` does commands of this kind. Once per kind, before the plane starts."""
        if kind in self._table:
            sentence = f"two errands for {kind}"
            raise ValueError(sentence)
        self._table[kind] = errand

    async def start(self) -> None:
        """Answer what an earlier boot left."""
        try:
            if (count := await self._rows.forsaken(self._boot_id)) > 0:
                log.warning("commands_forsaken count=%d", count)
        except DomainError as error:
            log.warning("commands_not_looked_at code=%s", error.code)

    def look(self) -> None:
        """There may be commands: take and do them."""
        if self._looking:
            self._again = True
        elif self._table and self.running < MAX_AT_ONCE:
            self._looking = True
            self._spawn(self._take(), "errands")

    async def _take(self) -> None:
        try:
            works = await self._rows.take(self._boot_id, kinds=sorted(self._table), limit=MAX_AT_ONCE - self.running)
            for work in works:
                self.running += 1
                self._spawn(self._do(work), f"errand {work.kind}")
        except DomainError as error:
            log.warning("commands_not_taken code=%s", error.code)
        finally:
            self._looking = False
        if self._again:
            self._again = False
            self.look()

    async def _do(self, work: CommandWork) -> None:
        try:
            answer = await self._answer_of(work)
            self.done += 1
            self.failed += bool(answer.code)
            if not await self._rows.answer(work.id, boot_id=self._boot_id, answer=answer):
                log.warning("command_answered_before id=%s", work.id)
        except DomainError as error:
            log.warning("command_not_answered id=%s code=%s", work.id, error.code)
        finally:
            self.running -= 1

    async def _answer_of(self, work: CommandWork) -> CommandAnswer:
        try:
            async with asyncio.timeout(max(0.0, work.left_s)):
                return CommandAnswer(body=await self._table[work.kind](work.payload))
        except DomainError as error:
            return CommandAnswer(code=error.code, params=error.params)
        except TimeoutError:
            return CommandAnswer(code="command_timed_out", params={"seconds": round(work.left_s)})
        except (KeyError, TypeError, ValueError) as error:
            log.warning("command_invalid kind=%s error=%r", work.kind, error)
            return CommandAnswer(code="command_invalid", params={"kind": work.kind})
        except Exception:
            log.exception("command_failed kind=%s", work.kind)
            return CommandAnswer(code="command_failed", params={"kind": work.kind})
