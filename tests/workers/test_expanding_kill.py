"""`kill -9` for real in the middle of an expansion: whatever was written stays, the sweep finds the rest, each child is made once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from tests.workers.test_kill import PROJECT, Platform, platform, wait_for

__all__ = ["platform"]

pytestmark = pytest.mark.e2e

SEED = """
import django
django.setup()
from tests.apps.jobs.tree_rows import graph_store, group_of
graph_store([group_of(at) for at in range(230)], editions=1)
"""
EXPAND = """
import django, os, signal, sys, uuid
django.setup()
from workers.expanding import expand
def checkpoint(step):
    if step == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
expand(uuid.UUID(sys.argv[1]), labels_found=lambda words: [], checkpoint=checkpoint)
"""
ARTIST = "5b11f4ce-a62d-471e-81fc-a69a8278c7da"


@pytest.mark.parametrize(("step", "planned", "children"), [("planned 1", 100, 0), ("children 2", 230, 150)])
def test_a_process_killed_while_it_expands_leaves_a_tree_that_a_worker_finishes(
    platform: Platform, step: str, planned: int, children: int
) -> None:
    platform.python("-c", SEED)
    job = platform.python("-m", "slskdn_site.cli", "jobs", "discography", ARTIST).strip()
    killed = subprocess.run(
        [sys.executable, "-c", EXPAND, job, step], env=platform.environment, cwd=PROJECT, check=False, timeout=120
    )
    assert killed.returncode == -signal.SIGKILL
    assert platform.rows("SELECT count(*) FROM jobs_plannedrelease") == [(planned,)]
    assert platform.rows("SELECT count(*) FROM jobs_job WHERE parent_id IS NOT NULL") == [(children,)]
    assert platform.rows("SELECT state FROM jobs_job WHERE parent_id IS NULL") == [("resolving",)]
    # A minute passes: the lease of the dead runs out. Nobody tells anybody; the sweep finds the row.
    platform.rows("UPDATE jobs_job SET lease_until = '2020-01-01 00:00:00' WHERE parent_id IS NULL")
    platform.worker()
    platform.beat()
    wait_for(lambda: platform.rows("SELECT 1 FROM jobs_job WHERE parent_id IS NULL AND expanded_at IS NOT NULL"))
    counted = "SELECT count(*), count(DISTINCT target_mbid) FROM jobs_job WHERE parent_id IS NOT NULL"
    assert platform.rows(counted) == [(230, 230)]
    orphans = "SELECT count(*) FROM jobs_plannedrelease WHERE state = 'wanted' AND child_id IS NULL"
    assert platform.rows(orphans) == [(0,)]
    shown = json.loads(platform.python("-m", "slskdn_site.cli", "jobs", "show", job, "--json"))
    assert shown["state"] in ("running", "partial", "failed")  # the metadata service knows none of these releases
    # Turns go on without anybody's help: no more than four at a time, and others follow those that ended.
    wait_for(
        lambda: (
            platform.rows("SELECT count(*) FROM jobs_job WHERE parent_id IS NOT NULL AND code = 'release_not_found'")[0]
            >= (6,)
        )
    )
