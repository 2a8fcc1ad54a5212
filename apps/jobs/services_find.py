"""Finds as rows: a person asks, a worker answers bit by bit, everybody who asks the same meanwhile gets the same row.

No web request waits for MusicBrainz: what the catalog knows is answered at once (apps.jobs.selectors_find.known_answer), the rest by a worker through the
one limiter. Taken by a lease on the database's clock; every way of giving it back carries `attempt`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from apps.common.dispatch import TaskName, enqueue
from apps.common.doorbell import WEB_CHANNEL, ring
from apps.common.transitions import advance, lease_claim
from apps.domain.catalog.asked import FIND_ENDED, FIND_MOVES, FindState, asked_json, asked_key, asked_of
from apps.domain.catalog.candidates import Candidate, ranked
from apps.domain.catalog.links import Asked, understand
from apps.domain.errors import DomainError, Param
from apps.jobs.models import Find
from apps.jobs.selectors_find import known_answer

EQUAL_FOR: Final = timedelta(minutes=10)
"""So long a find answers those that ask the same."""
MAX_OPEN: Final = 60
"""Finds that wait or are asked: some five minutes of MusicBrainz' patience. More are refused, to be asked again."""
STAYS: Final = timedelta(days=1)
"""After which retention forgets a find."""


class FindRefused(DomainError):
    """A find that can't be taken now: `finds_full`."""

    default_code = "finds_full"


class FindUnknown(DomainError):
    """No find has this id, or it was forgotten."""

    default_code = "find_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class FindClaim:
    """A find that this worker answers. `tries`: attempts that failed with the code the row shows."""

    find_id: uuid.UUID
    asked: Asked
    attempt: int
    code: str
    tries: int


def find_ask(text: str, *, requested_by: User | None = None, again: bool = False) -> uuid.UUID:
    """Look for what a text means; the id of the row that has the answer, or will have it. `again`: also if the same was asked a moment ago.

    Raises DomainError: those of apps.domain.catalog.links.understand, and `finds_full`.
    """
    asked = understand(text.replace("\0", ""))
    key = asked_key(asked)
    if (equal := _equal(key, also_ended=not again)) is not None:
        return equal
    known = None if again else known_answer(asked)
    if known is None and Find.objects.exclude(state__in=sorted(FIND_ENDED)).count() >= MAX_OPEN:
        raise FindRefused("Too much is being looked up; ask again in a minute.", retryable=True, limit=MAX_OPEN)
    row = Find(
        text=" ".join(text.split())[:500],
        asked=asked_json(asked),
        asked_key=key,
        requested_by=requested_by,
    )
    if known is not None:
        candidates = ranked(known.candidates, asked)
        row.state = FindState.DONE.value
        row.candidates = [one.to_json() for one in candidates]
        row.found = max(known.found, len(candidates))
        row.merged_from = known.merged_from
        row.code = "" if candidates else "find_none"
        row.ended_at = timezone.now()
        row.save(force_insert=True)
        return row.id
    with transaction.atomic():
        row.save(force_insert=True)
        Find.objects.filter(id=row.id).update(next_step_at=Now())
        enqueue(TaskName.FIND, str(row.id))
    return row.id


def find_claim(find_id: uuid.UUID, *, lease_s: int) -> FindClaim | None:
    """Take a find that is due; None: somebody has it, or it ended. Raises AskedUnreadable for a row of another version."""
    due = Find.objects.filter(id=find_id, next_step_at__lte=Now()).exclude(state__in=sorted(FIND_ENDED))
    with transaction.atomic():
        if not lease_claim(due, seconds=lease_s):
            return None
        advance(Find.objects.filter(id=find_id), moves=FIND_MOVES, to=FindState.ASKING)
        ring(WEB_CHANNEL, f"find {find_id}")
    row = Find.objects.defer("candidates").get(id=find_id)
    return FindClaim(find_id=row.id, asked=asked_of(row.asked), attempt=row.attempt, code=row.code, tries=row.tries)


def find_renew(claim: FindClaim, *, lease_s: int) -> bool:
    """Keep the lease; False: it is not this worker's any more."""
    return _mine(claim).update(lease_until=Now() + timedelta(seconds=lease_s)) == 1


def find_so_far(claim: FindClaim, candidates: Sequence[Candidate]) -> bool:
    """Show what was found while the rest is asked. False: it is not this worker's any more."""
    return _write(claim, FindState.ASKING, candidates)


def find_done(
    claim: FindClaim,
    candidates: Sequence[Candidate],
    *,
    found: int = 0,
    merged_from: uuid.UUID | None = None,
    code: str = "",
    params: Mapping[str, Param] | None = None,
) -> bool:
    """The answer. `found` counts also what is not among the candidates; `code`: what is to be said of it."""
    return _write(
        claim,
        FindState.DONE,
        candidates,
        found=max(found, len(candidates)),
        merged_from=merged_from,
        code=code,
        params=dict(params or {}),
        lease_until=None,
        next_step_at=None,
        ended_at=Now(),
    )


def find_later(claim: FindClaim, *, code: str, params: Mapping[str, Param], delay_s: float) -> bool:
    """Not now: it waits and says why; what was found so far stays."""
    due = Now() + timedelta(seconds=delay_s)
    tries = claim.tries + 1 if claim.code == code else 1
    changes: dict[str, Any] = {
        "code": code,
        "params": dict(params),
        "tries": tries,
        "next_step_at": due,
        "lease_until": None,
    }
    with transaction.atomic():
        moved = advance(_mine(claim), moves=FIND_MOVES, to=FindState.WAITING, **changes)
        ring(WEB_CHANNEL, f"find {claim.find_id}")
    return moved == 1


def find_failed(claim: FindClaim, *, code: str, params: Mapping[str, Param]) -> bool:
    """It will never be answered; what was found so far stays."""
    changes: dict[str, Any] = {
        "code": code,
        "params": dict(params),
        "next_step_at": None,
        "lease_until": None,
        "ended_at": Now(),
    }
    with transaction.atomic():
        moved = advance(_mine(claim), moves=FIND_MOVES, to=FindState.FAILED, **changes)
        ring(WEB_CHANNEL, f"find {claim.find_id}")
    return moved == 1


def finds_forget(*, made_before: datetime) -> int:
    """Delete old finds; how many."""
    gone, _ = Find.objects.filter(created_at__lt=made_before).delete()
    return gone


def _write(claim: FindClaim, to: FindState, candidates: Sequence[Candidate], **changes: Any) -> bool:
    shown = ranked(candidates, claim.asked)
    told: dict[str, Any] = {"candidates": [one.to_json() for one in shown], "found": len(shown), **changes}
    with transaction.atomic():
        moved = advance(_mine(claim), moves=FIND_MOVES, to=to, **told)
        ring(WEB_CHANNEL, f"find {claim.find_id}")
    return moved == 1


def _mine(claim: FindClaim) -> QuerySet[Find]:
    return Find.objects.filter(id=claim.find_id, attempt=claim.attempt, state=FindState.ASKING)


def _equal(key: str, *, also_ended: bool) -> uuid.UUID | None:
    """A find of the same that did not fail, of the last minutes."""
    rows = Find.objects.filter(asked_key=key, created_at__gte=timezone.now() - EQUAL_FOR)
    gone = [FindState.FAILED] if also_ended else sorted(FIND_ENDED)
    return rows.exclude(state__in=gone).order_by("-created_at").values_list("id", flat=True).first()
