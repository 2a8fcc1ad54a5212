"""The one governor of searches: everybody's queries queue here, equal ones are one, and the server never sees more than the budget.

The server bans for half an hour whoever searches too much, so the budget is a sliding window (never more than `searches` starts in any `window_s`), not a
bucket that fills while nobody asks. Callers take turns: of each class of urgency, one query of each caller after another, so that a job with two hundred
tracks does not keep a person waiting; a query that waits long rises, so that nobody waits for ever. A caller may hand in under many names: what stands before
the first `#` of a name is whose turn it takes.

Pure: events and `now` (seconds; wall-clock seconds, so that the window survives a restart) in, decisions out.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final

MIN_QUERY_CHARS: Final = 3
"""Shorter ones are ignored by most clients, and would cost their place."""
MAX_QUERY_CHARS: Final = 255
RISES_AFTER_S: Final = 600.0
"""A query that waited so long is one class more urgent; twice as long, two."""
_SPACES: Final = re.compile(r"\s+")


class Urgency(IntEnum):
    """Who waits for the answer. Smaller goes first."""

    PERSON = 0
    JOB = 1
    INTEGRATION = 2
    WISH = 3


class SearchScope(StrEnum):
    """Who is asked. Different scopes are different queries."""

    NETWORK = "network"
    USER = "user"
    ROOM = "room"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchBudget:
    """Never more than `searches` starts in any `window_s` seconds, nor more than `at_once` whose answers are still waited for."""

    searches: int = 34
    window_s: float = 220.0
    at_once: int = 2
    answers_s: float = 12.0
    """How long answers are usually waited for; only the estimates use it."""

    def __post_init__(self) -> None:
        """Refuse a budget that allows nothing."""
        if self.searches < 1 or self.window_s <= 0 or self.at_once < 1 or self.answers_s <= 0:
            raise ValueError("A search budget allows at least one search.")


@dataclass(frozen=True, slots=True, order=True)
class SearchKey:
    """What makes two queries the same: scope, whom, and the words in any order of case and spaces."""

    scope: SearchScope
    whom: str
    words: str


def search_key(query: str, *, scope: SearchScope = SearchScope.NETWORK, whom: str = "") -> SearchKey:
    """Read a query. Raises ValueError for one that is too short to be answered, or too long to be sent."""
    words = _SPACES.sub(" ", unicodedata.normalize("NFC", query)).strip().casefold()
    if len(words.replace(" ", "")) < MIN_QUERY_CHARS:
        raise ValueError(f"A search has at least {MIN_QUERY_CHARS} characters.")
    if len(words) > MAX_QUERY_CHARS:
        raise ValueError(f"A search has at most {MAX_QUERY_CHARS} characters.")
    return SearchKey(scope, whom, words)


def whose(caller: str) -> str:
    """Whose turn a caller's query takes."""
    return caller.partition("#")[0]


@dataclass(slots=True, kw_only=True)
class _Waiting:
    key: SearchKey
    query: str
    since: float
    order: int
    callers: dict[str, Urgency] = field(default_factory=dict)

    def urgency(self, now: float) -> int:
        return max(0, min(self.callers.values()) - int((now - self.since) // RISES_AFTER_S))


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """What became of a request. `coalesced`: an equal one waited or ran already, and its answers serve both."""

    key: SearchKey
    running: bool
    coalesced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Send this query now. `callers`: who gets the answers (and whoever joins while it runs). `at`: the start as it is counted."""

    key: SearchKey
    query: str
    callers: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """When a query's turn comes. `ahead`: queries before it."""

    starts_in_s: float
    ahead: int


class SearchGovernor:
    """See the module. One per Soulseek account.

    `started` (wall-clock seconds, any order) are the starts that are remembered from before a restart; those in the future, after a clock was set back,
    count as if they were now.
    """

    def __init__(self, budget: SearchBudget, *, started: Iterable[float] = (), now: float) -> None:
        self.budget: Final = budget
        self._starts: deque[float] = deque(sorted(min(one, now) for one in started))
        self._waiting: dict[SearchKey, _Waiting] = {}
        self._running: dict[SearchKey, dict[str, Urgency]] = {}
        self._served: dict[str, int] = {}
        self._order = 0
        self._turns = 0
        self._not_before = 0.0

    # ---- what callers do

    def ask(
        self,
        query: str,
        *,
        caller: str,
        urgency: Urgency,
        now: float,
        scope: SearchScope = SearchScope.NETWORK,
        whom: str = "",
    ) -> Queued:
        """Queue a query for `caller` (the name of a job, a person, an integration). Asking again changes nothing but, at most, its urgency."""
        key = search_key(query, scope=scope, whom=whom)
        if (running := self._running.get(key)) is not None:
            coalesced = caller not in running
            running[caller] = urgency
            return Queued(key=key, running=True, coalesced=coalesced)
        waiting = self._waiting.get(key)
        if waiting is None:
            self._order += 1
            waiting = _Waiting(key=key, query=query.strip(), since=now, order=self._order)
            self._waiting[key] = waiting
            waiting.callers[caller] = urgency
            return Queued(key=key, running=False, coalesced=False)
        coalesced = caller not in waiting.callers
        waiting.callers[caller] = min(urgency, waiting.callers.get(caller, urgency))
        return Queued(key=key, running=False, coalesced=coalesced)

    def withdraw(self, key: SearchKey, *, caller: str) -> bool:
        """A caller no longer wants the answers. True: nobody does any more, so a waiting query is dropped and a running one may be let go."""
        if (running := self._running.get(key)) is not None:
            running.pop(caller, None)
            return not running
        waiting = self._waiting.get(key)
        if waiting is None:
            return False
        waiting.callers.pop(caller, None)
        if waiting.callers:
            return False
        del self._waiting[key]
        return True

    def callers_of(self, key: SearchKey) -> tuple[str, ...]:
        """Whose query this is, waiting or running."""
        found: Mapping[str, Urgency] = self._running.get(key) or (
            self._waiting[key].callers if key in self._waiting else {}
        )
        return tuple(sorted(found))

    # ---- what the plane does

    def due(self, now: float) -> tuple[Started, ...]:
        """The queries to send now; they count as started. Empty while the budget is used up, too many run, or the plane is held."""
        started = []
        while self._waiting and now >= self._next_start(now):
            chosen = min(self._waiting.values(), key=lambda one: self._rank(one, now))
            del self._waiting[chosen.key]
            self._running[chosen.key] = chosen.callers
            at = max(now, self._starts[-1]) if self._starts else now
            self._starts.append(at)
            self._turn(chosen.callers)
            started.append(Started(key=chosen.key, query=chosen.query, callers=tuple(sorted(chosen.callers)), at=at))
        return tuple(started)

    def over(self, key: SearchKey) -> None:
        """Answers of this query are no longer waited for; its place is free. Repeating it changes nothing."""
        self._running.pop(key, None)

    def unsent(self, key: SearchKey, *, now: float) -> None:
        """A started query could not be sent (the connection was lost): it waits again. Its start still counts: the server may have seen it."""
        callers = self._running.pop(key, None)
        if callers and key not in self._waiting:
            self._order += 1
            self._waiting[key] = _Waiting(key=key, query=key.words, since=now, order=0, callers=callers)

    def sent(self, *, due: float, now: float) -> None:
        """A query that `due` gave at the time `due` left us only now: its place in the window begins now."""
        if due in self._starts:
            self._starts.remove(due)
            self._starts.append(max(now, self._starts[-1]) if self._starts else now)

    def hold(self, *, until: float) -> None:
        """Nothing starts before `until` (a ban, a server that asks for patience)."""
        self._not_before = max(self._not_before, until)

    # ---- what people see

    def wait_s(self, now: float) -> float | None:
        """Seconds until `due` may give something; None while nothing waits or the running ones must end first."""
        if not self._waiting or len(self._running) >= self.budget.at_once:
            return None
        return max(0.0, self._next_start(now) - now)

    def estimate(self, key: SearchKey, now: float) -> Estimate | None:
        """When this query's turn comes, if nobody more urgent asks meanwhile; None: it does not wait."""
        if key not in self._waiting:
            return None
        return self.estimates(now)[key]

    def estimates(self, now: float) -> dict[SearchKey, Estimate]:
        """Likewise of every query that waits, in the order of their turns."""
        ranks = {key: self._rank(one, now) for key, one in self._waiting.items()}
        starts = deque(one for one in self._starts if one + self.budget.window_s > now)
        busy = sorted([self.budget.answers_s / 2] * len(self._running))
        at = max(now, self._not_before)
        found: dict[SearchKey, Estimate] = {}
        for ahead, key in enumerate(sorted(ranks, key=lambda one: ranks[one])):
            if len(busy) >= self.budget.at_once:
                at = max(at, now + busy.pop(0))
            if len(starts) >= self.budget.searches:
                at = max(at, starts.popleft() + self.budget.window_s)
            starts.append(at)
            busy.append(at - now + self.budget.answers_s)
            busy.sort()
            found[key] = Estimate(starts_in_s=at - now, ahead=ahead)
        return found

    def used(self, now: float) -> int:
        """Starts within the window that ends now."""
        self._forget(now)
        return len(self._starts)

    def counts(self) -> tuple[int, int]:
        """(waiting, running)."""
        return len(self._waiting), len(self._running)

    def starts(self, now: float) -> tuple[float, ...]:
        """What a restart has to remember."""
        self._forget(now)
        return tuple(self._starts)

    # ---- inside

    def _forget(self, now: float) -> None:
        while self._starts and self._starts[0] + self.budget.window_s <= now:
            self._starts.popleft()

    def _next_start(self, now: float) -> float:
        """The earliest time at which one more may start; infinite while as many run as may."""
        if len(self._running) >= self.budget.at_once:
            return float("inf")
        self._forget(now)
        at = self._not_before
        if len(self._starts) >= self.budget.searches:
            at = max(at, self._starts[len(self._starts) - self.budget.searches] + self.budget.window_s)
        return at

    def _rank(self, one: _Waiting, now: float) -> tuple[int, int, int]:
        """Urgency; then the caller who was served longest ago; then who came first."""
        best = one.urgency(now)
        eager = [caller for caller, urgency in one.callers.items() if urgency == min(one.callers.values())]
        return best, min(self._served.get(whose(caller), 0) for caller in eager), one.order

    def _turn(self, callers: Mapping[str, Urgency]) -> None:
        self._turns += 1
        for caller in callers:
            self._served[whose(caller)] = self._turns
        if len(self._served) > 10_000:
            asking = {whose(caller) for one in self._waiting.values() for caller in one.callers}
            self._served = {caller: at for caller, at in self._served.items() if caller in asking}
