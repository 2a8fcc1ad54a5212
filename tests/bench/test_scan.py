"""The scan bench on a small folder: its figures are there and belong together; what can't be compared here is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from slskdn_site.bench import scan_run
from slskdn_site.bench.peak import peak_bytes
from slskdn_site.bench.scan import scan_table
from slskdn_site.bench.scan_run import NoMusic, scan_bench
from slskdn_site.processes import PROJECT
from tests.workers.gateways.sound import write
from workers.gateways import chromaprint, ffmpeg

needs_tools = pytest.mark.skipif(
    chromaprint.stream_printer(44_100, 2) is None and not ffmpeg.candidates(), reason="nothing makes fingerprints here"
)


@needs_tools
def test_a_folder_is_measured_and_what_is_missing_here_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.flac", 25.0)
    write(tmp_path / "short.flac", 4.0)
    (tmp_path / "broken.flac").write_bytes(b"fLaC and nothing else")
    monkeypatch.setattr(scan_run.shutil, "which", lambda name: None)
    report = scan_bench(music=tmp_path, files=10, rounds=1, rescan=False)
    assert (report["files"], report["seconds"]) == (1, 25.0)
    assert (report["fpcalc_cpu_s"], report["ratio"]) == (None, None)
    assert report["fingerprint_cpu_s"] > 0 and report["full_cpu_s_per_240s"] > report["fingerprint_cpu_s"]
    assert report["speedup_two_workers"] > 0
    assert 30 < report["rss_mb"] < 400
    notes = " ".join(report["notes"])
    assert "fpcalc is not installed" in notes and "broken.flac" in notes and "short.flac" in notes
    bars = {bar["bar"]: bar["holds"] for bar in report["bars"]}
    assert bars["CPU of a fingerprint, of fpcalc's"] is None, "open, neither held nor failed"
    assert bars["MB of a worker"] is True
    assert "note: " in scan_table(report)


def test_a_process_does_not_tell_the_memory_of_who_started_it_as_its_own() -> None:
    held = bytearray(b"x" * (300 << 20))  # written to, so that it is resident
    assert peak_bytes() > len(held)
    code = "from slskdn_site.bench.peak import peak_bytes; print(peak_bytes())"
    told = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert 1 << 20 < int(told) < len(held) // 2


def test_a_folder_without_music_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(NoMusic, match="no sound files"):
        scan_bench(music=tmp_path, files=10, rounds=1)


def test_files_are_picked_evenly(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"{number}.flac").touch()
    assert [Path(path).stem for path in scan_run._found(tmp_path, limit=5)] == ["0", "2", "4", "6", "8"]


def test_the_ratio_of_a_round_that_failed_is_none() -> None:
    assert scan_run._median_sum([{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 2.0}], ["a", "b"]) == 4.0
    assert scan_run._median_sum([{"a": 1.0}, {}], ["a"]) is None
    assert scan_run._ratio(1.0, None) is None
