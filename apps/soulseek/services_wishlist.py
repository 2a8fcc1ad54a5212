"""Wishes of words, and dry runs: hunts without a job."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now

from apps.common.doorbell import WEB_CHANNEL, ring
from apps.common.transitions import advance
from apps.domain.jobs.constraints import Constraints
from apps.domain.soulseek.hunting import HuntTarget
from apps.domain.soulseek.states import HUNT_MOVES, HuntState
from apps.soulseek.models import Batch, Hunt
from apps.soulseek.services_hunt import HuntRefused, HuntUnknown, hunts_withdraw, wake
from apps.soulseek.services_search import search_words

MAX_WISHES: Final = 1000
"""Wishes of words that wait: at the server's pace each is asked at most each twelve minutes, and only two at once."""
DRY_RUN_KEPT: Final = timedelta(days=1)


def wish_add(
    words: str,
    *,
    auto_download: bool = False,
    lossless: bool = False,
    requested_by: User | None = None,
) -> uuid.UUID:
    """Look for words again and again until something is found; asking for the same words again is the same wish.

    `auto_download`: fetch the best folder (or file) that has all the words; else a person picks. Raises SearchRefused, HuntRefused `wishes_full`.
    """
    plain = search_words(words)
    known = Hunt.objects.filter(job_id=None, dry_run=False, words=plain).exclude(
        state__in=[HuntState.DONE, HuntState.CANCELLED]
    )
    if (row := known.first()) is not None:
        return row.id
    if (
        Hunt.objects.filter(job_id=None, dry_run=False).exclude(state__in=[HuntState.DONE, HuntState.CANCELLED]).count()
        >= MAX_WISHES
    ):
        raise HuntRefused("The wishlist is full.", code="wishes_full", most=MAX_WISHES)
    with transaction.atomic():
        row = Hunt.objects.create(
            words=plain,
            title=plain,
            target=HuntTarget(kind="words", words=plain, enriched=True).to_json(),
            constraints=Constraints(allow_lossy=not lossless).to_json(),
            auto_download=auto_download,
            origin="wishlist",
            requested_by=requested_by,
        )
        wake(Hunt.objects.filter(id=row.id))
        ring(WEB_CHANNEL, "wishlist")
    return row.id


def wish_edit(
    hunt_id: uuid.UUID, *, words: str | None = None, auto_download: bool | None = None, lossless: bool | None = None
) -> None:
    """Change a wish; new words are looked for at once. `auto_download` also of a job's hunt. Raises HuntUnknown, HuntRefused, SearchRefused."""
    row = Hunt.objects.filter(id=hunt_id, dry_run=False).first()
    if row is None:
        raise HuntUnknown("There is no such wish.", hunt=str(hunt_id))
    changes: dict[str, object] = {}
    if auto_download is not None:
        changes["auto_download"] = auto_download
    if (words is not None or lossless is not None) and row.job_id is not None:
        raise HuntRefused("What a job looks for is the job's to change.", code="hunt_not_of_words")
    anew = False
    if words is not None and (plain := search_words(words)) != row.words:
        changes |= {
            "words": plain,
            "title": plain,
            "target": HuntTarget(kind="words", words=plain, enriched=True).to_json(),
        }
        anew = True
    if lossless is not None:
        changes["constraints"] = Constraints(allow_lossy=not lossless).to_json()
        anew = anew or Constraints.from_json(row.constraints).allow_lossy == lossless
    with transaction.atomic():
        Hunt.objects.filter(id=hunt_id).update(**changes, updated_at=Now())
        if anew:
            rows = Hunt.objects.filter(id=hunt_id)
            hunts_withdraw(rows)
            advance(rows.exclude(state=HuntState.SEARCHING), moves=HUNT_MOVES, to=HuntState.SEARCHING)
            rows.update(code="", params={}, rung=0, rounds=0, searched_at=None, lease_until=None)
            wake(rows)
        ring(WEB_CHANNEL, "wishlist")


def wish_remove(hunt_id: uuid.UUID) -> None:
    """A wish of words goes; what it fetches stays. Repeating it changes nothing. Raises HuntRefused `hunt_not_of_words` for a job's."""
    rows = Hunt.objects.filter(id=hunt_id)
    if rows.filter(job_id__isnull=False).exists():
        raise HuntRefused("A job's wish ends with its job: cancel that.", code="hunt_not_of_words")
    with transaction.atomic():
        hunts_withdraw(rows)
        Batch.objects.filter(hunt__in=rows).update(hunt=None, candidate=None)
        rows.delete()
        ring(WEB_CHANNEL, "wishlist")


def hunt_rehearse(
    target: HuntTarget, *, title: str, constraints: Constraints, requested_by: User | None = None
) -> uuid.UUID:
    """A dry run: the questions are asked, answers weighed, and what would be chosen is shown; nothing is fetched. Forgotten after a day."""
    with transaction.atomic():
        row = Hunt.objects.create(
            words=(title or target.title)[:250] or "dry run",
            title=title[:500],
            target=target.to_json(),
            constraints=constraints.to_json(),
            auto_download=False,
            dry_run=True,
            origin="person",
            requested_by=requested_by,
        )
        wake(Hunt.objects.filter(id=row.id))
    return row.id


def dry_runs_forget(*, made_before: datetime) -> int:
    """Delete old dry runs; how many."""
    rows = Hunt.objects.filter(dry_run=True, created_at__lt=made_before)
    count = rows.count()
    rows.delete()
    return count
