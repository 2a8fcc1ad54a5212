"""Jobs for releases that only Discogs has. Their ids are derived, so nothing is asked for on the mesh, the DHT or AcoustID: they have no wants.

What completes their tracks in this version are files of the library that fit by title and length (apps.domain.jobs.likeness); until then they wait, and
say so. The look is repeated when the library changed after the last one.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

from django.db import transaction
from django.db.models.functions import Now

from apps.common.doorbell import WEB_CHANNEL, ring
from apps.common.transitions import advance
from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.lifecycle import JOB_MOVES, TRACK_MOVES, JobState, TrackState
from apps.domain.jobs.likeness import Likeness, LikeTrack, likenesses
from apps.domain.jobs.manifest import Manifest
from apps.jobs.models import Job, JobTrack
from apps.jobs.selectors_discogs import discogs_due
from apps.jobs.services import job_refresh_state
from apps.jobs.services_manifest import manifest_mark
from apps.jobs.services_resolve import ResolveClaim
from apps.jobs.services_webhooks import job_event, job_events
from apps.library.models import AudioFile
from apps.library.selectors_doctor_due import newest_change
from apps.library.selectors_likeness import like_files

WAITS: Final = "discogs_no_source"
LENGTH_UNKNOWN: Final = "discogs_length_unknown"


def discogs_resolved(claim: ResolveClaim, *, manifest: Manifest) -> bool:
    """Give the job its tracks: completed where the library holds a file that fits, else waiting. False: it is no longer this worker's."""
    wanted = [LikeTrack(title=one.title, artist=one.artist, length_ms=one.length_ms) for one in manifest.tracks]
    found = _look(wanted, claim.constraints)
    with transaction.atomic():
        moved = advance(
            Job.objects.filter(id=claim.job_id, attempt=claim.attempt, state=JobState.RESOLVING),
            moves=JOB_MOVES,
            to=JobState.RUNNING,
            code="",
            params={},
            title=manifest.title,
            artist=manifest.artist,
            year=manifest.year[:4],
            release_mbid=None,
            lease_until=None,
            next_step_at=None,
        )
        if not moved:
            return False
        places = _places(found)
        for track, like in zip(manifest.tracks, found, strict=True):
            row = JobTrack(
                job_id=claim.job_id,
                medium_position=track.medium,
                position=track.position,
                number=track.number,
                title=track.title,
                artist=track.artist,
                recording_mbid=track.recording_mbid,
                length_ms=track.length_ms,
                code=_waits(track.length_ms),
            )
            if like is not None and like.file.file_id in places:
                row.state = TrackState.COMPLETED
                for name, value in _held(like, places).items():
                    setattr(row, name, value)
            row.save(force_insert=True)
        job_event(claim.job_id, "job.resolved")
        held = JobTrack.objects.filter(job_id=claim.job_id, state=TrackState.COMPLETED)
        job_events([claim.job_id], "track.completed", track_ids=list(held.values_list("id", flat=True)))
        job_refresh_state(claim.job_id)
        manifest_mark([claim.job_id])
        ring(WEB_CHANNEL, f"job {claim.job_id}")
    return True


def discogs_look(*, going_on: Callable[[], bool] = lambda: True) -> int:
    """Look for files of tracks that wait, for jobs that were last looked at before the library changed, the longest ago first; how many tracks were
    completed. `going_on`: asked before each job, so that many jobs take no worker for long."""
    done = 0
    for job_id in discogs_due(changed_at=newest_change()):
        if not going_on():
            break
        done += discogs_look_at(job_id)
    return done


def discogs_look_at(job_id: uuid.UUID) -> int:
    """Look for files of one job's waiting tracks; how many were completed. Safe to repeat and to be killed."""
    job = Job.objects.filter(id=job_id).first()
    if job is None:
        return 0
    # The whole release counts, so that a file that stands for one track is not taken for another of the same title.
    tracks = list(JobTrack.objects.filter(job_id=job_id).order_by("medium_position", "position"))
    taken = {track.audio_file_id for track in tracks if track.audio_file_id is not None}
    waiting = [track for track in tracks if track.state == TrackState.WANTED and track.want_id is None]
    wanted = [LikeTrack(title=one.title, artist=one.artist, length_ms=one.length_ms) for one in waiting]
    found = [
        like if like is not None and like.file.file_id not in taken else None
        for like in _look(wanted, Constraints.from_json(job.constraints))
    ]
    done: list[uuid.UUID] = []
    with transaction.atomic():
        places = _places(found)
        for track, like in zip(waiting, found, strict=True):
            rows = JobTrack.objects.filter(id=track.id, want=None, job__state=JobState.RUNNING)
            if like is None or like.file.file_id not in places:
                rows.filter(state=TrackState.WANTED).update(code=_waits(track.length_ms), updated_at=Now())
                continue
            # The table knows no way from wanted to completed but by a check, which this was.
            rows = JobTrack.objects.filter(id__in=list(rows.values_list("id", flat=True)))
            advance(rows, moves=TRACK_MOVES, to=TrackState.VERIFYING, only_from=[TrackState.WANTED])
            if advance(rows, moves=TRACK_MOVES, to=TrackState.COMPLETED, only_from=None, **_held(like, places)):
                done.append(track.id)
        if done:
            job_events([job_id], "track.completed", track_ids=done)
            manifest_mark([job_id])
            ring(WEB_CHANNEL, f"job {job_id}")
        job_refresh_state(job_id)
    return len(done)


def _look(wanted: Sequence[LikeTrack], wishes: Constraints) -> tuple[Likeness | None, ...]:
    if wishes.redownload or wishes.better_than is not None:
        return tuple(None for _ in wanted)  # what is held is not what was asked for
    return likenesses(wanted, like_files(wanted, lossy=wishes.lossy_limit != 0, suspect=wishes.download_mode == "any"))


def _places(found: Sequence[Likeness | None]) -> dict[int, tuple[str, bytes]]:
    """File → its path and payload, of those that are still there."""
    wanted = [one.file.file_id for one in found if one is not None]
    rows = AudioFile.objects.filter(id__in=wanted, missing_since=None, variant__isnull=False).select_related("root")
    return {
        row.pk: (f"{row.root.path}/{row.display}", bytes(row.variant.payload_root))
        for row in rows.select_related("variant")
        if row.variant is not None
    }


def _held(like: Likeness, places: dict[int, tuple[str, bytes]]) -> dict[str, Any]:
    """Fields of a track that a file of the library stands for."""
    path, payload = places[like.file.file_id]
    return {
        "code": f"held_by_{like.level.value}",
        "params": {"copies": like.copies},
        "verification": like.level.value,
        "audio_file_id": like.file.file_id,
        "placed_path": path[:4000],
        "payload_root": payload,
    }


def _waits(length_ms: int | None) -> str:
    return WAITS if length_ms is not None else LENGTH_UNKNOWN
