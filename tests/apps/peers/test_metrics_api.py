"""Metrics and reputations over HTTP."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from tests.apps.peers.learnt import LEAF, known_people, past, peers_learnt

pytestmark = pytest.mark.django_db
LISTS = ["/api/swarm/stats/peers", "/api/peers/metrics", "/api/peers/reputation"]


@pytest.mark.parametrize("url", [*LISTS, "/api/peers/alice/metrics", "/api/peers/alice/reputation"])
def test_only_people_of_this_node_may_look(url: str, stranger_api: APIClient, viewer_api: APIClient) -> None:
    known_people()
    assert stranger_api.get(url).status_code == 401
    assert viewer_api.get(url).status_code == 200
    assert viewer_api.post(url).status_code in {403, 405}


@pytest.mark.parametrize("url", LISTS)
def test_nobody_known_is_an_empty_page(url: str, viewer_api: APIClient) -> None:
    assert viewer_api.get(url).json() == {"items": [], "next": None, "previous": None}


def test_stats_tell_speed_rates_and_the_terms_of_the_cost(viewer_api: APIClient) -> None:
    known_people()
    alice = next(one for one in viewer_api.get(LISTS[0]).json()["items"] if one["peer"] == "alice")
    assert alice["throughput_bps"] == LEAF * 4
    assert alice["rtt_ms"] == 40.0
    assert alice["error_rate"] == alice["timeout_rate"] == 0
    cost = alice["cost"]
    assert cost["throughput"] == 1.0
    assert cost["rtt"] == 0.008
    assert cost["total"] == pytest.approx(cost["throughput"] + cost["rtt"] + cost["reputation"], abs=1e-3)
    assert alice["standing"] == "preferred"


def test_metrics_tell_the_counters(viewer_api: APIClient) -> None:
    peers_learnt(liar=past(good=3, corrupt=12, failed="io_error"))
    counters = viewer_api.get("/api/peers/liar/metrics").json()["counters"]
    assert (counters["successful"], counters["corrupt"], counters["verified_bytes"]) == (3, 12, 3 * LEAF)
    assert counters["failed"] == {"io_error": 1}


def test_a_reputation_comes_with_its_reason_in_words(viewer_api: APIClient) -> None:
    known_people()
    slow = viewer_api.get("/api/peers/slow/reputation").json()
    assert slow["summary"] == "high timeouts, low throughput"
    assert slow["reasons"][0]["code"] == "timeouts"
    assert "25 requests" in slow["reasons"][0]["message"]
    assert slow["terms"]["timeouts"] == pytest.approx(0.3 * 25 / 40)
    liar = viewer_api.get("/api/peers/liar/reputation").json()
    assert liar["standing"] == "quarantined"
    assert liar["score"] < 0.3


def test_a_score_is_told_as_of_now(viewer_api: APIClient) -> None:
    peers_learnt(fresh=past(corrupt=30), old=past(corrupt=30, idle=timedelta(days=14)))
    fresh, old = (viewer_api.get(f"/api/peers/{key}/reputation").json() for key in ("fresh", "old"))
    assert 0.5 - old["score"] == pytest.approx((0.5 - fresh["score"]) / 4, abs=2e-3)
    assert "faded" in [one["code"] for one in old["reasons"]]


@pytest.mark.parametrize("what", ["metrics", "reputation"])
@pytest.mark.parametrize("key", ["nobody", "%00", "a%00b"])
def test_a_peer_that_is_not_known_is_not_found(key: str, what: str, viewer_api: APIClient) -> None:
    answer = viewer_api.get(f"/api/peers/{key}/{what}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "peer_not_found"


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ({"sort": "lowest_reputation"}, ["liar", "newcomer", "slow", "alice"]),
        ({"sort": "highest_reputation"}, ["alice", "slow", "newcomer", "liar"]),
        ({"sort": "slowest", "limit": "1"}, ["slow"]),
        ({"sort": "most_errors", "limit": "1"}, ["liar"]),
        ({"sort": "most_timeouts", "limit": "1"}, ["slow"]),
        ({"standing": "quarantined"}, ["liar"]),
        ({"standing": "preferred"}, ["alice"]),
        ({"text": "new"}, ["newcomer"]),
    ],
)
def test_lists_are_sorted_and_filtered(query: dict[str, str], keys: list[str], viewer_api: APIClient) -> None:
    known_people()
    assert [one["peer"] for one in viewer_api.get("/api/peers/reputation", query).json()["items"]] == keys


@pytest.mark.parametrize("sort", ["fastest", "slowest"])
def test_peers_of_unknown_speed_are_neither_fast_nor_slow(sort: str, viewer_api: APIClient) -> None:
    peers_learnt(mute=past(timeouts=3), quick=past(good=3))
    assert [one["peer"] for one in viewer_api.get("/api/peers/metrics", {"sort": sort}).json()["items"]] == ["quick"]


@pytest.mark.parametrize("query", [{"sort": "luck"}, {"standing": "holy"}, {"cursor": "x"}, {"limit": "0"}])
def test_what_can_not_be_read_is_refused(query: dict[str, str], viewer_api: APIClient) -> None:
    assert viewer_api.get("/api/peers/metrics", query).status_code == 400


@pytest.mark.parametrize("sort", ["lowest_reputation", "fastest", "last_active", "most_errors"])
def test_a_thousand_peers_are_listed_once_each(
    sort: str, viewer_api: APIClient, django_assert_max_num_queries: object
) -> None:
    peers_learnt(**{f"k{number}": past(good=1 + number % 40, corrupt=number % 3) for number in range(1000)})
    seen: set[str] = set()
    cursor = ""
    while cursor is not None:
        with django_assert_max_num_queries(4):  # type: ignore[operator]  # key, its use, groups, peers with metrics
            page = viewer_api.get(
                "/api/peers/metrics", {"limit": 200, "sort": sort, **({"cursor": cursor} if cursor else {})}
            ).json()
        keys = {one["peer"] for one in page["items"]}
        assert not keys & seen
        seen |= keys
        cursor = page["next"]
    assert len(seen) == 1000
