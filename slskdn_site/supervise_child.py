"""One supervised process: started on a leash in its own process group, its lines passed on, stopped politely and then for certain."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from slskdn_site.supervise_exec import leashed

LINE_LIMIT = 16 * 1024  # bytes; a longer line is cut into several
LAST_LINES = 15  # kept for the message that says why a child did not start


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What to run and how to tell that it works.

    `ready` is asked again and again until it says True, each time for less than a second or two. `stop_stage`: children of a lower stage are
    stopped first. `stop_seconds`: how long SIGTERM is given before SIGKILL. `keep_fds`: descriptors it inherits.
    """

    name: str
    argv: Sequence[str]
    ready: Callable[[], bool]
    stop_stage: int
    stop_seconds: float
    start_seconds: float = 90.0
    env: Mapping[str, str] = field(default_factory=dict)
    keep_fds: Sequence[int] = ()


class Child:
    """A process of `spec` and its successors after restarts."""

    def __init__(self, spec: ChildSpec, *, line: Callable[[str, str], None]) -> None:
        self.spec = spec
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0  # monotonic seconds
        self.restart_at: float | None = None
        self.deaths_in_a_row = 0
        self.was_ready = False
        self._line = line

    def start(self, now: float) -> None:
        """Start it. Must be called on the main thread (see supervise_exec)."""
        self.restart_at = None
        self.started_at = now
        self.process = subprocess.Popen(
            leashed(list(self.spec.argv)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self.spec.env},
            start_new_session=True,
            pass_fds=tuple(self.spec.keep_fds),
        )
        threading.Thread(
            target=self._pump, args=(self.process,), name=f"lines of {self.spec.name}", daemon=True
        ).start()

    def exited(self) -> int | None:
        """None while it runs; else its exit status (negative: the signal), after whatever is left of its process group was killed."""
        process = self.process
        if process is None:
            return None
        if process.returncode is None:
            # Look without reaping: as long as the leader is a zombie, its group id cannot belong to anybody else.
            if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                return None
            self._signal_group(signal.SIGKILL)
        return process.wait()

    def running(self) -> bool:
        """True between start and exit."""
        return self.process is not None and self.exited() is None

    def ask_to_stop(self) -> None:
        """SIGTERM to the leader; it stops its own children in its own order."""
        if self.process is not None and self.running():
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        if self.running():
            self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: signal.Signals) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody left in it
                os.killpg(self.process.pid, number)

    def _pump(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is None:
            return
        with process.stdout as stream:
            while raw := stream.readline(LINE_LIMIT):
                text = raw.decode("utf-8", "replace").rstrip()
                if text:
                    self.last_lines.append(text)
                    self._line(self.spec.name, text)
