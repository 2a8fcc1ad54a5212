"""A source of a transfer as its row tells it: a peer of the mesh, or a stream of a Soulseek user beside them."""

from __future__ import annotations

from typing import Final

from apps.domain.contracts.node_work import SourceReport
from overlay_node.swarm.source import Source

STREAM_PREFIX: Final = "soulseek:"
"""before a Soulseek user's name, where peers' ids stand otherwise"""


def source_report(source: Source, *, stream_bps: int) -> SourceReport:
    """`stream_bps`: how fast the stream is; peers measure for themselves."""
    if source.peer.startswith(STREAM_PREFIX):
        return SourceReport(
            peer=source.peer.removeprefix(STREAM_PREFIX),
            adapter="soulseek",
            state=source.state.value,
            verified_bytes=source.verified_bytes,
            speed_bps=stream_bps,
        )
    return SourceReport(
        peer=source.peer,
        state=source.state.value,
        code=source.code,
        verified_bytes=source.verified_bytes,
        wasted_bytes=source.wasted_bytes,
        bad_leaves=source.bad_leaves,
        speed_bps=int(source.speed_bps or 0) if source.active else 0,
    )
