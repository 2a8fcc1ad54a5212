"""The bench of shares, on few files: everything is measured and told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_small_library_is_read_changed_browsed_and_searched() -> None:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("SLSKDN_", "DJANGO_"))}
    command = [sys.executable, "-m", "slskdn_site.cli", "bench", "shares", "--files", "3000", "--queries", "60"]
    done = subprocess.run(
        [*command, "--waiting", "200", "--json"], cwd=ROOT, env=kept, capture_output=True, text=True, timeout=300, check=False
    )  # fmt: skip
    assert done.stdout, done.stderr[-2000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert (report["files"], report["place_waiting"]) == (3000, 200)
    assert report["folders"] == 250
    assert report["listing_bytes"] < report["listing_plain_bytes"]
    assert min(report["query_p50_ms"], report["query_p95_ms"], report["feed_s"], report["place_p50_ms"]) > 0
