"""The list of jobs by cursor, and how far the tracks of a page of jobs are: few queries, whatever the page holds."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from apps.common.pagination import DEFAULT_LIMIT, Page, keyset_page
from apps.domain.jobs.lifecycle import TRANSFER_LIVE, JobState, TrackState, TransferRole, TransferState
from apps.jobs.models import JobTrack
from apps.jobs.selectors import JobRow, job_query, job_row
from apps.transfers.models import Transfer

JOB_ORDER = ("-created_at", "-id")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackProgress:
    """How far one track is. Bytes are 0 while no payload was chosen."""

    state: TrackState
    payload_bytes: int = 0
    verified_bytes: int = 0
    speed_bps: int = 0

    @property
    def chosen(self) -> bool:
        """A payload was chosen."""
        return self.payload_bytes > 0

    @property
    def share(self) -> float:
        """0…1 of the payload."""
        return self.verified_bytes / self.payload_bytes if self.payload_bytes else 0.0


def job_page(
    *, states: Iterable[JobState] = (), text: str = "", cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[JobRow]:
    """A page of the list, newest first; one query. Raises CursorInvalid."""
    page = keyset_page(job_query(states=states, text=text), order=JOB_ORDER, cursor=cursor, limit=limit)
    return Page([job_row(job) for job in page.items], page.next_cursor, page.previous_cursor)


def jobs_asking_for(mbid: uuid.UUID, *, limit: int = 5) -> list[JobRow]:
    """The newest jobs that asked for this release or recording."""
    return [job_row(job) for job in job_query().filter(target_mbid=mbid)[:limit]]


def track_progress(job_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, list[TrackProgress]]:
    """The tracks of these jobs in album order; two queries."""
    rows = list(
        JobTrack.objects.filter(job_id__in=list(job_ids))
        .order_by("job_id", "medium_position", "position")
        .values_list("job_id", "state", "want_id")
    )
    transfers = _chosen_transfers([want_id for _job, _state, want_id in rows])
    tracks: dict[uuid.UUID, list[TrackProgress]] = {job_id: [] for job_id in job_ids}
    for job_id, state, want_id in rows:
        tracks[job_id].append(_progress(TrackState(state), transfers.get(want_id)))
    return tracks


def _chosen_transfers(want_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, Transfer]:
    states = sorted({*TRANSFER_LIVE, TransferState.ACCEPTED})
    rows = Transfer.objects.filter(want_id__in=list(want_ids), state__in=states)
    fields = ("want_id", "state", "role", "verified_bytes", "payload_bytes", "speed_bps")
    # Of two that are live the one that is further, as on the job's page; the accepted one before both.
    return {row.want_id: row for row in sorted(rows.only(*fields), key=_lead)}


def _lead(row: Transfer) -> tuple[bool, bool, float, bool]:
    share = row.verified_bytes / row.payload_bytes if row.payload_bytes else 0.0
    accepted, assembled = row.state == TransferState.ACCEPTED, row.state == TransferState.ASSEMBLED
    return (accepted, assembled, share, row.role == TransferRole.PRIMARY)


def _progress(state: TrackState, transfer: Transfer | None) -> TrackProgress:
    if transfer is None:
        return TrackProgress(state=state)
    return TrackProgress(
        state=state,
        payload_bytes=transfer.payload_bytes,
        verified_bytes=transfer.verified_bytes,
        speed_bps=transfer.speed_bps if transfer.state == TransferState.FETCHING else 0,
    )
