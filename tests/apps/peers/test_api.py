"""The peers API: a list with bytes, quick with a thousand peers."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from apps.peers.models import Peer, TrafficLedger
from tests.web import seed

pytestmark = pytest.mark.django_db


def test_bytes_are_summed_over_purposes_and_paths(viewer_api: APIClient) -> None:
    peer = Peer.objects.create(plane="overlay", key="k1", bad_leaves=2)
    for direction, purpose, total in (("down", "payload", 5), ("down", "control", 7), ("up", "payload", 3)):
        TrafficLedger.objects.create(
            peer=peer, plane="overlay", direction=direction, purpose=purpose, total_bytes=total
        )
    Peer.objects.create(plane="overlay", key="k2")
    items = {item["key"]: item for item in viewer_api.get("/api/mesh/peers").json()["items"]}
    assert (items["k1"]["down_bytes"], items["k1"]["up_bytes"], items["k1"]["bad_leaves"]) == (12, 3, 2)
    assert (items["k2"]["down_bytes"], items["k2"]["up_bytes"]) == (0, 0)


def test_peers_are_found_by_key_and_by_fault(viewer_api: APIClient) -> None:
    seed.fill(12)
    keys = [item["key"] for item in viewer_api.get("/api/mesh/peers").json()["items"]]
    assert len(keys) == 12
    assert [item["key"] for item in viewer_api.get("/api/mesh/peers", {"text": keys[0]}).json()["items"]] == [keys[0]]
    faulty = viewer_api.get("/api/mesh/peers", {"faulty": "true"}).json()["items"]
    assert faulty
    assert all(item["bad_leaves"] or item["wrong_claims"] or item["violations"] for item in faulty)


def test_a_thousand_peers_are_listed_once_each(viewer_api: APIClient, django_assert_max_num_queries: object) -> None:
    Peer.objects.bulk_create([Peer(plane="overlay", key=f"k{index}") for index in range(1000)])
    seen, cursor = 0, ""
    while cursor is not None:
        with django_assert_max_num_queries(5):  # type: ignore[operator]  # key, its use, groups, peers, ledger
            page = viewer_api.get("/api/mesh/peers", {"limit": 200, **({"cursor": cursor} if cursor else {})}).json()
        seen += len(page["items"])
        cursor = page["next"]
    assert seen == 1000
