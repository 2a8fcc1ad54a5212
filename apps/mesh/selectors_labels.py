"""Labels as the mesh shows them, by popularity, and what is heard of one label's releases. Local only: nothing of it is ever sent."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Count, QuerySet
from django.utils import timezone

from apps.common.names import ReleaseName, release_names
from apps.domain.audio.profile import LOSSLESS
from apps.domain.mesh.labels import label_key, search_form
from apps.domain.mesh.popularity import crate_order, popularity_at, rank_of
from apps.mesh.models_labels import LabelPresence, LabelSighting

LABEL_ORDER: Final = ("-rank", "-label_key")
"""The most popular first. Ranks change only when somebody is heard of: the order does not move while nobody is."""
MAX_SIGHTINGS: Final = 20_000
"""Of one label that are looked at, the latest first: more change no order that matters."""
MAX_PROFILES: Final = 6
LOSSLESS_NAME: Final = "lossless"
"""The codec filter that lets every lossless one through."""
_LOSSLESS: Final = frozenset(one.value for one in LOSSLESS)
UNNAMED: Final = ReleaseName(title="", artist="", year="")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRow:
    """A label's figures. `name` is foreign text, empty where nobody told one. `label_mbid` None: it is known by its name only."""

    key: uuid.UUID
    label_mbid: uuid.UUID | None
    name: str
    releases: int
    artists: int
    peers: int
    popularity: float
    """in peers that have it this moment; halves in a week when nobody is heard of"""
    heard_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardRelease:
    """A release of a label as peers tell. Names are the catalogue's where it knows the release, else what most recent peer said."""

    release_mbid: uuid.UUID
    title: str
    artist: str
    year: str
    peers: int
    popularity: float
    quality: float | None
    """0..1: the best that a peer states; None: nobody states one"""
    profiles: tuple[str, ...]
    tracks: int
    tracks_held: int
    """by the peer that has most of it"""
    heard_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTotals:
    """Over all labels."""

    labels: int
    releases: int
    peers: int


def label_query(*, search: str = "", min_releases: int = 0) -> QuerySet[LabelPresence]:
    """Labels that were counted, by words of their names, to be paged in LABEL_ORDER and told by `label_rows`."""
    rows = LabelPresence.objects.filter(releases__gt=max(min_releases - 1, 0))
    for word in search_form(search).split()[:8]:
        rows = rows.filter(name_search__contains=word)
    return rows


def label_rows(page: Sequence[LabelPresence]) -> list[LabelRow]:
    """The labels of a page, with their popularity now."""
    now_s = timezone.now().timestamp()
    return [_row(one, now_s=now_s) for one in page]


def label_row(key: uuid.UUID) -> LabelRow | None:
    """One label by its key (its MBID, or the id of its name); None: the mesh tells nothing of it."""
    row = LabelPresence.objects.filter(label_key=key, releases__gt=0).first()
    return _row(row, now_s=timezone.now().timestamp()) if row is not None else None


def label_totals() -> LabelTotals:
    """How many labels, and releases and peers behind them. Two queries."""
    found = LabelSighting.objects.aggregate(
        releases=Count("release_mbid", distinct=True), peers=Count("peer", distinct=True)
    )
    labels = LabelPresence.objects.filter(releases__gt=0).count()
    return LabelTotals(labels=labels, releases=found["releases"], peers=found["peers"])


def releases_heard(key: uuid.UUID, *, codec: str = "") -> list[HeardRelease]:
    """A label's releases in the order of a crate: by popularity, then by quality as known. Two queries.

    `codec`: only what some peer has in it ("flac", "mp3", …, or "lossless").
    """
    found = _by_release([key])
    if codec:
        found = {mbid: some for mbid, some in found.items() if any(_has_codec(one.profile, codec) for one in some)}
    names = release_names(found.keys())
    now_s = timezone.now().timestamp()
    rows = [_heard(mbid, some, names.get(mbid, UNNAMED), now_s=now_s) for mbid, some in found.items()]
    rows.sort(key=lambda one: (-crate_order(one.popularity, quality=one.quality), str(one.release_mbid)))
    return rows


def release_popularity(label_mbid: uuid.UUID, name: str) -> Mapping[uuid.UUID, float]:
    """release → what a crate sorts it by (popularity in steps, then quality), of the label with this MBID, and of what peers without its MBID call by
    this name. Empty: the mesh knows nothing of it. One query."""
    keys = {label_mbid, *([by_name] if (by_name := label_key(None, name)) is not None else [])}
    now_s = timezone.now().timestamp()
    return {
        mbid: crate_order(popularity_at(_rank(some), now_s=now_s), quality=_quality(some))
        for mbid, some in _by_release(sorted(keys)).items()
    }


@dataclass(frozen=True, slots=True)
class _Sighting:
    peer: int
    heard_at: datetime
    title: str
    artist: str
    tracks: int
    held: int
    profile: str
    quality: float | None


def _by_release(keys: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[_Sighting]]:
    rows = LabelSighting.objects.filter(label_key__in=keys).order_by("-heard_at", "id")
    found: dict[uuid.UUID, list[_Sighting]] = {}
    for release, peer, at, title, artist, tracks, held, profile, quality in rows.values_list(
        "release_mbid", "peer_id", "heard_at", "title", "artist", "tracks", "tracks_held", "profile", "quality"
    )[:MAX_SIGHTINGS]:
        found.setdefault(release, []).append(_Sighting(peer, at, title, artist, tracks, held, profile, quality))
    return found


def _heard(mbid: uuid.UUID, some: Sequence[_Sighting], name: ReleaseName, *, now_s: float) -> HeardRelease:
    most = max(some, key=lambda one: one.held)
    return HeardRelease(
        release_mbid=mbid,
        title=name.title or _first(one.title for one in some),
        artist=name.artist or _first(one.artist for one in some),
        year=name.year,
        peers=len({one.peer for one in some}),
        popularity=popularity_at(_rank(some), now_s=now_s),
        quality=_quality(some),
        profiles=tuple(sorted({one.profile for one in some if one.profile}))[:MAX_PROFILES],
        tracks=most.tracks,
        tracks_held=most.held,
        heard_at=some[0].heard_at,
    )


def _rank(some: Iterable[_Sighting]) -> float:
    """A peer counts once: of labels that are two keys it is heard under both."""
    latest: dict[int, float] = {}
    for one in some:
        latest[one.peer] = max(latest.get(one.peer, 0.0), one.heard_at.timestamp())
    return rank_of(latest.values())


def _quality(some: Iterable[_Sighting]) -> float | None:
    return max((one.quality for one in some if one.quality is not None), default=None)


def _first(words: Iterable[str]) -> str:
    return next((word for word in words if word), "")


def _has_codec(profile: str, codec: str) -> bool:
    used = profile.partition("-")[0]
    return used in _LOSSLESS if codec == LOSSLESS_NAME else used == codec


def _row(row: LabelPresence, *, now_s: float) -> LabelRow:
    return LabelRow(
        key=row.label_key,
        label_mbid=row.label_mbid,
        name=row.name,
        releases=row.releases,
        artists=row.artists,
        peers=row.peers,
        popularity=popularity_at(row.rank, now_s=now_s),
        heard_at=row.heard_at,
    )
