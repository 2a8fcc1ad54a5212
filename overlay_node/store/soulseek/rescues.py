"""Rows of rescues over Django."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Collection, Sequence
from typing import Final

from apps.domain.contracts.soulseek_rescues import RescueKept, RescueOrigin, RescueReport
from apps.soulseek import selectors_node_rescues as selectors
from apps.soulseek import services_node_rescues as services
from overlay_node.store.database_thread import DatabaseThread


class DjangoRescues:
    """See `overlay_node.soulseek.rescue_ports.RescueRows`."""

    def __init__(self, database: DatabaseThread) -> None:
        self._database: Final = database

    async def kept(self) -> tuple[RescueKept, ...]:
        """What an earlier run left."""
        return await self._database.read(selectors.rescues_kept)

    async def origins(self, downloads: Collection[uuid.UUID]) -> tuple[RescueOrigin, ...]:
        """The Soulseek side."""
        return await self._database.read(functools.partial(selectors.rescue_origins, tuple(downloads)))

    async def record(self, reports: Sequence[RescueReport]) -> None:
        """How rescues stand."""
        await self._database.run(functools.partial(services.rescues_record, tuple(reports)))
