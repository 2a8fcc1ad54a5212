"""What the scan bench runs in processes of their own: `python -m slskdn_site.bench.scan_work fingerprint|full|pool PROCESSES|music FOLDER FILE…`.

Each prints one line of JSON. The environment (one thread for numeric libraries) is the worker's, set by whoever starts this.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from billiard.pool import Pool  # Celery's prefork pool is this one, with a consumer around it

from apps.domain.errors import DomainError
from slskdn_site.bench.peak import peak_bytes

SECONDS = 240


def main(arguments: Sequence[str]) -> int:
    """See the module."""
    match arguments:
        case ["music", folder]:
            print(json.dumps(_music(Path(folder))))
        case ["pool", processes, *files]:
            print(json.dumps(_pool(int(processes), files)))
        case [("fingerprint" | "full") as kind, *files]:
            print(json.dumps(_work(_fingerprint if kind == "fingerprint" else _full, files)))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


def _fingerprint(path: Path) -> float:
    from workers.gateways.chromaprint import fingerprint_file

    return fingerprint_file(path).duration_ms / 1000


def _full(path: Path) -> float:
    from workers.gateways.analysis import analyse_file

    found = analyse_file(path)
    if found.print is None or found.sound is None:
        raise DomainError("The file could not be analysed in full.", code=found.print_code or "unexpected")
    return found.decoded.duration_ms / 1000


def _work(read: Callable[[Path], float], files: Sequence[str]) -> dict[str, object]:
    """CPU of this process and its children for each file, after the first was read once for nothing."""
    read(Path(files[0]))
    cpu: dict[str, float] = {}
    seconds: dict[str, float] = {}
    failed: dict[str, str] = {}
    for file in files:
        began = _cpu_s()
        try:
            seconds[file] = read(Path(file))
        except DomainError as error:
            failed[file] = error.code
            continue
        cpu[file] = _cpu_s() - began
    return {
        "cpu_s": cpu,
        "seconds": seconds,
        "failed": failed,
        "rss_mb": peak_bytes() / 2**20,
    }


def _cpu_s() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def _pool(processes: int, files: Sequence[str]) -> dict[str, object]:
    """Wall time of the batch in Celery's pool, once every process is warm; and the cores that other programs of this machine used meanwhile."""
    began, busy, own = time.monotonic(), _busy_s(), _cpu_s()
    pool = Pool(processes)
    pool.map(_warm, [files[0]] * processes, chunksize=1)
    warm = time.monotonic()
    pool.map(_full_of, files, chunksize=1)
    wall = time.monotonic() - warm
    pool.close()
    pool.join()
    others = (_busy_s() - busy) - (_cpu_s() - own)
    return {"wall_s": wall, "others_cores": max(0.0, others / (time.monotonic() - began))}


def _busy_s() -> float:
    """CPU seconds that all programs of this machine have used; 0.0 where it does not say."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    except OSError:
        return 0.0
    ticks = [int(field) for field in fields]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def _warm(file: str) -> None:
    _full_of(file)
    time.sleep(0.2)  # so that no process takes two of these


def _full_of(file: str) -> float:
    return _full(Path(file))


def _music(folder: Path) -> list[str]:
    """Three pieces of 240 s, each as FLAC and as MP3."""
    import numpy as np
    import soundfile

    from slskdn_site.demo.scores import SCORES, frames_of
    from slskdn_site.demo.synth import render_score

    rate, made = 44_100, []
    names = list(SCORES)
    for piece in range(3):
        parts, frames, at = [], 0, piece
        while frames < SECONDS * rate:
            score = SCORES[names[at % len(names)]]
            parts.append(render_score(score, "full", frames=frames_of(score, "full")))
            frames += len(parts[-1])
            at += 3
        sound = np.concatenate(parts)[: SECONDS * rate]
        for ending in ("flac", "mp3"):
            made.append(str(folder / f"piece-{piece}.{ending}"))
            soundfile.write(made[-1], sound, rate)
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
