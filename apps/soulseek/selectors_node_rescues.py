"""What the node reads for rescues. Called in its database thread; values out."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from apps.domain.contracts.soulseek_rescues import RescueKept, RescueOrigin, RescueReport
from apps.domain.soulseek.rescue import RESCUE_OVER
from apps.domain.soulseek.states import DOWNLOAD_ENDS, DownloadState, RescueState
from apps.library.models import AudioVariant
from apps.soulseek.models import Download, DownloadProgress, JobTraffic, OfferSighting, Rescue


def rescues_kept() -> tuple[RescueKept, ...]:
    """Rescues that are not over, oldest first, with the ends of their downloads; one query."""
    rows = Rescue.objects.exclude(state__in=sorted(RESCUE_OVER)).select_related("download", "download__progress")
    return tuple(_kept(row) for row in rows.order_by("started_at", "id"))


def _kept(row: Rescue) -> RescueKept:
    progress: DownloadProgress | None = getattr(row.download, "progress", None)
    state = DownloadState(progress.state) if progress is not None else None
    if state not in DOWNLOAD_ENDS:  # a row that is history without an end was cancelled before the node ever saw it
        state = None if row.download.live else DownloadState.CANCELLED
    return RescueKept(report=_report(row), end=state, end_code=progress.code if progress is not None and state else "")


def rescue_origins(downloads: Collection[uuid.UUID]) -> tuple[RescueOrigin, ...]:
    """What is known of the Soulseek side of these: five queries, however many they are."""
    rows = list(Download.objects.filter(id__in=list(downloads)).select_related("batch", "want", "progress"))
    recordings = {row.recording_mbid for row in rows if row.recording_mbid is not None}
    jobs = {job for row in rows if (job := _job(row)) is not None}
    proven = set(
        AudioVariant.objects.filter(recording_mbid__in=recordings, verified=True)
        .exclude(fingerprint=b"")
        .values_list("recording_mbid", flat=True)
    )
    sighted = set(
        OfferSighting.objects.filter(recording_mbid__in=recordings).values_list("recording_mbid", flat=True).distinct()
    )
    took: dict[tuple[uuid.UUID, str], int] = {
        (row.job_id, row.plane): row.total_bytes for row in JobTraffic.objects.filter(job_id__in=jobs)
    }
    return tuple(_origin(row, proven, sighted, took) for row in rows)


def _origin(
    row: Download,
    proven: Collection[uuid.UUID | None],
    sighted: Collection[uuid.UUID | None],
    took: dict[tuple[uuid.UUID, str], int],
) -> RescueOrigin:
    progress: DownloadProgress | None = getattr(row, "progress", None)
    searched = row.batch.hunt_id is not None or row.batch.candidate_id is not None
    job = _job(row)
    return RescueOrigin(
        download_id=row.id,
        attempted=searched or (progress is not None and (progress.asked_at is not None or progress.bytes_have > 0)),
        seen=searched or row.recording_mbid in sighted or (progress is not None and progress.bytes_have > 0),
        provable=row.recording_mbid is not None and row.recording_mbid in proven,
        overlay_bytes=took.get((job, "overlay"), 0) if job is not None else 0,
        soulseek_bytes=took.get((job, "soulseek"), 0) if job is not None else 0,
    )


def _job(row: Download) -> uuid.UUID | None:
    return (row.want.group_id if row.want is not None else None) or row.batch.job_id


def _report(row: Rescue) -> RescueReport:
    return RescueReport(
        id=row.id,
        download_id=row.download_id,
        transfer_id=row.transfer_id,
        job_id=row.job_id,
        recording_mbid=row.recording_mbid,
        trouble=row.trouble,
        trouble_at=row.trouble_at,
        state=RescueState(row.state),
        code=row.code,
        params=row.params if isinstance(row.params, dict) else {},
        overlay_bytes=row.overlay_bytes,
        soulseek_bytes=row.soulseek_bytes,
        peers=row.peers,
        started_at=row.started_at,
        first_byte_at=row.first_byte_at,
        ended_at=row.ended_at,
    )
