"""A MusicBrainz release or recording, read from WS/2 JSON into values (fields: `apps.domain.catalog.fields`)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from apps.domain.catalog.fields import (
    MAX_TEXT_CHARS,
    MetadataGarbled,
    clean,
    date_of,
    length_of,
    list_of,
    maybe,
    mbid_of,
    object_of,
    position_of,
    text_of,
)
from apps.domain.catalog.relations import Relation, read_relations

MAX_TRACKS = 5000
"""The largest releases MusicBrainz holds have about 3000."""
MAX_LABELS = 20


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
    relations: tuple[Relation, ...] | None = field(default=None, compare=False)
    """Who made it: producers, engineers, mixers. None: not asked for. Kept apart from the release, so no part of what makes two equal."""

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
    release = object_of(value, "release")
    label, catalog_number = _label(release)
    labels, numbers = _labels(release)
    credit, artists = credit_of(release)
    media = tuple(_medium(object_of(item, "medium")) for item in list_of(release, "media"))
    if sum(len(medium.tracks) for medium in media) > MAX_TRACKS:
        raise MetadataGarbled("This release has more tracks than any release.", field="media")
    if len({medium.position for medium in media}) != len(media):
        raise MetadataGarbled("Two media of this release have one position.", field="media")
    return ReleaseFacts(
        mbid=mbid_of(release),
        title=text_of(release, "title"),
        artist_credit=credit,
        artists=artists,
        group=maybe(release, "release-group", group_of),
        label=label,
        catalog_number=catalog_number,
        barcode=text_of(release, "barcode")[:40],
        date=date_of(release, "date"),
        country=text_of(release, "country")[:4],
        status=text_of(release, "status")[:40],
        script=_script(release),
        labels=labels,
        catalog_numbers=numbers,
        media=media,
        relations=read_relations(release) if "relations" in release else None,
    )


def read_recording(value: object) -> tuple[RecordingFacts, tuple[ReleaseRef, ...]]:
    """A recording lookup with inc=artist-credits+isrcs+releases+release-groups: the recording, and its releases, best first.

    Best: official before promotions and bootlegs; albums before EPs, singles and the rest; no compilation, live or remix group; the earliest.
    Raises MetadataGarbled.
    """
    recording = object_of(value, "recording")
    refs = [_release_ref(object_of(item, "release")) for item in list_of(recording, "releases")]
    return _recording(recording), best_first(refs)


def best_first(refs: Iterable[ReleaseRef]) -> tuple[ReleaseRef, ...]:
    """As `read_recording` ranks them."""
    return tuple(sorted(refs, key=_release_rank))


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
    group = maybe(release, "release-group", group_of)
    return ReleaseRef(
        mbid=mbid_of(release),
        status=text_of(release, "status")[:40],
        date=date_of(release, "date"),
        primary_type=group.primary_type if group else "",
        secondary_types=group.secondary_types if group else (),
    )


def _medium(medium: Mapping[str, object]) -> MediumFacts:
    listed = [object_of(item, "track") for item in list_of(medium, "tracks")]
    if (pregap := medium.get("pregap")) is not None:
        listed.insert(0, object_of(pregap, "track"))
    tracks = tuple(_track(item) for item in listed if not _is_video(item))
    if len({track.position for track in tracks}) != len(tracks):
        raise MetadataGarbled("Two tracks of this medium have one position.", field="position")
    return MediumFacts(
        position=position_of(medium, least=1),
        title=text_of(medium, "title"),
        format=text_of(medium, "format")[:80],
        tracks=tracks,
    )


def _is_video(track: Mapping[str, object]) -> bool:
    recording = track.get("recording")
    return isinstance(recording, Mapping) and recording.get("video") is True


def _track(track: Mapping[str, object]) -> TrackFacts:
    recording = _recording(object_of(track.get("recording"), "recording"))
    credit, _ = credit_of(track)
    length = length_of(track)
    return TrackFacts(
        mbid=mbid_of(track),
        position=position_of(track, least=0),
        number=text_of(track, "number")[:40],
        title=text_of(track, "title") or recording.title,
        artist_credit=credit or recording.artist_credit,
        length_ms=length if length is not None else recording.length_ms,
        recording=recording,
    )


def _recording(recording: Mapping[str, object]) -> RecordingFacts:
    credit, artists = credit_of(recording)
    isrcs = tuple(item[:20] for item in list_of(recording, "isrcs") if isinstance(item, str) and item.isalnum())
    return RecordingFacts(
        mbid=mbid_of(recording),
        title=text_of(recording, "title"),
        artist_credit=credit,
        artists=artists,
        length_ms=length_of(recording),
        isrcs=isrcs[:20],
    )


def credit_of(entity: Mapping[str, object]) -> tuple[str, tuple[ArtistFacts, ...]]:
    """(the credit as printed, its artists in order)."""
    parts: list[str] = []
    artists: list[ArtistFacts] = []
    for item in list_of(entity, "artist-credit"):
        credit = object_of(item, "artist-credit")
        artist = object_of(credit.get("artist"), "artist")
        facts = ArtistFacts(mbid=mbid_of(artist), name=text_of(artist, "name"), sort_name=text_of(artist, "sort-name"))
        artists.append(facts)
        parts.append((text_of(credit, "name") or facts.name) + text_of(credit, "joinphrase", strip=False))
    return "".join(parts)[:MAX_TEXT_CHARS], tuple(artists)


def group_of(group: Mapping[str, object]) -> GroupFacts:
    secondary = [item for item in list_of(group, "secondary-types") if isinstance(item, str)]
    return GroupFacts(
        mbid=mbid_of(group),
        title=text_of(group, "title"),
        primary_type=text_of(group, "primary-type")[:40],
        secondary_types=tuple(clean(item)[:40] for item in secondary),
        first_release_date=date_of(group, "first-release-date"),
    )


def _label(release: Mapping[str, object]) -> tuple[LabelFacts | None, str]:
    """The first label, and the first catalogue number; either may stand without the other."""
    found: LabelFacts | None = None
    number = ""
    for item in list_of(release, "label-info"):
        info = object_of(item, "label-info")
        number = number or text_of(info, "catalog-number")[:200]
        found = found or maybe(
            info, "label", lambda label: LabelFacts(mbid=mbid_of(label), name=text_of(label, "name"))
        )
    return found, number


def _labels(release: Mapping[str, object]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(names, catalogue numbers) of every label, each once, at most MAX_LABELS."""
    infos = [object_of(item, "label-info") for item in list_of(release, "label-info")]
    names = [maybe(info, "label", lambda label: text_of(label, "name")) or "" for info in infos]
    numbers = [text_of(info, "catalog-number")[:200] for info in infos]
    return _once(names), _once(numbers)


def _once(texts: list[str]) -> tuple[str, ...]:
    return tuple(one for one in dict.fromkeys(texts) if one)[:MAX_LABELS]


def _script(release: Mapping[str, object]) -> str:
    told = release.get("text-representation")
    return text_of(told, "script")[:4] if isinstance(told, Mapping) else ""
