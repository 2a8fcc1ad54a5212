"""The session's rows over Django."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final

from apps.domain.contracts.soulseek_session import IntentWork, SessionHappening, SessionKept, SessionReport
from apps.soulseek import selectors_node_session, services_node_session
from overlay_node.store.database_thread import DatabaseThread


class DjangoSessionRows:
    """See `overlay_node.soulseek.ports.SessionRows`."""

    def __init__(self, database: DatabaseThread) -> None:
        self._database: Final = database

    async def intent(self) -> IntentWork:
        """What people want."""
        return await self._database.read(selectors_node_session.session_intent)

    async def kept(self) -> SessionKept:
        """What the session before this one left."""
        return await self._database.read(selectors_node_session.session_kept)

    async def record(self, report: SessionReport | None, happenings: Sequence[SessionHappening]) -> None:
        """How it stands, and what happened."""
        await self._database.run(functools.partial(services_node_session.session_record, report, happenings))
