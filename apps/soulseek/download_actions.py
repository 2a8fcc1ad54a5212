"""What people and programs may do to downloads and batches, by name: one table for pages, API and CLI."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Final

from apps.domain.soulseek.states import DownloadDesired
from apps.soulseek.services_download import (
    Spot,
    batch_move,
    batch_retry,
    download_move,
    download_reorder,
    download_retry,
    ended_forget,
    live_of_batches,
)

Act = Callable[[Collection[uuid.UUID]], int]
"""Returns how many downloads changed."""

DOWNLOAD_ACTIONS: Final[Mapping[str, Act]] = {
    "pause": lambda ids: download_move(ids, DownloadDesired.PAUSED),
    "resume": lambda ids: download_move(ids, DownloadDesired.ACTIVE),
    "cancel": lambda ids: download_move(ids, DownloadDesired.CANCELLED),
    "retry": lambda ids: len(download_retry(ids)),
    "top": lambda ids: download_reorder(list(ids), Spot.TOP),
    "bottom": lambda ids: download_reorder(list(ids), Spot.BOTTOM),
    "forget": ended_forget,
}
BATCH_ACTIONS: Final[Mapping[str, Act]] = {
    "pause": lambda ids: batch_move(ids, DownloadDesired.PAUSED),
    "resume": lambda ids: batch_move(ids, DownloadDesired.ACTIVE),
    "cancel": lambda ids: batch_move(ids, DownloadDesired.CANCELLED),
    "retry": lambda ids: len(batch_retry(ids)),
    "top": lambda ids: download_reorder(live_of_batches(ids), Spot.TOP),
    "bottom": lambda ids: download_reorder(live_of_batches(ids), Spot.BOTTOM),
}
UNDO: Final[Mapping[str, str]] = {"pause": "resume", "resume": "pause"}
