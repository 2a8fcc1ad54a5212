"""Who is a buddy, who is ignored, who is banned: the rules of users, read again when they change. Asked by everything that hears peers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from apps.domain.errors import DomainError
from apps.domain.soulseek.user_rules import RuleBook, Standing
from overlay_node.soulseek.plane import Part
from overlay_node.soulseek.ports import PlaneContext
from overlay_node.soulseek.sharing_rows import SharingRows

log = logging.getLogger(__name__)

READ_S: Final = 5.0
"""Rules are read so often without a wake-up."""


class Standings(Part):
    """See the module. Until the rules were read once, nobody is known to be banned: `ready` says whether that was."""

    def __init__(self, context: PlaneContext, rows: SharingRows) -> None:
        self._context, self._rows = context, rows
        self._book = RuleBook()
        self._stamp = ""
        self._next = 0.0
        self._reading = False
        self._listeners: Final[list[Callable[[], None]]] = []
        self.ready = False

    def on_change(self, listener: Callable[[], None]) -> None:
        """Called after rules changed."""
        self._listeners.append(listener)

    def standing(self, user: str, address: str = "") -> Standing:
        """What the rules say of a user; `address` where it is known."""
        return self._book.standing(user, address)

    async def start(self) -> None:
        """Read them: before anybody is answered."""
        await self.read()

    def tick(self, now: float) -> None:
        """Read again, now and then."""
        if now >= self._next and not self._reading:
            self._reading = True
            self._context.spawn(self.read(), "user rules")

    def wake(self) -> None:
        """At the next tick."""
        self._next = 0.0

    async def read(self) -> None:
        """Read the rules; listeners hear when they changed."""
        self._reading = True
        try:
            found = await self._rows.user_rules()
        except DomainError as error:
            log.warning("user_rules_not_read code=%s", error.code)
            return
        finally:
            self._reading = False
            self._next = self._context.clock() + READ_S
        changed = not self.ready or found.stamp != self._stamp
        self.ready = True
        if changed:
            self._stamp = found.stamp
            self._book = RuleBook(found.rules)
            for listener in self._listeners:
                listener()
