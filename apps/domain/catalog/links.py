"""What a person typed or pasted into the one find box, understood: an id, an address, a barcode, an ISRC, or words. Pure.

Nothing is guessed: what reads as a barcode but fails its check digit is said to be one with a wrong digit, and searched as words only if the person
says so. Formats: MusicBrainz' own addresses (any subdomain, any tab behind the id), Discogs' addresses (with or without language and slug) and its
short forms `[r123]`, `[m123]`, `[a123]`, `[l123]`, GTIN-8/12/13/14 (GS1 General Specifications §7.9: check digit), ISRC (ISO 3901).
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias
from urllib.parse import unquote, urlsplit

from apps.domain.errors import DomainError

MAX_TEXT_CHARS: Final = 500
"""More than any address or title that is searched for; bounds what the patterns see."""


class EntityKind(StrEnum):
    """What an MBID can be that this daemon knows what to do with."""

    ARTIST = "artist"
    LABEL = "label"
    RECORDING = "recording"
    RELEASE = "release"
    RELEASE_GROUP = "release-group"
    TRACK = "track"


class DiscogsKind(StrEnum):
    """What a Discogs number counts; each kind counts by itself."""

    ARTIST = "artist"
    LABEL = "label"
    MASTER = "master"
    RELEASE = "release"


@dataclass(frozen=True, slots=True, kw_only=True)
class MbidAsked:
    """An MBID. `kind` None: the text does not say what it is of, and MusicBrainz must be asked."""

    mbid: uuid.UUID
    kind: EntityKind | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscogsAsked:
    """A number at Discogs."""

    id: int
    kind: DiscogsKind


@dataclass(frozen=True, slots=True, kw_only=True)
class BarcodeAsked:
    """A GTIN as printed, digits alone."""

    digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IsrcAsked:
    """An ISRC in its stored form: 12 characters, upper case, no hyphens."""

    isrc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WordsAsked:
    """Words to search for. `artist` and `title` where the text separates them ("artist - title"); else `title` is all of it."""

    title: str
    artist: str = ""


Asked: TypeAlias = MbidAsked | DiscogsAsked | BarcodeAsked | IsrcAsked | WordsAsked


class FindUnreadable(DomainError):
    """A text that asks for nothing we can look up: `find_empty`, `find_too_long`, `find_wrong_entity`, `find_other_site`, `barcode_check_digit`."""

    default_code = "find_empty"


_UUID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_MBID: Final = re.compile(_UUID, re.IGNORECASE)
_NAMED_MBID: Final = re.compile(rf"(artist|label|recording|release-group|release|track)[:/ ]+({_UUID})", re.IGNORECASE)
_DISCOGS_SHORT: Final = re.compile(r"\[?([rmal])=?(\d{1,10})\]?", re.IGNORECASE)
_DISCOGS_NAMED: Final = re.compile(r"discogs[:/ ]+(artist|label|master|release)[:/ ]+(\d{1,10})", re.IGNORECASE)
_DISCOGS_LETTER: Final = {
    "r": DiscogsKind.RELEASE,
    "m": DiscogsKind.MASTER,
    "a": DiscogsKind.ARTIST,
    "l": DiscogsKind.LABEL,
}
_DISCOGS_PART: Final = re.compile(r"(\d{1,10})(?:-.*)?")
_ISRC: Final = re.compile(r"([A-Z]{2})-?([A-Z0-9]{3})-?(\d{2})-?(\d{5})", re.IGNORECASE)
_BARCODE: Final = re.compile(r"\d(?:[ -]?\d){7,13}")
_GTIN_LENGTHS: Final = frozenset({8, 12, 13, 14})
_DASHES: Final = re.compile(r"\s+[-–—]\s+")
_ADDRESS: Final = re.compile(r"(?:https?://)?((?:[a-z0-9-]+\.)+[a-z]{2,})(?:[/?#]\S*)?", re.IGNORECASE)


def understand(text: str) -> Asked:
    """What `text` asks for. Raises FindUnreadable with a code and a sentence for what can't be asked for."""
    text = " ".join(text.split())
    if not text:
        raise FindUnreadable("Type a name, or paste an id, a barcode, an ISRC or an address at MusicBrainz or Discogs.")
    if len(text) > MAX_TEXT_CHARS:
        raise FindUnreadable("This text is too long to be looked up.", code="find_too_long", limit=MAX_TEXT_CHARS)
    if _MBID.fullmatch(text):
        return MbidAsked(mbid=_mbid(text), kind=None)
    if named := _NAMED_MBID.fullmatch(text):
        return MbidAsked(mbid=_mbid(named[2]), kind=EntityKind(named[1].lower()))
    if named := _DISCOGS_NAMED.fullmatch(text):
        return DiscogsAsked(id=int(named[2]), kind=DiscogsKind(named[1].lower()))
    if (short := _DISCOGS_SHORT.fullmatch(text)) and (text[0] == "[" or "=" in text):
        return DiscogsAsked(id=int(short[2]), kind=_DISCOGS_LETTER[short[1].lower()])
    if (address := _ADDRESS.fullmatch(text)) and ("://" in text or "/" in text):
        return _address(text, address[1].lower())
    if _BARCODE.fullmatch(text):
        return _barcode(re.sub(r"[ -]", "", text))
    if isrc := _ISRC.fullmatch(text):
        return IsrcAsked(isrc="".join(isrc.groups()).upper())
    return _words(text)


def gtin_valid(digits: str) -> bool:
    """Whether the last digit is the GS1 check digit of the others: weights 3, 1, 3 … from the right."""
    if len(digits) not in _GTIN_LENGTHS or not digits.isascii() or not digits.isdigit():
        return False
    body = [int(one) for one in reversed(digits[:-1])]
    total = sum(3 * one if place % 2 == 0 else one for place, one in enumerate(body))
    return (10 - total % 10) % 10 == int(digits[-1])


def barcode_forms(digits: str) -> tuple[str, ...]:
    """The ways one barcode is written at MusicBrainz: as given, a UPC-A with the zero that makes it an EAN-13, and the other way round."""
    forms = [digits]
    if len(digits) == 12:
        forms.append("0" + digits)
    if len(digits) == 13 and digits.startswith("0"):
        forms.append(digits[1:])
    return tuple(forms)


def _address(text: str, host: str) -> Asked:
    parts = [unquote(part) for part in urlsplit(text if "://" in text else f"https://{text}").path.split("/") if part]
    if host == "musicbrainz.org" or host.endswith(".musicbrainz.org"):
        return _at_musicbrainz(parts)
    if host == "discogs.com" or host.endswith(".discogs.com"):
        return _at_discogs(parts)
    raise FindUnreadable(
        "Only addresses at MusicBrainz and Discogs can be read here; for others, type artist and title.",
        code="find_other_site",
        host=host,
    )


def _at_musicbrainz(parts: list[str]) -> Asked:
    if parts[:2] == ["ws", "2"]:
        parts = parts[2:]
    if len(parts) >= 2:
        kind = parts[0].lower()
        if kind == "isrc" and (isrc := _ISRC.fullmatch(parts[1])):
            return IsrcAsked(isrc="".join(isrc.groups()).upper())
        if kind in {one.value for one in EntityKind} and _MBID.fullmatch(parts[1]):
            return MbidAsked(mbid=_mbid(parts[1]), kind=EntityKind(kind))
    raise FindUnreadable(
        "This page at MusicBrainz is not an artist, label, release group, release, track or recording.",
        code="find_wrong_entity",
        entity=(parts[0] if parts else "")[:40],
    )


def _at_discogs(parts: list[str]) -> Asked:
    for place, part in enumerate(parts[:-1]):
        kind = part.lower().removesuffix("s") if part.lower() in _DISCOGS_PLURALS else part.lower()
        number = _DISCOGS_PART.fullmatch(parts[place + 1])
        if kind in {one.value for one in DiscogsKind} and number:
            return DiscogsAsked(id=int(number[1]), kind=DiscogsKind(kind))
    if parts and (old := re.fullmatch(r".*-(release|master)-(\d{1,10})", parts[-1], re.IGNORECASE)):
        return DiscogsAsked(id=int(old[2]), kind=DiscogsKind(old[1].lower()))
    raise FindUnreadable(
        "This page at Discogs is not an artist, label, master or release.",
        code="find_wrong_entity",
        entity=(parts[0] if parts else "")[:40],
    )


_DISCOGS_PLURALS: Final = frozenset({"artists", "labels", "masters", "releases"})


def _barcode(digits: str) -> Asked:
    if not gtin_valid(digits):
        raise FindUnreadable(
            "This looks like a barcode, but its last digit does not fit the others; look at the sleeve again, or search for words.",
            code="barcode_check_digit",
            digits=digits,
        )
    return BarcodeAsked(digits=digits)


def _words(text: str) -> WordsAsked:
    if len(text) > 1 and text[0] == text[-1] == '"':
        return WordsAsked(title=text[1:-1].strip() or text)
    artist, separator, title = _split(text)
    return WordsAsked(title=title, artist=artist) if separator else WordsAsked(title=text)


def _split(text: str) -> tuple[str, str, str]:
    found = _DASHES.search(text)
    if found is None or not text[: found.start()].strip() or not text[found.end() :].strip():
        return "", "", text
    return text[: found.start()].strip(), found[0], text[found.end() :].strip()


def _mbid(text: str) -> uuid.UUID:
    mbid = uuid.UUID(text)
    if mbid.int == 0:
        raise FindUnreadable("This id is all zeros, which nothing has.", code="find_empty")
    return mbid
