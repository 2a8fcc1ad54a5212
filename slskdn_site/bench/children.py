"""Child processes of a bench: on a leash, measured, always reaped. They are started and ended by their own pid."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from slskdn_site.bench.contender import BenchFailed
from slskdn_site.processes import PROJECT
from slskdn_site.supervise_exec import leashed

STOP_S: Final = 10.0  # between SIGTERM and SIGKILL; a node leaves within 5
_POLL_S: Final = 0.002
_LOG_TAIL: Final = 2000  # characters of a failed process's log that its error tells


class Child:
    """One process. A context manager: leaving it stops the process."""

    def __init__(
        self, command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None, leash: bool = True
    ) -> None:
        self._log: Final = log
        self._buffer = b""
        self._cpu_s: float | None = None
        with log.open("wb") as errors:
            self._process: Final = subprocess.Popen(
                leashed(list(command)) if leash else list(command),
                cwd=log.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "PYTHONPATH": str(PROJECT), **(env or {})},
                start_new_session=True,  # Ctrl-C is for the bench, which then stops them
                bufsize=0,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
        except BrokenPipeError:
            raise self.failed("ended early") from None

    def hear(self, event: str, *, within_s: float) -> Mapping[str, object]:
        """The next line of JSON on its standard output, which must tell of `event`. Raises BenchFailed."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + within_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise self.failed(f"did not tell of {event} within {within_s:.0f} s")
                data = os.read(self._process.stdout.fileno(), 65536)
                if not data:
                    raise self.failed("ended early")
                self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        message = json.loads(line)
        if not isinstance(message, dict) or message.get("event") != event:
            raise self.failed(f"told something else than {event}: {line[:200]!r}")
        return message

    def wait(self, *, within_s: float) -> float:
        """Let it end by itself; its CPU seconds. Raises BenchFailed when it fails or takes too long."""
        deadline = time.monotonic() + within_s
        while not self._reap():
            if time.monotonic() > deadline:
                raise self.failed(f"did not end within {within_s:.0f} s")
            time.sleep(_POLL_S)
        if self._process.returncode:
            raise self.failed(f"ended with status {self._process.returncode}")
        assert self._cpu_s is not None
        return self._cpu_s

    def stop(self) -> float:
        """SIGTERM, then SIGKILL; the CPU seconds of its whole life. May be called twice."""
        deadline = time.monotonic() + STOP_S
        if not self._reap():
            self._process.terminate()
        while not self._reap():
            if time.monotonic() > deadline:
                self._process.kill()
            time.sleep(_POLL_S)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        assert self._cpu_s is not None
        return self._cpu_s

    def alive(self) -> bool:
        """True while it runs."""
        return not self._reap()

    def failed(self, what: str) -> BenchFailed:
        """An error that says what this process did, and the end of its log."""
        tail = self._log.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL:].strip()
        return BenchFailed(f"{self._log.stem} {what}." + (f" Its log ends: {tail}" if tail else ""))

    def _reap(self) -> bool:
        """True once it has ended. `wait4` is the one call that tells what it used, so subprocess must not reap it."""
        if self._cpu_s is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid == 0:
                return False
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self._cpu_s = usage.ru_utime + usage.ru_stime
        return True


def cpu_s_so_far(pid: int) -> float:
    """CPU seconds of a process with one thread, while it lives. 0 where the kernel doesn't tell (then its start counts as work)."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
