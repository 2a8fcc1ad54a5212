"""Jobs as manifests: what is exported, and what the writer puts on disk."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace

from django.db.models import F, Q
from django.db.models.functions import Now

from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.job_manifest import (
    PARENTS,
    JobManifest,
    ManifestTrack,
    ManifestType,
    TrackProgress,
    tracks_of_json,
)
from apps.domain.jobs.lifecycle import TrackState
from apps.domain.jobs.selection import Selection
from apps.jobs.models import Job, JobTrack, TargetSource
from apps.jobs.refusals import JobUnknown

SLICE = 200
"""Jobs in one query."""

_PROGRESS = {
    TrackState.WANTED: TrackProgress.PENDING,
    TrackState.DOWNLOADING: TrackProgress.IN_PROGRESS,
    TrackState.VERIFYING: TrackProgress.IN_PROGRESS,
    TrackState.COMPLETED: TrackProgress.COMPLETED,
    TrackState.FAILED: TrackProgress.FAILED,
    TrackState.CANCELLED: TrackProgress.FAILED,
}


def manifest_of(job_id: uuid.UUID) -> JobManifest:
    """The job as a manifest, a parent with its children inside. Raises JobUnknown."""
    found = manifests_of([job_id])
    if not found:
        raise JobUnknown("There is no such job.", job=str(job_id))
    (manifest,) = found
    if manifest.type not in PARENTS:
        return manifest
    children = Job.objects.filter(parent_id=job_id).order_by(
        F("planned_release__position").asc(nulls_last=True), "created_at", "id"
    )
    return replace(manifest, children=tuple(manifests_of(list(children.values_list("id", flat=True)))))


def manifests_of(job_ids: Sequence[uuid.UUID]) -> list[JobManifest]:
    """These jobs in this order, each by itself (a parent without its children); those that are gone are left out. Two queries for 200 jobs."""
    found: dict[uuid.UUID, JobManifest] = {}
    for at in range(0, len(job_ids), SLICE):
        some = list(job_ids[at : at + SLICE])
        jobs = list(Job.objects.filter(id__in=some).select_related("requested_by"))
        tracks: dict[uuid.UUID, list[ManifestTrack]] = {}
        discogs = {job.id for job in jobs if job.target_source == TargetSource.DISCOGS}
        rows = JobTrack.objects.filter(job_id__in=some).order_by("job_id", "medium_position", "position")
        for job_id, medium, position, title, recording, track, length, state in rows.values_list(
            "job_id", "medium_position", "position", "title", "recording_mbid", "track_mbid", "length_ms", "state"
        ):
            tracks.setdefault(job_id, []).append(
                ManifestTrack(
                    medium=medium,
                    position=position,
                    title=_line(title),
                    recording_mbid=None if job_id in discogs else recording,
                    track_mbid=None if job_id in discogs else track,
                    duration_ms=length or None,
                    progress=_PROGRESS[TrackState(state)],
                )
            )
        found |= {job.id: _manifest(job, tuple(tracks.get(job.id, ()))) for job in jobs}
    return [found[one] for one in job_ids if one in found]


def manifests_exported(job_ids: Sequence[uuid.UUID]) -> list[JobManifest]:
    """These jobs with their children inside; a child whose parent is among them stands in it alone, and what is gone is left out."""
    known = jobs_known(job_ids)
    inside = {one for one, (_, _, parent) in known.items() if parent in known}
    return [manifest_of(one) for one in job_ids if one in known and one not in inside]


def jobs_count(job_ids: Sequence[uuid.UUID] = ()) -> int:
    """How many jobs an export of these, or of all, would hold."""
    rows = Job.objects.all()
    if job_ids:
        rows = rows.filter(Q(id__in=list(job_ids)) | Q(parent_id__in=list(job_ids)))
    return rows.count()


def manifests_due(*, limit: int) -> list[uuid.UUID]:
    """Jobs whose manifest is older than their row, the longest waiting first."""
    rows = Job.objects.filter(manifest_due_at__lte=Now()).order_by("manifest_due_at", "id")
    return list(rows.values_list("id", flat=True)[:limit])


def jobs_all(after: uuid.UUID | None = None, *, limit: int = SLICE) -> list[uuid.UUID]:
    """Ids of jobs that are no children, in the order of their ids, the next `limit` behind `after`."""
    rows = Job.objects.filter(parent=None).order_by("id")
    if after is not None:
        rows = rows.filter(id__gt=after)
    return list(rows.values_list("id", flat=True)[:limit])


def jobs_known(job_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, tuple[str, uuid.UUID, uuid.UUID | None]]:
    """Kind, target and parent of those of these jobs that there are."""
    found: dict[uuid.UUID, tuple[str, uuid.UUID, uuid.UUID | None]] = {}
    ids = list(job_ids)
    for at in range(0, len(ids), SLICE):
        rows = Job.objects.filter(id__in=ids[at : at + SLICE])
        for key, kind, target, parent in rows.values_list("id", "kind", "target_mbid", "parent_id"):
            found[key] = (kind, target, parent)
    return found


def _manifest(job: Job, tracks: tuple[ManifestTrack, ...]) -> JobManifest:
    type_ = ManifestType(job.kind)
    musicbrainz = job.target_source == TargetSource.MUSICBRAINZ
    selection = Selection.from_json(job.selection) if type_ in PARENTS else None
    if selection is not None and job.target_source == TargetSource.NAME:
        selection = replace(selection, label_name=selection.label_name or job.target_ref)
    return JobManifest(
        job_id=job.id,
        type=type_,
        target=job.target_mbid if musicbrainz else None,
        discogs_release_id=int(job.target_ref) if job.target_source == TargetSource.DISCOGS else None,
        title=_line(job.title),
        artist=_line(job.artist),
        year=job.year,
        constraints=Constraints.from_json(job.constraints),
        selection=selection,
        tracks=tracks or tracks_of_json(job.imported_tracks),
        created_at=job.created_at,
        created_by=job.requested_by.get_username() if job.requested_by is not None else "",
        state=job.state,
        started_at=job.started_at,
        completed_at=job.ended_at,
        parent=job.parent_id,
        imported_from=job.imported_from,
    )


def _line(text: str) -> str:
    """On one line, as a manifest has it: titles of MusicBrainz and Discogs may hold control characters."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else " " for sign in text).strip()
