"""The Celery app for the worker of `./slskdn bench expand`: every task's seconds go into the file that BENCH_TASKS names, a line each."""

from __future__ import annotations

import os
import time
from pathlib import Path

from celery.signals import task_postrun, task_prerun

from slskdn_site.celery import app

__all__ = ["app"]

_began: dict[str, float] = {}


@task_prerun.connect(weak=False)
def _begins(task_id: str = "", **_: object) -> None:
    _began[task_id] = time.monotonic()


@task_postrun.connect(weak=False)
def _ended(task_id: str = "", task: object = None, **_: object) -> None:
    seconds = time.monotonic() - _began.pop(task_id, time.monotonic())
    with Path(os.environ["BENCH_TASKS"]).open("a", encoding="utf-8") as lines:
        lines.write(f"{seconds:.3f} {getattr(task, 'name', '')}\n")
