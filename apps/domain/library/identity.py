"""Which recording is this file? Several pieces of evidence weighed together; nothing is looked up here, nothing is guessed.

**States** (`MOVES`). A row begins `pending`. The machine makes it `decided`, `ambiguous` (a question for a person, who is given the candidates in order)
or `unknown` (nobody knows; asked again later). A person makes it `confirmed` (this one), `rejected` (none of these) or `left` (do not ask me). What a
person said is theirs: the machine moves only what the machine decided.

**Weighing.** Each piece of evidence adds points to a candidate; points are natural log-odds, so pieces add up and one strong contradiction is not
outvoted by habit. Candidates are compared with each other and with "none of them", which holds NONE_POINTS: the share of the best in the softmax
is the confidence, and from DECIDED on it is decided. Weights were set by hand and checked on the 337 recorded fingerprints with their albums
(`tests/apps/domain/library/test_identity_fixtures.py` prints how many are decided and holds the wrong ones at 0); they are no measured probabilities.

A fingerprint proves a recording (`proven`); tags never do, and tags that contradict a fingerprint are told with the decision.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from apps.domain.errors import DomainError, Param
from apps.domain.jobs.judgement import DURATION_TOLERANCE_MS
from apps.domain.library.identity_evidence import (
    MIN_SCORE,
    NAMED_STRONGLY,
    Candidate,
    Companions,
    FileFacts,
    Piece,
    evidence_of,
    likeness,
)

IDENTITY_VERSION: Final = 1
"""Of weights and rules: a decision of an older version is worked out again in the background."""
NONE_POINTS: Final = 2.0
DECIDED: Final = 0.8
MIN_POINTS: Final = 3.0
"""Below it nothing is decided, however far the rest lies behind: a fingerprint needs at least one other word."""
QUESTION_POINTS: Final = 0.5
"""A best candidate below it is not worth a person's time."""
TAGS_CONFIDENCE: Final = 0.5
"""Of what only tags say: never more than an even chance."""
MAX_KEPT: Final = 12
"""Candidates kept with a decision."""


class IdentityState(StrEnum):
    """Where an identification stands."""

    PENDING = "pending"
    DECIDED = "decided"
    AMBIGUOUS = "ambiguous"
    UNKNOWN = "unknown"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    LEFT = "left"


MACHINE: Final = frozenset({IdentityState.DECIDED, IdentityState.AMBIGUOUS, IdentityState.UNKNOWN})
PERSON: Final = frozenset({IdentityState.CONFIRMED, IdentityState.REJECTED, IdentityState.LEFT})
_BY_PERSON = PERSON | {IdentityState.PENDING}
MOVES: Final[Mapping[IdentityState, Mapping[str, frozenset[IdentityState]]]] = {
    IdentityState.PENDING: {"machine": MACHINE, "person": PERSON},
    IdentityState.DECIDED: {"machine": frozenset({IdentityState.PENDING}), "person": _BY_PERSON},
    IdentityState.AMBIGUOUS: {"machine": frozenset({IdentityState.PENDING}), "person": _BY_PERSON},
    IdentityState.UNKNOWN: {"machine": frozenset({IdentityState.PENDING}), "person": _BY_PERSON},
    IdentityState.CONFIRMED: {"machine": frozenset(), "person": _BY_PERSON},
    IdentityState.REJECTED: {"machine": frozenset(), "person": _BY_PERSON},
    IdentityState.LEFT: {"machine": frozenset(), "person": _BY_PERSON},
}
"""From a state, who may move it where. A person may always say something else, and may hand it back (`pending`)."""


class IdentityMoveRefused(DomainError):
    """A move that the table does not have."""

    default_code = "identity_move_refused"


def sources_of(to: IdentityState, *, by: str) -> tuple[IdentityState, ...]:
    """The states from which `by` ("machine", "person") may move to `to`: what the conditional UPDATE asks for."""
    return tuple(state for state, moves in MOVES.items() if to in moves[by])


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A candidate with what speaks for and against it."""

    candidate: Candidate
    points: float
    share: float
    """Of the softmax over all candidates and "none of them", 0..1."""
    pieces: tuple[Piece, ...]

    def to_json(self) -> dict[str, object]:
        """As the row keeps it."""
        one = self.candidate
        return {
            "recording": str(one.recording_mbid),
            "title": one.title,
            "artist": one.artist,
            "length_ms": one.length_ms,
            "points": round(self.points, 2),
            "share": round(self.share, 4),
            "album": one.groups[0].title if one.groups else "",
            "groups": [str(each.group_mbid) for each in one.groups[:20]],
            "releases": [[str(each.release_mbid), each.medium, each.track] for each in one.releases[:20]],
            "score": one.score,
            "evidence": [piece.to_json() for piece in self.pieces],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What became of one file. `proven`: a fingerprint says so. `ranked`: best first, at most MAX_KEPT."""

    state: IdentityState
    code: str
    params: dict[str, Param]
    recording_mbid: uuid.UUID | None = None
    release_mbid: uuid.UUID | None = None
    confidence: float = 0.0
    proven: bool = False
    ranked: tuple[Judged, ...] = ()
    pieces: tuple[Piece, ...] = field(default=())
    """Of the one decided for; of the best one where nothing is decided."""


def decide(
    file: FileFacts,
    candidates: Sequence[Candidate],
    *,
    companions: Companions,
    silent_code: str = "acoustid_no_result",
) -> Decision:
    """Weigh `candidates` (each recording once; the one the tags name among them).

    `silent_code`: why AcoustID said nothing, if it said nothing.
    """
    judged = _judged(file, candidates, companions)
    if not judged:
        return Decision(state=IdentityState.UNKNOWN, code=silent_code, params={})
    best = judged[0]
    heard = any(_named(one.candidate) or one.candidate.local is not None for one in judged)
    if not heard:
        return _by_tags(file, judged, silent_code)
    params = _contradiction(file, best, judged)
    if best.points >= MIN_POINTS and best.share >= DECIDED and _heard(best.candidate) and not _length_off(file, best):
        return Decision(
            state=IdentityState.DECIDED,
            code="by_fingerprint" if _named(best.candidate) else "by_library",
            params=params,
            recording_mbid=best.candidate.recording_mbid,
            release_mbid=_release(file, best.candidate, companions),
            confidence=best.share,
            proven=_proven(best.candidate),
            ranked=judged[:MAX_KEPT],
            pieces=best.pieces,
        )
    if best.points < QUESTION_POINTS:
        return Decision(
            state=IdentityState.UNKNOWN,
            code="weak_evidence",
            params=params,
            ranked=judged[:MAX_KEPT],
            pieces=best.pieces,
        )
    return Decision(
        state=IdentityState.AMBIGUOUS,
        code=_question(best, judged, params),
        params=params,
        confidence=best.share,
        ranked=judged[:MAX_KEPT],
        pieces=best.pieces,
    )


def _judged(file: FileFacts, candidates: Sequence[Candidate], companions: Companions) -> tuple[Judged, ...]:
    strongest = max((one.score or 0.0 for one in candidates), default=0.0)
    most = max((one.sources for one in candidates), default=0)
    weighed = [
        (one, evidence_of(file, one, companions=companions, strongest=strongest, most_sources=most))
        for one in candidates
    ]
    points = [sum(piece.points for piece in pieces) for _, pieces in weighed]
    whole = math.fsum([math.exp(NONE_POINTS), *(math.exp(min(one, 50.0)) for one in points)])
    judged = [
        Judged(candidate=one, points=total, share=math.exp(min(total, 50.0)) / whole, pieces=pieces)
        for (one, pieces), total in zip(weighed, points, strict=True)
    ]
    return tuple(sorted(judged, key=lambda one: (-one.points, str(one.candidate.recording_mbid))))


def _named(candidate: Candidate) -> bool:
    return candidate.score is not None and candidate.score >= MIN_SCORE


def _heard(candidate: Candidate) -> bool:
    """Something that listened to the file speaks for this candidate: without it nothing is decided but by tags, which says so."""
    return _named(candidate) or candidate.local is not None


def _proven(candidate: Candidate) -> bool:
    return _named(candidate) or (candidate.local is not None and candidate.local.verified)


def _length_off(file: FileFacts, best: Judged) -> bool:
    """All speaks for it but its length: an edit, a cut file, or a wrong length on MusicBrainz. Fingerprints, of 120 s, can't tell which."""
    expected = best.candidate.length_ms
    return expected is not None and abs(file.duration_ms - expected) > DURATION_TOLERANCE_MS


def _by_tags(file: FileFacts, judged: tuple[Judged, ...], silent_code: str) -> Decision:
    """Nobody has heard it: what the tags name is believed as far as nothing known of that recording speaks against it."""
    best = judged[0]
    if file.recording_mbid is None:
        return Decision(
            state=IdentityState.UNKNOWN, code=silent_code, params={}, ranked=judged[:MAX_KEPT], pieces=best.pieces
        )
    against = [piece.name for piece in best.pieces if piece.points < 0 and piece.name in {"length", "title"}]
    params: dict[str, Param] = {"silent": silent_code}
    if file.recording_mbid == best.candidate.recording_mbid and not against:
        return Decision(
            state=IdentityState.DECIDED,
            code="by_tags",
            params=params,
            recording_mbid=best.candidate.recording_mbid,
            release_mbid=file.release_mbid,
            confidence=min(TAGS_CONFIDENCE, best.share),
            ranked=judged[:MAX_KEPT],
            pieces=best.pieces,
        )
    return Decision(
        state=IdentityState.AMBIGUOUS,
        code="tags_contradict_recording",
        params={**params, "against": ",".join(against)},
        confidence=min(TAGS_CONFIDENCE, best.share),
        ranked=judged[:MAX_KEPT],
        pieces=best.pieces,
    )


def _contradiction(file: FileFacts, best: Judged, judged: tuple[Judged, ...]) -> dict[str, Param]:
    """Tags that name another recording than the fingerprint does: told with whatever is decided, for the doctor to make an issue of."""
    tagged = file.recording_mbid
    if tagged is None or tagged == best.candidate.recording_mbid:
        return {}
    strong = any(
        (one.candidate.score or 0.0) >= NAMED_STRONGLY for one in judged if one.candidate.recording_mbid != tagged
    )
    named = any(_named(one.candidate) for one in judged if one.candidate.recording_mbid == tagged)
    return {"contradiction": "tag_recording", "tag_recording": str(tagged)} if strong and not named else {}


def _question(best: Judged, judged: tuple[Judged, ...], params: Mapping[str, Param]) -> str:
    """Why a person is asked."""
    if "contradiction" in params:
        return "tags_disagree"
    if best.points >= MIN_POINTS and best.share >= DECIDED:
        return "length_disagrees"
    if best.points < MIN_POINTS:
        return "weak_evidence"
    rivals = [one.candidate for one in judged[1:] if one.points > best.points - 2.0 and one.candidate.title]
    first = best.candidate
    alike = [
        one
        for one in rivals
        if likeness(one.title, first.title) > 0.9
        and likeness(one.artist, first.artist) > 0.8
        and abs((one.length_ms or 0) - (first.length_ms or 0)) <= 3000
    ]
    if rivals and len(alike) == len(rivals):
        return "same_song_several_recordings"
    return "several_recordings" if rivals else "weak_evidence"


def _release(file: FileFacts, candidate: Candidate, companions: Companions) -> uuid.UUID | None:
    """The edition, if it is plain: the tags' own where the recording is on it, else the only one that most companions share."""
    on = [one.release_mbid for one in candidate.releases]
    if file.release_mbid is not None and file.release_mbid in on:
        return file.release_mbid
    shares = sorted(((companions.share(mbid), str(mbid), mbid) for mbid in on), reverse=True)
    if not shares or shares[0][0] < 0.6 or (len(shares) > 1 and shares[1][0] == shares[0][0]):
        return None
    return shares[0][2]
