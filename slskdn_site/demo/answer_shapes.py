"""Facts of a release in the shapes in which MusicBrainz' WS/2 (JSON) and AcoustID's v2 say them. Pure: values in, JSON values out.

Keys and their nesting follow recorded answers of the live services; optional parts that we have no facts for are null or empty there too.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from slskdn_site.demo.album import DemoAlbum, DemoTrack

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
JsonObject = dict[str, Json]

# Everything our release answers carry, so that any subset of it can be asked for.
_NOTHING_THERE = frozenset({"aliases", "annotation", "artist-rels", "genres", "tags", "url-rels"})
_LEVELS = frozenset({"recording-level-rels", "recording-rels", "work-level-rels", "work-rels"})
RELEASE_INCS = (
    _NOTHING_THERE
    | _LEVELS
    | {"artist-credits", "artists", "discids", "isrcs", "labels", "media", "recordings", "release-groups"}
)
RECORDING_INCS = _NOTHING_THERE | _LEVELS | {"artist-credits", "artists", "isrcs", "release-groups", "releases"}
GROUP_INCS = _NOTHING_THERE | {"artist-credits", "artists", "releases"}
ARTIST_INCS = _NOTHING_THERE
LABEL_INCS = _NOTHING_THERE | {"label-rels"}

# MusicBrainz' own ids of its enumerations.
_OFFICIAL = "4e304316-386d-3409-af2e-78857eec5cfe"
_ALBUM = "f529b476-6e62-324f-b0aa-1f3e33d313fc"
_GROUP = "e431f5f6-b5d2-343d-8b36-72607fffb74b"
_LABEL = "7aaa37fe-2def-3476-b359-80245850062d"
_DIGITAL = "907a28d9-b3b2-3ef6-89a8-7b18d91d4794"
_WORLDWIDE = "525d4e18-3d00-31b9-a58b-a146a916de8f"

_ACOUSTID_NAMESPACE = uuid.UUID("7d1f6b0a-3f55-4c0e-8b6f-0c5b2a9e4d13")


@dataclass(frozen=True, slots=True)
class TrackFacts:
    """One track of a release, in the words of its tags."""

    disc: int
    position: int
    title: str
    artist: str
    artist_mbid: str
    recording_mbid: str
    track_mbid: str
    length_ms: int
    isrc: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """A release and its tracks in order. Empty text means unknown; `date` is YYYY, YYYY-MM or YYYY-MM-DD."""

    release_mbid: str
    release_group_mbid: str
    title: str
    artist: str
    artist_mbid: str
    tracks: tuple[TrackFacts, ...]
    date: str = ""
    country: str = ""
    disambiguation: str = ""
    label: str = ""
    label_mbid: str = ""
    catalog_number: str = ""
    barcode: str = ""
    discogs_page: str = ""
    media_format: str = "Digital Media"


def demo_track_facts(facts: DemoAlbum, track: DemoTrack) -> TrackFacts:
    """A track of the demonstration album as an answer needs it."""
    return TrackFacts(
        disc=1,
        position=track.position,
        title=track.title,
        artist=facts.artist,
        artist_mbid=facts.artist_mbid,
        recording_mbid=track.recording_mbid,
        track_mbid=track.track_mbid,
        length_ms=track.length_ms,
        isrc=track.isrc,
    )


def demo_release_facts(facts: DemoAlbum) -> ReleaseFacts:
    """An edition of the demonstration album as an answer needs it."""
    return ReleaseFacts(
        release_mbid=facts.release_mbid,
        release_group_mbid=facts.release_group_mbid,
        title=facts.title,
        artist=facts.artist,
        artist_mbid=facts.artist_mbid,
        tracks=tuple(demo_track_facts(facts, track) for track in facts.tracks),
        date=facts.date,
        country=facts.country,
        disambiguation=facts.disambiguation,
        label=facts.label,
        label_mbid=facts.label_mbid,
        catalog_number=facts.catalog_number,
        barcode=facts.barcode,
        discogs_page=facts.discogs_page,
    )


def _nothing_there() -> JsonObject:
    """What a client may ask for and these releases do not have: no relation, no tag, no second name."""
    return {"aliases": [], "annotation": None, "genres": [], "relations": [], "tags": []}


def artist_json(name: str, mbid: str) -> JsonObject:
    """`/ws/2/artist/<mbid>` with all of ARTIST_INCS."""
    return {
        "id": mbid,
        "name": name,
        "sort-name": name,
        "disambiguation": "",
        "type": "Group",
        "type-id": _GROUP,
        "gender": None,
        "gender-id": None,
        "country": None,
        "area": None,
        "begin-area": None,
        "end-area": None,
        "life-span": {"begin": None, "end": None, "ended": False},
        "ipis": [],
        "isnis": [],
        **_nothing_there(),
    }


def label_json(name: str, mbid: str) -> JsonObject:
    """`/ws/2/label/<mbid>` with all of LABEL_INCS."""
    return {
        "id": mbid,
        "name": name,
        "sort-name": name,
        "disambiguation": "",
        "type": "Original Production",
        "type-id": _LABEL,
        "label-code": None,
        "country": None,
        "area": None,
        "life-span": {"begin": None, "end": None, "ended": False},
        "ipis": [],
        "isnis": [],
        **_nothing_there(),
    }


def _credit(name: str, mbid: str) -> list[Json]:
    artist: JsonObject = {
        "id": mbid,
        "name": name,
        "sort-name": name,
        "disambiguation": "",
        "type": "Group",
        "type-id": _GROUP,
        "country": None,
    }
    return [{"name": name, "joinphrase": "", "artist": artist}]


def _recording(track: TrackFacts, *, date: str) -> JsonObject:
    return {
        "id": track.recording_mbid,
        "title": track.title,
        "length": track.length_ms,
        "video": False,
        "disambiguation": "",
        "first-release-date": date,
        "isrcs": [track.isrc] if track.isrc else [],
        **_nothing_there(),
        "artist-credit": _credit(track.artist, track.artist_mbid),
    }


def _group(facts: ReleaseFacts) -> JsonObject:
    return {
        "id": facts.release_group_mbid,
        "title": facts.title,
        "disambiguation": "",
        "primary-type": "Album",
        "primary-type-id": _ALBUM,
        "secondary-types": [],
        "secondary-type-ids": [],
        "first-release-date": facts.date,
        "artist-credit": _credit(facts.artist, facts.artist_mbid),
        **_nothing_there(),
    }


def _release_head(facts: ReleaseFacts) -> JsonObject:
    area: JsonObject = {
        "id": _WORLDWIDE,
        "name": "[Worldwide]",
        "sort-name": "[Worldwide]",
        "disambiguation": "",
        "iso-3166-1-codes": ["XW"],
        "type": None,
        "type-id": None,
    }
    return {
        "id": facts.release_mbid,
        "title": facts.title,
        "disambiguation": facts.disambiguation,
        "date": facts.date,
        "country": facts.country or None,
        "release-events": [{"date": facts.date, "area": area if facts.country == "XW" else None}] if facts.date else [],
        "status": "Official",
        "status-id": _OFFICIAL,
        "packaging": None,
        "packaging-id": None,
        "barcode": facts.barcode or None,
        "asin": None,
        "quality": "normal",
        "text-representation": {"language": "eng", "script": "Latn"},
        "cover-art-archive": {"artwork": False, "front": False, "back": False, "count": 0, "darkened": False},
        "artist-credit": _credit(facts.artist, facts.artist_mbid),
    }


def _medium(facts: ReleaseFacts, disc: int, tracks: Sequence[TrackFacts]) -> JsonObject:
    listed: list[Json] = [
        {
            "id": track.track_mbid,
            "position": track.position,
            "number": str(track.position),
            "title": track.title,
            "length": track.length_ms,
            "artist-credit": _credit(track.artist, track.artist_mbid),
            "recording": _recording(track, date=facts.date),
        }
        for track in tracks
    ]
    return {
        "position": disc,
        "format": facts.media_format,
        "format-id": _DIGITAL,
        "title": "",
        "track-count": len(tracks),
        "track-offset": 0,
        "discs": [],
        "tracks": listed,
    }


def release_json(facts: ReleaseFacts) -> JsonObject:
    """`/ws/2/release/<mbid>` with all of RELEASE_INCS."""
    discs = sorted({track.disc for track in facts.tracks})
    media: list[Json] = [
        _medium(facts, disc, [track for track in facts.tracks if track.disc == disc]) for disc in discs
    ]
    labels: list[Json] = []
    if facts.label:
        label: JsonObject = {
            "id": facts.label_mbid,
            "name": facts.label,
            "sort-name": facts.label,
            "disambiguation": "",
            "label-code": None,
            "type": "Original Production",
            "type-id": "7aaa37fe-2def-3476-b359-80245850062d",
        }
        labels.append({"catalog-number": facts.catalog_number or None, "label": label})
    return {
        **_release_head(facts),
        **_nothing_there(),
        "relations": _links(facts),
        "release-group": _group(facts),
        "label-info": labels,
        "media": media,
    }


def _links(facts: ReleaseFacts) -> list[Json]:
    """As MusicBrainz names a page elsewhere that describes the release."""
    if not facts.discogs_page:
        return []
    page: JsonObject = {"id": str(uuid.uuid5(uuid.NAMESPACE_URL, facts.discogs_page)), "resource": facts.discogs_page}
    return [{"type": "discogs", "direction": "forward", "target-type": "url", "url": page}]


def release_group_json(releases: Sequence[ReleaseFacts]) -> JsonObject:
    """`/ws/2/release-group/<mbid>` with all of GROUP_INCS; the first of `releases` names the group."""
    earliest = min((facts.date for facts in releases if facts.date), default="")
    listed: list[Json] = [_release_head(facts) for facts in releases]
    return {**_group(releases[0]), "first-release-date": earliest, "releases": listed}


def recording_json(track: TrackFacts, releases: Sequence[ReleaseFacts]) -> JsonObject:
    """`/ws/2/recording/<mbid>` with all of RECORDING_INCS."""
    date = min((facts.date for facts in releases if facts.date), default="")
    listed: list[Json] = [{**_release_head(facts), "release-group": _group(facts)} for facts in releases]
    return {**_recording(track, date=date), "releases": listed}


def acoustid_of(fingerprint: str) -> str:
    """The AcoustID track id that we give to a fingerprint."""
    return str(uuid.uuid5(_ACOUSTID_NAMESPACE, fingerprint))


def acoustid_result(
    track: TrackFacts, fingerprint: str, *, groups: Sequence[ReleaseFacts], other_recordings: Sequence[str] = ()
) -> JsonObject:
    """One result of `/v2/lookup` with meta=recordings+releasegroups+compress; `other_recordings` are ids that share the AcoustID."""
    listed: list[Json] = [{"id": facts.release_group_mbid, "title": facts.title, "type": "Album"} for facts in groups]
    recording: JsonObject = {
        "id": track.recording_mbid,
        "title": track.title,
        "duration": round(track.length_ms / 1000),
        "artists": [{"id": track.artist_mbid, "name": track.artist}],
    }
    if listed:
        recording["releasegroups"] = listed
    recordings: list[Json] = [recording]
    recordings += [{"id": mbid} for mbid in other_recordings]
    return {"id": acoustid_of(fingerprint), "score": 1.0, "recordings": recordings}
