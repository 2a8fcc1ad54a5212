"""What becomes of a peer's claim that proves empty or false: how long it is not asked, and when its stated facts were a lie. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from apps.domain.contracts.node_work import MeasuredPayload

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


def stated_facts(
    stated: Mapping[str, int] | None = None,
    *,
    duration_ms: int | None = None,
    suspect: bool | None = None,
    quality_score: float | None = None,
) -> dict[str, int]:
    """Facts of a payload, stated or measured, as claims keep them: whole numbers under the names `dur_ms`, `suspect` and `quality_milli`.

    What is None is left out. `stated` is what a peer said under such names already; where it has a duration, that counts.
    """
    facts = dict(stated or {})
    if duration_ms is not None:
        facts.setdefault("dur_ms", duration_ms)
    if suspect is not None:
        facts["suspect"] = int(suspect)
    if quality_score is not None:
        facts["quality_milli"] = round(1000 * min(max(quality_score, 0.0), 1.0))
    return facts


def measured_facts(one: MeasuredPayload) -> dict[str, int]:
    """What a payload turned out to be here, in the form in which peers' claims are compared with it."""
    return stated_facts(duration_ms=one.duration_ms, suspect=one.suspect, quality_score=one.quality)


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
