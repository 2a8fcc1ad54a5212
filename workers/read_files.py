"""Task: read files that scans have found. In batches, behind what is urgent, within the share of the cores, outside quiet hours.

Each message takes one of the background's places, reads for BATCH_S seconds and asks for the next message. A file is claimed by lease and attempt; one
that ends its readers is given up. Before a file is opened the folder is asked through a child whether it answers at all.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

from apps.common.dispatch import TaskName, enqueue
from apps.domain.errors import DomainError
from apps.domain.library.scans import CHANGING_DELAY_S, CHANGING_TRIES
from apps.library.selectors_scan import root_mounts, sample_paths
from apps.library.services import FileStat
from apps.library.services_read import (
    MAX_DEATHS,
    FileClaim,
    ReadFacts,
    SaidFacts,
    file_claim,
    file_gone,
    file_later,
    file_read,
    file_release,
    file_renew,
    file_unreadable,
    files_waiting,
    root_stalled,
)
from apps.library.services_scan import scans_read_finish
from slskdn_site.config import load_config
from workers.analyse_variants import throttle_of
from workers.gateways.analysis import AnalysisWish
from workers.gateways.walk import STALL_S, RootStalled, WalkFailed, WatchedRoot
from workers.lease import LEASE_S, LeaseKeeper, LeaseLost
from workers.reading import FileChanged, read_music, read_words, wish_of
from workers.slots import background_slot, broker

log = logging.getLogger(__name__)

BATCH_S = 20.0
"""After so long no new file is begun: a process of the pool is back for what is urgent."""
_GONE = frozenset({"file_missing", "library_path_blocked", "file_not_regular"})

Checkpoint = Callable[[str], None]


def _pass(_step: str) -> None:
    return


@dataclass(slots=True)
class ReadTally:
    """What a batch has done. `more`: it ended by the clock."""

    read: int = 0
    unreadable: int = 0
    put_off: int = 0
    busy_s: float = 0.0
    more: bool = False


@shared_task(name=TaskName.READ_FILES.value)
def read_files() -> None:
    """See the module."""
    throttle = throttle_of(load_config())
    if throttle.quiet_s(datetime.now().astimezone()) > 0 or not files_waiting():
        scans_read_finish()
        return
    with background_slot(broker(), count=throttle.slots) as slot:
        if slot is None:
            return
        done = read_batch()
        slot.rest_s = throttle.rest_s(done.busy_s)
    scans_read_finish()
    log.info("files read: read=%s unreadable=%s busy_s=%.1f", done.read, done.unreadable, done.busy_s)
    if done.more and slot.rest_s <= 0:
        enqueue(TaskName.READ_FILES)


def read_batch(
    *,
    batch_s: float = BATCH_S,
    stall_s: float = STALL_S,
    wish: AnalysisWish | None = None,
    clock: Callable[[], float] = time.monotonic,
    checkpoint: Checkpoint = _pass,
) -> ReadTally:
    """Read waiting files until `batch_s` have passed on `clock`, or none is left that nobody has."""
    began, done = clock(), ReadTally()
    wanted = wish_of(load_config()) if wish is None else wish
    with ExitStack() as stack:
        watched: dict[int, WatchedRoot] = {}
        while (claim := file_claim(lease_s=LEASE_S)) is not None:
            checkpoint("claimed")
            if clock() - began >= batch_s:
                file_release(claim)
                done.more = True
                break
            root_id = claim.key.root_id
            if root_id not in watched:
                watched[root_id] = stack.enter_context(
                    WatchedRoot(bytes(claim.root), stall_s=stall_s, mounts=root_mounts(root_id))
                )
            try:
                now = watched[root_id].stats([claim.key.relative])[0]
                if now is None:
                    _must_be_there(watched[root_id], claim)
                elif now == "away":
                    raise RootAway("The disk inside the folder is not mounted.", code="mount_away", retryable=True)
            except (RootStalled, WalkFailed, RootAway) as error:
                log.warning("folder does not answer: root=%s code=%s", root_id, error.code)
                del watched[root_id]
                file_later(claim, delay_s=stall_s, tried=False)
                root_stalled(root_id, code=error.code)
                done.put_off += 1
                continue
            stat = FileStat(size_bytes=now[0], mtime_ns=now[1], inode=now[2]) if isinstance(now, tuple) else None
            if now is None:
                file_gone(claim)
            else:
                _one(claim, stat, wanted, done, checkpoint)
    done.busy_s = clock() - began
    return done


class RootAway(DomainError):
    """The folder at a root's path is not that root: its disk was unmounted, say."""

    default_code = "root_missing"


def _must_be_there(root: WatchedRoot, claim: FileClaim) -> None:
    """Nothing is missing in a folder that went away. Raises RootAway.

    Only what was there when it was walked is in question here, so that one file of it, or its marker, is enough.
    """
    look = root.look()
    if look.is_folder and look.marker is not None and look.marker == claim.marker:
        return
    known = sample_paths(claim.key.root_id) if look.is_folder else []
    if not any(isinstance(one, tuple) for one in root.stats(known)):
        raise RootAway("The folder is not there; is its disk mounted?", retryable=True)


def _one(claim: FileClaim, stat: FileStat | None, wish: AnalysisWish, done: ReadTally, checkpoint: Checkpoint) -> None:
    try:
        if claim.deaths >= MAX_DEATHS:
            raise DomainError("Reading this file ended every process that tried.", code="file_kills_readers")
        with LeaseKeeper(lambda: file_renew(claim, lease_s=LEASE_S)) as lease:
            read = _read(claim, wish)
            lease.check()
        checkpoint("read")
        done.read += file_read(claim, read) is not None
    except LeaseLost:
        log.info("file taken over, or no longer wanted: file=%s", claim.file_id)
    except FileChanged as error:
        done.put_off += 1
        if claim.tries + 1 >= CHANGING_TRIES:
            file_unreadable(claim, stat=stat, code=error.code, params=error.params)
        else:
            file_later(claim, delay_s=CHANGING_DELAY_S)
    except SoftTimeLimitExceeded:
        file_unreadable(claim, stat=stat, code="read_timeout", params={})
        raise
    except DomainError as error:
        if error.code in _GONE:
            file_gone(claim)
            return
        done.unreadable += 1
        log.info("file can't be read: file=%s code=%s", claim.file_id, error.code)
        params = {**error.params, "deaths": claim.deaths} if claim.deaths else error.params
        file_unreadable(claim, stat=stat, code=error.code, params=params, said=_words(claim, error))
    except Exception as error:  # a file that nobody thought of must not stop the others
        log.exception("file could not be read: file=%s", claim.file_id)
        done.unreadable += 1
        file_unreadable(claim, stat=stat, code="unexpected", params={"error": type(error).__name__})
    checkpoint("finished")


def _words(claim: FileClaim, error: DomainError) -> SaidFacts | None:
    """Its tags are often whole where its sound is not; a file that ends its readers is not opened again."""
    if error.code == "file_kills_readers":
        return None
    try:
        return read_words(claim.path)
    except Exception:  # tags as broken as the sound
        log.exception("tags of a broken file could not be read: file=%s", claim.file_id)
        return None


def _read(claim: FileClaim, wish: AnalysisWish) -> ReadFacts:
    return read_music(claim.path, wish=wish)
