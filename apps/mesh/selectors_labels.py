"""Labels as the mesh shows them, by popularity, and what is heard of one label's releases. Local only: nothing of it is ever sent."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Count, QuerySet
from django.utils import timezone

from apps.common.names import ReleaseName, release_names
from apps.domain.audio.profile import LOSSLESS
from apps.domain.mesh.labels import label_key, search_form
from apps.domain.mesh.popularity import crate_order, popularity_at
from apps.mesh.models_labels import LabelPresence, LabelRelease, LabelSighting

LABEL_ORDER: Final = ("-rank", "-label_key")
"""The most popular first. Ranks change only when somebody is heard of: the order does not move while nobody is."""
CHUNK: Final = 500
"""Ids of one query: below what the oldest SQLite takes."""
MAX_RELEASES: Final = 10_000
"""Of one label: all peers' quotas together hold some more only in theory."""
LOSSLESS_NAME: Final = "lossless"
"""The codec filter that lets every lossless one through."""
_LOSSLESS: Final = frozenset(one.value for one in LOSSLESS)
Keep = Callable[[Collection[uuid.UUID]], Collection[uuid.UUID]]
"""Releases → those of them that are meant."""
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
    """How many labels, and releases and peers behind them. Three queries, each of an index alone."""
    releases = LabelRelease.objects.aggregate(n=Count("release_mbid", distinct=True))["n"]
    peers = LabelSighting.objects.order_by().values("peer_id").distinct().count()
    labels = LabelPresence.objects.filter(releases__gt=0).count()
    return LabelTotals(labels=labels, releases=releases, peers=peers)


def releases_heard(
    key: uuid.UUID, *, codec: str = "", limit: int | None = None, only: Keep | None = None
) -> tuple[int, list[HeardRelease]]:
    """How many releases of a label were heard of, and the first `limit` of them in the order of a crate: by popularity, then by quality as known. Three
    queries; names are looked up of what is given only.

    `codec`: only what some peer has in it ("flac", "mp3", …, or "lossless"). `only`: is asked which of these to keep.
    """
    columns = ("release_mbid", "rank", "quality", *(("profiles",) if codec else ()))
    known = list(LabelRelease.objects.filter(label_key=key).values_list(*columns)[:MAX_RELEASES])
    if codec:
        known = [row for row in known if any(_has_codec(profile, codec) for profile in row[3])]
    if only is not None:
        kept = only([row[0] for row in known])
        known = [row for row in known if row[0] in kept]
    now_s = timezone.now().timestamp()
    known.sort(key=lambda row: (-crate_order(popularity_at(row[1], now_s=now_s), quality=row[2]), str(row[0])))
    shown = [row[0] for row in known[:limit]]
    names = release_names(shown)
    rows = {
        row.release_mbid: row
        for at in range(0, len(shown), CHUNK)
        for row in LabelRelease.objects.filter(label_key=key, release_mbid__in=shown[at : at + CHUNK])
    }
    return len(known), [_heard(rows[mbid], names.get(mbid, UNNAMED), now_s=now_s) for mbid in shown if mbid in rows]


def release_popularity(label_mbid: uuid.UUID, name: str) -> Mapping[uuid.UUID, float]:
    """release → what a crate sorts it by (popularity in steps, then quality), of the label with this MBID, and of what peers without its MBID call by
    this name. Empty: the mesh knows nothing of it. One query.

    No peer is counted twice: of one release it is heard by MBID or by name.
    """
    keys = {label_mbid, *([by_name] if (by_name := label_key(None, name)) is not None else [])}
    now_s = timezone.now().timestamp()
    popularity: dict[uuid.UUID, float] = {}
    quality: dict[uuid.UUID, float] = {}
    rows = LabelRelease.objects.filter(label_key__in=keys).values_list("release_mbid", "rank", "quality")
    for mbid, rank, stated in rows[:MAX_RELEASES]:
        popularity[mbid] = popularity.get(mbid, 0.0) + popularity_at(rank, now_s=now_s)
        quality[mbid] = max(quality.get(mbid, 0.0), stated or 0.0)
    return {mbid: crate_order(value, quality=quality[mbid]) for mbid, value in popularity.items()}


def _heard(row: LabelRelease, name: ReleaseName, *, now_s: float) -> HeardRelease:
    return HeardRelease(
        release_mbid=row.release_mbid,
        title=name.title or row.title,
        artist=name.artist or row.artist,
        year=name.year,
        peers=row.peers,
        popularity=popularity_at(row.rank, now_s=now_s),
        quality=row.quality,
        profiles=tuple(row.profiles),
        tracks=row.tracks,
        tracks_held=row.tracks_held,
        heard_at=row.heard_at,
    )


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
