"""A search's answers as a person reads them: each user's folder an offer, filtered, sorted, page by page. Pure.

A page begins behind a key (what it was sorted by, user, folder), so it stays right while answers still come in.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from apps.domain.audio.profile import CodecProfile
from apps.domain.soulseek.candidates import SharerResult
from apps.domain.soulseek.queries import plain_words
from apps.domain.soulseek.results import SharedFile, profile_told

MAX_SHOWN: Final = 500
"""Files of one offer that are shown; the rest is counted."""


class OfferSort(StrEnum):
    """What comes first. `best`: a free slot, a short queue, many files, lossless, fast."""

    BEST = "best"
    SPEED = "speed"
    QUEUE = "queue"
    BITRATE = "bitrate"
    SIZE = "size"
    FILES = "files"
    USER = "user"


class Grouping(StrEnum):
    """Offers are folders, or all that a user answered."""

    FOLDER = "folder"
    USER = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferFilter:
    """What is left out. `words`: each must be in a file's path; one with a leading `-` must not. Files that are no sound are shown unless `sound`."""

    lossless: bool = False
    min_bitrate_kbps: int = 0
    free_slot: bool = False
    words: str = ""
    sound: bool = False
    min_files: int = 0
    user: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedFile:
    """A file of an offer. `profile` as its attributes would make it; None: no sound, or not told."""

    file: SharedFile
    profile: CodecProfile | None

    @property
    def length_ms(self) -> int | None:
        """As told."""
        return self.file.length_s * 1000 if self.file.length_s else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A user's folder (or everything of a user)."""

    user: str
    folder: str
    files: tuple[OfferedFile, ...]
    free_slot: bool
    queue: int
    speed_bps: int
    locked: int = 0

    @property
    def size_bytes(self) -> int:
        """Of its files together."""
        return sum(one.file.size for one in self.files)

    @property
    def sound_files(self) -> int:
        """Of them, those that are sound."""
        return sum(1 for one in self.files if one.file.codec is not None)

    @property
    def length_s(self) -> int:
        """As told; what tells none counts nothing."""
        return sum(one.file.length_s or 0 for one in self.files)

    @property
    def profile(self) -> str:
        """The profile that most of its sound files have; "" for none."""
        told = [str(one.profile) for one in self.files if one.profile is not None]
        return max(sorted(set(told)), key=told.count) if told else ""

    @property
    def mixed(self) -> bool:
        """Its sound files have several profiles."""
        return len({str(one.profile) for one in self.files if one.profile is not None}) > 1

    @property
    def lossless(self) -> bool:
        """All its sound is told to be lossless."""
        sound = [one for one in self.files if one.file.codec is not None]
        return bool(sound) and all(one.profile is not None and one.profile.lossless for one in sound)

    @property
    def bitrate_kbps(self) -> int:
        """The mean of its sound files, by size and length where it is not told; 0: unknown."""
        told = [rate for one in self.files if (rate := bitrate_of(one.file))]
        return round(sum(told) / len(told)) if told else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferPage:
    """One page. `total` offers and `files` that the filter leaves; `next` None: the last page."""

    items: tuple[Offer, ...]
    total: int
    files: int
    next: str | None


def bitrate_of(file: SharedFile) -> int:
    """Kilobits a second as told, or by size and length; 0: unknown, or no sound."""
    if file.codec is None:
        return 0
    if file.bitrate_kbps:
        return file.bitrate_kbps
    return file.size * 8 // 1000 // file.length_s if file.length_s else 0


def offers(
    results: Iterable[tuple[SharerResult, int]],
    *,
    keep: OfferFilter = OfferFilter(),
    by: Grouping = Grouping.FOLDER,
    sort: OfferSort = OfferSort.BEST,
) -> tuple[Offer, ...]:
    """All offers that the filter leaves, in order. `results`: with each user's count of files that are kept for others."""
    want, refuse = _words(keep.words)
    found: list[Offer] = []
    for result, locked in results:
        if (keep.free_slot and not result.free_slot) or (keep.user and keep.user != result.user):
            continue
        groups: dict[str, list[OfferedFile]] = {}
        for file in result.files:
            if (one := _kept(file, keep, want, refuse)) is not None:
                groups.setdefault(file.folder if by is Grouping.FOLDER else "", []).append(one)
        for folder, files in groups.items():
            if len(files) >= keep.min_files:
                found.append(
                    Offer(
                        user=result.user,
                        folder=folder,
                        files=tuple(sorted(files, key=lambda each: each.file.path)),
                        free_slot=result.free_slot,
                        queue=result.queue,
                        speed_bps=result.speed_bps,
                        locked=locked,
                    )
                )
    return tuple(sorted(found, key=lambda one: _key(one, sort)))


def offer_page(found: Sequence[Offer], *, sort: OfferSort, cursor: str | None, limit: int) -> OfferPage:
    """The offers behind `cursor`. Raises ValueError for one that these pages did not give."""
    behind = _read(cursor) if cursor else None
    start = 0
    if behind is not None:
        try:
            start = next((at for at, one in enumerate(found) if _key(one, sort) > behind), len(found))
        except TypeError as error:
            raise ValueError("This cursor is of another order.") from error
    items = tuple(found[start : start + limit])
    more = start + limit < len(found)
    return OfferPage(
        items=tuple(replace(one, files=one.files) for one in items),
        total=len(found),
        files=sum(len(one.files) for one in found),
        next=_write(_key(items[-1], sort)) if more and items else None,
    )


Key = tuple[float, float, float, float, str, str]


def _key(one: Offer, sort: OfferSort) -> Key:
    first = {
        OfferSort.BEST: (0.0 if one.free_slot else 1.0, float(min(one.queue, 50)) if not one.free_slot else 0.0),
        OfferSort.SPEED: (-float(one.speed_bps), 0.0),
        OfferSort.QUEUE: (0.0 if one.free_slot else 1.0, float(one.queue)),
        OfferSort.BITRATE: (-float(one.bitrate_kbps), 0.0),
        OfferSort.SIZE: (-float(one.size_bytes), 0.0),
        OfferSort.FILES: (-float(len(one.files)), 0.0),
        OfferSort.USER: (0.0, 0.0),
    }[sort]
    if sort is OfferSort.USER:
        return (0.0, 0.0, 0.0, 0.0, one.user, one.folder)
    return (*first, -float(min(one.sound_files, 30)), -float(one.lossless) * 1e9 - one.speed_bps, one.user, one.folder)


def _kept(file: SharedFile, keep: OfferFilter, want: Sequence[str], refuse: Sequence[str]) -> OfferedFile | None:
    if keep.sound and file.codec is None:
        return None
    if want or refuse:
        text = f" {plain_words(file.path.replace(chr(92), ' ')).casefold()} "
        if any(f"{word}" not in text for word in want) or any(f" {word} " in text for word in refuse):
            return None
    profile = profile_told(file)
    if keep.lossless and (profile is None or not profile.lossless):
        return None
    if keep.min_bitrate_kbps and bitrate_of(file) < keep.min_bitrate_kbps:
        return None
    return OfferedFile(file=file, profile=profile)


def _words(text: str) -> tuple[list[str], list[str]]:
    want: list[str] = []
    refuse: list[str] = []
    for part in text.split():
        words = plain_words(part.removeprefix("-")).casefold().split()
        (refuse if part.startswith("-") else want).extend(words)
    return want, refuse


def _write(key: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).rstrip(b"=").decode()


def _read(cursor: str) -> Key:
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
        one, two, three, four, user, folder = found
        return (float(one), float(two), float(three), float(four), str(user), str(folder))
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise ValueError("This cursor is not from these pages.") from error
