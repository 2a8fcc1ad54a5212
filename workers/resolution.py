"""Resolving a job: MusicBrainz → catalog rows → tracks and wants. Every step may be repeated; the rows decide who may finish."""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Callable, Mapping

from apps.catalog.selectors import recording_known, release_facts
from apps.catalog.services import recording_store, release_store
from apps.domain.catalog.discogs import DiscogsRelease
from apps.domain.catalog.links import DiscogsKind
from apps.domain.catalog.release import RecordingFacts, ReleaseFacts, ReleaseRef
from apps.domain.errors import DomainError, Param
from apps.domain.jobs.backoff import retry_delay_s
from apps.domain.jobs.discogs_manifest import discogs_manifest
from apps.domain.jobs.manifest import (
    Manifest,
    ManifestImpossible,
    earliest_first,
    recording_manifest,
    release_manifest,
)
from apps.domain.library.canonical import CanonicalPolicy
from apps.domain.soulseek.hunting import HuntPolicy
from apps.jobs.selectors_discogs import discogs_number
from apps.jobs.services_discogs import discogs_resolved
from apps.jobs.services_instead import edition_instead
from apps.jobs.services_resolve import (
    ResolveClaim,
    job_resolved,
    resolve_claim,
    resolve_failed,
    resolve_later,
    resolve_renew,
)
from workers.discogs_kept import KeptDiscogs
from workers.gateways.errors import Permanent, Transient
from workers.gateways.musicbrainz import MusicbrainzPort
from workers.lease import LEASE_S, LeaseKeeper, LeaseLost

log = logging.getLogger(__name__)

Checkpoint = Callable[[str], None]
"""Called after each step with its name; tests stop the work there."""


def _pass(_step: str) -> None:
    return


def resolve(
    job_id: uuid.UUID,
    *,
    musicbrainz: MusicbrainzPort,
    discogs: KeptDiscogs | None = None,
    policy: CanonicalPolicy = CanonicalPolicy(),  # noqa: B008  (frozen)
    hunting: HuntPolicy = HuntPolicy(hunting=False),  # noqa: B008  (frozen)
    checkpoint: Checkpoint = _pass,
) -> None:
    """Resolve a job that is due; nothing happens if it is not, or somebody else has it. `policy`: what of it the library makes superfluous; `hunting`: whether
    the rest is looked for on Soulseek."""
    claim = resolve_claim(job_id, lease_s=LEASE_S)
    if claim is None:
        return
    checkpoint("claimed")
    with LeaseKeeper(lambda: resolve_renew(claim, lease_s=LEASE_S)):
        try:
            if (number := discogs_number(claim.job_id)) is not None:
                manifest = discogs_manifest(_discogs_release(number, discogs), constraints=claim.constraints)
                checkpoint("asked")
                done = discogs_resolved(claim, manifest=manifest)
            else:
                manifest = _manifest(claim, musicbrainz, policy, checkpoint)
                done = job_resolved(claim, manifest=manifest, policy=policy, hunting=hunting)
            log.info("job resolved: job=%s tracks=%s kept=%s", job_id, len(manifest.tracks), done)
        except Transient as error:
            _again(claim, error.code, error.params, retry_after_s=error.retry_after_s)
        except (Permanent, ManifestImpossible) as error:
            _give_up(claim, error.code, error.params)
        except LeaseLost:
            log.info("job taken over or stopped: job=%s", job_id)
        except Exception as error:
            log.exception("resolving failed unexpectedly: job=%s", job_id)
            _again(claim, "unexpected", {"error": type(error).__name__})
    checkpoint("finished")


def _again(claim: ResolveClaim, code: str, params: dict[str, Param], *, retry_after_s: float | None = None) -> None:
    """Wait and try again, or give up where the kind of failure is bounded."""
    tries = claim.tries + 1 if claim.code == code else 1
    jitter = random.random()  # noqa: S311  (spreads load, guards nothing)
    delay_s = retry_delay_s(code, tries=tries, jitter=jitter, retry_after_s=retry_after_s)
    if delay_s is None:
        _give_up(claim, code, {**params, "tries": tries})
        return
    resolve_later(claim, code=code, params=params, delay_s=delay_s)
    log.info("job waits: job=%s code=%s tries=%s delay_s=%s", claim.job_id, code, tries, delay_s)


def _give_up(claim: ResolveClaim, code: str, params: Mapping[str, Param]) -> None:
    """This release will not be read: a planned one takes another edition of its group, and where there is none the job fails."""
    instead = edition_instead(claim, why=code) if claim.kind == "mb_release" else None
    if instead is not None:
        log.info(
            "another edition is tried: job=%s left=%s code=%s now=%s", claim.job_id, claim.target_mbid, code, instead
        )
        return
    log.info("job failed: job=%s code=%s", claim.job_id, code)
    resolve_failed(claim, code=code, params=params)


def _manifest(
    claim: ResolveClaim, musicbrainz: MusicbrainzPort, policy: CanonicalPolicy, checkpoint: Checkpoint
) -> Manifest:
    match claim.kind:
        case "mb_release":
            release = _release(claim.target_mbid, musicbrainz, checkpoint)
            return release_manifest(release, constraints=claim.constraints, asked_for=claim.target_mbid)
        case "recording":
            return _recording_manifest(claim, musicbrainz, policy, checkpoint)
        case kind:
            raise DomainError(f"No resolver for jobs of kind {kind}.", code="job_kind_unknown")


def _discogs_release(number: int, discogs: KeptDiscogs | None) -> DiscogsRelease:
    release = (discogs or KeptDiscogs(None)).facts(DiscogsKind.RELEASE, number)
    assert isinstance(release, DiscogsRelease)
    return release


def _recording_manifest(
    claim: ResolveClaim, musicbrainz: MusicbrainzPort, policy: CanonicalPolicy, checkpoint: Checkpoint
) -> Manifest:
    recording, releases = _recording(claim.target_mbid, musicbrainz, checkpoint)
    wished = claim.constraints.original_master
    if policy.prefer_original_master if wished is None else wished:
        releases = earliest_first(releases)
    best: ReleaseFacts | None = None
    if releases:
        try:
            best = _release(releases[0].mbid, musicbrainz, checkpoint)
        except Permanent:
            # It stood there a second ago. The recording is what was asked for; it is filed without an album then.
            log.info("release of a recording is gone: job=%s release=%s", claim.job_id, releases[0].mbid)
    return recording_manifest(recording, releases=releases, best=best)


def _recording(
    mbid: uuid.UUID, musicbrainz: MusicbrainzPort, checkpoint: Checkpoint
) -> tuple[RecordingFacts, tuple[ReleaseRef, ...]]:
    """From MusicBrainz; where that is switched off, as the catalog knows it."""
    try:
        recording, releases = musicbrainz.recording(mbid)
    except Transient as error:
        known = recording_known(mbid) if error.code == "musicbrainz_offline" else None
        if known is None:
            raise
        return known
    checkpoint("asked")
    recording_store(recording, asked_for=mbid)
    return recording, releases


def _release(mbid: uuid.UUID, musicbrainz: MusicbrainzPort, checkpoint: Checkpoint) -> ReleaseFacts:
    """From the catalog while it is fresh (so a killed task asks nothing twice), else from MusicBrainz; from the catalog if that one is away."""
    known = release_facts(mbid)
    if known is not None:
        return known
    try:
        release = musicbrainz.release(mbid)
    except Transient as error:
        stale = release_facts(mbid, fresh_for=None)
        if stale is None:
            raise
        log.info("an older tracklist has to do: release=%s code=%s", mbid, error.code)
        return stale
    checkpoint("asked")
    release_store(release, asked_for=mbid)
    checkpoint("stored")
    return release
