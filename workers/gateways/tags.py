"""Tags of files: reading anybody's, writing our own.

Read texts are peer text: bounded and typed here, made safe by `apps.domain.library.naming` before they come near a path.
Writing keeps nothing of the source's tags: the file was put together from preamble and payload (`files.assemble`) and gets ours only.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mutagen
import mutagen.flac
import mutagen.id3
import mutagen.mp4

from apps.domain.audio.payload import PayloadFormat
from apps.domain.errors import DomainError
from workers.gateways.files import identify, reading, translated

# mutagen ships half of its types; inside this module its classes are Any, outside it nobody sees them.
_flac: Any = mutagen.flac
_id3: Any = mutagen.id3

MAX_TEXT_CHARS = 4096
MAX_VALUES = 32
"""Values kept of one field; real credits have a few."""
_PADDING_BYTES = 4096
"""Room behind our tags, so that a person's tagger need not move the whole file for a small edit."""
_BLOCK_BYTES = 1 << 20
_UFID_OWNER = "http://musicbrainz.org"
_MBID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DATE = re.compile(r"\d{4}(?:-\d\d(?:-\d\d)?)?")
_NUMBER = re.compile(r"\s*(\d{1,4})\s*(?:/\s*(\d{1,4}))?")


class TagsError(DomainError):
    """tags_unreadable (the file), tags_not_writable (its format), payload_changed (writing would have touched the sound)."""

    default_code = "tags_unreadable"


@dataclass(frozen=True, slots=True)
class AudioTags:
    """What a file says of itself, or is to say. Empty text, 0 and empty tuples mean unknown; MBIDs are lower-case UUIDs."""

    title: str = ""
    artist: str = ""
    albumartist: str = ""
    album: str = ""
    date: str = ""
    """YYYY, YYYY-MM or YYYY-MM-DD."""
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
    label: str = ""
    catalog_number: str = ""
    isrcs: tuple[str, ...] = field(default=())


# field: (Vorbis comment and APE names, ID3 frames or TXXX:descriptions, MP4 atoms or freeform names); Picard's mapping, common aliases after it.
_NAMES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "title": (("title",), ("TIT2",), ("\xa9nam",)),
    "artist": (("artist", "author"), ("TPE1",), ("\xa9ART",)),
    "albumartist": (("albumartist", "album artist"), ("TPE2",), ("aART",)),
    "album": (("album", "albumtitle"), ("TALB",), ("\xa9alb",)),
    "date": (("date", "year"), ("TDRC", "TYER"), ("\xa9day",)),
    "recording_mbid": (
        ("musicbrainz_trackid",),
        ("TXXX:MusicBrainz Track Id", "TXXX:MUSICBRAINZ_TRACKID"),
        ("MusicBrainz Track Id",),
    ),
    "track_mbid": (
        ("musicbrainz_releasetrackid",),
        ("TXXX:MusicBrainz Release Track Id", "TXXX:MUSICBRAINZ_RELEASETRACKID"),
        ("MusicBrainz Release Track Id",),
    ),
    "release_mbid": (
        ("musicbrainz_albumid",),
        ("TXXX:MusicBrainz Album Id", "TXXX:MUSICBRAINZ_ALBUMID"),
        ("MusicBrainz Album Id",),
    ),
    "release_group_mbid": (
        ("musicbrainz_releasegroupid",),
        ("TXXX:MusicBrainz Release Group Id", "TXXX:MUSICBRAINZ_RELEASEGROUPID"),
        ("MusicBrainz Release Group Id",),
    ),
    "artist_mbids": (
        ("musicbrainz_artistid",),
        ("TXXX:MusicBrainz Artist Id", "TXXX:MUSICBRAINZ_ARTISTID"),
        ("MusicBrainz Artist Id",),
    ),
    "albumartist_mbids": (
        ("musicbrainz_albumartistid",),
        ("TXXX:MusicBrainz Album Artist Id", "TXXX:MUSICBRAINZ_ALBUMARTISTID"),
        ("MusicBrainz Album Artist Id",),
    ),
    "acoustid_id": (("acoustid_id",), ("TXXX:Acoustid Id", "TXXX:ACOUSTID_ID"), ("Acoustid Id",)),
    "label": (("label", "organization", "publisher"), ("TPUB",), ("LABEL",)),
    "catalog_number": (("catalognumber", "labelno"), ("TXXX:CATALOGNUMBER",), ("CATALOGNUMBER",)),
    "isrcs": (("isrc",), ("TSRC",), ("ISRC",)),
    "track": (("tracknumber", "track"), ("TRCK",), ("trkn",)),
    "tracks": (("tracktotal", "totaltracks"), (), ()),
    "disc": (("discnumber", "disc", "partofset"), ("TPOS",), ("disk",)),
    "discs": (("disctotal", "totaldiscs"), (), ()),
}


def read_tags(path: Path) -> AudioTags:
    """Read a file's tags; a file without any gives empty ones. Raises TagsError for what mutagen does not know or cannot parse."""
    try:
        opened = mutagen.File(str(path))
        if opened is None:
            raise TagsError("This is not a sound file whose tags can be read.")
        values = _lookup(opened.tags)
        tags = _tags(values)
    except TagsError:
        raise
    # mutagen parses hostile bytes and lets IndexError, OverflowError, struct.error, UnicodeError … through besides its own MutagenError.
    except Exception as error:
        raise TagsError("The tags of this file cannot be read.", reason=type(error).__name__) from error
    return tags


def write_tags(path: Path, tags: AudioTags, *, expected_root: bytes) -> None:
    """Give a file our tags, in a temporary copy that replaces it only if the payload's root is `expected_root` before and after.

    The copy is our tags, the preamble and the payload; nothing else of the file is kept: no foreign comments, pictures or application blocks.

    Raises TagsError: `tags_not_writable` for a format whose payload is the whole file (there tags *are* payload), `payload_changed` if root or
    preamble differ; FilesError for the disk. The file is then as it was.
    """
    before = identify(path)
    if before.root != expected_root:
        raise TagsError("This file does not have the expected payload.", code="payload_changed", root=before.root.hex())
    match before.span.format:
        case PayloadFormat.FLAC:
            head = _flac_head(before.span.preamble, tags)
        case PayloadFormat.MP3:
            head = _id3_head(tags) + before.span.preamble
        case PayloadFormat.FILE:
            raise TagsError(
                "The tags of this format are part of its payload and stay as they are.", code="tags_not_writable"
            )
    staged = path.with_name(f"{path.name}.tagging")
    try:
        with translated(path):
            with reading(path) as (read_at, _), staged.open("wb") as out:
                out.write(head)
                for at in range(before.span.offset, before.span.end, _BLOCK_BYTES):
                    out.write(read_at(at, min(_BLOCK_BYTES, before.span.end - at)))
                out.flush()
                os.fsync(out.fileno())
            after = identify(staged)
            if after.root != before.root or after.span.preamble != before.span.preamble:
                raise TagsError(
                    "Writing tags would have changed the sound.", code="payload_changed", root=after.root.hex()
                )
            staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


def _flac_head(preamble: bytes, tags: AudioTags) -> bytes:
    """Everything in front of the frames: STREAMINFO verbatim, our comments, room for the person's own edits."""
    comments = _flac.VCFLACDict()
    comments.vendor = "slskdn"
    for name, values in _texts(tags).items():
        comments[_NAMES[name][0][0]] = list(values)
    for name, number in (("track", tags.track), ("tracks", tags.tracks), ("disc", tags.disc), ("discs", tags.discs)):
        if number:
            comments[_NAMES[name][0][0]] = [str(number)]
    body: bytes = comments.write()
    streaminfo = preamble[:4] + bytes([0]) + preamble[5:]
    return (
        streaminfo
        + b"\x04"
        + len(body).to_bytes(3, "big")
        + body
        + b"\x81"
        + _PADDING_BYTES.to_bytes(3, "big")
        + bytes(_PADDING_BYTES)
    )


def _id3_head(tags: AudioTags) -> bytes:
    """A whole ID3v2.4 tag."""
    made = _id3.ID3()
    frames: dict[str, Callable[..., object]] = {
        "title": _id3.TIT2, "artist": _id3.TPE1, "albumartist": _id3.TPE2, "album": _id3.TALB, "date": _id3.TDRC,
        "label": _id3.TPUB, "isrcs": _id3.TSRC,
    }  # fmt: skip
    for name, values in _texts(tags).items():
        if name in frames:
            made.add(frames[name](encoding=3, text=list(values)))
        elif name == "recording_mbid":
            made.add(_id3.UFID(owner=_UFID_OWNER, data=values[0].encode("ascii", "replace")))
        else:
            made.add(_id3.TXXX(encoding=3, desc=_NAMES[name][1][0].removeprefix("TXXX:"), text=list(values)))
    for frame, number, total in ((_id3.TRCK, tags.track, tags.tracks), (_id3.TPOS, tags.disc, tags.discs)):
        if number:
            made.add(frame(encoding=3, text=[f"{number}/{total}" if total else str(number)]))
    out = io.BytesIO()
    made.save(out, v1=0, v2_version=4, padding=lambda info: _PADDING_BYTES)
    return out.getvalue()


def _texts(tags: AudioTags) -> dict[str, tuple[str, ...]]:
    """Every text field that has a value. NUL separates values in ID3 and never belongs to one."""
    found: dict[str, tuple[str, ...]] = {}
    for name in _NAMES:
        value: object = getattr(tags, name)
        values = (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ()
        cleaned = tuple(
            str(each).replace("\0", "").encode("utf-8", "replace").decode()[:MAX_TEXT_CHARS] for each in values if each
        )
        if cleaned:
            found[name] = cleaned
    return found


def _tags(values: Callable[[str], list[str]]) -> AudioTags:
    track, tracks = _numbers(values("track"), values("tracks"))
    disc, discs = _numbers(values("disc"), values("discs"))
    first = {
        name: (values(name) or [""])[0]
        for name in ("title", "artist", "albumartist", "album", "acoustid_id", "label", "catalog_number")
    }
    date = next((match[0] for match in map(_DATE.match, values("date")) if match is not None), "")
    mbid = {
        name: (_mbids(values(name)) or ("",))[0]
        for name in ("recording_mbid", "track_mbid", "release_mbid", "release_group_mbid")
    }
    return AudioTags(
        **first,
        **mbid,
        date=date,
        track=track,
        tracks=tracks,
        disc=disc,
        discs=discs,
        artist_mbids=_mbids(values("artist_mbids")),
        albumartist_mbids=_mbids(values("albumartist_mbids")),
        isrcs=tuple(values("isrcs")),
    )


def _lookup(tags: object) -> Callable[[str], list[str]]:
    """A function from our field names to the file's texts, whatever kind of tags it has."""
    if isinstance(tags, mutagen.id3.ID3):
        return lambda name: _bounded(_id3_texts(tags, name))
    if isinstance(tags, mutagen.mp4.MP4Tags):
        return lambda name: _bounded(_mp4_texts(tags, name))
    keyed: dict[str, list[object]] = {}
    for key, value in _pairs(tags):
        keyed.setdefault(_plain(key), []).extend(value)
    return lambda name: _bounded(text for key in _NAMES[name][0] for text in keyed.get(_plain(key), ()))


def _plain(key: str) -> str:
    """One spelling for `MUSICBRAINZ_TRACKID` (Vorbis, APE) and `MusicBrainz/Track Id` (ASF), `Album Artist` and `WM/AlbumArtist`."""
    return re.sub(r"[ _/]", "", key.lower().removeprefix("wm/"))


def _pairs(tags: object) -> Iterable[tuple[str, list[object]]]:
    """Keys and values of dictionary-like tags (Vorbis comments, APE, ASF)."""
    items = getattr(tags, "items", None)
    for key, value in items() if callable(items) else ():
        yield (
            str(key),
            list(value)
            if isinstance(value, list | tuple) or (hasattr(value, "__iter__") and not isinstance(value, str))
            else [value],
        )


def _id3_texts(tags: Any, name: str) -> Iterable[object]:
    if name == "recording_mbid":
        for frame in tags.getall(f"UFID:{_UFID_OWNER}"):
            yield frame.data.decode("ascii", "replace")
    wanted = {key.lower() for key in _NAMES[name][1]}
    for key in list(tags.keys()):
        if key.lower() in wanted:
            yield from getattr(tags[key], "text", ())


def _mp4_texts(tags: object, name: str) -> Iterable[object]:
    wanted = _NAMES[name][2]
    items = getattr(tags, "items", None)
    for key, value in items() if callable(items) else ():
        plain = key.rpartition(":")[2] if key.startswith("----:") else key
        if not any(plain.lower() == each.lower() for each in wanted):
            continue
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, tuple):
                yield "/".join(str(number) for number in each)
            else:
                yield bytes(each).decode("utf-8", "replace") if isinstance(each, bytes) else each


def _bounded(values: Iterable[object]) -> list[str]:
    """Non-empty texts; ID3 2.3 and some taggers put several into one, separated by NUL."""
    texts: list[str] = []
    for value in values:
        for text in str(value).split("\0"):
            kept = text.strip()[:MAX_TEXT_CHARS]
            if kept and len(texts) < MAX_VALUES:
                texts.append(kept)
    return texts


def _mbids(texts: list[str]) -> tuple[str, ...]:
    """Every MBID in the texts ("a; b" and "a/b" occur); anything else is dropped."""
    return tuple(dict.fromkeys(match for text in texts for match in _MBID.findall(text.lower())))


def _numbers(own: list[str], totals: list[str]) -> tuple[int, int]:
    """(number, total) of "3", "3/12" and a total of its own."""
    stated = _NUMBER.match(own[0]) if own else None
    total = _NUMBER.match(totals[0]) if totals else None
    number = int(stated[1]) if stated is not None else 0
    return number, int(total[1]) if total is not None else int(stated[2] or 0) if stated is not None else 0
