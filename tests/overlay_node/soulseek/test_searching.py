"""Searches from rows to the server and answers back into rows: on real sockets, with the rows in memory."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

from apps.domain.contracts.soulseek_search import SearchWork
from apps.domain.soulseek.budget import SearchBudget, SearchScope, Urgency
from apps.domain.soulseek.states import SearchState
from apps.domain.soulseek.user_rules import Effect, MatchBy, Rule
from overlay_node.soulseek.ports import PlaneRows
from overlay_node.soulseek.search_desk import Patience
from overlay_node.soulseek.searching import Searching
from overlay_node.store.soulseek.memory_searches import MemorySearches
from slskdn_site.demo.soulseek_server.server import ServerSettings
from tests.overlay_node.soulseek.world import World, memory_rows, played, soulseek_world

QUICK = Patience(least_s=0.6, quiet_s=0.4, most_s=3.0)
BUDGET = SearchBudget(searches=34, window_s=220, at_once=2)


def work(query: str, **more: object) -> SearchWork:
    told: dict[str, object] = {
        "id": uuid.uuid4(),
        "query": query,
        "scope": SearchScope.NETWORK,
        "whom": "",
        "urgency": Urgency.PERSON,
        "anew": False,
        "whose": "person 1",
    }
    return SearchWork(**{**told, **more})  # type: ignore[arg-type]


def put(rows: MemorySearches, *works: SearchWork) -> None:
    rows.searches.update({one.id: one for one in works})


def over(rows: MemorySearches, *works: SearchWork) -> bool:
    return all(one.id in rows.progress and rows.progress[one.id].state is SearchState.OVER for one in works)


def shared(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"fLaC" + name.encode())
    return folder


def test_one_question_for_two_callers_and_the_answers_of_both_users_in_one_place(tmp_path: Path) -> None:
    async def scene() -> None:
        rows = MemorySearches()
        first, second = work("winter garden"), work("Winter  GARDEN", whose="hunt 1", urgency=Urgency.JOB)
        put(rows, first, second)
        async with soulseek_world(tmp_path) as world:
            bob = shared(tmp_path / "bob", "Some Artist/An Album/01 Winter Garden.flac")
            carol = shared(tmp_path / "carol", "x/Winter Garden.flac", "x/winter garden (live).mp3")
            async with world.user("bob", shares=bob), world.user("carol", shares=carol):
                await world.plane(
                    parts=lambda context: [Searching(context, rows, budget=BUDGET, patience=QUICK)], rows=memory_rows()
                )
                await world.until(lambda: over(rows, first, second))
                assert len(world.server.searches) == 1
        told = [rows.progress[one.id] for one in (first, second)]
        assert {(one.users, one.files, one.answers_in) for one in told} == {(2, 3, told[0].answers_in)}
        home = told[0].answers_in
        assert home in {first.id, second.id}
        assert {(key, len(one.files)) for key, one in rows.answers.items()} == {
            ((home, "bob"), 1),
            ((home, "carol"), 2),
        }

    played(scene)


def test_the_ignored_are_not_heard_and_phrases_that_the_server_excludes_are_not_asked(tmp_path: Path) -> None:
    async def scene() -> None:
        rows = MemorySearches()
        rows.rules = (
            Rule(effect=Effect.IGNORE, match=MatchBy.USER, pattern="bob"),
            Rule(effect=Effect.BAN, match=MatchBy.CIDR, pattern="192.0.2.0/24"),
        )
        fine, barred = work("winter garden"), work("some FORBIDDEN-words album")
        put(rows, fine, barred)
        async with soulseek_world(tmp_path, ServerSettings(excluded_phrases=("forbidden words",))) as world:
            bob = shared(tmp_path / "bob", "a/Winter Garden.flac")
            carol = shared(tmp_path / "carol", "b/Winter Garden.flac")
            async with world.user("bob", shares=bob), world.user("carol", shares=carol):
                plane = await world.plane(
                    parts=lambda context: [Searching(context, rows, budget=BUDGET, patience=QUICK)]
                )
                plane.context.board.excluded = ("forbidden words",)
                await world.until(lambda: over(rows, fine) and rows.progress[barred.id].ended_at)
                assert [one.query for one in world.server.searches] == ["winter garden"]
        assert [user for _search, user in rows.answers] == ["carol"]
        told = rows.progress[barred.id]
        assert (told.state, told.code, dict(told.params)) == (
            SearchState.FAILED,
            "search_excluded",
            {"phrase": "forbidden words"},
        )

    played(scene)


def test_a_user_and_a_room_are_asked_by_themselves(tmp_path: Path) -> None:
    async def scene() -> None:
        rows = MemorySearches()
        asked = work("winter garden", scope=SearchScope.USER, whom="bob")
        put(rows, asked)
        async with soulseek_world(tmp_path) as world:
            bob = shared(tmp_path / "bob", "a/Winter Garden.flac")
            carol = shared(tmp_path / "carol", "b/Winter Garden.flac")
            async with world.user("bob", shares=bob), world.user("carol", shares=carol):
                await world.plane(parts=lambda context: [Searching(context, rows, budget=BUDGET, patience=QUICK)])
                await world.until(lambda: over(rows, asked))
                room = work("winter garden", scope=SearchScope.ROOM, whom="nobody here")
                put(rows, room)
                await world.until(lambda: over(rows, room))
                assert [one.kind for one in world.server.searches] == ["user", "room"]
        assert [user for _search, user in rows.answers] == ["bob"]

    played(scene)


def test_withdrawing_ends_what_waits_and_nothing_is_sent_for_it(tmp_path: Path) -> None:
    async def scene() -> None:
        rows = MemorySearches()
        gone = work("never asked", withdrawn=True)
        put(rows, gone)
        async with soulseek_world(tmp_path) as world:
            await world.plane(parts=lambda context: [Searching(context, rows, budget=BUDGET, patience=QUICK)])
            await world.until(lambda: gone.id in rows.progress)
            assert rows.progress[gone.id].state is SearchState.WITHDRAWN
            assert world.server.searches == []

    played(scene)


async def ask_all(
    world: World,
    rows: MemorySearches,
    all_rows: PlaneRows,
    limits: SearchBudget,
    boot: str,
    *,
    until: Callable[[], bool],
) -> None:
    patience = Patience(least_s=0.05, quiet_s=0.05, most_s=0.2)
    plane = await world.plane(
        parts=lambda context: [Searching(context, rows, budget=limits, patience=patience)], rows=all_rows, boot_id=boot
    )
    await world.until(until, within_s=60)
    await plane.stop()


def test_two_hundred_searches_stay_within_the_budget_over_a_restart_and_all_are_answered_for(
    tmp_path: Path,
) -> None:
    """The server bans for more; it counts by its own clock. Pings of the server may lie up to a tick apart from ours, never closer together."""

    async def scene() -> None:
        rows = MemorySearches()
        works = [work(f"query number {at}", whose=f"hunt {at % 7}", urgency=list(Urgency)[at % 4]) for at in range(200)]
        put(rows, *works)
        all_rows = memory_rows()
        limits = SearchBudget(searches=40, window_s=2.0, at_once=6)
        async with soulseek_world(tmp_path, ServerSettings(search_limit=(40, 1.9))) as world:
            await ask_all(world, rows, all_rows, limits, "boot-1", until=lambda: len(world.server.searches) >= 90)
            queued = [one for one in rows.progress.values() if one.state is SearchState.QUEUED]
            assert queued
            assert all(one.due_at is not None for one in queued)
            assert len({one.ahead for one in queued}) == len(queued)
            await ask_all(world, rows, all_rows, limits, "boot-2", until=lambda: over(rows, *works))
            times = [one.at for one in world.server.searches]
            assert all(times[at + 40] - times[at] > 1.9 for at in range(len(times) - 40))
            asked = {one.query for one in world.server.searches}
            assert asked == {one.query for one in works}
            assert len(times) <= 200 + 6  # what ran when it stopped is asked again

    played(scene)
