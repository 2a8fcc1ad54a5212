"""What the node reads of downloads. Called in its database thread; values out."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Final

from django.db.models import Q

from apps.domain.contracts.soulseek_downloads import DownloadWork, SharerPast, StreamTransfer
from apps.domain.jobs.lifecycle import TransferState, WantDesired
from apps.domain.soulseek.states import DOWNLOAD_ENDS, DownloadDesired, DownloadState
from apps.soulseek.models import Download, DownloadProgress, SoulseekUser

SAMPLE: Final = 200
"""Sharers, those met last, that stand for everybody."""


def downloads_work(among: Collection[uuid.UUID], *, limit: int) -> tuple[DownloadWork, ...]:
    """Live downloads that have not ended: the head of the queue, and those of `among`."""
    live = (
        Download.objects.filter(live=True)
        .exclude(progress__state__in=sorted(DOWNLOAD_ENDS))
        .select_related("want", "batch", "progress", "progress__transfer")
    )
    head = list(live.order_by("-priority", "order", "id")[:limit])
    seen = {row.id for row in head}
    left = [one for one in among if one not in seen]
    rows = head + (list(live.filter(id__in=left)) if left else [])
    return tuple(_work(row) for row in rows)


def _work(row: Download) -> DownloadWork:
    progress: DownloadProgress | None = getattr(row, "progress", None)
    transfer = progress.transfer if progress is not None else None
    want = row.want
    return DownloadWork(
        id=row.id,
        batch_id=row.batch_id,
        job_id=(want.group_id if want is not None else None) or row.batch.job_id,
        want_id=row.want_id,
        want_desired=WantDesired(want.desired) if want is not None else None,
        recording_mbid=row.recording_mbid,
        external=row.external,
        user=row.user,
        remote_path=row.remote_path,
        size_bytes=row.size_bytes,
        duration_ms=row.duration_ms,
        profile=row.profile,
        desired=DownloadDesired(row.desired),
        priority=row.priority,
        order=row.order,
        rescue_allowed=row.rescue_allowed,
        elsewhere=row.elsewhere,
        state=DownloadState(progress.state) if progress is not None else DownloadState.WAITING,
        code=progress.code if progress is not None else "",
        bytes_have=progress.bytes_have if progress is not None else 0,
        attempts=progress.attempts if progress is not None else 0,
        asked_at=progress.asked_at if progress is not None else None,
        next_try_at=progress.next_try_at if progress is not None else None,
        transfer=(
            StreamTransfer(
                id=transfer.id,
                state=TransferState(transfer.state),
                code=transfer.code,
                params=transfer.params if isinstance(transfer.params, dict) else {},
            )
            if transfer is not None and progress is not None and progress.state == DownloadState.WHOLE
            else None
        ),
    )


def downloads_keeping(ids: Collection[uuid.UUID]) -> frozenset[uuid.UUID]:
    """Which of these still need what is on disk."""
    rows = Download.objects.filter(id__in=list(ids), live=True).filter(
        Q(progress=None) | ~Q(progress__state__in=sorted(DOWNLOAD_ENDS))
    )
    return frozenset(rows.values_list("id", flat=True))


def sharers_past(users: Collection[str]) -> tuple[tuple[SharerPast, ...], tuple[SharerPast, ...]]:
    """What is remembered of these users; and of those met last, whoever they are."""
    known = SoulseekUser.objects.filter(Q(completed__gt=0) | Q(failed__gt=0))
    fields = ("name", "speeds", "waits")
    own = known.filter(name__in=list(users)).values_list(*fields)
    others = known.order_by("-seen_at").values_list(*fields)[:SAMPLE]
    return tuple(_past(*row) for row in own), tuple(_past(*row) for row in others)


def _past(name: str, speeds: object, waits: object) -> SharerPast:
    told = speeds if isinstance(speeds, list) else []
    waited = waits if isinstance(waits, list) else []
    return SharerPast(
        user=name,
        speeds=tuple(float(one) for one in told if isinstance(one, int | float)),
        waits=tuple((int(one[0]), float(one[1])) for one in waited if isinstance(one, list) and len(one) == 2),
    )
