"""What stands before (and, for ID3v1, behind) the sound once our fields are set: foreign tags and pictures as they were, ours under Picard's names.

`wanted`: fields of AudioTags that say something, as texts; the other fields are taken away.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import mutagen.id3

from apps.domain.audio import tagblocks
from apps.domain.audio.flac import ReadAt
from apps.domain.audio.span import MAX_SKIP_BYTES, PayloadSpan
from apps.domain.library.covers import FRONT, Cover, flac_picture
from apps.domain.library.tags import KEPT, NAMES, TOTALS, TagsError, plain, written_names

# mutagen ships half of its types; inside this module its classes are Any, outside it nobody sees them.
_id3: Any = mutagen.id3
Wanted = Mapping[str, tuple[str, ...]]

UFID_OWNER = "http://musicbrainz.org"
_PADDING_BYTES = 4096
"""Room behind our tags, so that a person's tagger need not move the whole file for a small edit."""
_COMMENTS, _PADDING, _PICTURE = 4, 1, 6
"""Kinds of FLAC blocks."""
_MAX_BLOCK_BYTES = (1 << 24) - 1


def mended(had: list[str], wanted: tuple[str, ...]) -> bool:
    """Do the values already say it? Further values behind a right first one are the person's."""
    said = [text.strip() for text in had]
    return said == list(wanted) or (len(wanted) == 1 and said[:1] == list(wanted))


def _replaced(field: str, wanted: Wanted) -> bool:
    """Has a field that stays where we say nothing something of ours in its place? Opus' gains stand for ReplayGain's."""
    gain = field.replace("replaygain_", "r128_").replace("_peak", "_gain")
    return field in wanted or gain in wanted


# --- FLAC ----------------------------------------------------------------------------------------------------------------------------


def flac_head(read_at: ReadAt, span: PayloadSpan, wanted: Wanted, *, cover: Cover | None = None) -> bytes:
    """Everything in front of the frames: STREAMINFO verbatim, comments, every other block as it was, padding. `cover`: put in if there is no picture.
    Raises TagsError."""
    start = _tags_end(read_at, span)
    vendor, entries, others = b"", list[bytes](), list[tuple[int, bytes]]()
    for kind, body in _blocks(read_at, start + 4):
        if kind == _COMMENTS:
            stated, found, _ = _entries(body)
            vendor, entries = vendor or stated, entries + found
        elif kind not in (0, _PADDING):
            others.append((kind, body))
    if cover is not None and (picture := flac_picture(cover)) and all(kind != _PICTURE for kind, _ in others):
        others.append((_PICTURE, picture))
    body = _comments(vendor or b"slskdn", _merged(entries, wanted))
    if len(body) > _MAX_BLOCK_BYTES:
        raise TagsError("These tags are too large for this format.", code="tags_not_writable", reason="size")
    blocks = [(_COMMENTS, body), *others]
    return b"".join(
        [
            read_at(0, start),
            span.preamble[:4] + bytes([0]) + span.preamble[5:],
            *(bytes([kind]) + len(each).to_bytes(3, "big") + each for kind, each in blocks),
            bytes([0x80 | _PADDING]) + _PADDING_BYTES.to_bytes(3, "big") + bytes(_PADDING_BYTES),
        ]
    )


def _tags_end(read_at: ReadAt, span: PayloadSpan) -> int:
    """Where the leading ID3v2 tags end."""
    return tagblocks.skip_leading(read_at, end=span.end, limit=MAX_SKIP_BYTES) or 0


def _blocks(read_at: ReadAt, position: int) -> Iterator[tuple[int, bytes]]:
    """FLAC's metadata blocks; `find_span` has walked them already."""
    last = False
    while not last:
        header = read_at(position, 4)
        length = int.from_bytes(header[1:4], "big")
        last = len(header) < 4 or bool(header[0] & 0x80)
        if len(header) == 4:
            yield header[0] & 0x7F, read_at(position + 4, length)
        position += 4 + length


def _entries(body: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Vendor, raw comments, and what stands behind them. Raises TagsError."""

    def taken(at: int) -> tuple[bytes, int]:
        end = at + 4 + int.from_bytes(body[at : at + 4], "little")
        if at + 4 > len(body) or end > len(body):
            raise TagsError("The tags of this file cannot be read.", reason="truncated")
        return body[at + 4 : end], end

    vendor, at = taken(0)
    if at + 4 > len(body):
        raise TagsError("The tags of this file cannot be read.", reason="truncated")
    count, at, found = int.from_bytes(body[at : at + 4], "little"), at + 4, list[bytes]()
    for _ in range(count):
        entry, at = taken(at)
        found.append(entry)
    return vendor, found, body[at:]


def _comments(vendor: bytes, entries: list[bytes]) -> bytes:
    parts = [vendor, *entries]
    sized = [len(each).to_bytes(4, "little") + each for each in parts]
    return b"".join([sized[0], len(entries).to_bytes(4, "little"), *sized[1:]])


def comment_body(body: bytes, wanted: Wanted) -> tuple[bytes, bytes]:
    """Vorbis comments with our fields set, and what stood behind them (Opus allows bytes of others there). Raises TagsError."""
    vendor, entries, rest = _entries(body)
    return _comments(vendor or b"slskdn", _merged(entries, wanted)), rest


def _merged(entries: list[bytes], wanted: Wanted) -> list[bytes]:
    """Our fields, then everything that is not ours, byte for byte."""
    ours = written_names("vorbis")
    had: dict[str, list[bytes]] = {}
    foreign: list[bytes] = []
    for entry in entries:
        key, _, _value = entry.partition(b"=")
        field = ours.get(plain(key.decode("ascii", "replace")))
        if field is None or (field in KEPT and not _replaced(field, wanted)):
            foreign.append(entry)
        else:
            had.setdefault(field, []).append(entry)
    made: list[bytes] = []
    for field, texts in wanted.items():
        canonical = NAMES[field].vorbis[0]
        kept = [
            each
            for each in had.get(field, ())
            if plain(each.partition(b"=")[0].decode("ascii", "replace")) == plain(canonical)
        ]
        values = [each.partition(b"=")[2].decode("utf-8", "replace") for each in kept]
        if mended(values, texts):
            made += kept
        else:
            made += [f"{canonical.upper()}={text}".encode() for text in texts]
    return made + foreign


# --- ID3 -----------------------------------------------------------------------------------------------------------------------------


_FRAMES: dict[str, Callable[..., object]] = {
    "title": _id3.TIT2, "artist": _id3.TPE1, "albumartist": _id3.TPE2, "album": _id3.TALB, "date": _id3.TDRC, "original_date": _id3.TDOR,
    "label": _id3.TPUB, "isrcs": _id3.TSRC, "track": _id3.TRCK, "disc": _id3.TPOS, "media": _id3.TMED, "compilation": _id3.TCMP,
}  # fmt: skip


def id3_head(read_at: ReadAt, span: PayloadSpan, wanted: Wanted, *, cover: Cover | None = None) -> bytes:
    """A whole ID3v2.4 tag and MP3's information frame. Several tags at the front become one. `cover`: put in if there is no picture. Raises TagsError."""
    return id3_tag(read_at(0, _tags_end(read_at, span)), wanted, cover=cover) + span.preamble


def id3_tag(data: bytes, wanted: Wanted, *, cover: Cover | None = None) -> bytes:
    """One ID3v2.4 tag with our fields set, made of those that `data` holds (b"": none). `cover`: put in if there is no picture. Raises TagsError."""
    made = _read_id3(data)
    if cover is not None and not made.getall("APIC"):
        made.add(_id3.APIC(encoding=0, mime=cover.mime, type=FRONT, desc="", data=cover.data))
    for field, spelt in NAMES.items():
        texts, names = wanted.get(field, ()), spelt.id3
        if not names or (field in KEPT and not texts):
            continue
        if field in TOTALS and texts and TOTALS[field] in wanted:
            texts = (f"{texts[0]}/{wanted[TOTALS[field]][0]}",)
        known = {name.lower() for name in names}
        found = [key for key in list(made.keys()) if key.lower() in known]
        had = [str(text) for key in found if key == names[0] for text in getattr(made[key], "text", ())]
        if texts and field != "recording_mbid" and mended(had, texts):
            found.remove(names[0])
            texts = ()
        for key in found:
            del made[key]
        if field == "recording_mbid":
            made.delall(f"UFID:{UFID_OWNER}")
            if texts:
                made.add(_id3.UFID(owner=UFID_OWNER, data=texts[0].encode("ascii", "replace")))
        elif texts and field in _FRAMES:
            made.add(_FRAMES[field](encoding=3, text=list(texts)))
        elif texts:
            made.add(_id3.TXXX(encoding=3, desc=names[0].removeprefix("TXXX:"), text=list(texts)))
    out = io.BytesIO()
    try:
        made.save(out, v1=0, v2_version=4, padding=lambda info: _PADDING_BYTES)
    except Exception as error:
        raise TagsError(
            "These tags can't be written.", code="tags_not_writable", reason=type(error).__name__
        ) from error
    return out.getvalue()


def _read_id3(data: bytes) -> Any:
    """All leading ID3v2 tags as one of version 2.4; of a frame that stands in several, the first one's."""
    made = _id3.ID3()
    while data.startswith(b"ID3"):
        try:
            found = _id3.ID3(io.BytesIO(data), translate=False, load_v1=False)
            version = found.version[1]
            old = [found[key] for key in ("RVAD",) if key in found]  # mutagen drops it on the way to 2.4
            found.update_to_v24()
        # mutagen lets IndexError, struct.error, UnicodeError … through besides its own MutagenError.
        except Exception as error:
            raise TagsError("The tags of this file cannot be read.", reason=type(error).__name__) from error
        for frame in [*found.values(), *old]:
            if frame.HashKey not in made:
                made.add(frame)
        made.unknown_frames += [_as_v24(raw, version) for raw in found.unknown_frames if len(raw) > 10]
        data = data[found.size + (10 if version == 4 and data[5] & 0x10 else 0) :]
    return made


def _as_v24(raw: bytes, version: int) -> bytes:
    """A frame that mutagen does not know, for a tag of version 2.4. Raises TagsError if it can't be taken over."""
    if version == 4:
        return raw
    if version != 3 or raw[9]:  # three letters for a name, or packed, encrypted, grouped
        raise TagsError("A part of these tags can't be kept.", code="tags_not_writable", reason="foreign_frame")
    size = len(raw) - 10
    sized = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return raw[:4] + sized + bytes([raw[8] >> 1 & 0x70, 0]) + raw[10:]


def id3v1_tail(tail: bytes, wanted: Wanted) -> bytes:
    """What stands behind the sound; in an ID3v1 tag at its end our fields are set, comment and genre stay."""
    if len(tail) < 128 or tail[-128:-125] != b"TAG":
        return tail
    made = bytearray(tail[-128:])
    year = re.match(r"\d{4}", (wanted.get("date") or ("",))[0])
    for at, length, text in (
        (3, 30, (wanted.get("title") or ("",))[0]),
        (33, 30, (wanted.get("artist") or ("",))[0]),
        (63, 30, (wanted.get("album") or ("",))[0]),
        (93, 4, year[0] if year else ""),
    ):
        made[at : at + length] = text.encode("latin-1", "replace")[:length].ljust(length, b"\0")
    number = (wanted.get("track") or ("",))[0]
    if made[125] == 0:  # version 1.1, or nothing that far in the comment
        made[126] = int(number) if number.isdecimal() and int(number) < 256 else 0
    return tail[:-128] + bytes(made)
