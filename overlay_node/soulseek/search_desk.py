"""The desk where all searches are handed in: when each is sent, whose answers it gets, when it is over. Pure; `now` is wall-clock seconds (the governor's).

Soulseek has no end of a search: answers come for some seconds, most of them in the first three. A search is over when none came for some time, not
too early and not too late (`Patience`), or when whoever asked has enough. Answers are bounded per search and per user; equal users count once
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds that answers are waited for: at least, without a new one, at most."""

    least_s: float = 5.0
    quiet_s: float = 3.0
    most_s: float = 20.0


MAX_USERS: Final = 500
MAX_FILES: Final = 20_000
MAX_FILES_A_USER: Final = 2_000
KEPT_S: Final = 300.0
"""Answers to an equal query are given again, without a search, for so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendSearch:
    """Send it now, with this ticket, and say `sent`, or `unsent`."""

    ticket: int
    query: str
    scope: SearchScope
    whom: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOver:
    """A search ended. `callers` asked it; the answers are kept under `home`, the first of them, and were given by `flush` before. `kept`: they are of an
    equal search a moment ago."""

    key: SearchKey
    callers: tuple[str, ...]
    home: str
    users: int
    files: int
    truncated: bool
    kept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """All that a user answered so far, to be kept under `home`."""

    home: str
    result: SharerResult
    locked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A running search: where its answers are kept, and how many there are."""

    home: str
    started_at: float
    users: int
    files: int
    truncated: bool


Action = SendSearch | SearchOver


@dataclass(slots=True, kw_only=True)
class _Running:
    key: SearchKey
    ticket: int
    home: str
    due_at: float
    started_at: float
    last_at: float
    results: dict[str, SharerResult] = field(default_factory=dict)
    locked: dict[str, int] = field(default_factory=dict)
    fresh: set[str] = field(default_factory=set)
    files: int = 0
    truncated: bool = False
    sent: bool = False
    enough: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Where the answers of a search are that ended at `at`."""

    at: float
    home: str
    users: int
    files: int
    truncated: bool


class SearchDesk:
    """See the module. Callers are names; what a caller's query becomes is told under that name."""

    def __init__(
        self,
        budget: SearchBudget,
        *,
        started: Iterable[float] = (),
        first_ticket: int,
        now: float,
        patience: Patience = Patience(),
    ) -> None:
        self._patience: Final = patience
        self.governor: Final = SearchGovernor(budget, started=started, now=now)
        self._ticket = first_ticket
        self._by_ticket: dict[int, _Running] = {}
        self._answered: dict[SearchKey, Kept] = {}
        self._ready: list[SearchOver] = []
        self._left: list[Answered] = []

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
                    key=queued.key,
                    callers=(caller,),
                    home=known.home,
                    users=known.users,
                    files=known.files,
                    truncated=known.truncated,
                    kept=True,
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

    def remember(self, key: SearchKey, kept: Kept) -> None:
        """Answers from before a restart, to be given again while they are young."""
        self._answered.setdefault(key, kept)

    def estimates(self, now: float) -> dict[SearchKey, Estimate]:
        """When the turn of each query that waits comes."""
        return self.governor.estimates(now)

    def standing(self, key: SearchKey) -> Standing | None:
        """How a running search stands; None: it does not run."""
        for one in self._by_ticket.values():
            if one.key == key:
                return Standing(
                    home=one.home,
                    started_at=one.started_at,
                    users=len(one.results),
                    files=one.files,
                    truncated=one.truncated,
                )
        return None

    # ---- the plane

    def awaits(self, ticket: int) -> bool:
        """Answers with this ticket are still taken."""
        return ticket in self._by_ticket

    def answered(self, ticket: int, result: SharerResult, now: float, *, locked: int = 0) -> bool:
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
        running.locked[result.user] = locked
        running.fresh.add(result.user)
        return True

    def flush(self) -> list[Answered]:
        """What users answered since it was asked last, to be kept."""
        found, self._left = self._left, []
        for running in self._by_ticket.values():
            found.extend(self._fresh(running))
        return found

    def sent(self, ticket: int, now: float) -> None:
        """It left us; answers are waited for from now on."""
        running = self._by_ticket.get(ticket)
        if running is not None:
            self.governor.sent(due=running.due_at, now=now)
            running.sent = True
            running.started_at, running.last_at = now, max(running.last_at, now)

    def unsent(self, ticket: int, now: float) -> None:
        """It could not be sent: it waits again. Its start still counts."""
        running = self._by_ticket.pop(ticket, None)
        if running is not None:
            self.governor.unsent(running.key, now=now)

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
                    key=started.key,
                    ticket=self._ticket,
                    home=started.callers[0],
                    due_at=started.at,
                    started_at=now,
                    last_at=now,
                )
                actions.append(
                    SendSearch(ticket=self._ticket, query=started.query, scope=started.key.scope, whom=started.key.whom)
                )
        self._answered = {key: one for key, one in self._answered.items() if now - one.at < KEPT_S}
        return actions

    # ---- inside

    def _is_over(self, running: _Running, now: float) -> bool:
        age, quiet = now - running.started_at, now - running.last_at
        patience = self._patience
        waited = age >= patience.most_s or (age >= patience.least_s and quiet >= patience.quiet_s)
        return running.enough or (running.sent and waited)

    def _end(self, running: _Running, now: float) -> SearchOver:
        del self._by_ticket[running.ticket]
        callers = self.governor.callers_of(running.key)
        self.governor.over(running.key)
        self._left.extend(self._fresh(running))
        users, files = len(running.results), running.files
        if users:
            self._answered[running.key] = Kept(
                at=now, home=running.home, users=users, files=files, truncated=running.truncated
            )
        return SearchOver(
            key=running.key,
            callers=callers,
            home=running.home,
            users=users,
            files=files,
            truncated=running.truncated,
        )

    @staticmethod
    def _fresh(running: _Running) -> list[Answered]:
        users, running.fresh = sorted(running.fresh), set()
        return [
            Answered(home=running.home, result=running.results[user], locked=running.locked[user]) for user in users
        ]
