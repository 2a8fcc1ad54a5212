"""Searches as rows: people, jobs, wishes and integrations hand them in here; the node's governor sends them when their turn comes.

Nobody is refused because much is asked: a search waits, and says how long. Withdrawing one that runs for others too only takes this caller out.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now

from apps.common.doorbell import NODE_CHANNEL, WEB_CHANNEL, ring
from apps.common.ids import new_id
from apps.domain.errors import DomainError
from apps.domain.soulseek.budget import MAX_QUERY_CHARS, MIN_QUERY_CHARS, SearchKey, SearchScope, Urgency, search_key
from apps.domain.soulseek.states import SearchState
from apps.soulseek.models import Search

MAX_OPEN: Final = 5000
"""Searches that wait at the same time: nine hours of the server's patience. Whoever hands in more is a program gone wrong."""
MAX_WHOM_CHARS: Final = 120
MAX_STORED_CHARS: Final = 250
ORIGINS: Final = frozenset({"job", "wishlist", "person", "v0"})
NOT_OVER: Final = frozenset({SearchState.QUEUED, SearchState.RUNNING})


class SearchRefused(DomainError):
    """A search that nobody would answer: `search_too_short`, `search_too_long`, `search_whom_missing`, `search_id_taken`, `searches_full`."""

    default_code = "search_invalid"


class SearchUnknown(DomainError):
    """No search has this id, or it was forgotten."""

    default_code = "search_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchAsked:
    """Answer to `search_ask`. `created` False: this id had handed in the same search before."""

    id: uuid.UUID
    created: bool


def search_ask(
    query: str,
    *,
    search_id: uuid.UUID | None = None,
    scope: SearchScope = SearchScope.NETWORK,
    whom: str = "",
    urgency: Urgency = Urgency.PERSON,
    anew: bool = False,
    origin: str = "person",
    requested_by: User | None = None,
    hunt_id: uuid.UUID | None = None,
) -> SearchAsked:
    """Hand in a search. `search_id` may be the caller's: the same id with the same search is the same search.

    `anew`: not the answers that an equal search got a moment ago. `whom`: the user or the room that is asked, for those scopes.
    Raises SearchRefused.
    """
    key = _key(query, scope=scope, whom=whom)
    if origin not in ORIGINS:
        raise SearchRefused("Unknown origin of a search.", code="search_origin_unknown", origin=origin[:20])
    given = search_id if search_id is not None else new_id()
    if search_id is not None and (known := _same(search_id, key)) is not None:
        return known
    waiting = Search.objects.filter(withdrawn_at=None).filter(
        Q(progress=None) | Q(progress__state__in=sorted(NOT_OVER))
    )
    if waiting.count() >= MAX_OPEN:
        raise SearchRefused("Too many searches wait.", code="searches_full", retryable=True, most=MAX_OPEN)
    try:
        with transaction.atomic():
            Search.objects.create(
                id=given,
                query=" ".join(query.split()),
                scope=scope,
                whom=whom,
                urgency=int(urgency),
                anew=anew,
                origin=origin,
                requested_by=requested_by,
                hunt_id=hunt_id,
            )
            ring(NODE_CHANNEL, f"search {given}")
            ring(WEB_CHANNEL, f"search {given}")
    except IntegrityError:
        known = _same(given, key)
        if known is None:
            raise
        return known
    return SearchAsked(id=given, created=True)


def search_words(query: str) -> str:
    """The words of a search as they are kept. Raises SearchRefused for what nobody would answer."""
    _key(query, scope=SearchScope.NETWORK, whom="")
    return " ".join(query.split())


def search_withdraw(search_id: uuid.UUID) -> SearchState:
    """This caller no longer wants it; answers that came stay. Repeating it changes nothing. Raises SearchUnknown."""
    with transaction.atomic():
        Search.objects.filter(id=search_id, withdrawn_at=None).filter(
            Q(progress=None) | Q(progress__state__in=sorted(NOT_OVER))
        ).update(withdrawn_at=Now())
        ring(NODE_CHANNEL, f"search {search_id}")
        ring(WEB_CHANNEL, f"search {search_id}")
    row = Search.objects.filter(id=search_id).values_list("withdrawn_at", "progress__state").first()
    if row is None:
        raise SearchUnknown("There is no such search.", search=str(search_id))
    withdrawn, state = row
    if state in {SearchState.OVER, SearchState.FAILED}:
        return SearchState(state)
    return SearchState.WITHDRAWN if withdrawn is not None else SearchState(state or SearchState.QUEUED)


def searches_forget(*, made_before: datetime, limit: int = 2000) -> int:
    """Remove old searches with their answers; how many. Those that still wait stay."""
    over = Search.objects.filter(created_at__lt=made_before).filter(
        Q(progress__state__in=[SearchState.OVER, SearchState.WITHDRAWN, SearchState.FAILED])
        | Q(progress=None, withdrawn_at__isnull=False)
    )
    old = list(over.order_by("created_at").values_list("id", flat=True)[:limit])
    Search.objects.filter(id__in=old).delete()
    return len(old)


def _key(query: str, *, scope: SearchScope, whom: str) -> SearchKey:
    if "\0" in query or "\0" in whom:
        raise SearchRefused("A search is words.", code="search_too_short", least=MIN_QUERY_CHARS)
    if (scope is SearchScope.NETWORK) == bool(whom) or len(whom) > MAX_WHOM_CHARS:
        raise SearchRefused("Say which user or room is asked.", code="search_whom_missing")
    if len(" ".join(query.split())) > MAX_STORED_CHARS:
        raise SearchRefused("A search this long finds nothing.", code="search_too_long", most=MAX_STORED_CHARS)
    try:
        return search_key(query, scope=scope, whom=whom)
    except ValueError as error:
        if len(query) > MAX_QUERY_CHARS:
            raise SearchRefused(str(error), code="search_too_long", most=MAX_STORED_CHARS) from error
        raise SearchRefused(str(error), code="search_too_short", least=MIN_QUERY_CHARS) from error


def _same(search_id: uuid.UUID, key: SearchKey) -> SearchAsked | None:
    row = Search.objects.filter(id=search_id).first()
    if row is None:
        return None
    if search_key(row.query, scope=SearchScope(row.scope), whom=row.whom) != key:
        raise SearchRefused("Another search has this id.", code="search_id_taken", search=str(search_id))
    return SearchAsked(id=row.id, created=False)


__all__ = ["SearchAsked", "SearchRefused", "SearchUnknown", "search_ask", "search_withdraw", "searches_forget"]
