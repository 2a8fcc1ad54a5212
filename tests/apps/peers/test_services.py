"""Peers, their addresses and their traffic as rows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.domain.contracts.node_work import PeerReport, TrafficReport
from apps.peers.models import Peer, PeerAddress
from apps.peers.selectors import known_addresses, peer_list
from apps.peers.services import MAX_ADDRESSES_PER_PEER, peer_charge, peer_ids, peer_met, peers_forget, traffic_add

pytestmark = pytest.mark.django_db


def test_a_peer_has_one_row_however_often_it_is_met() -> None:
    first = peer_ids(["a", "b"])
    assert peer_ids(["b", "a"]) == first
    assert peer_met(PeerReport(key="a", agent="x" * 200)) == first["a"]
    assert [row.agent for row in peer_list() if row.key == "a"] == ["x" * 80]


def test_old_addresses_of_a_peer_that_moves_are_dropped() -> None:
    for port in range(1, MAX_ADDRESSES_PER_PEER + 4):
        peer_met(PeerReport(key="a", host="127.0.0.1", port=port))
    assert PeerAddress.objects.count() == MAX_ADDRESSES_PER_PEER
    assert len(known_addresses(limit=3)) == 3


def test_whoever_answered_is_known_before_whoever_only_says_where_it_is() -> None:
    peer_met(PeerReport(key="friend", host="192.0.2.1", port=1))
    for number in range(5):
        peer_met(PeerReport(key=f"stranger{number}", host="192.0.2.2", port=22 + number, answered=False))
    known = known_addresses(limit=3)
    assert [one.peer for one in known] == ["friend", "stranger4", "stranger3"]
    peer_met(
        PeerReport(key="friend", host="192.0.2.1", port=1, answered=False)
    )  # it came back to us: what was tried stays
    assert PeerAddress.objects.get(peer__key="friend").last_ok is not None


def test_a_peer_that_does_not_listen_has_no_address() -> None:
    peer_met(PeerReport(key="a", host="127.0.0.1", port=0))
    assert known_addresses(limit=3) == []


def test_charges_and_traffic_only_grow() -> None:
    peer_charge("a", bad_leaves=2)
    peer_charge("a", wrong_claims=1)
    traffic_add([TrafficReport(peer="a", direction="down", count_bytes=3)] * 2)
    traffic_add([TrafficReport(peer="a", direction="up", count_bytes=0)])
    (row,) = peer_list()
    assert (row.bad_leaves, row.wrong_claims, row.violations, row.down_bytes, row.up_bytes) == (2, 1, 0, 6, 0)


def test_strangers_are_forgotten_and_whoever_gave_took_or_did_wrong_stays() -> None:
    for key in ("stranger", "giver", "liar", "newcomer"):
        peer_met(PeerReport(key=key, host="192.0.2.1", port=1))
    traffic_add([TrafficReport(peer="giver", direction="down", count_bytes=1)])
    peer_charge("liar", wrong_claims=1)
    long_ago = timezone.now() - timedelta(days=40)
    Peer.objects.exclude(key="newcomer").update(last_seen=long_ago)
    assert peers_forget(unseen_since=timezone.now() - timedelta(days=30)) == 1
    assert set(Peer.objects.values_list("key", flat=True)) == {"giver", "liar", "newcomer"}


def test_a_list_of_peers_costs_two_queries(django_assert_num_queries: object) -> None:
    for number in range(5):
        peer_met(PeerReport(key=f"p{number}", host="127.0.0.1", port=number + 1))
    with django_assert_num_queries(2):  # type: ignore[operator]
        assert len(peer_list()) == 5
