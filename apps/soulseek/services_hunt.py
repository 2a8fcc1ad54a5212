"""Hunts as rows: what a job (or a wish) looks for on Soulseek is begun, held, ended and woken here. Steps are a worker's (services_hunt_step).

Everything here may be repeated: a hunt is opened once per job, a hunt that is held stays held, waking one that works changes nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from apps.common.dispatch import TaskName, enqueue
from apps.common.doorbell import NODE_CHANNEL, WEB_CHANNEL, ring
from apps.common.transitions import advance
from apps.domain.contracts.soulseek_downloads import FileAsked
from apps.domain.errors import DomainError
from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.lifecycle import WantDesired
from apps.domain.soulseek.answers import path_digest
from apps.domain.soulseek.hunting import MAX_TRACKS, HuntPolicy, HuntTarget, HuntTrack, TargetKind, again_after
from apps.domain.soulseek.states import HUNT_LIVE, HUNT_MOVES, DownloadDesired, HuntState, Outcome
from apps.soulseek.models import Batch, Candidate, Hunt, Search, SourceOutcome
from apps.soulseek.services_download import batch_create, batch_move
from apps.transfers.models import Want

WOKEN: Final = sorted(HUNT_LIVE - {HuntState.PAUSED, HuntState.ASKING, HuntState.WISHING})
HOLDS: Final = "held_with_job"
"""Code of a hunt that its job paused …"""
HELD: Final = "held_by_person"
"""… and of one that a person held."""
PICKED: Final = 9
"""Priority of what a person picked."""


class HuntRefused(DomainError):
    """What can't be done to a hunt: `hunt_over`, `hunt_held`, `candidate_unknown`, `candidate_tried`, `candidate_nothing_open`, `hunt_not_of_words`."""

    default_code = "hunt_refused"


class HuntUnknown(DomainError):
    """No hunt has this id."""

    default_code = "hunt_unknown"


def hunt_open(
    job_id: uuid.UUID,
    *,
    kind: TargetKind,
    title: str,
    artist: str,
    tracks: Sequence[HuntTrack],
    year: str = "",
    release_mbid: uuid.UUID | None = None,
    constraints: Constraints,
    policy: HuntPolicy,
    priority: int = 5,
    origin: str = "job",
    requested_by_id: int | None = None,
) -> uuid.UUID | None:
    """Look for a job's tracks on Soulseek; call it in the transaction that makes their wants. Repeating it changes nothing.

    None: nothing is hunted (no account, a mode without Soulseek, no open track).
    """
    if not policy.hunting or not tracks:
        return None
    target = HuntTarget(
        kind=kind,
        artist=artist[:1000],
        title=title[:1000],
        year=year[:4],
        release=release_mbid,
        tracks=tuple(tracks[:MAX_TRACKS]),
    )
    hunt, created = Hunt.objects.get_or_create(
        job_id=job_id,
        defaults={
            "title": (f"{artist} – {title}" if artist else title)[:500],
            "target": target.to_json(),
            "constraints": constraints.to_json(),
            "auto_download": policy.auto_download,
            "priority": priority,
            "origin": origin if origin in {"job", "wishlist", "person", "v0"} else "job",
            "requested_by_id": requested_by_id,
        },
    )
    if created:
        wake(Hunt.objects.filter(id=hunt.id))
    return hunt.id


def hunt_wake(hunt_id: uuid.UUID) -> bool:
    """Look at it at once (a download of it ended, a search is over). False: it is held, over, or waits for a person or for its visit as a wish."""
    return wake(Hunt.objects.filter(id=hunt_id)) > 0


def wake(rows: QuerySet[Hunt]) -> int:
    """Bring the next step of these hunts forward to now."""
    ids = list(rows.filter(state__in=WOKEN).values_list("id", flat=True))
    Hunt.objects.filter(id__in=ids).update(next_step_at=Now(), updated_at=Now())
    for one in ids:
        enqueue(TaskName.HUNT_STEP, str(one))
    return len(ids)


def hunts_follow(job_ids: Collection[uuid.UUID], desired: WantDesired) -> None:
    """Their jobs were paused, resumed or cancelled: hunts and what they fetch likewise. Call inside the job's transaction."""
    match desired:
        case WantDesired.PAUSED:
            hunts_hold(job_ids)
        case WantDesired.ACTIVE:
            hunts_resume(job_ids)
        case WantDesired.CANCELLED:
            hunts_cancel(job_ids)
        case WantDesired.SATISFIED:
            hunts_job_over(job_ids)


def hunts_hold(job_ids: Collection[uuid.UUID]) -> int:
    """Their jobs were paused: no questions, no downloads meanwhile. Call inside the job's transaction."""
    rows = Hunt.objects.filter(job_id__in=list(job_ids))
    held = advance(
        rows, moves=HUNT_MOVES, to=HuntState.PAUSED, code=HOLDS, params={}, next_step_at=None, lease_until=None
    )
    hunts_withdraw(rows)
    _downloads(rows, DownloadDesired.PAUSED)
    ring(WEB_CHANNEL, "hunts held")
    return held


def hunts_resume(job_ids: Collection[uuid.UUID]) -> int:
    """Their jobs go on. Hunts that a person held stay held."""
    rows = Hunt.objects.filter(job_id__in=list(job_ids), code=HOLDS)
    ids = list(rows.values_list("id", flat=True))
    moved = advance(
        Hunt.objects.filter(id__in=ids),
        moves=HUNT_MOVES,
        to=HuntState.SEARCHING,
        only_from=[HuntState.PAUSED],
        code="",
        params={},
    )
    wake(Hunt.objects.filter(id__in=ids))
    _downloads(Hunt.objects.filter(id__in=ids), DownloadDesired.ACTIVE)
    return moved


def hunts_cancel(job_ids: Collection[uuid.UUID]) -> int:
    """Their jobs were cancelled."""
    return _end(Hunt.objects.filter(job_id__in=list(job_ids)), HuntState.CANCELLED, code="cancelled_with_job")


def hunts_job_over(job_ids: Collection[uuid.UUID]) -> int:
    """Their jobs ended by themselves: nothing is looked for any more."""
    return _end(Hunt.objects.filter(job_id__in=list(job_ids)), HuntState.DONE, code="job_over")


def hunts_again(job_ids: Collection[uuid.UUID]) -> None:
    """Their jobs are tried again: the whole ladder from its first question. Call inside the job's transaction."""
    _from_the_top(Hunt.objects.filter(job_id__in=list(job_ids)))


def hunt_hold(hunt_id: uuid.UUID) -> None:
    """A person holds it. Raises HuntUnknown, HuntRefused `hunt_over`."""
    rows = _rows(hunt_id)
    with transaction.atomic():
        moved = advance(
            rows, moves=HUNT_MOVES, to=HuntState.PAUSED, code=HELD, params={}, next_step_at=None, lease_until=None
        )
        if not moved and not rows.filter(state=HuntState.PAUSED).update(code=HELD):
            raise HuntRefused("It is over.", code="hunt_over")
        hunts_withdraw(rows)
        _downloads(rows, DownloadDesired.PAUSED)
        ring(WEB_CHANNEL, "hunts held")


def hunt_resume(hunt_id: uuid.UUID) -> None:
    """It goes on. Raises HuntUnknown."""
    rows = _rows(hunt_id)
    with transaction.atomic():
        if advance(rows, moves=HUNT_MOVES, to=HuntState.SEARCHING, only_from=[HuntState.PAUSED], code="", params={}):
            _downloads(rows, DownloadDesired.ACTIVE)
            wake(rows)


def hunt_pick(
    hunt_id: uuid.UUID,
    candidate_id: int,
    *,
    paths: Collection[str] | None = None,
    requested_by: User | None = None,
) -> uuid.UUID:
    """A person picks a candidate, whatever rules say of it: all its files that are still wanted, or those of `paths`. The batch that was made.

    Raises HuntUnknown, HuntRefused `candidate_unknown`, `candidate_nothing_open`, `hunt_held`.
    """
    hunt = _rows(hunt_id).first()
    if hunt is None or hunt.dry_run:
        raise HuntUnknown("There is no such hunt.", hunt=str(hunt_id))
    if hunt.state == HuntState.PAUSED:
        raise HuntRefused("It is held; let it go on first.", code="hunt_held")
    row = Candidate.objects.filter(id=candidate_id, hunt_id=hunt_id).first()
    if row is None:
        raise HuntRefused("There is no such candidate any more.", code="candidate_unknown")
    target = HuntTarget.from_json(hunt.target)
    files = [one for one in row.files if paths is None or one.get("path") in paths]
    asked = files_of_candidate(files, target)
    if not asked:
        raise HuntRefused("None of it is wanted any more.", code="candidate_nothing_open")
    with transaction.atomic():
        batch = batch_create(
            user=row.user,
            folder=row.folder,
            files=asked,
            hunt_id=hunt.id,
            candidate_id=row.id,
            job_id=hunt.job_id,
            origin="person",
            priority=PICKED,
            title=hunt.title or hunt.words,
            requested_by=requested_by,
        )
        Candidate.objects.filter(id=row.id).update(tried_at=Now(), chosen_by="person")
        advance(_rows(hunt_id), moves=HUNT_MOVES, to=HuntState.FETCHING)
        _rows(hunt_id).update(
            code="hunt_picked",
            params={"user": row.user, "files": len(asked)},
            next_step_at=Now() + timedelta(seconds=60),
            lease_until=None,
            attempt=F("attempt") + 1,
            updated_at=Now(),
        )
        hunts_withdraw(_rows(hunt_id))
        ring(WEB_CHANNEL, f"hunt {hunt_id}")
    return batch


def files_of_candidate(files: Sequence[Mapping[str, Any]], target: HuntTarget) -> list[FileAsked]:
    """What is asked for of a candidate's files as rows keep them: those whose track is wanted still; all of a wish of words."""
    wants = {(one.disc, one.position): one for one in target.tracks}
    named = [one.want for one in target.tracks if one.want is not None]
    alive = set(
        Want.objects.filter(id__in=named, desired__in=[WantDesired.ACTIVE, WantDesired.PAUSED]).values_list(
            "id", flat=True
        )
    )
    asked = []
    for one in files:
        track = wants.get((one["disc"], one["position"])) if target.kind != "words" else None
        if target.kind != "words" and (track is None or track.want not in alive):
            continue
        length_s = one.get("length_s")
        asked.append(
            FileAsked(
                path=one["path"],
                size_bytes=one["size"],
                attributes=one["attributes"],
                want_id=track.want if track is not None else None,
                recording_mbid=track.recording if track is not None else None,
                duration_ms=(track.length_ms if track is not None else None) or (length_s * 1000 if length_s else None),
                profile=one.get("profile", ""),
                elsewhere=bool(one.get("elsewhere", False)),
            )
        )
    return asked


def hunt_search_now(hunt_id: uuid.UUID) -> None:
    """A person asks for a look at once, wish or not. Raises HuntUnknown, HuntRefused `hunt_held`."""
    rows = _rows(hunt_id)
    state = rows.values_list("state", flat=True).first()
    if state == HuntState.PAUSED:
        raise HuntRefused("It is held; let it go on first.", code="hunt_held")
    with transaction.atomic():
        _from_the_top(rows)


def outcome_record(
    *,
    user: str,
    remote_path: str,
    outcome: Outcome,
    recording_mbid: uuid.UUID | None = None,
    hunt_id: uuid.UUID | None = None,
    code: str = "",
    payload_format: str = "",
    payload_root: bytes | None = None,
) -> None:
    """Note what came of a source, so that what failed for good is never asked for again, and the rest not too soon. Call it in the transaction that takes
    the end in; each end is noted once by its caller."""
    digest = path_digest(remote_path)
    before = SourceOutcome.objects.filter(user=user, path_digest=digest, outcome=outcome)
    rest = again_after(outcome, times=before.count() + 1)
    now = timezone.now()
    SourceOutcome.objects.create(
        recording_mbid=recording_mbid,
        hunt_id=hunt_id,
        user=user,
        path_digest=digest,
        payload_format=payload_format,
        payload_root=payload_root,
        outcome=outcome,
        code=code[:60],
        again_at=now + rest if rest is not None else None,
        at=now,
    )


def _rows(hunt_id: uuid.UUID) -> QuerySet[Hunt]:
    rows = Hunt.objects.filter(id=hunt_id)
    if not rows.exists():
        raise HuntUnknown("There is no such hunt.", hunt=str(hunt_id))
    return rows


def _from_the_top(rows: QuerySet[Hunt]) -> bool:
    ids = list(rows.values_list("id", flat=True))
    hunts_withdraw(rows)
    moved = rows.exclude(state=HuntState.SEARCHING).filter(state__in=sorted(HuntState))
    advance(moved, moves=HUNT_MOVES, to=HuntState.SEARCHING)
    rows.update(code="", params={}, rung=0, rounds=0, searched_at=None, lease_until=None, updated_at=Now())
    wake(Hunt.objects.filter(id__in=ids))
    ring(WEB_CHANNEL, "hunts")
    return bool(ids)


def _end(rows: QuerySet[Hunt], to: HuntState, *, code: str) -> int:
    ended = advance(rows, moves=HUNT_MOVES, to=to, code=code, params={}, next_step_at=None, lease_until=None)
    hunts_withdraw(rows)
    _downloads(rows, DownloadDesired.CANCELLED)
    ring(WEB_CHANNEL, "hunts")
    return ended


def _downloads(rows: QuerySet[Hunt], desired: DownloadDesired) -> None:
    """What these hunts fetch, likewise."""
    batches = list(Batch.objects.filter(hunt__in=rows.values("id"), ended_at=None).values_list("id", flat=True))
    for at in range(0, len(batches), 500):
        batch_move(batches[at : at + 500], desired)


def hunts_withdraw(rows: QuerySet[Hunt]) -> None:
    """Searches of these hunts that wait are no longer wanted."""
    open_ = Search.objects.filter(hunt__in=rows.values("id"), withdrawn_at=None).filter(
        Q(progress=None) | Q(progress__state__in=["queued", "running"])
    )
    if Search.objects.filter(id__in=list(open_.values_list("id", flat=True))).update(withdrawn_at=Now()):
        ring(NODE_CHANNEL, "searches withdrawn")
