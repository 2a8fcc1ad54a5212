"""Which words are searched for, in which order: a ladder of queries for a release or a recording, stopping as soon as enough was found.

Soulseek searches match file paths: every word must be in a path, words that begin with "-" must not. So the ladder begins with what most people write
into their paths (artist and album, without brackets and punctuation) and goes down to what a few do (an alias, the album alone, single tracks). Each
step says why it is there. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from apps.domain.soulseek.budget import MIN_QUERY_CHARS

MAX_STEPS: Final = 8
"""Of one ladder. Whoever is not found by eight different questions waits for the wishlist."""
MAX_WORDS: Final = 10
"""More words find fewer paths; the first ones tell artist and title."""
MAX_ALIASES: Final = 2
_BRACKETS: Final = re.compile(r"[(\[{<（「【『][^()\[\]{}<>（）「」【】『』]*[)\]}>）」】』]")
_VERSION_TAIL: Final = re.compile(
    r"\s[-–—:]\s[^-–—:]*\b(?:remaster(?:ed)?|version|edition|mix|edit|live|mono|stereo|demo)\b.*$", re.IGNORECASE
)
_GUESTS: Final = re.compile(r"\s(?:feat\.?|ft\.?|featuring)\s.*$", re.IGNORECASE)
_TOGETHER: Final = re.compile(r"\s(?:&|and|vs\.?|x|with|,)\s|,\s|\s/\s|;\s", re.IGNORECASE)
_ARTICLES: Final = ("the ", "die ", "der ", "das ", "le ", "la ", "les ", "el ", "los ", "a ", "an ")
_APOSTROPHES: Final = re.compile(r"[’'`´]")
_NOT_WORDS: Final = re.compile(r"[^\w\s]+", re.UNICODE)
_VARIOUS: Final = frozenset({"various artists", "various", "va", "[unknown]", "[no artist]"})


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRelease:
    """What the ladder is for. Names as MusicBrainz prints them; `aliases` of the artist, best first; `tracks` titles that are long or rare first."""

    artist: str
    title: str
    aliases: tuple[str, ...] = ()
    year: str = ""
    tracks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRecording:
    """One recording. `albums`: releases it stands on."""

    artist: str
    title: str
    aliases: tuple[str, ...] = ()
    albums: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """One step. `why` is a code: artist_album, artist_album_plain, main_artist, alias, ascii, album_year, album, artist_track, track_album, track."""

    words: str
    why: str


def release_ladder(wanted: WantedRelease, *, excluded: Collection[str] = ()) -> tuple[Query, ...]:
    """Queries for an album. `excluded`: phrases the server does not relay (its excluded search phrases); steps that hold one are left out."""
    return _ladder(_release_steps(wanted), excluded)


def recording_ladder(wanted: WantedRecording, *, excluded: Collection[str] = ()) -> tuple[Query, ...]:
    """Queries for one recording."""
    return _ladder(_recording_steps(wanted), excluded)


def plain_words(text: str) -> str:
    """A name as words to search for. Punctuation separates words, as it does in the word lists that clients keep of their paths: "don't" is "don" and
    "t", whoever wrote the path."""
    text = unicodedata.normalize("NFC", text)
    text = _APOSTROPHES.sub(" ", text)
    return " ".join(_NOT_WORDS.sub(" ", text).replace("_", " ").split())


def without_versions(title: str) -> str:
    """A title without bracketed remarks, guests and what stands behind a dash and names a version; the title itself where nothing would be left."""
    short = _GUESTS.sub("", _VERSION_TAIL.sub("", _BRACKETS.sub(" ", title))).strip(" -–—:")
    return " ".join(short.split()) or title


def main_artist(artist: str) -> str:
    """The first of several, without guests and article: "The Nick & Nora feat. X" → "Nick"; the artist itself where nothing would be left."""
    first = _TOGETHER.split(_GUESTS.sub("", artist), maxsplit=1)[0].strip()
    for article in _ARTICLES:
        if first.lower().startswith(article) and len(first) > len(article) + 1:
            return first[len(article) :]
    return first or artist


def _release_steps(wanted: WantedRelease) -> Iterator[Query]:
    artist = "" if wanted.artist.strip().lower() in _VARIOUS else wanted.artist
    short, main = without_versions(wanted.title), main_artist(artist)
    yield Query(f"{artist} {short}", "artist_album")
    if main != artist:
        yield Query(f"{main} {short}", "main_artist")
    if short != wanted.title:
        yield Query(f"{main} {wanted.title}", "artist_album_plain")
    for alias in wanted.aliases[:MAX_ALIASES]:
        yield Query(f"{alias} {short}", "alias")
    yield Query(_ascii(f"{main} {short}"), "ascii")
    if wanted.year:
        yield Query(f"{short} {wanted.year}", "album_year")
    if len(plain_words(short).split()) > 1:
        yield Query(short, "album")
    for title in wanted.tracks[:2]:
        yield Query(f"{main} {without_versions(title)}", "artist_track")


def _recording_steps(wanted: WantedRecording) -> Iterator[Query]:
    artist = "" if wanted.artist.strip().lower() in _VARIOUS else wanted.artist
    short, main = without_versions(wanted.title), main_artist(artist)
    yield Query(f"{artist} {short}", "artist_track")
    if main != artist:
        yield Query(f"{main} {short}", "main_artist")
    for alias in wanted.aliases[:MAX_ALIASES]:
        yield Query(f"{alias} {short}", "alias")
    yield Query(_ascii(f"{main} {short}"), "ascii")
    # Shares name tracks "05 Title" in a folder "Artist - Album" as often as "Artist - Title".
    for album in wanted.albums[:2]:
        yield Query(f"{main} {without_versions(album)}", "artist_album")
    for album in wanted.albums[:1]:
        yield Query(f"{without_versions(album)} {short}", "track_album")
    if len(plain_words(short).split()) > 2:
        yield Query(short, "track")


def _ladder(steps: Iterable[Query], excluded: Collection[str]) -> tuple[Query, ...]:
    """Plain words, each set of words once, none that can't be answered or is not relayed."""
    seen: set[frozenset[str]] = set()
    found: list[Query] = []
    for step in steps:
        words = plain_words(step.words).split()[:MAX_WORDS]
        text = " ".join(words)
        same = frozenset(text.casefold().split())
        if len(text.replace(" ", "")) < MIN_QUERY_CHARS or same in seen:
            continue
        seen.add(same)
        if excluded_phrase(text, excluded):
            continue
        found.append(Query(text, step.why))
        if len(found) == MAX_STEPS:
            break
    return tuple(found)


def excluded_phrase(query: str, excluded: Iterable[str]) -> str:
    """The phrase of the server's excluded ones that stands in a query, in any case and punctuation; "" for none."""
    text = f" {plain_words(query).casefold()} "
    for phrase in excluded:
        words = plain_words(phrase).casefold()
        if words and f" {words} " in text:
            return phrase
    return ""


def _ascii(text: str) -> str:
    """Without accents, as many people name their folders; scripts that have no such form are gone, and the step with them if nothing is left."""
    flat = unicodedata.normalize("NFKD", text.replace("ß", "ss").replace("ø", "o").replace("Ø", "O").replace("æ", "ae"))
    kept = "".join(one for one in flat if not unicodedata.combining(one))
    return kept if kept.isascii() else ""
