"""The transport bench for real, at its smallest."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from slskdn_site.bench import memory, transport_run
from slskdn_site.bench.children import Child
from slskdn_site.bench.contender import BenchFailed, Round, SeederLate, Workload
from slskdn_site.bench.memory import memory_use
from slskdn_site.bench.payload import check_same, workload_make
from slskdn_site.bench.session_cpu import Stopwatch
from slskdn_site.bench.transport_run import contenders
from slskdn_site.cli.main import main


def children() -> set[str]:
    """Pids of this process's children."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path: unix sockets of nodes live in it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        yield Path(name)


@pytest.fixture
def work(tmp_path: Path) -> Workload:
    return workload_make(tmp_path, mib=1)


def bench(folder: Path, *parts: str) -> int:
    return main(["bench", "transport", "--json", "--mib", "8", "--rounds", "1", "--dir", str(folder), "--only", *parts])


@pytest.mark.e2e
def test_three_nodes_serve_a_fourth_and_the_report_is_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = children()
    assert bench(folder, "nginx_curl", "aria2", "libtorrent_plain", "libtorrent_encrypted", "stock") == 0
    report = json.loads(capsys.readouterr().out)
    for figures in (report["ours"], report["stock"], *(one for one in report["peers"].values() if one is not None)):
        cpu = figures["cpu_s_per_gib"]
        assert set(cpu) == {"download", "seed", "sum"}
        assert all(value > 0 for value in cpu.values())
        assert cpu["sum"] == pytest.approx(cpu["download"] + cpu["seed"], abs=0.01)
        assert figures["mb_per_s"] > 0
    installed = {one.name: one.missing() is None for one in contenders()[1:-1]}
    assert {name: ratio is not None for name, ratio in report["ratios"].items()} == installed
    assert report["seed_vs_stock"] > 0
    assert 0 < report["scheduling"]["share"] < report["scheduling"]["share_of_download"] < 1
    assert 0 <= report["reactor_delay_ms"]["p50"] <= report["reactor_delay_ms"]["p99"]
    assert not list(folder.iterdir())
    assert children() == before


class LateAtFirst:
    """A contender whose seeders are late in its first rounds."""

    name = "late"

    def __init__(self, late: int) -> None:
        self.late = late

    def missing(self) -> str | None:
        return None

    def bring(self, work: Workload, folder: Path) -> tuple[Round, Path]:
        assert not list(folder.iterdir())
        if self.late:
            self.late -= 1
            raise SeederLate("Only 2 of 3 seeders gave something.")
        return Round(download_cpu_s=1, seed_cpu_s=1, seconds=1), work.path


def test_a_round_that_a_seeder_was_late_for_is_made_again_a_few_times(folder: Path, work: Workload) -> None:
    assert transport_run.bring(LateAtFirst(transport_run.TRIES - 1), work, folder / "round").seconds == 1
    with pytest.raises(SeederLate):
        transport_run.bring(LateAtFirst(transport_run.TRIES), work, folder / "round")
    assert not list(folder.iterdir())


@pytest.mark.e2e
def test_a_crowd_is_linked_and_served_while_the_node_is_weighed(folder: Path, work: Workload) -> None:
    before = children()
    use = memory_use(work, folder, idle=3, busy=2, watched_s=0.5)
    assert (use.idle, use.busy) == (3, 2)
    assert 20 < use.rss_mb < 1000
    assert use.served_mb_per_s > 0
    assert children() == before


@pytest.mark.e2e
def test_strangers_beyond_what_the_gate_takes_in_are_dialled_by_the_node(
    folder: Path, work: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MAX_INBOUND_CONNECTIONS", 2)
    assert memory_use(work, folder, idle=3, busy=1, watched_s=0.1).idle == 3


def test_a_session_is_timed_without_what_it_hashes() -> None:
    stopwatch = Stopwatch()
    spared = stopwatch.sparing(lambda: sum(range(200_000)))
    timed = stopwatch.counting(lambda: [spared() for _ in range(20)])
    spared()
    assert stopwatch.seconds == 0, "hashing outside of sessions is nobody's account"
    stopwatch.counting(timed)()
    mostly_spared = stopwatch.seconds
    stopwatch.counting(lambda: [sum(range(200_000)) for _ in range(20)])()
    assert 0 <= mostly_spared < (stopwatch.seconds - mostly_spared) / 2


@pytest.mark.parametrize(
    "arguments", [["--only", "rsync"], ["--mib", "0"], ["--mib", "5000"], ["--rounds", "0"], ["--dir", "/nowhere"]]
)
def test_impossible_measurements_are_refused_with_a_sentence(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "transport", *arguments]) == 2
    assert "slskdn: " in capsys.readouterr().err


def test_a_payload_is_the_same_each_time_and_differences_are_found(work: Workload, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    again = workload_make(tmp_path / "again", mib=1)
    assert again.root == work.root
    check_same(work, again.path)
    with again.path.open("r+b") as file:
        file.seek(777_777)
        file.write(b"\0\0\0\0")
    with pytest.raises(BenchFailed, match="not what was sent"):
        check_same(work, again.path)
    again.path.write_bytes(b"")
    with pytest.raises(BenchFailed) as caught:
        check_same(work, again.path)
    assert caught.value.code == "bench_wrong_bytes"


def test_a_folder_without_room_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(BenchFailed) as caught:
        workload_make(tmp_path, mib=1 << 40)
    assert caught.value.code == "bench_no_room"
    assert not list(tmp_path.iterdir())


@pytest.mark.e2e
def test_a_child_that_falls_is_told_of_with_the_end_of_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", "-c", "import sys; sys.exit('no such luck')"]
    with Child(command, log=tmp_path / "unlucky.log") as child, pytest.raises(BenchFailed, match=r"unlucky .*luck"):
        child.hear("ready", within_s=30)
    with Child(command, log=tmp_path / "unlucky.log") as child, pytest.raises(BenchFailed, match="status 1"):
        child.wait(within_s=30)


@pytest.mark.e2e
def test_a_child_that_says_nothing_is_stopped_in_the_end(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", "-c", "import sys; sys.stdin.read()"]
    with Child(command, log=tmp_path / "silent.log") as child:
        with pytest.raises(BenchFailed, match="did not tell"):
            child.hear("ready", within_s=0.01)
        assert child.alive()
    assert not child.alive()
    assert child.stop() >= 0
