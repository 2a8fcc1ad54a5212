"""The node's trace files as the control plane sees them: read by pages, API and terminal, swept by a worker.

The node writes them (`overlay_node.services.tracing`); what is in them, `apps.domain.swarm.trace` says. A file that is read while the node rotates
it is read again.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db.models import Max

from apps.domain.errors import DomainError
from apps.domain.swarm.trace_lines import Trace, trace_read
from apps.domain.swarm.trace_retention import TRACE_FILE, TraceFile, TraceLimits, trace_names, traces_to_forget
from apps.transfers.models import Transfer

log = logging.getLogger(__name__)

READ_TRIES = 5
CACHED_TRACES = 2
"""Parsed traces kept by a process: some 30 MB each at most, and a person looks at one for a while."""


class TraceUnreadable(DomainError):
    """The disk does not give the trace."""

    default_code = "trace_io_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class TracingState:
    """What is configured."""

    enabled: bool
    max_size_mb: int
    limits: TraceLimits


def tracing_state() -> TracingState:
    """`swarm.tracing`, as this process read it at its start."""
    tracing = settings.CONFIG.swarm.tracing
    return TracingState(
        enabled=tracing.enabled,
        max_size_mb=tracing.max_size_mb,
        limits=TraceLimits(jobs=tracing.retention_jobs, days=tracing.retention_days, total_mb=tracing.retention_mb),
    )


def traces_dir() -> Path:
    """Where they lie."""
    return Path(settings.DATA_DIR) / "traces"


def trace_of(group_id: uuid.UUID) -> Trace | None:
    """The trace of a job (or of a want without one); None when there is none. Raises TraceNewer, TraceUnreadable."""
    names = trace_names(group_id)
    newest, older = traces_dir() / names.newest, traces_dir() / names.older
    try:
        for _try in range(READ_TRIES):
            stamps = (_stamp(older), _stamp(newest))
            if stamps == (None, None):
                return None
            trace = _read(group_id, older, newest, stamps)
            # The same files as before, grown or not: what was read belongs together. Otherwise a rotation came between.
            if [stamp and stamp[0] for stamp in (_stamp(older), _stamp(newest))] == [
                stamp and stamp[0] for stamp in stamps
            ]:
                return trace
            _read.cache_clear()
    except OSError as error:
        raise TraceUnreadable("The trace can't be read.", retryable=True, reason=error.strerror or "I/O") from error
    raise TraceUnreadable("The trace can't be read.", retryable=True, reason="it is being rotated")


def traces_sweep(*, now: datetime) -> int:
    """Delete the traces that the limits no longer keep; how many files. Safe to repeat, and beside the node's own sweep at its start."""
    folder, found = traces_dir(), []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                changed = datetime.fromtimestamp(status.st_mtime, UTC)
                found.append(TraceFile(name=entry.name, size_bytes=status.st_size, changed_at=changed))
    deleted = 0
    for name in traces_to_forget(found, tracing_state().limits, now=now):
        try:
            (folder / name).unlink()
            deleted += 1
        except FileNotFoundError:
            continue
        except OSError as error:
            log.warning("trace_not_deleted name=%s error=%s", name, error)
    return deleted


def group_last_active(group_id: uuid.UUID) -> datetime | None:
    """When a transfer of this group last moved; None when it never had one."""
    rows = Transfer.objects.filter(want__group_id=group_id)
    moved: datetime | None = rows.aggregate(moved=Max("updated_at"))["moved"]
    return moved


def oldest_trace_at() -> datetime | None:
    """When the trace that was silent longest last changed."""
    with contextlib.suppress(FileNotFoundError), os.scandir(traces_dir()) as entries:
        times = [entry.stat().st_mtime for entry in entries if TRACE_FILE.fullmatch(entry.name)]
        return datetime.fromtimestamp(min(times), UTC) if times else None
    return None


def traces_count() -> int:
    """How many traces there are."""
    with contextlib.suppress(FileNotFoundError), os.scandir(traces_dir()) as entries:
        return len({found[1] for entry in entries if (found := TRACE_FILE.fullmatch(entry.name)) is not None})
    return 0


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


@functools.lru_cache(maxsize=CACHED_TRACES)
def _read(group_id: uuid.UUID, older: Path, newest: Path, stamps: tuple[object, ...]) -> Trace:
    """Parse both parts, older first. `stamps` are there to tell cached readings apart."""
    parts = []
    for path in (older, newest):
        with contextlib.suppress(FileNotFoundError):
            parts.append(path.read_bytes())
    return trace_read(group_id, parts)
