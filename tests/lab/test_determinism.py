"""The same seed gives the same event log, byte for byte, in any process and whatever Python's hashes are."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.lab.matrix import Task, log_digest
from tests.services import PROJECT

CODE = "import sys; from tests.lab.matrix import Task, log_digest; print(log_digest(Task(sys.argv[1], int(sys.argv[2]), 'product')))"


def digest_elsewhere(scenario: str, seed: int, hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-c", CODE, scenario, str(seed)]
    return subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()


@pytest.mark.parametrize("name", ["steady-small", "crowd"])
def test_two_processes_with_other_hashes_write_the_same_log(name: str) -> None:
    here = log_digest(Task(name, 3, "product"))
    assert digest_elsewhere(name, 3, "1") == here
    assert digest_elsewhere(name, 3, "2") == here


def test_another_seed_writes_another_log() -> None:
    assert log_digest(Task("steady-small", 3, "product")) != log_digest(Task("steady-small", 4, "product"))


def test_the_log_tells_each_message() -> None:
    lines: list[str] = []
    log_digest(Task("steady-equal", 0, "product"), lines.append)
    assert sum("payload_manifest" in line for line in lines) == 6
    assert sum("chunk_response" in line for line in lines) >= 115
    assert lines == sorted(lines, key=lambda line: float(line.split()[0]))
