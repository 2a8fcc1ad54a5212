"""Partial folders that nobody needs any more: those of transfers that ended, found by their rows."""

from __future__ import annotations

import asyncio
import logging
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from overlay_node.ports import Store

log = logging.getLogger(__name__)


async def discard_folder(folder: Path) -> None:
    """Delete one transfer's folder; nothing happens when it is gone."""
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def sweep_folders(partial_dir: Path, *, store: Store, in_use: Callable[[uuid.UUID], bool]) -> int:
    """Delete folders of transfers whose files are needed no more. Returns how many.

    Folders are listed before the rows are read: a transfer that begins meanwhile is never taken for an old one. Names that are no id of a
    transfer are left alone.
    """
    found = await asyncio.to_thread(_folders, partial_dir)
    if not found:
        return 0
    needed = await store.transfers_keeping_files()
    stale = [path for transfer_id, path in found.items() if transfer_id not in needed and not in_use(transfer_id)]
    for path in stale:
        await discard_folder(path)
    if stale:
        log.info("partials_swept count=%d", len(stale))
    return len(stale)


def _folders(partial_dir: Path) -> dict[uuid.UUID, Path]:
    if not partial_dir.is_dir():
        return {}
    found = {}
    for path in partial_dir.iterdir():
        try:
            found[uuid.UUID(path.name)] = path
        except ValueError:
            continue
    return found
