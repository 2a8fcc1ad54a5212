from __future__ import annotations

from math import ceil

import pytest

from apps.domain.contracts.node_work import RateLimitWork
from overlay_node.protocol.limits import DONE_KEPT_S, KIB, MAX_CHUNK_BYTES, OFFER_TTL_S
from overlay_node.protocol.states import SeederState
from overlay_node.swarm.fair_queue import QUANTUM_BYTES, READS_AT_ONCE, REFUSALS_BURST
from overlay_node.swarm.rate_limits import BURST_BYTES, Direction, Scope
from overlay_node.swarm.seeding import (
    MAX_QUEUED_PER_PEER,
    MAX_SERVED_OF_ONE_PAYLOAD,
    MIN_CHARGE_BYTES,
    Seeding,
)
from overlay_node.swarm.upload_slots import IDLE_S, LULL_S, TURN_S
from tests.overlay_node.swarm.seeding_world import LEAF, Answer, SeedingWorld, new_id

NODE_UP = (Scope.NODE, Direction.UP)
PEER_UP = (Scope.PEER, Direction.UP)


def state_of(world: SeedingWorld, transfer: str) -> SeederState | None:
    return next((one.state for _, _, one in world.core.served() if one.transfer_id == transfer), None)


# ---- is it right


def test_a_chunk_of_an_offered_transfer_is_sent_and_the_last_one_says_so() -> None:
    world = SeedingWorld(leaf_count=4)
    link = world.link("a")
    transfer = world.offered(link)
    first = world.chunk(link, transfer)
    last = world.chunk(link, transfer, offset=3 * LEAF)
    assert world.answers[first] == Answer(0.0, bytes=LEAF)
    assert world.answers[last] == Answer(0.0, bytes=LEAF, eof=True)


def test_what_was_never_offered_is_not_found_and_another_root_too() -> None:
    world = SeedingWorld()
    link, other = world.link("a"), world.link("b")
    transfer = world.offered(link)
    assert world.answers[world.chunk(link, new_id())].code == "not_found"
    assert world.answers[world.chunk(other, transfer)].code == "not_found"


@pytest.mark.parametrize(("offset", "length"), [(64 * LEAF, 1), (64 * LEAF - 1, 2), (63 * LEAF, LEAF + 1), (2**50, 1)])
def test_a_range_outside_the_payload_is_invalid(offset: int, length: int) -> None:
    world = SeedingWorld(leaf_count=64)
    link = world.link("a")
    transfer = world.offered(link)
    assert world.answers[world.chunk(link, transfer, offset=offset, length=length)].code == "invalid_range"


def test_a_missing_payload_and_a_forbidden_one_are_refused_with_their_reason() -> None:
    world = SeedingWorld()
    link = world.link("a")
    world.found = False
    assert world.answers[world.manifest(link, new_id())].code == "not_found"
    world.core.policy_code = "policy"
    assert world.answers[world.manifest(link, new_id())].code == "policy"


def test_a_file_that_changed_ends_its_transfer_and_everything_asked_of_it() -> None:
    world = SeedingWorld()
    link = world.link("a")
    transfer = world.offered(link)
    world.auto = False
    asked = [world.chunk(link, transfer, offset=at * LEAF) for at in range(5)]
    assert len(world.out) == READS_AT_ONCE
    world.fail(world.out[0], "not_found")
    world.fail(world.out[0], "not_found")
    assert [world.answers[one].code for one in asked] == ["not_found"] * 5
    assert world.answers[world.chunk(link, transfer)].code == "not_found"
    world.auto = True
    assert world.answers[world.manifest(link, transfer)].code == ""  # the file as it is now, a new offer
    assert world.answers[world.chunk(link, transfer)].code == ""


def test_a_read_that_fails_is_said_and_ends_nothing() -> None:
    world = SeedingWorld()
    link = world.link("a")
    transfer = world.offered(link)
    world.auto = False
    failed = world.chunk(link, transfer)
    world.fail(world.out[0], "io_error")
    assert world.answers[failed].code == "io_error"
    world.auto = True
    assert world.answers[world.chunk(link, transfer)].code == ""


def test_a_leaf_that_is_not_held_yet_is_an_invalid_range_and_told_of_when_it_is() -> None:
    world = SeedingWorld(leaf_count=4)
    world.have = ((0, 2),)
    link = world.link("a")
    transfer = world.offered(link)
    world.auto = False
    asked = world.chunk(link, transfer, offset=2 * LEAF)
    world.fail(world.out[0], "not_found")
    assert world.answers[asked].code == "invalid_range"
    world.auto = True
    assert world.answers[world.chunk(link, transfer)].code == ""
    world.have = ((0, 3),)
    world.pass_time(1.0)
    assert [one.ranges for one in world.haves] == [((2, 3),)]
    world.pass_time(5.0)
    assert len(world.haves) == 1


# ---- life of a transfer


def test_an_offer_nobody_takes_up_expires_and_is_answered_for_five_minutes_more() -> None:
    world = SeedingWorld()
    link = world.link("a")
    transfer = world.offered(link)
    world.pass_time(OFFER_TTL_S + 60)
    assert state_of(world, transfer) is None
    assert world.answers[world.chunk(link, transfer)].code == ""  # a late duplicate
    world.pass_time(DONE_KEPT_S + 60)
    assert world.answers[world.chunk(link, transfer)].code == "not_found"


def test_late_duplicates_do_not_keep_an_ended_transfer_alive() -> None:
    world = SeedingWorld()
    link = world.link("a")
    transfer = world.offered(link)
    world.cancel(link, transfer)
    for _ in range(5):
        world.pass_time(70.0)
        last = world.chunk(link, transfer)
    assert world.answers[last].code == "not_found"


def test_a_cancelled_range_is_not_sent_and_not_answered() -> None:
    world = SeedingWorld()
    link = world.link("a")
    transfer = world.offered(link)
    world.auto = False
    asked = [world.chunk(link, transfer, offset=at * LEAF) for at in range(4)]
    world.cancel(link, transfer, (LEAF, 3 * LEAF))
    assert [one.cancelled for one in world.out] == [False, True]
    world.done(world.out[0])
    world.drop(world.out[0])
    world.done(world.out[0])
    assert [one in world.answers for one in asked] == [True, False, False, True]
    assert world.core.queue_length == 0


def test_a_transfer_ends_when_the_last_of_it_is_sent() -> None:
    world = SeedingWorld()
    link = world.link("a")
    transfer = world.offered(link)
    world.auto = False
    world.chunk(link, transfer)
    served = next(one for _, _, one in world.core.served())
    world.cancel(link, transfer)
    assert served.state is SeederState.TEARDOWN
    world.drop(world.out[0])
    assert served.state is SeederState.DONE


def test_one_payload_is_not_offered_under_ever_new_names() -> None:
    world = SeedingWorld()
    link = world.link("a")
    names = [world.offered(link) for _ in range(MAX_SERVED_OF_ONE_PAYLOAD)]
    refused = world.answers[world.manifest(link, new_id())]
    assert (refused.code, refused.retry_after_s) == ("rate_limited", 60)
    world.cancel(link, names[0])
    assert world.answers[world.manifest(link, new_id())].code == ""


def test_a_closed_link_is_answered_nothing_more_and_leaves_nothing() -> None:
    world = SeedingWorld()
    link = world.link("a")
    transfer = world.offered(link)
    world.auto = False
    for at in range(5):
        world.chunk(link, transfer, offset=at * LEAF)
    late = list(world.out)
    world.close(link)
    for upload in late:
        world.drop(upload)
    assert world.core.queue_length == 0
    assert world.core.peers_served == 0
    assert list(world.core.served()) == []


def test_a_link_that_closes_takes_nothing_from_another_of_its_peer() -> None:
    world = SeedingWorld()
    first, second = world.link("a"), world.link("a")
    one, other = world.offered(first), world.offered(second)
    world.auto = False
    for at in range(4):
        world.chunk(first, one, offset=at * LEAF)
        world.chunk(second, other, offset=at * LEAF)
    late = [upload for upload in world.out if upload.link == first]
    world.close(first)
    for upload in late:
        world.drop(upload)
    while world.out:
        world.done(world.out[0])
    assert world.sent["a"] == 2 * 64 * 32 + 4 * LEAF


# ---- turns


def test_when_all_slots_are_taken_the_next_peer_is_told_when_to_come_and_is_served_then() -> None:
    world = SeedingWorld(slots=2)
    busy = [world.link("a"), world.link("b")]
    transfers = [world.offered(link) for link in busy]
    late = world.link("c")
    told = world.answers[world.manifest(late, new_id())]
    assert told.code == "rate_limited"
    assert told.retry_after_s is not None
    while world.now < told.retry_after_s:
        for link, transfer in zip(busy, transfers, strict=True):
            world.chunk(link, transfer)
        world.pass_time(0.25)
    assert world.answers[world.manifest(late, new_id())].code == ""
    losers = [world.answers[world.chunk(link, one)] for link, one in zip(busy, transfers, strict=True)]
    assert sorted(one.code for one in losers) == ["", "rate_limited"]


def test_a_turn_that_nobody_else_wants_does_not_end() -> None:
    world = SeedingWorld(slots=1)
    link = world.link("a")
    transfer = world.offered(link)
    for _ in range(int(8 * TURN_S)):
        assert world.answers[world.chunk(link, transfer)].code == ""
        world.pass_time(1.0)


def test_a_peer_that_asks_nothing_frees_its_slot() -> None:
    world = SeedingWorld(slots=1)
    world.offered(world.link("a"))
    other = world.link("b")
    world.pass_time(LULL_S)
    told = world.answers[world.manifest(other, new_id())].retry_after_s
    assert told == ceil(IDLE_S - LULL_S)
    world.pass_time(told)
    assert world.answers[world.manifest(other, new_id())].code == ""


def test_who_came_first_is_served_first_however_often_the_others_ask() -> None:
    world = SeedingWorld(slots=1)
    holder = world.link("holder")
    transfer = world.offered(holder)
    patient, greedy = world.link("patient"), world.link("greedy")
    world.chunk(holder, transfer)
    comes_at = world.now + (world.answers[world.manifest(patient, new_id())].retry_after_s or 0)
    served: list[str] = []
    while world.now < comes_at:
        world.chunk(holder, transfer)
        if not world.answers[world.manifest(greedy, new_id())].code:
            served.append("greedy")
        world.pass_time(0.5)
    if not world.answers[world.manifest(patient, new_id())].code:
        served.append("patient")
    assert served == ["patient"]


def test_a_peer_that_takes_nothing_does_not_keep_others_from_its_slot() -> None:
    world = SeedingWorld(slots=1, auto=True)
    stuck = world.link("stuck")
    transfer = world.offered(stuck)
    world.auto = False
    world.chunk(stuck, transfer)
    queued = world.chunk(stuck, transfer, deadline_ms=60_000)
    extra = world.chunk(stuck, transfer, deadline_ms=60_000)
    world.done(world.out[0], blocked=True)
    other = world.link("b")
    told = world.answers[world.manifest(other, new_id())]
    assert told.retry_after_s is not None
    assert told.retry_after_s <= TURN_S
    world.pass_time(told.retry_after_s)
    world.auto = True
    assert world.answers[world.manifest(other, new_id())].code == ""
    assert world.answers[extra].code == "rate_limited"
    assert queued not in world.answers  # it was being read already
    world.auto = False
    world.done(world.out[0])


def test_a_peer_whose_turn_ended_comes_back_to_one() -> None:
    """Three peers on one slot: each gets its turns, in the order of the line, and nobody twice before the others."""
    world = SeedingWorld(slots=1)
    links = {name: world.link(name) for name in "abc"}
    transfers: dict[str, str] = {}
    again = dict.fromkeys("abc", 0.0)
    order: list[str] = []
    while world.now < 200.0:
        for name, link in links.items():
            if world.now < again[name]:
                continue
            transfer = transfers.get(name) or new_id()
            answer = world.answers[world.chunk(link, transfer) if name in transfers else world.manifest(link, transfer)]
            if answer.code:
                again[name] = world.now + (answer.retry_after_s or 0)
            else:
                transfers[name] = transfer
                if order[-1:] != [name]:
                    order.append(name)
        world.pass_time(0.1)
    assert len(order) >= 200 // (TURN_S + 1)
    assert order == (list("abc") * len(order))[: len(order)]


@pytest.mark.parametrize(("kbps", "names"), [(1, "ab"), (5, "ab"), (5, "abcd"), (20, "abc"), (60, "abcde")])
def test_on_a_very_slow_line_everybody_who_does_as_told_gets_the_same(kbps: int, names: str) -> None:
    world = SeedingWorld(limits={NODE_UP: kbps})
    links = {name: world.link(name) for name in names}
    transfers: dict[str, str] = {}
    again = dict.fromkeys(names, 0.0)
    got = dict.fromkeys(names, 0)
    asked: dict[str, str] = {}
    rounds = 12 * len(names) * LEAF / (kbps * KIB)
    while world.now < rounds:
        for name, link in links.items():
            if name in asked:
                answer = world.answers.get(asked[name])
                if answer is None:
                    continue
                del asked[name]
                got[name] += answer.bytes
                again[name] = world.now + (answer.retry_after_s or 0) if answer.code else 0.0
            if world.now >= again[name]:
                known = name in transfers and got[name]
                transfer = transfers.setdefault(name, new_id())
                asked[name] = world.chunk(link, transfer) if known else world.manifest(link, transfer)
        world.pass_time(0.25)
    assert min(got.values()) >= 5 * LEAF
    assert max(got.values()) - min(got.values()) <= 4 * LEAF


def test_a_peer_that_asks_for_next_to_nothing_holds_no_slot_beyond_its_turn() -> None:
    world = SeedingWorld(slots=1)
    hog, other = world.link("hog"), world.link("other")
    transfer = world.offered(hog)
    served_at = None
    while served_at is None:
        world.chunk(hog, transfer, length=1)
        if not world.answers[world.manifest(other, new_id())].code:
            served_at = world.now
        world.pass_time(1.5)
    assert served_at <= TURN_S + 1.5


def test_on_a_slow_line_fewer_peers_are_served() -> None:
    world = SeedingWorld(slots=8, limits={NODE_UP: 110})
    assert world.core.slots == 2
    world.rates.apply([RateLimitWork(scope="global", key="", direction="up", kbps=10_000)], 0.0)
    world.pass_time(1.0)
    assert world.core.slots == 8


def test_fewer_slots_end_turns_only_when_they_are_over() -> None:
    world = SeedingWorld(slots=3)
    links = [world.link(name) for name in "abc"]
    transfers = [world.offered(link) for link in links]
    world.rates.apply([RateLimitWork(scope="global", key="", direction="up", kbps=60)], 0.0)
    for _ in range(int(TURN_S) + 3):
        assert world.core.peers_served >= 1
        for link, transfer in zip(links, transfers, strict=True):
            world.chunk(link, transfer)
        world.pass_time(1.0)
    world.pass_time(1.0)
    assert world.core.peers_served == 1


# ---- limits


def test_a_limit_makes_a_transfer_throttled_until_it_goes_on() -> None:
    world = SeedingWorld(limits={NODE_UP: 256})
    link = world.link("a")
    transfer = world.offered(link)
    for at in range(4):
        world.chunk(link, transfer, offset=at * LEAF)
    assert state_of(world, transfer) is SeederState.THROTTLED
    world.pass_time(4.0)
    assert state_of(world, transfer) is SeederState.SERVING
    assert world.sent["a"] == 4 * LEAF + 64 * 32
    for (at, _, _), earliest in zip(world.log[2:], (0, 1, 2), strict=False):
        assert at >= earliest - 1.0


def test_what_would_come_too_late_is_refused_with_the_time_it_takes() -> None:
    world = SeedingWorld(limits={NODE_UP: 20})
    link = world.link("a")
    transfer = world.offered(link)
    answers = [world.answers.get(world.chunk(link, transfer, offset=at * LEAF)) for at in range(4)]
    refused = [one for one in answers if one is not None and one.code]
    assert refused
    assert all(one.code == "rate_limited" and one.retry_after_s for one in refused)
    told = refused[0].retry_after_s or 0
    assert told == ceil((64 * 32 * 8 + 3 * LEAF - BURST_BYTES) / (20 * KIB))
    world.pass_time(told)
    assert world.answers[world.chunk(link, transfer)].code == ""


def test_a_peers_own_limit_holds_only_that_peer() -> None:
    world = SeedingWorld()
    world.rates.apply([RateLimitWork(scope="peer", key="slow", direction="up", kbps=128)], 0.0)
    slow, fast = world.link("slow"), world.link("fast")
    ours, theirs = world.offered(slow), world.offered(fast)
    for _ in range(20):
        world.chunk(slow, ours, deadline_ms=60_000)
        world.chunk(fast, theirs)
        world.pass_time(0.5)
    assert world.sent["fast"] == 20 * LEAF + 64 * 32
    assert world.sent["slow"] <= 10 * 128 * KIB + BURST_BYTES


def test_a_raised_limit_takes_effect_within_a_second() -> None:
    world = SeedingWorld(limits={PEER_UP: 1})
    link = world.link("a")
    transfer = world.offered(link)
    world.chunk(link, transfer)
    waits = [world.chunk(link, transfer, deadline_ms=600_000) for _ in range(3)]
    world.rates.apply([RateLimitWork(scope="peer", key="a", direction="up", kbps=0)], world.now)
    world.pass_time(1.0)
    assert [world.answers[one].code for one in waits] == [""] * 3


def test_manifests_count_against_the_limit() -> None:
    world = SeedingWorld(limits={NODE_UP: 100}, leaf_count=16_384)
    link = world.link("a")
    world.manifest(link, new_id())
    later = world.manifest(link, new_id())
    assert later not in world.answers
    world.pass_time(5.0)
    assert later not in world.answers
    world.pass_time(0.5)
    assert world.answers[later].code == ""


def test_a_request_of_one_byte_costs_more_than_a_byte() -> None:
    world = SeedingWorld(limits={NODE_UP: 64})
    link = world.link("a")
    transfer = world.offered(link)
    for _ in range(200):
        for _ in range(4):
            world.chunk(link, transfer, length=1)
        world.pass_time(0.1)
    count = sum(size == 1 for _, _, size in world.log)
    assert count <= (20 * 64 * KIB + BURST_BYTES) / MIN_CHARGE_BYTES


def test_a_peer_that_takes_back_what_was_read_for_it_has_paid_for_it() -> None:
    world = SeedingWorld(limits={NODE_UP: 1})
    link = world.link("a")
    transfer = world.offered(link)
    world.auto = False
    world.chunk(link, transfer)
    world.cancel(link, transfer, (0, LEAF))
    world.drop(world.out[0])
    assert world.answers[world.chunk(link, transfer)].code == "rate_limited"


# ---- fair order


def fill(world: SeedingWorld, link: int, transfers: list[str], length: int, upto: int) -> None:
    queued = sum(one == link for one in world.open_requests.values())
    for at in range(upto - queued):
        world.chunk(link, transfers[at % len(transfers)], length=length)


@pytest.mark.parametrize("length", [LEAF, MAX_CHUNK_BYTES, 32 * KIB])
def test_more_transfers_and_smaller_requests_gain_nothing(length: int) -> None:
    world = SeedingWorld(limits={NODE_UP: 4096})
    modest, greedy = world.link("modest"), world.link("greedy")
    ours, theirs = [world.offered(modest)], [world.offered(greedy) for _ in range(4)]
    start = world.sent.copy()
    while world.now < 20:
        fill(world, modest, ours, LEAF, 4)
        fill(world, greedy, theirs, length, 8)
        gap = (world.sent["modest"] - start["modest"]) - (world.sent["greedy"] - start["greedy"])
        assert abs(gap) <= MAX_CHUNK_BYTES + QUANTUM_BYTES
        world.pass_time(0.05)
    assert world.sent["modest"] > 30 * LEAF


def test_a_peer_with_a_full_socket_holds_up_nobody_and_goes_on_when_it_is_not() -> None:
    world = SeedingWorld()
    full, other = world.link("full"), world.link("other")
    ours, theirs = world.offered(full), world.offered(other)
    world.auto = False
    for at in range(4):
        world.chunk(full, ours, offset=at * LEAF, deadline_ms=60_000)
    world.done(world.out[0], blocked=True)
    world.done(world.out[0])
    assert world.out == []
    world.chunk(other, theirs)
    world.done(world.out[0])
    assert world.sent["other"] > LEAF
    world.carry_out(world.core.link_writable(full, world.now))
    assert len(world.out) == 2


def test_urgency_orders_a_peers_own_requests_and_nobody_elses() -> None:
    world = SeedingWorld(limits={NODE_UP: 256})
    calm, shouting = world.link("calm"), world.link("shouting")
    ours, theirs = world.offered(calm), world.offered(shouting)
    world.chunk(calm, ours)  # what was saved up
    low = world.chunk(shouting, theirs, priority=1)
    high = world.chunk(shouting, theirs, priority=10)
    mine = world.chunk(calm, ours, priority=0)
    world.pass_time(8.0)
    assert world.answers[high].at < world.answers[low].at
    assert world.answers[mine].at < world.answers[low].at


def test_queues_are_bounded() -> None:
    world = SeedingWorld()
    link = world.link("a")
    transfer = world.offered(link)
    world.auto = False
    asked = [world.chunk(link, transfer, deadline_ms=600_000) for _ in range(MAX_QUEUED_PER_PEER + READS_AT_ONCE + 3)]
    assert world.core.queue_length == MAX_QUEUED_PER_PEER
    refused = [world.answers[one] for one in asked if one in world.answers]
    assert [(one.code, one.retry_after_s) for one in refused] == [("rate_limited", 1)] * 3


def test_what_is_not_served_before_its_peer_gives_up_is_answered() -> None:
    world = SeedingWorld()
    link = world.link("a")
    transfer = world.offered(link)
    world.auto = False
    asked = [world.chunk(link, transfer, deadline_ms=2000) for _ in range(READS_AT_ONCE + 1)]
    world.pass_time(6.0)
    assert world.answers[asked[-1]].code == "rate_limited"
    assert world.answers[asked[-1]].at <= 5.0 + 0.001


def test_who_lives_on_refusals_is_closed_and_loses_its_share_meanwhile() -> None:
    world = SeedingWorld()
    link = world.link("a")
    for _ in range(int(REFUSALS_BURST)):
        world.chunk(link, new_id())
    assert world.closed == {}
    world.chunk(link, new_id())
    assert world.closed == {link: "rate_exceeded"}


def test_refusals_do_not_spend_the_nodes_limit() -> None:
    world = SeedingWorld(limits={NODE_UP: 64})
    vandal, honest = world.link("vandal"), world.link("honest")
    transfer = world.offered(honest)
    for _ in range(100):
        world.chunk(vandal, new_id())
    assert world.answers[world.chunk(honest, transfer)].code == ""


def test_a_core_without_links_has_nothing_to_do() -> None:
    world = SeedingWorld()
    core: Seeding[str] = world.core
    world.pass_time(100.0)
    assert core.wake_at is None
    assert (core.queue_length, core.peers_served, core.peers_waiting) == (0, 0, 0)
