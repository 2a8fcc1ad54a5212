"""Files that are the same music, and which of them to keep. Pure; nothing here, and nothing that uses it, deletes by itself.

Four kinds, from certain to likely:

* **payload**: the same encoded audio in several files (copies; their tags may differ). Keeping any one loses no sound.
* **pcm**: different encodings of exactly the same samples (MD5 and count of the samples, rate, channels, depth). Keeping any one loses no sound.
* **recording**: different variants of one recording, by its MBID, which a fingerprint or a person confirmed or a tag claims. They may be different masters or
  formats that somebody keeps on purpose: what is proposed is only a proposal.
* **sound**: variants whose fingerprints are one recording's though nothing else says so: at least one has no MBID, or another one. An edit or a remaster
  may sound the same to a fingerprint: a proposal, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from apps.domain.audio.profile import ProfileError, parse_profile, preference_key
from apps.domain.audio.quality import profile_quality
from apps.domain.library.canonical import Reason

_COPYS_NAME: Final = re.compile(r"(\((copy|\d{1,3}|copy \d{1,3})\)|[-_ ]copy)( ?\(?\d{1,3}\)?)?$", re.IGNORECASE)


class DuplicateKind(StrEnum):
    """How files are the same."""

    PAYLOAD = "payload"
    PCM = "pcm"
    RECORDING = "recording"
    SOUND = "sound"


KEEP_TERMS: Final[Mapping[str, str]] = {
    "genuine": "no evidence of a transcode",
    "quality": "the better quality score",
    "verified": "a fingerprint confirms what it is",
    "profile": "the finer codec profile",
    "placed": "it is filed under a release",
    "smaller": "it takes less room, and is the same sound",
    "name": "its name is not one that copying makes",
    "older": "it was here first",
}
"""Why one file is kept, the weightiest term first. `smaller` only counts where the sound is exactly the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateFile:
    """One of several files that are the same music."""

    file_id: int
    variant_id: int
    path: str
    root_id: int
    writable: bool
    """False: its folder is only read; it can be kept, never moved"""
    size_bytes: int
    profile: str
    score: float | None
    suspect: bool | None
    verified: bool
    placed: bool
    """it is filed under a release"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A file and why it stands where it stands. The first of a group is the one to keep."""

    file: DuplicateFile
    reason: Reason


def best_first(files: Sequence[DuplicateFile], *, kind: DuplicateKind) -> tuple[Ranked, ...]:
    """The files, the one to keep first, each with the term that decided against the first (for the first: against the second)."""
    order = sorted(files, key=lambda one: one.file_id)
    order.sort(key=lambda one: tuple(_rank(one, term, kind) for term in KEEP_TERMS), reverse=True)
    return tuple(Ranked(file=one, reason=_reason(at, order, kind)) for at, one in enumerate(order))


def is_copys_name(path: str) -> bool:
    """Whether a file manager or a download program gave the name because another was taken: "a (copy).flac", "a (2).flac", "a - Copy.flac"."""
    stem = path.rpartition("/")[2].rpartition(".")[0]
    return _COPYS_NAME.search(stem) is not None


def _rank(one: DuplicateFile, term: str, kind: DuplicateKind) -> float | tuple[int, float, int, int, str]:
    match term:
        case "genuine":
            return float(not one.suspect)
        case "quality":
            return float(round(100 * _score(one)))
        case "verified":
            return float(one.verified)
        case "profile":
            try:
                return preference_key(parse_profile(one.profile))
            except ProfileError:
                return (0, 0.0, 0, 0, one.profile)
        case "placed":
            return float(one.placed)
        case "name":
            return float(not is_copys_name(one.path))
        case "smaller":
            return 0.0 if kind in (DuplicateKind.RECORDING, DuplicateKind.SOUND) else -float(one.size_bytes)
    return -float(one.file_id)


def _score(one: DuplicateFile) -> float:
    if one.score is not None:
        return one.score
    try:
        return profile_quality(parse_profile(one.profile))
    except ProfileError:
        return 0.0


def _reason(at: int, order: Sequence[DuplicateFile], kind: DuplicateKind) -> Reason:
    one = order[at]
    if len(order) == 1:
        return Reason(code="keep_only")
    other = order[1] if at == 0 else order[0]
    term = next((name for name in KEEP_TERMS if _rank(one, name, kind) != _rank(other, name, kind)), "older")
    prefix = "keep" if at == 0 else "spare"
    return Reason(code=f"{prefix}_{term}", params={"ours": _shown(one, term), "theirs": _shown(other, term)})


def _shown(one: DuplicateFile, term: str) -> str:
    match term:
        case "quality":
            return f"{_score(one):.2f}"
        case "profile":
            return one.profile
        case "smaller":
            return str(one.size_bytes)
    return ""
