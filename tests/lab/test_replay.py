"""Replaying a trace: the network inferred from a recorded session, and policies run on it. The lab records its own traces."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from apps.domain.swarm.trace_lines import trace_read
from slskdn_site.cli.main import main
from tests.lab.inference import TraceNotReplayable, infer
from tests.lab.matrix import Task, recorded, run_task
from tests.lab.plan import plan_of
from tests.lab.policies import POLICIES
from tests.lab.recording import JOB
from tests.lab.replay import replay, trace_of
from tests.lab.scenarios import SCENARIOS


def inferred_of(name: str, seed: int = 1, policy: str = "product"):
    return infer(trace_read(JOB, [recorded(Task(name, seed, policy))]))


@pytest.mark.parametrize(
    "name", ["steady-small", "steady-mixed", "churn-leavers", "throttlers", "liars", "queue-forever"]
)
def test_the_recorded_policy_does_on_the_inferred_network_what_it_did(name: str) -> None:
    inferred = inferred_of(name)
    truth = run_task(Task(name, 1, "product"))
    assert inferred.recorded.completed
    assert inferred.recorded.finish_s == pytest.approx(truth.finish_s, rel=0.02)
    again = replay(inferred, "product")
    assert again.completed
    assert again.finish_s == pytest.approx(inferred.recorded.finish_s, rel=0.12)


def test_another_policy_is_told_as_slower_where_it_is() -> None:
    inferred = inferred_of("steady-one-fast")
    again = {name: replay(inferred, name).finish_s for name in ("product", "fastest-first", "plain")}
    assert again["fastest-first"] == pytest.approx(
        run_task(Task("steady-one-fast", 1, "fastest-first")).finish_s, rel=0.15
    )
    assert again["plain"] > 1.2 * again["product"]  # it leaves the last leaves to slow peers
    assert again["fastest-first"] > again["product"]


def test_rates_delays_stays_and_bad_leaves_are_those_of_the_network() -> None:
    plan, inferred = plan_of(SCENARIOS["steady-mixed"], 1), inferred_of("steady-mixed")
    for peer in plan.peers:
        found = next(one for one in inferred.plan.peers if one.name == peer.name)
        true_rate = peer.life.up.at(0)
        assert found.life.up.carried(0.3, 3.0) / 2.7 == pytest.approx(true_rate, rel=0.15)
        assert found.rtt_s == pytest.approx(peer.rtt_s, abs=0.03)
    leaving = inferred_of("churn-leavers")
    for peer in plan_of(SCENARIOS["churn-leavers"], 1).peers:
        found = next(one for one in leaving.plan.peers if one.name == peer.name)
        if peer.life.present[0][1] < leaving.recorded.finish_s:
            assert found.life.present[0][1] == pytest.approx(peer.life.present[0][1], abs=0.2)
    liars = inferred_of("liars")
    assert {one.name for one in liars.plan.peers if one.personality.lies} == {
        one.name for one in plan_of(SCENARIOS["liars"], 1).peers if one.personality.lies
    }


def test_a_transfer_that_went_on_after_a_restart_is_replayed_from_what_lay_on_the_disk() -> None:
    lines = recorded(Task("steady-small", 1, "product")).splitlines(keepends=True)
    verified = [index for index, line in enumerate(lines) if b"leaf_verified" in line]
    late = [line for index, line in enumerate(lines) if index not in verified[:10]]
    inferred = infer(trace_read(JOB, [b"".join(late)]))
    (wanted,) = inferred.plan.wanted
    assert len(wanted.held) == 10
    outcome = replay(inferred, "product")
    assert outcome.completed
    assert outcome.received_bytes < inferred.plan.payloads[0].size - 9 * 256 * 1024


def test_what_is_no_trace_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(TraceNotReplayable, match="no file"):
        trace_of(tmp_path / "none.jsonl")
    (tmp_path / "junk.jsonl").write_bytes(b"\xff\xfe junk\n{}\n")
    with pytest.raises(TraceNotReplayable, match="no trace"):
        trace_of(tmp_path / "junk.jsonl")
    empty = recorded(Task("steady-small", 1, "product")).splitlines(keepends=True)[:4]
    with pytest.raises(TraceNotReplayable, match="no transfer"):
        infer(trace_read(uuid.uuid4(), [b"".join(empty)]))


def test_the_command_replays_and_prints_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "job.jsonl"
    path.write_bytes(recorded(Task("steady-small", 1, "product")))
    assert main(["lab", "replay", str(path), "--policy", "product,rarest-first", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report["policies"]) == {"product", "rarest-first"}
    assert report["recorded"]["completion_s"] > 0
    total = sum(report["recorded"]["bytes_of_peers"].values())
    assert total >= 8_000_000
    assert main(["lab", "replay", str(path)]) == 0
    assert "completion, s" in capsys.readouterr().out
    assert main(["lab", "replay", str(path), "--policy", "none"]) == 2
    assert main(["lab", "replay", str(tmp_path / "missing"), "--policy", "product"]) == 1


def test_every_policy_can_be_replayed() -> None:
    inferred = inferred_of("steady-small")
    for name in POLICIES:
        assert replay(inferred, name).completed, name
