"""`./slskdn swarm …` and the peers' metrics and reputations of `./slskdn mesh …`, as a person types them."""

from __future__ import annotations

import json
import uuid

import pytest

from slskdn_site.cli.main import main
from tests.apps.peers.learnt import known_people, past, peers_learnt
from tests.web import seed

pytestmark = pytest.mark.django_db(transaction=True)
LISTS = [["swarm", "stats", "peers"], ["mesh", "peers-metrics"], ["mesh", "peers-reputation"]]


@pytest.mark.parametrize("command", LISTS)
def test_nobody_known_is_said_in_a_sentence(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command) == 0
    assert capsys.readouterr().out == "No peer gave or refused us anything yet.\n"
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"peers": [], "more": False}


def test_stats_show_round_trip_throughput_rates_and_cost(capsys: pytest.CaptureFixture[str]) -> None:
    known_people()
    assert main(["swarm", "stats", "peers", "--sort", "highest_reputation"]) == 0
    heads, first, *_ = capsys.readouterr().out.splitlines()
    assert heads.split() == ["PEER", "RTT", "THROUGHPUT", "ERRORS", "TIMEOUTS", "COST", "REPUTATION"]
    assert first.split()[:4] == ["alice", "40", "ms", "1"]


def test_reputations_show_the_reason_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    known_people()
    assert main(["mesh", "peers-reputation", "--sort", "lowest_reputation"]) == 0
    shown = capsys.readouterr().out
    assert "Quarantined    wrong bytes" in shown
    assert "high timeouts, low throughput" in shown
    assert main(["mesh", "peers-reputation", "--standing", "quarantined", "--json"]) == 0
    (liar,) = json.loads(capsys.readouterr().out)["peers"]
    assert (liar["peer"], liar["summary"]) == ("liar", "wrong bytes")


def test_metrics_show_counters(capsys: pytest.CaptureFixture[str]) -> None:
    known_people()
    assert main(["mesh", "peers-metrics", "--peer", "liar", "--json"]) == 0
    (liar,) = json.loads(capsys.readouterr().out)["peers"]
    assert (liar["counters"]["successful"], liar["counters"]["corrupt"]) == (3, 12)


@pytest.mark.parametrize("command", LISTS)
def test_a_thousand_peers_are_cut_short_and_it_is_said(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    peers_learnt(**{f"k{number}": past(good=number % 9) for number in range(1000)})
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 52
    assert lines[-1] == "… and 950 more: --limit 1000 shows all."
    assert len({len(line) for line in lines[1:-1]}) <= (1 if "reputation" not in command[-1] else 50), (
        "columns stand in line"
    )
    assert main([*command, "--json", "--limit", "1000"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (len(answer["peers"]), answer["more"]) == (1000, False)


def test_a_job_shows_who_brings_what_at_which_cost(capsys: pytest.CaptureFixture[str]) -> None:
    from apps.jobs.models import Job
    from apps.peers.models import Peer

    seed.fill(1)
    peers_learnt(**{peer.key: past(good=50) for peer in Peer.objects.all()})
    job = Job.objects.get()
    assert main(["swarm", "show", str(job.id)]) == 0
    shown = capsys.readouterr().out
    assert "Kind of Blue: running" in shown
    assert "cost 1." in shown
    assert "reputation 0.9" in shown
    assert "control socket can't be reached" in shown
    assert main(["swarm", "show", str(job.id), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    live = [track for track in answer["tracks"] if track["live"]]
    assert live
    assert {track["code"] for track in live} == {"node_unreachable"}
    source = live[0]["sources"][0]
    assert source["cost"]["total"] > 1
    assert source["standing"] == "preferred"


@pytest.mark.parametrize("text", [str(uuid.uuid4()), "../etc"])
def test_a_job_that_is_not_there_is_said_so(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["swarm", "show", text]) == 1
    assert "[job_unknown]" in capsys.readouterr().err
