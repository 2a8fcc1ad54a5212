"""The only writer of what reading a found file gives: leases of pending files, what was read, and why something can't be.

A file is read by whoever holds its lease; what it gives is recorded by a transaction that begins with a conditional UPDATE on (file, attempt, pending),
together with the count of its scan. A file whose readers died without a word MAX_DEATHS times in a row is read no more until it changes.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from apps.common.doorbell import NODE_CHANNEL, WEB_CHANNEL, ring
from apps.common.transitions import lease_claim
from apps.domain.audio.analysis import SoundAnalysis
from apps.domain.audio.variant import VariantFacts
from apps.domain.errors import Param
from apps.domain.library.paths import PathKey
from apps.domain.library.scans import SCAN_AT_WORK, SCAN_LIVE, ReadState, ScanState, stall_delay_s
from apps.library.models import AudioFile, LibraryRoot, LibraryScan
from apps.library.services import (
    FilePlace,
    FileRecorded,
    FileStat,
    RecordingSource,
    file_record,
    folder_pending,
    place_columns,
    storable,
)
from apps.library.services_analysis import variant_analysed
from apps.library.services_canonical import files_mark

MAX_DEATHS = 5
"""A file that ended so many readers in a row (a decoder's bug, all of the memory) is read no more. Three were too few: a machine that is restarted again and
again has the same file in hand each time, and a good file was given up (seen in 20 kills)."""
_NEXT = 32
"""Candidates looked at for one claim: more than readers that run into one another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileClaim:
    """A file that this worker reads."""

    file_id: int
    attempt: int
    key: PathKey
    root: Path
    marker: str
    """What the root's marker file holds; "" if none could ever be written."""
    deaths: int
    """Readers in a row that died without a word, just before this one."""
    tries: int
    """Attempts before this that had to be repeated (the file was changing)."""

    @property
    def path(self) -> Path:
        """Absolute."""
        return self.root / os.fsdecode(self.key.relative)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFacts:
    """What reading a file gave. See `file_record`."""

    stat: FileStat
    facts: VariantFacts
    leaf_hashes: bytes
    fingerprint: bytes
    recording_mbid: uuid.UUID | None
    recording_source: RecordingSource
    place: FilePlace
    tags: Mapping[str, object]
    sound: SoundAnalysis | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidFacts:
    """What the tags of a file say whose sound can't be read."""

    place: FilePlace
    tags: Mapping[str, object]


def read_record(key: PathKey, read: ReadFacts) -> FileRecorded:
    """Write what one reading gave: file, payload, and the analysis of its sound if that was part of it."""
    with transaction.atomic():
        recorded = file_record(
            key,
            stat=read.stat,
            facts=read.facts,
            leaf_hashes=read.leaf_hashes,
            fingerprint=read.fingerprint,
            recording_mbid=read.recording_mbid,
            recording_source=read.recording_source,
            verified=False,
            place=read.place,
            tags=read.tags,
        )
        if read.sound is not None:
            variant_analysed(recorded.variant_id, read.sound)
    return recorded


def file_claim(*, lease_s: int) -> FileClaim | None:
    """Take a pending file of a root that is being scanned, the oldest row first; None if there is none that nobody has."""
    for file_id in _waiting().values_list("id", flat=True)[:_NEXT]:
        before = AudioFile.objects.filter(id=file_id).values_list("lease_until", flat=True).first()
        if not lease_claim(_waiting().filter(id=file_id), seconds=lease_s):
            continue
        row = AudioFile.objects.select_related("root").get(id=file_id)
        mine = AudioFile.objects.filter(id=file_id, attempt=row.attempt)
        held, deaths = bool(row.read_params.get("held")), _count(row, "deaths")
        # Whoever gives a file back takes `held` away; a lease that ran out with it set is that of a dead reader.
        deaths = deaths + 1 if held and before is not None else 0
        tries = _count(row, "tries")
        mine.update(read_params={"held": True, "deaths": deaths, "tries": tries})
        return FileClaim(
            file_id=file_id,
            attempt=row.attempt,
            key=PathKey(root_id=row.root_id, relative=bytes(row.rel_path)),
            root=Path(row.root.path),
            marker=row.root.marker,
            deaths=deaths,
            tries=tries,
        )
    return None


def file_renew(claim: FileClaim, *, lease_s: int) -> bool:
    """Keep the lease. False: another worker has it, or nobody wants it read any more."""
    return _mine(claim).update(lease_until=Now() + timedelta(seconds=lease_s)) == 1


def file_release(claim: FileClaim) -> None:
    """Give it back unread: it is anybody's at once."""
    params = {"deaths": claim.deaths, "tries": claim.tries}
    _mine(claim).update(lease_until=None, read_params=params)


def file_later(claim: FileClaim, *, delay_s: float, tried: bool = True) -> None:
    """Not now: nobody takes it before `delay_s` have passed. `tried` False: it was not the file's fault."""
    params = {"tries": claim.tries + tried}
    _mine(claim).update(lease_until=Now() + timedelta(seconds=delay_s), read_params=params)


def file_read(claim: FileClaim, read: ReadFacts) -> FileRecorded | None:
    """Record what was read and give the file back. None: it is not this worker's any more, nothing was written."""
    with transaction.atomic():
        if not _mine(claim).update(lease_until=None):
            return None
        recorded = read_record(claim.key, read)
        _counted(claim, unreadable=0, size=read.stat.size_bytes)
        ring(NODE_CHANNEL, "library")
    return recorded


def file_unreadable(
    claim: FileClaim, *, stat: FileStat | None, code: str, params: Mapping[str, Param], said: SaidFacts | None = None
) -> bool:
    """It can't be read, and is not tried again until it changes (`stat`: what it is like now; None: nobody can say). False: not ours any more.

    A variant it had stays named: whoever mends the file knows by it what it should be. One that never could be read has its tags' word for that
    (`said`). It is no longer served.
    """
    with transaction.atomic():
        changes: dict[str, object] = {}
        if stat is not None:
            changes = {"size_bytes": stat.size_bytes, "mtime_ns": stat.mtime_ns, "inode": _signed(stat.inode)}
        kept = _mine(claim).update(
            read_state=ReadState.UNREADABLE,
            read_code=code[:60],
            read_params=dict(params),
            read_at=Now(),
            lease_until=None,
            **changes,
        )
        if not kept:
            return False
        if said is not None:
            words = place_columns(said.place, shown=claim.key.display)
            AudioFile.objects.filter(id=claim.file_id, variant=None).update(**words, tags=storable(said.tags))
        files_mark([claim.file_id])
        folder_pending(claim.key.root_id, claim.key.relative.rpartition(b"/")[0])
        _counted(claim, unreadable=1, size=stat.size_bytes if stat is not None else 0)
    return True


def file_gone(claim: FileClaim) -> None:
    """It is not there any more. The next walk says whether it is missing or elsewhere."""
    with transaction.atomic():
        row = AudioFile.objects.filter(id=claim.file_id).values_list("variant_id", flat=True).first()
        if not _mine(claim).update(missing_since=Now(), lease_until=None, read_params={}):
            return
        if row is not None:
            files_mark([claim.file_id])
        folder_pending(claim.key.root_id, claim.key.relative.rpartition(b"/")[0])
        _counted(claim, unreadable=0, size=0)


def root_stalled(root_id: int, *, code: str) -> None:
    """A root does not answer while its files are read: its scan waits, ever longer, and its other files with it."""
    with transaction.atomic():
        LibraryRoot.objects.filter(id=root_id).update(state_code=code)
        for row in LibraryScan.objects.filter(root_id=root_id, state=ScanState.READING, next_step_at__lte=Now()):
            stalls = row.params.get("stalls", 0) + 1
            rows = LibraryScan.objects.filter(id=row.id, state=ScanState.READING)
            delay_s = stall_delay_s(stalls)
            if delay_s is None:
                rows.update(state=ScanState.FAILED, code=code, ended_at=Now(), next_step_at=None, updated_at=Now())
            else:
                later = Now() + timedelta(seconds=delay_s)
                rows.update(code=code, params={**row.params, "stalls": stalls}, next_step_at=later, updated_at=Now())
            ring(WEB_CHANNEL, f"scan {row.id}")


def files_waiting() -> bool:
    """A file can be taken."""
    return _waiting().exists()


def _waiting() -> QuerySet[AudioFile]:
    at_work = LibraryScan.objects.filter(state__in=sorted(SCAN_AT_WORK), next_step_at__lte=Now()).values("root_id")
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=Now())
    return AudioFile.objects.filter(
        free, read_state=ReadState.PENDING, missing_since=None, root_id__in=at_work
    ).order_by("id")


def _mine(claim: FileClaim) -> QuerySet[AudioFile]:
    return AudioFile.objects.filter(
        id=claim.file_id, attempt=claim.attempt, read_state=ReadState.PENDING, lease_until__isnull=False
    )


def _counted(claim: FileClaim, *, unreadable: int, size: int) -> None:
    """Of the root's live scan. Its stretch of work begins anew every ten minutes, so that the rate is that of now."""
    rows = LibraryScan.objects.filter(root_id=claim.key.root_id, state__in=sorted(SCAN_LIVE))
    rows.update(
        read=F("read") + 1,
        unreadable=F("unreadable") + unreadable,
        bytes_read=F("bytes_read") + size,
        updated_at=Now(),
    )
    if rows.filter(state=ScanState.READING).exclude(code="").update(code="", params={}):  # it answers again
        LibraryRoot.objects.filter(id=claim.key.root_id).exclude(state_code="").update(state_code="")
    rows.filter(state=ScanState.READING, window_at__lt=Now() - timedelta(minutes=10)).update(
        window_at=Now() - timedelta(seconds=1), window_read=F("read") - 1, window_bytes=F("bytes_read") - size
    )


def _count(row: AudioFile, name: str) -> int:
    value = row.read_params.get(name, 0)
    return value if isinstance(value, int) else 0


def _signed(inode: int) -> int:
    return inode - (1 << 64) if inode >= 1 << 63 else inode
