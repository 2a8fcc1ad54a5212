"""Runs a command on a leash: the kernel kills it (SIGKILL) when the process that started it ends, however that one ends.

Started as a script with `-I -S`, so it imports nothing of ours and costs a few milliseconds. The leash is set here, in the new process, and not
by `preexec_fn`, which is unsafe beside threads. It holds to the *thread* that started the command: start commands from the main thread.
Where there is no PR_SET_PDEATHSIG (macOS), the command runs without a leash.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


def leash(parent_pid: int) -> None:
    """Tie this process to `parent_pid`; ends at once when that one is gone already."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(1)


def leashed(argv: list[str]) -> list[str]:
    """`argv`, to be started by this process's main thread, on a leash."""
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(os.getpid()), *argv]


if __name__ == "__main__":
    leash(int(sys.argv[1]))
    try:
        os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606  (argv comes from the supervisor)
    except OSError as error:
        sys.exit(f"{sys.argv[2]}: {error}")
