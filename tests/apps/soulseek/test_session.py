"""The session as the control plane sees and steers it: API, health check, metrics."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.domain.contracts.node_work import Heartbeat
from apps.domain.contracts.soulseek_session import SessionHappening, SessionReport
from apps.domain.soulseek.session import Health, Phase
from apps.nodelink.health import CheckState, check_node
from apps.nodelink.models import NodeHeartbeat
from apps.nodelink.services import heartbeat_record
from apps.soulseek.models import SessionEvent, SoulseekIntent
from apps.soulseek.selectors_session import session_glance
from apps.soulseek.services_node_session import session_events_sweep, session_record
from tests.apps.soulseek.conftest import ClientOf

pytestmark = pytest.mark.django_db


def beat(*, acting: str = "hybrid", soulseek: Mapping[str, object] | None = None) -> None:
    heartbeat_record(
        Heartbeat(
            peer_id="me",
            boot_id="b",
            started_at=timezone.now(),
            version="1",
            report={"acting": acting, "soulseek": soulseek or {}},
        )
    )


def stand(**changes: Any) -> None:
    session_record(
        SessionReport(**{"phase": Phase.ONLINE, "health": Health.HEALTHY, "username": "alice", **changes}), []
    )


def test_the_api_tells_how_it_stands_and_why(client_of: ClientOf) -> None:
    beat()
    now = timezone.now()
    stand(
        phase=Phase.WAITING,
        health=Health.UNAVAILABLE,
        code="soulseek_banned",
        params={"minutes": 30},
        retry_at=now,
        search_starts=(now.timestamp() - 5, now.timestamp() - 9999),
        searches_waiting=3,
    )
    session_record(None, [SessionHappening(kind="server_said", params={"text": "hi"}, at=now)])
    body = client_of("viewer").get("/api/soulseek/session").json()
    assert (body["health"], body["phase"], body["code"]) == ("unavailable", "waiting", "soulseek_banned")
    assert "30 minutes" in body["sentence"]
    assert body["budget"] == {"used": 1, "most": 34, "window_s": 220, "waiting": 3, "running": 0, "next_at": None}
    assert [(one["kind"], one["sentence"]) for one in body["events"]] == [("server_said", "hi")]
    assert body["retry_at"] is not None


def test_operators_connect_disconnect_and_go_away_and_viewers_do_not(client_of: ClientOf) -> None:
    beat()
    viewer, operator = client_of("viewer"), client_of("operator")
    for deed in ("connect", "disconnect", "away"):
        assert viewer.post(f"/api/soulseek/session/{deed}").status_code == 403
    assert not SoulseekIntent.objects.exists()
    assert operator.post("/api/soulseek/session/disconnect").json()["wanted"] is False
    assert operator.post("/api/soulseek/session/away", {"away": True}, "application/json").json()["away_wanted"] is True
    answer = operator.post("/api/soulseek/session/connect")
    assert (answer.status_code, answer.json()["wanted"]) == (202, True)
    assert (
        operator.post("/api/soulseek/session/away", {"away": False}, "application/json").json()["away_wanted"] is False
    )
    intent = SoulseekIntent.objects.get()
    assert (intent.online, intent.away, intent.generation) == (True, False, 1)
    assert intent.set_by is not None
    assert intent.set_by.username == "operator"
    assert operator.post("/api/soulseek/session/away", {"away": "perhaps"}, "application/json").status_code == 400


def test_a_node_that_is_dead_has_no_session_whatever_its_row_says() -> None:
    beat()
    stand(since=timezone.now(), address="127.0.0.1", listening_port=5)
    assert session_glance().online
    NodeHeartbeat.objects.update(beat_at=timezone.now() - timedelta(minutes=1))
    glance = session_glance()
    assert (glance.online, glance.health, glance.code) == (False, "unavailable", "soulseek_node_away")
    assert (glance.since, glance.address, glance.listening_port) == (None, "", 0)
    stand(phase=Phase.IDLE, health=Health.OFF, code="soulseek_mode_mesh")
    assert (session_glance().health, session_glance().code) == ("off", "soulseek_mode_mesh")


def test_hybrid_without_an_account_says_that_it_acts_as_mesh(client_of: ClientOf) -> None:
    beat(acting="mesh")
    stand(phase=Phase.IDLE, health=Health.OFF, code="soulseek_acts_as_mesh")
    body = client_of("viewer").get("/api/soulseek/session").json()
    assert (body["mode"], body["acting"], body["health"]) == ("hybrid", "mesh", "off")
    assert "acts as in mesh mode" in body["sentence"]


@pytest.mark.parametrize(
    ("health", "state"),
    [
        ("healthy", CheckState.OK),
        ("off", CheckState.OK),
        ("degraded", CheckState.OK),
        ("unavailable", CheckState.FAILED),
    ],
)
def test_the_check_fails_only_where_a_session_is_wanted_and_not_there(health: str, state: CheckState) -> None:
    beat(soulseek={"health": health, "code": "soulseek_kicked"})
    (check,) = (one for one in check_node() if one.name == "soulseek")
    assert (check.state, check.code, check.needed) == (state, "soulseek_kicked", False)


def test_metrics_tell_health_and_budget(client_of: ClientOf) -> None:
    beat()
    stand(health=Health.DEGRADED, code="soulseek_unsteady", searches_waiting=4, shared_files=9)
    text = client_of("viewer").get("/metrics").content.decode()
    assert 'slskdn_soulseek_health{health="degraded"} 1.0' in text
    assert 'slskdn_soulseek_health{health="healthy"} 0.0' in text
    assert "slskdn_soulseek_searches_waiting 4.0" in text
    assert "slskdn_soulseek_online 1.0" in text
    assert "slskdn_node_loop_delay_p99_seconds" in text


def test_old_events_are_swept() -> None:
    now = timezone.now()
    session_record(
        None, [SessionHappening(kind="lost", at=now - timedelta(days=40)), SessionHappening(kind="connected", at=now)]
    )
    assert session_events_sweep(before=now - timedelta(days=30)) == 1
    assert SessionEvent.objects.get().kind == "connected"
