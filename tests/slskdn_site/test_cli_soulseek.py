"""`./slskdn soulseek …` as a person types it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.utils import timezone

from apps.domain.contracts.node_work import Heartbeat
from apps.domain.contracts.soulseek_session import SessionHappening, SessionReport
from apps.domain.soulseek.session import Health, Phase
from apps.nodelink.services import heartbeat_record
from apps.soulseek.models import SoulseekIntent
from apps.soulseek.services_node_session import session_record
from slskdn_site.cli.main import main
from slskdn_site.config import data_dir
from slskdn_site.soulseek_password import password_path, password_read

pytestmark = pytest.mark.django_db(transaction=True)


def run(*argv: str) -> int:
    return main(["soulseek", *argv])


def stand(health: Health, code: str = "", phase: Phase = Phase.ONLINE) -> None:
    heartbeat_record(Heartbeat(peer_id="me", boot_id="b", started_at=timezone.now(), version="1", report={}))
    said = SessionHappening(kind="server_said", params={"text": "evil\x1b[2J"}, at=timezone.now())
    report = SessionReport(
        phase=phase, health=health, code=code, username="alice", server="127.0.0.1:1", since=timezone.now()
    )
    session_record(report, [said])


def test_status_says_how_it_stands_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("status") == 1
    assert "The node is not running" in capsys.readouterr().out
    stand(Health.HEALTHY)
    assert run("status") == 0
    shown = capsys.readouterr().out
    assert "Soulseek is healthy (online)." in shown
    assert "\x1b" not in shown
    stand(Health.UNAVAILABLE, "soulseek_wrong_password", Phase.STOPPED)
    assert run("status", "--json") == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["health"], answer["code"]) == ("unavailable", "soulseek_wrong_password")
    assert "refuses the password" in answer["sentence"]
    assert len(answer["events"]) == 2


def test_connect_disconnect_and_away_are_wished_for(capsys: pytest.CaptureFixture[str]) -> None:
    stand(Health.UNAVAILABLE, "soulseek_kicked", Phase.STOPPED)
    assert run("connect", "--wait", "0") == 1
    assert run("away", "--wait", "0") == 0
    intent = SoulseekIntent.objects.get()
    assert (intent.online, intent.away, intent.generation) == (True, True, 1)
    assert run("away", "--back", "--wait", "0", "--json") == 0
    assert run("disconnect", "--wait", "0") == 0
    intent.refresh_from_db()
    assert (intent.online, intent.away, intent.generation) == (False, False, 1)


def test_the_password_comes_from_standard_input_and_is_shown_nowhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("hunter2\nmore\n"))
    try:
        assert run("password") == 0
        out, err = capsys.readouterr()
        assert "hunter2" not in out + err
        assert "soulseek.username" in err
        assert password_read("", data_dir()) == "hunter2"
    finally:
        Path(password_path(data_dir())).unlink()


def test_an_empty_password_is_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run("password") == 1
    assert "[soulseek_password_empty]" in capsys.readouterr().err
