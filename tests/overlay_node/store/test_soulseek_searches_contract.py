"""What rows of searches promise the node: those in memory and those over Django's, tested alike, on SQLite and on Postgres."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from apps.domain.contracts.soulseek_search import AnswerReport, SearchReport, SearchWork
from apps.domain.soulseek.budget import SearchScope, Urgency
from apps.domain.soulseek.results import SharedFile
from apps.domain.soulseek.states import SearchState
from apps.domain.soulseek.user_rules import Effect, MatchBy, Rule
from overlay_node.soulseek.searching import SearchRows
from overlay_node.store.soulseek.memory_searches import MemorySearches

T = TypeVar("T")
HOUR = timedelta(hours=1)
FILE = SharedFile(path=r"m\An Album\01 Song.flac", size=9_000, length_s=200, rate=44_100, bits=16)


class Control:
    """The control plane's hand: people hand searches in, take them back, forget them, and do not want to hear of some."""

    def __init__(self, memory: MemorySearches) -> None:
        self._memory = memory

    def ask(
        self, query: str, *, scope: SearchScope = SearchScope.NETWORK, whom: str = "", anew: bool = False
    ) -> uuid.UUID:
        made = SearchWork(
            id=uuid.uuid4(), query=query, scope=scope, whom=whom, urgency=Urgency.PERSON, anew=anew, whose="person "
        )
        self._memory.searches[made.id] = made
        return made.id

    def withdraw(self, search: uuid.UUID) -> None:
        old = self._memory.searches[search]
        self._memory.searches[search] = SearchWork(
            **{**{name: getattr(old, name) for name in old.__slots__}, "withdrawn": True}
        )

    def forget(self, search: uuid.UUID) -> None:
        del self._memory.searches[search]
        self._memory.progress.pop(search, None)
        for key in [one for one in self._memory.answers if one[0] == search]:
            del self._memory.answers[key]

    def ignore(self, user: str) -> None:
        self._memory.rules = (Rule(effect=Effect.IGNORE, match=MatchBy.USER, pattern=user),)

    def answers(self, search: uuid.UUID) -> dict[str, tuple[tuple[SharedFile, ...], bool, int, int, int]]:
        return {
            user: (one.files, one.free_slot, one.queue, one.speed_bps, one.locked)
            for (of, user), one in self._memory.answers.items()
            if of == search
        }


class DjangoControl(Control):
    def __init__(self) -> None:
        super().__init__(MemorySearches())

    def ask(
        self, query: str, *, scope: SearchScope = SearchScope.NETWORK, whom: str = "", anew: bool = False
    ) -> uuid.UUID:
        from apps.soulseek.services_search import search_ask

        return search_ask(query, scope=scope, whom=whom, anew=anew).id

    def withdraw(self, search: uuid.UUID) -> None:
        from apps.soulseek.services_search import search_withdraw

        search_withdraw(search)

    def forget(self, search: uuid.UUID) -> None:
        from apps.soulseek.models import Search

        Search.objects.filter(id=search).delete()

    def ignore(self, user: str) -> None:
        from apps.soulseek.models import UserRule

        UserRule.objects.create(effect="ignore", match="user", pattern=user)

    def answers(self, search: uuid.UUID) -> dict[str, tuple[tuple[SharedFile, ...], bool, int, int, int]]:
        from apps.domain.soulseek.answers import unpack
        from apps.soulseek.models import SearchAnswer

        rows = SearchAnswer.objects.filter(search_id=search)
        return {
            one.user: (unpack(bytes(one.files)), one.free_slot, one.queue, one.speed_bps, one.locked) for one in rows
        }


class Rows:
    def __init__(self, rows: SearchRows, control: Control) -> None:
        self.rows, self.control = rows, control
        self.loop = asyncio.new_event_loop()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def open(self) -> dict[uuid.UUID, SearchWork]:
        return {one.id: one for one in self.run(self.rows.open()).searches}

    def told(self, search: uuid.UUID, state: SearchState, *answers: AnswerReport, **more: Any) -> None:
        self.run(self.rows.record([SearchReport(search_id=search, state=state, **more)], answers))


@pytest.fixture(params=["memory", pytest.param("django", marks=pytest.mark.django_db(transaction=True))])
def rows(request: pytest.FixtureRequest) -> Iterator[Rows]:
    if request.param == "memory":
        memory = MemorySearches()
        made = Rows(memory, Control(memory))
        yield made
    else:
        from overlay_node.store.database_thread import DatabaseThread
        from overlay_node.store.soulseek.searches import DjangoSearches

        database = DatabaseThread()
        made = Rows(DjangoSearches(database), DjangoControl())
        yield made
        made.run(database.close())
    made.loop.close()


def now() -> datetime:
    return datetime.now(UTC)


def answer(search: uuid.UUID, user: str, *files: SharedFile, **more: Any) -> AnswerReport:
    return AnswerReport(search_id=search, user=user, files=files or (FILE,), received_at=now(), **more)


def sent(
    search: uuid.UUID, rows: Rows, *, ago: timedelta, state: SearchState = SearchState.OVER, users: int = 1
) -> None:
    at = now() - ago
    ended = at if state is SearchState.OVER else None
    rows.told(search, state, answers_in=search, started_at=at, ended_at=ended, users=users, files=3, truncated=True)


def test_what_is_open_is_told_oldest_first_as_it_was_asked_and_what_is_over_no_more(rows: Rows) -> None:
    first = rows.control.ask("first words")
    asked = rows.control.ask("second words", scope=SearchScope.USER, whom="bob", anew=True)
    gone = rows.control.ask("third words")
    assert list(rows.open()) == [first, asked, gone]
    work = rows.open()[asked]
    assert (work.query, work.scope, work.whom, work.anew, work.withdrawn) == (
        "second words",
        SearchScope.USER,
        "bob",
        True,
        False,
    )
    assert (work.urgency, work.whose) == (Urgency.PERSON, "person ")
    rows.told(first, SearchState.RUNNING, started_at=now())
    rows.control.withdraw(gone)
    assert rows.open()[gone].withdrawn
    rows.told(gone, SearchState.WITHDRAWN, ended_at=now())
    rows.told(asked, SearchState.FAILED, code="search_not_sent", ended_at=now())
    assert list(rows.open()) == [first]


def test_what_is_over_stays_over_and_searches_that_are_gone_are_passed_over(rows: Rows) -> None:
    one, gone = rows.control.ask("some words"), rows.control.ask("gone words")
    rows.control.forget(gone)
    rows.told(one, SearchState.OVER, started_at=now(), ended_at=now())
    rows.told(one, SearchState.RUNNING, started_at=now())
    rows.told(gone, SearchState.RUNNING, answer(gone, "bob"), started_at=now())
    assert rows.open() == {}
    assert rows.control.answers(gone) == {}


def test_an_answer_replaces_what_its_user_answered_before(rows: Rows) -> None:
    one = rows.control.ask("some words")
    other = SharedFile(path=r"m\An Album\02 Other.mp3", size=5, bitrate_kbps=192, vbr=True)
    rows.told(one, SearchState.RUNNING, answer(one, "bob"), answer(one, "eve", free_slot=True, speed_bps=7, locked=2))
    rows.told(one, SearchState.RUNNING, answer(one, "bob", FILE, other, queue=4))
    assert rows.control.answers(one) == {
        "bob": ((FILE, other), False, 4, 0, 0),
        "eve": ((FILE,), True, 0, 7, 2),
    }


def test_who_is_not_heard_is_told_with_what_is_open(rows: Rows) -> None:
    assert rows.run(rows.rows.open()).rules == ()
    rows.control.ignore("mallory")
    assert rows.run(rows.rows.open()).rules == (Rule(effect=Effect.IGNORE, match=MatchBy.USER, pattern="mallory"),)


def test_a_restart_knows_what_was_sent_within_the_window_and_which_answers_may_be_given_again(rows: Rows) -> None:
    old, older, young, equal, running, empty = (
        rows.control.ask(f"words number {name}") for name in ("old", "older", "young", "equal", "running", "empty")
    )
    sent(old, rows, ago=3 * HOUR)
    sent(older, rows, ago=30 * HOUR)
    sent(young, rows, ago=HOUR / 4)
    rows.told(equal, SearchState.OVER, answers_in=young, started_at=now(), ended_at=now(), users=1)
    sent(running, rows, ago=HOUR / 6, state=SearchState.RUNNING)
    sent(empty, rows, ago=HOUR / 8, users=0)
    before = rows.run(rows.rows.before(window=HOUR, kept=24 * HOUR))
    assert len(before.starts) == 3, "an equal search was sent once"
    assert all(one > now() - HOUR for one in before.starts)
    assert [one.id for one in before.kept] == [young, old], "the newest first"
    kept = before.kept[0]
    assert (kept.query, kept.scope, kept.whom, kept.users, kept.files, kept.truncated) == (
        "words number young",
        SearchScope.NETWORK,
        "",
        1,
        3,
        True,
    )


def test_a_search_that_was_answered_by_one_that_is_gone_counts_as_sent_itself(rows: Rows) -> None:
    home, caller = rows.control.ask("some words"), rows.control.ask("Some Words")
    rows.control.forget(home)
    rows.told(caller, SearchState.OVER, answers_in=home, started_at=now(), ended_at=now(), users=1)
    assert [one.id for one in rows.run(rows.rows.before(window=HOUR, kept=HOUR)).kept] == [caller]
