"""A download's life as decisions: time-outs, refusals, breaks, turns. Time is a number."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.soulseek.states import DOWNLOAD_ENDS, DownloadState, Outcome
from apps.domain.soulseek.streaming import (
    AHEAD,
    AWAY_GRACE_S,
    FRESH_BYTES,
    FULL_THERE_S,
    InLine,
    StreamCore,
    StreamRules,
    may_begin,
    next_asked,
    outcome_of,
    refusal_of,
    sizes_agree,
)

RULES = StreamRules(attempts=3, answer_timeout_s=100, queue_timeout_s=1000, pause_s=5, away_s=60)


def core() -> StreamCore:
    return StreamCore(rules=RULES)


def asked(now: float = 0.0) -> StreamCore:
    made = core()
    made.ask(now)
    return made


def test_silence_ends_it_where_nothing_ever_came_and_is_a_break_where_something_did() -> None:
    first = asked()
    assert not first.tick(99, have=0)
    assert first.tick(100, have=0)
    assert (first.state, first.code) == (DownloadState.TIMED_OUT, "no_answer")
    second = asked()
    assert second.tick(100, have=5)
    assert (second.state, second.code, second.next_try) == (DownloadState.INTERRUPTED, "no_answer", 105)


def test_a_place_in_a_queue_is_given_up_after_its_time_over_all_asks() -> None:
    one = asked()
    one.delivered(10)
    one.undelivered(400)
    one.delivered(410)
    assert not one.tick(1009, have=0)
    assert one.tick(1010, have=0)
    assert (one.state, one.code) == (DownloadState.TIMED_OUT, "queue_timeout")


def test_time_without_a_session_counts_against_nobody() -> None:
    one = asked()
    one.delivered(10)
    one.offline(20)
    assert not one.tick(50_000, have=0)
    one.online(50_000)
    assert not one.tick(50_900, have=0)
    assert one.tick(51_000, have=0)


def test_breaks_are_asked_again_with_growing_pauses_and_then_given_up() -> None:
    one, now = asked(), 0.0
    for attempt, pause in ((1, 5), (2, 10)):
        one.broke(now, "broke_off")
        assert (one.state, one.attempts, one.next_try) == (DownloadState.INTERRUPTED, attempt, now + pause)
        assert not one.due(now)
        now += pause
        assert one.due(now)
        one.ask(now)
    one.broke(now, "broke_off")
    assert (one.state, one.code) == (DownloadState.ABORTED, "broke_off")


def test_who_brings_much_between_breaks_is_asked_as_often_as_it_takes() -> None:
    one = asked()
    for turn in range(20):
        one.arrived(FRESH_BYTES)
        one.broke(float(turn), "broke_off")
        assert one.attempts == 1
        one.ask(float(turn))


@pytest.mark.parametrize(
    ("words", "state", "code", "outcome"),
    [
        ("Banned", DownloadState.REFUSED, "banned_there", Outcome.BANNED),
        ("File not shared.", DownloadState.REFUSED, "not_shared", Outcome.NOT_SHARED),
        ("Cancelled", DownloadState.REFUSED, "cancelled_there", Outcome.REFUSED),
        ("Geo-something odd", DownloadState.REFUSED, "refused_there", Outcome.REFUSED),
    ],
)
def test_refusals_end_it_each_in_its_own_way(words: str, state: DownloadState, code: str, outcome: Outcome) -> None:
    one = asked()
    one.refused(1, words)
    assert (one.state, one.code, one.params) == (state, code, {"reason": words})
    assert outcome_of(one.state, one.code) is outcome


def test_a_full_queue_there_is_waited_for_without_an_attempt_and_not_for_ever() -> None:
    one = asked()
    now = 1.0
    one.refused(now, "Too many files")
    assert (one.state, one.code, one.attempts) == (DownloadState.INTERRUPTED, "full_there", 0)
    assert not one.due(now + FULL_THERE_S - 1)
    assert one.due(now + FULL_THERE_S)
    assert one.tick(now + 1000, have=0)
    assert one.code == "queue_timeout"


def test_somebody_who_shuts_down_is_asked_later() -> None:
    one = asked()
    one.refused(0, "Pending shutdown.")
    assert (one.state, one.code, one.attempts) == (DownloadState.INTERRUPTED, "went_away", 1)
    assert refusal_of("Remote file error").again_s is not None


def test_our_own_full_disk_is_nobody_s_fault() -> None:
    one = asked()
    one.no_room(0, "disk_full")
    assert (one.attempts, one.state) == (0, DownloadState.INTERRUPTED)
    assert outcome_of(DownloadState.ERRORED, "disk_full") is None
    assert outcome_of(DownloadState.CANCELLED, "person_cancelled") is None
    assert outcome_of(DownloadState.ENOUGH, "want_satisfied") is None
    assert outcome_of(DownloadState.REJECTED, "wrong_recording") is Outcome.WRONG_RECORDING
    assert outcome_of(DownloadState.REJECTED, "decode_failed") is Outcome.BROKEN


def test_ends_are_final_and_need_to_be_ends() -> None:
    one = asked()
    one.end(DownloadState.CANCELLED, "person_cancelled")
    one.broke(1, "broke_off")
    one.end(DownloadState.REFUSED, "banned_there")
    assert (one.state, one.code) == (DownloadState.CANCELLED, "person_cancelled")
    with pytest.raises(ValueError, match="waiting"):
        core().end(DownloadState.WAITING)


@given(
    st.lists(
        st.sampled_from(
            ["ask", "delivered", "undelivered", "called", "receiving", "broke", "refused", "tick", "rest", "pause"]
        ),
        max_size=30,
    )
)
def test_whatever_happens_it_can_be_told_and_an_end_stays(events: list[str]) -> None:
    one, now = core(), 0.0
    for event in events:
        now += 40
        before = one.state
        match event:
            case "ask":
                if one.due(now):
                    one.ask(now)
            case "called":
                one.called()
            case "receiving":
                one.receiving()
            case "broke":
                one.broke(now, "broke_off")
            case "refused":
                one.refused(now, "Too many files") if not one.ended else None
            case "tick":
                one.tick(now, have=1)
            case "rest" | "pause":
                if not one.ended:
                    one.rest("mesh_has_rest") if event == "rest" else one.pause()
            case _:
                getattr(one, event)(now)
        if before in DOWNLOAD_ENDS:
            assert one.state is before


def line(user: str, order: int, state: DownloadState = DownloadState.WAITING, **more: object) -> InLine:
    return InLine(
        id=uuid.uuid4(),
        user=user,
        order=order,
        priority=int(str(more.get("priority", 5))),
        state=state,
        due=bool(more.get("due", state is DownloadState.WAITING)),
        settled=bool(more.get("settled", False)),
    )


def test_urgent_ones_first_then_the_queue_s_order_within_both_limits() -> None:
    rows = [line("a", 1), line("a", 2), line("b", 3), line("c", 4), line("d", 5, priority=10), line("e", 6)]
    chosen = next_asked(rows, StreamRules(at_once=3, per_user=1))
    assert [next(row.order for row in rows if row.id == one) for one in chosen] == [5, 1, 3]


def test_what_is_asked_and_received_takes_places() -> None:
    rows = [line("a", 1, DownloadState.RECEIVING), line("a", 2), line("b", 3, DownloadState.ASKED), line("c", 4)]
    assert next_asked(rows, StreamRules(at_once=2)) == ()
    assert next_asked(rows, StreamRules(at_once=3)) == (rows[3].id,)
    assert next_asked(rows, StreamRules(at_once=4, per_user=2)) == (rows[1].id, rows[3].id)


def test_behind_a_settled_place_in_a_queue_more_of_the_folder_may_wait() -> None:
    fresh = [line("a", 1, DownloadState.QUEUED), line("a", 2)]
    assert next_asked(fresh, StreamRules()) == ()
    settled = [line("a", 1, DownloadState.QUEUED, settled=True), line("a", 2), line("a", 3)]
    assert next_asked(settled, StreamRules()) == (settled[1].id,)
    full = [line("a", order, DownloadState.QUEUED, settled=True) for order in range(AHEAD)] + [line("a", 99)]
    assert next_asked(full, StreamRules()) == ()


def test_a_sharer_that_calls_with_several_at_once_gets_no_more_than_its_share() -> None:
    calls = line("a", 1, DownloadState.QUEUED)
    comes = [
        line("a", 2, DownloadState.RECEIVING),
        line("a", 3, DownloadState.ASKED),
        line("b", 4, DownloadState.CONNECTING),
    ]
    assert not may_begin([calls, *comes], calls, StreamRules(per_user=1))
    assert may_begin([calls, *comes], calls, StreamRules(per_user=2))
    assert may_begin([calls, *comes[1:]], calls, StreamRules(per_user=1))
    begun = line("a", 1, DownloadState.CONNECTING)
    assert may_begin([begun], begun, StreamRules(per_user=1)), "it does not stand in its own way"


def test_sizes_that_were_not_told_or_differ_by_tags_agree() -> None:
    assert sizes_agree(0, 5)
    assert sizes_agree(100, 120)
    assert not sizes_agree(100, 49)
    assert not sizes_agree(100, 201)


def elsewhere() -> StreamCore:
    made = asked()
    made.elsewhere = True
    return made


def test_who_is_away_is_left_at_once_where_somebody_else_has_it_and_waited_for_where_nobody_has() -> None:
    one = elsewhere()
    one.broke(3, "went_away", away=True)
    assert (one.state, one.code, one.left) == (DownloadState.ABORTED, "went_away", True)
    assert outcome_of(one.state, one.code) is Outcome.WENT_AWAY
    says = elsewhere()
    says.refused(3, "User logged off")
    assert (says.state, says.left) == (DownloadState.ABORTED, True)
    only = asked()
    only.broke(3, "went_away", away=True)
    assert (only.state, only.away, only.left) == (DownloadState.INTERRUPTED, True, False)
    assert only.next_try == 63


def test_who_gave_most_of_it_gets_another_chance_before_it_is_left() -> None:
    one = elsewhere()
    one.broke(0, "broke_off")
    one.ask(5)
    one.broke(8, "went_away", away=True, mostly_here=True)
    assert one.away
    assert one.next_try == 8 + AWAY_GRACE_S
    one.ask(200)
    one.broke(203, "went_away", away=True, mostly_here=True)
    assert (one.state, one.left) == (DownloadState.ABORTED, True)


def test_somebody_s_coming_online_ends_the_pause_of_those_that_wait_for_it_and_of_no_other() -> None:
    one = asked()
    one.broke(3, "went_away", away=True)
    one.returned(10)
    assert not one.due(10)
    assert one.due(11)
    other = asked()
    other.broke(3, "broke_off")
    other.returned(4)
    assert other.next_try == 8


def test_a_queue_that_stands_is_left_where_somebody_else_has_a_free_slot_and_waited_for_where_nobody_has() -> None:
    rules = StreamRules(queue_timeout_s=1000, queue_patience_s=100)
    alone, one = (StreamCore(rules=rules, elsewhere=other) for other in (False, True))
    for core_ in (alone, one):
        core_.ask(0)
        core_.delivered(1)
        core_.nearer(50)
    assert not one.tick(149, have=0)
    assert not one.tick(150, have=5), "what has begun is not thrown away for a queue"
    assert one.tick(150, have=0)
    assert (one.state, one.code, one.left) == (DownloadState.TIMED_OUT, "quicker_elsewhere", True)
    assert not alone.tick(900, have=0)
    assert alone.tick(1001, have=0)


def test_what_else_waits_at_a_sharer_that_is_left_goes_with_it_unless_it_is_had_nowhere_else_or_has_begun() -> None:
    waits, nowhere, begun, runs = elsewhere(), asked(), elsewhere(), elsewhere()
    for one in (waits, nowhere, begun):
        one.delivered(1)
    begun.arrived(5)
    runs.receiving()
    gone = [one.leave(DownloadState.ABORTED, "went_away") for one in (waits, nowhere, begun, runs)]
    assert gone == [True, False, False, False]
    assert (waits.state, waits.code, waits.left) == (DownloadState.ABORTED, "went_away", False)
