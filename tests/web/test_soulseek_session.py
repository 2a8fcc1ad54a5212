"""The Soulseek page."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.domain.contracts.node_work import Heartbeat
from apps.domain.contracts.soulseek_session import SessionHappening, SessionReport
from apps.domain.soulseek.session import Health, Phase
from apps.nodelink.services import heartbeat_record
from apps.soulseek.models import SoulseekIntent
from apps.soulseek.services_node_session import session_record
from apps.soulseek.web.session import EVENT_LOOKS, _parts

pytestmark = pytest.mark.django_db
HOSTILE = "hi \u202eevil\u202c <script>alert(1)</script>"


def _beat(**soulseek: object) -> None:
    report = {"acting": "hybrid", "soulseek": soulseek, "loop": {"p99_ms": 30.5}}
    heartbeat_record(Heartbeat(peer_id="me", boot_id="b", started_at=timezone.now(), version="1", report=report))


def test_the_page_says_how_the_session_stands_and_what_happened(viewer: Client) -> None:
    _beat(health="unavailable", code="soulseek_kicked")
    now = timezone.now()
    report = SessionReport(
        phase=Phase.STOPPED,
        health=Health.UNAVAILABLE,
        code="soulseek_kicked",
        username="alice",
        excluded=("bad words",),
    )
    happenings = [SessionHappening(kind=kind, code="soulseek_kicked", at=now) for kind in EVENT_LOOKS]
    session_record(report, [*happenings, SessionHappening(kind="server_said", params={"text": HOSTILE}, at=now)])
    page = viewer.get("/soulseek").content.decode()
    assert "Somebody logged in elsewhere with this name." in page
    assert "Unavailable" in page
    assert "bad words" in page
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert 'action="/soulseek/session"' not in page
    assert 'href="/soulseek"' in page
    for look in EVENT_LOOKS.values():
        assert str(look.label) in page


def test_operators_steer_it_and_viewers_do_not(operator: Client, viewer: Client) -> None:
    assert viewer.post("/soulseek/session", {"to": "connect"}).status_code == 403
    assert 'value="connect"' in operator.get("/soulseek").content.decode()
    for to, expected in (
        ("disconnect", (False, False, 0)),
        ("away", (False, True, 0)),
        ("connect", (True, True, 1)),
        ("back", (True, False, 1)),
        ("elsewhere", (True, False, 1)),
    ):
        assert operator.post("/soulseek/session", {"to": to}).status_code == 302
        intent = SoulseekIntent.objects.get()
        assert (intent.online, intent.away, intent.generation) == expected


def test_live_parts_are_equal_while_nothing_changes(viewer: Client) -> None:
    _beat(health="healthy", code="")
    session_record(
        SessionReport(phase=Phase.ONLINE, health=Health.HEALTHY, since=timezone.now() - timedelta(days=3)), []
    )
    first, second = _parts(), _parts()
    assert first == second
    assert set(first) == {"frame-status", "soulseek-status", "soulseek-events"}
    page = viewer.get("/soulseek").content.decode()
    assert all(f'id="{part}"' in page for part in first)


def test_every_page_shows_health_and_the_system_page_a_late_reactor(viewer: Client) -> None:
    _beat(health="degraded", code="soulseek_unsteady")
    page = viewer.get("/system").content.decode()
    assert "> · degraded<" in page
    assert "comes late" in page
    assert "30.5 ms" in page


def test_the_system_page_hides_the_password(viewer: Client, settings: object) -> None:
    chosen = settings.CONFIG  # type: ignore[attr-defined]
    account = chosen.soulseek.model_copy(update={"password": "hunter2-secret", "username": "alice"})
    settings.CONFIG = chosen.model_copy(update={"soulseek": account})  # type: ignore[attr-defined]
    page = viewer.get("/system").content.decode()
    assert "soulseek.password" in page
    assert "hunter2" not in page


def test_the_page_takes_a_fixed_number_of_queries(viewer: Client, django_assert_max_num_queries: object) -> None:
    _beat(health="healthy", code="")
    now = timezone.now()
    session_record(None, [SessionHappening(kind="lost", at=now) for _ in range(60)])
    with django_assert_max_num_queries(11):  # type: ignore[operator]
        assert viewer.get("/soulseek").status_code == 200
    assert json.loads(viewer.get("/api/soulseek/session").content)["events"]
