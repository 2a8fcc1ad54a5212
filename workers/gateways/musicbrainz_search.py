"""What a search of MusicBrainz answers, and how words become its query (Lucene's language)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from apps.domain.catalog.fields import MetadataGarbled, object_of
from apps.domain.catalog.release import RecordingFacts, ReleaseRef, read_recording, read_release

T = TypeVar("T")

MAX_WORDS_CHARS: Final = 200
_LUCENE: Final = re.compile(r'([+\-&|!(){}\[\]^"~*?:\\/])')
_OPERATORS: Final = frozenset({"AND", "OR", "NOT"})


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """Something a search found. `score` 0..100, of the words alone."""

    score: int
    value: T


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseHit:
    """A release that a search found. `score` 0..100, of the words alone."""

    mbid: uuid.UUID
    group_mbid: uuid.UUID | None
    title: str
    artist: str
    score: int
    tracks: int


def escaped(text: str) -> str:
    """A text inside quotes of Lucene's query language, bounded."""
    return _LUCENE.sub(r"\\\1", " ".join(text.split())[:MAX_WORDS_CHARS])


def words_query(words: str) -> str:
    """Words as a person types them, none of them an operator; "" where nothing is left to search for."""
    kept = [escaped(one.lower() if one in _OPERATORS else one) for one in words[:MAX_WORDS_CHARS].split()]
    return " ".join(one for one in kept if any(char.isalnum() for char in one))


def found_of(answer: object, *, entity: str, read: Callable[[object], T]) -> tuple[Found[T], ...]:
    """The hits of a search for `entity` ("release-group"); those that can't be read are left out. Raises MetadataGarbled without a list of them."""
    told = object_of(answer, entity)
    # Servers before 2018 named the list by the singular.
    entries = told.get(f"{entity}s", told.get(entity))
    if not isinstance(entries, list):
        raise MetadataGarbled("MusicBrainz answered with something of another shape.", field=f"{entity}s")
    found: list[Found[T]] = []
    for one in entries:
        try:
            found.append(Found(_score(object_of(one, entity).get("score")), read(one)))
        except MetadataGarbled:
            continue
    return tuple(sorted(found, key=lambda one: -one.score))


def recordings_of(answer: object) -> tuple[tuple[RecordingFacts, tuple[ReleaseRef, ...]], ...]:
    """The recordings of an ISRC. Raises MetadataGarbled."""
    return tuple(one.value for one in found_of(answer, entity="recording", read=read_recording))


def releases_of(answer: object) -> list[object]:
    """The list of a browse or search answer. Raises MetadataGarbled."""
    releases = answer.get("releases") if isinstance(answer, dict) else None
    if not isinstance(releases, list):
        raise MetadataGarbled("MusicBrainz answered with something of another shape.", field="releases")
    return releases


def release_hits(answer: object) -> tuple[ReleaseHit, ...]:
    """The releases of a search by tags. Raises MetadataGarbled."""
    hits = []
    for one in releases_of(answer):
        if not isinstance(one, dict):
            continue
        try:
            facts = read_release({key: one.get(key) for key in ("id", "title", "artist-credit", "release-group")})
        except MetadataGarbled:
            continue
        tracks = one.get("track-count")
        hits.append(
            ReleaseHit(
                mbid=facts.mbid,
                group_mbid=facts.group.mbid if facts.group else None,
                title=facts.title,
                artist=facts.artist_credit,
                score=_score(one.get("score")),
                tracks=tracks if isinstance(tracks, int) else 0,
            )
        )
    return tuple(hits)


def _score(value: object) -> int:
    """A number, or (of older servers) its text."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:4])
    return min(max(value, 0), 100) if isinstance(value, int) and not isinstance(value, bool) else 0
