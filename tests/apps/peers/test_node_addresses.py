"""Addresses as the node dials them: those that answered first, those that were only heard of bounded."""

from __future__ import annotations

import pytest

from apps.domain.contracts.node_work import AddressTried, PeerReport
from apps.peers import node_addresses
from apps.peers.models import PeerAddress
from apps.peers.node_addresses import addresses_of, addresses_tried
from apps.peers.services import peer_met

pytestmark = pytest.mark.django_db


def heard(key: str, host: str, *, answered: bool = False) -> None:
    peer_met(PeerReport(key=key, host=host, port=7, group="g", answered=answered))


def test_what_answered_comes_before_what_was_heard_and_what_failed_comes_last() -> None:
    for host in ("failed", "untried"):
        heard("a", host)
    heard("a", "answered", answered=True)
    heard("b", "elsewhere")
    addresses_tried([AddressTried(host="failed", port=7, answered=False)])
    assert [one.host for one in addresses_of(["a"], limit=9)] == ["answered", "untried", "failed"]
    assert [one.host for one in addresses_of(["a"], limit=1)] == ["answered"]


def test_trying_is_noted_apart_from_answering() -> None:
    heard("a", "host")
    row = PeerAddress.objects.get()
    assert (row.last_try, row.last_ok) == (None, None)
    addresses_tried([AddressTried(host="host", port=7, answered=False)])
    row.refresh_from_db()
    assert row.last_try is not None
    assert row.last_ok is None
    addresses_tried([AddressTried(host="host", port=7, answered=True)])
    row.refresh_from_db()
    assert row.last_ok is not None


def test_strangers_can_not_fill_the_table_nor_push_out_what_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_addresses, "MAX_UNTRIED", 5)
    heard("known", "known", answered=True)
    for number in range(9):
        heard(f"stranger {number}", f"host {number}")
    addresses_tried([])
    assert set(PeerAddress.objects.values_list("host", flat=True)) == {"known", *(f"host {n}" for n in range(4, 9))}
