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

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Count, QuerySet
from django.db.models.functions import Now

from apps.catalog.selectors_discogs import discogs_release_of
from apps.common.dispatch import TaskName, enqueue
from apps.common.doorbell import WEB_CHANNEL, ring
from apps.common.transitions import advance
from apps.domain.audio.profile import LOSSLESS
from apps.domain.catalog.identity import discogs_id, label_name_id
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
from apps.domain.jobs.selection import Selection, SelectionInvalid
from apps.domain.jobs.sentences import JOB_WIDE_CODES
from apps.domain.jobs.tree import TREE_CODES, TREE_KINDS, WAITS_FOR_TURN, refuse_for_kind, refuse_for_tree
from apps.domain.jobs.verdicts import REVOCABLE
from apps.jobs import services_tree as tree
from apps.jobs.job_rows import row_cancelled, row_of, state_of, unmoved
from apps.jobs.models import Job, JobKind, JobTrack, TargetSource
from apps.jobs.refusals import JobRefused, JobUnknown
from apps.jobs.selectors_discogs import discogs_waiting
from apps.jobs.services_manifest import manifest_mark
from apps.jobs.services_meant import target_note
from apps.jobs.services_webhooks import job_event
from apps.soulseek.services_hunt import hunts_again, hunts_follow, hunts_job_over
from apps.transfers.models import Transfer
from apps.transfers.services import denials_revoke, wants_lossy, wants_move

__all__ = [
    "JobCreated",
    "JobRefused",
    "JobUnknown",
    "job_cancel",
    "job_create",
    "job_pause",
    "job_refresh_state",
    "job_resume",
    "job_retry",
    "lossy_limit_apply",
    "lossy_tracks",
    "mbid_of",
    "tracks_by_state",
]

MAX_IDEMPOTENCY_KEY_CHARS = 200
MAX_REF_CHARS = 1000
ORIGINS = frozenset({"person", "job", "wishlist", "v0", "doctor"})


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
    selection: Selection | Mapping[str, object] | None = None,
    target_source: str = TargetSource.MUSICBRAINZ.value,
    target_ref: str = "",
    job_id: uuid.UUID | None = None,
    imported_from: uuid.UUID | None = None,
    parent_id: uuid.UUID | None = None,
) -> JobCreated:
    """Ask for a release, a recording, an artist's discography or a label's crate by MBID; a worker resolves or expands it.

    `placements`: where files of a fix go (apps.domain.jobs.placement). `selection` is of discographies and crates only. `target_source` and `target_ref`: who
    gave the target its id, where that is not MusicBrainz (see TargetSource). An import gives the job its id (`job_id`), names the old one
    (`imported_from`), and makes children (`parent_id`), which wait for their turn until `services_tree.tree_adopt` starts the tree.

    Raises DomainError: `mbid_invalid`, `job_kind_unknown`, `constraints_invalid`, `constraint_unavailable`, `selection_invalid`, `target_invalid`,
    `job_id_taken`, `job_parent_invalid`, `job_child_exists`, `idempotency_key_invalid`, and `idempotency_conflict` when the same person used the same
    key for another request. The same key with the same request gives the same job.
    """
    if kind not in JobKind.values:
        raise JobRefused(f"A job is one of {', '.join(JobKind.values)}.", code="job_kind_unknown", kind=kind[:40])
    if origin not in ORIGINS:
        raise JobRefused("Unknown origin of a job.", code="job_origin_unknown", origin=origin[:20])
    mbid = mbid_of(target_mbid)
    if target_source == TargetSource.MUSICBRAINZ and (at_discogs := discogs_release_of(mbid)) is not None:
        target_source, target_ref = TargetSource.DISCOGS.value, str(at_discogs.id)
    wishes = constraints if isinstance(constraints, Constraints) else Constraints.from_json(dict(constraints or {}))
    refuse_unavailable(wishes, whole_release=kind != JobKind.RECORDING, soulseek=settings.SOULSEEK_REACHABLE())
    chosen = _selection(kind, selection, wishes)
    _check_target(kind, mbid, source=target_source, ref=target_ref)
    key = _idempotency_key(idempotency_key)
    digest = _request_hash(kind=kind, mbid=mbid, constraints=wishes, selection=chosen, source=target_source)
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
                selection=chosen.to_json() if chosen is not None else {},
                target_source=target_source,
                target_ref=target_ref,
                title=target_ref if target_source == TargetSource.NAME else "",
                imported_from=imported_from,
                **_import_fields(job_id, parent_id, kind),
            )
            if parent_id is None:
                Job.objects.filter(id=job.id).update(next_step_at=Now())
                enqueue(TaskName.RESOLVE_JOB if chosen is None else TaskName.EXPAND_JOB, str(job.id))
            if origin == "person" and parent_id is None:
                target_note(
                    kind,
                    mbid,
                    source=target_source,
                    source_ref=target_ref,
                    requested_by_id=requested_by.pk if requested_by is not None else None,
                )
            manifest_mark([job.id])
            job_event(job.id, "job.created")
            ring(WEB_CHANNEL, f"job {job.id}")
    except IntegrityError:
        # Another request with this key committed between our look and our insert.
        known = _by_key(requested_by, key) if key is not None else None
        if known is None:
            if job_id is not None and row_of(job_id).exists():
                raise JobRefused("Another job has this id.", code="job_id_taken", job=str(job_id)) from None
            if parent_id is not None and Job.objects.filter(parent_id=parent_id, target_mbid=mbid).exists():
                raise JobRefused("Its parent has a child for this release.", code="job_child_exists") from None
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

    A child that a person pauses is no longer its tree's to resume. Raises `job_unknown`, `job_ended`.
    """
    if tree.is_tree(job_id):
        return tree.tree_pause(job_id)
    with transaction.atomic():
        if not advance(row_of(job_id), moves=JOB_MOVES, to=JobState.PAUSED, lease_until=None):
            row_of(job_id).filter(state=JobState.PAUSED, code__in=TREE_CODES).update(code="", params={})
            return unmoved(job_id, JobState.PAUSED, action="paused")
        row_of(job_id).filter(code__in=TREE_CODES).update(code="", params={})
        wants_move(_open_wants(job_id), desired=WantDesired.PAUSED)
        hunts_follow([job_id], WantDesired.PAUSED)
        tree.tree_touched(job_id)
        manifest_mark([job_id])
        ring(WEB_CHANNEL, f"job {job_id}")
    return JobState.PAUSED


def job_resume(job_id: uuid.UUID) -> JobState:
    """Go on with a paused job. Resuming one that runs changes nothing. Raises `job_unknown`, `job_ended`.

    A child goes on when its tree has a turn free.
    """
    if tree.is_tree(job_id):
        return tree.tree_resume(job_id)
    with transaction.atomic():
        resolved = JobTrack.objects.filter(job_id=job_id).exists()
        target = JobState.RUNNING if resolved else JobState.PENDING
        if not advance(
            row_of(job_id),
            moves=JOB_MOVES,
            to=target,
            only_from=[JobState.PAUSED],
            next_step_at=None if resolved else Now(),
        ):
            return unmoved(job_id, JobState.PENDING, JobState.RESOLVING, JobState.RUNNING, action="resumed")
        row_of(job_id).filter(code__in=TREE_CODES).update(code="", params={})
        manifest_mark([job_id])
        _wake(job_id, resolved=resolved)
        tree.child_turn_checked(job_id)
        tree.tree_touched(job_id)
    return job_refresh_state(job_id) if resolved else target


def job_cancel(job_id: uuid.UUID) -> JobState:
    """End a job for good (it can be retried). Finished files stay. Cancelling twice changes nothing. Raises `job_unknown`, `job_ended`."""
    if tree.is_tree(job_id):
        return tree.tree_cancel(job_id)
    with transaction.atomic():
        wants = _open_wants(job_id)
        if not row_cancelled(job_id):
            return unmoved(job_id, JobState.CANCELLED, action="cancelled")
        advance(
            _tracks(job_id),
            moves=TRACK_MOVES,
            to=TrackState.CANCELLED,
            code="cancelled_by_person",
            params={},
            next_step_at=None,
        )
        wants_move(wants, desired=WantDesired.CANCELLED)
        hunts_follow([job_id], WantDesired.CANCELLED)
        job_event(job_id, "job.cancelled")
        tree.tree_touched(job_id)
        manifest_mark([job_id])
        ring(WEB_CHANNEL, f"job {job_id}")
    return JobState.CANCELLED


def job_retry(job_id: uuid.UUID) -> JobState:
    """Try again what failed or was cancelled: the resolving, or the tracks that did not make it. Denied payloads stay denied (except those in
    verdicts.REVOCABLE).

    A running job's failed tracks are retried as well. A tree retries its children, and a child may bring an ended tree back to life.
    Raises `job_unknown`, `job_not_retryable` (completed, or nothing failed).
    """
    if tree.is_tree(job_id):
        return tree.tree_retry(job_id)
    with transaction.atomic():
        failed = _tracks(job_id).filter(state__in=[TrackState.FAILED, TrackState.CANCELLED])
        wants = list(failed.exclude(want=None).values_list("want_id", flat=True))
        recordings = list(failed.values_list("recording_mbid", flat=True))
        resolved = JobTrack.objects.filter(job_id=job_id).exists()
        state = state_of(job_id)
        if state is JobState.COMPLETED or (state not in JOB_ENDED and not wants):
            raise JobRefused("Nothing of this job failed.", code="job_not_retryable", state=state.value)
        if state in JOB_ENDED:
            advance(
                row_of(job_id),
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
        hunts_again([job_id])
        if paused:
            wants_move(wants, desired=WantDesired.PAUSED)
            hunts_follow([job_id], WantDesired.PAUSED)
            ring(WEB_CHANNEL, f"job {job_id}")
        else:
            _wake(job_id, resolved=resolved)
            if state in JOB_ENDED:
                tree.child_turn_checked(job_id)
            tree.tree_touched(job_id)
    return state_of(job_id)


def job_refresh_state(job_id: uuid.UUID) -> JobState:
    """Recount a running job from its tracks; ends it when all of them have ended. Safe to repeat; returns the state it has now."""
    with transaction.atomic():
        counts = tracks_by_state(job_id)
        if not counts and tree.is_tree(job_id):
            return tree.tree_refresh(job_id) or state_of(job_id)
        outcome = job_state_of_tracks(counts)
        if outcome is not JobState.RUNNING:
            failed, total = sum(counts.values()) - counts.get(TrackState.COMPLETED, 0), sum(counts.values())
            ended = advance(
                row_of(job_id),
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
                hunts_job_over([job_id])
                job_event(job_id, f"job.{outcome.value}")
                tree.tree_touched(job_id)
                manifest_mark([job_id])
                ring(WEB_CHANNEL, f"job {job_id}")
        else:
            _show_waiting(job_id)
            lossy_limit_apply(job_id)
    return state_of(job_id)


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
    if not code and discogs_waiting(job_id):
        code = "discogs_waits_for_sources"
    row_of(job_id).filter(state=JobState.RUNNING).exclude(code=code).update(code=code, params=params, updated_at=Now())


def _wake(job_id: uuid.UUID, *, resolved: bool) -> None:
    if resolved:
        wants_move(_open_wants(job_id), desired=WantDesired.ACTIVE)
        hunts_follow([job_id], WantDesired.ACTIVE)
    else:
        enqueue(TaskName.RESOLVE_JOB, str(job_id))
    ring(WEB_CHANNEL, f"job {job_id}")


def _tracks(job_id: uuid.UUID) -> QuerySet[JobTrack]:
    return JobTrack.objects.filter(job_id=job_id)


def _open_wants(job_id: uuid.UUID) -> list[uuid.UUID]:
    open_tracks = _tracks(job_id).exclude(state__in=sorted(TRACK_ENDED)).exclude(want=None)
    return list(open_tracks.values_list("want_id", flat=True))


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


def _selection(kind: str, given: Selection | Mapping[str, object] | None, wishes: Constraints) -> Selection | None:
    """What a job of jobs takes; None for every other kind."""
    if kind not in TREE_KINDS:
        if given:
            raise SelectionInvalid("Only discographies and label crates choose releases.", key="selection")
        return None
    refuse_for_tree(wishes)
    chosen = given if isinstance(given, Selection) else Selection.from_json(dict(given or {}))
    refuse_for_kind(chosen, kind=kind)
    return chosen


def _check_target(kind: str, mbid: uuid.UUID, *, source: str, ref: str) -> None:
    """Refuse a target whose id is not what its source makes of it. Raises JobRefused `target_invalid`."""
    fine = source in TargetSource.values and len(ref) <= MAX_REF_CHARS and ref.isprintable()
    if source == TargetSource.MUSICBRAINZ:
        fine = fine and not ref
    elif source == TargetSource.NAME:
        fine = fine and kind == JobKind.LABEL_CRATE and bool(ref.strip()) and mbid == label_name_id(ref)
    elif source == TargetSource.DISCOGS:
        fine = fine and kind == JobKind.MB_RELEASE and ref.isascii() and ref.isdecimal() and len(ref) <= 10
        fine = fine and mbid == discogs_id("release", int(ref))
    if not fine:
        raise JobRefused("The target does not fit its source.", code="target_invalid", source=source[:20])


def _import_fields(job_id: uuid.UUID | None, parent_id: uuid.UUID | None, kind: str) -> dict[str, object]:
    """Fields of a job that an import makes, and its place below its parent. Raises JobRefused `job_parent_invalid`, `job_id_taken`."""
    fields: dict[str, object] = {}
    if job_id is not None:
        if row_of(job_id).exists():
            raise JobRefused("Another job has this id.", code="job_id_taken", job=str(job_id))
        fields["id"] = job_id
    if parent_id is not None:
        if kind in TREE_KINDS or not tree.is_tree(parent_id):
            raise JobRefused("Only releases and recordings have a job of jobs above them.", code="job_parent_invalid")
        fields |= {"parent_id": parent_id, "code": WAITS_FOR_TURN}
    return fields


def _request_hash(
    *, kind: str, mbid: uuid.UUID, constraints: Constraints, selection: Selection | None, source: str
) -> bytes:
    # What other kinds and sources add comes behind, so that the hashes of rows that are there stay what they are.
    more: list[object] = [] if selection is None else [selection.to_json()]
    if source != TargetSource.MUSICBRAINZ:
        more.append(source)
    words = json.dumps([kind, str(mbid), constraints.to_json(), *more], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(words.encode()).digest()
