"""Which traces are kept: how many, how old, how much together. Pure: what lies in the folder goes in, what is to be deleted comes out."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

TRACE_FILE: Final = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?:\.(?:1|new))?\.jsonl")
"""What `trace_names` makes, with the job."""


@dataclass(frozen=True, slots=True)
class TraceNames:
    """The files of one job's trace."""

    newest: str
    older: str
    """the part before it"""
    rotating: str
    """the newest one to be: a crash in the middle of a rotation may leave it"""


def trace_names(job: uuid.UUID) -> TraceNames:
    """Of a job, or of a want without one."""
    return TraceNames(f"{job}.jsonl", f"{job}.1.jsonl", f"{job}.new.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLimits:
    """`swarm.tracing.retention_…`."""

    jobs: int = 100
    """traces"""
    days: int = 30
    """since the last event"""
    total_mb: int = 500
    """MiB, all traces together"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceFile:
    """A file in the folder of traces."""

    name: str
    size_bytes: int
    changed_at: datetime


def traces_to_forget(files: Iterable[TraceFile], limits: TraceLimits, *, now: datetime) -> list[str]:
    """Names of files to delete: whole traces, those that were silent longest first. Files that are no traces are nobody's business."""
    traces: dict[str, list[TraceFile]] = {}
    for file in files:
        if (match := TRACE_FILE.fullmatch(file.name)) is not None:
            traces.setdefault(match[1], []).append(file)
    newest_first = sorted(
        traces.items(), key=lambda item: (max(part.changed_at for part in item[1]), item[0]), reverse=True
    )
    forgotten: list[str] = []
    kept, kept_bytes, full = 0, 0, False
    for _job, parts in newest_first:
        size = sum(part.size_bytes for part in parts)
        too_old = now - max(part.changed_at for part in parts) > timedelta(days=limits.days)
        # The newest one always fits: it may be in use, and a limit below one trace would leave none at all.
        full = full or (kept > 0 and kept_bytes + size > limits.total_mb << 20)
        if too_old or full or kept >= limits.jobs:
            forgotten += sorted(part.name for part in parts)
            continue
        kept, kept_bytes = kept + 1, kept_bytes + size
    return forgotten
