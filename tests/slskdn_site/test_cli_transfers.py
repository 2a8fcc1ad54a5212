"""`./slskdn transfers …` as a person types it."""

from __future__ import annotations

import json

import pytest
from django.utils import timezone

from apps.domain.contracts.node_work import Heartbeat
from apps.nodelink.services import heartbeat_record
from slskdn_site.cli.main import main

pytestmark = pytest.mark.django_db(transaction=True)
PEER = "p" * 52


def run(*argv: str) -> int:
    return main(["transfers", *argv])


def test_a_limit_is_set_shown_and_cleared(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("limits", "set", "global", "up", "200") == 0
    assert capsys.readouterr().out == "global, up: 200 KiB/s.\n"
    assert run("limits", "set", f"peer:{PEER}", "down", "0", "--json") == 0
    assert json.loads(capsys.readouterr().out)["created"] is True
    for argv in (["limits", "--json"], ["limits", "show", "--json"]):
        assert run(*argv) == 0
        shown = json.loads(capsys.readouterr().out)
        assert [(one["scope"], one["direction"], one["kbps"]) for one in shown["items"]] == [
            ("global", "up", 200),
            ("peer", "down", 0),
        ]
        assert len(shown["defaults"]) == 4
    assert run("limits") == 0
    assert "no limit" in capsys.readouterr().out
    assert run("limits", "clear", "global", "up") == 0
    assert "what is configured holds again" in capsys.readouterr().out
    assert run("limits", "clear", "global", "up") == 0
    assert "no limit was set" in capsys.readouterr().out


@pytest.mark.parametrize("target", ["everybody", "global:x", "peer:", "peer:short", "job:7"])
def test_a_target_that_means_nothing_is_refused_with_a_code(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("limits", "set", target, "down", "1") == 1
    assert "[rate_limit_invalid]" in capsys.readouterr().err


def test_uploads_are_told_and_a_peers_words_never_reach_the_terminal_raw(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("uploads") == 1
    assert "no sign of life" in capsys.readouterr().out
    upload = {"peer": "evil\x1b[2J", "transfer": "t", "payload_root": "r", "state": "serving", "sent_bytes": 7}
    report = {"uploads": [upload], "upload_queue": {"slots": 8, "served": 1, "queued": 2, "rate_bps": 10240}}
    heartbeat_record(Heartbeat(peer_id="me", boot_id="b", started_at=timezone.now(), version="1", report=report))
    assert run("uploads") == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "1 of 8 slots, 0 peers wait, 2 requests queued, 10 KiB/s." in shown
    assert run("uploads", "--json") == 0
    assert json.loads(capsys.readouterr().out)["uploads"][0]["sent_bytes"] == 7
