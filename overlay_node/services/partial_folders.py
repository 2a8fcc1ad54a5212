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


async def discard_folder(folder: Path) -> bool:
    """Delete one transfer's folder; nothing happens when it is gone. False: something of it is still there, such as what a runner that ends at this
    moment wrote behind our back; it is to be tried again."""
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return not await asyncio.to_thread(folder.exists)


async def sweep_folders(partial_dir: Path, *, store: Store, in_use: Callable[[uuid.UUID], bool]) -> bool:
    """Delete folders of transfers whose files are needed no more. False: not all of them could be deleted.

    Folders are listed before the rows are read: a transfer that begins meanwhile is never taken for an old one. Names that are no id of a
    transfer are left alone.
    """
    found = await asyncio.to_thread(_folders, partial_dir)
    if not found:
        return True
    needed = await store.transfers_keeping_files()
    stale = [path for transfer_id, path in found.items() if transfer_id not in needed and not in_use(transfer_id)]
    gone = [await discard_folder(path) for path in stale]
    if any(gone):
        log.info("partials_swept count=%d", sum(gone))
    return all(gone)


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
