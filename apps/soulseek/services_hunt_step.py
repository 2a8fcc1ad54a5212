"""A hunt as a worker moves it: taken by a lease, given back with a question asked, candidates weighed, a batch made, or a time to look again.

Every way of giving it back carries `attempt`: a worker that lost its lease changes nothing. What is asked and fetched is written in the same transaction as
the hunt's own move, so that a kill between two steps repeats nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from apps.common.doorbell import WEB_CHANNEL, ring
from apps.common.transitions import advance, lease_claim
from apps.domain.contracts.soulseek_downloads import FileAsked
from apps.domain.errors import Param
from apps.domain.jobs.constraints import Constraints
from apps.domain.soulseek.answers import attributes_of
from apps.domain.soulseek.budget import Urgency
from apps.domain.soulseek.candidates import Candidate as Weighed
from apps.domain.soulseek.candidates import CandidateFile
from apps.domain.soulseek.hunting import HuntTarget, Part, elsewhere
from apps.domain.soulseek.queries import Query
from apps.domain.soulseek.states import HUNT_LIVE, HUNT_MOVES, HuntState
from apps.soulseek.models import Candidate, Hunt, Search
from apps.soulseek.services_download import batch_create
from apps.soulseek.services_hunt import WOKEN, files_of_candidate
from apps.soulseek.services_search import SearchRefused, search_ask

MAX_KEPT: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class HuntClaim:
    """A hunt that this worker holds."""

    id: uuid.UUID
    job_id: uuid.UUID | None
    target: HuntTarget
    constraints: Constraints
    state: HuntState
    code: str
    rounds: int
    auto_download: bool
    dry_run: bool
    priority: int
    origin: str
    requested_by_id: int | None
    searched_at: datetime | None
    attempt: int


def hunt_claim(hunt_id: uuid.UUID, *, lease_s: int) -> HuntClaim | None:
    """Take a hunt; None: it is held, over, in somebody's hands, or a wish (or waiting for a person) whose time has not come."""
    patient = Q(state__in=[HuntState.WISHING, HuntState.ASKING], next_step_at__lte=Now())
    rows = Hunt.objects.filter(Q(state__in=WOKEN) | patient, id=hunt_id)
    if not lease_claim(rows, seconds=lease_s):
        return None
    row = Hunt.objects.get(id=hunt_id)
    return HuntClaim(
        id=row.id,
        job_id=row.job_id,
        target=HuntTarget.from_json(row.target),
        constraints=Constraints.from_json(row.constraints),
        state=HuntState(row.state),
        code=row.code,
        rounds=row.rounds,
        auto_download=row.auto_download,
        dry_run=row.dry_run,
        priority=row.priority,
        origin=row.origin,
        requested_by_id=row.requested_by_id,
        searched_at=row.searched_at,
        attempt=row.attempt,
    )


def hunt_renew(claim: HuntClaim, *, lease_s: int) -> bool:
    """Keep the lease; False: it is not this worker's any more."""
    return _mine(claim).update(lease_until=Now() + timedelta(seconds=lease_s)) == 1


def hunt_target_note(claim: HuntClaim, target: HuntTarget) -> bool:
    """Keep what was looked up of its names."""
    return _mine(claim).update(target=target.to_json()) == 1


def hunt_round(claim: HuntClaim) -> HuntClaim | None:
    """Begin a round: the first, or a wish's next visit. None: not ours any more."""
    now = timezone.now()
    rounds = claim.rounds + 1 if claim.searched_at is not None else claim.rounds
    with transaction.atomic():
        if not _mine(claim).update(searched_at=now, rounds=rounds, rung=0):
            return None
    return HuntClaim(
        **{**{name: getattr(claim, name) for name in claim.__slots__}, "searched_at": now, "rounds": rounds}
    )


def hunt_ask(claim: HuntClaim, query: Query, *, rung: int, wish: bool) -> bool:
    """Ask the next question. False: not ours any more."""
    person = User.objects.filter(id=claim.requested_by_id).first() if claim.requested_by_id else None
    urgency = Urgency.WISH if wish else Urgency.PERSON if claim.dry_run else Urgency.JOB
    with transaction.atomic():
        if not _give_back(
            claim,
            HuntState.SEARCHING,
            code="hunt_asks",
            params={"words": query.words, "why": query.why, "number": rung + 1},
            pause=timedelta(minutes=5),
            rung=rung + 1,
        ):
            return False
        try:
            search_ask(
                query.words,
                urgency=urgency,
                origin="wishlist" if wish else "job",
                requested_by=person,
                hunt_id=claim.id,
            )
        except SearchRefused as error:
            if not error.retryable:
                raise
            Hunt.objects.filter(id=claim.id).update(
                code=error.code, params=dict(error.params), next_step_at=Now() + timedelta(minutes=2)
            )
    return True


def candidates_write(claim: HuntClaim, weighed: Sequence[Weighed], *, since: datetime) -> dict[int, int]:
    """Keep what was weighed, in place of what was weighed before and not tried; place → row. Answers until now count as weighed."""
    now = timezone.now()
    with transaction.atomic():
        if not _mine(claim).exists():
            return {}
        Candidate.objects.filter(hunt_id=claim.id, tried_at=None).delete()
        rows = [
            Candidate(
                hunt_id=claim.id,
                rank=at,
                user=one.user,
                folder=one.folder[:2000],
                score=one.score,
                whole=one.whole,
                files=[_file_json(file, claim.target) for file in one.files],
                missing=[
                    {"disc": track.disc, "position": track.position, "title": track.title} for track in one.missing
                ],
                terms=[asdict(term) for term in one.terms],
                payload_bytes=one.payload_bytes,
                expected_s=one.expected_s,
                refused=one.refused,
                found_at=now,
            )
            for at, one in enumerate(weighed[:MAX_KEPT])
        ]
        Candidate.objects.bulk_create(rows)
        Search.objects.filter(hunt_id=claim.id, weighed_at=None, progress__ended_at__isnull=False).update(
            weighed_at=now
        )
        ring(WEB_CHANNEL, f"hunt {claim.id}")
    return {at: row.id for at, row in enumerate(rows)}


def hunt_fetch(
    claim: HuntClaim,
    weighed: Sequence[Weighed],
    parts: Sequence[Part],
    *,
    rows: Mapping[int, int],
    patient: bool = False,
) -> bool:
    """Ask for what was chosen: a batch for each sharer. `patient`: no other candidate may be tried in this round, so these are waited for. False: not
    ours any more."""
    leaves = not patient and claim.target.kind != "words"
    with transaction.atomic():
        first = weighed[parts[0].candidate]
        if not _give_back(
            claim,
            HuntState.FETCHING,
            code="hunt_fetches",
            params={"user": first.user, "sharers": len(parts), "files": sum(len(part.files) for part in parts)},
            pause=timedelta(minutes=10),
        ):
            return False
        for part in parts:
            one = weighed[part.candidate]
            others = elsewhere(weighed, part) if leaves else frozenset()
            files = files_of_candidate(
                [{**_file_json(one.files[place], claim.target), "elsewhere": place in others} for place in part.files],
                claim.target,
            )
            if files:
                _batch(claim, one.user, one.folder, files, candidate_id=rows.get(part.candidate), chosen_by="rule")
    return True


def _batch(
    claim: HuntClaim,
    user: str,
    folder: str,
    files: Sequence[FileAsked],
    *,
    candidate_id: int | None,
    chosen_by: str,
) -> uuid.UUID:
    person = User.objects.filter(id=claim.requested_by_id).first() if claim.requested_by_id else None
    if candidate_id is not None:
        Candidate.objects.filter(id=candidate_id).update(tried_at=timezone.now(), chosen_by=chosen_by)
    return batch_create(
        user=user,
        folder=folder,
        files=files,
        hunt_id=claim.id,
        candidate_id=candidate_id,
        job_id=claim.job_id,
        origin=claim.origin if claim.rounds == 0 else "wishlist",
        priority=claim.priority,
        title=Hunt.objects.filter(id=claim.id).values_list("title", flat=True).first() or folder,
        requested_by=person,
    )


def hunt_rest(
    claim: HuntClaim, state: HuntState, *, code: str, params: Mapping[str, Param] | None = None, pause: timedelta | None
) -> bool:
    """Nothing to do now; look again after `pause` (None: when somebody wakes it)."""
    with transaction.atomic():
        return _give_back(claim, state, code=code, params=params or {}, pause=pause)


def hunt_end(claim: HuntClaim, state: HuntState, *, code: str) -> bool:
    """Done, or cancelled."""
    with transaction.atomic():
        return _give_back(claim, state, code=code, params={}, pause=None)


def hunt_wishes(claim: HuntClaim, *, pause: timedelta, code: str, auto_download: bool) -> bool:
    """Nothing more to try: it waits for its next visit."""
    with transaction.atomic():
        return _give_back(claim, HuntState.WISHING, code=code, params={}, pause=pause, auto_download=auto_download)


def _give_back(
    claim: HuntClaim,
    state: HuntState,
    *,
    code: str,
    params: Mapping[str, Param],
    pause: timedelta | None,
    **more: Any,
) -> bool:
    changes: dict[str, Any] = {
        "code": code,
        "params": dict(params),
        "lease_until": None,
        "next_step_at": None if pause is None else Now() + pause,
        **more,
    }
    rows = _mine(claim)
    moved = rows.filter(state=state).update(updated_at=Now(), **changes)
    if not moved:
        moved = advance(rows, moves=HUNT_MOVES, to=state, **changes)
    ring(WEB_CHANNEL, f"hunt {claim.id}")
    return bool(moved)


def _mine(claim: HuntClaim) -> QuerySet[Hunt]:
    live = sorted(HUNT_LIVE - {HuntState.PAUSED})
    return Hunt.objects.filter(id=claim.id, attempt=claim.attempt, state__in=live)


def _file_json(file: CandidateFile, wants: HuntTarget) -> dict[str, object]:
    """A row's form of a candidate's file; what a person picks is read from it again."""
    return {
        "path": file.file.path,
        "size": file.file.size,
        "attributes": attributes_of(file.file),
        "length_s": file.file.length_s,
        "disc": file.track.disc,
        "position": file.track.position,
        "title": file.track.title,
        "recording": str(file.track.recording_mbid) if file.track.recording_mbid and wants.kind != "words" else None,
        "profile": str(file.profile) if file.profile is not None else "",
        "distance": round(file.distance, 4),
        "penalties": [asdict(one) for one in file.penalties],
    }
