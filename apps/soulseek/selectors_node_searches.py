"""What the node reads of searches."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db.models import F, Q
from django.utils import timezone

from apps.domain.contracts.soulseek_search import OpenSearches, SearchesBefore, SearchKept, SearchWork
from apps.domain.soulseek.budget import SearchScope, Urgency
from apps.domain.soulseek.states import SearchState
from apps.domain.soulseek.user_rules import Effect, MatchBy, Rule
from apps.soulseek.models import Search, SearchProgress, UserRule

MAX_READ: Final = 6000
"""More than may wait (services_search.MAX_OPEN)."""
MAX_RULES: Final = 5000
NOT_OVER: Final = Q(progress=None) | Q(progress__state__in=[SearchState.QUEUED, SearchState.RUNNING])


def searches_open() -> OpenSearches:
    """Searches that are not over, oldest first, and who is not heard. Withdrawn ones are told once more, so that the node says so."""
    rows = Search.objects.filter(NOT_OVER).order_by("created_at", "id")[:MAX_READ]
    refusals = UserRule.objects.filter(effect__in=[Effect.IGNORE, Effect.BAN, Effect.BUDDY]).order_by("id")
    return OpenSearches(
        searches=tuple(_work(one) for one in rows),
        rules=tuple(
            Rule(effect=Effect(effect), match=MatchBy(match), pattern=pattern)
            for effect, match, pattern in refusals.values_list("effect", "match", "pattern")[:MAX_RULES]
        ),
    )


def searches_before(*, window: timedelta, kept: timedelta) -> SearchesBefore:
    """When searches were sent within the last `window`, and those answered in the last `kept`. Only those that were sent count: the first of equal ones."""
    now = timezone.now()
    sent = SearchProgress.objects.filter(Q(answers_in=F("search_id")) | Q(answers_in=None))
    starts = sent.filter(started_at__gt=now - window).values_list("started_at", flat=True)
    answered = sent.filter(state=SearchState.OVER, ended_at__gt=now - kept, users__gt=0).select_related("search")
    return SearchesBefore(
        starts=tuple(one for one in starts if one is not None),
        kept=tuple(
            SearchKept(
                id=one.search_id,
                query=one.search.query,
                scope=SearchScope(one.search.scope),
                whom=one.search.whom,
                ended_at=one.ended_at,
                users=one.users,
                files=one.files,
                truncated=one.truncated,
            )
            for one in answered.order_by("-ended_at")[:200]
            if one.ended_at is not None
        ),
    )


def _work(row: Search) -> SearchWork:
    if row.hunt_id is not None:
        whose = f"hunt {row.hunt_id}"
    else:
        whose = f"{row.origin} {row.requested_by_id or ''}"
    return SearchWork(
        id=row.id,
        query=row.query,
        scope=SearchScope(row.scope),
        whom=row.whom,
        urgency=Urgency(row.urgency),
        anew=row.anew,
        whose=whose,
        withdrawn=row.withdrawn_at is not None,
    )
