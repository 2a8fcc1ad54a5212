"""A folder's match for page, API and CLI: what the row keeps, with every code told in words and every file named."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.library.match_words import change_says, decision_says, penalty_says, state_chip
from apps.library.models import FolderMatch
from apps.library.selectors_match import files_named, mbid


@dataclass(frozen=True, slots=True, kw_only=True)
class PenaltyView:
    """One reason: `cost` is what it adds to the distance it belongs to, in hundredths."""

    code: str
    says: str
    cost: float
    params: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackView:
    """A track of the release with its file, or without (missing), or a file without a track (extra: disc and track 0)."""

    disc: int
    track: int
    title: str
    length_ms: int
    file_id: int | None = None
    file: str = ""
    distance: float | None = None
    penalties: tuple[PenaltyView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateView:
    """A release that was compared. `chosen`: the folder is it. `refused`: a person said that it is not."""

    mbid: str
    title: str
    artist: str
    date: str
    country: str
    label: str
    catalog_number: str
    barcode: str
    formats: str
    tracks: int
    distance: float
    pairs: int
    missing: int
    extra: int
    same_tracklist: bool
    chosen: bool
    penalties: tuple[PenaltyView, ...]
    change: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedView:
    """One match in full: of the folder, or of one of the albums in it."""

    album: str
    release: Mapping[str, object]
    says: str
    distance: float | None
    change: str
    pairs: tuple[TrackView, ...]
    missing: tuple[TrackView, ...]
    extra: tuple[TrackView, ...]
    penalties: tuple[PenaltyView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderView:
    """A folder with everything that is known of its match."""

    id: int
    root: str
    folder: str
    state: str
    chip: Mapping[str, str]
    code: str
    params: Mapping[str, object]
    says: str
    release_mbid: uuid.UUID | None
    distance: float | None
    files: int
    decided_by: str
    refused: tuple[str, ...]
    updated_at: datetime
    next_step_at: datetime | None
    explained: tuple[ExplainedView, ...]
    candidates: tuple[CandidateView, ...]


def folder_view(row: FolderMatch) -> FolderView:
    """Everything of one folder; one query for the names of its files."""
    kept = row.explanation if isinstance(row.explanation, dict) else {}
    parts = [one for one in _list(kept.get("parts")) if isinstance(one, dict)]
    matches = [_dict(part.get("match")) for part in parts] if parts else ([kept] if kept.get("release") else [])
    ids = {_int(one.get("file")) for match in matches for name in ("pairs", "extra") for one in _dicts(match.get(name))}
    names = files_named(ids)
    says = decision_says(row.code, row.params)
    explained = [
        _explained(match, names, album=str(part.get("album", "")), says=decision_says(str(part.get("code", "")), _dict(part.get("params"))))
        for part, match in zip(parts, matches, strict=True)
    ] if parts else [_explained(match, names, album="", says=says) for match in matches]  # fmt: skip
    return FolderView(
        id=row.id,
        root=row.root.path,
        folder=row.display,
        state=row.state,
        chip=state_chip(row.state),
        code=row.code,
        params=row.params,
        says=says,
        release_mbid=row.release_mbid,
        distance=row.distance,
        files=row.files,
        decided_by=row.decided_by.get_username() if row.decided_by is not None else "",
        refused=tuple(str(one) for one in _list(row.refused)),
        updated_at=row.updated_at,
        next_step_at=row.next_step_at,
        explained=tuple(explained),
        candidates=tuple(_candidate(one, row.release_mbid) for one in _dicts(row.candidates)),
    )


def explained_view(match: Mapping[str, object], *, album: str) -> ExplainedView:
    """Of a match that no row keeps (a dry run); one query."""
    ids = {_int(one.get("file")) for name in ("pairs", "extra") for one in _dicts(match.get(name))}
    return _explained(match, files_named(ids), album=album, says="")


def _explained(match: Mapping[str, object], names: Mapping[int, str], *, album: str, says: str) -> ExplainedView:
    change = _dict(match.get("change"))
    return ExplainedView(
        album=album,
        release=_dict(match.get("release")),
        says=says,
        distance=_float(match.get("distance")),
        change=change_says(str(change.get("code", "")), _dict(change.get("params"))) if change else "",
        pairs=tuple(_track(one, names) for one in _dicts(match.get("pairs"))),
        missing=tuple(_track(one, names) for one in _dicts(match.get("missing"))),
        extra=tuple(_track(one, names) for one in _dicts(match.get("extra"))),
        penalties=_penalties(match.get("penalties")),
    )


def _candidate(one: Mapping[str, object], chosen: uuid.UUID | None) -> CandidateView:
    change = _dict(one.get("change"))
    formats = [str(each) for each in _list(one.get("formats")) if each]
    return CandidateView(
        mbid=str(one.get("mbid", "")),
        title=str(one.get("title", "")),
        artist=str(one.get("artist", "")),
        date=str(one.get("date", "")),
        country=str(one.get("country", "")),
        label=str(one.get("label", "")),
        catalog_number=str(one.get("catalog_number", "")),
        barcode=str(one.get("barcode", "")),
        formats=f"{len(formats)} × {formats[0]}" if len(set(formats)) == 1 < len(formats) else " + ".join(formats),
        tracks=_int(one.get("tracks")),
        distance=_float(one.get("distance")) or 0.0,
        pairs=_int(one.get("pairs")),
        missing=_int(one.get("missing")),
        extra=_int(one.get("extra")),
        same_tracklist=one.get("same_tracklist") is True,
        chosen=chosen is not None and mbid(one.get("mbid")) == chosen,
        penalties=_penalties(one.get("penalties")),
        change=change_says(str(change.get("code", "")), _dict(change.get("params"))),
    )


def _track(one: Mapping[str, object], names: Mapping[int, str]) -> TrackView:
    file_id = _int(one.get("file")) or None
    return TrackView(
        disc=_int(one.get("disc")),
        track=_int(one.get("track")),
        title=str(one.get("title", "")),
        length_ms=_int(one.get("length_ms")),
        file_id=file_id if file_id in names else None,
        file=names.get(file_id or 0, ""),
        distance=_float(one.get("distance")),
        penalties=_penalties(one.get("penalties")),
    )


def _penalties(value: object) -> tuple[PenaltyView, ...]:
    found = []
    for one in _dicts(value):
        params, code = _dict(one.get("params")), str(one.get("code", ""))
        cost = (_float(one.get("amount")) or 0.0) * (_float(one.get("weight")) or 0.0)
        found.append(PenaltyView(code=code, says=penalty_says(code, params), cost=round(100 * cost, 1), params=params))
    return tuple(found)


def _dict(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _dicts(value: object) -> list[Mapping[str, object]]:
    return [one for one in _list(value) if isinstance(one, dict)]


def _int(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
