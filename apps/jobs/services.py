"""What people do to jobs: ask, pause, resume, cancel, retry; and how a job's state follows from its tracks.

The other writers of these rows: `services_resolve` (tracklist → tracks and wants), `services_events` (what the node reports),
`services_verify` (verdict on a file), `services_sweep` (what waits). All move rows by `apps.common.transitions` alone.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Count, QuerySet
from django.db.models.functions import Now

from apps.common.dispatch import TaskName, enqueue
from apps.common.doorbell import WEB_CHANNEL, ring
from apps.common.transitions import advance
from apps.domain.audio.profile import LOSSLESS
from apps.domain.errors import DomainError
from apps.domain.jobs.constraints import Constraints, refuse_unavailable
from apps.domain.jobs.lifecycle import (
    JOB_ENDED,
    JOB_MOVES,
    TRACK_ENDED,
    TRACK_MOVES,
    TRANSFER_LIVE,
    JobState,
    TrackState,
    WantDesired,
    job_state_of_tracks,
)
from apps.domain.jobs.placement import Beside
from apps.domain.jobs.sentences import JOB_WIDE_CODES
from apps.domain.jobs.verdicts import REVOCABLE
from apps.jobs.models import Job, JobKind, JobTrack
from apps.jobs.services_manifest import manifest_mark
from apps.transfers.models import Transfer
from apps.transfers.services import denials_revoke, wants_lossy, wants_move

MAX_IDEMPOTENCY_KEY_CHARS = 200
ORIGINS = frozenset({"person", "job", "wishlist", "v0", "doctor"})


class JobUnknown(DomainError):
    """No job has this id."""

    default_code = "job_unknown"


class JobRefused(DomainError):
    """A request for a job that can't be taken."""

    default_code = "job_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCreated:
    """Answer to `job_create`. `created` is False when the idempotency key had made this job before."""

    id: uuid.UUID
    created: bool


def job_create(
    *,
    kind: str,
    target_mbid: uuid.UUID | str,
    constraints: Constraints | Mapping[str, object] | None = None,
    requested_by: User | None = None,
    idempotency_key: str | None = None,
    origin: str = "person",
    placements: Mapping[str, Beside] | None = None,
) -> JobCreated:
    """Ask for a release or a recording by MBID; a worker resolves it. `placements`: where files of a fix go (apps.domain.jobs.placement).

    Raises DomainError: `mbid_invalid`, `job_kind_unknown`, `constraints_invalid`, `constraint_unavailable`, `idempotency_key_invalid`, and `idempotency_conflict`
    when the same person used the same key for another request. The same key with the same request gives the same job.
    """
    if kind not in JobKind.values:
        raise JobRefused(f"A job is one of {', '.join(JobKind.values)}.", code="job_kind_unknown", kind=kind[:40])
    if origin not in ORIGINS:
        raise JobRefused("Unknown origin of a job.", code="job_origin_unknown", origin=origin[:20])
    mbid = mbid_of(target_mbid)
    wishes = constraints if isinstance(constraints, Constraints) else Constraints.from_json(dict(constraints or {}))
    refuse_unavailable(wishes, whole_release=kind == JobKind.MB_RELEASE)
    key = _idempotency_key(idempotency_key)
    digest = _request_hash(kind=kind, mbid=mbid, constraints=wishes)
    if key is not None and (known := _by_key(requested_by, key)) is not None:
        return _same_request(known, digest)
    try:
        with transaction.atomic():
            job = Job.objects.create(
                kind=kind,
                target_mbid=mbid,
                constraints=wishes.to_json(),
                requested_by=requested_by,
                idempotency_key=key,
                request_hash=digest,
                origin=origin,
                placements={key: place.to_json() for key, place in (placements or {}).items()},
            )
            Job.objects.filter(id=job.id).update(next_step_at=Now())
            manifest_mark([job.id])
            enqueue(TaskName.RESOLVE_JOB, str(job.id))
            ring(WEB_CHANNEL, f"job {job.id}")
    except IntegrityError:
        # Another request with this key committed between our look and our insert.
        known = _by_key(requested_by, key) if key is not None else None
        if known is None:
            raise
        return _same_request(known, digest)
    return JobCreated(id=job.id, created=True)


def mbid_of(value: uuid.UUID | str) -> uuid.UUID:
    """Read an MBID in its one canonical form (8-4-4-4-12 hex). Raises DomainError `mbid_invalid`; also for the nil UUID."""
    if isinstance(value, str):
        text = value.strip().lower()
        try:
            parsed = uuid.UUID(text)
        except ValueError:
            parsed = uuid.UUID(int=0)
        if str(parsed) != text:
            parsed = uuid.UUID(int=0)
    else:
        parsed = value
    if parsed.int == 0:
        raise JobRefused(
            "This is not a MusicBrainz id: 36 characters such as 78db95c6-be79-4c9b-9b27-a6c3a40e2fc5.",
            code="mbid_invalid",
        )
    return parsed


def job_pause(job_id: uuid.UUID) -> JobState:
    """Hold a job that has not ended; its wants are held too, what was fetched stays. Pausing twice changes nothing.

    Raises `job_unknown`, `job_ended`.
    """
    with transaction.atomic():
        if not advance(_rows(job_id), moves=JOB_MOVES, to=JobState.PAUSED, lease_until=None):
            return _unmoved(job_id, JobState.PAUSED, action="paused")
        wants_move(_open_wants(job_id), desired=WantDesired.PAUSED)
        manifest_mark([job_id])
        ring(WEB_CHANNEL, f"job {job_id}")
    return JobState.PAUSED


def job_resume(job_id: uuid.UUID) -> JobState:
    """Go on with a paused job. Resuming one that runs changes nothing. Raises `job_unknown`, `job_ended`."""
    with transaction.atomic():
        resolved = JobTrack.objects.filter(job_id=job_id).exists()
        target = JobState.RUNNING if resolved else JobState.PENDING
        if not advance(
            _rows(job_id),
            moves=JOB_MOVES,
            to=target,
            only_from=[JobState.PAUSED],
            next_step_at=None if resolved else Now(),
        ):
            return _unmoved(job_id, JobState.PENDING, JobState.RESOLVING, JobState.RUNNING, action="resumed")
        manifest_mark([job_id])
        _wake(job_id, resolved=resolved)
    return job_refresh_state(job_id) if resolved else target


def job_cancel(job_id: uuid.UUID) -> JobState:
    """End a job for good (it can be retried). Finished files stay. Cancelling twice changes nothing. Raises `job_unknown`, `job_ended`."""
    with transaction.atomic():
        wants = _open_wants(job_id)
        moved = advance(
            _rows(job_id),
            moves=JOB_MOVES,
            to=JobState.CANCELLED,
            code="cancelled_by_person",
            params={},
            ended_at=Now(),
            next_step_at=None,
            lease_until=None,
        )
        if not moved:
            return _unmoved(job_id, JobState.CANCELLED, action="cancelled")
        advance(
            _tracks(job_id),
            moves=TRACK_MOVES,
            to=TrackState.CANCELLED,
            code="cancelled_by_person",
            params={},
            next_step_at=None,
        )
        wants_move(wants, desired=WantDesired.CANCELLED)
        manifest_mark([job_id])
        ring(WEB_CHANNEL, f"job {job_id}")
    return JobState.CANCELLED


def job_retry(job_id: uuid.UUID) -> JobState:
    """Try again what failed or was cancelled: the resolving, or the tracks that did not make it. Denied payloads stay denied (except those in
    verdicts.REVOCABLE).

    A running job's failed tracks are retried as well. Raises `job_unknown`, `job_not_retryable` (completed, or nothing failed).
    """
    with transaction.atomic():
        failed = _tracks(job_id).filter(state__in=[TrackState.FAILED, TrackState.CANCELLED])
        wants = list(failed.exclude(want=None).values_list("want_id", flat=True))
        recordings = list(failed.values_list("recording_mbid", flat=True))
        resolved = JobTrack.objects.filter(job_id=job_id).exists()
        state = _state(job_id)
        if state is JobState.COMPLETED or (state not in JOB_ENDED and not wants):
            raise JobRefused("Nothing of this job failed.", code="job_not_retryable", state=state.value)
        if state in JOB_ENDED:
            advance(
                _rows(job_id),
                moves=JOB_MOVES,
                to=JobState.RUNNING if resolved else JobState.PENDING,
                code="",
                params={},
                ended_at=None,
                next_step_at=None if resolved else Now(),
                lease_until=None,
            )
        advance(
            failed,
            moves=TRACK_MOVES,
            to=TrackState.WANTED,
            code="",
            params={},
            next_step_at=None,
            lease_until=None,
            verification="",
            placed_path="",
            file_sha256=None,
        )
        denials_revoke(recordings, codes=REVOCABLE)
        manifest_mark([job_id])
        paused = state is JobState.PAUSED
        wants_move(wants, desired=WantDesired.ACTIVE)
        if paused:
            wants_move(wants, desired=WantDesired.PAUSED)
            ring(WEB_CHANNEL, f"job {job_id}")
        else:
            _wake(job_id, resolved=resolved)
    return _state(job_id)


def job_refresh_state(job_id: uuid.UUID) -> JobState:
    """Recount a running job from its tracks; ends it when all of them have ended. Safe to repeat; returns the state it has now."""
    with transaction.atomic():
        counts = tracks_by_state(job_id)
        outcome = job_state_of_tracks(counts)
        if outcome is not JobState.RUNNING:
            failed, total = sum(counts.values()) - counts.get(TrackState.COMPLETED, 0), sum(counts.values())
            ended = advance(
                _rows(job_id),
                moves=JOB_MOVES,
                to=outcome,
                only_from=[JobState.RUNNING],
                code="" if outcome is JobState.COMPLETED else "tracks_failed",
                params={} if outcome is JobState.COMPLETED else {"failed": failed, "total": total},
                ended_at=Now(),
                next_step_at=None,
                lease_until=None,
            )
            if ended:
                manifest_mark([job_id])
                ring(WEB_CHANNEL, f"job {job_id}")
        else:
            _show_waiting(job_id)
            lossy_limit_apply(job_id)
    return _state(job_id)


def tracks_by_state(job_id: uuid.UUID) -> dict[TrackState, int]:
    """How many tracks of the job are in which state."""
    rows = JobTrack.objects.filter(job_id=job_id).order_by().values("state").annotate(count=Count("id"))
    return {TrackState(row["state"]): row["count"] for row in rows}


def lossy_limit_apply(job_id: uuid.UUID) -> None:
    """While the album's lossy tracks are used up (finished or on their way), forbid lossy payloads to the rest; allow them again when one
    comes free. Call inside a transaction."""
    stored = Job.objects.filter(id=job_id).values_list("constraints", flat=True).first()
    limit = Constraints.from_json(stored).lossy_limit if stored is not None else None
    if limit is None:
        return
    taken = lossy_tracks(job_id)
    rest = JobTrack.objects.filter(job_id=job_id).exclude(state__in=sorted(TRACK_ENDED)).exclude(id__in=taken)
    wants_lossy(list(rest.exclude(want=None).values_list("want_id", flat=True)), allowed=len(taken) < limit)


def lossy_tracks(job_id: uuid.UUID, *, finished_only: bool = False) -> frozenset[uuid.UUID]:
    """Tracks of the job whose finished file (or, unless `finished_only`, whose live transfer) is lossy."""
    done = JobTrack.objects.filter(job_id=job_id, state=TrackState.COMPLETED, audio_file__variant__bits=0)
    chosen = set(done.values_list("id", flat=True))
    if not finished_only:
        live = Transfer.objects.filter(want__job_track__job_id=job_id, state__in=sorted(TRANSFER_LIVE))
        open_tracks = live.filter(want__job_track__state__in=[TrackState.DOWNLOADING, TrackState.VERIFYING])
        for profile, track in open_tracks.values_list("profile", "want__job_track"):
            if not profile.startswith(_LOSSLESS_PREFIXES):
                chosen.add(track)
    return frozenset(chosen)


_LOSSLESS_PREFIXES = tuple(f"{codec}-" for codec in LOSSLESS)


def _show_waiting(job_id: uuid.UUID) -> None:
    """Show on the running job what stops all its tracks (a full disk), and take it away when it is over."""
    waiting = _tracks(job_id).filter(state=TrackState.VERIFYING, code__in=JOB_WIDE_CODES).order_by("id").first()
    code, params = (waiting.code, waiting.params) if waiting else ("", {})
    _rows(job_id).filter(state=JobState.RUNNING).exclude(code=code).update(code=code, params=params, updated_at=Now())


def _wake(job_id: uuid.UUID, *, resolved: bool) -> None:
    if resolved:
        wants_move(_open_wants(job_id), desired=WantDesired.ACTIVE)
    else:
        enqueue(TaskName.RESOLVE_JOB, str(job_id))
    ring(WEB_CHANNEL, f"job {job_id}")


def _rows(job_id: uuid.UUID) -> QuerySet[Job]:
    return Job.objects.filter(id=job_id)


def _tracks(job_id: uuid.UUID) -> QuerySet[JobTrack]:
    return JobTrack.objects.filter(job_id=job_id)


def _open_wants(job_id: uuid.UUID) -> list[uuid.UUID]:
    open_tracks = _tracks(job_id).exclude(state__in=sorted(TRACK_ENDED)).exclude(want=None)
    return list(open_tracks.values_list("want_id", flat=True))


def _state(job_id: uuid.UUID) -> JobState:
    state = _rows(job_id).values_list("state", flat=True).first()
    if state is None:
        raise JobUnknown("There is no such job.", job=str(job_id))
    return JobState(state)


def _unmoved(job_id: uuid.UUID, *fine: JobState, action: str) -> JobState:
    """The state of a job that did not move: fine when it already is where it should be."""
    state = _state(job_id)
    if state in fine:
        return state
    raise JobRefused(f"A job that is {state.value} can't be {action}.", code="job_ended", state=state.value)


def _by_key(requested_by: User | None, key: str) -> Job | None:
    return Job.objects.filter(requested_by=requested_by, idempotency_key=key).first()


def _same_request(known: Job, digest: bytes) -> JobCreated:
    if bytes(known.request_hash) != digest:
        raise JobRefused(
            "This idempotency key was used for another request.", code="idempotency_conflict", job=str(known.id)
        )
    return JobCreated(id=known.id, created=False)


def _idempotency_key(key: str | None) -> str | None:
    if key is None:
        return None
    if not key or len(key) > MAX_IDEMPOTENCY_KEY_CHARS or not key.isprintable():
        raise JobRefused(
            f"An idempotency key has 1 to {MAX_IDEMPOTENCY_KEY_CHARS} printable characters.",
            code="idempotency_key_invalid",
        )
    return key


def _request_hash(*, kind: str, mbid: uuid.UUID, constraints: Constraints) -> bytes:
    words = json.dumps([kind, str(mbid), constraints.to_json()], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(words.encode()).digest()
