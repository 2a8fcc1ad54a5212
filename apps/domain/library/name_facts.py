"""What a file's name is made of: from its track on a release, else from its tags. Pure.

A compilation's files go under the artist of the album. Tags often name none; files of one album in one folder by several artists are then filed
under VARIOUS_ARTISTS instead of being torn apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from apps.domain.catalog.release import MediumFacts, ReleaseFacts, TrackFacts
from apps.domain.library.naming import NameFacts

VARIOUS_ARTISTS: Final = "Various Artists"
"""MusicBrainz' own name for it, so that tags and releases give one folder."""
_EXTENSION = re.compile(r"[a-z0-9]{1,8}")
_CONTAINERS: Final = {"mp4": "m4a", "alac": "m4a", "aac": "m4a", "vorbis": "ogg", "wave": "wav"}
_MAX_TRACK, _MAX_DISC = 9999, 999


@dataclass(frozen=True, slots=True, kw_only=True)
class OnRelease:
    """A track and where it stands."""

    release: ReleaseFacts
    medium: MediumFacts
    track: TrackFacts


def extension_of(container: str) -> str:
    """The extension for a container's name; `audio` for one that makes none."""
    lowered = _CONTAINERS.get(container.lower(), container.lower())
    return lowered if _EXTENSION.fullmatch(lowered) else "audio"


def kept_extension(name: bytes, *, container: str) -> str:
    """A file's own extension in lower case; where it has none that may stay, its container's."""
    extension = name.rpartition(b".")[2].decode("ascii", "replace").lower() if b"." in name else ""
    return extension if _EXTENSION.fullmatch(extension) else extension_of(container)


def names_of_track(place: OnRelease, *, ext: str, codec: str = "") -> NameFacts:
    """From MusicBrainz. Raises NameFactsError for an `ext` that is none."""
    release, medium, track = place.release, place.medium, place.track
    artists = release.artists
    return NameFacts(
        title=track.title or track.recording.title,
        ext=ext,
        track=min(track.position, _MAX_TRACK),
        albumartist=release.artist_credit,
        artist=track.artist_credit or track.recording.artist_credit,
        album=release.title,
        year=_year(release.year),
        disc=min(medium.position, _MAX_DISC),
        discs=min(max(len(release.media), medium.position), _MAX_DISC),
        label=release.label.name if release.label else "",
        catalog_number=release.catalog_number,
        albumartist_sort=artists[0].sort_name if len(artists) == 1 else "",
        disctitle=medium.title,
        originalyear=_year(release.group.first_release_date[:4]) if release.group else None,
        country=release.country,
        type=release.group.primary_type if release.group else "",
        media=medium.format,
        codec=codec.upper(),
    )


def names_of_tags(tags: Mapping[str, object], *, ext: str, codec: str = "") -> NameFacts:
    """From a file's tags, as its row keeps them (by the names of AudioTags); what they don't say is empty. Raises NameFactsError as above."""
    disc = _number(tags, "disc", _MAX_DISC)
    return NameFacts(
        title=_text(tags, "title"),
        ext=ext,
        track=_number(tags, "track", _MAX_TRACK),
        albumartist=_text(tags, "albumartist"),
        artist=_text(tags, "artist"),
        album=_text(tags, "album"),
        year=_year(_text(tags, "date")[:4]),
        disc=max(disc, 1),
        discs=max(_number(tags, "discs", _MAX_DISC), disc, 1),
        label=_text(tags, "label"),
        catalog_number=_text(tags, "catalog_number"),
        country=_text(tags, "country"),
        originalyear=_year(_text(tags, "original_date")[:4]),
        type=_text(tags, "types").capitalize(),
        media=_text(tags, "media"),
        codec=codec.upper(),
    )


def companions_agreed(files: Sequence[NameFacts]) -> tuple[NameFacts, ...]:
    """The files of one folder, told by their tags alone, with what only their albums as a whole tell: the album's artist and number of discs."""
    albums: dict[str, list[NameFacts]] = {}
    for one in files:
        albums.setdefault(one.album.casefold(), []).append(one)
    return tuple(_agreed(one, albums[one.album.casefold()]) for one in files)


def _agreed(one: NameFacts, album: Sequence[NameFacts]) -> NameFacts:
    if not one.album:
        return one
    one = replace(one, discs=max(each.discs for each in album))
    if one.albumartist:
        return one
    named = {each.albumartist for each in album if each.albumartist}
    if len(named) == 1:
        return replace(one, albumartist=named.pop())
    several = len({each.artist.casefold() for each in album if each.artist}) > 1
    return replace(one, albumartist=VARIOUS_ARTISTS if several else one.artist)


def _text(tags: Mapping[str, object], name: str) -> str:
    """A field's text; of several the first."""
    value = tags.get(name)
    if isinstance(value, list | tuple) and value:
        value = value[0]
    return value if isinstance(value, str) else ""


def _number(tags: Mapping[str, object], name: str, most: int) -> int:
    value = tags.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most else 0


def _year(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text) <= 9999 else None
