"""Health, system status and metrics."""

from __future__ import annotations

from datetime import timedelta

import pytest
import redis
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from apps.nodelink.models import NodeHeartbeat
from tests.web import seed

pytestmark = pytest.mark.django_db


def beat(age: timedelta) -> None:
    now = timezone.now()
    NodeHeartbeat.objects.create(peer_id="k", boot_id="b", started_at=now, beat_at=now - age, version="0.1.0")


def test_live_says_only_that_the_process_answers(client: Client, django_assert_max_num_queries: object) -> None:
    with django_assert_max_num_queries(0):  # type: ignore[operator]
        response = client.get("/healthz/live")
    assert (response.status_code, response.json()) == (200, {"state": "ok"})


def test_ready_when_database_broker_and_node_are(client: Client) -> None:
    beat(timedelta(seconds=1))
    response = client.get("/healthz/ready")
    assert response.status_code == 200
    assert {name: check["state"] for name, check in response.json()["checks"].items()} == {
        "database": "ok",
        "broker": "ok",
        "node": "ok",
        "reactor": "ok",
        "manifests": "ok",
    }


@pytest.mark.parametrize(("age", "code"), [(None, "node_absent"), (timedelta(minutes=5), "node_silent")])
def test_not_ready_without_a_living_node(client: Client, age: timedelta | None, code: str) -> None:
    if age is not None:
        beat(age)
    response = client.get("/healthz/ready")
    assert response.status_code == 503
    assert response.json()["checks"]["node"] == {"state": "failed", "code": code, "value": "300 s" if age else ""}


def test_not_ready_without_a_broker(client: Client, settings: object) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # type: ignore[attr-defined]
    beat(timedelta(0))
    body = client.get("/healthz/ready").json()
    assert body["state"] == "failed"
    assert body["checks"]["broker"]["code"] == "broker_away"
    assert body["checks"]["database"]["state"] == "ok"


def test_the_broker_of_these_tests_is_a_real_one(settings: object) -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as broker:  # type: ignore[attr-defined]
        assert broker.ping()


def test_system_status_tells_checks_versions_and_node(viewer_api: APIClient, stranger_api: APIClient) -> None:
    seed.fill(1)
    body = viewer_api.get("/api/system/status").json()
    assert [check["name"] for check in body["checks"]] == [
        "database",
        "broker",
        "node",
        "reactor",
        "manifests",
    ]
    assert set(body["versions"]) == {"slskdn", "python", "django"}
    assert body["node"]["presence"] == "alive"
    assert stranger_api.get("/api/system/status").status_code == 401


def test_metrics_come_from_rows(client: Client) -> None:
    seed.fill(8)
    client.get("/healthz/live")
    text = client.get("/metrics").content.decode()
    for line in (
        'slskdn_jobs{state="running"} 1.0',
        'slskdn_jobs{state="paused"} 1.0',
        'slskdn_transfers{state="rejected"} 2.0',
        'slskdn_verdicts{code="wrong_recording"} 2.0',
        'slskdn_claims{verdict="refuted"} 1.0',
        "slskdn_node_alive 1.0",
        "slskdn_library_files 8.0",
    ):
        assert line in text, line
    assert 'slskdn_traffic_bytes{direction="down",plane="overlay"}' in text
    assert 'route="healthz/live"' in text


def test_metrics_are_for_this_machine_and_for_keys(viewer_api: APIClient) -> None:
    stranger = Client(REMOTE_ADDR="192.0.2.9")
    assert stranger.get("/metrics").status_code == 401
    assert viewer_api.get("/metrics", REMOTE_ADDR="192.0.2.9").status_code == 200
    assert stranger.get("/metrics", headers={"Authorization": "Bearer slk_wrong"}).status_code == 401
