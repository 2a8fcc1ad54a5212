"""Jobs of fixes: exactly the missing tracks, or one better (or sound) file for one that is here. Called inside the transaction of their remediations."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User

from apps.catalog.selectors import release_facts
from apps.domain.jobs.constraints import Constraints, TrackRef
from apps.domain.jobs.lifecycle import JOB_ENDED, TrackState
from apps.domain.jobs.placement import ANY_TRACK, Beside, track_key
from apps.jobs.models import Job, JobKind, JobTrack
from apps.jobs.services import job_create
from apps.library.models import AudioFile

ORIGIN = "doctor"


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingTrack:
    """A track that a release lacks here."""

    issue: int
    medium: int
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A file that is to be replaced, and what is known of what it should be. `better`: by something that beats it; else by anything sound."""

    file_id: int
    recording_mbid: uuid.UUID | None
    release_mbid: uuid.UUID | None
    medium: int | None
    track: int | None
    better: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FixJob:
    """A job and the track of it that counts; position 0: its only one."""

    id: uuid.UUID
    medium: int = 0
    position: int = 0


def job_for_missing(
    release_mbid: uuid.UUID, wanted: Sequence[MissingTrack], *, requested_by: User | None
) -> dict[int, uuid.UUID]:
    """Issue → the job that fetches its track: an open one that does already, else one new job for the rest."""
    found = _open_jobs(release_mbid, wanted)
    rest = [one for one in wanted if one.issue not in found]
    if rest:
        wishes = Constraints(
            tracks=tuple(
                TrackRef(medium=medium, position=position)
                for medium, position in sorted({(one.medium, one.position) for one in rest})
            ),
            redownload=True,  # elsewhere in the library it is of another album
        )
        places = {
            track_key(one.medium, one.position): place
            for one in rest
            if (place := _album_folder(release_mbid, one.medium)) is not None
        }
        job = job_create(
            kind=JobKind.MB_RELEASE,
            target_mbid=release_mbid,
            constraints=wishes,
            requested_by=requested_by,
            origin=ORIGIN,
            placements=places,
        )
        found |= {one.issue: job.id for one in rest}
    return found


def job_for_replacement(wish: Replacement, *, requested_by: User | None) -> FixJob:
    """A job for the file's recording, on its release where that is known to hold it, so that tags and name are that album's."""
    file = AudioFile.objects.select_related("root", "variant").get(id=wish.file_id)
    place = _beside(file)
    release, ref = _track_of(wish, file)
    wishes = Constraints(
        tracks=(ref,) if ref else (),
        redownload=True,
        download_mode="no-transcodes" if wish.better else "any",
        better_than=file.variant.quality_score if wish.better and file.variant is not None else None,
    )
    placed: Mapping[str, Beside] = {}
    if place is not None:
        placed = {track_key(ref.medium, ref.position) if ref else ANY_TRACK: place}
    target = release if release is not None else wish.recording_mbid
    assert target is not None  # remedy_for refuses what names neither
    job = job_create(
        kind=JobKind.MB_RELEASE if ref else JobKind.RECORDING,
        target_mbid=target,
        constraints=wishes,
        requested_by=requested_by,
        origin=ORIGIN,
        placements=placed,
    )
    return FixJob(id=job.id, medium=ref.medium, position=ref.position) if ref else FixJob(id=job.id)


def _track_of(wish: Replacement, file: AudioFile) -> tuple[uuid.UUID | None, TrackRef | None]:
    """Release and track, if the release is known to hold the recording there (or nothing but the place is known)."""
    release_mbid = wish.release_mbid or file.release_mbid
    if release_mbid is None:
        return None, None
    place = (wish.medium or file.medium_position or 1, wish.track or file.track_position or 0)
    if wish.recording_mbid is None:
        return (release_mbid, TrackRef(medium=place[0], position=place[1])) if place[1] else (None, None)
    release = release_facts(release_mbid, fresh_for=None)
    same = [
        (medium.position, track.position)
        for medium, track in (release.tracks() if release else ())
        if track.recording.mbid == wish.recording_mbid and track.position > 0
    ]
    if not same:
        return None, None
    medium, position = place if place in same else same[0]
    return release_mbid, TrackRef(medium=medium, position=position)


def _open_jobs(release_mbid: uuid.UUID, wanted: Sequence[MissingTrack]) -> dict[int, uuid.UUID]:
    jobs = Job.objects.filter(kind=JobKind.MB_RELEASE, target_mbid=release_mbid).exclude(state__in=sorted(JOB_ENDED))
    found: dict[int, uuid.UUID] = {}
    for job in jobs.order_by("created_at"):
        tracks = set(
            JobTrack.objects.filter(job=job)
            .exclude(state__in=[TrackState.FAILED, TrackState.CANCELLED])
            .values_list("medium_position", "position")
        )
        resolved = job.release_mbid is not None
        named = {(ref.medium, ref.position) for ref in Constraints.from_json(job.constraints).tracks}
        for one in wanted:
            place = (one.medium, one.position)
            if place in tracks if resolved else not named or place in named:
                found.setdefault(one.issue, job.id)
    return found


def _beside(file: AudioFile) -> Beside | None:
    """The file's own folder and name, if its folder may be written."""
    if not file.root.writable:
        return None
    folder, _, name = bytes(file.rel_path).rpartition(b"/")
    stem, dot, _ = name.rpartition(b".")
    return Beside(root_id=file.root_id, folder=folder, stem=stem if dot and stem else name)


def _album_folder(release_mbid: uuid.UUID, medium: int) -> Beside | None:
    """Where most of the release's files lie (of this medium, if any are here), in a root that may be written."""
    rows = AudioFile.objects.filter(release_mbid=release_mbid, missing_since=None, root__writable=True)
    files = list(rows.values_list("root_id", "rel_path", "medium_position")[:1000])
    same = [one for one in files if (one[2] or 1) == medium] or files
    folders = Counter((root, bytes(path).rpartition(b"/")[0]) for root, path, _ in same)
    if not folders:
        return None
    (root, folder), _ = min(folders.items(), key=lambda one: (-one[1], one[0]))
    return Beside(root_id=root, folder=folder)
