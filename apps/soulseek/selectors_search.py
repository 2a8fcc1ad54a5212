"""Searches and their answers, for people and programs."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from apps.common.pagination import CursorInvalid, Page, keyset_page
from apps.domain.errors import Param
from apps.domain.soulseek.answers import AnswerUnreadable, unpack
from apps.domain.soulseek.candidates import SharerResult
from apps.domain.soulseek.offers import Grouping, OfferFilter, OfferPage, OfferSort, offer_page, offers
from apps.domain.soulseek.results import SharedFile
from apps.domain.soulseek.states import SearchState
from apps.soulseek.models import Search, SearchAnswer, SearchProgress, SoulseekSession

MAX_OFFERS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchView:
    """A search as it stands."""

    id: uuid.UUID
    query: str
    scope: str
    whom: str
    origin: str
    state: SearchState
    code: str
    params: Mapping[str, Param] = field(default_factory=dict)
    hunt_id: uuid.UUID | None = None
    answers_in: uuid.UUID | None = None
    """the search under which its answers are kept"""
    ahead: int = 0
    due_at: datetime | None = None
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    users: int = 0
    files: int = 0
    truncated: bool = False

    @property
    def ended(self) -> bool:
        """No more answers come."""
        return self.state in {SearchState.OVER, SearchState.WITHDRAWN, SearchState.FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQueue:
    """The governor's queue, for everybody."""

    waiting: int = 0
    running: int = 0
    next_at: datetime | None = None
    health: str = "off"
    code: str = ""
    params: Mapping[str, Param] = field(default_factory=dict)


def search_view(search_id: uuid.UUID) -> SearchView | None:
    """One search."""
    row = Search.objects.filter(id=search_id).select_related("progress").first()
    return _view(row) if row is not None else None


def search_page(
    *, origin: str = "", text: str = "", cursor: str | None = None, limit: int = 50, hunt_id: uuid.UUID | None = None
) -> Page[SearchView]:
    """Searches, newest first."""
    rows = Search.objects.select_related("progress")
    if origin:
        rows = rows.filter(origin=origin)
    if hunt_id is not None:
        rows = rows.filter(hunt_id=hunt_id)
    if text:
        rows = rows.filter(query__icontains=text)
    page = keyset_page(rows, order=["-created_at", "-id"], cursor=cursor, limit=limit)
    return Page(
        items=[_view(one) for one in page.items], next_cursor=page.next_cursor, previous_cursor=page.previous_cursor
    )


def search_offers(
    view: SearchView,
    *,
    keep: OfferFilter = OfferFilter(),  # noqa: B008  (frozen)
    by: Grouping = Grouping.FOLDER,
    sort: OfferSort = OfferSort.BEST,
    cursor: str | None = None,
    limit: int = 40,
) -> OfferPage:
    """Its answers as offers. Raises CursorInvalid."""
    found = offers(_results(view, user=keep.user), keep=keep, by=by, sort=sort)
    try:
        return offer_page(found, sort=sort, cursor=cursor, limit=max(1, min(limit, MAX_OFFERS)))
    except ValueError as error:
        raise CursorInvalid(str(error)) from error


def answered_files(search_id: uuid.UUID, *, user: str) -> tuple[SharedFile, ...]:
    """All that one user answered to it."""
    view = search_view(search_id)
    if view is None:
        return ()
    row = SearchAnswer.objects.filter(search_id=view.answers_in or view.id, user=user).first()
    try:
        return unpack(bytes(row.files)) if row is not None else ()
    except AnswerUnreadable:
        return ()


def search_queue() -> SearchQueue:
    """How long the queue is, and whether there is a session."""
    row = SoulseekSession.objects.first()
    if row is None:
        return SearchQueue()
    return SearchQueue(
        waiting=row.searches_waiting,
        running=row.searches_running,
        next_at=row.next_search_at,
        health=row.health,
        code=row.code,
        params=row.params,
    )


def _results(view: SearchView, *, user: str) -> list[tuple[SharerResult, int]]:
    rows = SearchAnswer.objects.filter(search_id=view.answers_in or view.id)
    if user:
        rows = rows.filter(user=user)
    found = []
    for row in rows.iterator(chunk_size=50):
        try:
            files = unpack(bytes(row.files))
        except AnswerUnreadable:
            continue
        result = SharerResult(
            user=row.user, files=files, free_slot=row.free_slot, queue=row.queue, speed_bps=row.speed_bps
        )
        found.append((result, row.locked))
    return found


def _view(row: Search) -> SearchView:
    try:
        progress = row.progress
    except SearchProgress.DoesNotExist:
        progress = None
    state = SearchState(progress.state) if progress is not None else SearchState.QUEUED
    if row.withdrawn_at is not None and state in {SearchState.QUEUED, SearchState.RUNNING}:
        state = SearchState.WITHDRAWN
    told = progress or SearchProgress()
    return SearchView(
        id=row.id,
        query=row.query,
        scope=row.scope,
        whom=row.whom,
        origin=row.origin,
        state=state,
        code=told.code,
        params=told.params,
        hunt_id=row.hunt_id,
        answers_in=told.answers_in_id,
        ahead=told.ahead,
        due_at=told.due_at,
        created_at=row.created_at,
        started_at=told.started_at,
        ended_at=told.ended_at,
        users=told.users,
        files=told.files,
        truncated=told.truncated,
    )
