"""The page of uploads and rate limits."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from apps.domain.contracts.node_work import Heartbeat
from apps.nodelink.services import heartbeat_record
from apps.transfers.models import RateLimit
from apps.transfers.services_limits import rate_limit_set

pytestmark = pytest.mark.django_db
PEER = "p" * 52


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
                        "transfer": "t",
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


def test_the_page_shows_uploads_and_sets_and_clears_limits(operator: Client, viewer: Client) -> None:
    _beat()
    page = viewer.get("/uploads").content.decode()
    assert "waits for a limit" in page
    assert 'action="/uploads' not in page
    limit = {"scope": "global", "key": "ignored", "direction": "up", "kbps": "123"}
    assert viewer.post("/uploads/limit", limit).status_code == 403
    assert operator.post("/uploads/limit", limit).status_code == 302
    assert RateLimit.objects.get().kbps == 123
    assert "123" in operator.get("/uploads").content.decode()
    for bad in ({"kbps": "many"}, {"kbps": "²"}, {"scope": "peer", "key": "x"}, {"direction": ""}):
        operator.post("/uploads/limit", {**limit, **bad})
    assert RateLimit.objects.count() == 1
    assert viewer.post("/uploads/limit/clear", limit).status_code == 403
    operator.post("/uploads/limit/clear", limit)
    assert not RateLimit.objects.exists()


def test_the_page_takes_a_fixed_number_of_queries(operator: Client, django_assert_max_num_queries: object) -> None:
    _beat()
    for direction in ("up", "down"):
        rate_limit_set("peer", PEER, direction, kbps=1)
        rate_limit_set("global", "", direction, kbps=1)
    with django_assert_max_num_queries(9):  # type: ignore[operator]
        assert operator.get("/uploads").status_code == 200
