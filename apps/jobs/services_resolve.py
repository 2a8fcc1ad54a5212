"""Resolving, as rows: a worker takes a job, and gives it back with a tracklist, with a code and a time to try again, or failed.

Taken by a lease on the database's clock; every way of giving it back carries `attempt`, so that a worker that lost its lease changes nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.common.doorbell import NODE_CHANNEL, WEB_CHANNEL, ring
from apps.common.transitions import advance, lease_claim
from apps.domain.errors import Param
from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.job_manifest import places_done, tracks_of_json
from apps.domain.jobs.lifecycle import JOB_MOVES, JobState, TrackState
from apps.domain.jobs.manifest import Manifest, PlannedTrack
from apps.domain.jobs.tree import TREE_KINDS
from apps.domain.library.canonical import (
    CanonicalCandidate,
    CanonicalPolicy,
    FetchDecision,
    HeldVariant,
    best_held,
    fetch_decision,
)
from apps.domain.soulseek.hunting import HuntPolicy
from apps.jobs.models import Job, JobTrack
from apps.jobs.services import job_refresh_state
from apps.jobs.services_hunts import job_hunt_open
from apps.jobs.services_manifest import manifest_mark
from apps.jobs.services_tree import tree_touched
from apps.jobs.services_webhooks import job_event, job_events
from apps.library.selectors_canonical import canonical_of, files_of_variants, held_variants
from apps.transfers.services import want_create


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveClaim:
    """A job that this worker holds. `tries`: attempts that failed with the code the job shows."""

    job_id: uuid.UUID
    kind: str
    target_mbid: uuid.UUID
    constraints: Constraints
    attempt: int
    code: str
    tries: int


def resolve_claim(job_id: uuid.UUID, *, lease_s: int, tree: bool = False) -> ResolveClaim | None:
    """Take a job that waits to be resolved and whose time has come; None if it is somebody else's, resolved, or not due yet.

    `tree`: a job of jobs, whose resolving is its expansion.
    """
    due = Job.objects.filter(id=job_id, state__in=[JobState.PENDING, JobState.RESOLVING], next_step_at__lte=Now())
    due = due.filter(awaits_library=False)
    due = due.filter(kind__in=TREE_KINDS) if tree else due.exclude(kind__in=TREE_KINDS)
    with transaction.atomic():
        if not lease_claim(due, seconds=lease_s):
            return None
        advance(_job(job_id), moves=JOB_MOVES, to=JobState.RESOLVING)
        _job(job_id).filter(started_at=None).update(started_at=Now())
        manifest_mark([job_id])
        ring(WEB_CHANNEL, f"job {job_id}")
    job = Job.objects.get(id=job_id)
    return ResolveClaim(
        job_id=job.id,
        kind=job.kind,
        target_mbid=job.target_mbid,
        constraints=Constraints.from_json(job.constraints),
        attempt=job.attempt,
        code=job.code,
        tries=tries_of(job.params),
    )


def resolve_renew(claim: ResolveClaim, *, lease_s: int) -> bool:
    """Keep the lease for another `lease_s`. False: the job is no longer this worker's (paused, cancelled, taken over)."""
    return _mine(claim).update(lease_until=Now() + timedelta(seconds=lease_s)) == 1


def job_resolved(
    claim: ResolveClaim,
    *,
    manifest: Manifest,
    policy: CanonicalPolicy | None = None,
    hunting: HuntPolicy = HuntPolicy(hunting=False),  # noqa: B008  (frozen)
) -> bool:
    """Give the job its tracks and wants, and start it. False (and nothing written) if it is no longer this worker's.

    A track of which the library holds a good file already (apps.domain.library.canonical.fetch_decision) is completed at once, with the code
    `already_held` and a link to that file; one of which it holds a lesser file wants something better. What is wanted is looked for on Soulseek, if `hunting`
    says so.
    """
    policy = policy or CanonicalPolicy()
    wishes = claim.constraints.as_configured(
        prefer_canonical=policy.enabled and policy.prefer_canonical,
        original_master=policy.prefer_original_master,
        min_improvement=policy.min_quality_improvement,
    )
    if wishes.lossy_limit == 0:
        wishes = _lossless(wishes)
    library = _Library.look(manifest, wishes=wishes, policy=policy, done=_done_before(claim, manifest))
    with transaction.atomic():
        moved = advance(
            _mine(claim),
            moves=JOB_MOVES,
            to=JobState.RUNNING,
            code="",
            params={},
            title=manifest.title,
            artist=manifest.artist,
            year=manifest.year[:4],
            release_mbid=manifest.release_mbid,
            imported_tracks={},
            lease_until=None,
            next_step_at=None,
        )
        if not moved:
            return False
        job = Job.objects.get(id=claim.job_id)
        for track in manifest.tracks:
            decision = library.decisions[track.recording_mbid]
            if not decision.fetch and _held_track(job, track, decision, library):
                continue
            want = want_create(
                track.recording_mbid,
                release_mbids=track.release_mbids,
                duration_ms=track.length_ms,
                constraints=replace(
                    wishes,
                    better_than=decision.better_than,
                    target_profile=wishes.target_profile or library.targets.get(track.recording_mbid),
                ),
                requested_by_id=job.requested_by_id,
                group_id=job.id,
            )
            _track(job, track, want=want)
        job_event(claim.job_id, "job.resolved")
        held = job.tracks.filter(state=TrackState.COMPLETED).values_list("id", flat=True)
        job_events([claim.job_id], "track.completed", track_ids=list(held))
        job_hunt_open(job, policy=hunting)
        if job_refresh_state(claim.job_id) is JobState.COMPLETED:
            _job(claim.job_id).update(code="all_held", params={"tracks": len(manifest.tracks)})
        manifest_mark([claim.job_id])
        ring(NODE_CHANNEL, f"job {claim.job_id}")
        ring(WEB_CHANNEL, f"job {claim.job_id}")
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Library:
    """What the library says of a manifest's recordings; looked up before the transaction that needs it."""

    decisions: Mapping[uuid.UUID, FetchDecision]
    variants: Mapping[int, HeldVariant]
    files: Mapping[int, tuple[int, str]]
    """variant → a present file of it, and its path as text"""
    targets: Mapping[uuid.UUID, str]
    """profile of the canonical variant, where one is known and wished for"""

    @classmethod
    def look(
        cls, manifest: Manifest, *, wishes: Constraints, policy: CanonicalPolicy, done: Collection[uuid.UUID] = ()
    ) -> _Library:
        """`done`: recordings that an earlier life of this job completed; what is held of them is enough, whatever it is."""
        recordings = {track.recording_mbid for track in manifest.tracks}
        held = held_variants(recordings)
        decisions = {mbid: fetch_decision(held.get(mbid, ()), constraints=wishes, policy=policy) for mbid in recordings}
        for mbid in done:
            if decisions[mbid].fetch and held.get(mbid):
                variant = best_held(held[mbid]).variant_id
                decisions[mbid] = FetchDecision(fetch=False, code="already_held", variant_id=variant)
        kept = {one.variant_id for one in decisions.values() if not one.fetch and one.variant_id is not None}
        ranked: Mapping[uuid.UUID, tuple[CanonicalCandidate, ...]] = {}
        if policy.enabled and (wishes.prefer_canonical or wishes.download_mode == "canonical"):
            ranked = canonical_of({mbid for mbid in recordings if decisions[mbid].fetch}, wishes)
        return cls(
            decisions=decisions,
            variants={one.variant_id: one for some in held.values() for one in some},
            files=files_of_variants(kept),
            targets={mbid: found[0].profile for mbid, found in ranked.items() if found},
        )


def _done_before(claim: ResolveClaim, manifest: Manifest) -> frozenset[uuid.UUID]:
    """Recordings of the tracks that the job's manifest said were completed, if it was imported."""
    stored = _job(claim.job_id).values_list("imported_tracks", flat=True).first()
    places = places_done(tracks_of_json(stored or {}))
    return frozenset(one.recording_mbid for one in manifest.tracks if (one.medium, one.position) in places)


def _held_track(job: Job, track: PlannedTrack, decision: FetchDecision, library: _Library) -> bool:
    """A track that needs no fetching. False: the file went missing since we looked, so it is fetched after all."""
    assert decision.variant_id is not None
    variant, place = library.variants[decision.variant_id], library.files.get(decision.variant_id)
    if place is None:
        return False
    file_id, path = place
    _track(
        job,
        track,
        state=TrackState.COMPLETED,
        code="already_held",
        params={"score": f"{variant.score:.2f}" if variant.score is not None else "", "profile": variant.profile},
        verification="fingerprint" if variant.verified else "",
        audio_file_id=file_id,
        placed_path=path[:4000],
        payload_root=variant.payload_root,
    )
    return True


def _track(job: Job, track: PlannedTrack, **more: object) -> None:
    JobTrack.objects.create(
        job=job,
        medium_position=track.medium,
        position=track.position,
        number=track.number,
        title=track.title,
        artist=track.artist,
        recording_mbid=track.recording_mbid,
        track_mbid=track.track_mbid,
        length_ms=track.length_ms,
        **more,
    )


def resolve_later(claim: ResolveClaim, *, code: str, params: Mapping[str, Param], delay_s: float) -> bool:
    """It did not work this time: back to pending, with the reason and when it is tried again."""
    tries = claim.tries + 1 if claim.code == code else 1
    return _give_back(
        claim,
        JobState.PENDING,
        code=code,
        params={**params, "tries": tries},
        next_step_at=Now() + timedelta(seconds=delay_s),
    )


def resolve_failed(claim: ResolveClaim, *, code: str, params: Mapping[str, Param]) -> bool:
    """It will never work: the job ends with the reason."""
    return _give_back(claim, JobState.FAILED, code=code, params=dict(params), next_step_at=None, ended_at=Now())


def tries_of(params: Mapping[str, object]) -> int:
    """Failed attempts noted in a row's params."""
    tries = params.get("tries", 0)
    return tries if isinstance(tries, int) else 0


def _give_back(claim: ResolveClaim, state: JobState, **changes: object) -> bool:
    with transaction.atomic():
        moved = advance(
            _mine(claim), moves=JOB_MOVES, to=state, only_from=[JobState.RESOLVING], lease_until=None, **changes
        )
        if moved:
            if state is JobState.FAILED:
                job_event(claim.job_id, "job.failed")
            tree_touched(claim.job_id)
            manifest_mark([claim.job_id])
            ring(WEB_CHANNEL, f"job {claim.job_id}")
    return moved == 1


def _lossless(constraints: Constraints) -> Constraints:
    stored = constraints.to_json() | {"allow_lossy": False, "max_lossy_tracks_per_album": None}
    return Constraints.from_json(stored)


def _job(job_id: uuid.UUID) -> QuerySet[Job]:
    return Job.objects.filter(id=job_id)


def _mine(claim: ResolveClaim) -> QuerySet[Job]:
    return Job.objects.filter(id=claim.job_id, attempt=claim.attempt, state=JobState.RESOLVING)
