"""Identifications as API, pages and command line show them: rows read into values, codes into words."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User

from apps.common.sentences import Sentence, sentence
from apps.domain.errors import DomainError
from apps.domain.library.identity import IdentityState
from apps.library.models import AudioFile, Identification
from apps.library.services_identity import (
    identification_ask,
    identification_confirm,
    identification_leave,
    identification_reject,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceView:
    """A piece of evidence in words. `points`: for (positive) or against."""

    name: str
    points: float
    says: Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateView:
    """A recording it may be. Texts are foreign."""

    recording_mbid: uuid.UUID
    title: str
    artist: str
    album: str
    length_ms: int | None
    share: float
    """0..1: its part of the whole, with "none of these"."""
    points: float
    pieces: tuple[PieceView, ...]

    @property
    def short(self) -> tuple[PieceView, ...]:
        """What decides at a glance: all that speaks against it, and the two strongest for it."""
        most = sorted((one for one in self.pieces if one.points >= 0), key=lambda one: -one.points)[:2]
        return (*most, *(one for one in self.pieces if one.points < 0))

    @property
    def percent(self) -> int:
        """The share in whole percent."""
        return round(100 * self.share)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentificationView:
    """One identification with its file and candidates, the best first."""

    variant_id: int
    state: str
    code: str
    params: Mapping[str, object]
    says: Sentence
    recording_mbid: uuid.UUID | None
    release_mbid: uuid.UUID | None
    confidence: float | None
    file: AudioFile | None
    files: int
    duration_ms: int
    profile: str
    candidates: tuple[CandidateView, ...]
    decided_by: str
    decided_at: object
    next_step_at: object

    @property
    def others(self) -> int:
        """Candidates besides the best."""
        return max(0, len(self.candidates) - 1)

    @property
    def folder_key(self) -> str:
        """For the filter by folder; "" without a file."""
        return f"{self.file.root_id}-{bytes(self.file.folder_hash).hex()}" if self.file is not None else ""

    @property
    def folder(self) -> str:
        """The folder's name, for people."""
        return self.file.display.rpartition("/")[0] if self.file is not None else ""

    @property
    def name(self) -> str:
        """The file's own name, for people."""
        return self.file.display.rpartition("/")[2] if self.file is not None else ""


def identification_view(row: Identification) -> IdentificationView:
    """Of a row as `identification_query` gives it."""
    files: Sequence[AudioFile] = getattr(row.variant, "present", ())
    candidates = [_candidate(one) for one in row.candidates if isinstance(one, Mapping)]
    code = row.code or ("pending" if row.state == IdentityState.PENDING.value else "")
    return IdentificationView(
        variant_id=row.variant_id,
        state=row.state,
        code=row.code,
        params=row.params,
        says=sentence(f"identity_{code}" if code else "", row.params),
        recording_mbid=row.recording_mbid,
        release_mbid=row.release_mbid,
        confidence=row.confidence,
        file=files[0] if files else None,
        files=len(files),
        duration_ms=row.variant.duration_ms,
        profile=row.variant.profile,
        candidates=tuple(one for one in candidates if one is not None),
        decided_by=row.decided_by.username if row.decided_by is not None else "",
        decided_at=row.decided_at,
        next_step_at=row.next_step_at,
    )


def _candidate(one: Mapping[str, object]) -> CandidateView | None:
    try:
        mbid = uuid.UUID(str(one.get("recording")))
    except ValueError:
        return None
    length, pieces = one.get("length_ms"), one.get("evidence")
    return CandidateView(
        recording_mbid=mbid,
        title=str(one.get("title") or ""),
        artist=str(one.get("artist") or ""),
        album=str(one.get("album") or ""),
        length_ms=length if isinstance(length, int) else None,
        share=_number(one.get("share")),
        points=_number(one.get("points")),
        pieces=tuple(
            _piece(each) for each in (pieces if isinstance(pieces, list) else []) if isinstance(each, Mapping)
        ),
    )


def _piece(one: Mapping[str, object]) -> PieceView:
    params, name = one.get("params"), str(one.get("name", ""))
    given = params if isinstance(params, Mapping) else {}
    return PieceView(name=name, points=_number(one.get("points")), says=sentence(f"evidence_{name}", given))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


Answer = Callable[[int, uuid.UUID | None, User | None], None]


def _confirm(variant_id: int, recording: uuid.UUID | None, person: User | None) -> None:
    if recording is None:
        raise DomainError("Say which recording it is.", code="mbid_missing")
    identification_confirm(variant_id, recording_mbid=recording, person=person)


ANSWERS: Mapping[str, Answer] = {
    "confirm": _confirm,
    "reject": lambda variant_id, _recording, person: identification_reject(variant_id, person=person),
    "leave": lambda variant_id, _recording, person: identification_leave(variant_id, person=person),
    "ask": lambda variant_id, _recording, person: identification_ask(variant_id, person=person),
}
"""What a person may answer, by the word that addresses and commands use."""
