"""A person's own folder of tagged FLAC and MP3 as one release, with the MusicBrainz and AcoustID answers that make it findable.

Ids: what a recorded AcoustID answer says about a file's fingerprint decides its recording (with `fixtures`); else the tags' MBIDs; else
UUIDv5 of artist, album and title, the same every time. Two files of one title on one disc are two variants of one track. The release
holds the tracks that the folder has and no more: what nobody offers can't be demonstrated. Files are read, never changed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import mutagen
from mutagen.id3 import ID3
from mutagen.mp3 import MP3

from slskdn_site.demo.answer_folder import (
    AnswerFolder,
    AnswerFolderError,
    Entry,
    fingerprint_entry,
    load_answers,
    release_entries,
)
from slskdn_site.demo.answer_shapes import ReleaseFacts, TrackFacts
from slskdn_site.demo.audio_files import vorbis_comments
from slskdn_site.demo.chromaprint import Measured, NoFingerprintError, measure
from slskdn_site.demo.metadata_service.acoustid import AcoustidCatalogue

_NAMESPACE = uuid.UUID("c2a5d2b4-9f0e-4b53-8f43-6a1d54f1b7e0")
_SUFFIXES = (".flac", ".mp3")
# A folder is an album or a few; a whole library is not what the demonstration is for.
_MAX_FILES = 500
_MBID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_DATE = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?")

# Vorbis comment → how ID3 says it (text frame, or TXXX description).
_ID3_TEXT = {
    "title": "TIT2",
    "artist": "TPE1",
    "albumartist": "TPE2",
    "album": "TALB",
    "date": "TDRC",
    "isrc": "TSRC",
    "label": "TPUB",
}
_ID3_NUMBER = {"tracknumber": "TRCK", "discnumber": "TPOS"}
_ID3_EXTENDED = {
    "musicbrainz_releasetrackid": "MusicBrainz Release Track Id",
    "musicbrainz_albumid": "MusicBrainz Album Id",
    "musicbrainz_artistid": "MusicBrainz Artist Id",
    "musicbrainz_albumartistid": "MusicBrainz Album Artist Id",
    "musicbrainz_releasegroupid": "MusicBrainz Release Group Id",
}


class MusicFolderError(ValueError):
    """Nothing in the folder can be demonstrated; the message says why."""


@dataclass(frozen=True, slots=True)
class FolderFile:
    """One usable file: which track it is a variant of, and what was measured."""

    path: Path
    codec: str
    track: TrackFacts
    fingerprint: str
    duration_s: float
    recorded_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that takes no part, and the reason in words."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class MusicFolder:
    """The folder as a release. Every track has at least one file."""

    release: ReleaseFacts
    files: tuple[FolderFile, ...]
    left_out: tuple[LeftOut, ...]

    def variants(self, track: TrackFacts) -> tuple[FolderFile, ...]:
        """The files of one track."""
        return tuple(file for file in self.files if file.track == track)


@dataclass(frozen=True, slots=True)
class _Tagged:
    path: Path
    codec: str
    tags: Mapping[str, str]
    measured: Measured
    recorded_ids: tuple[str, ...]

    @property
    def disc(self) -> int:
        return _number(self.tags.get("discnumber", "")) or 1

    @property
    def number(self) -> int:
        return _number(self.tags.get("tracknumber", ""))

    @property
    def title_key(self) -> str:
        return _key(self.tags["title"])


def _key(text: str) -> str:
    return " ".join(text.casefold().split())


def _number(text: str) -> int:
    found = re.match(r"\s*([0-9]{1,4})", text)
    return int(found.group(1)) if found else 0


def _vorbis(path: Path) -> dict[str, str]:
    return {key: values[0].strip() for key, values in vorbis_comments(path).items()}


def _id3(path: Path) -> dict[str, str]:
    tags: ID3 | None = MP3(path).tags
    if tags is None:
        return {}
    out: dict[str, str] = {}
    for key, frame in {
        **_ID3_TEXT,
        **_ID3_NUMBER,
        **{key: f"TXXX:{text}" for key, text in _ID3_EXTENDED.items()},
    }.items():
        found = tags.get(frame)
        if found is not None and found.text:
            out[key] = str(found.text[0]).strip()
    recording = tags.get("UFID:http://musicbrainz.org")
    if recording is not None:
        out["musicbrainz_trackid"] = recording.data.decode("ascii", "replace").strip("\x00 ")
    return out


def _read(path: Path, recorded: AcoustidCatalogue | None) -> _Tagged | LeftOut:
    codec = path.suffix.lower().lstrip(".")
    try:
        tags = _vorbis(path) if codec == "flac" else _id3(path)
    except (mutagen.MutagenError, OSError) as error:
        return LeftOut(path, f"unreadable: {error}")
    for wanted in ("title", "album"):
        if not tags.get(wanted):
            return LeftOut(path, f"no {wanted} tag")
    if not (tags.get("artist") or tags.get("albumartist")):
        return LeftOut(path, "no artist tag")
    try:
        measured = measure(path)
    except NoFingerprintError as error:
        return LeftOut(path, str(error))
    match = recorded.match(measured.fingerprint, int(measured.duration_s)) if recorded else None
    return _Tagged(path, codec, tags, measured, match.recording_ids() if match else ())


def _albums(files: Sequence[_Tagged]) -> dict[str, list[_Tagged]]:
    """Files by album: by the release's MBID where tagged; a file without one joins the only release of its album's title, if there is one."""
    ids: dict[str, set[str]] = {}
    for file in files:
        ids.setdefault(_key(file.tags["album"]), set()).update(
            filter(None, [_mbid(file.tags.get("musicbrainz_albumid", ""))])
        )
    albums: dict[str, list[_Tagged]] = {}
    for file in files:
        title = _key(file.tags["album"])
        only = next(iter(ids[title])) if len(ids[title]) == 1 else title
        albums.setdefault(_mbid(file.tags.get("musicbrainz_albumid", "")) or only, []).append(file)
    return albums


def _mbid(text: str) -> str:
    """A tag's MBID, or nothing where the tag holds none."""
    lowered = text.strip().lower()
    return lowered if _MBID.match(lowered) else ""


def _made(*parts: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(_key(part) for part in parts)))


def _first(values: Iterable[str]) -> str:
    return next((value for value in values if value), "")


def _recording(variants: Sequence[_Tagged], artist: str, album: str) -> str:
    tagged = [_mbid(file.tags.get("musicbrainz_trackid", "")) for file in variants]
    recorded = [mbid for file in variants for mbid in file.recorded_ids]
    # A tag that the recorded answer also names picks one of its recordings; otherwise its first stands.
    agreed = _first(mbid for mbid in tagged if mbid in recorded)
    made = _made("recording", artist, album, str(variants[0].disc), str(variants[0].number), variants[0].tags["title"])
    return agreed or _first(recorded) or _first(tagged) or made


def _grouped(files: Sequence[_Tagged]) -> list[list[_Tagged]]:
    """Variants of one track together, in the order of disc and number. A file without a number joins its only namesake."""
    groups: dict[tuple[int, int, str], list[_Tagged]] = {}
    for file in sorted(files, key=lambda one: (one.number == 0, one.disc, one.number, one.title_key, str(one.path))):
        key = (file.disc, file.number, file.title_key)
        if file.number == 0:
            namesakes = [known for known in groups if known[0] == file.disc and known[2] == file.title_key]
            key = namesakes[0] if len(namesakes) == 1 else key
        groups.setdefault(key, []).append(file)
    return [groups[key] for key in sorted(groups, key=lambda key: (key[0], key[1] or 10_000, key[2]))]


def _track(variants: Sequence[_Tagged], position: int, artist: str, album: str) -> TrackFacts:
    first = variants[0]
    own_artist = first.tags.get("artist") or artist
    recording = _recording(variants, artist, album)
    return TrackFacts(
        disc=first.disc,
        position=position,
        title=first.tags["title"],
        artist=own_artist,
        artist_mbid=_first(_mbid(file.tags.get("musicbrainz_artistid", "")) for file in variants)
        or _made("artist", own_artist),
        recording_mbid=recording,
        track_mbid=_first(_mbid(file.tags.get("musicbrainz_releasetrackid", "")) for file in variants)
        or _made("track", album, recording),
        length_ms=round(first.measured.duration_s * 1000),
        isrc=_first(file.tags.get("isrc", "") for file in variants),
    )


def read_music_folder(folder: Path, *, fixtures: Path | None = None) -> MusicFolder:
    """Read a folder and what lies below it. Raises MusicFolderError when no file is usable, AnswerFolderError for broken fixtures."""
    recorded = AcoustidCatalogue([load_answers(fixtures)]) if fixtures else None
    if not folder.is_dir():
        raise MusicFolderError(f"{folder} is no folder")
    everything = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    audio = [path for path in everything if path.suffix.lower() in _SUFFIXES]
    left_out = [LeftOut(path, "neither FLAC nor MP3") for path in everything if path.suffix.lower() not in _SUFFIXES]
    left_out += [LeftOut(path, f"more than {_MAX_FILES} files") for path in audio[_MAX_FILES:]]
    usable: list[_Tagged] = []
    # Threads: each waits for a decoder of its own.
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        outcomes = list(pool.map(lambda path: _read(path, recorded), audio[:_MAX_FILES]))
    for read in outcomes:
        if isinstance(read, LeftOut):
            left_out.append(read)
        else:
            usable.append(read)
    if not usable:
        reasons = "; ".join(f"{one.path.name}: {one.reason}" for one in left_out[:3])
        raise MusicFolderError(f"no tagged FLAC or MP3 in {folder}" + (f" ({reasons})" if reasons else ""))
    albums = _albums(usable)
    # The album most files belong to; the first by name among equals.
    chosen = min(albums, key=lambda key: (-len(albums[key]), key))
    left_out += [
        LeftOut(file.path, "belongs to another album") for key in albums if key != chosen for file in albums[key]
    ]
    return _as_release(albums[chosen], left_out)


def _as_release(files: Sequence[_Tagged], left_out: Sequence[LeftOut]) -> MusicFolder:
    album = files[0].tags["album"]
    artist = _first(file.tags.get("albumartist", "") for file in files) or _first(
        file.tags.get("artist", "") for file in files
    )
    groups = _grouped(files)
    tracks: list[TrackFacts] = []
    taken: set[tuple[int, int]] = set()
    listed: list[FolderFile] = []
    for variants in groups:
        disc, position = variants[0].disc, variants[0].number or 1
        while (disc, position) in taken:
            position += 1
        taken.add((disc, position))
        track = _track(variants, position, artist, album)
        tracks.append(track)
        listed += [
            FolderFile(
                file.path, file.codec, track, file.measured.fingerprint, file.measured.duration_s, file.recorded_ids
            )
            for file in variants
        ]
    tracks.sort(key=lambda track: (track.disc, track.position))
    date = _DATE.match(_first(file.tags.get("date", "") for file in files))
    label = _first(file.tags.get("label", "") for file in files)
    release = ReleaseFacts(
        release_mbid=_first(_mbid(file.tags.get("musicbrainz_albumid", "")) for file in files)
        or _made("release", artist, album),
        release_group_mbid=_first(_mbid(file.tags.get("musicbrainz_releasegroupid", "")) for file in files)
        or _made("release-group", artist, album),
        title=album,
        artist=artist,
        artist_mbid=_first(_mbid(file.tags.get("musicbrainz_albumartistid", "")) for file in files)
        or _made("artist", artist),
        tracks=tuple(tracks),
        date=date.group(0) if date else "",
        label=label,
        label_mbid=_made("label", label) if label else "",
    )
    return MusicFolder(release, tuple(listed), tuple(left_out))


def folder_entries(music: MusicFolder) -> list[Entry]:
    """The answers for the folder: its release and all that hangs on it, and one AcoustID answer per file."""
    entries = release_entries([music.release])
    for file in music.files:
        others = [mbid for mbid in file.recorded_ids if mbid != file.track.recording_mbid]
        entries.append(
            fingerprint_entry(
                file.track, file.fingerprint, file.duration_s, releases=[music.release], other_recordings=others
            )
        )
    return entries


def folder_answers(music: MusicFolder) -> AnswerFolder:
    """The same as a folder of answers in memory."""
    return AnswerFolder(tuple(folder_entries(music)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: tell what would be made of a folder, as JSON."""
    parser = argparse.ArgumentParser(
        prog="slskdn_site.demo.music_folder", description="Read a folder of tagged music as one release."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fixtures", type=Path)
    options = parser.parse_args(arguments)
    try:
        music = read_music_folder(options.folder, fixtures=options.fixtures)
    except (MusicFolderError, AnswerFolderError) as error:
        parser.exit(2, f"music folder: {error}\n")
    files = [
        {
            "path": str(file.path),
            "codec": file.codec,
            "disc": file.track.disc,
            "position": file.track.position,
            "title": file.track.title,
            "recording_mbid": file.track.recording_mbid,
            "recorded_ids": list(file.recorded_ids),
            "duration_s": file.duration_s,
        }
        for file in music.files
    ]
    left = [{"path": str(one.path), "reason": one.reason} for one in music.left_out]
    told = {
        "release_mbid": music.release.release_mbid,
        "title": music.release.title,
        "artist": music.release.artist,
        "files": files,
    }
    print(json.dumps({**told, "left_out": left}, ensure_ascii=False, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
