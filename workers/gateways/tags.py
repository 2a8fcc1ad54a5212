"""Tags of files: reading anybody's, writing our own.

Read texts are peer text: bounded and typed here, made safe by `apps.domain.library.naming` before they come near a path.
Writing sets our fields and keeps whatever else is there: in a person's file all of theirs. Of a peer's file nothing is there any more, because it
was put together from preamble and payload (`files.assemble`).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mutagen
import mutagen.id3
import mutagen.mp4

from apps.domain.audio.payload import PayloadFormat
from workers.gateways.files import identify, reading, translated
from workers.gateways.tagheads import UFID_OWNER, flac_head, id3_head, id3v1_tail
from workers.gateways.tagnames import NAMES, TagsError, plain

__all__ = ["AudioTags", "TagsError", "read_tags", "write_tags"]

MAX_TEXT_CHARS = 4096
MAX_VALUES = 32
"""Values kept of one field; real credits have a few."""
_BLOCK_BYTES = 1 << 20
_MBID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DATE = re.compile(r"\d{4}(?:-\d\d(?:-\d\d)?)?")
_NUMBER = re.compile(r"\s*(\d{1,4})\s*(?:/\s*(\d{1,4}))?")


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
    barcode: str = ""
    country: str = ""
    """Of the release: ISO 3166-1 alpha-2, or MusicBrainz's XW, XE …"""
    isrcs: tuple[str, ...] = field(default=())
    replaygain_track_gain: str = ""
    """ "-7.25 dB", to -18 LUFS (ReplayGain 2). Empty when written: what the file says stays; likewise the peak."""
    replaygain_track_peak: str = ""
    """Linear, 1 is full scale."""


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

    The fields of AudioTags then say what `tags` says (an empty one: nothing), under Picard's names; a field whose first value is right already
    keeps all of its values. Everything else stays: foreign comments and frames, pictures, cue sheets, seek tables, other tags before and behind
    the sound. Only padding and junk between tags and sound go.

    Raises TagsError: `tags_not_writable` for a format whose payload is the whole file (there tags *are* payload) and for tags that no block
    holds, `tags_unreadable` if what is there can't be read and so couldn't be kept, `payload_changed` if root or preamble differ; FilesError
    for the disk. The file is then as it was.
    """
    before = identify(path)
    if before.root != expected_root:
        raise TagsError("This file does not have the expected payload.", code="payload_changed", root=before.root.hex())
    span = before.span
    if span.format is PayloadFormat.FILE:
        raise TagsError(
            "The tags of this format are part of its payload and stay as they are.", code="tags_not_writable"
        )
    wanted = _texts(tags)
    staged = path.with_name(f"{path.name}.tagging")
    try:
        with translated(path):
            with reading(path) as (read_at, size), staged.open("wb") as out:
                tail = read_at(span.end, size - span.end)
                if span.format is PayloadFormat.FLAC:
                    out.write(flac_head(read_at, span, wanted))
                else:
                    out.write(id3_head(read_at, span, wanted))
                    tail = id3v1_tail(tail, wanted)
                for at in range(span.offset, span.end, _BLOCK_BYTES):
                    out.write(read_at(at, min(_BLOCK_BYTES, span.end - at)))
                out.write(tail)
                out.flush()
                os.fsync(out.fileno())
            after = identify(staged)
            if after.root != before.root or after.span.preamble != span.preamble:
                raise TagsError(
                    "Writing tags would have changed the sound.", code="payload_changed", root=after.root.hex()
                )
            with contextlib.suppress(PermissionError):
                shutil.copymode(path, staged)
            staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


def _texts(tags: AudioTags) -> dict[str, tuple[str, ...]]:
    """Every field that has a value, as texts. NUL separates values in ID3 and never belongs to one."""
    found: dict[str, tuple[str, ...]] = {}
    for name in NAMES:
        value: object = getattr(tags, name)
        values = value if isinstance(value, tuple) else (str(value or ""),)
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
        for name in (
            "title",
            "artist",
            "albumartist",
            "album",
            "acoustid_id",
            "label",
            "catalog_number",
            "barcode",
            "country",
            "replaygain_track_gain",
            "replaygain_track_peak",
        )
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
        keyed.setdefault(plain(key), []).extend(value)
    return lambda name: _bounded(text for key in NAMES[name][0] for text in keyed.get(plain(key), ()))


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
        for frame in tags.getall(f"UFID:{UFID_OWNER}"):
            yield frame.data.decode("ascii", "replace")
    wanted = {key.lower() for key in NAMES[name][1]}
    for key in list(tags.keys()):
        if key.lower() in wanted:
            yield from getattr(tags[key], "text", ())


def _mp4_texts(tags: object, name: str) -> Iterable[object]:
    wanted = NAMES[name][2]
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
