"""`./slskdn mesh …` as a person types it."""

from __future__ import annotations

import json
import uuid

import pytest
from django.utils import timezone

from apps.domain.contracts.node_work import Heartbeat, PeerReport
from apps.mesh.selectors import seeded_releases
from apps.nodelink.services import heartbeat_record
from apps.peers.services import peer_met
from slskdn_site.cli.main import main

pytestmark = pytest.mark.django_db(transaction=True)
RELEASE = "11111111-1111-4111-8111-111111111111"


def run(*argv: str) -> int:
    return main(["mesh", *argv])


def test_a_release_is_seeded_once_and_unseeded(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("seed", RELEASE, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "release": RELEASE,
        "seeded": True,
        "changed": True,
        "tracks_held": 0,
    }
    assert run("seed", RELEASE) == 0
    assert "already seeded" in capsys.readouterr().out
    assert seeded_releases() == [uuid.UUID(RELEASE)]
    assert run("unseed", RELEASE, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"release": RELEASE, "seeded": False, "changed": True}
    assert seeded_releases() == []


def test_text_that_is_no_mbid_is_refused_with_a_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("seed", "../etc") == 1
    assert "[mbid_invalid]" in capsys.readouterr().err


def test_peers_are_listed_and_their_words_never_reach_the_terminal_raw(capsys: pytest.CaptureFixture[str]) -> None:
    peer_met(PeerReport(key="p" * 52, agent="evil\x1b[2J", host="127.0.0.2", port=7))
    assert run("peers") == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "pppp" in shown
    assert run("peers", "--json") == 0
    assert json.loads(capsys.readouterr().out)["peers"][0]["addresses"] == ["127.0.0.2:7"]


def test_status_tells_whether_the_node_lives(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("status") == 1
    assert "No node ran" in capsys.readouterr().out
    report = {"mode": "mesh", "overlay": {"port": 5}, "dht": {"port": 6}, "links": [], "transfers": [], "bytes": {}}
    heartbeat_record(Heartbeat(peer_id="me", boot_id="b", started_at=timezone.now(), version="1", report=report))
    assert run("status") == 0
    assert "is alive" in capsys.readouterr().out
    assert run("status", "--json") == 0
    assert json.loads(capsys.readouterr().out)["report"] == report
