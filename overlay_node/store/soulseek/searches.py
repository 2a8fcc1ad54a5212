"""Searches behind the `SearchRows` port: over Django's rows."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from apps.domain.contracts.soulseek_search import AnswerReport, OpenSearches, SearchesBefore, SearchReport
from apps.soulseek import selectors_node_searches as selectors
from apps.soulseek import services_node_searches as services
from overlay_node.store.database_thread import DatabaseThread


class DjangoSearches:
    """See `overlay_node.soulseek.searching.SearchRows`."""

    def __init__(self, thread: DatabaseThread) -> None:
        self._thread: Final = thread

    async def before(self, *, window: timedelta, kept: timedelta) -> SearchesBefore:
        """What a restart must know."""
        return await self._thread.read(functools.partial(selectors.searches_before, window=window, kept=kept))

    async def open(self) -> OpenSearches:
        """What waits."""
        return await self._thread.read(selectors.searches_open)

    async def record(self, reports: Sequence[SearchReport], answers: Sequence[AnswerReport]) -> None:
        """Answers, then how it stands."""
        await self._thread.run(functools.partial(services.searches_record, reports, answers))
