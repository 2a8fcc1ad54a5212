"""Releases of the catalogue by what they are called, for guesses about what others offer. In bulk; nothing is asked of anybody."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.db.models.functions import Lower

from apps.catalog.models import Release

MAX_PER_TITLE = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRelease:
    """A release as a guess is made by it. Foreign text."""

    mbid: uuid.UUID
    title: str
    artist: str
    year: str
    tracks: int


def releases_titled(titles: Collection[str]) -> Mapping[str, tuple[NamedRelease, ...]]:
    """Releases by title (in small letters); one query for 500 titles. Oldest first."""
    named = sorted({one.lower() for one in titles if one})
    found: dict[str, list[NamedRelease]] = {}
    for at in range(0, len(named), 500):
        rows = (
            Release.objects.annotate(small=Lower("title"))
            .filter(small__in=named[at : at + 500])
            .order_by("date", "mbid")
            .values_list("small", "mbid", "title", "artist_credit", "date", "track_count")
        )
        for small, mbid, title, artist, date, tracks in rows.iterator(chunk_size=2000):
            some = found.setdefault(small, [])
            if len(some) < MAX_PER_TITLE:
                some.append(NamedRelease(mbid=mbid, title=title, artist=artist, year=date[:4], tracks=tracks))
    return {title: tuple(some) for title, some in found.items()}
