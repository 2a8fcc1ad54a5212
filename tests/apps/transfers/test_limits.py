"""Rate limits that people set, and uploads as the node reports them: services and API."""

from __future__ import annotations

import uuid

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.domain.contracts.node_work import Heartbeat, RateLimitWork
from apps.domain.swarm.limits import MAX_LIMITS, LimitInvalid, limit_check
from apps.nodelink.services import heartbeat_record
from apps.transfers.models import RateLimit
from apps.transfers.node_services import node_work
from apps.transfers.services_limits import TooManyLimits, rate_limit_clear, rate_limit_set

pytestmark = pytest.mark.django_db
PEER = "p" * 52
JOB = "019a0000-0000-7000-8000-000000000001"
LIMITS = "/api/transfers/limits"


@pytest.mark.parametrize(
    ("limit", "field"),
    [
        (("world", "", "up", 1), "scope"),
        (("global", "", "left", 1), "direction"),
        (("global", "x", "up", 1), "key"),
        (("peer", "", "up", 1), "key"),
        (("peer", "../etc", "up", 1), "key"),
        (("peer", PEER.upper(), "up", 1), "key"),
        (("job", "7", "down", 1), "key"),
        (("job", JOB, "up", 1), "direction"),
        (("global", "", "up", -1), "kbps"),
        (("global", "", "up", 10**9), "kbps"),
    ],
)
def test_a_limit_that_means_nothing_is_refused_and_says_which_part(
    limit: tuple[str, str, str, int], field: str
) -> None:
    with pytest.raises(LimitInvalid) as caught:
        limit_check(*limit)
    assert caught.value.params["field"] == field


def test_a_jobs_id_is_kept_in_one_spelling() -> None:
    assert limit_check("job", JOB.upper(), "down", 5)[1] == JOB


def test_the_node_reads_what_was_set_and_no_more_what_was_cleared() -> None:
    assert rate_limit_set("global", "", "up", kbps=100)
    assert not rate_limit_set("global", "", "up", kbps=200)
    assert rate_limit_set("peer", PEER, "down", kbps=0)
    assert node_work().limits == (
        RateLimitWork(scope="global", key="", direction="up", kbps=200),
        RateLimitWork(scope="peer", key=PEER, direction="down", kbps=0),
    )
    assert rate_limit_clear("global", "", "up")
    assert not rate_limit_clear("global", "", "up")
    assert [one.scope for one in node_work().limits] == ["peer"]


def test_limits_are_bounded_but_those_there_are_can_be_changed() -> None:
    RateLimit.objects.bulk_create(
        RateLimit(scope="job", key=str(uuid.uuid4()), direction="down", kbps=1) for _ in range(MAX_LIMITS - 1)
    )
    rate_limit_set("global", "", "up", kbps=1)
    with pytest.raises(TooManyLimits):
        rate_limit_set("global", "", "down", kbps=1)
    assert not rate_limit_set("global", "", "up", kbps=2)


def test_limits_over_http(operator_api: APIClient) -> None:
    assert operator_api.put(f"{LIMITS}/global/up", {"kbps": 100}, format="json").status_code == 201
    again = operator_api.put(f"{LIMITS}/global/up", {"kbps": 50}, format="json")
    assert again.status_code == 200
    (item,) = again.json()["items"]
    assert (item["scope"], item["key"], item["direction"], item["kbps"], item["set_by"]) == (
        "global",
        "",
        "up",
        50,
        "oscar",
    )
    assert operator_api.put(f"{LIMITS}/peer/{PEER}/down", {"kbps": 7}, format="json").status_code == 201
    assert operator_api.put(f"{LIMITS}/job/{JOB}/down", {"kbps": 8}, format="json").status_code == 201
    body = operator_api.get(LIMITS).json()
    assert [(one["scope"], one["kbps"]) for one in body["items"]] == [("global", 50), ("job", 8), ("peer", 7)]
    assert {(one["scope"], one["direction"], one["kbps"]) for one in body["defaults"]} == {
        (scope, direction, 0) for scope in ("global", "peer") for direction in ("up", "down")
    }
    assert operator_api.delete(f"{LIMITS}/global/up").status_code == 204
    gone = operator_api.delete(f"{LIMITS}/global/up")
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


def test_wrong_limits_and_missing_rights_are_refused(
    operator_api: APIClient, viewer_api: APIClient, stranger_api: APIClient
) -> None:
    wrong = operator_api.put(f"{LIMITS}/peer/short/up", {"kbps": 1}, format="json")
    assert (wrong.status_code, wrong.json()["code"], wrong.json()["params"]) == (
        400,
        "rate_limit_invalid",
        {"field": "key"},
    )
    assert operator_api.put(f"{LIMITS}/global/up", {"kbps": -1}, format="json").json()["code"] == "invalid"
    assert viewer_api.put(f"{LIMITS}/global/up", {"kbps": 1}, format="json").json()["code"] == "role_required"
    assert viewer_api.delete(f"{LIMITS}/global/up").json()["code"] == "role_required"
    assert viewer_api.get(LIMITS).status_code == 200
    for path in (LIMITS, "/api/transfers/uploads"):
        assert stranger_api.get(path).status_code == 401


def _beat() -> None:
    heartbeat_record(
        Heartbeat(
            peer_id="me",
            boot_id="b",
            started_at=timezone.now(),
            version="1",
            report={
                "uploads": [
                    {
                        "peer": PEER,
                        "transfer": JOB,
                        "payload_root": "ab",
                        "state": "throttled",
                        "sent_bytes": 5_000_000,
                        "queued": 3,
                    },
                    "nonsense",
                ],
                "upload_queue": {
                    "slots": 8,
                    "served": 1,
                    "waiting": 2,
                    "queued": 3,
                    "rate_bps": 2048,
                    "rates_bps": {PEER: 2048},
                },
            },
        )
    )


def test_uploads_are_told_as_the_node_reports_them(viewer_api: APIClient) -> None:
    body = viewer_api.get("/api/transfers/uploads").json()
    assert (body["alive"], body["uploads"]) == (False, [])
    _beat()
    body = viewer_api.get("/api/transfers/uploads").json()
    assert (body["alive"], body["slots"], body["served"], body["waiting"], body["queued"]) == (True, 8, 1, 2, 3)
    (upload,) = body["uploads"]
    assert (upload["peer"], upload["state"], upload["sent_bytes"], upload["peer_bps"]) == (
        PEER,
        "throttled",
        5_000_000,
        2048,
    )
