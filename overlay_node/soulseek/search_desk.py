"""The desk where all searches are handed in: when each is sent, whose answers it gets, when it is over. Pure; `now` is wall-clock seconds (the governor's).

Soulseek has no end of a search: answers come for some seconds, most of them in the first three. A search is over when none came for `QUIET_S`, at the
earliest after `LEAST_S`, at the latest after `MOST_S`, or when whoever asked has enough. Answers are bounded per search and per user; equal users count once
(their later answer adds files).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from apps.domain.soulseek.budget import (
    Estimate,
    Queued,
    SearchBudget,
    SearchGovernor,
    SearchKey,
    SearchScope,
    Urgency,
)
from apps.domain.soulseek.candidates import SharerResult

LEAST_S: Final = 5.0
QUIET_S: Final = 3.0
MOST_S: Final = 20.0
MAX_USERS: Final = 500
MAX_FILES: Final = 20_000
MAX_FILES_A_USER: Final = 2_000
KEPT_S: Final = 300.0
"""Answers to an equal query are given again, without a search, for so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendSearch:
    """Send it now, with this ticket."""

    ticket: int
    query: str
    scope: SearchScope
    whom: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOver:
    """A search ended. `callers` get the answers; `kept`: they are of an equal search a moment ago."""

    key: SearchKey
    callers: tuple[str, ...]
    results: tuple[SharerResult, ...]
    truncated: bool
    kept: bool = False


Action = SendSearch | SearchOver


@dataclass(slots=True, kw_only=True)
class _Running:
    key: SearchKey
    ticket: int
    started_at: float
    last_at: float
    results: dict[str, SharerResult] = field(default_factory=dict)
    files: int = 0
    truncated: bool = False
    enough: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answered:
    at: float
    results: tuple[SharerResult, ...]
    truncated: bool


class SearchDesk:
    """See the module."""

    def __init__(self, budget: SearchBudget, *, started: Iterable[float] = (), first_ticket: int, now: float) -> None:
        self.governor: Final = SearchGovernor(budget, started=started, now=now)
        self._ticket = first_ticket
        self._by_ticket: dict[int, _Running] = {}
        self._answered: dict[SearchKey, _Answered] = {}
        self._ready: list[SearchOver] = []

    # ---- callers

    def ask(
        self,
        query: str,
        *,
        caller: str,
        urgency: Urgency,
        now: float,
        scope: SearchScope = SearchScope.NETWORK,
        whom: str = "",
        anew: bool = False,
    ) -> Queued:
        """Hand in a query; its answers come with `SearchOver`. One that was answered a moment ago is answered again at once, unless `anew`.

        Raises ValueError for a query that nobody would answer.
        """
        queued = self.governor.ask(query, caller=caller, urgency=urgency, now=now, scope=scope, whom=whom)
        known = self._answered.get(queued.key)
        if known is not None and not anew and not queued.running and now - known.at < KEPT_S:
            self.governor.withdraw(queued.key, caller=caller)
            self._ready.append(
                SearchOver(
                    key=queued.key, callers=(caller,), results=known.results, truncated=known.truncated, kept=True
                )
            )
            return replace(queued, coalesced=True)
        return queued

    def withdraw(self, key: SearchKey, *, caller: str) -> None:
        """The caller has enough, or was cancelled. A running search that nobody waits for is over at the next tick."""
        if self.governor.withdraw(key, caller=caller):
            for running in self._by_ticket.values():
                if running.key == key:
                    running.enough = True

    def estimate(self, key: SearchKey, now: float) -> Estimate | None:
        """When its turn comes; None: it does not wait."""
        return self.governor.estimate(key, now)

    # ---- the plane

    def answered(self, ticket: int, result: SharerResult, now: float) -> bool:
        """An answer came. False: nobody asked (an old ticket, or one that was made up), or the search holds all it takes."""
        running = self._by_ticket.get(ticket)
        if running is None:
            return False
        running.last_at = now
        known = running.results.get(result.user)
        had = known.files if known is not None else ()
        room = min(MAX_FILES_A_USER - len(had), MAX_FILES - running.files)
        if (known is None and len(running.results) >= MAX_USERS) or room <= 0:
            running.truncated = True
            return False
        paths = {one.path for one in had}
        fresh = tuple(one for one in result.files if one.path not in paths)
        running.truncated = running.truncated or len(fresh) > room
        fresh = fresh[:room]
        running.files += len(fresh)
        running.results[result.user] = replace(result, files=(*had, *fresh))
        return True

    def lost(self, now: float) -> None:
        """The session is gone: what was sent and not answered yet waits again; what has answers is over with them."""
        for running in list(self._by_ticket.values()):
            if running.results:
                running.enough = True
            else:
                del self._by_ticket[running.ticket]
                self.governor.unsent(running.key, now=now)

    def tick(self, now: float, *, online: bool) -> list[Action]:
        """What to do now: searches to send (while `online`), searches that are over."""
        actions: list[Action] = [*self._ready]
        self._ready.clear()
        ended = [one for one in self._by_ticket.values() if self._is_over(one, now)]
        actions.extend(self._end(one, now) for one in ended)
        if online:
            for started in self.governor.due(now):
                self._ticket = (self._ticket + 1) & 0x7FFF_FFFF
                self._by_ticket[self._ticket] = _Running(
                    key=started.key, ticket=self._ticket, started_at=now, last_at=now
                )
                actions.append(
                    SendSearch(ticket=self._ticket, query=started.query, scope=started.key.scope, whom=started.key.whom)
                )
        self._answered = {key: one for key, one in self._answered.items() if now - one.at < KEPT_S}
        return actions

    # ---- inside

    @staticmethod
    def _is_over(running: _Running, now: float) -> bool:
        age = now - running.started_at
        return running.enough or age >= MOST_S or (age >= LEAST_S and now - running.last_at >= QUIET_S)

    def _end(self, running: _Running, now: float) -> SearchOver:
        del self._by_ticket[running.ticket]
        callers = self.governor.callers_of(running.key)
        self.governor.over(running.key)
        results = tuple(running.results[user] for user in sorted(running.results))
        if results:
            self._answered[running.key] = _Answered(at=now, results=results, truncated=running.truncated)
        return SearchOver(key=running.key, callers=callers, results=results, truncated=running.truncated)
