"""The pages of peers and of a job's swarm: what they say, in which order, in how many queries."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.jobs.models import Job
from apps.mesh.models import Claim
from apps.peers.models import Peer
from tests.apps.peers.learnt import known_people, past, peers_learnt
from tests.web import seed

pytestmark = pytest.mark.django_db


def shown(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode())))


def keys(client: Client, address: str) -> list[str]:
    return re.findall(r'href="/peers/(\w+)"', client.get(address).content.decode())


def test_the_list_tells_reputation_with_its_reason_speed_and_cost(viewer: Client) -> None:
    known_people()
    page = shown(viewer, "/peers")
    assert "Quarantined 0.0" in page
    assert "wrong bytes" in page
    assert "high timeouts, low throughput" in page
    assert "1.00 MiB/s" in page
    assert "1500 ms" in page


@pytest.mark.parametrize(
    ("address", "order"),
    [
        ("/peers", ["newcomer", "slow", "liar", "alice"]),
        ("/peers?sort=lowest_reputation", ["liar", "newcomer", "slow", "alice"]),
        ("/peers?sort=highest_reputation", ["alice", "slow", "newcomer", "liar"]),
        ("/peers?sort=slowest", ["slow", "alice", "liar", "newcomer"]),
        ("/peers?sort=most_timeouts&show=neutral", ["slow", "newcomer"]),
        ("/peers?show=quarantined", ["liar"]),
        ("/peers?show=preferred&sort=fastest", ["alice"]),
        ("/peers?q=new&sort=fastest", ["newcomer"]),
        ("/peers?show=faulty", []),
        ("/peers?show=saints&sort=luck", ["newcomer", "slow", "liar", "alice"]),
    ],
)
def test_order_and_filter_stand_in_the_address(viewer: Client, address: str, order: list[str]) -> None:
    for key, what in {
        "alice": past(good=300),
        "liar": past(good=3, corrupt=12),
        "slow": past(good=40, timeouts=25, busy_s=9.0, rtt_s=1.5),
        "newcomer": past(good=2),
    }.items():
        peers_learnt(**{key: what})
    assert keys(viewer, address) == order


def test_a_cursor_of_another_order_leads_to_the_first_page(viewer: Client) -> None:
    peers_learnt(**{f"k{number}": past(good=number % 7) for number in range(60)})
    first = viewer.get("/peers?sort=fastest").content.decode()
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following
    assert "sort=fastest" in following[1]
    second = viewer.get("/peers" + following[1].replace("&amp;", "&"))
    assert second.status_code == 200
    assert viewer.get("/peers?sort=fastest&cursor=nonsense").status_code == 302


@pytest.mark.parametrize("address", ["/peers", "/peers?sort=lowest_reputation", "/peers?show=quarantined"])
def test_a_thousand_peers_take_as_many_queries_as_one(
    viewer: Client, address: str, django_assert_max_num_queries: object
) -> None:
    peers_learnt(**{f"k{number}": past(corrupt=number % 4, good=1) for number in range(1000)})
    with django_assert_max_num_queries(8):  # type: ignore[operator]
        assert len(keys(viewer, address)) == 50


def test_one_peer_tells_why_it_is_trusted_as_it_is(viewer: Client, django_assert_max_num_queries: object) -> None:
    known_people()
    liar = Peer.objects.get(key="liar")
    Peer.objects.filter(key="liar").update(wrong_claims=1, banned_until=timezone.now() + timedelta(hours=1))
    Claim.objects.create(
        peer=liar,
        recording_mbid=seed.mbid("r"),
        payload_format="flac",
        payload_root=seed.digest("c"),
        profile="flac-16-44100-2",
        payload_bytes=1,
        heard_at=timezone.now(),
        verdict="refuted",
    )
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        viewer.get("/peers/liar")
    page = shown(viewer, "/peers/liar")
    assert "It sent wrong bytes: 12 leaves lately" in page
    assert "below 0.30 it is quarantined" in page
    assert "Off for wrong bytes everything" in page
    assert "Refuted 1" in page
    assert str(seed.mbid("r")) in viewer.get("/peers/liar").content.decode()
    assert "is shut out" in page
    assert "Its word that a payload is a recording" in page


def test_a_peer_that_was_only_met_has_a_page_too(viewer: Client) -> None:
    Peer.objects.create(plane="overlay", key="met")
    assert "Nothing was asked of it yet" in shown(viewer, "/peers/met")


@pytest.mark.parametrize("key", ["nobody", "%00", "..%2f..%2fetc", "<script>"])
def test_a_peer_that_was_never_met_is_not_found(viewer: Client, key: str) -> None:
    assert viewer.get(f"/peers/{key}").status_code == 404


def test_a_jobs_swarm_shows_who_brings_what_at_which_cost(
    viewer: Client, django_assert_max_num_queries: object
) -> None:
    seed.fill(8)
    job = Job.objects.get(state="running")
    with django_assert_max_num_queries(12):  # type: ignore[operator]  # one where messages were not counted lately
        viewer.get(reverse("job-swarm", args=[job.id]))
    page = shown(viewer, reverse("job-swarm", args=[job.id]))
    for words in ("Under way 2", "Quarantined 1", "Time for a MiB", "high timeouts", "control socket can't be reached"):
        assert words in page
    assert reverse("job-swarm", args=[job.id]) in viewer.get(reverse("job", args=[job.id])).content.decode()


def test_a_job_that_asked_nobody_says_so_and_one_that_is_not_there_is_not_found(viewer: Client) -> None:
    seed.fill(8)
    waiting = Job.objects.get(state="pending")
    assert "Nothing of it was asked of anybody yet" in shown(viewer, reverse("job-swarm", args=[waiting.id]))
    assert viewer.get(reverse("job-swarm", args=[seed.mbid("x")])).status_code == 404
