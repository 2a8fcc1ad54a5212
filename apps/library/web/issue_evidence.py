"""What an issue rests on, in words: its params by name, with units, without what only a program wants to know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as lazy

_NAMES: Final[Mapping[str, Promise]] = {
    # Suspected transcodes
    "profile": lazy("Profile"),
    "score": lazy("Score"),
    "family": lazy("Filter bank of"),
    "segments": lazy("Stretches looked at"),
    "grid_rate": lazy("Sample rate of the grid"),
    "bar": lazy("Deviations that prove it"),
    "z": lazy("Standard deviations"),
    "offset": lazy("Offset in samples"),
    "cutoff_hz": lazy("Upper edge"),
    "bandwidth_hz": lazy("Upper edge"),
    "effective_bits": lazy("Bits that carry sound"),
    # Better variants
    "better_score": lazy("Quality of the better one"),
    "better_profile": lazy("Profile of the better one"),
    # Releases
    "release": lazy("Release"),
    "guess": lazy("Seems to be from"),
    "medium": lazy("Medium"),
    "position": lazy("Track"),
    "track": lazy("Title"),
    "held": lazy("Tracks here"),
    "total": lazy("Tracks in all"),
    # Tags
    "title": lazy("Title"),
    "artist": lazy("Artist"),
    "tag_title": lazy("Title in the tags"),
    "tag_artist": lazy("Artist in the tags"),
    "fields": lazy("Tags in question"),
    # Copies
    "copies": lazy("Copies"),
    "keep_path": lazy("Would stay"),
    "keep_profile": lazy("Its profile"),
    "spare_bytes": lazy("Room to spare"),
    # Lengths
    "actual_s": lazy("Lasts"),
    "expected_s": lazy("Should last"),
    "off_s": lazy("Difference"),
    # Files that can't be read
    "reason": lazy("The decoder says"),
    "stated": lazy("Samples stated"),
    "decoded": lazy("Samples decoded"),
    "error": lazy("Error"),
}
_UNSAID: Final = frozenset(
    {
        "keep", "files", "better_variant", "recording", "tag_recording", "settled", "actual_ms", "expected_ms", "off_ms", "stage",
        "origin_score", "block", "min_block", "max_block", "deaths",
    }
)  # fmt: skip
"""Ids of rows, what is said elsewhere on the page, and what only repeats another number."""
_CODECS: Final = {"mp3": "MP3", "aac": "AAC", "vorbis": "Vorbis", "opus": "Opus"}


def evidence_lines(code: str, params: Mapping[str, object]) -> list[tuple[str, str]]:
    """(name, value) for the page of an issue, in the order in which they were found."""
    shown = []
    for key, value in params.items():
        if value in (None, "", []) or isinstance(value, bool) or key in _UNSAID or key.endswith("_mbid"):
            continue
        name = str(_NAMES.get(key, key.replace("_", " ").capitalize()))
        if key == "score" and code.startswith("better_"):
            name = str(lazy("Quality of this one"))
        shown.append((name, _value(key, value)))
    return shown


def _value(key: str, value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, int | float):
        if key.endswith("_bytes"):
            return f"{value / 2**20:.1f} MiB"
        if key.endswith("_s"):
            return f"{value:g} s"
        if key.endswith("_hz") or key == "grid_rate":
            return f"{value / 1000:g} kHz"
        return f"{value:.3g}" if isinstance(value, float) and abs(value) < 100 else f"{value:.0f}"
    return _CODECS.get(str(value), str(value))
