"""Why a session asks nobody: the codes that a want's row tells."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from overlay_node.protocol.states import DownloaderState
from overlay_node.swarm.board import Board
from overlay_node.swarm.source import MAX_BAD_TRIES, Source

WAIT_NO_SOURCE: Final = "no_source"
WAIT_INCOMPLETE: Final = "sources_incomplete"
WAIT_ONLY_BAD: Final = "only_bad_sources"


def waits_for(sources: Collection[Source], gone: Collection[Source], *, board: Board | None, now: float) -> str:
    """The code; "" while something moves, or will by itself. `gone`: sources that left; `board` None: there is nothing to ask for yet."""
    if not sources:
        return WAIT_ONLY_BAD if any(source.quarantined for source in gone) else WAIT_NO_SOURCE
    if board is None or board.flying:
        return ""
    if any(one.state is DownloaderState.NEGOTIATING or one.retry_at > now for one in sources):
        return ""
    tainted = [one for one in sources if one.active and one.tainted]
    held_by_somebody = False
    for leaf in board.map.missing():
        if board.rarity(leaf):
            return ""
        for source in tainted:
            if source.has(leaf):
                if not source.barred and source.bad_tries.get(leaf, 0) < MAX_BAD_TRIES:
                    return ""
                held_by_somebody = True
    return WAIT_ONLY_BAD if held_by_somebody else WAIT_INCOMPLETE
