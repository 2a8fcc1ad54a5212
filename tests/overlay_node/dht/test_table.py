from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from overlay_node.dht.addresses import Endpoint
from overlay_node.dht.config import NO_ADDRESS_LIMITS, AddressLimits
from overlay_node.dht.ids import Contact, NodeId, distance, shared_prefix_bits
from overlay_node.dht.table import GOOD_FOR_S, MAX_FAILURES, RoutingTable
from tests.overlay_node.dht.unhurried import unhurried

OWN = NodeId(bytes(20))


def far(number: int, host: str | None = None) -> Contact:
    """A node of the farthest bucket (first bit differs)."""
    return Contact(NodeId(b"\x80" + bytes(17) + number.to_bytes(2, "big")), endpoint(number, host))


def endpoint(number: int, host: str | None = None) -> Endpoint:
    return Endpoint.parse(host, 1) if host else Endpoint((0x0B000000 + (number << 8) + 1).to_bytes(4, "big"), 1)


def table(limits: AddressLimits = NO_ADDRESS_LIMITS) -> RoutingTable:
    return RoutingTable(OWN, limits, 0.0)


def full_far_bucket(limits: AddressLimits = NO_ADDRESS_LIMITS, now: float = 0.0) -> RoutingTable:
    made = table(limits)
    for number in range(8):
        made.answered(far(number), 0.1, now)
    # One near node makes the table split, so that the far bucket can no longer.
    made.answered(Contact(NodeId(bytes(19) + b"\x01"), Endpoint.parse("12.0.0.1", 1)), 0.1, now)
    return made


def members(routing: RoutingTable) -> set[Contact]:
    return {node.contact for node in routing.nodes()}


def test_a_node_that_only_asked_us_is_worth_a_ping_but_has_no_place() -> None:
    routing = table()
    assert routing.asked_us(far(1), 0.0)
    assert len(routing) == 0
    routing.answered(far(1), 0.1, 1.0)
    assert members(routing) == {far(1)}
    assert not routing.asked_us(far(1), 2.0)


def test_our_own_id_never_enters() -> None:
    routing = table()
    own = Contact(OWN, endpoint(1))
    assert not routing.asked_us(own, 0.0)
    assert routing.answered(own, 0.1, 0.0) == []
    assert len(routing) == 0


def test_a_newcomer_to_a_full_bucket_waits_and_displaces_no_good_node() -> None:
    routing = full_far_bucket()
    assert not routing.asked_us(far(100), 1.0)
    assert routing.answered(far(100), 0.1, 1.0) == []
    assert far(100) not in members(routing)
    assert routing.waiting_count == 1


def test_the_stalest_questionable_node_is_pinged_and_keeps_its_place_if_it_answers() -> None:
    routing = full_far_bucket()
    late = GOOD_FOR_S + 1
    for number in range(1, 8):
        routing.answered(far(number), 0.1, late)
    assert routing.answered(far(100), 0.1, late) == [far(0)]
    routing.answered(far(0), 0.1, late + 1)
    assert far(0) in members(routing)
    assert far(100) not in members(routing)


def test_a_questionable_node_that_stays_silent_makes_room_for_who_waited_last() -> None:
    routing = full_far_bucket()
    late = GOOD_FOR_S + 1
    routing.answered(far(100), 0.1, late)
    routing.answered(far(101), 0.1, late)
    routing.failed(far(0))
    assert far(0) not in members(routing)
    assert far(101) in members(routing)


def test_a_failing_node_stays_for_our_own_use_until_it_has_failed_often_but_is_not_told_to_others() -> None:
    routing = table()
    routing.answered(far(1), 0.1, 0.0)
    for _ in range(MAX_FAILURES - 1):
        routing.failed(far(1))
        assert routing.closest(OWN, 8) == [far(1)]
        assert routing.closest(OWN, 8, answering_only=True) == []
    routing.failed(far(1))
    assert len(routing) == 0


def test_an_answer_clears_failures() -> None:
    routing = table()
    routing.answered(far(1), 0.1, 0.0)
    routing.failed(far(1))
    routing.answered(far(1), 0.1, 1.0)
    assert routing.closest(OWN, 8, answering_only=True) == [far(1)]


def test_a_known_id_elsewhere_is_believed_only_after_the_known_place_fell_silent() -> None:
    routing = table()
    moved = replace(far(1), endpoint=endpoint(77))
    routing.answered(far(1), 0.1, 0.0)
    assert not routing.asked_us(moved, 1.0)
    routing.answered(moved, 0.1, 1.0)
    assert members(routing) == {far(1)}
    routing.failed(moved)
    assert routing.closest(OWN, 8, answering_only=True) == [far(1)], "a failure elsewhere is not this node's"
    routing.failed(far(1))
    assert routing.asked_us(moved, 2.0)
    routing.answered(moved, 0.1, 2.0)
    assert members(routing) == {moved}


def test_a_node_restarted_under_another_id_leaves_no_ghost() -> None:
    routing = table()
    routing.answered(far(1), 0.1, 0.0)
    reborn = Contact(far(2).node_id, far(1).endpoint)
    routing.answered(reborn, 0.1, 1.0)
    assert members(routing) == {reborn}


def test_one_address_gets_one_place() -> None:
    routing = table(AddressLimits())
    routing.answered(far(1, "11.1.1.1"), 0.1, 0.0)
    other = Contact(far(2).node_id, Endpoint.parse("11.1.1.1", 2))
    assert not routing.asked_us(other, 1.0)
    routing.answered(other, 0.1, 1.0)
    assert members(routing) == {far(1, "11.1.1.1")}


def test_one_network_gets_two_places_in_a_bucket_and_ten_in_the_table() -> None:
    routing = table(AddressLimits())
    for bits in range(20):
        for number in range(4):
            node_id = NodeId((1 << (159 - bits) | number).to_bytes(20, "big"))
            routing.answered(Contact(node_id, Endpoint.parse(f"11.1.1.{1 + bits * 4 + number}", 1)), 0.1, 0.0)
            routing.answered(Contact(node_id, Endpoint.parse(f"11.{2 + bits}.{number}.1", 1)), 0.1, 0.0)
            unique = (bits * 4 + number) << 8
            other = NodeId((1 << (159 - bits) | 1 << 100 | number).to_bytes(20, "big"))
            routing.answered(Contact(other, Endpoint((0x20000000 + unique + 1).to_bytes(4, "big"), 1)), 0.1, 0.0)
    crowd = [node for node in routing.nodes() if node.contact.endpoint.group == bytes([11, 1, 1])]
    assert 0 < len(crowd) <= 10


def test_the_limits_hold_when_a_waiting_node_is_promoted() -> None:
    routing = full_far_bucket(AddressLimits())
    late = GOOD_FOR_S + 1
    crowd = [far(200 + n, f"11.0.0.{10 + n}") for n in range(3)]
    for contact in crowd:
        routing.answered(contact, 0.1, late)
    for number in range(1, 8):
        routing.failed(far(number))
    groups = [c.endpoint.group for c in members(routing)]
    assert groups.count(bytes([11, 0, 0])) <= 2


def test_a_bucket_without_news_is_found_and_a_lookup_refreshes_it() -> None:
    routing = full_far_bucket()
    assert routing.stale_bucket(100.0, 900.0) is None
    assert routing.stale_bucket(901.0, 900.0) is not None
    for index in range(8):
        routing.touch(NodeId((1 << (159 - index)).to_bytes(20, "big")), 901.0)
    routing.touch(OWN, 901.0)
    assert routing.stale_bucket(901.0, 900.0) is None


contacts = st.builds(
    lambda id_, host, port: Contact(NodeId(id_), Endpoint(bytes([11, 0, host >> 3, host & 7]), port)),
    st.binary(min_size=1, max_size=1).map(lambda head: head + bytes(19)) | st.binary(min_size=20, max_size=20),
    st.integers(0, 63),
    st.integers(1, 3),
)
steps = st.lists(st.tuples(st.sampled_from(["answered", "asked", "failed"]), contacts, st.floats(0, 600)), max_size=120)


@settings(unhurried, max_examples=80)
@given(steps, st.sampled_from([NO_ADDRESS_LIMITS, AddressLimits()]))
def test_whatever_happens_the_table_keeps_its_promises(
    happenings: list[tuple[str, Contact, float]], limits: AddressLimits
) -> None:
    routing = table(limits)
    answered: set[Contact] = set()
    now = 0.0
    for what, contact, elapsed in happenings:
        now += elapsed
        if what == "answered":
            answered.add(contact)
            for doubtful in routing.answered(contact, 0.1, now):
                assert doubtful in members(routing)
        elif what == "asked":
            routing.asked_us(contact, now)
        else:
            routing.failed(contact)
        held = members(routing)
        assert held <= answered, "only who has answered gets a place"
        assert len(held) == len(routing)
        assert len({c.node_id for c in held}) == len({c.endpoint for c in held}) == len(held)
        assert all(len(bucket.nodes) <= 8 and len(bucket.waiting) <= 8 for bucket in routing._buckets)
        for index, bucket in enumerate(routing._buckets[:-1]):
            assert all(shared_prefix_bits(OWN, node_id) == index for node_id in bucket.nodes)
        if limits.per_source is not None:
            sources = [c.endpoint.source for c in held]
            assert len(set(sources)) == len(sources)
            assert all(list(routing._by_group.elements()).count(g) <= 10 for g in routing._by_group)
        assert sum(routing._by_source.values()) == sum(routing._by_group.values()) == len(held)
        nearest = routing.closest(contact.node_id, 8)
        distances = [distance(contact.node_id, c.node_id) for c in nearest]
        assert distances == sorted(distance(contact.node_id, c.node_id) for c in held)[:8]
