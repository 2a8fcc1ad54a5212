"""Writing tags into files whose tags lie inside the payload: MP4, Ogg, WAVE and AIFF, WavPack, APE, Musepack, ASF. On a copy; the caller proves the sound.

Ogg, chunks and trailing tags are put together here from their own bytes, so that whatever is not ours stays byte for byte; MP4's and ASF's trees are
mutagen's, which keeps what it does not know.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import mutagen.apev2
import mutagen.asf
import mutagen.mp4

from apps.domain.audio import ogg
from apps.domain.audio.chunks import TAG_NAMES, read_chunks
from apps.domain.audio.flac import ReadAt
from apps.domain.audio.sound import Container, asf_size_at, tail_of
from apps.domain.errors import DomainError
from apps.domain.library.tags import KEPT, MP4_ATOMS, NAMES, TOTALS, Kind, TagsError, plain, written_names
from workers.gateways.files import reading
from workers.gateways.tagfile import MAX_TAG_BYTES
from workers.gateways.tagheads import Wanted, comment_body, id3_tag, id3v1_tail, mended

# mutagen ships half of its types; inside this module its classes are Any, outside it nobody sees them.
_apev2: Any = mutagen.apev2
_asf: Any = mutagen.asf
_mp4: Any = mutagen.mp4

_BLOCK_BYTES = 1 << 20
_MAX_FORM_BYTES = 0xFFFFFFFF
_ITUNES = "----:com.apple.iTunes:"
_MAX_ASF_TEXT_BYTES = 0xFFFE


def rewrite(source: Path, target: Path, container: Container, wanted: Wanted) -> None:
    """Write a copy of `source` with our fields set to `target` (which is replaced), fsynced. Raises TagsError, SoundUnknown, OggError, ChunksError,
    FilesError, OSError."""
    match container:
        case Container.MP4:
            _by_library(source, target, lambda: _edit_mp4(target, wanted))
        case Container.ASF:
            _by_library(source, target, lambda: _edit_asf(target, wanted))
        case Container.OGG:
            _put_together(source, target, _ogg_parts, wanted)
        case Container.WAVE | Container.AIFF:
            _put_together(source, target, _chunk_parts, wanted)
        case Container.WAVPACK | Container.APE | Container.MUSEPACK:
            _put_together(source, target, _tail_parts, wanted)


def is_opus(read_at: ReadAt, container: Container) -> bool:
    """Ogg Opus has gains of its own."""
    return container is Container.OGG and read_at(28, 8) == b"OpusHead"


Parts = Callable[[ReadAt, int, Wanted], Iterable[bytes]]


def _put_together(source: Path, target: Path, parts: Parts, wanted: Wanted) -> None:
    with reading(source) as (read_at, size), target.open("wb") as out:
        for part in parts(read_at, size, wanted):
            out.write(part)
        out.flush()
        os.fsync(out.fileno())


def _copied(read_at: ReadAt, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, _BLOCK_BYTES):
        yield read_at(at, min(_BLOCK_BYTES, end - at))


def _refused(reason: str, sentence: str = "Tags can't be written into this file.") -> TagsError:
    return TagsError(sentence, code="tags_not_writable", reason=reason)


# --- Ogg ---------------------------------------------------------------------------------------------------------------------------------


def _ogg_parts(read_at: ReadAt, size: int, wanted: Wanted) -> Iterator[bytes]:
    headers = ogg.read_headers(read_at, size)
    packets = list(headers.packets)
    packets[headers.comment] = _comment_packet(headers.codec, packets[headers.comment], wanted)
    made = ogg.header_pages(headers, packets)
    yield from made
    sequence = len(made)
    for page in ogg.pages(read_at, start=headers.audio_at, size=size, serial=headers.serial):
        # A gap in the numbers is a page that was lost: it stays lost, so that players notice.
        yield ogg.page_bytes(page, sequence=page.sequence - headers.next_sequence + sequence & 0xFFFFFFFF)


def _comment_packet(codec: ogg.Codec, packet: bytes, wanted: Wanted) -> bytes:
    match codec:
        case "vorbis":
            body, rest = comment_body(packet[7:], wanted)
            return packet[:7] + body + (rest or b"\x01")
        case "opus":
            body, rest = comment_body(packet[8:], wanted)
            # RFC 7845 §5.2: bytes behind the comments are to be kept if the first one's lowest bit is set; else they are padding.
            return packet[:8] + body + (rest if rest[:1] and rest[0] & 1 else b"")
        case "flac":
            body, _ = comment_body(packet[4:], wanted)
            if len(body) >= 1 << 24:
                raise _refused("size", "These tags are too large for this format.")
            return packet[:1] + len(body).to_bytes(3, "big") + body


# --- chunks ------------------------------------------------------------------------------------------------------------------------------


def _chunk_parts(read_at: ReadAt, size: int, wanted: Wanted) -> Iterator[bytes]:
    listed = read_chunks(read_at, size)
    tags = listed.tags()
    if sum(one.length for one in tags) > MAX_TAG_BYTES:
        raise _refused("size", "The tags of this file are larger than anybody's.")
    held = b"".join(_id3_only(read_at(one.at + 8, one.length)) for one in tags)
    tag = id3_tag(held, wanted)
    tag += bytes(len(tag) & 1)
    kept = [one for one in listed.chunks if one not in tags]
    # The last chunk's pad byte may be missing at the end of a file.
    form = 4 + sum(8 + one.length + (one.length & 1) for one in kept) + 8 + len(tag)
    if form > _MAX_FORM_BYTES:
        raise _refused("size", "This file would become too large for its format.")
    yield listed.magic + form.to_bytes(4, listed.order) + listed.kind
    for one in kept:
        yield from _copied(read_at, one.at, one.at + 8 + one.length)
        yield bytes(one.length & 1)
    yield TAG_NAMES[listed.magic][0] + len(tag).to_bytes(4, listed.order) + tag
    yield from _copied(read_at, listed.end, size)


def _id3_only(data: bytes) -> bytes:
    """A chunk's tag without what pads it. Raises TagsError for a chunk that holds something else."""
    if not data.strip(b"\0"):
        return b""
    if not data.startswith(b"ID3"):
        raise TagsError("The tags of this file cannot be read.", reason="no_id3")
    size = data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9]
    whole = 10 + size + (10 if data[3] == 4 and data[5] & 0x10 else 0)
    if whole > len(data):
        raise TagsError("The tags of this file cannot be read.", reason="truncated")
    return data[:whole]


# --- APEv2 behind the sound ------------------------------------------------------------------------------------------------------------------


def _tail_parts(read_at: ReadAt, size: int, wanted: Wanted) -> Iterator[bytes]:
    sound_end, id3v1_at = tail_of(read_at, size)
    held = read_at(sound_end, id3v1_at - sound_end)
    try:
        tags = _apev2.APEv2(io.BytesIO(held)) if held else _apev2.APEv2()
    # mutagen lets IndexError, struct.error, UnicodeError … through besides its own MutagenError.
    except Exception as error:
        raise TagsError("The tags of this file cannot be read.", reason=type(error).__name__) from error
    if held and len(tags) != int.from_bytes(held[-32 + 16 : -32 + 20], "little"):
        # Two items of one name, or one cut off: a dictionary can't keep them.
        raise _refused("foreign_items", "A part of these tags can't be kept.")
    _edit(tags, "ape", wanted, had=lambda key: [str(one) for one in tags[key]], put=_put_ape(tags))
    out = io.BytesIO()
    _saved(lambda: tags.save(out))
    yield from _copied(read_at, 0, sound_end)
    yield out.getvalue()
    yield id3v1_tail(read_at(id3v1_at, size - id3v1_at), wanted)


def _put_ape(tags: Any) -> Callable[[str, tuple[str, ...]], None]:
    def put(key: str, texts: tuple[str, ...]) -> None:
        tags[key] = _apev2.APEValue("\0".join(texts), _apev2.TEXT)

    return put


# --- MP4, ASF: mutagen's trees -------------------------------------------------------------------------------------------------------------


def _by_library(source: Path, target: Path, edit: Callable[[], None]) -> None:
    def untouched(read_at: ReadAt, size: int, _: Wanted) -> Iterator[bytes]:
        return _copied(read_at, 0, size)

    _put_together(source, target, untouched, {})
    edit()
    with target.open("rb+") as out:
        os.fsync(out.fileno())


def _saved(save: Callable[[], object]) -> None:
    try:
        save()
    except DomainError:
        raise
    except OSError:
        raise
    except Exception as error:
        if isinstance(error.__context__, OSError) and error.__context__.errno:
            raise error.__context__ from error  # the disk, not the tags
        raise TagsError(
            "These tags can't be written.", code="tags_not_writable", reason=type(error).__name__
        ) from error


def _opened(load: Callable[[str], Any], target: Path) -> Any:
    try:
        return load(str(target))
    except Exception as error:
        raise TagsError("The tags of this file cannot be read.", reason=type(error).__name__) from error


def _edit_mp4(target: Path, wanted: Wanted) -> None:
    audio = _opened(_mp4.MP4, target)
    if audio.tags is None:
        audio.add_tags()
    tags = audio.tags
    numbers = {"trkn": ("track", "tracks"), "disk": ("disc", "discs")}

    def had(key: str) -> list[str]:
        value = tags[key]
        if key in numbers:
            return ["/".join(str(one) for one in each if one) for each in value]
        if key == "cpil":
            return ["1" if value else "0"]
        return [bytes(one).decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in value]

    def put(key: str, texts: tuple[str, ...]) -> None:
        if key in numbers:
            first, _, total = texts[0].partition("/")
            tags[key] = [(min(int(first), 0xFFFF), min(int(total or 0), 0xFFFF))]
        elif key == "cpil":
            tags[key] = texts[0] == "1"
        elif key.startswith(_ITUNES):
            tags[key] = [_mp4.MP4FreeForm(one.encode()) for one in texts]
        else:
            tags[key] = list(texts)

    _edit(tags, "mp4", wanted, had=had, put=put)
    _saved(audio.save)


def _edit_asf(target: Path, wanted: Wanted) -> None:
    audio = _opened(_asf.ASF, target)
    tags = audio.tags

    def put(key: str, texts: tuple[str, ...]) -> None:
        if any(len(one.encode("utf-16-le")) > _MAX_ASF_TEXT_BYTES for one in texts):
            raise _refused("size", "These tags are too large for this format.")
        tags[key] = (
            [_asf.ASFBoolAttribute(texts[0] == "1")]
            if key == "WM/IsCompilation"
            else [_asf.ASFUnicodeAttribute(one) for one in texts]
        )

    def had(key: str) -> list[str]:
        return ["1" if one == "True" else one for one in (str(each) for each in tags[key])]

    _edit(tags, "asf", wanted, had=had, put=put)
    _saved(audio.save)
    with target.open("rb+") as out:
        size = out.seek(0, os.SEEK_END)

        def read_at(offset: int, length: int) -> bytes:
            out.seek(offset)
            return out.read(length)

        stated = asf_size_at(read_at)
        if stated is not None:
            out.seek(stated)
            out.write(size.to_bytes(8, "little"))


# --- all that have keys --------------------------------------------------------------------------------------------------------------------


def _edit(
    tags: Any,
    kind: Kind,
    wanted: Wanted,
    *,
    had: Callable[[str], list[str]],
    put: Callable[[str, tuple[str, ...]], None],
) -> None:
    """Set our fields in dictionary-like tags. `had`: a key's texts; `put`: give it others."""
    ours = written_names(kind)
    atoms = (
        {names.mp4[0]: field for field, names in NAMES.items() if names.mp4[:1] and names.mp4[0] in MP4_ATOMS}
        if kind == "mp4"
        else {}
    )
    found: dict[str, list[str]] = {}
    for key in dict.fromkeys(tags.keys()):
        field = ours.get(plain(key.removeprefix(_ITUNES) if kind == "mp4" else key))
        if key in atoms:
            field = atoms[key]
        elif kind == "mp4" and not key.startswith(_ITUNES):
            field = None
        if field is not None:
            found.setdefault(field, []).append(key)
    for field, names in NAMES.items():
        texts, keys = wanted.get(field, ()), found.get(field, [])
        if field in KEPT and not texts:
            continue
        spelt: tuple[str, ...] = getattr(names, kind)
        if not spelt:
            for key in keys:
                del tags[key]
            continue
        canonical = _ITUNES + spelt[0] if kind == "mp4" and spelt[0] not in MP4_ATOMS else spelt[0]
        if texts and field in TOTALS and TOTALS[field] in wanted and not getattr(NAMES[TOTALS[field]], kind):
            texts = (f"{texts[0]}/{wanted[TOTALS[field]][0]}",)
        right = [key for key in keys if key.lower() == canonical.lower()]
        if texts and right and mended(had(right[0]), texts):
            texts, keys = (), [key for key in keys if key != right[0]]
        for key in keys:
            del tags[key]
        if texts:
            put(canonical, texts)
