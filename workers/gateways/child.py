"""Foreign programs as children that cannot outlive us: own process group, killed with their parent, with a deadline and a bound on output.

No shell, no inherited environment beyond what a program needs to start, nothing on standard input.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from apps.domain.errors import DomainError

_PR_SET_PDEATHSIG = 1
_STDERR_BYTES = 128 << 10
"""Kept of standard error: ffmpeg prints a file's tags, lyrics too, before what we look for."""
_READ_BYTES = 256 << 10


class ChildError(DomainError):
    """A foreign program could not be started (child_start_failed), took too long (child_timeout) or said too much (child_output_limit)."""

    default_code = "child_failed"


@dataclass(frozen=True, slots=True)
class ChildResult:
    """How a child ended."""

    returncode: int
    """Negative: minus the signal."""
    stdout: bytes
    stderr: str


def run_child(argv: Sequence[str], *, timeout_s: float, max_output_bytes: int = 4 << 20) -> ChildResult:
    """Run to the end. Raises ChildError on a start failure, after `timeout_s`, or beyond `max_output_bytes` on standard output."""
    parts: list[bytes] = []
    total = 0

    def take(block: bytes) -> None:
        nonlocal total
        total += len(block)
        if total > max_output_bytes:
            raise ChildError("A foreign program wrote more than expected.", code="child_output_limit", program=argv[0])
        parts.append(block)

    returncode, stderr = stream_child(argv, take, timeout_s=timeout_s)
    return ChildResult(returncode=returncode, stdout=b"".join(parts), stderr=stderr)


def stream_child(argv: Sequence[str], take: Callable[[bytes], None], *, timeout_s: float) -> tuple[int, str]:
    """Run to the end, giving standard output to `take` as it comes; (exit status, start of standard error).

    An exception of `take` ends the child and goes on. Raises ChildError as `run_child` does.
    """
    deadline = time.monotonic() + timeout_s
    with _started(argv) as process:
        stderr = _pump(process, take, deadline=deadline, program=argv[0])
        try:
            returncode = process.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise _timeout(argv[0]) from error
    return returncode, stderr.decode("utf-8", errors="replace")


def _pump(process: subprocess.Popen[bytes], take: Callable[[bytes], None], *, deadline: float, program: str) -> bytes:
    assert process.stdout is not None
    assert process.stderr is not None
    stderr = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        selector.register(process.stderr, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise _timeout(program)
            for key, _ in selector.select(left):
                block = os.read(key.fd, _READ_BYTES)
                if not block:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stdout:
                    take(block)
                else:
                    stderr = (stderr + block)[:_STDERR_BYTES]
    return stderr


@contextlib.contextmanager
def _started(argv: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """The child, whose whole group is gone when the block is left, whatever happened inside."""
    # Bytes of our own pid: the child compares, because a parent that died before prctl would never signal it.
    parent = os.getpid()
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": "/nonexistent"},
            start_new_session=True,
            preexec_fn=(lambda: _die_with(parent)) if sys.platform == "linux" else None,  # noqa: PLW1509 - prefork workers have no threads
        )
    except OSError as error:
        raise ChildError(
            "A foreign program could not be started.", code="child_start_failed", program=argv[0]
        ) from error
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
"""Loaded before any fork: the child must not allocate more than it has to."""


def _die_with(parent: int) -> None:
    assert _LIBC is not None
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _timeout(program: str) -> ChildError:
    return ChildError("A foreign program took too long.", code="child_timeout", retryable=True, program=program)
