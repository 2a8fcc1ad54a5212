"""What a file's tags say, as a value, and what each field is called in every kind of tags.

The names are those of Picard's tag mapping (picard-docs, appendix "Tag Mapping"); aliases of other taggers stand behind them and are only read.
What the gateway reads and writes goes through this value; texts are peer text and are bounded there.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal

from apps.domain.errors import DomainError

VARIOUS_ARTISTS = uuid.UUID("89ad4ac3-39f7-470e-963a-56509c546377")
"""MusicBrainz' artist of compilations."""
MAX_TEXT_CHARS = 4096
MAX_FINGERPRINT_CHARS = 32_768
"""A fingerprint of 120 s has about 3,000."""
_RG2_LUFS, _R128_LUFS = -18.0, -23.0
"""What ReplayGain 2 and EBU R 128 bring a track to."""
_GAIN = re.compile(r"\s*([+-]?\d{1,3}(?:\.\d{1,6})?)\s*(?:dB)?\s*", re.IGNORECASE)

Kind = Literal["vorbis", "id3", "mp4", "ape", "asf"]


class TagsError(DomainError):
    """`tags_unreadable` (the file), `tags_not_writable` (its format, or what stands in it; `reason` says what), `payload_changed` (writing would
    have touched the sound)."""

    default_code = "tags_unreadable"


@dataclass(frozen=True, slots=True)
class AudioTags:
    """What a file says of itself, or is to say. Empty text, 0 and empty tuples mean unknown; MBIDs are lower-case UUIDs."""

    title: str = ""
    artist: str = ""
    """The credit as printed."""
    albumartist: str = ""
    album: str = ""
    date: str = ""
    """YYYY, YYYY-MM or YYYY-MM-DD; of this release."""
    track: int = 0
    tracks: int = 0
    disc: int = 0
    discs: int = 0
    recording_mbid: str = ""
    track_mbid: str = ""
    """Of the release's track (Picard: MUSICBRAINZ_RELEASETRACKID)."""
    release_mbid: str = ""
    release_group_mbid: str = ""
    artist_mbids: tuple[str, ...] = ()
    albumartist_mbids: tuple[str, ...] = ()
    acoustid_id: str = ""
    label: tuple[str, ...] = ()
    catalog_number: tuple[str, ...] = ()
    barcode: str = ""
    country: str = ""
    """Of the release: ISO 3166-1 alpha-2, or MusicBrainz's XW, XE …"""
    isrcs: tuple[str, ...] = ()
    replaygain_track_gain: str = ""
    """ "-7.25 dB", to -18 LUFS (ReplayGain 2)."""
    replaygain_track_peak: str = ""
    """Linear, 1 is full scale."""
    replaygain_album_gain: str = ""
    replaygain_album_peak: str = ""
    artists: tuple[str, ...] = ()
    """Each artist of the credit alone."""
    original_date: str = ""
    """When the release group first came out."""
    media: str = ""
    """Format of the medium: CD, 12" Vinyl, Digital Media …"""
    script: str = ""
    """ISO 15924: Latn, Jpan …"""
    status: str = ""
    """official, promotion, bootleg … in lower case."""
    types: tuple[str, ...] = ()
    """Of the release group: album, ep, single … then compilation, live …; in lower case."""
    compilation: bool = False
    acoustid_fingerprint: str = ""
    """Chromaprint's compressed text."""


@dataclass(frozen=True, slots=True)
class FieldNames:
    """One field's names by kind of tags; the first of each is what is written. ID3: a frame, or `TXXX:description`."""

    vorbis: tuple[str, ...]
    id3: tuple[str, ...]
    mp4: tuple[str, ...]
    ape: tuple[str, ...]
    asf: tuple[str, ...]


def _named(
    vorbis: str, id3: str, mp4: str, ape: str, asf: str, *, also: Sequence[str] = (), id3_also: Sequence[str] = ()
) -> FieldNames:
    """`also`: read in Vorbis comments, APE and ASF alike; `id3_also`: further frames."""
    return FieldNames(
        vorbis=tuple(one for one in (vorbis, *also) if one),
        id3=tuple(one for one in (id3, *id3_also) if one),
        mp4=(mp4,) if mp4 else (),
        ape=(ape,) if ape else (),
        asf=(asf,) if asf else (),
    )


def _musicbrainz(key: str, words: str, asf: str) -> FieldNames:
    return _named(key, f"TXXX:MusicBrainz {words}", f"MusicBrainz {words}", key.upper(), f"MusicBrainz/{asf}", id3_also=(f"TXXX:{key.upper()}",))  # fmt: skip


def _same(key: str, **more: Sequence[str]) -> FieldNames:
    """One spelling everywhere."""
    upper = key.upper()
    return _named(key, f"TXXX:{upper}", upper, upper, upper, **more)


NAMES: Mapping[str, FieldNames] = {
    "title": _named("title", "TIT2", "\xa9nam", "Title", "Title"),
    "artist": _named("artist", "TPE1", "\xa9ART", "Artist", "Author", also=("author",)),
    "artists": _named("artists", "TXXX:ARTISTS", "ARTISTS", "Artists", "WM/ARTISTS", id3_also=("TXXX:Artists",)),
    "albumartist": _named("albumartist", "TPE2", "aART", "Album Artist", "WM/AlbumArtist", also=("album artist",)),
    "album": _named("album", "TALB", "\xa9alb", "Album", "WM/AlbumTitle", also=("albumtitle",)),
    "date": _named("date", "TDRC", "\xa9day", "Year", "WM/Year", also=("year",), id3_also=("TYER",)),
    "original_date": _named(
        "originaldate", "TDOR", "ORIGINALDATE", "Originaldate", "WM/OriginalReleaseTime", id3_also=("TORY",)
    ),
    "original_year": _named(
        "originalyear", "TXXX:ORIGINALYEAR", "ORIGINALYEAR", "Originalyear", "WM/OriginalReleaseYear", id3_also=("TXXX:originalyear",)
    ),
    "recording_mbid": _named(
        "musicbrainz_trackid", "TXXX:MusicBrainz Track Id", "MusicBrainz Track Id", "MUSICBRAINZ_TRACKID", "MusicBrainz/Track Id",
        id3_also=("TXXX:MUSICBRAINZ_TRACKID",),
    ),
    "track_mbid": _musicbrainz("musicbrainz_releasetrackid", "Release Track Id", "Release Track Id"),
    "release_mbid": _musicbrainz("musicbrainz_albumid", "Album Id", "Album Id"),
    "release_group_mbid": _musicbrainz("musicbrainz_releasegroupid", "Release Group Id", "Release Group Id"),
    "artist_mbids": _musicbrainz("musicbrainz_artistid", "Artist Id", "Artist Id"),
    "albumartist_mbids": _musicbrainz("musicbrainz_albumartistid", "Album Artist Id", "Album Artist Id"),
    "acoustid_id": _named(
        "acoustid_id", "TXXX:Acoustid Id", "Acoustid Id", "ACOUSTID_ID", "Acoustid/Id", id3_also=("TXXX:ACOUSTID_ID",)
    ),
    "acoustid_fingerprint": _named(
        "acoustid_fingerprint", "TXXX:Acoustid Fingerprint", "Acoustid Fingerprint", "ACOUSTID_FINGERPRINT", "Acoustid/Fingerprint",
        id3_also=("TXXX:ACOUSTID_FINGERPRINT",),
    ),
    "label": _named("label", "TPUB", "LABEL", "Label", "WM/Publisher", also=("organization", "publisher")),
    "catalog_number": _named(
        "catalognumber", "TXXX:CATALOGNUMBER", "CATALOGNUMBER", "CatalogNumber", "WM/CatalogNo", also=("labelno",)
    ),
    "barcode": _named("barcode", "TXXX:BARCODE", "BARCODE", "Barcode", "WM/Barcode", also=("upc",)),
    "country": _named(
        "releasecountry", "TXXX:MusicBrainz Album Release Country", "MusicBrainz Album Release Country", "Releasecountry",
        "MusicBrainz/Album Release Country", also=("musicbrainz_albumreleasecountry",), id3_also=("TXXX:RELEASECOUNTRY",),
    ),
    "status": _named(
        "releasestatus", "TXXX:MusicBrainz Album Status", "MusicBrainz Album Status", "MUSICBRAINZ_ALBUMSTATUS", "MusicBrainz/Album Status",
        also=("musicbrainz_albumstatus",),
    ),
    "types": _named(
        "releasetype", "TXXX:MusicBrainz Album Type", "MusicBrainz Album Type", "MUSICBRAINZ_ALBUMTYPE", "MusicBrainz/Album Type",
        also=("musicbrainz_albumtype",),
    ),
    "media": _named("media", "TMED", "MEDIA", "Media", "WM/Media"),
    "script": _named("script", "TXXX:SCRIPT", "SCRIPT", "Script", "WM/Script"),
    "compilation": _named("compilation", "TCMP", "cpil", "Compilation", "WM/IsCompilation"),
    "replaygain_track_gain": _same("replaygain_track_gain"),
    "replaygain_track_peak": _same("replaygain_track_peak"),
    "replaygain_album_gain": _same("replaygain_album_gain"),
    "replaygain_album_peak": _same("replaygain_album_peak"),
    "r128_track_gain": _named("r128_track_gain", "", "", "", ""),
    "r128_album_gain": _named("r128_album_gain", "", "", "", ""),
    "isrcs": _named("isrc", "TSRC", "ISRC", "ISRC", "WM/ISRC"),
    "track": _named("tracknumber", "TRCK", "trkn", "Track", "WM/TrackNumber", also=("track",)),
    "tracks": _named("tracktotal", "", "", "", "TotalTracks", also=("totaltracks",)),
    "disc": _named("discnumber", "TPOS", "disk", "Disc", "WM/PartOfSet", also=("disc", "partofset")),
    "discs": _named("disctotal", "", "", "", "", also=("totaldiscs",)),
}  # fmt: skip

MP4_ATOMS = frozenset({"\xa9nam", "\xa9ART", "aART", "\xa9alb", "\xa9day", "trkn", "disk", "cpil"})
"""Names in MP4 that are atoms; the others are free-form (`----:com.apple.iTunes:NAME`)."""
WIDER = frozenset({"author", "organization", "publisher"})
"""Read in a field's stead, but they may mean something else: writing leaves them alone, unless they are the field's own name."""
MEASURED = frozenset(
    {"replaygain_track_gain", "replaygain_track_peak", "replaygain_album_gain", "replaygain_album_peak", "r128_track_gain", "r128_album_gain"}
)  # fmt: skip
KEPT = MEASURED | {"acoustid_fingerprint", "compilation"}
"""Where we have nothing to say, what the file says stays. Every other field that is empty is taken away."""
TOTALS = {"track": "tracks", "disc": "discs"}
"""Written as "3/12" where a kind of tags has no name for the total."""


def plain(key: str) -> str:
    """One spelling for `MUSICBRAINZ_TRACKID` (Vorbis, APE) and `MusicBrainz/Track Id` (ASF), `Album Artist` and `WM/AlbumArtist`."""
    return re.sub(r"[ _/]", "", key.lower().removeprefix("wm/"))


def said_names(field: str) -> tuple[str, ...]:
    """Every spelling of a field in Vorbis comments, APE and ASF, plain, the most usual first."""
    names = NAMES[field]
    return tuple(dict.fromkeys(plain(one) for one in (*names.vorbis, *names.ape, *names.asf)))


def written_names(kind: Kind) -> dict[str, str]:
    """Plain spelling → field, of all that writing this kind of tags replaces."""
    found = {plain(one): field for field, names in NAMES.items() for one in names.vorbis if one not in WIDER}
    if kind == "vorbis":
        return found
    return found | {plain(one): field for field, names in NAMES.items() for one in _of(names, kind)}


def _of(names: FieldNames, kind: Kind) -> tuple[str, ...]:
    return {"vorbis": names.vorbis, "id3": names.id3, "mp4": names.mp4, "ape": names.ape, "asf": names.asf}[kind]


def texts_of(tags: AudioTags, *, opus: bool = False) -> dict[str, tuple[str, ...]]:
    """Every field that has a value, as texts. NUL separates values in ID3 and never belongs to one.

    Opus has gains of its own instead of ReplayGain's (RFC 7845 §5.2.1): fixed point with 8 fractional bits, to -23 LUFS, on top of the header's gain,
    which decoders have applied to what was measured.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name in NAMES:
        value: object = getattr(tags, name, "")
        values = value if isinstance(value, tuple) else ("1" if value is True else str(value or ""),)
        limit = MAX_FINGERPRINT_CHARS if name == "acoustid_fingerprint" else MAX_TEXT_CHARS
        cleaned = tuple(
            str(each).replace("\0", "").encode("utf-8", "replace").decode()[:limit] for each in values if each
        )
        if any(cleaned):
            found[name] = tuple(one for one in cleaned if one)
    if tags.original_date:
        found["original_year"] = (tags.original_date[:4],)
    if opus:
        for scope in ("track", "album"):
            gain = r128(found.pop(f"replaygain_{scope}_gain", ("",))[0])
            found.pop(f"replaygain_{scope}_peak", None)
            if gain is not None:
                found[f"r128_{scope}_gain"] = (str(gain),)
    return found


def r128(gain: str) -> int | None:
    """ReplayGain 2's gain as R128_*_GAIN: Q7.8, five dB lower. None: it says nothing."""
    match = _GAIN.fullmatch(gain)
    if match is None:
        return None
    return max(-32_768, min(32_767, round((float(match[1]) + _R128_LUFS - _RG2_LUFS) * 256)))


def gain_of_r128(text: str) -> str:
    """R128_*_GAIN as ReplayGain 2 says it; "" if it is none."""
    if not re.fullmatch(r"\s*[+-]?\d{1,5}\s*", text):
        return ""
    return f"{int(text) / 256 + _RG2_LUFS - _R128_LUFS:.2f} dB"


def says_already(had: AudioTags, wanted: AudioTags) -> bool:
    """Would writing `wanted` over `had` change nothing that a reader sees?"""
    for one in fields(AudioTags):
        now, then = getattr(had, one.name), getattr(wanted, one.name)
        if then == now or (one.name in KEPT and not then):
            continue
        if isinstance(then, tuple) and len(then) == 1 and now[:1] == then:
            continue
        return False
    return True
