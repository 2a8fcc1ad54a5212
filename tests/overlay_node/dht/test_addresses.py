from __future__ import annotations

import pytest

from overlay_node.dht.addresses import Endpoint, Family

PUBLIC = ["8.8.8.8", "2600:1f18::1"]
PRIVATE = [
    "127.0.0.1",
    "10.0.0.1",
    "192.168.7.7",
    "172.16.0.1",
    "169.254.1.1",
    "100.64.0.1",
    "::1",
    "fd12::1",
    "fe80::1",
]
NEVER = ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("host", PUBLIC + PRIVATE)
def test_compact_form_round_trips(host: str) -> None:
    endpoint = Endpoint.parse(host, 51413)
    assert Endpoint.from_compact(endpoint.compact) == endpoint
    assert (endpoint.host, endpoint.port) == (host, 51413)
    assert len(endpoint.compact) == endpoint.family.compact_bytes


def test_the_compact_form_is_that_of_bep_5() -> None:
    assert Endpoint.parse("1.2.3.4", 0x1AE1).compact == b"\x01\x02\x03\x04\x1a\xe1"
    assert Endpoint.parse("fe80::1%eth0", 1).family is Family.V6


@pytest.mark.parametrize("host", PUBLIC)
def test_public_addresses_are_always_usable(host: str) -> None:
    assert Endpoint.parse(host, 1).is_usable(allow_private=False)


@pytest.mark.parametrize("host", PRIVATE)
def test_private_addresses_are_usable_only_when_allowed(host: str) -> None:
    assert not Endpoint.parse(host, 1).is_usable(allow_private=False)
    assert Endpoint.parse(host, 1).is_usable(allow_private=True)


@pytest.mark.parametrize("host", NEVER)
def test_multicast_unspecified_broadcast_and_disguised_addresses_are_never_usable(host: str) -> None:
    assert not Endpoint.parse(host, 1).is_usable(allow_private=True)


def test_port_zero_is_never_usable() -> None:
    assert not Endpoint.parse("8.8.8.8", 0).is_usable(allow_private=True)


@pytest.mark.parametrize(("packed", "port"), [(b"abc", 1), (b"abcde", 1), (b"abcd", -1), (b"abcd", 65536)])
def test_what_is_no_endpoint_cannot_be_made(packed: bytes, port: int) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        Endpoint(packed, port)
