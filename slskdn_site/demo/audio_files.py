"""Samples to tagged files, and a tagged file to its retagged twin. Knows containers and tags; does not know how music is made."""

from __future__ import annotations

import shutil
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile
from mutagen.flac import FLAC, Picture, VCFLACDict
from mutagen.id3 import APIC, COMM, ID3, TALB, TCON, TDRC, TIT2, TPE1, TPE2, TPOS, TPUB, TRCK, TSRC, TSSE, TXXX, UFID
from numpy.typing import NDArray

from slskdn_site.demo.album import SAMPLE_RATE_HZ, DemoAlbum, DemoTrack

_UFID_OWNER = "http://musicbrainz.org"


def safe_stem(title: str) -> str:
    """A file name for one of our own titles: characters that some file system refuses become an underscore."""
    return "".join("_" if character in '/\\:*?"<>|' or ord(character) < 32 else character for character in title).strip(
        " ."
    )


def picard_tags(facts: DemoAlbum, track: DemoTrack) -> dict[str, str]:
    """Vorbis comment names and values as Picard writes them; `musicbrainz_trackid` is the recording, `releasetrackid` the track."""
    return {
        "title": track.title,
        "artist": facts.artist,
        "artistsort": facts.artist,
        "albumartist": facts.artist,
        "albumartistsort": facts.artist,
        "album": facts.title,
        "date": facts.date,
        "originaldate": facts.date,
        "tracknumber": str(track.position),
        "tracktotal": str(len(facts.tracks)),
        "totaltracks": str(len(facts.tracks)),
        "discnumber": "1",
        "disctotal": "1",
        "totaldiscs": "1",
        "media": "Digital Media",
        "label": facts.label,
        "catalognumber": facts.catalog_number,
        "isrc": track.isrc,
        "releasecountry": facts.country,
        "releasestatus": "official",
        "releasetype": "album",
        "script": "Latn",
        "musicbrainz_trackid": track.recording_mbid,
        "musicbrainz_releasetrackid": track.track_mbid,
        "musicbrainz_albumid": facts.release_mbid,
        "musicbrainz_artistid": facts.artist_mbid,
        "musicbrainz_albumartistid": facts.artist_mbid,
        "musicbrainz_releasegroupid": facts.release_group_mbid,
    }


_ID3_DESCRIPTIONS = {
    "musicbrainz_releasetrackid": "MusicBrainz Release Track Id",
    "musicbrainz_albumid": "MusicBrainz Album Id",
    "musicbrainz_artistid": "MusicBrainz Artist Id",
    "musicbrainz_albumartistid": "MusicBrainz Album Artist Id",
    "musicbrainz_releasegroupid": "MusicBrainz Release Group Id",
    "releasecountry": "MusicBrainz Album Release Country",
    "releasestatus": "MusicBrainz Album Status",
    "releasetype": "MusicBrainz Album Type",
    "catalognumber": "CATALOGNUMBER",
    "script": "SCRIPT",
}


def _id3(tags: dict[str, str]) -> ID3:
    id3 = ID3()
    id3.add(TIT2(encoding=3, text=tags["title"]))
    id3.add(TPE1(encoding=3, text=tags["artist"]))
    id3.add(TPE2(encoding=3, text=tags["albumartist"]))
    id3.add(TALB(encoding=3, text=tags["album"]))
    id3.add(TDRC(encoding=3, text=tags["date"]))
    id3.add(TRCK(encoding=3, text=f"{tags['tracknumber']}/{tags['tracktotal']}"))
    id3.add(TPOS(encoding=3, text=f"{tags['discnumber']}/{tags['disctotal']}"))
    id3.add(TPUB(encoding=3, text=tags["label"]))
    id3.add(TSRC(encoding=3, text=tags["isrc"]))
    for key, description in _ID3_DESCRIPTIONS.items():
        id3.add(TXXX(encoding=3, desc=description, text=tags[key]))
    id3.add(UFID(owner=_UFID_OWNER, data=tags["musicbrainz_trackid"].encode("ascii")))
    return id3


def write_flac(path: Path, samples: NDArray[np.int16], *, album: DemoAlbum, track: DemoTrack) -> Path:
    """Write 16-bit FLAC with Picard's tags. Overwrites `path`. Returns it."""
    return write_tagged_flac(path, samples, tags=picard_tags(album, track))


def write_tagged_flac(path: Path, samples: NDArray[np.int16], *, tags: Mapping[str, str]) -> Path:
    """Write 16-bit FLAC with the given Vorbis comments. Overwrites `path`. Returns it."""
    soundfile.write(path, samples, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    flac = FLAC(path)
    flac.delete()
    if flac.tags is None:
        flac.add_tags()
    for key, value in tags.items():
        flac[key] = value
    flac.save(padding=lambda _info: 4_096)
    return path


def write_mp3(path: Path, samples: NDArray[np.int16], *, album: DemoAlbum, track: DemoTrack) -> Path:
    """Write MP3 at a constant 320 kbit/s with ID3v2.4 tags. Overwrites `path`. Returns it."""
    # Floats, because libsndfile 1.2.2 garbles int16 stereo on its way to LAME (seen: correlation 0.5 with what was written; floats 0.998).
    # Compression level 0 with a constant rate is the top rate of the layer: 320 kbit/s at 44.1 kHz.
    floats = samples.astype(np.float32) * np.float32(1 / 32_768)
    mp3 = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "CONSTANT", "compression_level": 0.0}
    soundfile.write(path, floats, SAMPLE_RATE_HZ, **mp3)
    _id3(picard_tags(album, track)).save(path, v2_version=4, padding=lambda _info: 2_048)
    return path


def _cover() -> bytes:
    """A 64 x 64 PNG of evening colours: enough of a picture block to move every audio byte of the file."""
    side = 64
    rows = b"".join(
        b"\x00" + b"".join(bytes((40 + 3 * y, 60 + 2 * y, 120 + (x * y) % 100)) for x in range(side))
        for y in range(side)
    )

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    # Stored, not deflated: zlib's builds differ in what they make of the same bytes.
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")


def write_retagged_twin(src: Path, dst: Path) -> Path:
    """Copy `src` (FLAC or MP3) to `dst` with other tags, another padding, a cover and, for MP3, an ID3v1 tail; the audio bytes stay.

    MusicBrainz ids are kept, everything a person would type is changed, as in a copy that went through somebody else's tagger.
    Returns `dst`. Raises ValueError for another container.
    """
    shutil.copyfile(src, dst)
    if src.suffix.lower() == ".flac":
        _retag_flac(dst)
    elif src.suffix.lower() == ".mp3":
        _retag_mp3(dst)
    else:
        raise ValueError(f"no twin of a {src.suffix or 'nameless'} file")
    return dst


def vorbis_comments(path: Path) -> dict[str, list[str]]:
    """The Vorbis comments of a FLAC file, names in lower case, in the file's order. Raises mutagen.MutagenError."""
    comments = FLAC(path).tags
    out: dict[str, list[str]] = {}
    for key, value in comments if isinstance(comments, VCFLACDict) else ():
        out.setdefault(str(key).lower(), []).append(str(value))
    return out


def _retag_flac(path: Path) -> None:
    flac = FLAC(path)
    old = vorbis_comments(path)
    flac.delete()
    if flac.tags is None:
        flac.add_tags()
    for key, values in old.items():
        if key.startswith("musicbrainz_"):
            flac[key.upper()] = values
    title = old.get("title", ["?"])[0]
    flac["TITLE"] = title.upper()
    flac["ARTIST"] = old.get("artist", ["?"])[0].lower()
    flac["ALBUM"] = [f"{old.get('album', ['?'])[0]} (web)"]
    flac["TRACKNUMBER"] = old.get("tracknumber", ["0"])[0].zfill(2)
    flac["COMMENT"] = "retagged copy"
    flac["GENRE"] = "Electronic"
    picture = Picture()
    picture.type = 3
    picture.mime = "image/png"
    picture.desc = "front"
    picture.width = picture.height = 64
    picture.depth = 24
    picture.data = _cover()
    flac.add_picture(picture)
    flac.save(padding=lambda _info: 12_345)


def _retag_mp3(path: Path) -> None:
    old = ID3(path)
    new = ID3()
    for frame in [*old.getall("UFID"), *[f for f in old.getall("TXXX") if f.desc.startswith("MusicBrainz")]]:
        new.add(frame)
    new.add(TIT2(encoding=1, text=str(old.get("TIT2", "?")).upper()))
    new.add(TPE1(encoding=1, text=str(old.get("TPE1", "?")).lower()))
    new.add(TALB(encoding=1, text=f"{old.get('TALB', '?')} (web)"))
    new.add(TRCK(encoding=0, text=str(old.get("TRCK", "0")).split("/", maxsplit=1)[0]))
    new.add(TCON(encoding=0, text="Electronic"))
    new.add(TSSE(encoding=0, text="another tagger"))
    new.add(COMM(encoding=3, lang="eng", desc="", text="retagged copy"))
    new.add(APIC(encoding=0, mime="image/png", type=3, desc="front", data=_cover()))
    ID3(path).delete(path)
    new.save(path, v1=2, v2_version=3, padding=lambda _info: 7_777)
