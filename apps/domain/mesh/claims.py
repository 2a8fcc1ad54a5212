"""What becomes of a peer's claim that proves empty or false: how long it is not asked, and when its stated facts were a lie. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

COOLING_S: Final = 30.0
"""Before a peer that failed to deliver a payload is asked for it again; doubles with every further time."""
MAX_COOLING_S: Final = 86_400.0
"""A day: by then a disk was mounted again or a file fetched anew, if ever."""
UNDELIVERED_CODES: Final = frozenset(
    {"not_found", "payload_not_found", "variant_not_found", "invalid_range", "io_error", "audit_failed"}
)
"""Answers that contradict a claim to hold a payload. Busy and slow peers contradict nothing, and lost links neither."""
DURATION_TOLERANCE_MS: Final = 3000
"""PROTOCOL-FACTS: library duration tolerance; encoders pad, and gapless data is counted or not."""
QUALITY_TOLERANCE_MILLI: Final = 300
"""Two versions of an analyser may differ by so much without one of them lying."""


def cooling_s(undelivered: int) -> float:
    """Seconds for which a peer is not asked for a payload that it failed to deliver so many times in a row."""
    return 0.0 if undelivered <= 0 else min(COOLING_S * 2.0 ** (min(undelivered, 32) - 1), MAX_COOLING_S)


def contradicts(stated: Mapping[str, int], measured: Mapping[str, int]) -> bool:
    """True when a fact that a peer states of a payload is not what the payload turned out to be. Facts that only one side has say nothing."""
    lasts = measured.get("dur_ms", 0)
    if lasts > 0 and abs(stated.get("dur_ms", lasts) - lasts) > DURATION_TOLERANCE_MS:
        return True
    if stated.get("suspect") == 0 and measured.get("suspect", 0) > 0:
        return True
    if "quality_milli" in stated and "quality_milli" in measured:
        return stated["quality_milli"] - measured["quality_milli"] > QUALITY_TOLERANCE_MILLI
    return False
