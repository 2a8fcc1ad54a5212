"""MusicBrainz' WS/2 JSON read into values, with every field bounded and typed before anything else sees it.

Text from MusicBrainz is anybody's: control characters, lone surrogates and bidi overrides are taken out here and long texts are cut, so that no row,
page or log ever holds them. (Paths have their own, stricter rule: `apps.domain.library.naming`.) Anything of the wrong shape is MetadataGarbled.
"""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from apps.domain.errors import DomainError

MAX_TEXT_CHARS = 1000
"""Length of the rows' text columns."""
MAX_TRACKS = 5000
"""The largest releases MusicBrainz holds have about 3000."""
MAX_LABELS = 20
MAX_LENGTH_MS = 2**31 - 1
_POSITION_LIMIT = 32767
"""What a row's small integer holds on every database."""
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_DATE = re.compile(r"\d{4}(?:-\d\d(?:-\d\d)?)?")

T = TypeVar("T")


class MetadataGarbled(DomainError):
    """An answer that is not what WS/2 gives: cut off, HTML, another shape. Asking again may help."""

    default_code = "musicbrainz_garbled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtistFacts:
    """An artist as credited."""

    mbid: uuid.UUID
    name: str
    sort_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFacts:
    """A release group."""

    mbid: uuid.UUID
    title: str
    primary_type: str = ""
    secondary_types: tuple[str, ...] = ()
    first_release_date: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFacts:
    """A label."""

    mbid: uuid.UUID
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFacts:
    """A recording. `artists` in the order of the credit."""

    mbid: uuid.UUID
    title: str
    artist_credit: str = ""
    artists: tuple[ArtistFacts, ...] = ()
    length_ms: int | None = None
    isrcs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackFacts:
    """A track: the recording under the title this release prints. `position` 0 is a pregap track."""

    mbid: uuid.UUID
    position: int
    number: str
    title: str
    artist_credit: str
    length_ms: int | None
    recording: RecordingFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class MediumFacts:
    """A disc with its audio tracks, in order."""

    position: int
    title: str
    format: str
    tracks: tuple[TrackFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFacts:
    """A release with everything that tagging and naming need."""

    mbid: uuid.UUID
    title: str
    artist_credit: str = ""
    artists: tuple[ArtistFacts, ...] = ()
    group: GroupFacts | None = None
    label: LabelFacts | None = None
    catalog_number: str = ""
    barcode: str = ""
    date: str = ""
    """YYYY, YYYY-MM, YYYY-MM-DD or ""."""
    country: str = ""
    status: str = ""
    script: str = ""
    """ISO 15924: Latn, Jpan …"""
    labels: tuple[str, ...] = ()
    """Every label's name; `label` is the first."""
    catalog_numbers: tuple[str, ...] = ()
    media: tuple[MediumFacts, ...] = ()

    @property
    def year(self) -> str:
        """Of this release, else of its group; "" when unknown."""
        return (self.date or (self.group.first_release_date if self.group else ""))[:4]

    def tracks(self) -> Iterator[tuple[MediumFacts, TrackFacts]]:
        """Every audio track with its medium."""
        for medium in self.media:
            for track in medium.tracks:
                yield medium, track


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRef:
    """A release that a recording stands on: as much as ranking needs."""

    mbid: uuid.UUID
    status: str = ""
    date: str = ""
    primary_type: str = ""
    secondary_types: tuple[str, ...] = ()


def read_release(value: object) -> ReleaseFacts:
    """A release lookup with inc=artist-credits+isrcs+labels+media+recordings+release-groups. Data and video tracks are left out.

    Raises MetadataGarbled.
    """
    release = _object(value, "release")
    label, catalog_number = _label(release)
    labels, numbers = _labels(release)
    credit, artists = _credit(release)
    media = tuple(_medium(_object(item, "medium")) for item in _list(release, "media"))
    if sum(len(medium.tracks) for medium in media) > MAX_TRACKS:
        raise MetadataGarbled("This release has more tracks than any release.", field="media")
    if len({medium.position for medium in media}) != len(media):
        raise MetadataGarbled("Two media of this release have one position.", field="media")
    return ReleaseFacts(
        mbid=_mbid(release),
        title=_text(release, "title"),
        artist_credit=credit,
        artists=artists,
        group=_maybe(release, "release-group", _group),
        label=label,
        catalog_number=catalog_number,
        barcode=_text(release, "barcode")[:40],
        date=_date(release, "date"),
        country=_text(release, "country")[:4],
        status=_text(release, "status")[:40],
        script=_script(release),
        labels=labels,
        catalog_numbers=numbers,
        media=media,
    )


def read_recording(value: object) -> tuple[RecordingFacts, tuple[ReleaseRef, ...]]:
    """A recording lookup with inc=artist-credits+isrcs+releases+release-groups: the recording, and its releases, best first.

    Best: official before promotions and bootlegs; albums before EPs, singles and the rest; no compilation, live or remix group; the earliest.
    Raises MetadataGarbled.
    """
    recording = _object(value, "recording")
    refs = [_release_ref(_object(item, "release")) for item in _list(recording, "releases")]
    return _recording(recording), tuple(sorted(refs, key=_release_rank))


_TYPE_RANK = {"album": 0, "ep": 1, "single": 2}


def _release_rank(ref: ReleaseRef) -> tuple[int, int, int, str, str]:
    official = {"official": 0, "": 1}.get(ref.status.lower(), 2)
    return (
        official,
        len(ref.secondary_types),
        _TYPE_RANK.get(ref.primary_type.lower(), 3),
        ref.date or "9999",
        str(ref.mbid),
    )


def _release_ref(release: Mapping[str, object]) -> ReleaseRef:
    group = _maybe(release, "release-group", _group)
    return ReleaseRef(
        mbid=_mbid(release),
        status=_text(release, "status")[:40],
        date=_date(release, "date"),
        primary_type=group.primary_type if group else "",
        secondary_types=group.secondary_types if group else (),
    )


def _medium(medium: Mapping[str, object]) -> MediumFacts:
    listed = [_object(item, "track") for item in _list(medium, "tracks")]
    if (pregap := medium.get("pregap")) is not None:
        listed.insert(0, _object(pregap, "track"))
    tracks = tuple(_track(item) for item in listed if not _is_video(item))
    if len({track.position for track in tracks}) != len(tracks):
        raise MetadataGarbled("Two tracks of this medium have one position.", field="position")
    return MediumFacts(
        position=_position(medium, least=1),
        title=_text(medium, "title"),
        format=_text(medium, "format")[:80],
        tracks=tracks,
    )


def _is_video(track: Mapping[str, object]) -> bool:
    recording = track.get("recording")
    return isinstance(recording, Mapping) and recording.get("video") is True


def _track(track: Mapping[str, object]) -> TrackFacts:
    recording = _recording(_object(track.get("recording"), "recording"))
    credit, _ = _credit(track)
    length = _length(track)
    return TrackFacts(
        mbid=_mbid(track),
        position=_position(track, least=0),
        number=_text(track, "number")[:40],
        title=_text(track, "title") or recording.title,
        artist_credit=credit or recording.artist_credit,
        length_ms=length if length is not None else recording.length_ms,
        recording=recording,
    )


def _recording(recording: Mapping[str, object]) -> RecordingFacts:
    credit, artists = _credit(recording)
    isrcs = tuple(item[:20] for item in _list(recording, "isrcs") if isinstance(item, str) and item.isalnum())
    return RecordingFacts(
        mbid=_mbid(recording),
        title=_text(recording, "title"),
        artist_credit=credit,
        artists=artists,
        length_ms=_length(recording),
        isrcs=isrcs[:20],
    )


def _credit(entity: Mapping[str, object]) -> tuple[str, tuple[ArtistFacts, ...]]:
    """(the credit as printed, its artists in order)."""
    parts: list[str] = []
    artists: list[ArtistFacts] = []
    for item in _list(entity, "artist-credit"):
        credit = _object(item, "artist-credit")
        artist = _object(credit.get("artist"), "artist")
        facts = ArtistFacts(mbid=_mbid(artist), name=_text(artist, "name"), sort_name=_text(artist, "sort-name"))
        artists.append(facts)
        parts.append((_text(credit, "name") or facts.name) + _text(credit, "joinphrase", strip=False))
    return "".join(parts)[:MAX_TEXT_CHARS], tuple(artists)


def _group(group: Mapping[str, object]) -> GroupFacts:
    secondary = [item for item in _list(group, "secondary-types") if isinstance(item, str)]
    return GroupFacts(
        mbid=_mbid(group),
        title=_text(group, "title"),
        primary_type=_text(group, "primary-type")[:40],
        secondary_types=tuple(clean(item)[:40] for item in secondary),
        first_release_date=_date(group, "first-release-date"),
    )


def _label(release: Mapping[str, object]) -> tuple[LabelFacts | None, str]:
    """The first label, and the first catalogue number; either may stand without the other."""
    found: LabelFacts | None = None
    number = ""
    for item in _list(release, "label-info"):
        info = _object(item, "label-info")
        number = number or _text(info, "catalog-number")[:200]
        found = found or _maybe(info, "label", lambda label: LabelFacts(mbid=_mbid(label), name=_text(label, "name")))
    return found, number


def _labels(release: Mapping[str, object]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(names, catalogue numbers) of every label, each once, at most MAX_LABELS."""
    infos = [_object(item, "label-info") for item in _list(release, "label-info")]
    names = [_maybe(info, "label", lambda label: _text(label, "name")) or "" for info in infos]
    numbers = [_text(info, "catalog-number")[:200] for info in infos]
    return _once(names), _once(numbers)


def _once(texts: list[str]) -> tuple[str, ...]:
    return tuple(one for one in dict.fromkeys(texts) if one)[:MAX_LABELS]


def _script(release: Mapping[str, object]) -> str:
    told = release.get("text-representation")
    return _text(told, "script")[:4] if isinstance(told, Mapping) else ""


def clean(text: str) -> str:
    """Text from outside without control characters, surrogates and bidi overrides, cut to what a row holds."""
    kept = (" " if one in "\t\n\r" else one for one in text[: 4 * MAX_TEXT_CHARS])
    return "".join(one for one in kept if one not in _BIDI_CONTROLS and unicodedata.category(one) not in ("Cc", "Cs"))[
        :MAX_TEXT_CHARS
    ]


def _object(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise MetadataGarbled("MusicBrainz answered with something of another shape.", field=what)
    return value


def _list(entity: Mapping[str, object], key: str) -> list[object]:
    value = entity.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise MetadataGarbled("MusicBrainz answered with something of another shape.", field=key)
    return value


def _maybe(entity: Mapping[str, object], key: str, read: Callable[[Mapping[str, object]], T]) -> T | None:
    value = entity.get(key)
    return None if value is None else read(_object(value, key))


def _mbid(entity: Mapping[str, object]) -> uuid.UUID:
    value = entity.get("id")
    try:
        return uuid.UUID(value if isinstance(value, str) else "")
    except ValueError as error:
        raise MetadataGarbled("MusicBrainz answered with something that has no id.", field="id") from error


def _text(entity: Mapping[str, object], key: str, *, strip: bool = True) -> str:
    value = entity.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MetadataGarbled("MusicBrainz answered with something of another shape.", field=key)
    return clean(value).strip() if strip else clean(value)


def _date(entity: Mapping[str, object], key: str) -> str:
    """A date as far as it is one; MusicBrainz writes unknown parts as `????` at times."""
    match = _DATE.match(_text(entity, key))
    return match[0] if match else ""


def _length(entity: Mapping[str, object]) -> int | None:
    value = entity.get("length")
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 < value <= MAX_LENGTH_MS else None


def _position(entity: Mapping[str, object], *, least: int) -> int:
    value = entity.get("position")
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _POSITION_LIMIT:
        raise MetadataGarbled("MusicBrainz answered with an impossible position.", field="position")
    return value
