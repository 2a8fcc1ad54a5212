"""Lists of editions are asked for a few at a time, in order; what ends badly or is too much is said, and nothing is waited for that does not come."""

from __future__ import annotations

import uuid
from dataclasses import replace

from apps.domain.catalog.group_walks import (
    EDITIONS_NOT_ASKED,
    EDITIONS_UNREADABLE,
    IN_FLIGHT,
    MOST,
    group_walks,
)
from apps.domain.catalog.walks import WalkKind, WalkState, WalkStatus

GROUPS = [uuid.UUID(int=at + 1) for at in range(MOST + 50)]


def walk(at: int, state: WalkState, **more: object) -> WalkStatus:
    return replace(WalkStatus(id=at, kind=WalkKind.GROUP_RELEASES, mbid=GROUPS[at], state=state), **more)  # type: ignore[arg-type]


def test_a_few_are_asked_for_at_once_in_order_and_the_rest_of_too_many_never() -> None:
    asked: list[uuid.UUID] = []
    walks: dict[uuid.UUID, WalkStatus] = {}
    while not (now := group_walks(GROUPS, walks)).over:
        assert 0 < len(now.ask) + now.reading <= IN_FLIGHT
        asked += now.ask
        opened = {one: walk(GROUPS.index(one), WalkState.WAITING) for one in now.ask}
        again = group_walks(GROUPS, walks | opened)
        assert (again.ask, again.reading) == ((), IN_FLIGHT if len(now.ask) == IN_FLIGHT else len(now.ask))
        walks |= {one: replace(each, state=WalkState.DONE) for one, each in opened.items()}
    assert asked == GROUPS[:MOST]
    assert (now.done, now.total) == (MOST, MOST)
    assert now.unread == dict.fromkeys(GROUPS[MOST:], EDITIONS_NOT_ASKED)


def test_what_failed_or_can_not_be_asked_is_not_waited_for_and_one_bad_answer_is() -> None:
    walks = {
        GROUPS[0]: walk(0, WalkState.FAILED, code="group_releases_unreadable"),
        GROUPS[1]: walk(1, WalkState.WAITING, code="musicbrainz_offline"),
        GROUPS[2]: walk(2, WalkState.WAITING, code="musicbrainz_unavailable", params={"tries": 3}),
        GROUPS[3]: walk(3, WalkState.DONE),
    }
    now = group_walks(GROUPS[:4], walks)
    assert now.over
    assert now.unread == dict.fromkeys(GROUPS[:3], EDITIONS_UNREADABLE)
    walks[GROUPS[2]] = walk(2, WalkState.WAITING, code="musicbrainz_unavailable", params={"tries": 1})
    assert not group_walks(GROUPS[:4], walks).over


def test_what_was_read_long_ago_is_asked_for_again() -> None:
    assert group_walks(GROUPS[:1], {GROUPS[0]: walk(0, WalkState.DONE, stale=True)}).ask == (GROUPS[0],)
