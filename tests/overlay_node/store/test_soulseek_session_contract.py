"""What the plane's session rows and command rows promise: those in memory and those over Django's, tested alike, on SQLite and on Postgres."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

import pytest

from apps.domain.contracts.node_commands import CommandAnswer
from apps.domain.contracts.soulseek_session import IntentWork, SessionHappening, SessionKept, SessionReport
from apps.domain.soulseek.session import Health, Phase
from overlay_node.soulseek.ports import ErrandRows, SessionRows
from overlay_node.store.soulseek.memory_errands import MemoryErrands
from overlay_node.store.soulseek.memory_session import MemorySessionRows

T = TypeVar("T")
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Control(Protocol):
    """The control plane's hand, and a look at the rows."""

    def connect(self) -> None: ...
    def disconnect(self) -> None: ...
    def away(self, away: bool) -> None: ...
    def put(self, kind: str, payload: Mapping[str, object], *, deadline_s: float) -> uuid.UUID: ...
    def pass_s(self, seconds: float) -> None: ...
    def answer(self, command_id: uuid.UUID) -> CommandAnswer | None: ...
    def session(self) -> tuple[str, str, str, dict[str, object], datetime | None]: ...
    def happenings(self) -> list[tuple[str, str, dict[str, object]]]: ...


class MemoryControl:
    def __init__(self) -> None:
        self.now = 0.0
        self.session_rows = MemorySessionRows()
        self.errand_rows = MemoryErrands(clock=lambda: self.now)

    def connect(self) -> None:
        was = self.session_rows.wanted
        self.session_rows.wanted = IntentWork(online=True, away=was.away, generation=was.generation + 1)

    def disconnect(self) -> None:
        was = self.session_rows.wanted
        self.session_rows.wanted = IntentWork(online=False, away=was.away, generation=was.generation)

    def away(self, away: bool) -> None:
        was = self.session_rows.wanted
        self.session_rows.wanted = IntentWork(online=was.online, away=away, generation=was.generation)

    def put(self, kind: str, payload: Mapping[str, object], *, deadline_s: float) -> uuid.UUID:
        return self.errand_rows.put(kind, payload, deadline_s=deadline_s)

    def pass_s(self, seconds: float) -> None:
        self.now += seconds

    def answer(self, command_id: uuid.UUID) -> CommandAnswer | None:
        return self.errand_rows.answer_of(command_id)

    def session(self) -> tuple[str, str, str, dict[str, object], datetime | None]:
        row = self.session_rows.report
        assert row is not None
        return row.phase.value, row.health.value, row.code, dict(row.params), row.retry_at

    def happenings(self) -> list[tuple[str, str, dict[str, object]]]:
        return [(one.kind, one.code, dict(one.params)) for one in self.session_rows.happenings]


class DjangoControl:
    def connect(self) -> None:
        from apps.soulseek.services_session import session_connect

        session_connect()

    def disconnect(self) -> None:
        from apps.soulseek.services_session import session_disconnect

        session_disconnect()

    def away(self, away: bool) -> None:
        from apps.soulseek.services_session import session_away

        session_away(away=away)

    def put(self, kind: str, payload: Mapping[str, object], *, deadline_s: float) -> uuid.UUID:
        from apps.nodelink.services_command import command_put

        return command_put(kind, payload, deadline_s=deadline_s)

    def pass_s(self, seconds: float) -> None:
        from django.db.models import F

        from apps.nodelink.models import NodeCommand

        NodeCommand.objects.update(deadline=F("deadline") - timedelta(seconds=seconds))

    def answer(self, command_id: uuid.UUID) -> CommandAnswer | None:
        from apps.nodelink.services_command import command_answer

        return command_answer(command_id)

    def session(self) -> tuple[str, str, str, dict[str, object], datetime | None]:
        from apps.soulseek.models import SoulseekSession

        row = SoulseekSession.objects.get()
        return row.phase, row.health, row.code, row.params, row.retry_at

    def happenings(self) -> list[tuple[str, str, dict[str, object]]]:
        from apps.soulseek.models import SessionEvent

        return [(row.kind, row.code, row.params) for row in SessionEvent.objects.order_by("id")]


class Rows:
    def __init__(self, session: SessionRows, errands: ErrandRows, control: Control) -> None:
        self.session, self.errands, self.control = session, errands, control
        self.loop = asyncio.new_event_loop()

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(call)


@pytest.fixture(params=["memory", pytest.param("django", marks=pytest.mark.django_db(transaction=True))])
def rows(request: pytest.FixtureRequest) -> Iterator[Rows]:
    close: Callable[[], Coroutine[Any, Any, None]] | None = None
    if request.param == "memory":
        memory = MemoryControl()
        made = Rows(memory.session_rows, memory.errand_rows, memory)
    else:
        from overlay_node.store.database_thread import DatabaseThread
        from overlay_node.store.soulseek.errands import DjangoErrands
        from overlay_node.store.soulseek.session import DjangoSessionRows

        database = DatabaseThread()
        close = database.close
        made = Rows(DjangoSessionRows(database), DjangoErrands(database), DjangoControl())
    yield made
    if close is not None:
        made.run(close())
    made.loop.close()


def test_without_a_word_of_anybody_it_is_wanted_online(rows: Rows) -> None:
    assert rows.run(rows.session.intent()) == IntentWork()
    assert rows.run(rows.session.kept()) == SessionKept()


def test_what_people_want_is_read_and_each_connect_is_a_new_generation(rows: Rows) -> None:
    rows.control.connect()
    rows.control.away(True)
    rows.control.connect()
    assert rows.run(rows.session.intent()) == IntentWork(online=True, away=True, generation=2)
    rows.control.disconnect()
    rows.control.away(False)
    assert rows.run(rows.session.intent()) == IntentWork(online=False, away=False, generation=2)


def test_how_it_stands_is_one_row_and_what_happened_are_many(rows: Rows) -> None:
    report = SessionReport(
        phase=Phase.WAITING,
        health=Health.DEGRADED,
        code="soulseek_unreachable",
        params={"error": "refused"},
        retry_at=NOW,
        search_starts=(1.5, 2.5),
        last_ticket=7,
        wishlist_interval_s=99,
        excluded=("bad words",),
    )
    lost = SessionHappening(kind="lost", code="soulseek_connection_lost", at=NOW)
    said = SessionHappening(kind="server_said", params={"text": "hi"}, at=NOW)
    rows.run(rows.session.record(report, [lost]))
    rows.run(rows.session.record(None, [said]))
    assert rows.control.session() == ("waiting", "degraded", "soulseek_unreachable", {"error": "refused"}, NOW)
    assert rows.control.happenings() == [("lost", "soulseek_connection_lost", {}), ("server_said", "", {"text": "hi"})]
    kept = SessionKept(search_starts=(1.5, 2.5), last_ticket=7, wishlist_interval_s=99, excluded=("bad words",))
    assert rows.run(rows.session.kept()) == kept
    rows.run(rows.session.record(SessionReport(phase=Phase.ONLINE, health=Health.HEALTHY), []))
    assert rows.control.session() == ("online", "healthy", "", {}, None)


def test_a_command_is_taken_once_and_answered_once_by_the_boot_that_took_it(rows: Rows) -> None:
    asked = rows.control.put("echo", {"say": "hi"}, deadline_s=60)
    rows.control.put("other", {}, deadline_s=60)
    (work,) = rows.run(rows.errands.take("one", kinds=["echo"], limit=9))
    assert (work.id, work.kind, work.version, dict(work.payload)) == (asked, "echo", 1, {"say": "hi"})
    assert 0 < work.left_s <= 60
    assert rows.run(rows.errands.take("one", kinds=["echo"], limit=9)) == ()
    assert rows.control.answer(asked) is None
    answer = CommandAnswer(params={"n": 1}, body={"said": "hi"})
    assert not rows.run(rows.errands.answer(asked, boot_id="two", answer=answer))
    assert rows.run(rows.errands.answer(asked, boot_id="one", answer=answer))
    assert not rows.run(rows.errands.answer(asked, boot_id="one", answer=CommandAnswer(code="late")))
    assert rows.control.answer(asked) == answer


def test_commands_come_oldest_first_a_limit_at_a_time_and_not_after_their_deadline(rows: Rows) -> None:
    late = rows.control.put("echo", {"n": 0}, deadline_s=5)
    rows.control.pass_s(6)
    asked = [rows.control.put("echo", {"n": number}, deadline_s=60) for number in (1, 2, 3)]
    taken = rows.run(rows.errands.take("one", kinds=["echo"], limit=2))
    assert [one.id for one in taken] == asked[:2]
    assert [one.id for one in rows.run(rows.errands.take("one", kinds=["echo"], limit=2))] == asked[2:]
    assert rows.control.answer(late) is None


def test_what_an_earlier_boot_took_is_answered_for_it_and_the_rest_stays(rows: Rows) -> None:
    begun, waiting = (rows.control.put("echo", {}, deadline_s=60) for _ in range(2))
    rows.run(rows.errands.take("one", kinds=["echo"], limit=1))
    assert rows.run(rows.errands.forsaken("one")) == 0
    assert rows.run(rows.errands.forsaken("two")) == 1
    answer = rows.control.answer(begun)
    assert answer is not None
    assert answer.code == "node_restarted"
    assert not rows.run(rows.errands.answer(begun, boot_id="one", answer=CommandAnswer()))
    assert [one.id for one in rows.run(rows.errands.take("two", kinds=["echo"], limit=9))] == [waiting]
