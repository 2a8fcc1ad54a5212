"""From the lines of a Discogs release to tracks on media. Pure.

Positions are typed by people: `4`, `A1`, `AA`, `1-02`, `CD1-3`, `CD-3`, `1.2`, `B1a`, `Video 1`. Rules, as Discogs' guidelines and the database's
practice have them:

- Letters are sides, two of them a disc: A and B are the first, C and D the second. `CD1-3`, `1-3` and `CD-3` name the medium in front. `1.3` does so on
  a release of several discs; on one disc it is a part of track 1.
- Lines that are parts of one track (`B1a`, `B1b`, or sub-tracks of an index whose positions are parts) are one track. It has the title of the index, or
  of the line before that carries the whole (`B1`), else the parts' titles with slashes.
- Sub-tracks with positions of their own are tracks, titled "work: movement".
- Headings are no tracks. What stands on a DVD, Blu-ray or tape for pictures, and lines called video, are left out, as with MusicBrainz' tracklists.
- Media are numbered in the order in which they are met, tracks within them as well; `number` is what is printed.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from apps.domain.catalog.discogs import DiscogsFormat, DiscogsLine, DiscogsRelease, credit_text
from apps.domain.catalog.fields import MAX_TEXT_CHARS
from apps.domain.catalog.identity import discogs_track_id

UNTITLED: Final = "[untitled]"
"""As MusicBrainz calls what has no title."""
_NO_DISCS: Final = frozenset({"box set", "all media", "file", "memory stick", "hybrid"})
"""Formats whose count is not one of discs."""
_PICTURES: Final = frozenset({"dvd", "dvdr", "blu-ray", "blu-ray-r", "hd dvd", "vhs", "laserdisc", "umd", "betamax", "film reel"})  # fmt: skip
_NAMES: Final = r"CDR?|SACD|DVDR?|BDR?|BLU-?RAY|LP|MC|CASS(?:ETTE)?|DIS[CK]|MD|USB|FILE|MP3|FLAC|TAPE|VINYL"
_VIDEO: Final = re.compile(r"video", re.IGNORECASE)
_MEDIUM_FIRST: Final = re.compile(rf"(?:({_NAMES})\s*[-.]?\s*)?(\d{{0,2}})[-–](\d{{1,3}})(?:\.?([a-z]\w*|[ivx]+)|\.(\d+))?", re.IGNORECASE)  # fmt: skip
_NAMED: Final = re.compile(rf"({_NAMES})\s*(\d{{1,3}})?", re.IGNORECASE)
_DOTTED: Final = re.compile(r"(\d{1,3})\.(\d{1,3})([a-z])?")
_SIDE: Final = re.compile(r"([A-Z]{1,2})(?:[-.]?(\d{1,3}))?(?:\.?([a-z]\w*)|\.(\d+))?")
_PLAIN: Final = re.compile(r"(\d{1,3})\s*\.?([a-z]\w*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscogsTrack:
    """A track at its place. `id` is derived: it is nobody's MBID, and nothing outside of this machine is asked for it."""

    id: uuid.UUID
    medium: int
    position: int
    number: str
    title: str
    artist: str
    length_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscogsMedium:
    """A disc, tape or set of files with its tracks."""

    position: int
    format: str
    tracks: tuple[DiscogsTrack, ...]


@dataclass(frozen=True, slots=True)
class Position:
    """A position read. `medium`: what tells media apart; `track`: what tells tracks apart within; `part` "": the whole track."""

    medium: str
    track: str
    part: str = ""


@dataclass(slots=True)
class _Found:
    """A track that is being put together; mutable while its parts come."""

    key: tuple[str, str] | None
    medium: str
    number: str
    title: str
    artist: str
    seconds: int | None
    parts: list[DiscogsLine] = field(default_factory=list)
    whole: bool = True


def tracklist(release: DiscogsRelease) -> tuple[DiscogsMedium, ...]:
    """The media with their tracks, in order; () where nothing is told or all is pictures."""
    return _media(release.id, release.lines, release.formats, release.credit)


def disc_count(formats: Sequence[DiscogsFormat]) -> int:
    """How many discs and tapes the formats tell of; at least 1."""
    return max(1, len(_discs(formats)))


def position_of(text: str, *, discs: int = 1) -> Position | None:
    """Read a position; None for what is none. `discs`: of the release, by which `1.2` is told from a part."""
    text = " ".join(text.split()).rstrip(".")
    if not text or len(text) > 40:
        return None
    if match := _MEDIUM_FIRST.fullmatch(text):
        name, number, track = (match[1] or "").upper(), (match[2] or "").lstrip("0"), match[3].lstrip("0") or "0"
        return Position(f"{name}{number}", track, (match[4] or match[5] or "").lower())
    if (match := _NAMED.fullmatch(text)) and (match[2] or text.isupper()):  # "Bd" is a part of side B
        return Position(match[1].upper(), (match[2] or "").lstrip("0"))
    if match := _DOTTED.fullmatch(text):
        first, second = match[1].lstrip("0") or "0", match[2].lstrip("0") or "0"
        if discs > 1 and int(first) <= discs:
            return Position(first, second, match[3] or "")
        return Position("", first, second + (match[3] or ""))
    if match := _SIDE.fullmatch(text):
        side = match[1]
        return Position(f"side {_disc_of(side, discs)}", f"{side}{(match[2] or '').lstrip('0')}", match[3] or match[4] or "")  # fmt: skip
    if match := _PLAIN.fullmatch(text):
        return Position("", match[1].lstrip("0") or "0", (match[2] or "").lower())
    return None


def _disc_of(side: str, discs: int) -> int:
    """A and B are the first disc. AA is the other side of a single, or comes behind Z."""
    if len(side) == 2 and side[0] == side[1]:
        return 1 if discs == 1 else (26 + ord(side[0]) - ord("A")) // 2 + 1
    if len(side) == 2:
        return (26 + ord(side[1]) - ord("A")) // 2 + 1
    return (ord(side) - ord("A")) // 2 + 1


def _media(
    number: int, lines: Sequence[DiscogsLine], formats: Sequence[DiscogsFormat], credit: str
) -> tuple[DiscogsMedium, ...]:
    discs = disc_count(formats)
    by_medium: dict[str, list[_Found]] = {}
    for found in _tracks(lines, discs, credit):
        by_medium.setdefault(found.medium, []).append(found)
    names = _formats_of(list(by_medium), formats)
    media: list[DiscogsMedium] = []
    for key, tracks in by_medium.items():
        if names[key] is not None and _shows_pictures(names[key]):
            continue
        place = len(media) + 1
        media.append(
            DiscogsMedium(
                position=place,
                format=_format_name(names[key]),
                tracks=tuple(
                    DiscogsTrack(
                        id=discogs_track_id(number, place, position),
                        medium=place,
                        position=position,
                        number=one.number,
                        title=(one.title or UNTITLED)[:MAX_TEXT_CHARS],
                        artist=one.artist,
                        length_ms=1000 * one.seconds if one.seconds else None,
                    )
                    for position, one in enumerate(tracks, 1)
                ),
            )
        )
    return tuple(media)


def _tracks(lines: Sequence[DiscogsLine], discs: int, credit: str) -> Iterator[_Found]:
    """Tracks in order; parts are gathered with the track before that they belong to."""
    positioned = any(line.position for line in lines if not line.subs)
    last: _Found | None = None
    medium, restarts, highest = "", 0, 0
    for line in lines:
        if line.kind == "heading" or (not line.kind and not line.position and not line.duration_s and positioned and not line.subs):  # fmt: skip
            continue
        for part in _of_line(line, discs, credit):
            if _VIDEO.match(part.number):
                continue
            read = position_of(part.number, discs=discs)
            if read is None or (read.medium == "" and len(part.number) == 1 and part.number.islower()):
                part.medium = medium
            else:
                medium = read.medium
                if medium == "" and read.track.isdecimal():
                    # "1, 2, 3, 1, 2": the next disc, where there is one.
                    value = int(read.track)
                    if value == 1 and highest > 1 and restarts + 1 < discs and not read.part:
                        restarts, highest = restarts + 1, 0
                    highest = max(highest, value)
                    if restarts:
                        medium = str(restarts + 1)
                part.medium = medium
                part.key = (medium, read.track)
                part.whole = not read.part
            if last is not None and part.key is not None and part.key == last.key and not part.whole:
                last.parts.append(DiscogsLine(position=part.number, title=part.title, duration_s=part.seconds))
                continue
            if last is not None:
                yield _finished(last)
            last = part
            if not part.whole:
                last.parts.append(DiscogsLine(position=part.number, title=part.title, duration_s=part.seconds))
    if last is not None:
        yield _finished(last)


def _of_line(line: DiscogsLine, discs: int, credit: str) -> Iterator[_Found]:
    """The tracks of one line: itself, or the sub-tracks of an index where they are no parts of one track."""
    artist = credit_text(line.artists) or credit
    if not line.subs:
        yield _Found(None, "", line.position, line.title, artist, line.duration_s)
        return
    read = [position_of(sub.position, discs=discs) for sub in line.subs]
    told = [one for one in read if one is not None]
    parts = all(one.part for one in told) and len({(one.medium, one.track) for one in told}) == 1
    if line.position or (parts and told) or (not told and line.duration_s):
        number = line.position or _whole(line.subs[0].position, told[0] if told else None)
        known = [sub.duration_s for sub in line.subs if sub.duration_s]
        total = sum(known) if len(known) == len(line.subs) else None
        title = line.title or " / ".join(sub.title for sub in line.subs if sub.title)
        yield _Found(None, "", number, title, artist, line.duration_s or total)
        return
    for sub in line.subs:
        title = f"{line.title}: {sub.title}" if line.title and sub.title else line.title or sub.title
        yield _Found(None, "", sub.position, title, credit_text(sub.artists) or artist, sub.duration_s)


def _whole(number: str, read: Position | None) -> str:
    """A part's position without the part."""
    return number[: -len(read.part)].rstrip(".") if read is not None and read.part else number


def _finished(found: _Found) -> _Found:
    """Put parts together: one duration alone is that of the whole, as people enter it; several count when all are told."""
    if found.parts:
        if not found.whole:
            read = position_of(found.number)
            found.number = _whole(found.number, read)
            found.title = " / ".join(part.title for part in found.parts if part.title)
            known = [part.duration_s for part in found.parts if part.duration_s]
            if len(known) == len(found.parts):
                found.seconds = sum(known)
            else:
                found.seconds = known[0] if len(known) == 1 else None
        elif found.seconds is None:
            known = [part.duration_s for part in found.parts if part.duration_s]
            found.seconds = sum(known) if len(known) == len(found.parts) else None
    return found


def _discs(formats: Sequence[DiscogsFormat]) -> list[DiscogsFormat]:
    found: list[DiscogsFormat] = []
    for one in formats:
        if one.name.casefold() not in _NO_DISCS:
            found += [one] * min(max(one.qty, 1), 200)
    return found[:400]


def _formats_of(media: Sequence[str], formats: Sequence[DiscogsFormat]) -> dict[str, DiscogsFormat | None]:
    """The format of each medium: named ones take theirs, sides take what has sides, the others what is left, in order."""
    left = _discs(formats)
    only = formats[0] if len({one.name for one in formats}) == 1 else None
    found: dict[str, DiscogsFormat | None] = {}

    def take(key: str, fits: Sequence[str]) -> None:
        for one in left:
            if not fits or any(one.name.casefold().startswith(name) for name in fits):
                left.remove(one)
                found[key] = one
                return
        found[key] = only

    for key in media:
        if key.startswith("side "):
            take(key, ("vinyl", "shellac", "cassette", "lathe", "acetate", "flexi", "reel", "8-track", "4-track", "dcc"))  # fmt: skip
        elif name := re.match(r"[A-Z-]+", key):
            take(key, _FAMILIES.get(name[0].rstrip("-"), ()))
    for key in media:
        if key not in found:
            take(key, ())
    return found


_FAMILIES: Final[dict[str, tuple[str, ...]]] = {
    "CD": ("cd",), "CDR": ("cd",), "SACD": ("sacd", "cd"), "DVD": ("dvd",), "DVDR": ("dvd",), "BD": ("blu-ray",),
    "BDR": ("blu-ray",), "BLURAY": ("blu-ray",), "BLU-RAY": ("blu-ray",), "LP": ("vinyl",), "VINYL": ("vinyl",),
    "MC": ("cassette",), "CASS": ("cassette",), "CASSETTE": ("cassette",), "MD": ("minidisc",), "TAPE": ("cassette", "reel"),
}  # fmt: skip


def _format_name(given: DiscogsFormat | None) -> str:
    return given.name if given is not None else ""


def _shows_pictures(given: DiscogsFormat | None) -> bool:
    """A DVD holds films unless it is said to be one of sound."""
    if given is None or given.name.casefold() not in _PICTURES:
        return False
    return not any("audio" in one.casefold() for one in (*given.descriptions, given.text))
