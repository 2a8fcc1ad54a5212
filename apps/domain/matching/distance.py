"""How far offered tracks are from a release's tracks, and an offered set from a release: penalties with names, weights and numbers.

A pair's distance is the weighted mean of what both sides tell; what one of them does not tell has no part in it. So every figure can be explained: the
same arrays that are minimised hold the terms that people are shown.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from apps.domain.errors import Param
from apps.domain.matching.values import OfferedSet, OfferedTrack, TargetRelease, TargetTrack
from apps.domain.matching.words import file_words, name_distance, text_distance, version_words

Matrix = npt.NDArray[np.float64]

GRACE_MS: Final = 2500
"""Rips and masters of one recording differ by so much in their gaps and rounding; up to it a difference only breaks ties."""
GRACE_SHARE: Final = 0.01
"""Of the length, where that is more."""
GRACE_COST: Final = 0.05
FAR_MS: Final = 20_000
"""From here on it is another recording."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What counts how much; without unit, relative within a pair and within a release. Tuned on the 57 real releases with tracks of the fixtures
    (tests/domain/matching/test_real_releases.py), which says how often the edition was found."""

    title: float = 3.0
    file_name: float = 1.0
    """Instead of the title, where no title is told."""
    duration: float = 2.5
    recording: float = 4.0
    """Times the confidence of the vote."""
    artist: float = 1.0
    position: float = 0.5
    tracks: float = 8.0
    album: float = 2.0
    album_artist: float = 1.5
    year: float = 0.3
    country: float = 0.25
    label: float = 0.25
    catalog_number: float = 0.5
    barcode: float = 0.7
    media: float = 0.4
    track_total: float = 0.4
    release_id: float = 1.0
    group_id: float = 0.6


WEIGHTS: Final = Weights()


@dataclass(frozen=True, slots=True, kw_only=True)
class Penalty:
    """One reason why two things are not the same. `amount` 0..1, `weight` its share of the whole it belongs to (0..1)."""

    code: str
    amount: float
    weight: float
    params: dict[str, Param] = field(default_factory=dict)

    @property
    def cost(self) -> float:
        """What it adds to the distance."""
        return self.amount * self.weight

    def to_json(self) -> dict[str, object]:
        """As rows keep it."""
        return {
            "code": self.code,
            "amount": round(self.amount, 4),
            "weight": round(self.weight, 4),
            "params": self.params,
        }


@dataclass(frozen=True, slots=True)
class PairTerms:
    """Terms of every pair: name → (amounts, weights), each offered × target; `cost` their weighted mean, 0..1."""

    terms: Mapping[str, tuple[Matrix, Matrix]]
    cost: Matrix


def pair_terms(offered: Sequence[OfferedTrack], targets: Sequence[TargetTrack], *, weights: Weights) -> PairTerms:
    """All terms of all pairs."""
    shape = (len(offered), len(targets))
    terms = {
        "title": _titles(offered, targets, weights),
        "duration": _durations(offered, targets, weights, shape),
        "recording": _recordings(offered, targets, weights, shape),
        "artist": _artists(offered, targets, weights, shape),
        "position": _positions(offered, targets, weights, shape),
    }
    total = np.zeros(shape)
    whole = np.zeros(shape)
    for amounts, weight in terms.values():
        total += amounts * weight
        whole += weight
    # Nothing told on both sides: neither near nor far.
    cost = np.where(whole > 0, total / np.where(whole > 0, whole, 1.0), 0.5)
    return PairTerms(terms, cost)


def pair_penalties(
    terms: PairTerms, row: int, column: int, *, offered: OfferedTrack, target: TargetTrack
) -> tuple[Penalty, ...]:
    """The terms of one pair that are not 0, the dearest first."""
    whole = sum(float(weight[row, column]) for _, weight in terms.terms.values())
    found = []
    for name, (amounts, weight) in terms.terms.items():
        amount, share = float(amounts[row, column]), float(weight[row, column])
        if amount > 0 and share > 0:
            code, params = _told(name, offered, target)
            found.append(Penalty(code=code, amount=amount, weight=share / whole, params=params))
    return tuple(sorted(found, key=lambda one: (-one.cost, one.code)))


def _told(name: str, offered: OfferedTrack, target: TargetTrack) -> tuple[str, dict[str, Param]]:
    match name:
        case "title" if not offered.title:
            return "file_name", {"is": offered.file_words[:200], "should": target.title}
        case "title":
            versions = version_words(offered.title, target.title)
            said: dict[str, Param] = {"is": offered.title, "should": target.title}
            return ("title_version", said | {"versions": ", ".join(versions)}) if versions else ("title", said)
        case "duration":
            return "duration", {"is_ms": offered.duration_ms, "should_ms": target.length_ms}
        case "recording":
            best = max(offered.recordings, key=lambda one: (one.confidence, str(one.mbid)))
            return "recording", {
                "is": str(best.mbid),
                "should": str(target.recording_mbid),
                "confidence": round(best.confidence, 2),
            }
        case "artist":
            return "artist", {"is": offered.artist, "should": target.artist}
        case _:
            return "position", {
                "disc": offered.disc,
                "track": offered.track,
                "should_disc": target.disc,
                "should_track": target.position,
            }


def release_penalties(
    offered: OfferedSet, release: TargetRelease, *, weights: Weights
) -> tuple[tuple[Penalty, ...], float]:
    """(what the album's facts differ in, with weights as they are; sum of the weights of all facts that both sides tell)."""
    found: list[Penalty] = []
    whole = 0.0

    def compared(code: str, weight: float, amount: float, **params: Param) -> None:
        nonlocal whole
        whole += weight
        if amount > 0:
            found.append(Penalty(code=code, amount=amount, weight=weight, params=params))

    def texts(code: str, weight: float, one: str, other: str) -> None:
        if one and other:
            compared(code, weight, text_distance(one, other), **{"is": one, "should": other})

    texts("album", weights.album, offered.album, release.title)
    if not release.various:
        texts("album_artist", weights.album_artist, offered.artist, release.artist)
    texts("label", weights.label, offered.label, release.label)
    if offered.year and release.date:
        apart = abs(_year(offered.year) - _year(release.date))
        compared("year", weights.year, min(1.0, 0.3 + 0.1 * apart) if apart else 0.0, **{"is": offered.year, "should": release.date})  # fmt: skip
    exact = (
        ("country", weights.country, offered.country.upper(), release.country.upper()),
        ("catalog_number", weights.catalog_number, _code(offered.catalog_number), _code(release.catalog_number)),
        ("barcode", weights.barcode, _code(offered.barcode).lstrip("0"), _code(release.barcode).lstrip("0")),
    )
    for code, weight, one, other in exact:
        if one and other:
            compared(code, weight, float(one != other), **{"is": one, "should": other})
    if offered.discs:
        compared("media", weights.media, float(offered.discs != release.discs), **{"is": offered.discs, "should": release.discs})  # fmt: skip
    _totals(offered, release, weights, compared)
    ids = (
        ("release_id", weights.release_id, offered.release_mbid, release.mbid),
        ("group_id", weights.group_id, offered.group_mbid, release.group_mbid),
    )
    for code, weight, mine, theirs in ids:
        if mine is not None and theirs is not None:
            compared(code, weight, float(mine != theirs), **{"is": str(mine), "should": str(theirs)})
    return tuple(found), whole


def _totals(offered: OfferedSet, release: TargetRelease, weights: Weights, compared: _Compared) -> None:
    """ "3/12": how many tracks a disc is said to have."""
    stated = {(track.disc or 1, track.disc_tracks) for track in offered.tracks if track.disc_tracks}
    if not stated:
        return
    real: dict[int, int] = {}
    for track in release.tracks:
        real[track.disc] = real.get(track.disc, 0) + 1
    whole = len(release.tracks)  # some number all discs in one row
    wrong = [(disc, total) for disc, total in sorted(stated) if total not in (real.get(disc, 0), whole)]
    params: dict[str, Param] = {}
    if wrong:
        params = {"disc": wrong[0][0], "is": wrong[0][1], "should": real.get(wrong[0][0], 0)}
    compared("track_total", weights.track_total, len(wrong) / len(stated), **params)


class _Compared(Protocol):
    """The callback of `release_penalties`."""

    def __call__(self, code: str, weight: float, amount: float, **params: Param) -> None: ...


def _titles(offered: Sequence[OfferedTrack], targets: Sequence[TargetTrack], weights: Weights) -> tuple[Matrix, Matrix]:
    rows = []
    for track in offered:
        if track.title:
            rows.append([text_distance(track.title, target.title) for target in targets])
        elif track.file_words:
            name = file_words(track.file_words)
            rows.append([name_distance(name, target.title) for target in targets])
        else:
            rows.append([0.0] * len(targets))
    weight = [weights.title if one.title else weights.file_name * _says_words(one.file_words) for one in offered]
    amounts = np.array(rows, dtype=np.float64).reshape(len(offered), len(targets))
    told = np.array([float(bool(one.title)) for one in targets])
    return amounts, np.outer(np.array(weight), told)


def _says_words(name: str) -> bool:
    """ "07" and "track 7" name nothing."""
    letters = "".join(one for one in name if one.isalpha())
    return len(letters) > 1 and letters.casefold() not in {"track", "titel", "piste", "audiotrack"}


def _durations(
    offered: Sequence[OfferedTrack], targets: Sequence[TargetTrack], weights: Weights, shape: tuple[int, int]
) -> tuple[Matrix, Matrix]:
    mine = np.array([one.duration_ms or 0 for one in offered], dtype=np.float64)
    theirs = np.array([one.length_ms or 0 for one in targets], dtype=np.float64)
    apart = np.abs(mine[:, None] - theirs[None, :])
    grace = np.broadcast_to(np.maximum(GRACE_MS, GRACE_SHARE * theirs)[None, :], shape)
    far = np.maximum(FAR_MS, 2 * grace)
    inside = GRACE_COST * apart / grace
    beyond = GRACE_COST + (1.0 - GRACE_COST) * (apart - grace) / (far - grace)
    amounts = np.clip(np.where(apart <= grace, inside, beyond), 0.0, 1.0)
    return amounts, weights.duration * np.outer(mine > 0, theirs > 0).astype(np.float64)


def _recordings(
    offered: Sequence[OfferedTrack], targets: Sequence[TargetTrack], weights: Weights, shape: tuple[int, int]
) -> tuple[Matrix, Matrix]:
    amounts = np.zeros(shape)
    weight = np.zeros(shape)
    columns: dict[uuid.UUID, list[int]] = {}
    for column, target in enumerate(targets):
        if target.recording_mbid is not None:
            columns.setdefault(target.recording_mbid, []).append(column)
    known = np.array([float(one.recording_mbid is not None) for one in targets])
    for row, track in enumerate(offered):
        best = max((vote.confidence for vote in track.recordings), default=0.0)
        if best <= 0:
            continue
        weight[row] = weights.recording * best * known
        amounts[row] = 1.0
        for vote in track.recordings:
            for column in columns.get(vote.mbid, ()):
                amounts[row, column] = min(amounts[row, column], 1.0 - vote.confidence / best)
    return amounts, weight


def _artists(
    offered: Sequence[OfferedTrack], targets: Sequence[TargetTrack], weights: Weights, shape: tuple[int, int]
) -> tuple[Matrix, Matrix]:
    mine = sorted({one.artist for one in offered if one.artist})
    theirs = sorted({one.artist for one in targets if one.artist})
    if not mine or not theirs:
        return np.zeros(shape), np.zeros(shape)
    table = np.array([[text_distance(one, other) for other in theirs] for one in mine])
    rows = np.array([mine.index(one.artist) if one.artist else 0 for one in offered])
    columns = np.array([theirs.index(one.artist) if one.artist else 0 for one in targets])
    told = np.outer([bool(one.artist) for one in offered], [bool(one.artist) for one in targets]).astype(np.float64)
    return table[np.ix_(rows, columns)], weights.artist * told


def _positions(
    offered: Sequence[OfferedTrack], targets: Sequence[TargetTrack], weights: Weights, shape: tuple[int, int]
) -> tuple[Matrix, Matrix]:
    track = np.array([one.track for one in offered])[:, None]
    disc = np.array([one.disc for one in offered])[:, None]
    position = np.array([one.position for one in targets])[None, :]
    medium = np.array([one.disc for one in targets])[None, :]
    order = {key: index for index, key in enumerate(sorted((one.disc, one.position) for one in targets), start=1)}
    through = np.array([order[one.disc, one.position] for one in targets])[None, :]
    same_disc = (disc == 0) | (disc == medium)
    here = (track == position) & same_disc
    numbered_through = (track == through) & ((disc <= 1) | same_disc)
    other_disc = (track == position) & ~same_disc
    amounts = np.where(here | numbered_through, 0.0, np.where(other_disc, 0.5, 1.0))
    return amounts, weights.position * np.broadcast_to(track > 0, shape).astype(np.float64)


def _year(text: str) -> int:
    return int(text[:4]) if text[:4].isdecimal() else 0


def _code(text: str) -> str:
    return "".join(one for one in text.casefold() if one.isalnum())
