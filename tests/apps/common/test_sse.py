"""Live views send what changed, all of it at first, and nothing twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping

import pytest

from apps.common import sse


def test_only_new_different_and_vanished_parts_are_sent() -> None:
    parts, gone = sse.changes({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 5, "d": 4})
    assert parts == {"b": 5, "d": 4}
    assert gone == ["c"]


def test_a_message_is_one_event_on_one_line_whatever_is_in_it() -> None:
    lines = sse.message({"x": "a\nb\r\n\ndata: fake"}, ["y"]).decode().split("\n")
    assert lines[0] == "event: patch"
    assert json.loads(lines[1].removeprefix("data: ")) == {"parts": {"x": "a\nb\r\n\ndata: fake"}, "gone": ["y"]}
    assert lines[2:] == ["", ""]


def told(states: list[Mapping[str, object]], monkeypatch: pytest.MonkeyPatch, *, count: int) -> list[bytes]:
    """The first chunks of a stream whose rows take these states, one a read; time does not pass."""
    monkeypatch.setattr(sse, "MIN_INTERVAL_S", 0.0)
    monkeypatch.setattr(sse, "MAX_INTERVAL_S", 0.0)
    reads: Iterator[Mapping[str, object]] = iter(states)
    last = states[-1]

    async def run() -> list[bytes]:
        stream = sse.patches(lambda: next(reads, last), rung=asyncio.Event())
        chunks = [await anext(stream) for _ in range(count)]
        await stream.aclose()
        return chunks

    return asyncio.run(run())


@pytest.mark.django_db
def test_a_stream_begins_with_everything_and_then_tells_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = told([{"a": 1, "b": 1}, {"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 2}], monkeypatch, count=4)
    assert chunks[0] == b"retry: 3000\n\n"
    events = [json.loads(chunk.decode().split("data: ")[1]) for chunk in chunks[1:]]
    assert events == [
        {"parts": {"a": 1, "b": 1}, "gone": []},
        {"parts": {"a": 2}, "gone": []},
        {"parts": {}, "gone": ["b"]},
    ]


@pytest.mark.django_db
def test_a_silent_stream_keeps_its_connection_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "KEEP_ALIVE_S", -1.0)
    assert told([{"a": 1}], monkeypatch, count=3)[2] == b": still here\n\n"


@pytest.mark.django_db
def test_a_stream_ends_after_its_lifetime_so_that_rights_are_checked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "LIFETIME_S", 0.0)

    async def run() -> list[bytes]:
        return [chunk async for chunk in sse.patches(dict, rung=asyncio.Event())]

    assert asyncio.run(run()) == [b"retry: 3000\n\n"]


def test_too_many_streams_are_refused_with_the_usual_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_STREAMS", 0)
    response = sse.stream_response(dict)
    assert response.status_code == 503
    assert json.loads(response.content)["code"] == "too_many_streams"  # type: ignore[attr-defined]


def test_the_doorbell_wakes_every_stream_and_is_let_go_with_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.common.doorbell import WEB_CHANNEL, _publish

    async def run() -> tuple[bool, bool]:
        bell = sse.Bell()
        async with bell.listening() as rung:
            for _ in range(100):  # until the subscription stands, rings are lost by design
                _publish(WEB_CHANNEL, "job")
                try:
                    await asyncio.wait_for(rung.wait(), timeout=0.05)
                    break
                except TimeoutError:
                    continue
            woken = rung.is_set()
        return woken, bell._task is None

    assert asyncio.run(run()) == (True, True)
