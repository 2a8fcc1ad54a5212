"""Celery's processes and the supervisor: pool children end with their parent, and a file says when a process is ready for work.

Without the leash a `kill -9` of the worker leaves its pool children behind, busy with tasks that somebody else runs again by then.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

from celery.signals import beat_init, worker_process_init, worker_ready

PR_SET_PDEATHSIG = 1
READY_FILE_VARIABLE = "SLSKDN_READY_FILE"
WORKER_PID = os.getpid()  # the worker imports this before it forks its pool, so the children know whose they are


@worker_process_init.connect
def _leash_pool_child(**_: object) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != WORKER_PID:
            os._exit(1)  # the worker went away before the leash was on


@worker_ready.connect
@beat_init.connect
def _write_ready_file(**_: object) -> None:
    if path := os.environ.get(READY_FILE_VARIABLE):
        Path(path).write_text(str(os.getpid()), encoding="ascii")
