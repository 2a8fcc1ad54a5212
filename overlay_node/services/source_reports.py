"""A source of a transfer as its row tells it: a peer of the mesh, or a stream of a Soulseek user beside them."""

from __future__ import annotations

import logging
import uuid
from typing import Final

from apps.domain.contracts.node_work import SourceReport
from apps.domain.errors import DomainError
from overlay_node.ports import Store
from overlay_node.swarm.source import Source

log = logging.getLogger(__name__)

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


async def givers_of(store: Store, transfer_id: uuid.UUID) -> dict[str, int]:
    """Who of the mesh gave how much of a transfer that is taken up again; nobody, where rows can't be read: figures hold nothing up."""
    try:
        return await store.transfer_givers(transfer_id)
    except DomainError as error:
        log.warning("givers_not_read transfer=%s code=%s", transfer_id, error.code)
        return {}
