"""What nobody needs any more of hunts and of what came of sources is forgotten, in small steps: each is a short transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db.models import Q

from apps.domain.soulseek.states import FOR_GOOD, HUNT_LIVE, Outcome
from apps.soulseek.models import Candidate, Hunt, SourceOutcome

STEP: Final = 500
MOST: Final = 50_000
"""Rows of one call at most; the next sweep goes on."""

_LASTING: Final = sorted(FOR_GOOD - {Outcome.BANNED})
"""What says that a file is not what its owner calls it. A ban is an outcome of its time: `spent_of` looks back a while only."""


def hunts_forget(*, ended_before: datetime) -> tuple[int, int]:
    """Candidates of hunts that were over before, and those hunts that belong to no job; how many (hunts, candidates).

    A hunt of a job is one row and stays with it: trying the job again goes on from it, and one that a person ended must not be opened anew.
    """
    over = ~Q(state__in=sorted(HUNT_LIVE)) & Q(updated_at__lt=ended_before)
    candidates = hunts = 0
    old = Candidate.objects.filter(hunt__in=Hunt.objects.filter(over).values("id"))
    while candidates < MOST and (ids := list(old.values_list("id", flat=True)[:STEP])):
        Candidate.objects.filter(id__in=ids).delete()
        candidates += len(ids)
    wishes = Hunt.objects.filter(over, job_id=None).exclude(candidates__isnull=False)
    while hunts < MOST and (found := list(wishes.values_list("id", flat=True)[:STEP])):
        Hunt.objects.filter(id__in=found).delete()
        hunts += len(found)
    return hunts, candidates


def outcomes_forget(*, before: datetime, now: datetime) -> int:
    """What came of sources before, where it keeps nobody from asking again; how many. What failed for good is remembered for good (`SourceOutcome`)."""
    gone = 0
    spent = SourceOutcome.objects.filter(at__lt=before).exclude(outcome__in=_LASTING).exclude(again_at__gt=now)
    while gone < MOST and (ids := list(spent.order_by("at").values_list("id", flat=True)[:STEP])):
        SourceOutcome.objects.filter(id__in=ids).delete()
        gone += len(ids)
    return gone
