"""Children of the gateways end with us, on time, and say no more than allowed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from workers.gateways.child import ChildError, run_child, stream_child


def gone(pid: int) -> bool:
    """True once no such process runs (a zombie waiting for its reaper counts as gone)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_output_errors_and_status_come_back() -> None:
    result = run_child(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"], timeout_s=20)
    assert (result.returncode, result.stdout, result.stderr) == (3, b"out\n", "err\n")


def test_a_program_that_is_not_there_is_our_error() -> None:
    with pytest.raises(ChildError) as caught:
        run_child(["/nonexistent/program"], timeout_s=20)
    assert caught.value.code == "child_start_failed"


def test_a_child_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    script = f"sleep 600 & echo $! > {tmp_path}/pid; wait"
    with pytest.raises(ChildError) as caught:
        run_child(["/bin/sh", "-c", script], timeout_s=0.5)
    assert (caught.value.code, caught.value.retryable) == ("child_timeout", True)
    grandchild = int((tmp_path / "pid").read_text())
    # SIGKILL is delivered before a process runs again; only its reaping may lag.
    assert not _still_there(grandchild)


def _still_there(pid: int) -> bool:
    for _ in range(10_000):
        if gone(pid):
            return False
        os.sched_yield()
    return True


def test_a_child_that_says_too_much_is_ended() -> None:
    with pytest.raises(ChildError) as caught:
        run_child(
            ["/bin/sh", "-c", "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done"],
            timeout_s=20,
            max_output_bytes=1000,
        )
    assert caught.value.code == "child_output_limit"


def test_an_error_of_the_taker_ends_the_child_and_goes_on() -> None:
    def refuse(block: bytes) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stream_child(["/bin/sh", "-c", "echo x; sleep 600"], refuse, timeout_s=20)


def test_no_secret_of_our_environment_reaches_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLSKDN__SECRET", "hush")
    assert b"hush" not in run_child(["/usr/bin/env"], timeout_s=20).stdout


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_child_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    script = (
        "from workers.gateways.child import run_child\n"
        f"run_child(['/bin/sh', '-c', 'echo $$ > {tmp_path}/pid.tmp; mv {tmp_path}/pid.tmp {tmp_path}/pid; echo up; exec sleep 600'], timeout_s=600)\n"
    )
    os.mkfifo(tmp_path / "ready")
    parent = subprocess.Popen(
        [sys.executable, "-c", script.replace("echo up", f"echo up > {tmp_path}/ready")], cwd=Path(__file__).parents[3]
    )
    try:
        with (tmp_path / "ready").open() as ready:  # blocks until the child is up
            assert ready.read() == "up\n"
        child = int((tmp_path / "pid").read_text())
        assert not gone(child)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert not _still_there(child)
