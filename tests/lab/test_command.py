"""`./slskdn lab`: what it prints, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slskdn_site.cli.main import main
from tests.lab.bars import at_least, at_most
from tests.lab.matrix import percentile
from tests.lab.measure import Measured, jain
from tests.lab.report import bars_of, notes_of, scenario_entries, table
from tests.lab.scenarios import SCENARIOS


def measured(scenario: str, ratio: float, *, policy: str = "product", seed: int = 0, **more: object) -> Measured:
    facts: dict[str, object] = {
        "completed": True,
        "finish_s": ratio,
        "bound_s": 1.0,
        "payload_bytes": 30_000_000,
        "vain_bytes": 0,
        "parted_bytes": 0,
        "fairness": 1.0,
        "wall_s": 0.1,
    }
    return Measured(scenario=scenario, seed=seed, policy=policy, ratio=ratio, **(facts | more))  # type: ignore[arg-type]


def failing(runs: list[Measured]) -> set[str]:
    return {bar.name for bar in bars_of(runs, "product") if not bar.holds}


def test_the_report_has_the_form_that_was_promised(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    log, trace = tmp_path / "log", tmp_path / "trace"
    command = ["lab", "run", "--scenario", "steady-small", "--seeds", "2", "--jobs", "1", "--json"]
    assert main([*command, "--log", str(log), "--trace", str(trace)]) in {0, 1}
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert set(report) == {"scenarios", "dht", "bars", "notes", "wall_s_per_seed"}
    (entry,) = report["scenarios"]
    assert set(entry) == {
        "name",
        "kind",
        "seeds",
        "ratio_median",
        "ratio_p95",
        "waste",
        "parted",
        "fairness",
        "baselines",
    }
    assert (entry["name"], entry["kind"], entry["seeds"]) == ("steady-small", "steady", 2)
    assert set(entry["baselines"]) == {"random", "round-robin", "fastest-first", "rarest-first"}
    assert all(set(bar) == {"bar", "limit", "value", "where", "holds"} for bar in report["bars"])
    assert "steady-small" in err
    assert "chunk_response" in log.read_text()
    assert trace.read_bytes().startswith(b'{"trace":1')


def test_a_bar_that_fails_is_an_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["lab", "run", "--scenario", "freezers", "--seeds", "1", "--jobs", "1", "--alone", "--policy"]
    assert main([*command, "fastest-first"]) == 1  # it waits for frozen peers that were quick, until they time out
    assert "FAILS" in capsys.readouterr().out


def test_names_that_do_not_exist_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "run", "--scenario", "nonsense"]) == 2
    assert main(["lab", "run", "--policy", "nonsense"]) == 2
    assert main(["lab", "run", "--seeds", "0"]) == 2
    assert "nonsense" in capsys.readouterr().err


def test_the_list_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in (*SCENARIOS, "dht", "hostile", "rarest-first"))


def test_each_bar_falls_when_it_should() -> None:
    assert failing([measured("steady-equal", 1.04)]) == set()
    assert "steady: median of completion / bound" in failing([measured("steady-equal", 1.06)])
    nineteen = [measured("steady-equal", 1.0, seed=seed) for seed in range(19)]
    assert failing([*nineteen, measured("steady-equal", 1.5, seed=19)]) == set()  # one of twenty may be worse
    two_of_twenty = [*nineteen[:18], measured("steady-equal", 1.5, seed=18), measured("steady-equal", 1.5, seed=19)]
    assert failing(two_of_twenty) == {"steady: 95th percentile of completion / bound"}
    assert failing([measured("liars", 1.34)]) == set()
    assert "fault: median of completion / bound" in failing([measured("liars", 1.36)])
    beaten = [measured("liars", 1.2), measured("liars", 1.1, policy="random")]
    assert failing(beaten) == {"completion / that of the best baseline"}
    leaf = 256 * 1024
    (wasteful,) = failing([measured("steady-equal", 1.0, vain_bytes=7 * leaf)])
    assert wasteful.startswith("waste")
    parted = [measured("steady-equal", 1.0, vain_bytes=7 * leaf, parted_bytes=leaf)]
    assert failing(parted) == set()
    assert "1.17 of what the bar allows" in notes_of(parted, "product")[0]  # left out of the bar, and said
    assert notes_of([measured("steady-equal", 1.0)], "product") == []
    assert failing([measured("steady-equal", 1.0, wall_s=3.1)]) == {"wall seconds of one seed"}
    assert failing([measured("steady-equal", 1.0, violation="x")]) == {"runs in which an invariant did not hold"}
    assert "runs that did not complete" in failing([measured("steady-equal", float("inf"), completed=False)])


def test_the_product_must_be_clearly_better_in_six_of_ten() -> None:
    names = list(SCENARIOS)[:10]
    for better, holds in ((6, True), (5, False)):
        runs = [measured(name, 1.0) for name in names]
        runs += [measured(name, 1.03 if at < better else 1.0, policy="random") for at, name in enumerate(names)]
        (bar,) = [one for one in bars_of(runs, "product") if "2 % better" in one.name]
        assert bar.holds is holds


def test_the_table_shows_what_never_finished() -> None:
    runs = [measured("steady-equal", float("inf"), completed=False)]
    assert "never" in table(scenario_entries(runs, "product"), bars_of(runs, "product"))


def test_small_arithmetic() -> None:
    assert [percentile(range(1, 21), share) for share in (0.5, 0.95, 1.0)] == [10, 19, 20]
    assert jain([1.0, 1.0, 1.0]) == pytest.approx(1.0)
    assert jain([1.0, 0.0, 0.0, 0.0]) == pytest.approx(0.25)
    assert at_most("", 1.0, {"a": 0.5, "b": 1.5}).where == "b"
    assert at_least("", 1.0, {"a": 0.5, "b": 1.5}).where == "a"
