"""What the node says of its scheduler, on the System page and at /metrics."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.roles import Role
from apps.domain.contracts.node_work import Heartbeat
from apps.nodelink.selectors_scheduler import scheduler_glance
from apps.nodelink.selectors_status import node_glance
from apps.nodelink.services import heartbeat_record
from tests.apps.peers.learnt import known_people

pytestmark = pytest.mark.django_db
TOLD: dict[str, object] = {
    "mode": "balanced",
    "cost_based": True,
    "decisions": 10,
    "moves": 3,
    "races": 2,
    "rebalances": 6,
    "duplicate_bytes": 1024 * 1024,
    "bad_bytes": 0,
    "parted_bytes": 0,
    "violations": {"in_flight_limit_exceeded": 1},
    "cost_variance": 0.5,
    "speed_up": 2.25,
    "peers": {"known": 4, "preferred": 1, "neutral": 2, "down_weighted": 0, "quarantined": 1},
    "reputation": {"lowest": 0.05, "median": 0.7},
}


def beats(scheduler: object) -> None:
    report = {"scheduler": scheduler} if scheduler is not None else {}
    started = timezone.now() - timedelta(hours=2)
    heartbeat_record(Heartbeat(peer_id="me", boot_id=str(uuid.uuid4()), started_at=started, version="1", report=report))


@pytest.fixture
def person(client: Client) -> Client:
    user = User.objects.create_user("victor")
    user.groups.add(Group.objects.get(name=Role.VIEWER.value))
    client.force_login(user)
    return client


def test_the_success_metrics_are_told_in_words_with_units(person: Client) -> None:
    beats(TOLD)
    page = person.get("/system").content.decode()
    for words in (
        "2.3 times as fast as random assignment",
        "seconds per MiB, squared",
        "3.0 an hour, 6 in all",
        "1 quarantined",
        "1 broken",
        "in_flight_limit_exceeded 1",
    ):
        assert words in page


@pytest.mark.parametrize("told", [None, {}, "nonsense", {"violations": 3, "peers": [], "speed_up": "fast", "mode": 7}])
def test_a_node_that_says_little_or_nonsense_breaks_nothing(person: Client, told: object) -> None:
    beats(told)
    assert person.get("/system").status_code == 200
    assert person.get("/metrics").status_code == 200


def test_without_a_node_the_page_says_so(person: Client) -> None:
    assert "has not spoken yet" in person.get("/system").content.decode()
    assert scheduler_glance(node_glance()) is None


def test_metrics_hold_the_nodes_counters_and_peers_by_standing(client: Client) -> None:
    beats(TOLD)
    known_people()
    text = client.get("/metrics").content.decode()
    for line in (
        "slskdn_scheduler_rebalances 6.0",
        "slskdn_scheduler_speed_up_over_random 2.25",
        "slskdn_scheduler_cost_variance 0.5",
        "slskdn_scheduler_duplicate_bytes 1.048576e+06",
        'slskdn_scheduler_invariant_violations{invariant="in_flight_limit_exceeded"} 1.0',
        'slskdn_peers_by_standing{standing="quarantined"} 1.0',
        'slskdn_peers_by_standing{standing="preferred"} 1.0',
        "slskdn_peer_reputation_median",
        "slskdn_peer_cost_variance",
    ):
        assert line in text
    rate = next(line for line in text.splitlines() if line.startswith("slskdn_scheduler_rebalances_per_hour"))
    assert float(rate.split()[1]) == pytest.approx(3.0, rel=0.01)


def test_without_peers_and_node_metrics_still_answer(client: Client) -> None:
    text = client.get("/metrics").content.decode()
    assert 'slskdn_peers_by_standing{standing="quarantined"} 0.0' in text
    assert "slskdn_scheduler_rebalances" not in text


def test_the_same_is_told_over_http(viewer_api: APIClient) -> None:
    assert viewer_api.get("/api/system/status").json()["scheduler"] is None
    beats(TOLD)
    told = viewer_api.get("/api/system/status").json()["scheduler"]
    assert told["speed_up"] == 2.25
    assert told["rebalances_per_hour"] == pytest.approx(3.0, rel=0.01)
    assert told["peers"]["quarantined"] == 1
