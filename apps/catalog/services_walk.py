"""Walks: the resumable reading of a paged list. A page and the place it leads to are one transaction, so that a kill loses a page at most.

The first thing a walk does is to look up whose list it is (unless that is fresh): there a merged MBID is noticed, and the walk goes on as one of the
MBID it was merged into.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from apps.catalog.models import Artist, GroupArtist, Label, ReleaseGroup, Walk
from apps.catalog.selectors_graph import (
    FAILED_FRESH,
    GRAPH_FRESH,
    graph_state,
    group_state,
    label_state,
    merged_into,
    walk_status,
)
from apps.catalog.services_graph import MERGED_KIND, briefs_store, groups_store, merged_note
from apps.common.dispatch import TaskName, enqueue
from apps.common.doorbell import WEB_CHANNEL, ring
from apps.common.transitions import lease_claim
from apps.domain.catalog.graph import GroupDetail, LabelNumber, Page, ReleaseBrief
from apps.domain.catalog.release import ArtistFacts, GroupFacts, LabelFacts
from apps.domain.catalog.walks import (
    MAX_LISTED,
    NOT_WHOLE,
    SUBJECT,
    GraphState,
    Step,
    WalkKind,
    WalkState,
    WalkStatus,
    missing_of,
    step_after,
)
from apps.domain.errors import Param


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkClaim:
    """A walk that this worker holds. `look_up`: whose list it is has to be asked for first. `tries`: attempts that failed with `code`."""

    id: int
    kind: WalkKind
    mbid: uuid.UUID
    attempt: int
    taken: int
    before: Step | None
    started_at: datetime
    look_up: bool
    code: str
    tries: int


def walk_ask(kind: WalkKind, mbid: uuid.UUID, *, refresh: bool = False) -> WalkStatus:
    """Make sure that a list is read: make its walk, take it up again where it is older than 30 days, or failed or came short more than a day ago, or
    (`refresh`) in any case. One that goes on goes on. The task is sent after commit."""
    mbid = merged_into(MERGED_KIND[SUBJECT[kind]], mbid) or mbid
    with transaction.atomic():
        row, new = Walk.objects.get_or_create(
            kind=kind, mbid=mbid, defaults={"next_step_at": Now(), "refresh": refresh}
        )
        due = new
        if not new:
            now = timezone.now()
            ended = Q(state__in=[WalkState.DONE, WalkState.FAILED])
            if not refresh:
                bad = Q(state=WalkState.FAILED) | Q(code__in=NOT_WHOLE)
                ended &= Q(ended_at__lt=now - GRAPH_FRESH) | bad & Q(ended_at__lt=now - FAILED_FRESH)
            rows = Walk.objects.filter(id=row.id)
            due = bool(rows.filter(ended).update(**_anew(), refresh=refresh))
            if refresh and not due:
                # It waits for its next try: a person does not want to wait for that.
                due = bool(rows.filter(state=WalkState.WAITING, lease_until=None).update(next_step_at=Now()))
        if due:
            enqueue(TaskName.WALK_STEP, row.id)
    found = walk_status(kind, mbid)
    assert found is not None
    return found


def artist_graph_ask(mbid: uuid.UUID, *, refresh: bool = False) -> GraphState:
    """Make sure that an artist, their groups and their releases are read; what is fresh stays (unless `refresh`). Told as it stands now."""
    with transaction.atomic():
        walk_ask(WalkKind.ARTIST_GROUPS, mbid, refresh=refresh)
        walk_ask(WalkKind.ARTIST_RELEASES, mbid, refresh=refresh)
    return graph_state(mbid)


def label_graph_ask(mbid: uuid.UUID, *, refresh: bool = False) -> GraphState:
    """As `artist_graph_ask`, of a label and its releases."""
    walk_ask(WalkKind.LABEL_RELEASES, mbid, refresh=refresh)
    return label_state(mbid)


def group_graph_ask(mbid: uuid.UUID, *, refresh: bool = False) -> GraphState:
    """As `artist_graph_ask`, of a release group and its releases."""
    walk_ask(WalkKind.GROUP_RELEASES, mbid, refresh=refresh)
    return group_state(mbid)


def walk_claim(walk_id: int, *, lease_s: int) -> WalkClaim | None:
    """Take a walk whose time has come; None if it is somebody else's, at its end, or not due yet."""
    open_ = [WalkState.WAITING, WalkState.WALKING]
    with transaction.atomic():
        if not lease_claim(Walk.objects.filter(id=walk_id, state__in=open_, next_step_at__lte=Now()), seconds=lease_s):
            return None
        rows = Walk.objects.filter(id=walk_id)
        rows.update(state=WalkState.WALKING)
        rows.filter(started_at=None).update(started_at=timezone.now())
    row = Walk.objects.get(id=walk_id)
    assert row.started_at is not None
    before = None
    if row.total is not None:
        before = Step(taken=row.taken, total=row.total, passes=row.passes, moved=row.moved, again=row.again)
    kind = WalkKind(row.kind)
    tries = row.params.get("tries", 0)
    return WalkClaim(
        id=row.id,
        kind=kind,
        mbid=row.mbid,
        attempt=row.attempt,
        taken=row.taken,
        before=before,
        started_at=row.started_at,
        look_up=row.refresh or not _subject_fresh(kind, row.mbid),
        code=row.code,
        tries=tries if isinstance(tries, int) else 0,
    )


def walk_renew(claim: WalkClaim, *, lease_s: int) -> bool:
    """Keep the lease for another `lease_s`. False: the walk is no longer this worker's."""
    return _mine(claim).update(lease_until=Now() + timedelta(seconds=lease_s)) == 1


def walk_looked_up(claim: WalkClaim) -> WalkClaim | None:
    """Whose list it is was told and stored; None if the walk is no longer this worker's."""
    return replace(claim, look_up=False) if _mine(claim).update(refresh=False) else None


def walk_merged(claim: WalkClaim, mbid: uuid.UUID) -> bool:
    """The subject is `mbid` now: that one is walked instead, and this walk goes. False: it is no longer this worker's."""
    with transaction.atomic():
        if not _mine(claim).select_for_update().exists():
            return False
        merged_note(MERGED_KIND[SUBJECT[claim.kind]], claim.mbid, mbid)
        Walk.objects.filter(id=claim.id).delete()
        walk_ask(claim.kind, mbid)
    return True


def walk_page(claim: WalkClaim, page: Page, entries: Sequence[GroupDetail | ReleaseBrief]) -> WalkClaim | None:
    """Write a page that began at `claim.taken`, and where the walk stands after it; at its end it is done.

    The claim for the next page; None at the end of the list, or (nothing is written then) if the walk is no longer this worker's.
    """
    step = step_after(page, offset=claim.taken, before=claim.before)
    with transaction.atomic():
        # The row first: it is locked until the page is in, and who lost it writes nothing.
        changes: dict[str, object] = {
            "taken": step.taken,
            "total": step.total,
            "passes": step.passes,
            "moved": step.moved,
            "again": step.again,
            "code": "",
            "params": {},
        }
        if not _mine(claim).update(**changes):
            return None
        counted = Walk.objects.filter(id=claim.id)
        unreadable = counted.values_list("unreadable", flat=True)[0] + page.unreadable
        # Another pass meets the same entries again.
        anew = step.passes > (claim.before.passes if claim.before else 0)
        counted.update(unreadable=0 if anew else unreadable)
        _store(claim, entries)
        ring(WEB_CHANNEL, f"walk {claim.id}")
        if step.total > MAX_LISTED:
            _ended(claim, WalkState.FAILED, "graph_too_large", {"total": step.total, "most": MAX_LISTED})
            return None
        if step.done:
            code, params = missing_of(claim.kind, step, before=claim.before, unreadable=unreadable)
            if not code and not step.moved and claim.kind is WalkKind.ARTIST_GROUPS:
                _gone(claim)
            _ended(claim, WalkState.DONE, code, params)
            return None
    return replace(claim, taken=step.taken, before=step, code="", tries=0)


def walk_later(claim: WalkClaim, *, code: str, params: Mapping[str, Param], delay_s: float) -> bool:
    """It did not work this time: it waits, with the reason and when it is tried again."""
    tries = claim.tries + 1 if claim.code == code else 1
    return bool(
        _mine(claim).update(
            state=WalkState.WAITING,
            code=code,
            params={**params, "tries": tries},
            lease_until=None,
            next_step_at=Now() + timedelta(seconds=delay_s),
        )
    )


def walk_pause(claim: WalkClaim) -> bool:
    """Give it back in the middle: the next task goes on at once."""
    with transaction.atomic():
        given = bool(_mine(claim).update(lease_until=None, next_step_at=Now()))
        if given:
            enqueue(TaskName.WALK_STEP, claim.id)
    return given


def walk_failed(claim: WalkClaim, *, code: str, params: Mapping[str, Param]) -> bool:
    """It will never work: the walk ends with the reason."""
    return _ended(claim, WalkState.FAILED, code, params)


def _mine(claim: WalkClaim) -> QuerySet[Walk]:
    return Walk.objects.filter(id=claim.id, attempt=claim.attempt, state=WalkState.WALKING)


def _anew() -> dict[str, object]:
    return {
        "state": WalkState.WAITING,
        "taken": 0,
        "total": None,
        "unreadable": 0,
        "passes": 0,
        "moved": False,
        "again": False,
        "code": "",
        "params": {},
        "lease_until": None,
        "next_step_at": Now(),
        "started_at": None,
        "ended_at": None,
    }


def _ended(claim: WalkClaim, state: WalkState, code: str, params: Mapping[str, Param]) -> bool:
    now = timezone.now()
    changes: dict[str, object] = {"read_at": now} if state is WalkState.DONE else {}
    with transaction.atomic():
        ended = _mine(claim).update(
            state=state,
            code=code,
            params=dict(params),
            lease_until=None,
            next_step_at=None,
            ended_at=now,
            **changes,
        )
        if ended:
            enqueue(TaskName.WALK_ENDED, claim.kind.value, str(claim.mbid))
    return bool(ended)


def _store(claim: WalkClaim, entries: Sequence[GroupDetail | ReleaseBrief]) -> None:
    """A list need not repeat whose it is: that is put where the entries leave it out."""
    groups = [one for one in entries if isinstance(one, GroupDetail)]
    briefs = [one for one in entries if isinstance(one, ReleaseBrief)]
    if any(not one.artists for one in groups):
        artist = Artist.objects.filter(mbid=claim.mbid).first()
        name = artist.name if artist else ""
        credit = (ArtistFacts(mbid=claim.mbid, name=name, sort_name=artist.sort_name if artist else ""),)
        groups = [one if one.artists else replace(one, artists=credit, artist_credit=name) for one in groups]
    if claim.kind is WalkKind.GROUP_RELEASES and any(one.group is None for one in briefs):
        title = ReleaseGroup.objects.filter(mbid=claim.mbid).values_list("title", flat=True).first() or ""
        briefs = [one if one.group else replace(one, group=GroupFacts(mbid=claim.mbid, title=title)) for one in briefs]
    if claim.kind is WalkKind.LABEL_RELEASES:
        name = Label.objects.filter(mbid=claim.mbid).values_list("name", flat=True).first() or ""
        own = LabelNumber(label=LabelFacts(mbid=claim.mbid, name=name), catalog_number="")
        briefs = [
            one
            if any(each.label and each.label.mbid == claim.mbid for each in one.labels)
            else replace(one, labels=(*one.labels, own))
            for one in briefs
        ]
    if groups:
        groups_store(groups)
    if briefs:
        briefs_store(briefs)


def _gone(claim: WalkClaim) -> None:
    """Groups that the list no longer has are no longer the artist's: merged into others, or credited to somebody else."""
    GroupArtist.objects.filter(artist_id=claim.mbid, group__fetched_at__lt=claim.started_at).delete()


def _subject_fresh(kind: WalkKind, mbid: uuid.UUID) -> bool:
    rows = {"artist": Artist, "label": Label, "release_group": ReleaseGroup}[SUBJECT[kind]]
    fresh = timezone.now() - GRAPH_FRESH
    return rows.objects.filter(mbid=mbid, fetched_at__gte=fresh).exists()  # type: ignore[attr-defined, no-any-return]
