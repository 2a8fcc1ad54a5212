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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mutagen
import mutagen.id3
import mutagen.mp4
import mutagen.oggopus

from apps.domain.audio.chunks import ChunksError
from apps.domain.audio.ogg import OggError
from apps.domain.audio.payload import PayloadFormat
from apps.domain.audio.sound import SoundUnknown, sound_digest
from apps.domain.library.covers import Cover
from apps.domain.library.tags import (
    MAX_FINGERPRINT_CHARS,
    MAX_TEXT_CHARS,
    NAMES,
    WIDER,
    AudioTags,
    TagsError,
    gain_of_r128,
    plain,
    said_names,
    texts_of,
)
from workers.gateways.audio import DecodedFacts, DecodeFailed, decode_test
from workers.gateways.files import Identity, identify, reading, translated
from workers.gateways.tagfile import tag_file
from workers.gateways.tagheads import UFID_OWNER, flac_head, id3_head, id3v1_tail
from workers.gateways.tagstores import is_opus, rewrite

__all__ = ["AudioTags", "TagsError", "Written", "read_tags", "write_tags"]

MAX_VALUES = 32
"""Values kept of one field; real credits have a few."""
_BLOCK_BYTES = 1 << 20
_MBID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DATE = re.compile(r"\d{4}(?:-\d\d(?:-\d\d)?)?")
_NUMBER = re.compile(r"\s*(\d{1,4})\s*(?:/\s*(\d{1,4}))?")


@dataclass(frozen=True, slots=True)
class Written:
    """A file with our tags. `decoded`: what decoding it has shown, where its root is another one now; None where the root is the same."""

    root: bytes
    decoded: DecodedFacts | None


def read_tags(path: Path) -> AudioTags:
    """Read a file's tags; a file without any gives empty ones. Raises TagsError for what mutagen does not know or cannot parse, and
    for tags beyond `tagfile.MAX_TAG_BYTES`.
    """
    try:
        with tag_file(path) as file:
            opened = mutagen.File(file)
        if opened is None:
            raise TagsError("This is not a sound file whose tags can be read.")
        tags = _tags(_lookup(opened.tags), opus=isinstance(opened, mutagen.oggopus.OggOpus))
    except TagsError:
        raise
    # mutagen parses hostile bytes and lets IndexError, OverflowError, struct.error, UnicodeError … through besides its own MutagenError.
    except Exception as error:
        raise TagsError("The tags of this file cannot be read.", reason=type(error).__name__) from error
    return tags


def write_tags(
    path: Path, tags: AudioTags, *, expected_root: bytes, inside_root: bool = False, cover: Cover | None = None
) -> Written:
    """Give a file our tags, in a temporary copy that replaces it only if the payload's root is `expected_root` before and after.

    The fields of AudioTags then say what `tags` says (an empty one: nothing, but see `KEPT`), under Picard's names; a field whose first value is right
    already keeps all of its values. Everything else stays: foreign comments and frames, pictures, cue sheets, seek tables, other tags before and behind
    the sound. Only padding and junk between tags and sound go.

    `inside_root`: write also where tags are part of the payload (MP4, Ogg, WAVE, AIFF, WavPack, APE, Musepack, ASF). The root is then another one; that
    the sound is the same is proven by its digest before and after, and the new file decodes from its first to its last sample.

    `cover`: put into FLAC and MP3 that have no picture.

    Raises TagsError: `tags_not_writable` (`reason`) for a format whose payload is the whole file unless `inside_root`, for formats that nobody writes,
    and for tags that can't be kept or held; `tags_unreadable` if what is there can't be read and so couldn't be kept; `payload_changed` if root,
    preamble or sound differ. FilesError for the disk, DecodeFailed `decode_tool_missing` where nothing here decodes it. The file is then as it was.
    """
    before = identify(path)
    if before.root != expected_root:
        raise TagsError("This file does not have the expected payload.", code="payload_changed", root=before.root.hex())
    staged = path.with_name(f"{path.name}.tagging")
    try:
        with translated(path):
            if before.span.format is not PayloadFormat.FILE:
                written = _write_around(path, staged, before, tags, cover)
            elif inside_root:
                written = _write_inside(path, staged, tags)
            else:
                raise TagsError(
                    "The tags of this format are part of its payload and stay as they are.",
                    code="tags_not_writable",
                    reason="inside_root",
                )
            with contextlib.suppress(PermissionError):
                shutil.copymode(path, staged)
            staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
    return written


def _write_around(path: Path, staged: Path, before: Identity, tags: AudioTags, cover: Cover | None) -> Written:
    """FLAC and MP3: tags stand before and behind the payload."""
    wanted, span = texts_of(tags), before.span
    with reading(path) as (read_at, size), staged.open("wb") as out:
        tail = read_at(span.end, size - span.end)
        if span.format is PayloadFormat.FLAC:
            out.write(flac_head(read_at, span, wanted, cover=cover))
        else:
            out.write(id3_head(read_at, span, wanted, cover=cover))
            tail = id3v1_tail(tail, wanted)
        for at in range(span.offset, span.end, _BLOCK_BYTES):
            out.write(read_at(at, min(_BLOCK_BYTES, span.end - at)))
        out.write(tail)
        out.flush()
        os.fsync(out.fileno())
    after = identify(staged)
    if after.root != before.root or after.span.preamble != span.preamble:
        raise TagsError("Writing tags would have changed the sound.", code="payload_changed", root=after.root.hex())
    return Written(root=after.root, decoded=None)


def _write_inside(path: Path, staged: Path, tags: AudioTags) -> Written:
    """Everything else: tags are part of the payload."""
    read_tags(path)  # what nobody here could read again is not written
    try:
        with reading(path) as (read_at, size):
            before = sound_digest(read_at, size)
            opus = is_opus(read_at, before.container)
        rewrite(path, staged, before.container, texts_of(tags, opus=opus))
    except (SoundUnknown, OggError, ChunksError) as error:
        reason = str(error.params.get("reason", error.code))
        raise TagsError(error.sentence, code="tags_not_writable", reason=reason) from error
    try:
        with reading(staged) as (read_at, size):
            after = sound_digest(read_at, size)
    except SoundUnknown as error:
        raise TagsError("Writing tags would have changed the sound.", code="payload_changed") from error
    if after != before:
        raise TagsError("Writing tags would have changed the sound.", code="payload_changed")
    try:
        decoded = decode_test(staged)
    except DecodeFailed as error:
        if error.retryable:
            raise
        raise TagsError(
            "This file does not decode; it is left as it is.", code="tags_not_writable", reason=error.code
        ) from error
    return Written(root=identify(staged).root, decoded=decoded)


_FIRST = (
    "title", "artist", "albumartist", "album", "acoustid_id", "acoustid_fingerprint", "barcode", "country", "media", "script", "status",
    "replaygain_track_gain", "replaygain_track_peak", "replaygain_album_gain", "replaygain_album_peak",
)  # fmt: skip


def _tags(values: Callable[[str], list[str]], *, opus: bool) -> AudioTags:
    track, tracks = _numbers(values("track"), values("tracks"))
    disc, discs = _numbers(values("disc"), values("discs"))
    first = {name: (values(name) or [""])[0] for name in _FIRST}
    if opus:
        for scope in ("track", "album"):
            gain = gain_of_r128((values(f"r128_{scope}_gain") or [""])[0])
            first[f"replaygain_{scope}_gain"] = gain or first[f"replaygain_{scope}_gain"]
    mbid = {
        name: (_mbids(values(name)) or ("",))[0]
        for name in ("recording_mbid", "track_mbid", "release_mbid", "release_group_mbid")
    }
    return AudioTags(
        **first,
        **mbid,
        date=_date(values("date")),
        original_date=_date(values("original_date")) or _date(values("original_year")),
        artists=tuple(values("artists")),
        label=tuple(values("label")),
        catalog_number=tuple(values("catalog_number")),
        types=tuple(values("types")),
        compilation=(values("compilation") or [""])[0].lower() in ("1", "true"),
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
        return lambda name: _bounded(_id3_texts(tags, name), _limit(name))
    if isinstance(tags, mutagen.mp4.MP4Tags):
        return lambda name: _bounded(_mp4_texts(tags, name), _limit(name))
    keyed: dict[str, list[object]] = {}
    for key, value in _pairs(tags):
        keyed.setdefault(plain(key), []).extend(value)

    def said(name: str) -> list[object]:
        own = [text for key in said_names(name) if key not in WIDER for text in keyed.get(key, ())]
        return own or [text for key in said_names(name) if key in WIDER for text in keyed.get(key, ())]

    return lambda name: _bounded(said(name), _limit(name))


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
    wanted = {key.lower() for key in NAMES[name].id3}
    for key in list(tags.keys()):
        if key.lower() in wanted:
            yield from getattr(tags[key], "text", ())


def _mp4_texts(tags: object, name: str) -> Iterable[object]:
    wanted = {key.lower() for key in NAMES[name].mp4}
    items = getattr(tags, "items", None)
    for key, value in items() if callable(items) else ():
        if (key.rpartition(":")[2] if key.startswith("----:") else key).lower() not in wanted:
            continue
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, tuple):
                yield "/".join(str(number) for number in each)
            else:
                yield bytes(each).decode("utf-8", "replace") if isinstance(each, bytes) else each


def _limit(name: str) -> int:
    return MAX_FINGERPRINT_CHARS if name == "acoustid_fingerprint" else MAX_TEXT_CHARS


def _bounded(values: Iterable[object], limit: int) -> list[str]:
    """Non-empty texts; ID3 2.3 and some taggers put several into one, separated by NUL."""
    texts: list[str] = []
    for value in values:
        for text in str(value).split("\0"):
            kept = text.strip()[:limit]
            if kept and len(texts) < MAX_VALUES:
                texts.append(kept)
    return texts


def _date(texts: list[str]) -> str:
    return next((match[0] for match in map(_DATE.match, texts) if match is not None), "")


def _mbids(texts: list[str]) -> tuple[str, ...]:
    """Every MBID in the texts ("a; b" and "a/b" occur); anything else is dropped."""
    return tuple(dict.fromkeys(match for text in texts for match in _MBID.findall(text.lower())))


def _numbers(own: list[str], totals: list[str]) -> tuple[int, int]:
    """(number, total) of "3", "3/12" and a total of its own."""
    stated = _NUMBER.match(own[0]) if own else None
    total = _NUMBER.match(totals[0]) if totals else None
    number = int(stated[1]) if stated is not None else 0
    return number, int(total[1]) if total is not None else int(stated[2] or 0) if stated is not None else 0
