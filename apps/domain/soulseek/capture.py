"""What answers teach: a user's folder as one offer, under a name that only this machine can tell. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from apps.domain.matching.words import words_of
from apps.domain.soulseek.results import SharedFile, by_folder, offered_set, profile_told
from apps.domain.soulseek.states import DownloadState

MAX_TEXT: Final = 256
LEAST_FILES: Final = 1
MAX_FOLDERS: Final = 200
"""Of one user's answer; whoever answers with more is not looked at folder by folder."""
_TRACK_NUMBER: Final = re.compile(r"^\s*\d{1,3}[\s._)-]+")


class Verdict(StrEnum):
    """What came of a file that was fetched. `unjudged`: delivered raw, as somebody wanted it; nobody looked whether it is what its owner says."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNJUDGED = "unjudged"


def verdict_of(state: DownloadState, *, external: bool) -> Verdict | None:
    """What an end teaches of the file; None: nothing (it did not come whole)."""
    match state:
        case DownloadState.SUCCEEDED:
            return Verdict.UNJUDGED if external else Verdict.ACCEPTED
        case DownloadState.REJECTED:
            return Verdict.REJECTED
        case _:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A user's folder. `artist`, `title` and `year` as folder names tell them; `track` the one file's words where it is only one."""

    folder: str
    artist: str
    title: str
    year: str
    files: int
    profile: str
    track: str = ""


def pseudonym(name: str, *, key: bytes) -> str:
    """A keyed name of a user: the same for the same key, and nothing without it. HMAC-SHA-256, 128 bits of it."""
    return "~" + hmac.new(key, name.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]


def folder_digest(sharer: str, folder: str) -> bytes:
    """What an offer is called: of the sharer (as kept) and the folder."""
    return hashlib.sha256(f"{sharer}\0{folder}".encode("utf-8", "surrogatepass")).digest()


def offers_of(files: Iterable[SharedFile]) -> tuple[Offer, ...]:
    """A user's files as offers: one for each album folder that holds sound."""
    found = []
    for folder, some in by_folder(files).items():
        sound = [one for one in some if one.codec is not None]
        if len(sound) < LEAST_FILES:
            continue
        told = offered_set(sound, folder=folder)
        profiles = [str(profile) for profile in map(profile_told, sound) if profile is not None]
        found.append(
            Offer(
                folder=folder,
                artist=told.artist[:MAX_TEXT],
                title=told.album[:MAX_TEXT],
                year=told.year,
                files=len(sound),
                profile=max(set(profiles), key=profiles.count) if profiles else "",
                track=_TRACK_NUMBER.sub("", sound[0].stem)[:MAX_TEXT] if len(sound) == 1 else "",
            )
        )
        if len(found) == MAX_FOLDERS:
            break
    return tuple(found)


def core(text: str) -> str:
    """A name as names are compared: case, accents, punctuation and remarks away."""
    return words_of(text).core


def certainty(offer: Offer, *, artist: str, title: str, year: str, tracks: int) -> float:
    """How sure it is (0..1) that an offer is a release of this artist and title: names must be the same, year and number of tracks speak for or against it."""
    if core(offer.title) != core(title):
        return 0.0
    same_artist = bool(offer.artist) and core(offer.artist) == core(artist)
    sure = 0.7 if same_artist else 0.3
    if offer.year and year:
        sure += 0.15 if offer.year == year[:4] else -0.1
    if tracks and offer.files:
        sure += 0.15 if offer.files == tracks else 0.0 if offer.files < tracks else -0.05
    return round(max(0.0, min(1.0, sure)), 2)
