"""Reads of remediations: for their pages and API, for the sweep, and for the worker that exchanges files."""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from apps.common.pagination import DEFAULT_LIMIT, Page, keyset_page
from apps.domain.errors import Param
from apps.domain.jobs.lifecycle import JOB_ENDED, JobState, TrackState
from apps.domain.library.issues import IssueState, IssueType
from apps.domain.library.paths import PathKey
from apps.domain.library.remedy import REMEDY_LIVE, REMEDY_WORK, JobWord, RemedyAction, RemedyState
from apps.jobs.models import Job, JobTrack
from apps.library.models import AudioFile, LibraryIssue, TrashedFile
from apps.library.services import FileStat
from apps.remediation.models import Remediation


@dataclass(frozen=True, slots=True, kw_only=True)
class RemediationView:
    """One attempt to mend an issue. Texts are harmless to show."""

    id: uuid.UUID
    issue: int
    issue_type: IssueType
    issue_state: IssueState
    issue_code: str
    issue_params: Mapping[str, object]
    artist: str
    album: str
    title: str
    path: str
    action: RemedyAction
    state: RemedyState
    code: str
    params: Mapping[str, object]
    job: uuid.UUID | None
    job_state: str
    old_file: int | None
    new_file: int | None
    new_path: str
    trashed: uuid.UUID | None
    trash_state: str
    requested_by: str
    created_at: datetime
    ended_at: datetime | None

    @property
    def live(self) -> bool:
        """Under way."""
        return self.state in REMEDY_LIVE

    @property
    def undoable(self) -> bool:
        """May be taken back."""
        gone = self.trash_state in ("purging", "purged")
        return self.state is RemedyState.DONE and self.action is not RemedyAction.REIDENTIFY and not gone


@dataclass(frozen=True, slots=True, kw_only=True)
class RemedyStep:
    """A remediation that somebody must look at; `attempt` tells one waiting from the next."""

    id: uuid.UUID
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOnDisk:
    """A file as the rows know it, with all that an exchange needs."""

    id: int
    root_id: int
    root: Path
    writable: bool
    relative: bytes
    stat: FileStat
    missing: bool
    payload_format: str
    payload_root: bytes
    """b"": it could never be read."""
    recording_mbid: uuid.UUID | None
    variant_id: int | None
    quality: float | None
    suspect: bool | None
    profile: str
    release_mbid: uuid.UUID | None
    medium: int | None
    track: int | None

    @property
    def path(self) -> Path:
        """Absolute."""
        return self.root / os.fsdecode(self.relative)

    @property
    def key(self) -> PathKey:
        """As rows name it."""
        return PathKey(root_id=self.root_id, relative=self.relative)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueSubject:
    """Of the issue, what the worker needs."""

    type: IssueType
    code: str
    params: Mapping[str, object]
    recording_mbid: uuid.UUID | None
    release_mbid: uuid.UUID | None
    medium: int | None
    track: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrashedBytes:
    """Where a trashed file was, and what it is like."""

    id: uuid.UUID
    state: str
    code: str
    params: Mapping[str, Param]
    root: str
    root_id: int
    relative: bytes
    place: str
    size_bytes: int
    mtime_ns: int
    mode: int
    sha256: bytes
    file_id: int | None


def remediation_list(
    *,
    states: Collection[RemedyState] = (),
    issue_id: int | None = None,
    job_id: uuid.UUID | None = None,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[RemediationView]:
    """Newest first, by any of the filters. Raises CursorInvalid."""
    rows = _related(Remediation.objects.all())
    if states:
        rows = rows.filter(state__in=sorted(states))
    if issue_id is not None:
        rows = rows.filter(issue_id=issue_id)
    if job_id is not None:
        rows = rows.filter(job_id=job_id)
    page = keyset_page(rows, order=["-id"], cursor=cursor, limit=limit)
    return Page(
        items=[_view(row) for row in page.items], next_cursor=page.next_cursor, previous_cursor=page.previous_cursor
    )


def remediation_one(remediation_id: uuid.UUID) -> RemediationView | None:
    """One attempt."""
    row = _related(Remediation.objects.filter(id=remediation_id)).first()
    return _view(row) if row is not None else None


def remediations_latest(issue_ids: Collection[int]) -> dict[int, RemediationView]:
    """The newest attempt of each of these issues that has one; one query."""
    rows = _related(Remediation.objects.filter(issue_id__in=list(issue_ids))).order_by("id")
    return {row.issue_id: _view(row) for row in rows}


def remediations_due(*, limit: int = 500) -> list[RemedyStep]:
    """Live ones in nobody's hands with something to do: a worker's turn, or a job that has moved on."""
    nobody = Q(lease_until=None) | Q(lease_until__lt=Now())
    own = Q(state__in=sorted(REMEDY_WORK))
    tracks = JobTrack.objects.filter(job_id=OuterRef("job_id"), state=TrackState.COMPLETED)
    this = tracks.filter(medium_position=OuterRef("issue__medium_position"), position=OuterRef("issue__track_position"))
    missing = Q(action=RemedyAction.FETCH_MISSING)
    moved = Q(job=None) | Q(job__state__in=sorted(JOB_ENDED)) | (missing & Exists(this)) | (~missing & Exists(tracks))
    rows = Remediation.objects.filter(
        nobody, own | (Q(state=RemedyState.WAITING) & moved), state__in=sorted(REMEDY_LIVE), next_step_at__lte=Now()
    )
    return [RemedyStep(id=key, attempt=attempt) for key, attempt in rows.values_list("id", "attempt")[:limit]]


def job_word(
    job_id: uuid.UUID | None, *, medium: int | None = None, position: int | None = None
) -> tuple[JobWord, int | None, bool]:
    """How a job and its track stand, the file the track ended in, and whether that file lay there before (it is a person's own, not placed by the job).

    Without a place the job's only track counts.
    """
    job = Job.objects.filter(id=job_id).values("state", "code").first() if job_id is not None else None
    if job is None or job_id is None:
        return JobWord(job=None), None, False
    tracks = JobTrack.objects.filter(job_id=job_id)
    if position:
        tracks = tracks.filter(medium_position=medium or 1, position=position)
    track = tracks.order_by("medium_position", "position").first()
    if track is None:
        return JobWord(job=JobState(job["state"]), job_code=job["code"]), None, False
    word = JobWord(
        job=JobState(job["state"]),
        job_code=job["code"],
        track=TrackState(track.state),
        track_code=track.code,
        track_params={key: value for key, value in track.params.items() if key not in ("tries", "deaths")},
    )
    found = track.code == "already_held" or bool(track.placing.get("found"))
    return word, track.audio_file_id, found


def file_on_disk(file_id: int | None) -> FileOnDisk | None:
    """One file; None: its row is gone."""
    return next(iter(files_on_disk([file_id])), None) if file_id is not None else None


def files_on_disk(file_ids: Sequence[int]) -> list[FileOnDisk]:
    """Files in the order asked, without those whose rows are gone."""
    rows = AudioFile.objects.filter(id__in=list(file_ids)).select_related("root", "variant")
    found = {row.id: _on_disk(row) for row in rows.defer("variant__leaf_hashes", "variant__fingerprint")}
    return [found[file_id] for file_id in file_ids if file_id in found]


def better_held(issue_id: int) -> int | None:
    """The file here that settles a `better_in_library` issue: the better variant, for the same track. None: there is none (any more).

    A better file on another release is none: without the lesser one that album would lack a track.
    """
    row = LibraryIssue.objects.select_related("file").filter(id=issue_id, code="better_in_library").first()
    variant = row.params.get("better_variant") if row is not None else None
    if row is None or row.file is None or not isinstance(variant, int):
        return None
    own = row.file
    held = AudioFile.objects.filter(variant_id=variant, missing_since=None, read_state="read").exclude(id=own.id)
    if own.release_mbid is not None:
        held = held.filter(release_mbid=own.release_mbid)
        held = held.filter(Q(medium_position=own.medium_position) | Q(medium_position=None))
        held = held.filter(Q(track_position=own.track_position) | Q(track_position=None))
    return held.order_by("id").values_list("id", flat=True).first()


def issue_subject(issue_id: int) -> IssueSubject:
    """What the issue is about."""
    row = LibraryIssue.objects.get(id=issue_id)
    return IssueSubject(
        type=IssueType(row.type),
        code=row.code,
        params=row.params,
        recording_mbid=row.recording_mbid,
        release_mbid=row.release_mbid,
        medium=row.medium_position,
        track=row.track_position,
    )


def trashed_bytes(trash_id: uuid.UUID | None) -> TrashedBytes | None:
    """A row of the trash with what its file is like."""
    row = TrashedFile.objects.select_related("root").filter(id=trash_id).first() if trash_id else None
    if row is None:
        return None
    return TrashedBytes(
        id=row.id,
        state=row.state,
        code=row.code,
        params={key: value for key, value in row.params.items() if key not in ("tries", "numbered")},
        root=row.root.path,
        root_id=row.root_id,
        relative=bytes(row.rel_path),
        place=row.place,
        size_bytes=row.size_bytes,
        mtime_ns=row.mtime_ns,
        mode=row.mode,
        sha256=bytes(row.sha256),
        file_id=row.file_id,
    )


def transcodes_unmended(*, limit: int) -> list[int]:
    """Open issues of suspected transcodes that nobody ever tried to mend, the worst first."""
    rows = LibraryIssue.objects.filter(
        type=IssueType.SUSPECTED_TRANSCODE.value,
        state=IssueState.DETECTED.value,
        open=True,
        file__root__writable=True,
        file__missing_since=None,
        recording_mbid__isnull=False,
        remediations=None,
    )
    return list(rows.order_by("-rank", "-id").values_list("id", flat=True)[:limit])


def live_unasked() -> int:
    """Attempts under way that no person asked for."""
    return Remediation.objects.filter(state__in=sorted(REMEDY_LIVE), requested_by=None).count()


def _on_disk(row: AudioFile) -> FileOnDisk:
    variant = row.variant
    return FileOnDisk(
        id=row.id,
        root_id=row.root_id,
        root=Path(row.root.path),
        writable=row.root.writable,
        relative=bytes(row.rel_path),
        stat=FileStat(size_bytes=row.size_bytes, mtime_ns=row.mtime_ns, inode=row.inode),
        missing=row.missing_since is not None,
        payload_format=variant.payload_format if variant else "",
        payload_root=bytes(variant.payload_root) if variant else b"",
        recording_mbid=variant.recording_mbid if variant else None,
        variant_id=row.variant_id,
        quality=variant.quality_score if variant else None,
        suspect=variant.transcode_suspect if variant else None,
        profile=variant.profile if variant else "",
        release_mbid=row.release_mbid,
        medium=row.medium_position,
        track=row.track_position,
    )


def _related(rows: QuerySet[Remediation]) -> QuerySet[Remediation]:
    return rows.select_related("issue", "requested_by", "new_file").annotate(
        job_state=F("job__state"), trash_state=F("trashed__state")
    )


def _view(row: Remediation) -> RemediationView:
    issue = row.issue
    why = row.params.get("why", {})
    return RemediationView(
        id=row.id,
        issue=issue.id,
        issue_type=IssueType(issue.type),
        issue_state=IssueState(issue.state),
        issue_code=issue.code,
        issue_params=issue.params,
        artist=issue.artist,
        album=issue.album,
        title=issue.title,
        path=issue.path,
        action=RemedyAction(row.action),
        state=RemedyState(row.state),
        code=row.code,
        params=why if isinstance(why, dict) else {},
        job=row.job_id,
        job_state=getattr(row, "job_state", None) or "",
        old_file=row.old_file_id,
        new_file=row.new_file_id,
        new_path=row.new_file.display if row.new_file else "",
        trashed=row.trashed_id,
        trash_state=getattr(row, "trash_state", None) or "",
        requested_by=row.requested_by.get_username() if row.requested_by else "",
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
