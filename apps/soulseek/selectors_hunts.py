"""Hunts and their candidates, for people."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q

from apps.common.pagination import Page, keyset_page
from apps.domain.errors import Param
from apps.domain.soulseek.hunting import HuntTarget, choice_of_rows
from apps.domain.soulseek.states import HuntState
from apps.soulseek.models import Candidate, Hunt
from apps.soulseek.selectors_search import SearchView, search_page


@dataclass(frozen=True, slots=True, kw_only=True)
class HuntView:
    """A hunt as it stands. `visits`: rounds after the first. `words` of a wish of words."""

    id: uuid.UUID
    job_id: uuid.UUID | None
    title: str
    words: str
    kind: str
    state: HuntState
    code: str
    params: Mapping[str, Param]
    auto_download: bool
    dry_run: bool
    priority: int
    visits: int
    tracks: int
    created_at: datetime
    searched_at: datetime | None
    next_step_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateView:
    """A candidate with every reason. `chosen` places: the files that the rules would ask for now."""

    id: int
    rank: int
    user: str
    folder: str
    score: float
    whole: bool
    files: Sequence[Mapping[str, Any]]
    missing: Sequence[Mapping[str, Any]]
    terms: Sequence[Mapping[str, Any]]
    payload_bytes: int
    expected_s: float
    refused: str
    chosen_by: str
    tried_at: datetime | None
    chosen: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HuntDetail:
    """A hunt, its candidates (those that may be asked first) and its latest questions."""

    hunt: HuntView
    candidates: Sequence[CandidateView] = field(default_factory=tuple)
    searches: Sequence[SearchView] = field(default_factory=tuple)
    target: HuntTarget | None = None


def jobs_with_hunts(job_ids: Collection[uuid.UUID]) -> frozenset[uuid.UUID]:
    """Of these jobs, those that have a hunt."""
    named, found = list(job_ids), set[uuid.UUID]()
    for at in range(0, len(named), 500):
        rows = Hunt.objects.filter(job_id__in=named[at : at + 500]).values_list("job_id", flat=True)
        found.update(one for one in rows if one is not None)
    return frozenset(found)


def hunt_of_job(job_id: uuid.UUID) -> HuntView | None:
    """A job's hunt."""
    row = Hunt.objects.filter(job_id=job_id).first()
    return _view(row) if row is not None else None


def hunt_view(hunt_id: uuid.UUID) -> HuntView | None:
    """One hunt."""
    row = Hunt.objects.filter(id=hunt_id).first()
    return _view(row) if row is not None else None


def hunt_detail(hunt_id: uuid.UUID, *, candidates: int = 50) -> HuntDetail | None:
    """With candidates and questions; three queries."""
    row = Hunt.objects.filter(id=hunt_id).first()
    if row is None:
        return None
    rows = list(Candidate.objects.filter(hunt_id=hunt_id).order_by("rank", "-tried_at", "id")[:candidates])
    chosen = choice_of_rows(
        [(one.user, one.score, one.refused, one.files) if one.tried_at is None else None for one in rows]
    )
    return HuntDetail(
        hunt=_view(row),
        candidates=[_candidate(one, chosen.get(at, ())) for at, one in enumerate(rows)],
        searches=search_page(hunt_id=hunt_id, limit=10).items,
        target=HuntTarget.from_json(row.target),
    )


def wish_page(*, show: str = "", text: str = "", cursor: str | None = None, limit: int = 50) -> Page[HuntView]:
    """The wishlist, newest first: hunts that wait for a source, and wishes of words. `show`: "" | jobs | words | asking."""
    rows = Hunt.objects.filter(dry_run=False)
    match show:
        case "jobs":
            rows = rows.filter(job_id__isnull=False, state=HuntState.WISHING)
        case "words":
            rows = rows.filter(job_id=None)
        case "asking":
            rows = rows.filter(state=HuntState.ASKING)
        case _:
            rows = rows.filter(Q(state__in=[HuntState.WISHING, HuntState.ASKING]) | Q(job_id=None))
    if text:
        rows = rows.filter(Q(title__icontains=text) | Q(words__icontains=text))
    page = keyset_page(rows, order=["-created_at", "-id"], cursor=cursor, limit=limit)
    return Page(
        items=[_view(one) for one in page.items], next_cursor=page.next_cursor, previous_cursor=page.previous_cursor
    )


def hunts_page(*, state: str = "", cursor: str | None = None, limit: int = 50) -> Page[HuntView]:
    """All hunts, newest first."""
    rows = Hunt.objects.filter(state=state) if state else Hunt.objects.all()
    page = keyset_page(rows, order=["-created_at", "-id"], cursor=cursor, limit=limit)
    return Page(
        items=[_view(one) for one in page.items], next_cursor=page.next_cursor, previous_cursor=page.previous_cursor
    )


def _view(row: Hunt) -> HuntView:
    target = row.target
    return HuntView(
        id=row.id,
        job_id=row.job_id,
        title=row.title or row.words,
        words=row.words if row.job_id is None and not row.dry_run else "",
        kind=str(target.get("kind", "words")),
        state=HuntState(row.state),
        code=row.code,
        params=row.params,
        auto_download=row.auto_download,
        dry_run=row.dry_run,
        priority=row.priority,
        visits=row.rounds,
        tracks=len(target.get("tracks", ())),
        created_at=row.created_at,
        searched_at=row.searched_at,
        next_step_at=row.next_step_at,
    )


def _candidate(row: Candidate, chosen: tuple[int, ...]) -> CandidateView:
    return CandidateView(
        id=row.id,
        rank=row.rank,
        user=row.user,
        folder=row.folder,
        score=row.score,
        whole=row.whole,
        files=row.files,
        missing=row.missing,
        terms=row.terms,
        payload_bytes=row.payload_bytes,
        expected_s=row.expected_s,
        refused=row.refused,
        chosen_by=row.chosen_by,
        tried_at=row.tried_at,
        chosen=chosen,
    )
