"""The measurement behind `./slskdn bench trace`: the notes of many chunks into a real `TraceFiles`, into nothing, and their writing."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

from apps.domain.swarm.trace import TraceAction, TraceContext, TraceSink
from overlay_node.services.tracing import TraceFiles

CHUNK: Final = 256 * 1024
EVENTS: Final = 3
BAR_US: Final = 8.0
"""Issue bar: microseconds a chunk at the sink, tracing on."""


def trace_bench(*, chunks: int, rounds: int) -> dict[str, object]:
    """The report."""
    folder = Path(tempfile.mkdtemp(prefix="slskdn-bench-trace-"))
    try:
        return asyncio.run(_measure(folder, chunks=chunks, rounds=rounds))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _measure(folder: Path, *, chunks: int, rounds: int) -> dict[str, object]:
    files = TraceFiles(folder, max_size_mb=10, clock=time.monotonic, wall=lambda: datetime.now(UTC))
    context = TraceContext(job=uuid.uuid4(), track=uuid.uuid4(), variant="ab" * 32, transfer=uuid.uuid4())
    peers = [uuid.uuid4().hex + uuid.uuid4().hex[:20] for _ in range(8)]
    sink = files.sink(context)
    on, off, writer, sizes = [], [], [], []
    for number in range(rounds + 1):
        bare = _bare(chunks, peers)
        with_none = _noting(None, chunks, peers) - bare
        with_sink = _noting(sink, chunks, peers) - bare
        before, size = time.process_time(), _size(folder)
        await files.flush()
        spent, grown = time.process_time() - before, _size(folder) - size
        if number:  # the first one warms up
            on.append(with_sink / chunks * 1e6)
            off.append(max(with_none, 0.0) / chunks * 1e6)
            writer.append(spent / chunks * 1e6)
            sizes.append(grown / chunks)
    return {
        "chunks": chunks,
        "rounds": rounds,
        "events_per_chunk": EVENTS,
        "us_per_chunk": {
            "on": round(median(on), 3),
            "off": round(median(off), 3),
            "writer": round(median(writer), 3),
        },
        "bar_us": BAR_US,
        "within_bar": median(on) <= BAR_US,
        "bytes_per_chunk": round(median([size for size in sizes if size > 0])),
        "dropped": files.dropped,
    }


def _noting(trace: TraceSink | None, chunks: int, peers: list[str]) -> float:
    """Seconds for the notes of so many chunks, guarded as the session guards them."""
    begun = time.perf_counter()
    for leaf in range(chunks):
        peer, now = peers[leaf & 7], 1000.0 + leaf * 0.001
        if trace is not None:
            trace.note(now, TraceAction.CHUNK_REQUESTED, peer, leaf, leaf * CHUNK, CHUNK, -1.0, "rarest")
        if trace is not None:
            trace.note(now, TraceAction.CHUNK_RECEIVED, peer, leaf, leaf * CHUNK, CHUNK, 0.0375)
        if trace is not None:
            trace.note(now, TraceAction.LEAF_VERIFIED, peer, leaf, leaf * CHUNK, CHUNK)
    return time.perf_counter() - begun


def _bare(chunks: int, peers: list[str]) -> float:
    begun = time.perf_counter()
    for leaf in range(chunks):
        _peer, _now = peers[leaf & 7], 1000.0 + leaf * 0.001
    return time.perf_counter() - begun


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
