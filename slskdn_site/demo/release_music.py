"""Music for a release whose answers somebody recorded: a piece of its own for each of its recordings, and the answers that belong to it.

The real music is not ours to give, so each recording gets a piece derived from one of the nine scores: deterministic by its MBID, in another
key, tempo and order of chords, with melodies of its own. A piece lasts as long as the release says, within limits; the release's answer is
served again with the lengths that were made, and with an AcoustID answer for each piece. They go to a folder of answers of their own, which
is to be served before the recorded ones.
"""

from __future__ import annotations

import itertools
import json
import math
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import cast

from apps.domain.audio.fingerprint import Items, decode, is_low_entropy, same_recording
from apps.domain.catalog import release as catalog
from apps.domain.catalog.fields import MetadataGarbled
from slskdn_site.demo.album import SAMPLE_RATE_HZ, SIZES, Size, album
from slskdn_site.demo.answer_folder import (
    AnswerFolder,
    Entry,
    canonical_query,
    fingerprint_entry,
    json_bytes,
    recording_entry,
    write_answers,
)
from slskdn_site.demo.answer_shapes import Json, JsonObject, ReleaseFacts, TrackFacts
from slskdn_site.demo.audio_files import write_tagged_flac
from slskdn_site.demo.chromaprint import Measured, measure
from slskdn_site.demo.plan import OfferedTrack, wrong_place
from slskdn_site.demo.scores import (
    DORIAN,
    HARMONIC_MINOR,
    LYDIAN,
    MAJOR,
    MINOR,
    MIXOLYDIAN,
    SCORES,
    SECTION_BARS,
    Score,
)
from slskdn_site.demo.synth import render_score

MAX_TRACKS = 30
"""More would be minutes of rendering before anything is to be seen."""
LONGEST_MS: Mapping[Size, int] = {"small": 30_000, "full": 240_000}
"""Also what a track without a stated length gets."""
SHORTEST_MS = 20_000
"""Two fingerprints need 7.4 s in common to be told apart; the sketches of our own album begin here as well."""
LEAST_BER = 0.3
"""Share of differing bits above which two pieces are clearly two. The pieces of our own album all are above it."""
PROVENANCE = "made by the demonstration from a recorded answer; lengths are those of the made pieces"

_NAMESPACE = uuid.UUID("0e0c3a5e-64b1-4a0f-9d5c-5f2f6f3c9a17")
# What the platform asks for with a release; a part that was not recorded is not there, as with a release that has none.
_INCLUDES = frozenset({"artist-credits", "isrcs", "labels", "media", "recordings", "release-groups"})
_RELEASE_PATH = "/ws/2/release/"
_BROWSING = frozenset({"limit", "offset", "query"})
# MusicBrainz' own artist for music whose artist is not known.
_UNKNOWN_ARTIST = catalog.ArtistFacts(mbid=uuid.UUID("125ec42a-7229-4250-afc5-e057484327fe"), name="[unknown]")
_SCALES = (MAJOR, MINOR, DORIAN, MIXOLYDIAN, LYDIAN, HARMONIC_MINOR)
_TAKES = 6


class ReleaseMusicError(ValueError):
    """The release can't be demonstrated; the message is a sentence that says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRelease:
    """A release as its answer was recorded (`body`) and as the platform reads it (`facts`). `asked` is the id it was asked by."""

    asked: str
    body: JsonObject
    facts: catalog.ReleaseFacts
    includes: frozenset[str]

    def tracks(self) -> list[tuple[catalog.MediumFacts, catalog.TrackFacts]]:
        """Every audio track with its medium, in order."""
        return list(self.facts.tracks())


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseMusic:
    """What was made. `answers` is a folder to serve before all others."""

    release_mbid: str
    tracks: tuple[OfferedTrack, ...]
    stand_in: Path
    answers: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One recording to be made. `length_ms` is what the file will last, to the millisecond; `tags` are Vorbis comments."""

    recording_mbid: str
    length_ms: int
    path: Path
    tags: Mapping[str, str]

    @property
    def frames(self) -> int:
        """Samples per channel."""
        return self.length_ms * SAMPLE_RATE_HZ // 1000


def edition_of(release_mbid: str) -> Size | None:
    """Which edition of our own album the id names, if any."""
    return next((size for size in SIZES if album(size).release_mbid == release_mbid), None)


def mbid_of(text: str) -> str:
    """A release id as a person types it, in lower case. Raises ReleaseMusicError."""
    try:
        return str(uuid.UUID(text.strip()))
    except ValueError as error:
        raise ReleaseMusicError(f"{text!r} is no MusicBrainz id (an id looks like {album().release_mbid}).") from error


def recorded_release(release_mbid: str, folders: Sequence[AnswerFolder]) -> RecordedRelease:
    """The fullest recorded answer for a release, the first folder's among equals. Raises ReleaseMusicError."""
    path = f"{_RELEASE_PATH}{release_mbid}"
    answers = [
        entry
        for folder in folders
        for entry in folder.entries
        if entry.path == path and entry.status == 200 and entry.is_json and not _BROWSING & entry.query.keys()
    ]
    if not answers:
        raise ReleaseMusicError(f"No recorded answer knows a release {release_mbid}.")
    read = [one for one in (_read(entry, release_mbid) for entry in answers) if one is not None and one.tracks()]
    if not read:
        raise ReleaseMusicError(
            f"The recorded answers for the release {release_mbid} hold no list of tracks that can be read."
        )
    found = max(read, key=lambda one: (len(one.includes & _INCLUDES), len(one.tracks())))
    count = len(found.tracks())
    if count > MAX_TRACKS:
        raise ReleaseMusicError(
            f'"{found.facts.title}" has {count} tracks; the demonstration makes music for at most {MAX_TRACKS}.'
        )
    return found


def _read(entry: Entry, asked: str) -> RecordedRelease | None:
    try:
        body = cast("Json", json.loads(entry.read()))
        facts = catalog.read_release(body)
    except (ValueError, MetadataGarbled):
        return None
    return RecordedRelease(asked=asked, body=cast("JsonObject", body), facts=facts, includes=entry.incs)


def made_length_ms(stated_ms: int | None, size: Size) -> int:
    """How long a piece is made for a track of the stated length."""
    return min(max(stated_ms or LONGEST_MS[size], SHORTEST_MS), LONGEST_MS[size])


def derived_score(recording_mbid: str, *, length_ms: int, size: Size, take: int = 0) -> Score:
    """The score of a recording's piece, at least `length_ms` long. Another `take` is another piece."""
    rng = Random(f"{recording_mbid}/{take}")

    def below(limit: int) -> int:
        return int(rng.random() * limit)  # only Random.random() is promised to be the same in every Python

    base = list(SCORES.values())[below(len(SCORES))]
    voices = list(SCORES.values())[below(len(SCORES))]
    turn = below(8)
    sections = {
        letter: replace(
            section,
            progression=tuple(
                section.progression[(index + turn) % len(section.progression)]
                for index in range(len(section.progression))
            ),
        )
        for letter, section in base.sections.items()
    }
    score = replace(
        base,
        seed=below(2**31),
        bpm=round(base.bpm * (0.86 + 0.28 * rng.random())),
        root=base.root - 4 + below(12),
        scale=_SCALES[below(len(_SCALES))],
        lead=voices.lead,
        arp=voices.arp,
        counter=voices.counter,
        sections=sections,
    )
    letters = base.full if size == "full" else base.small
    section_ms = SECTION_BARS[size] * score.beats * score.beat_frames * 1000 / SAMPLE_RATE_HZ
    wanted = math.ceil(length_ms / section_ms)
    form = "".join(itertools.islice(itertools.cycle(letters), wanted))
    return replace(score, full=form, small=form)


def make_release_music(
    release: RecordedRelease, folder: Path, *, answers: Path, size: Size, processes: int = 1
) -> ReleaseMusic:
    """Render a file for each recording of the release into `folder`, and write their answers into `answers`. Both are made.

    Raises ReleaseMusicError when two pieces could not be made clearly different.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tracks = release.tracks()
    pieces: dict[str, Piece] = {}
    for medium, track in tracks:
        # A recording that the release has twice is one piece, as long as its first track.
        pieces.setdefault(str(track.recording.mbid), _piece(release, medium, track, folder, size))
    lied_about = pieces[str(tracks[wrong_place(len(tracks))][1].recording.mbid)]
    stand_in = _stand_in(release, folder, length_ms=lied_about.length_ms)
    measured = _made_distinct([*pieces.values(), stand_in], size=size, processes=processes)
    write_answers(answers, _entries(release, pieces, stand_in, measured), provenance=PROVENANCE)
    return ReleaseMusic(
        release_mbid=str(release.facts.mbid),
        stand_in=stand_in.path,
        answers=answers,
        tracks=tuple(
            OfferedTrack(
                medium=medium.position,
                position=track.position,
                recording_mbid=str(track.recording.mbid),
                files=(pieces[str(track.recording.mbid)].path,),
            )
            for medium, track in tracks
        ),
    )


def _piece(
    release: RecordedRelease, medium: catalog.MediumFacts, track: catalog.TrackFacts, folder: Path, size: Size
) -> Piece:
    facts, recording = release.facts, str(track.recording.mbid)
    tags = {
        **_common_tags(release),
        "title": track.title,
        "artist": track.artist_credit or facts.artist_credit,
        "tracknumber": str(track.position),
        "tracktotal": str(len(medium.tracks)),
        "discnumber": str(medium.position),
        "disctotal": str(len(facts.media)),
        "media": medium.format,
        "isrc": track.recording.isrcs[0] if track.recording.isrcs else "",
        "musicbrainz_trackid": recording,
        "musicbrainz_releasetrackid": str(track.mbid),
        "musicbrainz_artistid": str(_artist(track.recording.artists, facts.artists).mbid),
    }
    return Piece(
        recording_mbid=recording,
        length_ms=made_length_ms(track.length_ms, size),
        path=folder / f"{recording}.flac",  # titles from outside never name a file here
        tags={key: value for key, value in tags.items() if value},
    )


def _common_tags(release: RecordedRelease) -> dict[str, str]:
    facts = release.facts
    return {
        "album": facts.title,
        "albumartist": facts.artist_credit,
        "date": facts.date,
        "label": facts.label.name if facts.label else "",
        "catalognumber": facts.catalog_number,
        "barcode": facts.barcode,
        "releasecountry": facts.country,
        "musicbrainz_albumid": str(facts.mbid),
        "musicbrainz_albumartistid": str(_artist(facts.artists).mbid),
        "musicbrainz_releasegroupid": str(facts.group.mbid) if facts.group else "",
    }


def _stand_in(release: RecordedRelease, folder: Path, *, length_ms: int) -> Piece:
    """Another recording by the same artist, as long as the track it is offered for, so that only its sound can tell."""
    artist = _artist(release.facts.artists)
    recording = str(uuid.uuid5(_NAMESPACE, f"{release.facts.mbid}/stand-in"))
    return Piece(
        recording_mbid=recording,
        length_ms=length_ms,
        path=folder / f"{recording}.flac",
        tags={
            "title": "Harbour Dues",
            "artist": artist.name,
            "musicbrainz_trackid": recording,
            "musicbrainz_artistid": str(artist.mbid),
        },
    )


def _artist(*credits: Sequence[catalog.ArtistFacts]) -> catalog.ArtistFacts:
    return next((artists[0] for artists in credits if artists), _UNKNOWN_ARTIST)


def _made_distinct(pieces: Sequence[Piece], *, size: Size, processes: int) -> dict[str, Measured]:
    """Write all files and measure them, by recording. A piece too much like an earlier one is made again from another take."""
    takes = {piece.recording_mbid: 0 for piece in pieces}
    measured: dict[str, Measured] = {}
    with ProcessPoolExecutor(max_workers=max(1, processes)) as pool:
        todo = list(pieces)
        while todo:
            made = pool.map(partial(_make, size), todo, [takes[piece.recording_mbid] for piece in todo])
            measured.update({piece.recording_mbid: one for piece, one in zip(todo, made, strict=True)})
            todo = _too_alike(pieces, measured)
            for piece in todo:
                takes[piece.recording_mbid] += 1
                if takes[piece.recording_mbid] == _TAKES:
                    raise ReleaseMusicError(f"No piece could be made that is clearly {piece.tags['title']!r} alone.")
    return measured


def _make(size: Size, piece: Piece, take: int) -> Measured:
    score = derived_score(piece.recording_mbid, length_ms=piece.length_ms, size=size, take=take)
    write_tagged_flac(piece.path, render_score(score, size, frames=piece.frames), tags=piece.tags)
    return measure(piece.path)


def _too_alike(pieces: Sequence[Piece], measured: Mapping[str, Measured]) -> list[Piece]:
    kept: list[Items] = []
    again: list[Piece] = []
    for piece in pieces:
        items = decode(measured[piece.recording_mbid].fingerprint)[0]
        comparisons = (same_recording(items, other) for other in kept)
        if is_low_entropy(items) or any(one.verdict != "different" or one.ber <= LEAST_BER for one in comparisons):
            again.append(piece)
        else:
            kept.append(items)
    return again


def _entries(
    release: RecordedRelease, pieces: Mapping[str, Piece], stand_in: Piece, measured: Mapping[str, Measured]
) -> list[Entry]:
    body = release_body(release.body, {recording: piece.length_ms for recording, piece in pieces.items()})
    includes = release.includes | _INCLUDES
    # A merged release answers to its old id too.
    entries = [
        Entry(
            service="musicbrainz",
            path=f"{_RELEASE_PATH}{mbid}",
            query=canonical_query([("fmt", "json"), ("inc", " ".join(includes))]),
            body=json_bytes(body),
            inc_available=includes,
        )
        for mbid in sorted({release.asked, str(release.facts.mbid)})
    ]
    home = _home(release)
    for piece in pieces.values():
        one = measured[piece.recording_mbid]
        entries.append(fingerprint_entry(_track_facts(piece), one.fingerprint, one.duration_s, releases=[home]))
    other = measured[stand_in.recording_mbid]
    entries.append(recording_entry(_track_facts(stand_in), ()))
    entries.append(fingerprint_entry(_track_facts(stand_in), other.fingerprint, other.duration_s, releases=()))
    return entries


def release_body(recorded: JsonObject, lengths_ms: Mapping[str, int]) -> JsonObject:
    """The recorded answer with other lengths of tracks and recordings, by recording; the rest is as it was. `recorded` stays unchanged."""
    body = cast("JsonObject", json.loads(json.dumps(recorded)))
    for medium in _objects(body.get("media")):
        for track in _objects([medium.get("pregap"), *_items(medium.get("tracks"))]):
            recording = track.get("recording")
            if isinstance(recording, dict) and recording.get("id") in lengths_ms:
                track["length"] = recording["length"] = lengths_ms[str(recording["id"])]
    return body


def _items(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _objects(value: Json) -> list[JsonObject]:
    return [item for item in _items(value) if isinstance(item, dict)]


def _home(release: RecordedRelease) -> ReleaseFacts:
    """The release as AcoustID names it: by its group."""
    facts, artist = release.facts, _artist(release.facts.artists)
    return ReleaseFacts(
        release_mbid=str(facts.mbid),
        release_group_mbid=str(facts.group.mbid) if facts.group else str(uuid.uuid5(_NAMESPACE, f"{facts.mbid}/group")),
        title=facts.group.title if facts.group else facts.title,
        artist=artist.name,
        artist_mbid=str(artist.mbid),
        tracks=(),
        date=facts.date,
    )


def _track_facts(piece: Piece) -> TrackFacts:
    return TrackFacts(
        disc=1,
        position=1,
        title=piece.tags.get("title", ""),
        artist=piece.tags.get("artist", _UNKNOWN_ARTIST.name),
        artist_mbid=piece.tags["musicbrainz_artistid"],
        recording_mbid=piece.recording_mbid,
        track_mbid=piece.tags.get("musicbrainz_releasetrackid", ""),
        length_ms=piece.length_ms,
        isrc=piece.tags.get("isrc", ""),
    )
