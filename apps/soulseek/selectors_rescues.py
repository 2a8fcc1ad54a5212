"""Rescues as people see them: what the mesh gave to downloads that did badly, and why it was not let help."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PureWindowsPath

from django.db.models import Count, Model, Q, QuerySet, Sum

from apps.common.pagination import Page, keyset_page
from apps.domain.soulseek.rescue import RESCUE_LIVE
from apps.domain.soulseek.states import DownloadState, RescueState
from apps.soulseek.models import DownloadProgress, Rescue


@dataclass(frozen=True, slots=True, kw_only=True)
class RescueView:
    """One rescue. Bytes are of the file; speeds in bytes a second, 0 once it is over. `share`: the mesh's part of the bytes, 0..1; None: there are none."""

    id: uuid.UUID
    download_id: uuid.UUID
    batch_id: uuid.UUID
    job_id: uuid.UUID | None
    recording_mbid: uuid.UUID | None
    transfer_id: uuid.UUID | None
    user: str
    name: str
    trouble: str
    trouble_at: datetime
    state: RescueState
    code: str
    params: Mapping[str, object]
    overlay_bytes: int
    soulseek_bytes: int
    share: float | None
    overlay_bps: int
    soulseek_bps: int
    peers: int
    started_at: datetime
    first_byte_at: datetime | None
    ended_at: datetime | None

    @property
    def live(self) -> bool:
        """The mesh helps, or is looked at for help."""
        return self.state in RESCUE_LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class RescueSum:
    """Rescues of a job. `live`: help is looked for or given, `active` of them: given; `refused`: a guardrail says no now; `finished`: came whole with help.
    Bytes and speeds (bytes a second) of those that are live."""

    live: int = 0
    active: int = 0
    refused: int = 0
    finished: int = 0
    overlay_bytes: int = 0
    soulseek_bytes: int = 0
    overlay_bps: int = 0
    soulseek_bps: int = 0

    @property
    def share(self) -> float | None:
        """The mesh's part of the bytes, 0..1; None: there are none."""
        both = self.overlay_bytes + self.soulseek_bytes
        return self.overlay_bytes / both if both else None

    @property
    def percent(self) -> int:
        """Likewise, for people."""
        return round(100 * (self.share or 0.0))


def rescue_page(
    *,
    state: str = "",
    job_id: uuid.UUID | None = None,
    download_id: uuid.UUID | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[RescueView]:
    """Rescues, newest first. `state`: one of RescueState, `live`, or "" for all. Raises CursorInvalid."""
    rows = _rows()
    if state == "live":
        rows = rows.filter(state__in=sorted(RESCUE_LIVE))
    elif state:
        rows = rows.filter(state=state)
    if job_id is not None:
        rows = rows.filter(job_id=job_id)
    if download_id is not None:
        rows = rows.filter(download_id=download_id)
    page = keyset_page(rows, order=["-started_at", "id"], cursor=cursor, limit=limit)
    return Page(
        items=[_view(row) for row in page.items], next_cursor=page.next_cursor, previous_cursor=page.previous_cursor
    )


def rescues_of(downloads: Collection[uuid.UUID]) -> dict[uuid.UUID, RescueView]:
    """The newest rescue of each of these; one query."""
    rows = _rows().filter(download_id__in=list(downloads)).order_by("started_at", "id") if downloads else ()
    return {row.download_id: _view(row) for row in rows}


def rescues_of_jobs(jobs: QuerySet[Model, uuid.UUID] | Collection[uuid.UUID]) -> RescueSum:
    """What goes on for some jobs together, by their ids or a query of them; one query, however many there are."""
    live, refused = Q(state__in=sorted(RESCUE_LIVE)), Q(state=RescueState.REFUSED, download__live=True)
    receiving = live & Q(download__progress__state=DownloadState.RECEIVING)
    told = Rescue.objects.filter(job_id__in=jobs).aggregate(
        live=Count("id", filter=live),
        active=Count("id", filter=Q(state=RescueState.ACTIVE)),
        refused=Count("id", filter=refused),
        finished=Count("download_id", filter=Q(state=RescueState.FINISHED), distinct=True),
        overlay_bytes=Sum("overlay_bytes", filter=live),
        soulseek_bytes=Sum("soulseek_bytes", filter=live),
        overlay_bps=Sum("transfer__speed_bps", filter=live),
        soulseek_bps=Sum("download__progress__speed_bps", filter=receiving),
    )
    return RescueSum(**{name: count or 0 for name, count in told.items()})


def _rows() -> QuerySet[Rescue]:
    return Rescue.objects.select_related("download", "download__progress", "transfer")


def _view(row: Rescue) -> RescueView:
    progress: DownloadProgress | None = getattr(row.download, "progress", None)
    live, both = row.state in RESCUE_LIVE, row.overlay_bytes + row.soulseek_bytes
    receiving = progress is not None and progress.state == DownloadState.RECEIVING
    return RescueView(
        id=row.id,
        download_id=row.download_id,
        batch_id=row.download.batch_id,
        job_id=row.job_id,
        recording_mbid=row.recording_mbid,
        transfer_id=row.transfer_id,
        user=row.download.user,
        name=PureWindowsPath(row.download.remote_path).name or row.download.remote_path,
        trouble=row.trouble,
        trouble_at=row.trouble_at,
        state=RescueState(row.state),
        code=row.code,
        params=row.params if isinstance(row.params, dict) else {},
        overlay_bytes=row.overlay_bytes,
        soulseek_bytes=row.soulseek_bytes,
        share=row.overlay_bytes / both if both else None,
        overlay_bps=row.transfer.speed_bps if live and row.transfer is not None else 0,
        soulseek_bps=progress.speed_bps if live and receiving and progress is not None else 0,
        peers=row.peers if live else 0,
        started_at=row.started_at,
        first_byte_at=row.first_byte_at,
        ended_at=row.ended_at,
    )
