"""Is an edition the original master? Only what a catalogue says is weighed; where it says nothing, nothing is decided. Pure.

MusicBrainz does not tell masters apart: a remaster mostly shares the recording's MBID with the original. What it has is the edition's date against
the first date of its release group, and the words people put into titles and disambiguations.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

LATER_YEARS: Final = 5
"""An edition so much younger than the first release was made from a transfer of its own more often than not; between one and five years nobody can tell."""

_REMASTER: Final = re.compile(
    r"\b(re-?master(ed|ing|s)?|digitally re-?mastered|re-?mix(ed)? (and|&) re-?mastered|anniversary|deluxe|mfsl|mofi|"
    r"mobile fidelity|half[- ]speed|xrcd|shm-cd|hdcd|blu-spec)\b",
    re.IGNORECASE,
)
_REMASTER_SURE: Final = re.compile(r"re-?master|mfsl|mofi|mobile fidelity|half[- ]speed", re.IGNORECASE)


class Master(StrEnum):
    """What is known of an edition's master."""

    ORIGINAL = "original"
    REMASTER = "remaster"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionFacts:
    """What the catalogue knows of an edition. Dates: YYYY, YYYY-MM or YYYY-MM-DD, "" = unknown."""

    title: str = ""
    disambiguation: str = ""
    date: str = ""
    first_date: str = ""
    """of its release group"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterWord:
    """The answer and its code: master_first_edition, master_said_remastered, master_later_edition, master_reissue_words, master_date_unknown, master_undecided."""

    master: Master
    code: str
    year: str = ""
    first_year: str = ""


def master_of(edition: EditionFacts) -> MasterWord:
    """What is known of an edition's master."""
    year, first = edition.date[:4], edition.first_date[:4]
    words = f"{edition.title} {edition.disambiguation}"
    if _REMASTER_SURE.search(words):
        return MasterWord(master=Master.REMASTER, code="master_said_remastered", year=year, first_year=first)
    if not (year.isdigit() and first.isdigit()):
        return MasterWord(master=Master.UNKNOWN, code="master_date_unknown", year=year, first_year=first)
    later = int(year) - int(first)
    if _REMASTER.search(words) and later > 0:
        return MasterWord(master=Master.REMASTER, code="master_reissue_words", year=year, first_year=first)
    if later <= 0:
        return MasterWord(master=Master.ORIGINAL, code="master_first_edition", year=year, first_year=first)
    if later >= LATER_YEARS:
        return MasterWord(master=Master.REMASTER, code="master_later_edition", year=year, first_year=first)
    return MasterWord(master=Master.UNKNOWN, code="master_undecided", year=year, first_year=first)


MASTER_RANK: Final = {Master.ORIGINAL: 1, Master.UNKNOWN: 0, Master.REMASTER: -1}
"""For ordering: unknown stands between, so that it decides as little as it can."""
