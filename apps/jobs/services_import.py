"""Manifests become jobs again: checked as a set, made in one transaction or not at all, and begun when the library was read.

An id that is free is taken over. Of one that is taken a new job is made that names it (`imported_from`), or, with `allow_duplicate_id`, the job that has it
stands for the manifest's and is left as it is; that is how a restore is repeated without harm. Children are linked to what became of their parent.

A job that had not ended begins anew, with what its manifest said was completed kept beside it (`imported_tracks`): what the library holds of that is not
fetched, whatever its quality. One that had ended is as it was. All wait (`awaits_library`) until the library was read once, so that nothing which lies on
disk is fetched again.
"""

from __future__ import annotations

import logging
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from apps.common.dispatch import TaskName, enqueue
from apps.common.doorbell import WEB_CHANNEL, ring
from apps.common.ids import new_id
from apps.domain.catalog.identity import discogs_id, label_name_id
from apps.domain.errors import DomainError
from apps.domain.jobs.constraints import refuse_unavailable
from apps.domain.jobs.job_manifest import (
    PARENTS,
    JobManifest,
    ManifestInvalid,
    ManifestTrack,
    ManifestType,
    TrackProgress,
    tracks_json,
)
from apps.domain.jobs.lifecycle import JOB_ENDED, JobState, TrackState
from apps.domain.jobs.tree import WAITS_FOR_TURN, refuse_for_kind, refuse_for_tree
from apps.domain.library.canonical import best_held
from apps.jobs.models import Job, JobTrack, PlannedRelease, PlannedState, TargetSource
from apps.jobs.selectors_manifest import jobs_known
from apps.jobs.services_manifest import manifest_mark
from apps.jobs.services_tree import tree_adopt
from apps.jobs.services_webhooks import job_events
from apps.library.selectors_canonical import files_of_variants, held_variants
from apps.library.selectors_ready import LibraryReading

log = logging.getLogger(__name__)

BATCH = 200
"""Rows in one statement, and jobs that begin at once."""
WAITS_FOR_LIBRARY = "waits_for_library"
ADOPT = "adopt"
"""In a waiting tree's params: its children are all there, so it is not planned anew."""


class Outcome(StrEnum):
    """What becomes of a manifest's job."""

    MADE = "made"
    RENAMED = "renamed"
    """made under a new id, because another job has the manifest's"""
    KEPT = "kept"
    """it is here already"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedJob:
    """A line of the report. `orphan`: the manifest names a parent that is neither in the file nor here, so the job stands alone."""

    line: int
    file: str
    manifest_id: uuid.UUID
    job_id: uuid.UUID
    outcome: Outcome
    type: ManifestType
    title: str
    artist: str
    state: JobState
    tracks: int
    completed: int
    """of these tracks"""
    children: int = 0
    parent_id: uuid.UUID | None = None
    orphan: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What was made of some manifests, or (`dry_run`) would be."""

    jobs: tuple[ImportedJob, ...]
    dry_run: bool = False

    def count(self, outcome: Outcome) -> int:
        """How many jobs of that outcome, children included."""
        return sum(1 for one in self.jobs if one.outcome is outcome)


@dataclass(slots=True)
class _Plan:
    """A job to be (mutable: filled from its manifest, then from its parent's)."""

    manifest: JobManifest
    target: uuid.UUID
    source: TargetSource
    ref: str
    job_id: uuid.UUID
    outcome: Outcome = Outcome.MADE
    parent: uuid.UUID | None = None
    parent_open: bool = False
    orphan: bool = False
    children: int = 0

    @property
    def state(self) -> JobState:
        state = JobState(self.manifest.state)
        return state if state in JOB_ENDED or state is JobState.PAUSED else JobState.PENDING

    @property
    def tree(self) -> bool:
        return self.manifest.type in PARENTS


def jobs_import(
    manifests: Sequence[JobManifest],
    *,
    requested_by: User | None = None,
    allow_duplicate_id: bool = False,
    dry_run: bool = False,
    restored: bool = False,
    id_of: Callable[[], uuid.UUID] = new_id,
) -> ImportReport:
    """Make these jobs, all or none; `dry_run`: only say what would be made. `restored`: they come back, so nobody is told that they were created.

    Raises ManifestInvalid with the line: besides what reading finds, `manifest_id_repeated` (two jobs of the set have one id), `manifest_id_taken` (with
    `allow_duplicate_id`, when the job that has the id asks for something else), `manifest_child_twice`, and the code of a constraint or selection that
    can't be kept.
    """
    plans = _planned(manifests)
    try:
        with transaction.atomic():
            _ids_given(plans, keep=allow_duplicate_id, id_of=id_of)
            fresh = [plan for plan in plans if plan.outcome is not Outcome.KEPT]
            if not dry_run and fresh:
                _write(fresh, requested_by=requested_by, told=not restored)
    except IntegrityError as error:
        raise ManifestInvalid(
            "Another import made one of these jobs at this moment; ask again.", code="manifest_id_taken", line=None
        ) from error
    if not dry_run:
        log.info("manifests imported: made=%s kept=%s", len(fresh), len(plans) - len(fresh))
    return ImportReport(jobs=tuple(_told(plan) for plan in plans), dry_run=dry_run)


def imports_begin(reading: LibraryReading, *, limit: int = BATCH) -> int:
    """Let imported jobs begin, now that the library was read: finished tracks are linked to its files, trees go on with their children, the rest is
    resolved. Returns how many; call it until it is 0. Nothing happens while the library is not read."""
    if not reading.done:
        return 0
    begun = 0
    # Children first: a tree gives turns as soon as it begins.
    waiting = Job.objects.filter(awaits_library=True).order_by("parent_id", "id")
    rows = list(waiting.filter(parent__isnull=False)[:limit]) or list(waiting[:limit])
    with transaction.atomic():
        _files_linked([job.id for job in rows if job.state == JobState.COMPLETED])
    for job in rows:
        begun += _begin(job)
    return begun


def imports_waiting() -> bool:
    """Some imported job has not begun."""
    return Job.objects.filter(awaits_library=True).exists()


def _begin(job: Job) -> int:
    pending = job.state == JobState.PENDING
    adopt = pending and job.kind in PARENTS and bool(job.params.get(ADOPT))
    with transaction.atomic():
        row = Job.objects.filter(id=job.id, awaits_library=True)
        if not row.update(awaits_library=False, updated_at=Now()):
            return 0
        alone = pending and job.parent_id is None and not adopt
        waits = Job.objects.filter(id=job.id, state=JobState.PENDING, next_step_at=None)
        if alone and waits.update(next_step_at=Now(), code="", params={}):
            manifest_mark([job.id])
            enqueue(TaskName.EXPAND_JOB if job.kind in PARENTS else TaskName.RESOLVE_JOB, str(job.id))
        ring(WEB_CHANNEL, f"job {job.id}")
        if adopt:
            tree_adopt(job.id)
    return 1


def _planned(manifests: Iterable[JobManifest]) -> list[_Plan]:
    """Parents before their children; refused what no job could be."""
    plans: list[_Plan] = []
    seen: dict[uuid.UUID, int] = {}
    flat = [one for parent in manifests for one in (parent, *parent.children)]
    for manifest in sorted(flat, key=lambda one: one.parent is not None):
        if manifest.job_id in seen:
            raise ManifestInvalid(
                f"Two jobs have the id {manifest.job_id}; the other one begins in line {seen[manifest.job_id]}.",
                code="manifest_id_repeated",
                line=manifest.line,
                file=manifest.file,
                id=str(manifest.job_id),
            )
        seen[manifest.job_id] = manifest.line
        _refuse(manifest)
        target, source, ref = _target(manifest)
        plans.append(_Plan(manifest=manifest, target=target, source=source, ref=ref, job_id=manifest.job_id))
    return plans


def _refuse(manifest: JobManifest) -> None:
    """What `job_create` would refuse, with the line."""
    try:
        refuse_unavailable(
            manifest.constraints,
            whole_release=manifest.type is not ManifestType.RECORDING,
            soulseek=settings.SOULSEEK_REACHABLE(),
        )
        if manifest.type in PARENTS:
            refuse_for_tree(manifest.constraints)
            if manifest.selection is not None:
                refuse_for_kind(manifest.selection, kind=manifest.type.value)
        elif manifest.type is ManifestType.RECORDING and manifest.parent is not None:
            raise ManifestInvalid(
                "The children of a discography or crate are releases.",
                code="manifest_child_type",
                line=manifest.line,
                file=manifest.file,
            )
    except ManifestInvalid:
        raise
    except DomainError as error:
        raise ManifestInvalid(
            error.sentence,
            code=error.code,
            line=manifest.line,
            file=manifest.file,
            key=str(error.params.get("key", "")),
        ) from error


def _target(manifest: JobManifest) -> tuple[uuid.UUID, TargetSource, str]:
    if manifest.target is not None:
        return manifest.target, TargetSource.MUSICBRAINZ, ""
    if manifest.discogs_release_id is not None:
        number = manifest.discogs_release_id
        return discogs_id("release", number), TargetSource.DISCOGS, str(number)
    assert manifest.selection is not None  # reading saw to it
    name = manifest.selection.label_name
    return label_name_id(name), TargetSource.NAME, name


def _ids_given(plans: Sequence[_Plan], *, keep: bool, id_of: Callable[[], uuid.UUID]) -> None:
    """Which job each manifest becomes, and below which parent."""
    parents = {plan.manifest.parent for plan in plans if plan.manifest.parent is not None}
    known = jobs_known({plan.job_id for plan in plans} | parents)
    became: dict[uuid.UUID, _Plan] = {}
    taken: dict[tuple[uuid.UUID, uuid.UUID], uuid.UUID] = _children_known(parents & known.keys())
    for plan in plans:
        here = known.get(plan.manifest.job_id)
        if here is not None and not keep:
            plan.job_id, plan.outcome = id_of(), Outcome.RENAMED
        elif here is not None:
            if here[:2] != (plan.manifest.type.value, plan.target):
                raise ManifestInvalid(
                    f"Another job has the id {plan.manifest.job_id}: it asks for something else.",
                    code="manifest_id_taken",
                    line=plan.manifest.line,
                    file=plan.manifest.file,
                    id=str(plan.manifest.job_id),
                )
            plan.outcome, plan.parent = Outcome.KEPT, here[2]
        became[plan.manifest.job_id] = plan
        if plan.outcome is not Outcome.KEPT and plan.manifest.parent is not None:
            _below(plan, became.get(plan.manifest.parent), known, taken, keep=keep)


def _below(
    plan: _Plan,
    parent: _Plan | None,
    known: Mapping[uuid.UUID, tuple[str, uuid.UUID, uuid.UUID | None]],
    taken: dict[tuple[uuid.UUID, uuid.UUID], uuid.UUID],
    *,
    keep: bool,
) -> None:
    """Link a child to what became of its parent, or to the parent that is here."""
    named = plan.manifest.parent
    assert named is not None
    if parent is not None and parent.tree:
        plan.parent, plan.parent_open = parent.job_id, parent.state not in JOB_ENDED
        parent.children += 1
    elif parent is None and named in known and known[named][0] in {kind.value for kind in PARENTS}:
        plan.parent = named
        plan.parent_open = True
    else:
        plan.orphan = True
        return
    place = (plan.parent, plan.target)
    if place not in taken:
        taken[place] = plan.job_id
    elif keep:
        # The tree that is here planned this release by itself meanwhile.
        plan.job_id, plan.outcome = taken[place], Outcome.KEPT
    elif parent is None:
        plan.parent, plan.orphan = None, True
    else:
        raise ManifestInvalid(
            "Two children of one job are for the same release.",
            code="manifest_child_twice",
            line=plan.manifest.line,
            file=plan.manifest.file,
        )


def _children_known(parents: Collection[uuid.UUID]) -> dict[tuple[uuid.UUID, uuid.UUID], uuid.UUID]:
    found: dict[tuple[uuid.UUID, uuid.UUID], uuid.UUID] = {}
    for some in _slices(sorted(parents)):
        for parent, target, key in Job.objects.filter(parent_id__in=some).values_list("parent_id", "target_mbid", "id"):
            found[parent, target] = key
    return found


def _told(plan: _Plan) -> ImportedJob:
    manifest = plan.manifest
    return ImportedJob(
        line=manifest.line,
        file=manifest.file,
        manifest_id=manifest.job_id,
        job_id=plan.job_id,
        outcome=plan.outcome,
        type=manifest.type,
        title=manifest.title or (manifest.selection.label_name if manifest.selection else ""),
        artist=manifest.artist,
        state=plan.state,
        tracks=len(manifest.tracks),
        completed=sum(1 for track in manifest.tracks if track.progress is TrackProgress.COMPLETED),
        children=plan.children,
        parent_id=plan.parent,
        orphan=plan.orphan,
    )


def _write(plans: Sequence[_Plan], *, requested_by: User | None, told: bool) -> None:
    now = timezone.now()
    people = _people(plans) if requested_by is None else {}
    jobs = [_job(plan, requested_by or people.get(plan.manifest.created_by), now) for plan in plans]
    created = {job.id: job.created_at for job in jobs}
    Job.objects.bulk_create(jobs, batch_size=BATCH)
    for job in jobs:
        job.created_at = created[job.id]  # the insert has set it to now
    Job.objects.bulk_update(jobs, ["created_at"], batch_size=BATCH)
    tracks = [track for plan in plans if plan.state is JobState.COMPLETED for track in _tracks(plan)]
    JobTrack.objects.bulk_create(tracks, batch_size=BATCH)
    _plans_of_trees(plans)
    ids = [job.id for job in jobs]
    manifest_mark(ids)
    if told:
        for some in _slices(ids):
            job_events(some, "job.created")
    for job in jobs:
        if job.parent_id is None:
            ring(WEB_CHANNEL, f"job {job.id}")


def _people(plans: Sequence[_Plan]) -> dict[str, User]:
    names = {plan.manifest.created_by for plan in plans if plan.manifest.created_by}
    return {user.get_username(): user for user in User.objects.filter(username__in=sorted(names)[:BATCH])}


def _job(plan: _Plan, requested_by: User | None, now: datetime) -> Job:
    manifest, state = plan.manifest, plan.state
    renamed = plan.outcome is Outcome.RENAMED
    ended = state in JOB_ENDED
    open_tree = plan.tree and not ended
    code, params = _words(plan)
    begun = manifest.started_at or manifest.created_at
    return Job(
        id=plan.job_id,
        kind=manifest.type.value,
        target_mbid=plan.target,
        target_source=plan.source.value,
        target_ref=plan.ref,
        parent_id=plan.parent,
        selection=manifest.selection.to_json() if manifest.selection is not None else {},
        imported_from=manifest.job_id if renamed else manifest.imported_from,
        state=state,
        code=code,
        params=params,
        constraints=manifest.constraints.to_json(),
        title=manifest.title or (plan.ref if plan.source is TargetSource.NAME else ""),
        artist=manifest.artist,
        year=manifest.year,
        release_mbid=plan.target if ended and _is_release(plan) else None,
        requested_by=requested_by,
        created_at=now if renamed else min(manifest.created_at, now),
        started_at=manifest.started_at,
        ended_at=(manifest.completed_at or now) if ended else None,
        expanded_at=begun if plan.tree and plan.children and not (open_tree and state is JobState.PENDING) else None,
        imported_tracks={} if state is JobState.COMPLETED else tracks_json(manifest.tracks),
        awaits_library=True,
    )


def _is_release(plan: _Plan) -> bool:
    return plan.manifest.type is ManifestType.MB_RELEASE and plan.source is TargetSource.MUSICBRAINZ


def _words(plan: _Plan) -> tuple[str, dict[str, object]]:
    """Why the job is in its state."""
    match plan.state:
        case JobState.PENDING if plan.parent is not None and plan.parent_open:
            return WAITS_FOR_TURN, {}
        case JobState.PENDING:
            # One that was under way had planned all of its children; another one goes on planning.
            begun = JobState(plan.manifest.state) is JobState.RUNNING
            return WAITS_FOR_LIBRARY, {ADOPT: True} if plan.tree and plan.children and begun else {}
        case JobState.PAUSED | JobState.COMPLETED:
            return "", {}
        case _:
            done = sum(1 for track in plan.manifest.tracks if track.progress is TrackProgress.COMPLETED)
            if not plan.manifest.tracks:
                return "imported_ended", {}
            return "imported_partly", {"completed": done, "total": len(plan.manifest.tracks)}


def _tracks(plan: _Plan) -> list[JobTrack]:
    """A completed job's tracks; its files are linked when the library was read."""
    return [
        JobTrack(
            job_id=plan.job_id,
            medium_position=track.medium,
            position=track.position,
            number=str(track.position),
            title=track.title,
            artist=plan.manifest.artist,
            recording_mbid=track.recording_mbid or _derived(plan, track),
            track_mbid=track.track_mbid,
            length_ms=track.duration_ms,
            state=TrackState.COMPLETED,
        )
        for track in plan.manifest.tracks
    ]


def _derived(plan: _Plan, track: ManifestTrack) -> uuid.UUID:
    """Of a track without a recording's id: its own id, or one that no recording has."""
    if plan.manifest.type is ManifestType.RECORDING:
        return plan.target
    return uuid.uuid5(plan.target, f"{track.medium}-{track.position}")


def _plans_of_trees(plans: Sequence[_Plan]) -> None:
    """What a tree looked at, as far as its children tell: in their order."""
    parents = {plan.parent for plan in plans if plan.parent is not None}
    known = list(PlannedRelease.objects.filter(job_id__in=parents).values_list("job_id", "release_mbid"))
    taken, places = set(known), Counter(job_id for job_id, _ in known)
    rows = []
    for plan in plans:
        if plan.parent is None or (plan.parent, plan.target) in taken:
            continue
        rows.append(
            PlannedRelease(
                job_id=plan.parent,
                position=places[plan.parent],
                release_mbid=plan.target,
                title=plan.manifest.title or str(plan.target),
                artist=plan.manifest.artist,
                year=plan.manifest.year,
                track_count=len(plan.manifest.tracks),
                state=PlannedState.WANTED,
                child_id=plan.job_id,
            )
        )
        places[plan.parent] += 1
    PlannedRelease.objects.bulk_create(rows, batch_size=BATCH)


def _files_linked(job_ids: Sequence[uuid.UUID]) -> None:
    """Show at completed tracks the files that the library holds of them."""
    tracks = list(JobTrack.objects.filter(job_id__in=job_ids, state=TrackState.COMPLETED, audio_file=None))
    held = held_variants({track.recording_mbid for track in tracks})
    best = {recording: best_held(some) for recording, some in held.items() if some}
    files = files_of_variants({one.variant_id for one in best.values()})
    changed = []
    for track in tracks:
        variant = best.get(track.recording_mbid)
        if variant is None or variant.variant_id not in files:
            continue
        track.audio_file_id, track.placed_path = files[variant.variant_id][0], files[variant.variant_id][1][:4000]
        track.verification = "fingerprint" if variant.verified else ""
        track.payload_root = variant.payload_root
        changed.append(track)
    JobTrack.objects.bulk_update(
        changed, ["audio_file", "placed_path", "verification", "payload_root"], batch_size=BATCH
    )


def _slices(ids: Sequence[uuid.UUID]) -> Iterable[Sequence[uuid.UUID]]:
    return (ids[at : at + BATCH] for at in range(0, len(ids), BATCH))
