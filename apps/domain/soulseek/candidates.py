"""Which user's folder (or file) is asked for first, and why: every search result scored against what is wanted, with terms that a person can read.

A candidate is one user's album folder (whole folders before scattered files: one queue, one rip, one tagging) or one user's file for one recording. What it
may not be is said by `refused` (a code); what is allowed is ordered by a weighted mean of named terms, each 0..1. What nobody told counts as what is usual,
so nobody wins by silence: an unknown sharer stands between those who served us well and those who did not.

Nothing here is proof: attributes are the sharer's words. What arrives is decoded and fingerprinted before it counts. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from apps.domain.audio.profile import CodecProfile
from apps.domain.audio.quality import profile_quality
from apps.domain.errors import Param
from apps.domain.jobs.constraints import Constraints
from apps.domain.matching.distance import Penalty
from apps.domain.matching.edition import TrackPair, match_release
from apps.domain.matching.values import TargetRelease, TargetTrack
from apps.domain.soulseek.queries import plain_words
from apps.domain.soulseek.results import SharedFile, by_folder, offered_set, profile_told

MAX_PAIR_DISTANCE: Final = 0.35
"""A file that is further from its track is another recording, or says too little to risk a place in somebody's queue."""
MAX_DURATION_OFF_MS: Final = 10_000
"""However well the title fits."""
MAX_CANDIDATES: Final = 50
UNKNOWN_SPEED_BPS: Final = 100_000.0
"""What a sharer that told no speed is expected to give."""
SECONDS_A_PLACE: Final = 180.0
"""A place in a queue is worth about one song at the usual speed."""
PATIENCE_S: Final = 3600.0
"""An expected time of so long halves the term, twice as long is a third."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharerHistory:
    """What we remember of a user's transfers to us. `median_bps` None: none was long enough to tell."""

    completed: int = 0
    failed: int = 0
    """gave up, refused, or sent what was not what it said"""
    median_bps: float | None = None

    @property
    def reliability(self) -> float:
        """Share of good ends, drawn to the middle while there are few (Laplace); one half while nothing is known."""
        return (self.completed + 1) / (self.completed + self.failed + 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharerResult:
    """One user's answer to our searches. `queue` places before us; `speed_bps` the server's average of their uploads, bytes a second; 0: not told."""

    user: str
    files: tuple[SharedFile, ...]
    free_slot: bool = False
    queue: int = 0
    speed_bps: int = 0
    history: SharerHistory = SharerHistory()
    barred: str = ""
    """code, where a person or a rule keeps us from them: ignored, banned_us, blocked_address …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What counts how much; relative to each other. Not tuned on data yet: completeness and fit outweigh the rest together."""

    completeness: float = 4.0
    fit: float = 3.0
    codec: float = 2.0
    quality: float = 1.0
    time: float = 1.5
    reliability: float = 1.5


WEIGHTS: Final = Weights()


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One reason for a score. `code` and `params` say it in words (apps.domain.soulseek.words)."""

    name: str
    value: float
    weight: float
    code: str
    params: dict[str, Param] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What one choice is about."""

    wanted: Sequence[TargetTrack]
    wishes: Constraints
    spent: Mapping[tuple[str, str], str]
    weights: Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateFile:
    """A file and the track it would be."""

    file: SharedFile
    track: TargetTrack
    profile: CodecProfile | None
    distance: float
    penalties: tuple[Penalty, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One user's offer. `refused` "" for one that may be asked; `missing` tracks it does not have."""

    user: str
    folder: str
    files: tuple[CandidateFile, ...]
    missing: tuple[TargetTrack, ...]
    score: float
    terms: tuple[Term, ...]
    expected_s: float
    """until all its files are here, by queue and speed as told or remembered"""
    refused: str = ""
    free_slot: bool = False
    """it would send at once, as its user told"""

    @property
    def whole(self) -> bool:
        """It has every track that is wanted."""
        return not self.missing and bool(self.files)

    @property
    def payload_bytes(self) -> int:
        """Of its files together."""
        return sum(one.file.size for one in self.files)


def album_candidates(
    target: TargetRelease,
    results: Iterable[SharerResult],
    *,
    wishes: Constraints = Constraints(),  # noqa: B008  (frozen)
    spent: Mapping[tuple[str, str], str] = MappingProxyType({}),
    weights: Weights = WEIGHTS,
) -> tuple[Candidate, ...]:
    """Folders for a release, those that may be asked first, best first; at most MAX_CANDIDATES.

    `target.tracks` are those that are wanted (a job for some tracks names only these). `spent`: (user, path) that are not asked (again) for this target, and
    the code that says why: `failed_before` for good, `rests` for a while.
    """
    asked = _Asked(wanted=target.tracks, wishes=wishes, spent=spent, weights=weights)
    found = [
        _candidate(asked, result, files, folder=folder, target=target)
        for result in results
        for folder, files in by_folder(result.files).items()
        if any(one.codec is not None for one in files)
    ]
    return _ordered(found)


def track_candidates(
    track: TargetTrack,
    results: Iterable[SharerResult],
    *,
    release: TargetRelease,
    wishes: Constraints = Constraints(),  # noqa: B008  (frozen)
    spent: Mapping[tuple[str, str], str] = MappingProxyType({}),
    weights: Weights = WEIGHTS,
) -> tuple[Candidate, ...]:
    """Single files for one recording, each file a candidate of its own. `release`: one it stands on, with that one track."""
    asked = _Asked(wanted=(track,), wishes=wishes, spent=spent, weights=weights)
    found = [
        _candidate(asked, result, (file,), folder=folder, target=release)
        for result in results
        for folder, files in by_folder(result.files).items()
        for file in files
        if file.codec is not None
    ]
    return _ordered(found)


def words_candidates(
    words: str,
    results: Iterable[SharerResult],
    *,
    wishes: Constraints = Constraints(),  # noqa: B008  (frozen)
    spent: Mapping[tuple[str, str], str] = MappingProxyType({}),
    weights: Weights = WEIGHTS,
) -> tuple[Candidate, ...]:
    """Folders (or single files) whose path has all the words: a wish without a release to compare with.

    Where the folder's own path has them, all its sound files are the candidate; else those files whose names do.
    """
    wanted = set(plain_words(words).casefold().split())
    found = []
    for result in results:
        for folder, files in by_folder(result.files).items():
            sound = [one for one in files if one.codec is not None]
            if not wanted <= set(plain_words(folder.replace("\\", " ")).casefold().split()):
                sound = [
                    one for one in sound if wanted <= set(plain_words(one.path.replace("\\", " ")).casefold().split())
                ]
            if sound:
                asked = _Asked(wanted=(), wishes=wishes, spent=spent, weights=weights)
                found.append(_of_words(asked, result, sound, folder=folder))
    return _ordered(found)


def _of_words(asked: _Asked, result: SharerResult, sound: Sequence[SharedFile], *, folder: str) -> Candidate:
    files, refusals = [], []
    for at, file in enumerate(sound, 1):
        track = TargetTrack(disc=1, position=at, title=file.stem)
        profile = profile_told(file)
        pair_free = asked.spent.get((result.user, file.path), "") or _codec_refused(profile, asked.wishes)
        if pair_free:
            refusals.append(pair_free)
            continue
        files.append(CandidateFile(file=file, track=track, profile=profile, distance=0.0, penalties=()))
    expected_s = _expected_s(result, sum(one.file.size for one in files))
    asked = _Asked(
        wanted=tuple(one.track for one in files), wishes=asked.wishes, spent=asked.spent, weights=asked.weights
    )
    terms = _terms(asked, result, files, expected_s=expected_s)
    whole_weight = math.fsum(one.weight for one in terms)
    score = math.fsum(one.value * one.weight for one in terms) / whole_weight if files and whole_weight else 0.0
    return Candidate(
        user=result.user,
        folder=folder,
        files=tuple(files),
        missing=(),
        score=round(score, 4),
        terms=terms,
        expected_s=expected_s,
        refused=result.barred or ("" if files else max(set(refusals), key=refusals.count)),
        free_slot=result.free_slot,
    )


def _candidate(
    asked: _Asked, result: SharerResult, offered: Sequence[SharedFile], *, folder: str, target: TargetRelease
) -> Candidate:
    named = {one.path: one for one in offered}
    files, refusals = [], []
    for pair in match_release(offered_set(offered, folder=folder), target).pairs:
        file = named[pair.offered.key]
        profile = profile_told(file)
        if code := _refused(pair, profile, asked.wishes, spent=asked.spent.get((result.user, file.path), "")):
            refusals.append(code)
            continue
        files.append(
            CandidateFile(
                file=file, track=pair.target, profile=profile, distance=pair.distance, penalties=pair.penalties
            )
        )
    files, over = _within_lossy_limit(files, asked.wishes)
    refusals += ["too_many_lossy"] * over
    had = {(one.track.disc, one.track.position) for one in files}
    missing = tuple(one for one in asked.wanted if (one.disc, one.position) not in had)
    expected_s = _expected_s(result, sum(one.file.size for one in files))
    terms = _terms(asked, result, files, expected_s=expected_s)
    whole_weight = math.fsum(one.weight for one in terms)
    score = math.fsum(one.value * one.weight for one in terms) / whole_weight if files and whole_weight else 0.0
    refused = result.barred or ("" if files else max(set(refusals), key=refusals.count, default="fits_badly"))
    return Candidate(
        user=result.user,
        folder=folder,
        files=tuple(files),
        missing=missing,
        score=round(score, 4),
        terms=terms,
        expected_s=expected_s,
        refused=refused,
        free_slot=result.free_slot,
    )


def _refused(pair: TrackPair, profile: CodecProfile | None, wishes: Constraints, *, spent: str) -> str:
    offered, length = pair.offered.duration_ms, pair.target.length_ms
    if spent:
        return spent
    if offered is not None and length is not None and abs(offered - length) > MAX_DURATION_OFF_MS:
        return "another_length"
    if pair.distance > MAX_PAIR_DISTANCE:
        return "fits_badly"
    return _codec_refused(profile, wishes)


def _codec_refused(profile: CodecProfile | None, wishes: Constraints) -> str:
    if profile is not None and not profile.lossless and not wishes.allow_lossy:
        return "lossy"
    if profile is None and not wishes.allow_lossy:
        return "codec_unknown"
    if (floor := wishes.quality_floor) is not None and profile is not None and profile_quality(profile) < floor:
        return "no_better"
    return ""


def _within_lossy_limit(files: list[CandidateFile], wishes: Constraints) -> tuple[list[CandidateFile], int]:
    """The files that may be taken while at most `max_lossy_tracks_per_album` of them are lossy, and how many may not."""
    limit = wishes.lossy_limit
    if limit is None:
        return files, 0
    kept, lossy = [], 0
    for one in sorted(files, key=lambda each: each.distance):
        if one.profile is None or not one.profile.lossless:
            lossy += 1
            if lossy > limit:
                continue
        kept.append(one)
    return sorted(kept, key=lambda each: (each.track.disc, each.track.position)), max(0, lossy - limit)


def _terms(
    asked: _Asked, result: SharerResult, files: Sequence[CandidateFile], *, expected_s: float
) -> tuple[Term, ...]:
    if not files:
        return ()
    weights = asked.weights
    count = len(files)
    share = count / max(1, len(asked.wanted))
    mean = math.fsum(one.distance for one in files) / count
    profiles = [one.profile for one in files if one.profile is not None]
    terms = [
        Term(
            name="completeness",
            value=share,
            weight=weights.completeness,
            code="whole" if share >= 1 else "some_tracks",
            params={"tracks": count, "of": len(asked.wanted)},
        ),
        Term(
            name="fit",
            value=max(0.0, 1 - mean / MAX_PAIR_DISTANCE),
            weight=weights.fit,
            code="fits" if mean < MAX_PAIR_DISTANCE / 3 else "fits_roughly",
            params={"distance": round(mean, 3)},
        ),
    ]
    if profiles:
        liked = math.fsum(_codec_value(one, asked.wishes) for one in profiles) / len(profiles)
        worth = math.fsum(profile_quality(one) for one in profiles) / len(profiles)
        kinds = {str(one) for one in profiles}
        named = next(iter(kinds)) if len(kinds) == 1 else "mixed"
        terms.append(Term(name="codec", value=liked, weight=weights.codec, code="codec", params={"profile": named}))
        terms.append(
            Term(
                name="quality", value=worth, weight=weights.quality, code="quality", params={"quality": round(worth, 3)}
            )
        )
    minutes = max(1, round(expected_s / 60))
    terms.append(
        Term(
            name="time",
            value=1 / (1 + expected_s / PATIENCE_S),
            weight=weights.time,
            code="free_slot" if result.free_slot else "queued",
            params={"queue": result.queue, "minutes": minutes},
        )
    )
    history = result.history
    terms.append(
        Term(
            name="reliability",
            value=history.reliability,
            weight=weights.reliability,
            code="known_sharer" if history.completed + history.failed else "unknown_sharer",
            params={"completed": history.completed, "failed": history.failed},
        )
    )
    return tuple(terms)


def _codec_value(profile: CodecProfile, wishes: Constraints) -> float:
    """1 for the codec that is preferred most, less for each that stands before it; what is not named comes last, lossless before lossy."""
    ranked = list(wishes.preferred_codecs)
    if wishes.target_profile == str(profile):
        return 1.0
    if profile.codec.value in ranked:
        return 1 - 0.7 * ranked.index(profile.codec.value) / max(1, len(ranked))
    return 0.3 if profile.lossless else 0.1


def _expected_s(result: SharerResult, size: int) -> float:
    """Queue and transfer, by what is remembered of this user, else by what the server tells, else by what is usual."""
    speed = result.history.median_bps or result.speed_bps or UNKNOWN_SPEED_BPS
    wait = 0.0 if result.free_slot else SECONDS_A_PLACE * (result.queue + 1)
    return wait + size / max(1.0, speed)


def _ordered(found: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Those that may be asked first; then by score; equal ones by time, user and folder, so that the same results give the same order."""
    ranked = sorted(found, key=lambda one: (bool(one.refused), -one.score, one.expected_s, one.user, one.folder))
    return tuple(ranked[:MAX_CANDIDATES])
