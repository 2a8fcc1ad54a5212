"""Downloads as people see them: the queue grouped by batch, one list for programs, what underperforms and why."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum, Window
from django.db.models.functions import RowNumber

from apps.common.pagination import Page, keyset_page
from apps.common.text import searched
from apps.domain.soulseek.states import DOWNLOAD_ENDS, DownloadDesired, DownloadState
from apps.soulseek.models import Batch, Download, DownloadProgress
from apps.soulseek.selectors_rescues import RescueView, rescues_of

BATCHES_PER_PAGE: Final = 20
ROWS_SHOWN: Final = 20
"""Of one batch in the list of batches; its own page has all."""
POSITIONS: Final = 2000
"""Places of our queue that are counted."""
BEFORE_ASKED: Final = frozenset({DownloadState.WAITING, DownloadState.INTERRUPTED})
GOOD_ENDS: Final = frozenset({DownloadState.SUCCEEDED, DownloadState.ENOUGH})


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadView:
    """One download. Sizes in bytes, speeds in bytes a second; `position` in our own queue (None: asked, or over), `place` in the sharer's."""

    id: uuid.UUID
    batch_id: uuid.UUID
    job_id: uuid.UUID | None
    recording_mbid: uuid.UUID | None
    external: bool
    user: str
    remote_path: str
    name: str
    state: DownloadState
    desired: DownloadDesired
    code: str
    params: Mapping[str, object]
    live: bool
    priority: int
    position: int | None
    place: int | None
    size_bytes: int
    bytes_have: int
    speed_bps: int
    attempts: int
    trouble: str
    trouble_since: datetime | None
    eta_low_s: int | None
    eta_high_s: int | None
    next_try_at: datetime | None
    asked_at: datetime | None
    created_at: datetime
    ended_at: datetime | None
    path: str
    transfer_id: uuid.UUID | None
    rescue: RescueView | None = None
    """the newest one"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchView:
    """A batch with the rows that are shown of it. `states`: how many of all its files (the newest row of each) stand where."""

    id: uuid.UUID
    title: str
    user: str
    folder: str
    origin: str
    job_id: uuid.UUID | None
    hunt_id: uuid.UUID | None
    created_at: datetime
    ended_at: datetime | None
    states: Mapping[DownloadState, int] = field(default_factory=dict)
    files: int = 0
    size_bytes: int = 0
    bytes_have: int = 0
    speed_bps: int = 0
    rows: Sequence[DownloadView] = ()

    @property
    def done(self) -> int:
        """Files that are here."""
        return sum(self.states.get(state, 0) for state in GOOD_ENDS)

    @property
    def failed(self) -> int:
        """Files that did not come."""
        return sum(count for state, count in self.states.items() if state in DOWNLOAD_ENDS - GOOD_ENDS)

    @property
    def more(self) -> int:
        """Files that are not shown here."""
        return max(0, self.files - len(self.rows))


def queue_page(*, show: str = "", text: str = "", cursor: str | None = None) -> Page[Batch]:
    """Batches, newest first. `show`: open (something is under way), ended, or all. Raises CursorInvalid."""
    rows = Batch.objects.all()
    if show == "open":
        rows = rows.filter(ended_at=None)
    elif show == "ended":
        rows = rows.exclude(ended_at=None)
    if words := searched(text):
        rows = rows.filter(Q(title__icontains=words) | Q(user__icontains=words) | Q(folder__icontains=words))
    return keyset_page(rows, order=["-created_at", "-id"], cursor=cursor, limit=BATCHES_PER_PAGE)


def batches_view(batches: Iterable[Batch], *, rows_shown: int = ROWS_SHOWN) -> tuple[BatchView, ...]:
    """Batches with their rows; a handful of queries however many there are."""
    found = list(batches)
    ids = [one.id for one in found]
    newest = _newest(Download.objects.filter(batch_id__in=ids))
    sums: dict[uuid.UUID, dict[str, int]] = {}
    states: dict[uuid.UUID, dict[DownloadState, int]] = {}
    grouped = newest.values("batch_id", "progress__state").annotate(
        n=Count("id"),
        told=Sum("size_bytes"),
        have=Sum("progress__bytes_have"),
        speed=Sum("progress__speed_bps"),
    )
    for row in grouped.order_by():
        state = DownloadState(row["progress__state"] or DownloadState.WAITING)
        counts = states.setdefault(row["batch_id"], {})
        counts[state] = counts.get(state, 0) + row["n"]
        into = sums.setdefault(row["batch_id"], {"files": 0, "told": 0, "have": 0, "speed": 0})
        into["files"] += row["n"]
        into["told"] += row["told"] or 0
        into["have"] += row["have"] or 0
        into["speed"] += (row["speed"] or 0) if state is DownloadState.RECEIVING else 0
    shown = (
        newest.annotate(
            at=Window(
                RowNumber(), partition_by=F("batch_id"), order_by=[F("live").desc(), F("order").asc(), F("id").asc()]
            )
        )
        .filter(at__lte=rows_shown)
        .select_related("progress")
        .order_by("batch_id", "at")
    )
    rows: dict[uuid.UUID, list[Download]] = {}
    for download in shown:
        rows.setdefault(download.batch_id, []).append(download)
    positions = queue_positions()
    rescues = rescues_of([download.id for each in rows.values() for download in each])
    nothing = {"files": 0, "told": 0, "have": 0, "speed": 0}
    return tuple(
        BatchView(
            id=one.id,
            title=one.title or _last(one.folder),
            user=one.user,
            folder=one.folder,
            origin=one.origin,
            job_id=one.job_id,
            hunt_id=one.hunt_id,
            created_at=one.created_at,
            ended_at=one.ended_at,
            states=states.get(one.id, {}),
            files=sums.get(one.id, nothing)["files"],
            size_bytes=sums.get(one.id, nothing)["told"],
            bytes_have=sums.get(one.id, nothing)["have"],
            speed_bps=sums.get(one.id, nothing)["speed"],
            rows=tuple(
                view_of(row, one.job_id, positions, rescues) for row in sorted(rows.get(one.id, ()), key=_by_order)
            ),
        )
        for one in found
    )


def batch_find(batch_id: uuid.UUID) -> Batch | None:
    """One batch."""
    return Batch.objects.filter(id=batch_id).first()


def download_page(
    *,
    show: str = "",
    user: str = "",
    batch_id: uuid.UUID | None = None,
    job_id: uuid.UUID | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[DownloadView]:
    """Downloads in the order of the queue (that of people; priority goes before it). `show`: live, ended or all. Raises CursorInvalid."""
    rows = Download.objects.select_related("progress", "batch")
    if show == "live":
        rows = rows.filter(live=True)
    elif show == "ended":
        rows = rows.filter(live=False)
    if user:
        rows = rows.filter(user=user)
    if batch_id is not None:
        rows = rows.filter(batch_id=batch_id)
    if job_id is not None:
        rows = rows.filter(batch__job_id=job_id)
    page = keyset_page(rows, order=["order", "id"], cursor=cursor, limit=limit)
    positions, rescues = queue_positions(), rescues_of([row.id for row in page.items])
    return Page(
        items=[view_of(row, row.batch.job_id, positions, rescues) for row in page.items],
        next_cursor=page.next_cursor,
        previous_cursor=page.previous_cursor,
    )


def download_find(download_id: uuid.UUID) -> DownloadView | None:
    """One download."""
    row = Download.objects.select_related("progress", "batch").filter(id=download_id).first()
    return view_of(row, row.batch.job_id, queue_positions(), rescues_of([row.id])) if row is not None else None


def streams_of_wants(want_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, DownloadView]:
    """For each want the download that says most of it now: one that is live, else the newest."""
    rows: Iterable[Download] = (
        Download.objects.filter(want_id__in=list(want_ids))
        .select_related("progress", "batch")
        .order_by("live", "created_at", "id")
    )
    rows = [row for row in rows if row.want_id is not None]
    positions = queue_positions() if any(row.live for row in rows) else {}
    newest = {row.want_id: row for row in rows if row.want_id is not None}
    rescues = rescues_of([row.id for row in newest.values()])
    return {want_id: view_of(row, row.batch.job_id, positions, rescues) for want_id, row in newest.items()}


def underperforming(*, limit: int = 200) -> tuple[DownloadView, ...]:
    """Live downloads that do badly, the longest so first."""
    rows = list(
        Download.objects.filter(live=True, progress__trouble_since__isnull=False)
        .exclude(progress__trouble="")
        .exclude(progress__state__in=sorted(DOWNLOAD_ENDS))
        .select_related("progress", "batch")
        .order_by("progress__trouble_since", "id")[:limit]
    )
    rescues = rescues_of([row.id for row in rows])
    return tuple(view_of(row, row.batch.job_id, {}, rescues) for row in rows)


def queue_positions() -> dict[uuid.UUID, int]:
    """Places in our own queue, from 1: of downloads that nobody was asked for yet."""
    waiting = Download.objects.filter(live=True, desired=DownloadDesired.ACTIVE).filter(
        Q(progress=None) | Q(progress__state__in=sorted(BEFORE_ASKED))
    )
    ids = waiting.order_by("-priority", "order", "id").values_list("id", flat=True)[:POSITIONS]
    return {download_id: index + 1 for index, download_id in enumerate(ids)}


def queue_figures() -> dict[str, int]:
    """How many downloads are live, how many receive, how fast together."""
    live = Download.objects.filter(live=True)
    receiving = live.filter(progress__state=DownloadState.RECEIVING).aggregate(
        n=Count("id"), speed=Sum("progress__speed_bps")
    )
    return {"live": live.count(), "receiving": receiving["n"], "speed_bps": receiving["speed"] or 0}


def view_of(
    row: Download,
    job_id: uuid.UUID | None,
    positions: Mapping[uuid.UUID, int],
    rescues: Mapping[uuid.UUID, RescueView] = MappingProxyType({}),
) -> DownloadView:
    """A row and its progress, as one value."""
    progress: DownloadProgress | None = getattr(row, "progress", None)
    state = DownloadState(progress.state) if progress is not None else DownloadState.WAITING
    code, params = (progress.code, progress.params) if progress is not None else ("", {})
    if not row.live and progress is None:
        state = DownloadState.CANCELLED
    return DownloadView(
        id=row.id,
        batch_id=row.batch_id,
        job_id=job_id,
        recording_mbid=row.recording_mbid,
        external=row.external,
        user=row.user,
        remote_path=row.remote_path,
        name=_last(row.remote_path),
        state=state,
        desired=DownloadDesired(row.desired),
        code=code,
        params=params if isinstance(params, dict) else {},
        live=row.live and state not in DOWNLOAD_ENDS,
        priority=row.priority,
        position=positions.get(row.id),
        place=progress.place if progress is not None else None,
        size_bytes=(progress.size_bytes if progress is not None else None) or row.size_bytes,
        bytes_have=progress.bytes_have if progress is not None else 0,
        speed_bps=progress.speed_bps if progress is not None and state is DownloadState.RECEIVING else 0,
        attempts=progress.attempts if progress is not None else 0,
        trouble=progress.trouble if progress is not None else "",
        trouble_since=progress.trouble_since if progress is not None else None,
        eta_low_s=progress.eta_low_s if progress is not None else None,
        eta_high_s=progress.eta_high_s if progress is not None else None,
        next_try_at=progress.next_try_at if progress is not None else None,
        asked_at=progress.asked_at if progress is not None else None,
        created_at=row.created_at,
        ended_at=row.ended_at,
        path=progress.path if progress is not None else "",
        transfer_id=progress.transfer_id if progress is not None else None,
        rescue=rescues.get(row.id),
    )


def _newest(rows: QuerySet[Download]) -> QuerySet[Download]:
    """Of each file of a batch the row that counts: a live one, else the newest."""
    newer = Download.objects.filter(batch_id=OuterRef("batch_id"), remote_path=OuterRef("remote_path")).filter(
        Q(created_at__gt=OuterRef("created_at")) | Q(created_at=OuterRef("created_at"), id__gt=OuterRef("id"))
    )
    return rows.filter(~Exists(newer))


def _last(path: str) -> str:
    """The last name of a path as the network writes it."""
    parts = [part for part in path.replace("/", "\\").split("\\") if part]
    return parts[-1] if parts else path


def _by_order(row: Download) -> tuple[int, str]:
    return row.order, str(row.id)
