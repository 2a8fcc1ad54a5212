"""Searches in memory, for tests of the plane. Passes the same contract tests as `searches`."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from apps.domain.contracts.soulseek_search import (
    AnswerReport,
    OpenSearches,
    SearchesBefore,
    SearchKept,
    SearchReport,
    SearchWork,
)
from apps.domain.soulseek.states import SearchState
from apps.domain.soulseek.user_rules import Rule

NOT_OVER = frozenset({SearchState.QUEUED, SearchState.RUNNING})


class MemorySearches:
    """See `overlay_node.soulseek.searching.SearchRows`. `searches` is what people handed in."""

    def __init__(self) -> None:
        self.searches: dict[uuid.UUID, SearchWork] = {}
        self.rules: tuple[Rule, ...] = ()
        self.progress: dict[uuid.UUID, SearchReport] = {}
        self.answers: dict[tuple[uuid.UUID, str], AnswerReport] = {}

    async def before(self, *, window: timedelta, kept: timedelta) -> SearchesBefore:
        """What a restart must know."""
        now = datetime.now(UTC)
        sent = [one for one in self.progress.values() if one.answers_in in {None, one.search_id}]
        answered = [
            (one, one.ended_at)
            for one in sent
            if one.state is SearchState.OVER and one.users and one.ended_at and one.ended_at > now - kept
        ]
        return SearchesBefore(
            starts=tuple(one.started_at for one in sent if one.started_at and one.started_at > now - window),
            kept=tuple(
                SearchKept(
                    id=one.search_id,
                    query=self.searches[one.search_id].query,
                    scope=self.searches[one.search_id].scope,
                    whom=self.searches[one.search_id].whom,
                    ended_at=ended_at,
                    users=one.users,
                    files=one.files,
                    truncated=one.truncated,
                )
                for one, ended_at in sorted(answered, key=lambda each: each[1], reverse=True)
            ),
        )

    async def open(self) -> OpenSearches:
        """What waits."""
        return OpenSearches(
            searches=tuple(
                one
                for one in self.searches.values()
                if one.id not in self.progress or self.progress[one.id].state in NOT_OVER
            ),
            rules=self.rules,
        )

    async def record(self, reports: Sequence[SearchReport], answers: Sequence[AnswerReport]) -> None:
        """Answers, then how it stands."""
        for answer in answers:
            if answer.search_id in self.searches:
                self.answers[answer.search_id, answer.user] = answer
        for report in reports:
            if report.search_id not in self.searches:
                continue
            old = self.progress.get(report.search_id)
            if old is None or old.ended_at is None or report.state is SearchState.OVER:
                home = report.answers_in if report.answers_in in self.searches else None
                self.progress[report.search_id] = dataclasses.replace(report, answers_in=home)
