"""Is this file the recording it was fetched as? Evidence in, judgement out; nothing is looked up here.

Order of evidence (DESIGN §5, §10; S2 A):

1. A fingerprint of this recording that was confirmed here before, and is the same: proven.
2. AcoustID names the expected recording with a score of MIN_SCORE or more: proven.
3. AcoustID names, with such a score, only other recordings: it is one of those. `wrong_recording`.
4. AcoustID has no word, and every confirmed fingerprint of this recording here differs: `wrong_recording` (name unknown).
5. No word from anywhere, and the length is off by more than DURATION_TOLERANCE_MS: `wrong_duration`.
6. No word from anywhere: `unconfirmed`, or refused where a fingerprint is required.

A length alone never overrules a fingerprint: lengths on MusicBrainz are often another pressing's.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from apps.domain.errors import Param

MIN_SCORE = 0.5
"""AcoustID's score is the share of matching fingerprint items after alignment. Its own server starts a result at about .4 (two thirds of the
query's keys must vote for it), real matches lie above .8, and chance alignments of different music below .3 (BER .31 at the 0.1 % quantile of
2926 different pairs). .5 leaves room for cut or faded files and none for chance."""
DURATION_TOLERANCE_MS = 7000
"""AcoustID's own tolerance between a query and a track; gaps and fades of pressings of one recording stay below it."""

LocalEvidence = Literal["same", "different", "none"]
"""How the file's fingerprint compares with those confirmed here: same as one, different from all that could be compared, nothing to compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRecording:
    """A recording that AcoustID names for the file's fingerprint."""

    recording_mbid: uuid.UUID
    score: float
    title: str = ""
    artist: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is known of one file."""

    expected: uuid.UUID
    local: LocalEvidence
    named: Sequence[NamedRecording]
    """By score, best first; empty: AcoustID knows nothing, or was not asked."""
    silent_code: str
    """Why `named` is empty, for the row: acoustid_no_result, acoustid_disabled, chromaprint_disabled, fingerprint_failed …"""
    actual_ms: int
    expected_ms: int | None
    require_fingerprint: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Accepted as `verification` ("fingerprint", "unconfirmed": `code` says why), or refused with `code`."""

    accepted: bool
    verification: str
    code: str
    params: dict[str, Param]


def judge(evidence: Evidence) -> Judgement:
    """The judgement on one file."""
    strong = [one for one in evidence.named if one.score >= MIN_SCORE]
    if evidence.local == "same":
        return _proven(evidence, by="library")
    if any(one.recording_mbid == evidence.expected for one in strong):
        return _proven(evidence, by="acoustid")
    if strong:
        best = strong[0]
        return _refused(
            "wrong_recording",
            recording=str(best.recording_mbid),
            title=best.title,
            artist=best.artist,
            score=round(best.score, 3),
        )
    if evidence.local == "different":
        return _refused("wrong_recording", recording="", title="", artist="")
    if evidence.require_fingerprint:
        return _refused("fingerprint_required", reason=evidence.silent_code)
    if (off := _duration_off_ms(evidence)) is not None:
        assert evidence.expected_ms is not None
        return _refused(
            "wrong_duration",
            actual_s=round(evidence.actual_ms / 1000),
            expected_s=round(evidence.expected_ms / 1000),
            off_ms=off,
        )
    return Judgement(accepted=True, verification="unconfirmed", code=evidence.silent_code, params={})


def _proven(evidence: Evidence, *, by: str) -> Judgement:
    params: dict[str, Param] = {"by": by}
    if (off := _duration_off_ms(evidence)) is not None:
        params["off_ms"] = off
    return Judgement(accepted=True, verification="fingerprint", code="", params=params)


def _refused(code: str, **params: Param) -> Judgement:
    return Judgement(accepted=False, verification="", code=code, params=params)


def _duration_off_ms(evidence: Evidence) -> int | None:
    """By how much the length is off, signed; None within tolerance or unknown."""
    if evidence.expected_ms is None:
        return None
    off = evidence.actual_ms - evidence.expected_ms
    return off if abs(off) > DURATION_TOLERANCE_MS else None
