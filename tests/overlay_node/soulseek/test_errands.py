"""Errands: taken once, answered once, not begun too late, never done again by the next life of the node."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from apps.domain.errors import DomainError
from overlay_node.services.background import Background
from overlay_node.soulseek.errands import Errands
from overlay_node.store.soulseek.memory_errands import MemoryErrands
from tests.overlay_node.soulseek.world import World, memory_rows, played, soulseek_world


async def echo(payload: Mapping[str, object]) -> Mapping[str, object]:
    return {"said": payload["say"]}


async def refuse(payload: Mapping[str, object]) -> Mapping[str, object]:
    raise DomainError("No.", code="soulseek_not_online", user=str(payload.get("user", "")))


async def forever(payload: Mapping[str, object]) -> Mapping[str, object]:
    await asyncio.Event().wait()
    return {}


async def breaks(payload: Mapping[str, object]) -> Mapping[str, object]:
    raise RuntimeError


def rows_at(now: list[float]) -> MemoryErrands:
    return MemoryErrands(clock=lambda: now[0])


@pytest.mark.parametrize(
    ("kind", "payload", "code", "body"),
    [
        ("echo", {"say": "hello"}, "", {"said": "hello"}),
        ("echo", {}, "command_invalid", {}),
        ("refuse", {"user": "bob"}, "soulseek_not_online", {}),
        ("breaks", {}, "command_failed", {}),
    ],
)
def test_a_command_is_answered_with_what_came_of_it(
    kind: str, payload: dict[str, object], code: str, body: dict[str, object]
) -> None:
    async def scene() -> None:
        rows, background = rows_at([0.0]), Background()
        errands = Errands(rows, boot_id="one", spawn=background.spawn)
        for name, errand in (("echo", echo), ("refuse", refuse), ("breaks", breaks)):
            errands.register(name, errand)
        asked = rows.put(kind, payload)
        errands.look()
        await World.until(lambda: rows.answer_of(asked))
        answer = rows.answer_of(asked)
        assert answer is not None
        assert (answer.code, answer.body) == (code, body)
        assert errands.running == 0

    played(scene)


def test_a_command_that_nobody_waits_for_any_more_is_not_begun() -> None:
    async def scene() -> None:
        now = [0.0]
        rows, background, begun = rows_at(now), Background(), []

        async def note(payload: Mapping[str, object]) -> Mapping[str, object]:
            begun.append(payload["name"])
            return {}

        errands = Errands(rows, boot_id="one", spawn=background.spawn)
        errands.register("note", note)
        rows.put("note", {"name": "late"}, deadline_s=5)
        now[0] = 6.0
        fresh = rows.put("note", {"name": "fresh"}, deadline_s=5)
        errands.look()
        await World.until(lambda: rows.answer_of(fresh))
        assert begun == ["fresh"]

    played(scene)


def test_one_that_takes_longer_than_its_deadline_is_cut_short() -> None:
    async def scene() -> None:
        rows, background = MemoryErrands(clock=lambda: asyncio.get_running_loop().time()), Background()
        errands = Errands(rows, boot_id="one", spawn=background.spawn)
        errands.register("forever", forever)
        asked = rows.put("forever", deadline_s=0.2)
        errands.look()
        await World.until(lambda: rows.answer_of(asked))
        answer = rows.answer_of(asked)
        assert answer is not None
        assert answer.code == "command_timed_out"

    played(scene)


def test_many_commands_are_each_done_once_however_often_one_looks() -> None:
    async def scene() -> None:
        rows, background, begun = rows_at([0.0]), Background(), []

        async def note(payload: Mapping[str, object]) -> Mapping[str, object]:
            begun.append(payload["name"])
            await asyncio.sleep(0)
            return {}

        errands = Errands(rows, boot_id="one", spawn=background.spawn)
        errands.register("note", note)
        asked = [rows.put("note", {"name": number}) for number in range(200)]
        while any(rows.answer_of(one) is None for one in asked):
            errands.look()
            errands.look()
            await asyncio.sleep(0)
        assert sorted(begun) == list(range(200))

    played(scene)


def test_what_an_earlier_life_began_is_answered_and_not_done_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with soulseek_world(tmp_path) as world:
            rows = memory_rows()
            errands: Any = rows.errands
            asked = errands.put("soulseek_session")
            (taken,) = await errands.take("boot-0", kinds=["soulseek_session"], limit=9)
            assert taken.id == asked
            await world.plane(rows=rows, boot_id="boot-1")
            await world.until(lambda: errands.answer_of(asked))
            assert errands.answer_of(asked).code == "node_restarted"
            fresh = errands.put("soulseek_session")
            await world.until(lambda: errands.answer_of(fresh))
            assert errands.answer_of(fresh).body["username"] == "alice"

    played(scene)


def test_a_kind_has_one_errand() -> None:
    errands = Errands(rows_at([0.0]), boot_id="one", spawn=Background().spawn)
    errands.register("echo", echo)
    with pytest.raises(ValueError, match="echo"):
        errands.register("echo", echo)
