from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from overlay_node.dht.addresses import Endpoint
from overlay_node.dht.config import StorageLimits
from overlay_node.dht.storage import PeerStore
from tests.overlay_node.dht.unhurried import unhurried

KEY = b"k" * 20


def peer(host: str, port: int = 1) -> Endpoint:
    return Endpoint.parse(host, port)


def store(**limits: float | None) -> PeerStore:
    return PeerStore(StorageLimits(**limits), bytes(20), random.Random(1).randbytes)  # type: ignore[arg-type]


def test_peers_are_told_until_their_time_is_over_and_a_repeat_renews_it() -> None:
    shelf = store(ttl_s=100.0)
    assert shelf.add(KEY, peer("192.0.2.1"), 0.0)
    assert shelf.add(KEY, peer("192.0.2.2"), 0.0)
    assert shelf.add(KEY, peer("192.0.2.1"), 60.0)
    assert set(shelf.peers(KEY, 10, 99.0)) == {peer("192.0.2.1"), peer("192.0.2.2")}
    assert shelf.peers(KEY, 10, 101.0) == [peer("192.0.2.1")]
    shelf.expire(161.0)
    assert (shelf.keys, shelf.entries) == (0, 0)


def test_two_ports_of_one_host_are_two_peers() -> None:
    shelf = store()
    shelf.add(KEY, peer("192.0.2.1", 1), 0.0)
    shelf.add(KEY, peer("192.0.2.1", 2), 0.0)
    assert len(shelf.peers(KEY, 10, 1.0)) == 2


def test_one_host_has_a_quota_per_key_and_in_all() -> None:
    shelf = store(max_per_key_and_source=2, max_entries_per_source=3)
    assert [shelf.add(KEY, peer("192.0.2.1", port), 0.0) for port in (1, 2, 3)] == [True, True, False]
    assert [shelf.add(bytes([n]) * 20, peer("192.0.2.1"), 0.0) for n in (1, 2)] == [True, False]
    assert shelf.add(bytes([9]) * 20, peer("192.0.2.9"), 0.0)


def test_a_crowd_from_one_network_cannot_push_out_the_others() -> None:
    shelf = store(max_peers_per_key=4)
    shelf.add(KEY, peer("198.51.100.1"), 0.0)
    for number in range(1, 50):
        shelf.add(KEY, peer(f"192.0.2.{number}"), 1.0)
    assert peer("198.51.100.1") in shelf.peers(KEY, 10, 2.0)
    assert shelf.add(KEY, peer("203.0.113.5"), 2.0)
    assert {peer("198.51.100.1"), peer("203.0.113.5")} <= set(shelf.peers(KEY, 10, 2.0))
    assert shelf.entries == 4


def test_when_there_are_too_many_keys_the_nearest_to_us_stay() -> None:
    shelf = store(max_keys=2)
    far, near, nearest = (bytes([n]) + bytes(19) for n in (200, 20, 2))
    assert shelf.add(far, peer("192.0.2.1"), 0.0)
    assert shelf.add(near, peer("192.0.2.1"), 0.0)
    assert shelf.add(nearest, peer("192.0.2.1"), 0.0)
    assert shelf.peers(far, 1, 0.0) == []
    assert not shelf.add(far, peer("192.0.2.1"), 0.0)
    assert shelf.keys == 2


def test_an_answer_is_a_random_choice_so_every_peer_is_told_sometimes() -> None:
    shelf = store()
    for number in range(20):
        shelf.add(KEY, peer(f"192.0.{number}.1"), 0.0)
    told = {p for _ in range(100) for p in shelf.peers(KEY, 3, 0.0)}
    assert len(told) == 20


operations = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 3), st.integers(1, 3), st.floats(0, 30)), max_size=80
)


@settings(unhurried, max_examples=60)
@given(operations)
def test_no_quota_is_ever_exceeded_and_the_counts_are_true(steps: list[tuple[int, int, int, int, float]]) -> None:
    shelf = store(
        ttl_s=50.0,
        max_keys=4,
        max_peers_per_key=3,
        max_entries=7,
        max_entries_per_source=4,
        max_per_key_and_source=2,
    )
    now = 0.0
    for key, network, host, port, elapsed in steps:
        now += elapsed
        shelf.add(bytes([key]) * 20, peer(f"192.0.{network}.{host}", port), now)
        held = {k: list(p) for k, p in shelf._keys.items()}
        everything = [p for peers in held.values() for p in peers]
        assert shelf.entries == len(everything) <= 7
        assert shelf.keys == len(held) == len(shelf._by_distance) <= 4
        assert all(1 <= len(peers) <= 3 for peers in held.values())
        assert all(sum(p.source == q.source for q in everything) <= 4 for p in everything)
        assert sum(shelf._per_source.values()) == len(everything)
    shelf.expire(now + 51.0)
    assert (shelf.keys, shelf.entries, len(shelf._per_source)) == (0, 0, 0)
