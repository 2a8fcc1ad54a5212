"""What a step of a hunt reads: what is still open, what is under way, what was answered, who may not be asked."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from apps.catalog.selectors_hunt import release_of_hunt
from apps.domain.jobs.lifecycle import TransferState, WantDesired
from apps.domain.soulseek.answers import AnswerUnreadable, path_digest, unpack
from apps.domain.soulseek.candidates import SharerHistory, SharerResult
from apps.domain.soulseek.hunting import HuntTarget
from apps.domain.soulseek.results import SharedFile
from apps.domain.soulseek.states import DOWNLOAD_ENDS, FOR_GOOD, HUNT_LIVE, DownloadDesired, DownloadState, HuntState
from apps.domain.soulseek.user_rules import Effect, MatchBy, Rule, RuleBook
from apps.soulseek.models import (
    Candidate,
    Download,
    Hunt,
    Search,
    SearchAnswer,
    SearchProgress,
    SoulseekSession,
    SoulseekUser,
    SourceOutcome,
    UserRule,
)
from apps.transfers.models import Transfer, Want

MESH_ALIVE: Final = timedelta(seconds=60)
"""A transfer of the mesh that moved so lately is left to finish."""
BANNED_FOR: Final = timedelta(days=7)
MAX_USERS: Final = 3000
WISHES_AT_ONCE: Final = 2
BATCH: Final = 200
SEARCH_OPEN: Final = Q(progress=None) | Q(progress__state__in=["queued", "running"])


@dataclass(frozen=True, slots=True, kw_only=True)
class HuntLook:
    """How things stand around a hunt."""

    open: frozenset[uuid.UUID]
    """recordings that are wanted still; of a wish of words none"""
    paused: bool
    """all that is open is paused"""
    cancelled: bool
    """nothing is open, and nothing came"""
    covered: frozenset[uuid.UUID]
    """of those, what is on its way by some plane"""
    live: int
    """downloads of this hunt that have not ended"""
    got: int
    """downloads of this hunt that ended well"""
    searching: bool
    asked: int
    """questions of this round"""
    tried: int
    """candidates of this round"""
    excluded: tuple[str, ...]
    wish_interval_s: float


def hunt_look(hunt_id: uuid.UUID, target: HuntTarget, *, since: datetime | None) -> HuntLook:
    """Read it all. `since`: when the round began."""
    wants = [one.want for one in target.tracks if one.want is not None]
    desired: dict[uuid.UUID, str] = {}
    for at in range(0, len(wants), BATCH):
        desired.update(Want.objects.filter(id__in=wants[at : at + BATCH]).values_list("id", "desired"))
    alive = {WantDesired.ACTIVE, WantDesired.PAUSED}
    tracks = [one for one in target.tracks if one.want is None or desired.get(one.want) in alive]
    open_wants = [one.want for one in tracks if one.want is not None]
    active = [one for one in open_wants if desired[one] == WantDesired.ACTIVE]
    downloads = Download.objects.filter(batch__hunt_id=hunt_id)
    live = (
        downloads.filter(live=True)
        .exclude(desired=DownloadDesired.CANCELLED)
        .exclude(progress__state__in=sorted(DOWNLOAD_ENDS))
    )
    searches = Search.objects.filter(hunt_id=hunt_id, withdrawn_at=None)
    round_ = searches.filter(created_at__gte=since) if since is not None else searches.none()
    tried = Candidate.objects.filter(hunt_id=hunt_id, tried_at__gte=since) if since is not None else None
    session = SoulseekSession.objects.values_list("excluded", "wishlist_interval_s").first()
    on_their_way = set(live.exclude(recording_mbid=None).values_list("recording_mbid", flat=True))
    on_their_way |= _of_the_mesh(open_wants)
    return HuntLook(
        open=frozenset(one.recording for one in tracks),
        paused=bool(open_wants) and not active,
        cancelled=bool(wants) and not tracks and not any(desired.get(one) == WantDesired.SATISFIED for one in wants),
        covered=frozenset(one.recording for one in tracks if one.recording in on_their_way),
        live=live.count(),
        got=downloads.filter(progress__state__in=[DownloadState.SUCCEEDED, DownloadState.ENOUGH]).count(),
        searching=searches.filter(SEARCH_OPEN).exists(),
        asked=round_.count(),
        tried=tried.count() if tried is not None else 0,
        excluded=tuple(str(one) for one in session[0]) if session else (),
        wish_interval_s=float(session[1]) if session else 720.0,
    )


def _of_the_mesh(wants: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Recordings that a live transfer of these wants brings: judged now, or moving."""
    found: set[uuid.UUID] = set()
    named = list(wants)
    moving = Q(state=TransferState.ASSEMBLED) | Q(
        state=TransferState.FETCHING, updated_at__gt=timezone.now() - MESH_ALIVE
    )
    for at in range(0, len(named), BATCH):
        rows = Transfer.objects.filter(moving, want_id__in=named[at : at + BATCH])
        found.update(rows.values_list("want__recording_mbid", flat=True))
    return found


def hunt_enriched(target: HuntTarget) -> HuntTarget:
    """With what the catalogue knows of names: other names of the artist, albums of a recording."""
    known = release_of_hunt(release=target.release, recordings=[one.recording for one in target.tracks[:1]])
    return replace(
        target,
        enriched=True,
        aliases=tuple(one for one in known.aliases if one and one.casefold() != target.artist.casefold())[:5],
        albums=target.albums or known.albums[:3],
    )


def results_of_round(hunt_id: uuid.UUID, *, since: datetime) -> tuple[SharerResult, ...]:
    """What all questions of the round were answered, users once, with what is remembered of them. Those who are not heard are left out."""
    rows = SearchProgress.objects.filter(search__hunt_id=hunt_id, search__created_at__gte=since)
    homes = {one.answers_in_id or one.search_id for one in rows.only("search_id", "answers_in_id")}
    found: dict[str, SharerResult] = {}
    book = rule_book()
    answers = SearchAnswer.objects.filter(search_id__in=list(homes)).order_by("received_at", "id")
    for row in answers.iterator(chunk_size=50):
        if len(found) >= MAX_USERS and row.user not in found:
            continue
        standing = book.standing(row.user)
        if standing.refused:
            continue
        try:
            files = unpack(bytes(row.files))
        except AnswerUnreadable:
            continue
        known = found.get(row.user)
        found[row.user] = SharerResult(
            user=row.user,
            files=files if known is None else _joined(known.files, files),
            free_slot=row.free_slot,
            queue=row.queue,
            speed_bps=row.speed_bps,
        )
    return with_history(found.values())


def with_history(results: Iterable[SharerResult]) -> tuple[SharerResult, ...]:
    """With what is remembered of each user."""
    named = {one.user: one for one in results}
    users, now = list(named), timezone.now()
    for at in range(0, len(users), BATCH):
        for row in SoulseekUser.objects.filter(name__in=users[at : at + BATCH]).only(
            "name", "completed", "failed", "median_bps", "banned_us_at"
        ):
            banned = row.banned_us_at is not None and row.banned_us_at > now - BANNED_FOR
            named[row.name] = replace(
                named[row.name],
                history=SharerHistory(completed=row.completed, failed=row.failed, median_bps=row.median_bps),
                barred="banned_us" if banned else "",
            )
    return tuple(named.values())


def rule_book() -> RuleBook:
    """Who is heard."""
    rows = UserRule.objects.filter(effect__in=[Effect.IGNORE, Effect.BAN, Effect.BUDDY]).order_by("id")
    return RuleBook(
        Rule(effect=Effect(effect), match=MatchBy(match), pattern=pattern)
        for effect, match, pattern in rows.values_list("effect", "match", "pattern")[:5000]
    )


def spent_of(
    results: Iterable[SharerResult], *, recordings: Collection[uuid.UUID], hunt_id: uuid.UUID, since: datetime
) -> Mapping[tuple[str, str], str]:
    """Files among these that are not asked for (again): (user, path) → `failed_before`, `rests`, `tried_this_round`, `cancelled_before`.

    A file that is not what its owner says is so for the recording it was taken for; one that is not shared, or whose owner bans us, for every recording.
    `since`: when the round began.
    """
    by_user = {one.user: one.files for one in results}
    users, now = list(by_user), timezone.now()
    digests: dict[tuple[str, bytes], str] = {}
    banned: set[str] = set()
    everywhere = {"not_shared", "banned", "broken"}
    for at in range(0, len(users), BATCH):
        rows = (
            SourceOutcome.objects.filter(user__in=users[at : at + BATCH])
            .exclude(outcome="succeeded")
            .filter(Q(outcome__in=sorted(FOR_GOOD)) | Q(again_at__gt=now))
        )
        for user, digest, outcome, recording, of_hunt, when in rows.values_list(
            "user", "path_digest", "outcome", "recording_mbid", "hunt_id", "at"
        ):
            if outcome == "banned":
                if when > now - BANNED_FOR:
                    banned.add(user)
                continue
            mine = recording in recordings or of_hunt == hunt_id
            if outcome in FOR_GOOD and (mine or outcome in everywhere):
                digests[user, bytes(digest)] = "failed_before"
            elif outcome not in FOR_GOOD:
                digests.setdefault((user, bytes(digest)), "rests")
    touched = {user for user, _digest in digests} | banned
    found: dict[tuple[str, str], str] = {}
    for user in touched:
        for file in by_user[user]:
            code = "banned_us" if user in banned else digests.get((user, path_digest(file.path)), "")
            if code:
                found[user, file.path] = code
    ended = Download.objects.filter(batch__hunt_id=hunt_id, live=False)
    for user, path, desired, made in ended.values_list("user", "remote_path", "desired", "created_at"):
        if desired == DownloadDesired.CANCELLED:
            found.setdefault((user, path), "cancelled_before")
        elif made >= since:
            found.setdefault((user, path), "tried_this_round")
    return found


def hunts_due(*, limit: int = 200) -> list[tuple[uuid.UUID, int]]:
    """(id, attempt) of hunts that have something to do and are in nobody's hands: their time came, or a search of theirs is over.

    Of wishes only so many as may be looked for at once.
    """
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=Now())
    live = Hunt.objects.filter(free, state__in=sorted(HUNT_LIVE - {HuntState.PAUSED}))
    over = Search.objects.filter(hunt__isnull=False, weighed_at=None, progress__ended_at__isnull=False)
    answered = live.filter(id__in=over.values("hunt_id")[: 4 * limit])
    due = live.filter(next_step_at__lte=Now())
    found = dict(answered.values_list("id", "attempt")[:limit])
    found.update(due.exclude(state=HuntState.WISHING).order_by("next_step_at").values_list("id", "attempt")[:limit])
    found.update(_wishes(due))
    return list(found.items())


def _wishes(due: QuerySet[Hunt]) -> list[tuple[uuid.UUID, int]]:
    out = Search.objects.filter(SEARCH_OPEN, hunt__isnull=False, origin="wishlist", withdrawn_at=None).count()
    room = max(0, WISHES_AT_ONCE - out)
    wishes = due.filter(state=HuntState.WISHING).order_by("next_step_at", "id")
    return list(wishes.values_list("id", "attempt")[:room])


def _joined(had: tuple[SharedFile, ...], more: tuple[SharedFile, ...]) -> tuple[SharedFile, ...]:
    paths = {one.path for one in had}
    return (*had, *(one for one in more if one.path not in paths))
