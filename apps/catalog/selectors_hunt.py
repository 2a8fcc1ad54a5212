"""Names by which music is looked for elsewhere: other names of its artist, albums a recording stands on. From what is known; nothing is asked."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from apps.catalog.models import Artist, Release, Track


@dataclass(frozen=True, slots=True, kw_only=True)
class HuntNames:
    """Foreign text. `aliases` of the first credited artist; `albums` official ones first."""

    aliases: tuple[str, ...] = ()
    albums: tuple[str, ...] = ()


def release_of_hunt(*, release: uuid.UUID | None, recordings: Collection[uuid.UUID]) -> HuntNames:
    """At most four queries."""
    artist_id: uuid.UUID | None = None
    if release is not None:
        artist_id = Release.objects.filter(mbid=release).values_list("artist_id", flat=True).first()
    on = Track.objects.filter(recording_id__in=list(recordings)).values_list("medium__release_id", flat=True)
    releases = Release.objects.filter(mbid__in=list(on[:50])).order_by("date", "mbid")
    rows = list(releases.values_list("title", "status"))
    if artist_id is None:
        artist_id = releases.exclude(artist=None).values_list("artist_id", flat=True).first()
    titles = [title for title, status in sorted(rows, key=lambda row: row[1] != "Official")]
    aliases = Artist.objects.filter(mbid=artist_id).values_list("aliases", flat=True).first() if artist_id else None
    return HuntNames(
        aliases=tuple(dict.fromkeys(_name(one) for one in aliases or () if _name(one))),
        albums=tuple(dict.fromkeys(titles)),
    )


def _name(alias: object) -> str:
    """An alias is a name, or MusicBrainz' object with one."""
    if isinstance(alias, dict):
        alias = alias.get("name", "")
    return str(alias).strip()[:200]
