"""Searches of the plane: rows that wait, the desk that says when, the server, and answers back into rows.

Every look reads the searches that are not over; those that are new are handed to the desk, so the rows are the queue and a restart forgets nothing. The row
of a search says `running` (with its start) *before* the query is sent: whatever dies in between, the budget counted it. Answers are written in batches, once
a second, before the row that says how many there are.
"""

from __future__ import annotations

import dataclasses
import logging
import uuid
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from typing_extensions import override

from apps.domain.contracts.soulseek_search import (
    AnswerReport,
    OpenSearches,
    SearchesBefore,
    SearchReport,
    SearchWork,
)
from apps.domain.errors import DomainError
from apps.domain.soulseek.budget import SearchBudget, SearchKey, SearchScope, search_key
from apps.domain.soulseek.candidates import SharerResult
from apps.domain.soulseek.queries import excluded_phrase
from apps.domain.soulseek.results import SharedFile, shared_file
from apps.domain.soulseek.states import SearchState
from apps.domain.soulseek.user_rules import Rule, RuleBook
from overlay_node.soulseek.plane import Part
from overlay_node.soulseek.ports import PlaneContext
from overlay_node.soulseek.search_desk import KEPT_S, Kept, Patience, SearchDesk, SearchOver, SendSearch

if TYPE_CHECKING:
    from aioslsk.events import SearchResultEvent

    from overlay_node.soulseek.client import SoulseekClient

log = logging.getLogger(__name__)

LOOK_S: Final = 5.0
"""Rows are read so often without a wake-up."""
LEAST_LOOK_S: Final = 0.5
"""… and with one at most so often."""
WRITE_S: Final = 1.0
"""Answers and figures are written so often while a search runs."""
PLACES_S: Final = 3.0
"""Places in the queue and times are written so often, where they changed."""
TIME_OFF_S: Final = 5.0
"""A time that moved by less is not written again."""
MAX_USER_CHARS: Final = 120
MAX_UNWRITTEN: Final = 5000
"""Reports that wait for a database that is away; the rows are read again afterwards anyway."""


class SearchRows(Protocol):
    """Rows of searches. Each method raises DomainError `store_unavailable` when the database can't be reached."""

    async def before(self, *, window: timedelta, kept: timedelta) -> SearchesBefore:
        """Starts within the last `window`, and answered searches of the last `kept`."""

    async def open(self) -> OpenSearches:
        """Searches that are not over, oldest first, also withdrawn ones; and who is not heard."""

    async def record(self, reports: Sequence[SearchReport], answers: Sequence[AnswerReport]) -> None:
        """Write answers, then how the searches stand, in one transaction. Searches that are gone are passed over."""


class Searching(Part):
    """See the module."""

    def __init__(
        self,
        context: PlaneContext,
        rows: SearchRows,
        *,
        budget: SearchBudget,
        patience: Patience = Patience(),  # noqa: B008  (frozen)
    ) -> None:
        self._patience: Final = patience
        self._context: Final = context
        self._rows: Final = rows
        self._budget: Final = budget
        self._desk: SearchDesk | None = None
        self._client: SoulseekClient | None = None
        self._known: dict[uuid.UUID, tuple[SearchKey, SearchWork]] = {}
        self._closed: set[uuid.UUID] = set()
        """over, and perhaps not yet so in the rows that the next look reads"""
        self._rules: tuple[Rule, ...] = ()
        self._book = RuleBook()
        self._told: dict[uuid.UUID, SearchReport] = {}
        self._unwritten: deque[tuple[tuple[SearchReport, ...], tuple[AnswerReport, ...]]] = deque(maxlen=MAX_UNWRITTEN)
        self._writing = False
        self._looking = False
        self._online = False
        self._stopping = False
        self._next_look = 0.0
        self._last_look = 0.0
        self._next_write = 0.0
        self._next_places = 0.0
        self._counts: Final = {"sent": 0, "users": 0, "files": 0, "dropped": 0, "shared": 0}

    # ---- the plane

    @override
    async def start(self) -> None:
        await self._ready()

    @override
    def attach(self, client: SoulseekClient) -> None:
        from aioslsk.events import SearchResultEvent  # a node without an account never loads the library

        client.events.register(SearchResultEvent, self._on_result)

    @override
    async def online(self, client: SoulseekClient) -> None:
        self._client, self._online = client, True
        self.wake()

    @override
    async def offline(self, code: str) -> None:
        self._online = False
        if self._desk is not None:
            self._desk.lost(self._now())

    @override
    def wake(self) -> None:
        self._next_look = min(self._next_look, self._last_look + LEAST_LOOK_S)

    @override
    def tick(self, now: float) -> None:
        if self._stopping:
            return
        if now >= self._next_look and not self._looking:
            self._looking, self._last_look, self._next_look = True, now, now + LOOK_S
            self._context.spawn(self._look(), "soulseek-searches-look")
        desk = self._desk
        if desk is None:
            return
        wall = self._now()
        for action in desk.tick(wall, online=self._online):
            match action:
                case SendSearch():
                    self._begin(desk, action, wall)
                case SearchOver():
                    self._over(desk, action, wall)
        if now >= self._next_write:
            self._next_write = now + WRITE_S
            self._write_answers(desk)
            self._write_soon()
        if now >= self._next_places:
            self._next_places = now + PLACES_S
            self._write_places(desk, wall)
        self._show(desk, wall)

    @override
    async def stop(self) -> None:
        self._stopping = True
        if self._desk is not None:
            self._write_answers(self._desk)
        await self._drain()

    @override
    def metrics(self) -> Mapping[str, float]:
        waiting, running = self._desk.governor.counts() if self._desk is not None else (0, 0)
        return {
            "slskdn_soulseek_searches_sent_total": self._counts["sent"],
            "slskdn_soulseek_searches_shared_total": self._counts["shared"],
            "slskdn_soulseek_search_answers_total": self._counts["users"],
            "slskdn_soulseek_search_files_total": self._counts["files"],
            "slskdn_soulseek_search_answers_dropped_total": self._counts["dropped"],
            "slskdn_soulseek_searches_waiting": waiting,
            "slskdn_soulseek_searches_running": running,
        }

    @override
    def report(self) -> Mapping[str, object]:
        if self._desk is None:
            return {}
        waiting, running = self._desk.governor.counts()
        used = self._desk.governor.used(self._now())
        return {"searches": {"waiting": waiting, "running": running, "used": used, "most": self._budget.searches}}

    # ---- looking

    async def _ready(self) -> bool:
        """The desk, with what the time before a restart left; False while the database is away."""
        if self._desk is not None:
            return True
        try:
            window, kept = timedelta(seconds=self._budget.window_s), timedelta(seconds=KEPT_S)
            before = await self._rows.before(window=window, kept=kept)
            session = await self._context.rows.session.kept()
        except DomainError as error:
            log.warning("soulseek_searches_wait code=%s", error.code)
            return False
        if self._desk is None:
            # The session's note tells when each left us, but of the last second; the rows tell of that too, but of a search sent twice only once.
            starts = list(session.search_starts)
            newest = max(starts, default=0.0)
            starts += [at for at in (one.timestamp() for one in before.starts) if at > newest]
            ticket = max(session.last_ticket, self._context.rng.randrange(1, 0x3FFF_FFFF))
            desk = SearchDesk(
                self._budget, started=starts, first_ticket=ticket, now=self._now(), patience=self._patience
            )
            for one in before.kept:
                key = search_key(one.query, scope=one.scope, whom=one.whom)
                desk.remember(
                    key,
                    Kept(
                        at=one.ended_at.timestamp(),
                        home=str(one.id),
                        users=one.users,
                        files=one.files,
                        truncated=one.truncated,
                    ),
                )
            self._desk = desk
        return True

    async def _look(self) -> None:
        try:
            if not await self._ready():
                return
            found = await self._rows.open()
        except DomainError as error:
            log.warning("soulseek_searches_unread code=%s", error.code)
            return
        finally:
            self._looking = False
        if found.rules != self._rules:
            self._rules, self._book = found.rules, RuleBook(found.rules)
        assert self._desk is not None
        self._take(self._desk, found.searches)

    def _take(self, desk: SearchDesk, searches: Sequence[SearchWork]) -> None:
        now = self._now()
        reports: list[SearchReport] = []
        for work in searches:
            if work.withdrawn:
                self._forget(desk, work.id)
                reports.append(self._ended(work.id, SearchState.WITHDRAWN, "search_withdrawn", now))
            elif work.id not in self._known and work.id not in self._closed:
                reports.extend(self._hand_in(desk, work, now))
        for gone in set(self._known) - {work.id for work in searches}:
            # Over rows are forgotten when they end; what vanished otherwise was deleted.
            self._forget(desk, gone)
        self._closed.intersection_update(work.id for work in searches)
        if reports:
            self._record(reports)
        self._next_places = min(self._next_places, self._last_look + LEAST_LOOK_S)

    def _hand_in(self, desk: SearchDesk, work: SearchWork, now: float) -> list[SearchReport]:
        phrase = excluded_phrase(work.query, self._context.board.excluded)
        if phrase:
            failed = self._ended(work.id, SearchState.FAILED, "search_excluded", now)
            return [dataclasses.replace(failed, params={"phrase": phrase})]
        try:
            queued = desk.ask(
                work.query,
                caller=_caller(work),
                urgency=work.urgency,
                now=now,
                scope=work.scope,
                whom=work.whom,
                anew=work.anew,
            )
        except ValueError:
            return [self._ended(work.id, SearchState.FAILED, "search_invalid", now)]
        self._known[work.id] = (queued.key, work)
        self._counts["shared"] += queued.coalesced
        standing = desk.standing(queued.key) if queued.running else None
        if standing is None:
            return []
        report = SearchReport(
            search_id=work.id,
            state=SearchState.RUNNING,
            answers_in=_id_of(standing.home),
            started_at=_time(standing.started_at),
            users=standing.users,
            files=standing.files,
        )
        self._told[work.id] = report
        return [report]

    def _forget(self, desk: SearchDesk, search_id: uuid.UUID) -> None:
        known = self._known.pop(search_id, None)
        self._told.pop(search_id, None)
        if known is not None:
            desk.withdraw(known[0], caller=_caller(known[1]))

    # ---- sending

    def _begin(self, desk: SearchDesk, action: SendSearch, now: float) -> None:
        key = search_key(action.query, scope=action.scope, whom=action.whom)
        standing = desk.standing(key)
        assert standing is not None
        reports = [
            SearchReport(
                search_id=_id_of(caller),
                state=SearchState.RUNNING,
                answers_in=_id_of(standing.home),
                started_at=_time(now),
            )
            for caller in desk.governor.callers_of(key)
        ]
        for report in reports:
            self._told[report.search_id] = report
        self._context.spawn(self._send(desk, action, reports), "soulseek-search")

    async def _send(self, desk: SearchDesk, action: SendSearch, reports: Sequence[SearchReport]) -> None:
        client = self._client
        try:
            await self._drain()
            await self._rows.record(reports, ())
            if client is None or not self._online or not desk.awaits(action.ticket):
                raise ConnectionError
            client.searches.requests[action.ticket] = _request(action)
            desk.sent(action.ticket, self._now())
            await client.network.send_server_messages(_message(action))
        except (DomainError, ConnectionError, OSError) as error:
            log.info("soulseek_search_unsent error=%s", error)
            self._let_go(action.ticket)
            desk.unsent(action.ticket, self._now())
            return
        except Exception:
            # Of the library's own kinds: the connection was lost between two of our looks.
            log.exception("soulseek_search_unsent")
            self._let_go(action.ticket)
            desk.unsent(action.ticket, self._now())
            return
        self._counts["sent"] += 1

    def _let_go(self, ticket: int) -> None:
        if self._client is not None:
            self._client.searches.requests.pop(ticket, None)

    def _over(self, desk: SearchDesk, action: SearchOver, now: float) -> None:
        self._write_answers(desk)
        reports = []
        for caller in action.callers:
            search_id = _id_of(caller)
            told = self._told.pop(search_id, None)
            self._known.pop(search_id, None)
            self._closed.add(search_id)
            reports.append(
                SearchReport(
                    search_id=search_id,
                    state=SearchState.OVER,
                    code="search_shared" if action.kept else "",
                    answers_in=_id_of(action.home),
                    started_at=told.started_at if told is not None else None,
                    ended_at=_time(now),
                    users=action.users,
                    files=action.files,
                    truncated=action.truncated,
                )
            )
        self._record(reports)
        if self._client is not None:
            for ticket in [one for one in self._client.searches.requests if not desk.awaits(one)]:
                self._let_go(ticket)

    async def _on_result(self, event: SearchResultEvent) -> None:
        event.query.results.clear()  # the library keeps them for ever
        result, desk = event.result, self._desk
        if desk is None or not desk.awaits(result.ticket):
            return
        user = str(result.username)
        standing = self._book.standing(user, self._address_of(user))
        if standing.ignored or standing.banned or not 0 < len(user) <= MAX_USER_CHARS or "\0" in user:
            self._counts["dropped"] += 1
            return
        files = tuple(_files(result.shared_items))
        locked = len(result.locked_results or ())
        if not files:
            return
        answer = SharerResult(
            user=user,
            files=files,
            free_slot=bool(result.has_free_slots),
            queue=max(0, min(int(result.queue_size), 1_000_000)),
            speed_bps=max(0, min(int(result.avg_speed), 1 << 40)),
        )
        if desk.answered(result.ticket, answer, self._now(), locked=locked):
            self._counts["users"] += 1
            self._counts["files"] += len(files)

    def _address_of(self, user: str) -> str:
        if self._client is None:
            return ""
        there = (one for one in self._client.network.peer_connections if one.username == user)
        return next((str(one.hostname) for one in there), "")

    # ---- telling

    def _write_answers(self, desk: SearchDesk) -> None:
        now = _time(self._now())
        answers = [
            AnswerReport(
                search_id=_id_of(one.home),
                user=one.result.user,
                files=one.result.files,
                received_at=now,
                locked=one.locked,
                free_slot=one.result.free_slot,
                queue=one.result.queue,
                speed_bps=one.result.speed_bps,
            )
            for one in desk.flush()
        ]
        if not answers:
            return
        reports = []
        for home in {one.search_id for one in answers}:
            known = self._known.get(home)
            key = known[0] if known is not None else self._key_at(home)
            standing = desk.standing(key) if key is not None else None
            if key is None or standing is None:
                continue
            for caller in desk.governor.callers_of(key):
                told = self._told.get(_id_of(caller))
                if told is not None:
                    counted = dataclasses.replace(told, users=standing.users, files=standing.files)
                    self._told[told.search_id] = counted
                    reports.append(counted)
        self._record(reports, answers)

    def _key_at(self, home: uuid.UUID) -> SearchKey | None:
        """Of a search whose first caller went away."""
        return next((self._known[one][0] for one, told in self._told.items() if told.answers_in == home), None)

    def _write_places(self, desk: SearchDesk, now: float) -> None:
        places = desk.estimates(now)
        reports = []
        for search_id, (key, _work) in self._known.items():
            place = places.get(key)
            if place is None:
                continue
            told = self._told.get(search_id)
            due = _time(now + place.starts_in_s)
            if (
                told is not None
                and told.state is SearchState.QUEUED
                and told.ahead == place.ahead
                and told.due_at is not None
                and abs((told.due_at - due).total_seconds()) < TIME_OFF_S
            ):
                continue
            code = "" if self._online else "search_waits_for_session"
            # One that was sent and lost keeps its start: the server counted it.
            report = SearchReport(
                search_id=search_id,
                state=SearchState.QUEUED,
                code=code,
                ahead=place.ahead,
                due_at=due,
                started_at=told.started_at if told is not None else None,
            )
            self._told[search_id] = report
            reports.append(report)
        if reports:
            self._record(reports)

    def _show(self, desk: SearchDesk, now: float) -> None:
        board = self._context.board
        board.searches_waiting, board.searches_running = desk.governor.counts()
        starts = desk.governor.starts(now)
        if starts != board.search_starts:
            board.search_starts = starts
        wait = desk.governor.wait_s(now)
        if wait is None:
            board.next_search_at = None
        else:
            due = _time(now + wait)
            last = board.next_search_at
            if last is None or abs((last - due).total_seconds()) > TIME_OFF_S:
                board.next_search_at = due

    @staticmethod
    def _ended(search_id: uuid.UUID, state: SearchState, code: str, now: float) -> SearchReport:
        return SearchReport(search_id=search_id, state=state, code=code, ended_at=_time(now))

    def _record(self, reports: Sequence[SearchReport], answers: Sequence[AnswerReport] = ()) -> None:
        if not reports and not answers:
            return
        self._unwritten.append((tuple(reports), tuple(answers)))
        self._write_soon()

    def _write_soon(self) -> None:
        if self._unwritten and not self._writing and not self._stopping:
            self._writing = True
            self._context.spawn(self._write(), "soulseek-searches-write")

    async def _write(self) -> None:
        try:
            await self._drain()
        except DomainError as error:
            log.warning("soulseek_searches_unwritten code=%s waiting=%s", error.code, len(self._unwritten))
        finally:
            self._writing = False

    async def _drain(self) -> None:
        """Write what waits, in its order."""
        while self._unwritten:
            reports, answers = self._unwritten[0]
            await self._rows.record(reports, answers)
            if self._unwritten and self._unwritten[0] == (reports, answers):
                self._unwritten.popleft()

    def _now(self) -> float:
        return self._context.wall().timestamp()


def _request(action: SendSearch) -> object:
    """What the library compares answers' tickets with."""
    from aioslsk.search.model import SearchRequest, SearchType

    match action.scope:
        case SearchScope.NETWORK:
            return SearchRequest(ticket=action.ticket, query=action.query, search_type=SearchType.NETWORK)
        case SearchScope.USER:
            return SearchRequest(
                ticket=action.ticket, query=action.query, search_type=SearchType.USER, username=action.whom
            )
        case SearchScope.ROOM:
            return SearchRequest(
                ticket=action.ticket, query=action.query, search_type=SearchType.ROOM, room=action.whom
            )


def _message(action: SendSearch) -> object:
    from aioslsk.protocol.messages import FileSearch, RoomSearch, UserSearch

    match action.scope:
        case SearchScope.NETWORK:
            return FileSearch.Request(action.ticket, action.query)
        case SearchScope.USER:
            return UserSearch.Request(action.whom, action.ticket, action.query)
        case SearchScope.ROOM:
            return RoomSearch.Request(action.whom, action.ticket, action.query)


def _files(items: Collection[object]) -> list[SharedFile]:
    """Files of an answer as we read them; what can't be meant is left out."""
    found = []
    for item in items:
        path, size = getattr(item, "filename", ""), getattr(item, "filesize", 0)
        told = {one.key: one.value for one in getattr(item, "attributes", None) or ()}
        read = shared_file(str(path), int(size), told)
        if read is not None:
            found.append(read)
    return found


def _caller(work: SearchWork) -> str:
    """Its turn is its owner's; its name ends with its id."""
    return f"{work.whose.replace('#', '')}#{work.id}"


def _id_of(caller: str) -> uuid.UUID:
    return uuid.UUID(caller.rpartition("#")[2])


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
