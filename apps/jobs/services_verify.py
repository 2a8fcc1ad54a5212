"""Verification, as rows: a worker takes a track whose file is assembled, and gives it back completed, refused, waiting or failed.

The lease is the track's. Every way of giving it back is one transaction that begins with an UPDATE on (track, attempt, verifying): verdict, denial,
want, track and job change together or not at all.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.common.doorbell import WEB_CHANNEL, ring
from apps.common.transitions import advance, lease_claim
from apps.domain.errors import Param
from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.lifecycle import TRACK_MOVES, TrackState, TransferState, WantDesired
from apps.domain.jobs.placement import Beside, placement_of
from apps.domain.jobs.verdicts import DENYING
from apps.jobs.models import Job, JobTrack
from apps.jobs.services import job_refresh_state, lossy_tracks
from apps.jobs.services_manifest import manifest_mark
from apps.jobs.services_recheck import RECHECK_FIRST
from apps.jobs.services_resolve import tries_of
from apps.jobs.services_webhooks import job_event
from apps.library.selectors import PlacedSince
from apps.library.selectors_trash import root_writable
from apps.transfers.selectors import TransferFacts, transfer_facts
from apps.transfers.services import denial_write, sample_reject, verdict_write, wants_move

Params = Mapping[str, Param]


@dataclass(frozen=True, slots=True, kw_only=True)
class BesidePlace:
    """Beside which files this one belongs, and the folder of the library root that `beside` speaks of."""

    root: str
    beside: Beside


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyClaim:
    """An assembled file that this worker holds, and what it should be. `tries`: attempts that failed with `code`."""

    track_id: uuid.UUID
    job_id: uuid.UUID
    attempt: int
    code: str
    tries: int
    deaths: int
    """Attempts in a row whose process died without a word, just before this one."""
    transfer: TransferFacts
    recording_mbid: uuid.UUID
    track_mbid: uuid.UUID | None
    release_mbid: uuid.UUID | None
    medium: int
    position: int
    title: str
    artist: str
    album: str
    length_ms: int | None
    constraints: Constraints
    place: BesidePlace | None = None
    """None: below the library's root, by its template."""
    """of the job"""
    wishes: Constraints
    """of this track's want: what is configured and what is held are in it"""
    asked_at: datetime
    """when the job was asked for"""
    placing: Mapping[str, object] = field(default_factory=dict)
    """what an earlier attempt noted before it placed (`verify_placing`)"""

    def found(self, name: bytes) -> bool | None:
        """Whether this transfer's very bytes lay at `name` before an earlier attempt placed them there; None: there was no such attempt."""
        noted = self.placing
        if (noted.get("transfer"), noted.get("name")) != (str(self.transfer.id), name.hex()):
            return None
        return bool(noted.get("found"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedFile:
    """The finished file, as the track shows it."""

    file_id: int
    path: str
    """Absolute, harmless to show."""
    sha256: bytes
    verification: str
    """"fingerprint" or "unconfirmed"."""
    code: str = ""
    """Why it is unconfirmed."""
    params: Params


def verify_claim(transfer_id: uuid.UUID, *, lease_s: int) -> VerifyClaim | None:
    """Take the track of an assembled transfer without verdict, if its time has come and nobody else has it; else None."""
    transfer = transfer_facts(transfer_id)
    if transfer is None or transfer.judged or transfer.state is not TransferState.ASSEMBLED:
        return None
    due = JobTrack.objects.filter(want_id=transfer.want_id, state=TrackState.VERIFYING, next_step_at__lte=Now())
    died = due.filter(lease_until__lt=Now()).exists()  # whoever lives gives it back
    if not lease_claim(due, seconds=lease_s):
        return None
    track = JobTrack.objects.select_related("job", "want").get(want_id=transfer.want_id)
    before = track.params.get("deaths", 0)
    deaths = (before if isinstance(before, int) else 0) + 1 if died else 0
    if deaths:
        JobTrack.objects.filter(id=track.id, attempt=track.attempt).update(params={**track.params, "deaths": deaths})
    return VerifyClaim(
        track_id=track.id,
        job_id=track.job_id,
        attempt=track.attempt,
        code=track.code,
        tries=tries_of(track.params),
        deaths=deaths,
        transfer=transfer,
        recording_mbid=track.recording_mbid,
        track_mbid=track.track_mbid,
        release_mbid=track.job.release_mbid,
        medium=track.medium_position,
        position=track.position,
        title=track.title,
        artist=track.artist,
        album=track.job.title if track.job.release_mbid else "",
        length_ms=track.length_ms,
        constraints=Constraints.from_json(track.job.constraints),
        place=_beside(track),
        wishes=Constraints.from_json((track.want or track.job).constraints),
        asked_at=track.job.created_at,
        placing=track.placing,
    )


def _beside(track: JobTrack) -> BesidePlace | None:
    beside = placement_of(track.job.placements, medium=track.medium_position, position=track.position)
    if beside is None:
        return None
    path = root_writable(beside.root_id)
    return BesidePlace(root=path, beside=beside) if path is not None else None


def verify_renew(claim: VerifyClaim, *, lease_s: int) -> bool:
    """Keep the lease for another `lease_s`. False: the track is no longer this worker's (cancelled, taken over)."""
    return _mine(claim).update(lease_until=Now() + timedelta(seconds=lease_s)) == 1


def verify_placing(claim: VerifyClaim, *, name: bytes, found: bool) -> bool:
    """Note before (and, where another's file got there first, after) the file is placed whether its very bytes are somebody's own file there: that
    file is never taken away again. False: the track is no longer this worker's."""
    note = {"transfer": str(claim.transfer.id), "name": name.hex(), "found": found}
    return _mine(claim).update(placing=note, updated_at=Now()) == 1


def verify_later(claim: VerifyClaim, *, code: str, params: Params, delay_s: float) -> bool:
    """It can't be decided or placed now: the track waits with the reason and the time of the next attempt."""
    tries = claim.tries + 1 if claim.code == code else 1
    with transaction.atomic():
        kept = _mine(claim).update(
            code=code,
            params={**params, "tries": tries},
            next_step_at=Now() + timedelta(seconds=delay_s),
            lease_until=None,
            updated_at=Now(),
        )
        if kept:
            job_refresh_state(claim.job_id)
            ring(WEB_CHANNEL, f"job {claim.job_id}")
    return kept == 1


def verify_rejected(claim: VerifyClaim, *, code: str, params: Params) -> bool:
    """This file is refused: verdict, denial where the code means the payload (apps.domain.jobs.verdicts), track wanted again."""
    with transaction.atomic():
        if not _ended(claim, TrackState.WANTED, code=code, params=dict(params)):
            return False
        verdict_write(claim.transfer.id, accepted=False, code=code, params=params)
        if code in DENYING:
            denial_write(claim.transfer.id, code=code, params=params)
        job_event(claim.job_id, "track.rejected", track_id=claim.track_id)
        job_refresh_state(claim.job_id)
    return True


def sample_rejected(transfer_id: uuid.UUID, *, code: str, params: Params) -> bool:
    """The beginning of a file that is still on its way is refused (apps.transfers.services.sample_reject), and whoever listens is told."""
    with transaction.atomic():
        if not sample_reject(transfer_id, code=code, params=params):
            return False
        track = JobTrack.objects.filter(want__transfers__id=transfer_id).values_list("id", "job_id").first()
        if track is not None:
            job_event(track[1], "track.rejected", track_id=track[0])
    return True


def verify_accepted(claim: VerifyClaim, *, file: PlacedFile) -> bool:
    """The file is placed: track completed, verdict accepted, want satisfied, job recounted. An unconfirmed one is looked at again later."""
    with transaction.atomic():
        done = _ended(
            claim,
            TrackState.COMPLETED,
            code=file.code,
            params=dict(file.params),
            verification=file.verification,
            audio_file_id=file.file_id,
            placed_path=file.path,
            file_sha256=file.sha256,
            payload_root=claim.transfer.payload_root,
            next_step_at=None if file.verification == "fingerprint" else Now() + RECHECK_FIRST,
        )
        if not done:
            return False
        verdict_write(claim.transfer.id, accepted=True, code=file.code, params=file.params)
        wants_move([claim.transfer.want_id], desired=WantDesired.SATISFIED)
        job_event(claim.job_id, "track.completed", track_id=claim.track_id)
        job_refresh_state(claim.job_id)
    return True


def verify_held(claim: VerifyClaim, held: PlacedSince) -> bool:
    """Another job placed a file for this track meanwhile, and the download is none better: the track ends in that file, the download is not placed."""
    params: dict[str, Param] = {"profile": held.profile, "score": f"{held.score:.2f}"}
    with transaction.atomic():
        done = _ended(
            claim,
            TrackState.COMPLETED,
            code="already_held",
            params=dict(params),
            verification="fingerprint" if held.verified else "",
            audio_file_id=held.file_id,
            placed_path=held.path[:4000],
            payload_root=held.payload_root,
            placing={},
        )
        if not done:
            return False
        verdict_write(claim.transfer.id, accepted=True, code="already_held", params=params)
        wants_move([claim.transfer.want_id], desired=WantDesired.SATISFIED)
        job_event(claim.job_id, "track.completed", track_id=claim.track_id)
        job_refresh_state(claim.job_id)
    return True


def verify_failed(claim: VerifyClaim, *, code: str, params: Params) -> bool:
    """Nothing is wrong with the payload, but it can't be placed here: the track fails, its want ends; a person may retry."""
    with transaction.atomic():
        if not _ended(claim, TrackState.FAILED, code=code, params=dict(params)):
            return False
        wants_move([claim.transfer.want_id], desired=WantDesired.CANCELLED)
        job_event(claim.job_id, "track.failed", track_id=claim.track_id)
        job_refresh_state(claim.job_id)
    return True


def placed_moved(file_id: int, *, path: str, sha256: bytes | None = None) -> None:
    """A finished file got another name (a fix put it in the place of the old one) or other tags (`sha256`): the tracks that show it follow.
    `path`: absolute, harmless to show."""
    changes: dict[str, object] = {"placed_path": path[:4000]} | ({"file_sha256": sha256} if sha256 else {})
    JobTrack.objects.filter(audio_file_id=file_id, state=TrackState.COMPLETED).update(**changes, updated_at=Now())


def lossy_slot_take(claim: VerifyClaim) -> bool:
    """Reserve one of the album's lossy tracks for this file, before it is placed. False: they are used up."""
    limit = claim.constraints.lossy_limit
    if limit is None:
        return True
    with transaction.atomic():
        # Serialises the tracks of one job: two files finishing at once must not both take the last slot.
        Job.objects.filter(id=claim.job_id).update(updated_at=Now())
        others = JobTrack.objects.filter(job_id=claim.job_id).exclude(id=claim.track_id)
        taken = lossy_tracks(claim.job_id, finished_only=True) | frozenset(
            others.filter(state=TrackState.VERIFYING, params__lossy_slot=True).values_list("id", flat=True)
        )
        if len(taken - {claim.track_id}) >= limit:
            return False
        return (
            _mine(claim).update(
                params={"lossy_slot": True, "tries": claim.tries, "deaths": claim.deaths}, updated_at=Now()
            )
            == 1
        )


def _ended(claim: VerifyClaim, state: TrackState, **changes: object) -> bool:
    moved = advance(
        _mine(claim),
        moves=TRACK_MOVES,
        to=state,
        only_from=[TrackState.VERIFYING],
        lease_until=None,
        **{"next_step_at": None, **changes},
    )
    if moved:
        manifest_mark([claim.job_id])
        ring(WEB_CHANNEL, f"job {claim.job_id}")
    return moved == 1


def _mine(claim: VerifyClaim) -> QuerySet[JobTrack]:
    return JobTrack.objects.filter(id=claim.track_id, attempt=claim.attempt, state=TrackState.VERIFYING)
