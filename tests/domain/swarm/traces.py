"""Events for tests of traces."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from apps.domain.swarm.trace import TraceContext, TraceEvent, source_of

JOB = uuid.UUID("018f0000-0000-7000-8000-000000000001")
TRACK = uuid.UUID("22222222-2222-4222-8222-222222222222")
TRANSFER = uuid.UUID("018f0000-0000-7000-8000-0000000000aa")
START = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
LEAF = 256 * 1024
CONTEXT = TraceContext(job=JOB, track=TRACK, variant="ab" * 32, transfer=TRANSFER, profile="flac-16-44100-2")


def event(second: float, action: str, peer: str = "", *, context: TraceContext = CONTEXT, **facts: Any) -> TraceEvent:
    """An event so many seconds after the start."""
    return TraceEvent(
        action=action,
        at=START + timedelta(seconds=second),
        mono_s=1000.0 + second,
        context=context,
        source=facts.pop("source", source_of(peer)),
        peer=peer,
        **facts,
    )


def chunk(second: float, peer: str, leaf: int, *, took_s: float = 0.5, **facts: Any) -> list[TraceEvent]:
    """A leaf that was asked, arrived and verified."""
    where = {"leaf": leaf, "offset": leaf * LEAF, "length": LEAF, **facts}
    return [
        event(second, "chunk_requested", peer, **where),
        event(second + took_s, "chunk_received", peer, duration_ms=took_s * 1000, **where),
        event(second + took_s, "leaf_verified", peer, **where),
    ]
