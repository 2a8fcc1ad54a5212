"""The ends of downloads, taken in: the file may be asked for again, what came of its source is noted, the hunt looks at once, the sharer's history grows.

Each end is taken in once: DownloadProgress.taken_at is set in the same transaction. Rows of sharers are written by the node, but for their history
(`completed` … `waits`), which is written here.
"""

from __future__ import annotations

import logging
import uuid
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from apps.common.doorbell import WEB_CHANNEL, ring
from apps.domain.soulseek.eta import KEPT
from apps.domain.soulseek.states import DOWNLOAD_ENDS, DownloadState, Outcome
from apps.domain.soulseek.streaming import outcome_of
from apps.soulseek.models import Batch, Download, DownloadProgress, SoulseekUser
from apps.soulseek.services_hunt import hunt_wake, outcome_record

log = logging.getLogger(__name__)

LEAST_BYTES: Final = 256 << 10
"""A shorter stream says nothing of a sharer's speed."""
ENDS_AT_ONCE: Final = 200
FORGOTTEN: Final = 100
"""Batches of one step: each may have a thousand files."""


def ends_take(*, limit: int = ENDS_AT_ONCE) -> int:
    """Take in what ended, longest ago first; how many. One that fails is left for the next time and holds up no other."""
    waiting = DownloadProgress.objects.filter(state__in=sorted(DOWNLOAD_ENDS), taken_at=None)
    taken, hunts = 0, set[uuid.UUID]()
    for download_id in list(waiting.order_by("ended_at").values_list("download_id", flat=True)[:limit]):
        try:
            with transaction.atomic():
                if not (row := _take(download_id)):
                    continue
        except Exception:
            log.exception("end not taken in: download=%s", download_id)
            continue
        taken += 1
        if row.hunt_id is not None:
            hunts.add(row.hunt_id)
    for hunt_id in sorted(hunts):  # all ends first: one that is not taken in yet still seems to be on its way
        hunt_wake(hunt_id)
    if taken:
        ring(WEB_CHANNEL, "downloads")
    return taken


def _take(download_id: uuid.UUID) -> Batch | None:
    """The batch it was of; None: somebody else took it in."""
    if not DownloadProgress.objects.filter(download_id=download_id, taken_at=None).update(taken_at=Now()):
        return None
    progress = DownloadProgress.objects.select_related("download", "download__batch", "transfer").get(
        download_id=download_id
    )
    row = progress.download
    Download.objects.filter(id=row.id).update(live=False, ended_at=progress.ended_at or Now())
    state = DownloadState(progress.state)
    outcome = outcome_of(state, progress.code)
    if outcome is not None:
        outcome_record(
            user=row.user,
            remote_path=row.remote_path,
            outcome=outcome,
            recording_mbid=row.recording_mbid,
            hunt_id=row.batch.hunt_id,
            code=progress.code,
            payload_format=progress.payload_format,
            payload_root=bytes(progress.transfer.payload_root) if progress.transfer is not None else None,
        )
    _history(row.user, progress, outcome)
    if not Download.objects.filter(batch_id=row.batch_id, live=True).exists():
        Batch.objects.filter(id=row.batch_id).update(ended_at=Now())
    return row.batch


def _history(user: str, progress: DownloadProgress, outcome: Outcome | None) -> None:
    """What this stream taught about its sharer."""
    SoulseekUser.objects.get_or_create(name=user)
    row = SoulseekUser.objects.select_for_update().get(name=user)
    changes: dict[str, object] = {"seen_at": Now()}
    if outcome is Outcome.SUCCEEDED:
        changes["completed"] = F("completed") + 1
    elif outcome is not None:
        changes["failed"] = F("failed") + 1
    if outcome is Outcome.BANNED:
        changes["banned_us_at"] = Now()
    speed = progress.params.get("stream_bps")
    if isinstance(speed, int | float) and speed > 0 and progress.bytes_have >= LEAST_BYTES:
        speeds = [*(int(one) for one in _list(row.speeds) if isinstance(one, int | float)), int(speed)][-KEPT:]
        changes |= {"speeds": speeds, "median_bps": sorted(speeds)[len(speeds) // 2]}
    if progress.asked_at is not None and progress.first_byte_at is not None:
        place = progress.params.get("first_place")
        waited = max(0.0, (progress.first_byte_at - progress.asked_at).total_seconds())
        told = [int(place) if isinstance(place, int) else 0, round(waited, 1)]
        changes["waits"] = [*_list(row.waits), told][-KEPT:]
    SoulseekUser.objects.filter(name=user).update(**changes)


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []


def downloads_forget(*, ended_before: datetime) -> int:
    """Remove batches whose last download ended before, with their downloads and rescues; how many batches went. Files stay."""
    gone = 0
    while ids := list(Batch.objects.filter(ended_at__lt=ended_before).values_list("id", flat=True)[:FORGOTTEN]):
        Batch.objects.filter(id__in=ids).delete()
        gone += len(ids)
    return gone
