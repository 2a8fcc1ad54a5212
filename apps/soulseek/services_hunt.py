"""Hunts as rows: what a job (or a wish) looks for on Soulseek is begun, held, ended and woken here. Steps are a worker's (services_hunt_step).

Everything here may be repeated: a hunt is opened once per job, a hunt that is held stays held, waking one that works changes nothing.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Sequence
from typing import Final

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from apps.common.dispatch import TaskName, enqueue
from apps.common.doorbell import NODE_CHANNEL, WEB_CHANNEL, ring
from apps.common.transitions import advance
from apps.domain.errors import DomainError
from apps.domain.jobs.constraints import Constraints
from apps.domain.soulseek.hunting import MAX_TRACKS, HuntPolicy, HuntTarget, HuntTrack, TargetKind, again_after
from apps.domain.soulseek.states import HUNT_LIVE, HUNT_MOVES, HuntState, Outcome
from apps.soulseek.models import Hunt, Search, SourceOutcome

HOLDS: Final = "held_with_job"
"""Code of a hunt that its job paused, as opposed to a person."""


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
    """Look at it at once (a download of it ended, a search is over). False: it is held or over."""
    return wake(Hunt.objects.filter(id=hunt_id)) > 0


def wake(rows: QuerySet[Hunt]) -> int:
    """Bring the next step of these hunts forward to now."""
    ids = list(rows.filter(state__in=sorted(HUNT_LIVE - {HuntState.PAUSED})).values_list("id", flat=True))
    Hunt.objects.filter(id__in=ids).update(next_step_at=Now(), updated_at=Now())
    for one in ids:
        enqueue(TaskName.HUNT_STEP, str(one))
    return len(ids)


def hunts_hold(job_ids: Collection[uuid.UUID]) -> int:
    """Their jobs were paused: no questions, no downloads meanwhile. Call inside the job's transaction."""
    rows = Hunt.objects.filter(job_id__in=list(job_ids))
    held = advance(
        rows, moves=HUNT_MOVES, to=HuntState.PAUSED, code=HOLDS, params={}, next_step_at=None, lease_until=None
    )
    _withdraw(rows)
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
    return moved


def hunts_cancel(job_ids: Collection[uuid.UUID]) -> int:
    """Their jobs were cancelled."""
    return _end(Hunt.objects.filter(job_id__in=list(job_ids)), HuntState.CANCELLED, code="cancelled_with_job")


def hunts_job_over(job_ids: Collection[uuid.UUID]) -> int:
    """Their jobs ended by themselves: nothing is looked for any more."""
    return _end(Hunt.objects.filter(job_id__in=list(job_ids)), HuntState.DONE, code="job_over")


def hunt_again(job_id: uuid.UUID) -> bool:
    """Its job is tried again: the whole ladder from its first question. False: it has no hunt."""
    rows = Hunt.objects.filter(job_id=job_id)
    with transaction.atomic():
        return _from_the_top(rows)


def hunt_search_now(hunt_id: uuid.UUID) -> None:
    """A person asks for a look at once, wish or not. Raises HuntUnknown, HuntRefused `hunt_held`."""
    rows = Hunt.objects.filter(id=hunt_id)
    state = rows.values_list("state", flat=True).first()
    if state is None:
        raise HuntUnknown("There is no such hunt.", hunt=str(hunt_id))
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


def path_digest(remote_path: str) -> bytes:
    """The ledger's name of a file: SHA-256 of its path as told."""
    return hashlib.sha256(remote_path.encode("utf-8", "surrogatepass")).digest()


def _from_the_top(rows: QuerySet[Hunt]) -> bool:
    ids = list(rows.values_list("id", flat=True))
    _withdraw(rows)
    moved = rows.exclude(state=HuntState.SEARCHING).filter(state__in=sorted(HuntState))
    advance(moved, moves=HUNT_MOVES, to=HuntState.SEARCHING)
    rows.update(code="", params={}, rung=0, rounds=0, searched_at=None, lease_until=None, updated_at=Now())
    wake(Hunt.objects.filter(id__in=ids))
    ring(WEB_CHANNEL, "hunts")
    return bool(ids)


def _end(rows: QuerySet[Hunt], to: HuntState, *, code: str) -> int:
    ended = advance(rows, moves=HUNT_MOVES, to=to, code=code, params={}, next_step_at=None, lease_until=None)
    _withdraw(rows)
    ring(WEB_CHANNEL, "hunts")
    return ended


def _withdraw(rows: QuerySet[Hunt]) -> None:
    """Their searches that wait are no longer wanted."""
    open_ = Search.objects.filter(hunt__in=rows.values("id"), withdrawn_at=None).filter(
        Q(progress=None) | Q(progress__state__in=["queued", "running"])
    )
    if Search.objects.filter(id__in=list(open_.values_list("id", flat=True))).update(withdrawn_at=Now()):
        ring(NODE_CHANNEL, "searches withdrawn")
