"""The measurement of `./slskdn bench scan`.

What is compared: on our side the CPU of a worker process that is warm (started, one file read), its children's included, for the file; on the other
side the CPU of one whole fpcalc or ffmpeg process a file, which is how those are used. The start of a process is told beside it (`*_start_cpu_s`), so that
a reader can take it off. Rounds are interleaved, medians are taken per file.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from slskdn_site.processes import PROJECT
from workers.gateways import ffmpeg

ENDINGS: Final = frozenset([".flac", ".mp3", ".ogg", ".opus", ".m4a", ".wav", ".aif", ".aiff", ".wv"])
BAR_FINGERPRINT: Final = 1.5
BAR_FULL: Final = 1.2
BAR_SPEEDUP: Final = 1.8
BAR_RESCAN_S: Final = 8.0
BAR_RSS_MB: Final = 400.0
RESCAN_FILES: Final = 100_000
_SHORTEST_S: Final = 20.0
"""Files below this measure how a file is opened."""
_TIMEOUT_S: Final = 1800.0


class NoMusic(Exception):
    """There is nothing to measure with; the text says why."""


def scan_bench(*, music: Path | None, files: int, rounds: int, rescan: bool = True) -> dict[str, Any]:
    """Everything, as one report. Raises NoMusic."""
    with tempfile.TemporaryDirectory(prefix="slskdn-bench-scan-") as folder:
        paths = _found(music, limit=files) if music is not None else _worker("music", folder)
        report = _measured(paths, rounds=rounds)
    report |= _rescanned(report["notes"]) if rescan else {"rescan_s": None, "rescan_files": None}
    report["bars"] = [
        _bar("CPU of a fingerprint, of fpcalc's", report["ratio"], BAR_FINGERPRINT),
        _bar("CPU of the full analysis, of ffmpeg ebur128's", report["full_ratio"], BAR_FULL),
        _bar("two workers, times one", report["speedup_two_workers"], BAR_SPEEDUP, at_least=True),
        _bar(f"seconds of a re-scan of {RESCAN_FILES:,} unchanged files", report["rescan_s"], BAR_RESCAN_S),
        _bar("MB of a worker", report["rss_mb"], BAR_RSS_MB),
    ]
    return report


def _found(music: Path, *, limit: int) -> list[str]:
    """Up to `limit` sound files of the folder, evenly picked."""
    every = sorted(str(path) for path in music.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    if not every:
        raise NoMusic(f"there are no sound files in {music}.")
    return every if len(every) <= limit else [every[index * len(every) // limit] for index in range(limit)]


def _measured(paths: Sequence[str], *, rounds: int) -> dict[str, Any]:
    notes: list[str] = []
    first = _worker("full", *paths)
    kept = [path for path in paths if first["seconds"].get(path, 0.0) >= _SHORTEST_S]
    notes += [f"left out: {Path(path).name}: {code}" for path, code in first["failed"].items()]
    notes += [
        f"left out, shorter than {_SHORTEST_S:g} s: {Path(path).name}" for path in first["seconds"] if path not in kept
    ]
    if not kept:
        raise NoMusic("none of these files can be analysed in full (a fingerprint too needs its tool).")
    fpcalc, meter = shutil.which("fpcalc"), next(iter(ffmpeg.candidates()), None)
    if fpcalc is None:
        notes.append("fpcalc is not installed: there is no ratio of fingerprints")
    if meter is None:
        notes.append("there is no ffmpeg, not even imageio-ffmpeg's: there is no ratio of the full analysis")
    ours: list[dict[str, dict[str, float]]] = []
    theirs: list[dict[str, dict[str, float]]] = []
    one: list[dict[str, float]] = []
    two: list[dict[str, float]] = []
    memory = first["rss_mb"]
    for _ in range(rounds):
        fingerprint, full = _worker("fingerprint", *kept), _worker("full", *kept)
        ours.append({"fingerprint": fingerprint["cpu_s"], "full": full["cpu_s"]})
        theirs.append({
            "fpcalc": {path: _child_cpu_s([fpcalc, "-raw", path], {0, 3}) for path in kept} if fpcalc else {},
            "ebur128": {path: _child_cpu_s(_ebur128(meter, path), {0}) for path in kept} if meter else {},
        })  # fmt: skip
        # Twice the batch, so that a last long file left to one process weighs little.
        one.append(_worker("pool", "1", *kept, *kept))
        two.append(_worker("pool", "2", *kept, *kept))
        memory = max(memory, full["rss_mb"])
    others = statistics.median(each["others_cores"] for each in (*one, *two))
    if others > 0.2:
        notes.append(f"other programs used {others:.1f} cores meanwhile: two workers could not have both")
    seconds = sum(first["seconds"][path] for path in kept)
    ours_fingerprint, ours_full = (_median_sum([each[kind] for each in ours], kept) for kind in ("fingerprint", "full"))
    fpcalc_sum, ebur128_sum = (_median_sum([each[kind] for each in theirs], kept) for kind in ("fpcalc", "ebur128"))
    return {
        "files": len(kept),
        "seconds": round(seconds, 1),
        "rounds": rounds,
        "fingerprint_cpu_s": _rounded(ours_fingerprint, 1 / len(kept)),
        "fpcalc_cpu_s": _rounded(fpcalc_sum, 1 / len(kept)),
        "fpcalc_start_cpu_s": round(_child_cpu_s([fpcalc, "-version"], {0}), 4) if fpcalc else None,
        "ratio": _ratio(ours_fingerprint, fpcalc_sum),
        "full_cpu_s_per_240s": _rounded(ours_full, 240 / seconds),
        "ebur128_cpu_s_per_240s": _rounded(ebur128_sum, 240 / seconds),
        "ebur128_start_cpu_s": round(_child_cpu_s([meter, "-version"], {0}), 4) if meter else None,
        "full_ratio": _ratio(ours_full, ebur128_sum),
        "by_format": _by_format(kept, first["seconds"], ours=ours, theirs=theirs),
        "speedup_two_workers": round(_median_wall(one) / _median_wall(two), 3),
        "others_cores": round(others, 2),
        "cores": os.cpu_count(),
        "rss_mb": round(memory, 1),
        "notes": notes,
    }


def _by_format(
    kept: Sequence[str],
    seconds: Mapping[str, float],
    *,
    ours: Sequence[Mapping[str, Mapping[str, float]]],
    theirs: Sequence[Mapping[str, Mapping[str, float]]],
) -> dict[str, dict[str, float | None]]:
    """The ratios by file name ending."""
    found: dict[str, dict[str, float | None]] = {}
    for ending in sorted({Path(path).suffix.lower() for path in kept}):
        some = [path for path in kept if Path(path).suffix.lower() == ending]
        full = _median_sum([each["full"] for each in ours], some)
        found[ending.lstrip(".")] = {
            "ratio": _ratio(
                _median_sum([each["fingerprint"] for each in ours], some),
                _median_sum([each["fpcalc"] for each in theirs], some),
            ),
            "full_cpu_s_per_240s": _rounded(full, 240 / sum(seconds[path] for path in some)),
            "full_ratio": _ratio(full, _median_sum([each["ebur128"] for each in theirs], some)),
        }
    return found


def _median_sum(rounds: Sequence[Mapping[str, float]], paths: Sequence[str]) -> float | None:
    """Sum over files of the median over rounds; None if a file was not measured in one."""
    if not all(path in each for each in rounds for path in paths):
        return None
    return sum(statistics.median(each[path] for each in rounds) for path in paths)


def _median_wall(runs: Sequence[Mapping[str, float]]) -> float:
    return statistics.median(each["wall_s"] for each in runs)


def _rounded(value: float | None, factor: float) -> float | None:
    return None if value is None else round(value * factor, 4)


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return round(ours / theirs, 3) if ours is not None and theirs else None


def _ebur128(executable: str, path: str) -> list[str]:
    return [
        executable, "-nostdin", "-hide_banner", "-v", "error", "-i", f"file:{path}", "-vn", "-af", "ebur128=peak=true", "-f", "null", "-",
    ]  # fmt: skip


def _child_cpu_s(argv: Sequence[str], good: set[int]) -> float:
    """CPU of one child from start to end. Raises NoMusic if it fails: a comparison with a failure would flatter us."""
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in good:
        raise NoMusic(f"{Path(argv[0]).name} failed on {Path(argv[-1]).name} with status {process.returncode}.")
    return used.ru_utime + used.ru_stime


def _worker(*arguments: str) -> Any:
    """Run one of `scan_work`'s tasks as a worker would run: numeric libraries have one thread. Returns its JSON."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, "-m", "slskdn_site.bench.scan_work", *arguments],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S,
    )  # fmt: skip
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()
        raise NoMusic(f"the worker failed: {reason[-1] if reason else done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def _rescanned(notes: list[str]) -> dict[str, Any]:
    if find_spec("slskdn_site.bench.rescan_run") is None:
        notes.append("the re-scan could not be measured: its part is not installed")
        return {"rescan_s": None, "rescan_files": None}
    found = importlib.import_module("slskdn_site.bench.rescan_run").rescan_bench(files=RESCAN_FILES)
    return {"rescan_s": found["rescan_s"], "rescan_files": RESCAN_FILES, "rescan": found}


def _bar(name: str, value: float | None, limit: float, *, at_least: bool = False) -> dict[str, Any]:
    """`holds` None: it could not be measured here."""
    holds = None if value is None else value >= limit if at_least else value <= limit
    return {"bar": name, "value": value, "limit": limit, "holds": holds}
