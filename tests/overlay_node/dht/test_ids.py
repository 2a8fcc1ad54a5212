from __future__ import annotations

import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay_node.dht.addresses import Endpoint
from overlay_node.dht.ids import (
    NodeId,
    bep42_id,
    crc32c,
    is_bep42_id,
    random_id_in_bucket,
    random_sample,
    shared_prefix_bits,
)
from tests.overlay_node.dht.unhurried import unhurried

# BEP 42's own table: address, `rand`, first three bytes (the third under mask f8), last byte.
BEP42_VECTORS = [
    ("124.31.75.21", 1, "5fbfbf", 0x01),
    ("21.75.31.124", 86, "5a3ce9", 0x56),
    ("65.23.51.170", 22, "a5d432", 0x16),
    ("84.124.73.14", 65, "1b0321", 0x41),
    ("43.213.53.83", 90, "e56f6c", 0x5A),
]
ids = st.binary(min_size=20, max_size=20).map(NodeId)


def test_crc32c_has_the_check_value_of_its_standard() -> None:
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize(("host", "rand", "head", "last"), BEP42_VECTORS)
def test_the_ids_of_bep_42s_table_are_valid_at_their_addresses_only(host: str, rand: int, head: str, last: int) -> None:
    assert last == rand & 0xFF
    node_id = NodeId(bytes.fromhex(head) + bytes(16) + bytes([last]))
    assert is_bep42_id(node_id, Endpoint.parse(host, 1).packed)
    assert not is_bep42_id(node_id, Endpoint.parse("8.8.8.8", 1).packed)


@pytest.mark.parametrize("host", ["124.31.75.21", "2600:1f18::17", "9.9.9.9"])
def test_an_id_made_for_an_address_is_valid_there(host: str) -> None:
    packed = Endpoint.parse(host, 1).packed
    made = {bep42_id(packed, os.urandom) for _ in range(50)}
    assert len(made) == 50
    assert all(is_bep42_id(node_id, packed) for node_id in made)


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.3.4", "::1", "fd00::1", "fe80::1"])
def test_private_addresses_are_exempt(host: str) -> None:
    assert is_bep42_id(NodeId(bytes(20)), Endpoint.parse(host, 1).packed)


@unhurried
@given(ids, st.integers(0, 159), st.integers(0, 2**32))
def test_a_refresh_target_falls_into_exactly_its_bucket(own: NodeId, bits: int, seed: int) -> None:
    assert shared_prefix_bits(own, random_id_in_bucket(own, bits, random.Random(seed).randbytes)) == bits


@unhurried
@given(st.lists(st.integers(), unique=True, max_size=30), st.integers(0, 40))
def test_a_sample_holds_distinct_members(items: list[int], count: int) -> None:
    sample = random_sample(items, count, random.Random(1).randbytes)
    assert len(sample) == min(count, len(items))
    assert len(set(sample)) == len(sample)
    assert set(sample) <= set(items)
