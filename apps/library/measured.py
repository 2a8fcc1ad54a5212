"""What this node found out itself of payloads: read by the node when it chooses among claims."""

from __future__ import annotations

from collections.abc import Collection

from apps.domain.contracts.node_work import MeasuredPayload
from apps.library.models import AudioVariant

MAX_ROOTS = 500
"""Payloads asked about at once: as many as there are claims of one recording."""


def payloads_measured(keys: Collection[tuple[str, bytes]]) -> list[MeasuredPayload]:
    """Analysed payloads among these (format, root); one query."""
    wanted = set(sorted(keys)[:MAX_ROOTS])
    rows = AudioVariant.objects.filter(payload_root__in=[root for _, root in wanted]).only(
        "payload_format",
        "payload_root",
        "recording_mbid",
        "verified",
        "duration_ms",
        "transcode_suspect",
        "quality_score",
    )
    return [
        MeasuredPayload(
            payload_format=row.payload_format,
            payload_root=bytes(row.payload_root),
            recording_mbid=row.recording_mbid,
            verified=row.verified,
            duration_ms=row.duration_ms,
            suspect=row.transcode_suspect,
            quality=row.quality_score,
        )
        for row in rows
        if (row.payload_format, bytes(row.payload_root)) in wanted
    ]
