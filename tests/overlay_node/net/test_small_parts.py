from __future__ import annotations

import ipaddress
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay_node.net.addresses import group_of, is_public, may_dial
from overlay_node.net.gate import ConnectionGate, GateLimits
from overlay_node.net.identity import CERTIFICATE_FILE, KEY_FILE, identity_load_or_create, peer_id_of_key
from overlay_node.net.offences import Offences
from overlay_node.protocol import limits
from overlay_node.protocol.rates import TokenBucket


def test_an_identity_is_made_once_and_kept_private(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    first = identity_load_or_create(folder)
    assert identity_load_or_create(folder).peer_id == first.peer_id == peer_id_of_key(first.private_key.public_key())
    assert len(first.peer_id) == 52
    assert first.peer_id == first.peer_id.lower()
    for name in (KEY_FILE, CERTIFICATE_FILE):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert sorted(path.name for path in folder.iterdir()) == sorted([KEY_FILE, CERTIFICATE_FILE])


def test_a_lost_or_foreign_certificate_is_made_anew_from_the_key(tmp_path: Path) -> None:
    first = identity_load_or_create(tmp_path / "a")
    other = identity_load_or_create(tmp_path / "b")
    (tmp_path / "a" / CERTIFICATE_FILE).write_bytes((tmp_path / "b" / CERTIFICATE_FILE).read_bytes())
    again = identity_load_or_create(tmp_path / "a")
    assert again.peer_id == first.peer_id != other.peer_id
    assert again.certificate.public_key() == first.private_key.public_key()


def test_a_key_that_others_can_read_stops_the_start(tmp_path: Path) -> None:
    identity_load_or_create(tmp_path)
    (tmp_path / KEY_FILE).chmod(0o644)
    with pytest.raises(ValueError, match="0600"):
        identity_load_or_create(tmp_path)


@pytest.mark.parametrize(
    ("host", "group", "public"),
    [
        ("93.184.216.34", "93.184.216.0/24", True),
        ("::ffff:93.184.216.34", "93.184.216.0/24", True),
        ("127.0.0.9", "127.0.0.0/24", False),
        ("192.168.1.1", "192.168.1.0/24", False),
        ("100.64.0.1", "100.64.0.0/24", False),
        ("2606:4700:1:2ff::1", "2606:4700:1:200::/56", True),
        ("fe80::1%eth0", "fe80::/56", False),
        ("239.1.1.1", "239.1.1.0/24", False),
        ("not an address", "unknown", False),
    ],
)
def test_addresses_have_a_group_and_are_public_or_not(host: str, group: str, public: bool) -> None:
    assert (group_of(host), is_public(host)) == (group, public)
    assert may_dial(host, allow_private=False) is public


def test_an_address_that_carries_another_is_never_more_public_than_that() -> None:
    nat64 = int(ipaddress.IPv6Address("64:ff9b::"))
    for inner, public in (("8.8.8.8", True), ("192.168.1.1", False), ("127.0.0.1", False), ("224.0.0.1", False)):
        value = int(ipaddress.IPv4Address(inner))
        assert is_public(str(ipaddress.IPv6Address(nat64 | value))) is public
        assert not is_public(str(ipaddress.IPv6Address((0x2002 << 112) | (value << 80) | 1))), "6to4"
        assert not is_public(str(ipaddress.IPv6Address((0x20010000 << 96) | (value << 64) | 1))), "Teredo"


def test_a_group_is_banned_only_when_many_of_it_break_rules() -> None:
    offences = Offences()
    for _ in range(limits.GROUP_VIOLATIONS_BEFORE_BAN - 1):
        assert not offences.charge("198.51.100.0/24", 0.0, patience=limits.GROUP_VIOLATIONS_BEFORE_BAN)
    assert offences.charge("198.51.100.0/24", 0.0, patience=limits.GROUP_VIOLATIONS_BEFORE_BAN)


def test_not_even_a_lab_dials_multicast_or_nowhere() -> None:
    for host in ("239.1.1.1", "ff02::1", "0.0.0.0", "::", "255.255.255.255", "example.org"):
        assert not may_dial(host, allow_private=True)
    assert may_dial("127.0.0.1", allow_private=True)


def test_three_violations_ban_and_each_ban_doubles() -> None:
    offences = Offences()
    now = 0.0
    lengths = []
    for _ in range(12):
        for _ in range(limits.VIOLATIONS_BEFORE_BAN - 1):
            assert not offences.charge("liar", now)
        assert offences.banned_for_s("liar", now) == 0
        assert offences.charge("liar", now)
        lengths.append(offences.banned_for_s("liar", now))
        now += lengths[-1]
    assert lengths[:4] == [300, 600, 1200, 2400]
    assert lengths[-1] == limits.MAX_BAN_S
    assert offences.banned_for_s("honest", now) == 0


def test_a_ban_of_an_earlier_run_goes_on_and_the_next_one_is_longer() -> None:
    offences = Offences()
    offences.restore("liar", 120.0)
    assert (offences.banned_for_s("liar", 20.0), offences.banned_for_s("liar", 121.0)) == (100.0, 0.0)
    for _ in range(limits.VIOLATIONS_BEFORE_BAN):
        offences.charge("liar", 200.0)
    assert offences.banned_for_s("liar", 200.0) == 600.0


def test_offenders_are_forgotten_oldest_first() -> None:
    offences = Offences()
    for _ in range(3):
        offences.charge("first", 0.0)
    for number in range(limits.MAX_KNOWN_OFFENDERS):
        offences.charge(f"peer{number}", 0.0)
    assert offences.banned_for_s("first", 0.0) == 0


def test_the_gate_counts_addresses_rates_and_all() -> None:
    gate = ConnectionGate(
        now=0.0, gate_limits=GateLimits(connections=5, per_address=2, new_per_min=30, new_per_min_per_group=3)
    )
    assert gate.enter("93.184.216.1", 0.0, inbound=True) is None
    assert gate.enter("93.184.216.1", 0.0, inbound=True) is None
    assert gate.enter("93.184.216.1", 0.0, inbound=True) == "too_many_links_of_address"
    assert gate.enter("93.184.216.2", 0.0, inbound=True) is None
    assert gate.enter("93.184.216.3", 0.0, inbound=True) == "too_many_new_links_of_group"
    assert gate.enter("93.184.216.3", 20.0, inbound=True) is None
    assert gate.enter("127.0.0.1", 20.0, inbound=True) is None
    assert gate.enter("127.0.0.1", 20.0, inbound=True) == "too_many_links"
    gate.leave("93.184.216.1", inbound=True)
    assert gate.enter("127.0.0.1", 20.0, inbound=True) is None


def test_strangers_can_not_use_up_the_connections_we_dial_with() -> None:
    gate = ConnectionGate(now=0.0, gate_limits=GateLimits(connections=4, inbound=3))
    assert [gate.enter(f"127.0.0.{n}", 0.0, inbound=True) for n in range(4)] == [None, None, None, "too_many_links"]
    assert gate.enter("127.0.0.9", 0.0, inbound=False) is None
    gate.leave("127.0.0.9", inbound=False)
    assert gate.enter("127.0.0.8", 0.0, inbound=True) == "too_many_links"
    gate.leave("127.0.0.0", inbound=True)
    assert gate.enter("127.0.0.8", 0.0, inbound=True) is None


def test_one_host_of_ipv6_is_its_64_however_many_addresses_it_takes() -> None:
    gate = ConnectionGate(now=0.0)
    entered = [gate.enter(f"2a00:1450:4001:82a::{n:x}", 0.0, inbound=True) for n in range(1, 6)]
    assert entered.count(None) == limits.MAX_CONNECTIONS_PER_IP
    assert gate.enter("2a00:1450:4001:82b::1", 0.0, inbound=True) is None
    gate.leave("2a00:1450:4001:82a::77", inbound=True)
    assert gate.enter("2a00:1450:4001:82a::78", 0.0, inbound=True) is None


def test_one_minute_lets_thirty_strangers_in() -> None:
    gate = ConnectionGate(now=0.0)
    entered = [gate.enter(f"93.184.{n}.1", 0.0, inbound=True) for n in range(40)]
    assert entered.count(None) == limits.NEW_CONNECTIONS_PER_MIN
    assert entered[-1] == "too_many_new_links"


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 5)), max_size=50))
def test_a_bucket_never_gives_more_than_burst_plus_rate(steps: list[tuple[float, float]]) -> None:
    bucket = TokenBucket(rate=2.0, burst=5.0, now=0.0)
    now = given_out = 0.0
    for pause, amount in steps:
        now += pause
        if bucket.take(now, amount):
            given_out += amount
    assert given_out <= 5.0 + 2.0 * now + 1e-6
