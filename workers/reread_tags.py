"""Task: read again the tags of files that were read when fewer fields were kept. In batches, behind everything else; nothing is decoded.

Safe to repeat and to run twice at once: a row is written only while it still tells of the file that was looked at. Before a file is opened its folder is
asked through a child whether it answers at all; one that does not is left for the next run.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime

from celery import shared_task

from apps.common.dispatch import TaskName, enqueue
from apps.library.services import FileStat
from apps.library.services_tags import TagsDue, tags_due, tags_reread
from slskdn_site.config import load_config
from workers.analyse_variants import throttle_of
from workers.gateways.files import FilesError
from workers.gateways.walk import STALL_S, RootStalled, WalkFailed, WatchedRoot
from workers.reading import TAGS_VERSION, tags_told
from workers.slots import background_slot, broker

log = logging.getLogger(__name__)

BATCH_S = 20.0
_LOOKED_AT = 200


@shared_task(name=TaskName.REREAD_TAGS.value)
def reread_tags() -> None:
    """See the module."""
    throttle = throttle_of(load_config())
    if throttle.quiet_s(datetime.now().astimezone()) > 0 or not tags_due(version=TAGS_VERSION, limit=1):
        return
    with background_slot(broker(), count=throttle.slots) as slot:
        if slot is None:
            return
        began = time.monotonic()
        count, more = reread_batch()
        slot.rest_s = throttle.rest_s(time.monotonic() - began)
    log.info("tags read again: files=%s", count)
    if more and slot.rest_s <= 0:
        enqueue(TaskName.REREAD_TAGS)


def reread_batch(
    *, batch_s: float = BATCH_S, stall_s: float = STALL_S, clock: Callable[[], float] = time.monotonic
) -> tuple[int, bool]:
    """(files whose tags were read, whether it ended by the clock)."""
    began, count, away = clock(), 0, set[int]()
    with ExitStack() as stack:
        watched: dict[int, WatchedRoot] = {}
        while due := tags_due(version=TAGS_VERSION, limit=_LOOKED_AT, without=away):
            for one in due:
                if clock() - began >= batch_s:
                    return count, True
                if one.root_id in away:
                    continue
                try:
                    if one.root_id not in watched:
                        watched[one.root_id] = stack.enter_context(WatchedRoot(os.fsencode(one.root), stall_s=stall_s))
                    now = _there(watched[one.root_id], one)
                except (RootStalled, WalkFailed, _Away):
                    log.info("folder does not answer: root=%s", one.root_id)
                    away.add(one.root_id)
                    continue
                count += _reread(one, now)
    return count, False


class _Away(Exception):
    """The file's disk is not there now."""


def _there(root: WatchedRoot, due: TagsDue) -> FileStat | None:
    """What the file is like now; None: it is gone from a folder that is there."""
    told = root.stats([due.relative])[0]
    if isinstance(told, str) or (told is None and not root.look().is_folder):
        raise _Away
    return FileStat(size_bytes=told[0], mtime_ns=told[1], inode=told[2]) if told is not None else None


def _reread(due: TagsDue, now: FileStat | None) -> bool:
    tags: dict[str, object] | None = None
    if now is not None and due.same(now):
        try:
            tags = tags_told(due.path)
        except FilesError as error:
            log.info("tags can't be read now: file=%s code=%s", due.file_id, error.code)
    return tags_reread(due, tags, version=TAGS_VERSION) and tags is not None
