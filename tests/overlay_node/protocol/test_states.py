from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest

from overlay_node.protocol.errors import LocalProtocolError
from overlay_node.protocol.states import (
    ADVERT_READER,
    ADVERT_SENDER,
    CACHE_ASKER,
    CACHE_OFFERER,
    DOWNLOADER,
    SEEDER,
    AdvertReaderEvent,
    AdvertReaderState,
    AdvertSenderEvent,
    AdvertSenderState,
    CacheAskerEvent,
    CacheAskerState,
    CacheOffererEvent,
    CacheOffererState,
    DownloaderEvent,
    DownloaderState,
    SeederEvent,
    SeederState,
    advance,
    is_final,
)

TABLES: list[Any] = [
    (DOWNLOADER, DownloaderState, DownloaderEvent),
    (SEEDER, SeederState, SeederEvent),
    (ADVERT_READER, AdvertReaderState, AdvertReaderEvent),
    (ADVERT_SENDER, AdvertSenderState, AdvertSenderEvent),
    (CACHE_ASKER, CacheAskerState, CacheAskerEvent),
    (CACHE_OFFERER, CacheOffererState, CacheOffererEvent),
]


def reachable(table: Mapping[Any, Mapping[Any, Any]], start: StrEnum) -> set[StrEnum]:
    seen = {start}
    todo = [start]
    while todo:
        for following in table[todo.pop()].values():
            if following not in seen:
                seen.add(following)
                todo.append(following)
    return seen


@pytest.mark.parametrize(("table", "states", "events"), TABLES)
def test_every_state_has_a_row_and_can_be_reached(table: Any, states: Any, events: Any) -> None:
    assert set(table) == set(states)
    assert reachable(table, next(iter(states))) == set(states)
    assert {event for row in table.values() for event in row} == set(events)


@pytest.mark.parametrize(("table", "states", "events"), TABLES)
def test_every_edge_that_is_not_in_the_table_is_refused(table: Any, states: Any, events: Any) -> None:
    for state in states:
        for event in events:
            if event in table[state]:
                assert advance(table, state, event) is table[state][event]
            else:
                with pytest.raises(LocalProtocolError):
                    advance(table, state, event)


def test_every_active_downloader_can_be_aborted_three_ways() -> None:
    for state in DownloaderState:
        if not is_final(DOWNLOADER, state):
            for event in (DownloaderEvent.DISCONNECTED, DownloaderEvent.TIMED_OUT, DownloaderEvent.CANCELLED):
                assert advance(DOWNLOADER, state, event) is DownloaderState.ABORTED


def test_only_completed_aborted_and_rejected_are_final() -> None:
    assert {s for s in DownloaderState if is_final(DOWNLOADER, s)} == {
        DownloaderState.COMPLETED,
        DownloaderState.ABORTED,
    }
    assert {s for s in SeederState if is_final(SEEDER, s)} == {SeederState.REJECTED}


def test_a_good_download_walks_the_documented_path() -> None:
    state = DownloaderState.NEW
    path = []
    for event in (
        DownloaderEvent.MANIFEST_REQUESTED,
        DownloaderEvent.MANIFEST_ACCEPTED,
        DownloaderEvent.CHUNK_REQUESTED,
        DownloaderEvent.NOTHING_LEFT,
        DownloaderEvent.PAYLOAD_WHOLE,
        DownloaderEvent.VERIFIED,
    ):
        state = advance(DOWNLOADER, state, event)
        path.append(state.value)
    assert path == ["negotiating", "ready", "requesting", "draining", "verifying", "completed"]


def test_every_serving_seeder_can_be_rejected() -> None:
    for state in (SeederState.PENDING, SeederState.SERVING, SeederState.THROTTLED):
        for event in (SeederEvent.FILE_MISSING, SeederEvent.FILE_CHANGED, SeederEvent.POLICY):
            assert advance(SEEDER, state, event) is SeederState.REJECTED
