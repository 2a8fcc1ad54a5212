"""Which variant of a recording is the canonical one, on what grounds, and whether another is worth fetching. Pure.

**Canonicality** is a lexicographic order (`TERMS`, the weightiest first), so that a person can be told in one line why one variant stands before
another. What was measured here beats what peers told; what they told counts once per group (/24, /56), since names cost nothing and addresses little.

**Fetching**: a held variant of `local_quality_threshold` or more is good enough, and nothing is fetched; below, only what beats it by
`min_quality_improvement` is. A suspected transcode is never good enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Final

from apps.domain.audio.profile import ProfileError, parse_profile, preference_key
from apps.domain.audio.quality import profile_ceiling, profile_quality
from apps.domain.errors import Param
from apps.domain.jobs.constraints import Constraints
from apps.domain.library.master import MASTER_RANK, Master, MasterWord

TERMS: Final[Mapping[str, str]] = {
    "genuine": "no evidence of a transcode",
    "quality": "the better quality score",
    "proof": "a fingerprint confirms the recording",
    "master": "the original master, where that is wished for and known",
    "consensus": "held by more networks",
    "complete": "somebody holds all of it",
    "codec": "the job's preferred codec",
    "profile": "the finer codec profile",
    "score": "the better quality score, in hundredths",
    "held": "it is here already",
}
"""The terms of the order, the weightiest first. Qualities within QUALITY_BAND of the best genuine one are alike at first: below that it is noise."""
QUALITY_BAND: Final = 0.1
"""The default of audio.canonical_scoring.min_quality_improvement."""
ROUNDING: Final = 1e-6

LOSSY_BUCKETS: Final = (32, 64, 96, 128, 160, 192, 224, 256, 320)
LOSSLESS_BUCKET_KBPS: Final = 200
UNKNOWN_MASTER: Final = MasterWord(master=Master.UNKNOWN, code="master_edition_unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class CanonicalPolicy:
    """`audio.canonical_scoring` as configured; see there for each key."""

    enabled: bool = True
    prefer_canonical: bool = True
    prefer_original_master: bool = False
    min_quality_improvement: float = 0.1
    local_quality_threshold: float = 0.85
    auto_replace_transcodes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldVariant:
    """A variant in the library with at least one present file. `score` None: not scored, its profile has to do."""

    variant_id: int
    payload_format: str
    payload_root: bytes
    profile: str
    codec: str
    lossless: bool
    score: float | None
    suspect: bool | None
    verified: bool
    files: int = 1
    master: MasterWord = UNKNOWN_MASTER
    """the best of its files' editions"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldVariant:
    """One peer's first-hand word on a payload; refuted ones are left out before."""

    group: str
    payload_format: str
    payload_root: bytes
    profile: str
    complete: bool = True
    facts: Mapping[str, int] = field(default_factory=dict)
    """quality_milli, suspect; empty where the peer's facts proved wrong"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Code (apps.domain.library.canonical_words) and params."""

    code: str
    params: Mapping[str, Param] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CanonicalCandidate:
    """A payload of a recording and how it ranks. `variant_id` None: it is only told of."""

    variant_id: int | None
    payload_format: str
    payload_root: bytes
    profile: str
    lossless: bool
    score: float
    scored: str
    """measured (here), told (median of the groups' words), profile (nobody says: what such an encoding is worth unmeasured)"""
    suspect: bool | None
    verified: bool
    groups: int
    """networks that hold it, this node included"""
    complete: bool
    files: int
    master: MasterWord
    reasons: tuple[Reason, ...] = ()
    ranks: tuple[tuple[str, float | tuple[int, float, int, int, str]], ...] = ()
    """the terms as numbers, greater = better"""

    @property
    def held(self) -> bool:
        """True when the library has a present file of it."""
        return self.variant_id is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantCount:
    """What statistics count of one variant."""

    variant_id: int
    profile: str
    codec: str
    lossless: bool
    bitrate_kbps: int
    score: float | None
    suspect: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Statistics over variants."""

    variants: int
    scored: int
    mean_score: float | None
    suspects: int
    codecs: Mapping[str, int]
    bitrates: Mapping[str, int]
    best_id: int | None
    best_score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchDecision:
    """Whether a recording is fetched. `better_than`: quality of what is held; None: anything goes."""

    fetch: bool
    code: str
    """already_held, held_not_good_enough, nothing_held, redownload, asked_to_beat, scoring_off"""
    variant_id: int | None = None
    better_than: float | None = None


def best_held(variants: Sequence[HeldVariant]) -> HeldVariant:
    """Of what is held of one recording the best, as far as is known."""
    return max(variants, key=lambda one: (one.verified, one.score or 0.0, one.lossless, -one.variant_id))


def bitrate_bucket(kbps: int, *, lossless: bool) -> str:
    """The bucket of a bit rate, as its lower edge (lossless, steps of 200) or nearest usual setting (lossy); "unknown" for 0."""
    if kbps <= 0:
        return "unknown"
    if lossless:
        return str(kbps // LOSSLESS_BUCKET_KBPS * LOSSLESS_BUCKET_KBPS)
    return str(min(LOSSY_BUCKETS, key=lambda edge: (abs(edge - kbps), edge)))


def tally(variants: Iterable[VariantCount]) -> Tally:
    """Count some variants. The best is the one with the highest score that is not suspect, else the highest; ties go to the older row."""
    rows = sorted(variants, key=lambda one: one.variant_id)
    scores = [one.score for one in rows if one.score is not None]
    codecs: dict[str, int] = {}
    bitrates: dict[str, int] = {}
    for one in rows:
        codecs[one.codec] = codecs.get(one.codec, 0) + 1
        bucket = bitrate_bucket(one.bitrate_kbps, lossless=one.lossless)
        bitrates[bucket] = bitrates.get(bucket, 0) + 1
    scored = [one for one in rows if one.score is not None]
    best = max(scored, key=lambda one: (not one.suspect, one.score or 0.0, -one.variant_id), default=None)
    return Tally(
        variants=len(rows),
        scored=len(scores),
        mean_score=round(math.fsum(scores) / len(scores), 6) if scores else None,
        suspects=sum(one.suspect is True for one in rows),
        codecs=dict(sorted(codecs.items())),
        bitrates=dict(sorted(bitrates.items())),
        best_id=best.variant_id if best is not None else None,
        best_score=best.score if best is not None else None,
    )


def canonical_order(
    held: Sequence[HeldVariant], told: Sequence[ToldVariant] = (), *, constraints: Constraints | None = None
) -> tuple[CanonicalCandidate, ...]:
    """All payloads of one recording, the canonical one first, each with its reasons.

    With `constraints`: lossy ones are left out where none are taken, suspects in the modes that refuse them, and preferences order.
    """
    wishes = constraints or Constraints()
    words: dict[tuple[str, bytes], list[ToldVariant]] = {}
    for one in told:
        words.setdefault((one.payload_format, one.payload_root), []).append(one)
    found = [_held(one, words.pop((one.payload_format, one.payload_root), [])) for one in held]
    found += [made for key in sorted(words) if (made := _told(words[key])) is not None]
    if not wishes.allow_lossy:
        found = [one for one in found if one.lossless]
    if wishes.download_mode != "any":
        found = [one for one in found if not one.suspect]
    best = max((one.score for one in found if not one.suspect), default=1.0)
    ranked = [(one, _ranks(one, wishes, best=best)) for one in found]
    ranked.sort(key=lambda pair: (pair[0].payload_format, pair[0].payload_root))
    ranked.sort(key=lambda pair: tuple(value for _, value in pair[1]), reverse=True)
    return tuple(_explained(at, ranked, wishes) for at in range(len(ranked)))


def fetch_decision(held: Sequence[HeldVariant], *, constraints: Constraints, policy: CanonicalPolicy) -> FetchDecision:
    """Is anything of this recording to be fetched, and what must it beat?

    Said by a person or a fix beats what is configured: `redownload` fetches whatever is held, `better_than` names the bar itself.
    """
    if constraints.better_than is not None:
        return FetchDecision(fetch=True, code="asked_to_beat", better_than=constraints.better_than)
    if constraints.redownload:
        return FetchDecision(fetch=True, code="redownload")
    if not policy.enabled:
        return FetchDecision(fetch=True, code="scoring_off")
    fit = [one for one in held if one.lossless or constraints.allow_lossy]
    if not fit:
        return FetchDecision(fetch=True, code="nothing_held")
    best = canonical_order(fit, constraints=Constraints(prefer_canonical=constraints.prefer_canonical))[0]
    if best.score >= policy.local_quality_threshold and not best.suspect:
        return FetchDecision(fetch=False, code="already_held", variant_id=best.variant_id)
    return FetchDecision(
        fetch=True, code="held_not_good_enough", variant_id=best.variant_id, better_than=round(best.score, 4)
    )


def told_quality(words: Sequence[ToldVariant], profile: str) -> tuple[float, str]:
    """Quality of a payload by the word of its holders (one each group, the median, never above what its profile can be), else by its profile."""
    parsed = parse_profile(profile)
    spoken = by_group(words, "quality_milli")
    if not spoken:
        return profile_quality(parsed), "profile"
    return min(max(median(spoken), 0) / 1000, profile_ceiling(parsed)), "told"


def by_group(words: Iterable[ToldVariant], fact: str) -> list[int]:
    """What is told of a fact, one word a group: the least flattering one, so that a group gains nothing by speaking often."""
    spoken: dict[str, int] = {}
    for one in words:
        if fact in one.facts:
            value = one.facts[fact]
            before = spoken.get(one.group)
            worse = max if fact == "suspect" else min
            spoken[one.group] = value if before is None else worse(before, value)
    return sorted(spoken.values())


def most_say_suspect(words: Iterable[ToldVariant]) -> bool | None:
    """True or False by most groups that say anything; None when none does."""
    spoken = by_group(words, "suspect")
    return None if not spoken else 2 * sum(word > 0 for word in spoken) > len(spoken)


def _held(one: HeldVariant, words: Sequence[ToldVariant]) -> CanonicalCandidate:
    score, scored = one.score, "measured"
    if score is None:
        try:
            score, scored = profile_quality(parse_profile(one.profile)), "profile"
        except ProfileError:
            score, scored = 0.0, "profile"
    return CanonicalCandidate(
        variant_id=one.variant_id,
        payload_format=one.payload_format,
        payload_root=one.payload_root,
        profile=one.profile,
        lossless=one.lossless,
        score=score,
        scored=scored,
        suspect=one.suspect if one.suspect is not None else most_say_suspect(words),
        verified=one.verified,
        groups=1 + len({word.group for word in words}),
        complete=True,
        files=one.files,
        master=one.master,
    )


def _told(words: Sequence[ToldVariant]) -> CanonicalCandidate | None:
    """None when no holder states a profile that the grammar has."""
    profiles: dict[str, set[str]] = {}
    for one in words:
        try:
            parse_profile(one.profile)
        except ProfileError:
            continue
        profiles.setdefault(one.profile, set()).add(one.group)
    if not profiles:
        return None
    profile = max(profiles, key=lambda text: (len(profiles[text]), text))
    score, scored = told_quality(words, profile)
    return CanonicalCandidate(
        variant_id=None,
        payload_format=words[0].payload_format,
        payload_root=words[0].payload_root,
        profile=profile,
        lossless=parse_profile(profile).lossless,
        score=score,
        scored=scored,
        suspect=most_say_suspect(words),
        verified=False,
        groups=len({one.group for one in words}),
        complete=any(one.complete for one in words),
        files=0,
        master=UNKNOWN_MASTER,
    )


_Ranks = tuple[tuple[str, "float | tuple[int, float, int, int, str]"], ...]


def _ranks(one: CanonicalCandidate, wishes: Constraints, *, best: float) -> _Ranks:
    try:
        profile = parse_profile(one.profile)
    except ProfileError:
        finest: tuple[int, float, int, int, str] = (0, 0.0, 0, 0, one.profile)
        codec: str = ""
    else:
        finest, codec = preference_key(profile), profile.codec.value
    codecs = wishes.preferred_codecs
    values: dict[str, float | tuple[int, float, int, int, str]] = {
        "genuine": float(not one.suspect),
        "quality": -float(max(0, math.floor((best - one.score) / QUALITY_BAND + ROUNDING))),
        "proof": float(one.verified),
        "master": float(MASTER_RANK[one.master.master]) if wishes.original_master else 0.0,
        "consensus": float(one.groups),
        "complete": float(one.complete),
        "codec": -float(codecs.index(codec) if codec in codecs else len(codecs)),
        "profile": finest,
        "score": round(one.score, 2),
        "held": float(one.held),
    }
    return tuple((term, values[term]) for term in TERMS)


def _explained(at: int, ranked: Sequence[tuple[CanonicalCandidate, _Ranks]], wishes: Constraints) -> CanonicalCandidate:
    one, ranks = ranked[at]
    reasons: list[Reason] = []
    if len(ranked) == 1:
        reasons.append(Reason(code="canonical_only"))
    elif at == 0:
        other, theirs = ranked[1]
        term = _deciding(ranks, theirs)
        reasons.append(
            Reason(code=f"canonical_first_{term}", params={"ours": _shown(one, term), "theirs": _shown(other, term)})
        )
    else:
        first, best = ranked[0]
        term = _deciding(best, ranks)
        reasons.append(
            Reason(code=f"canonical_behind_{term}", params={"ours": _shown(one, term), "theirs": _shown(first, term)})
        )
    reasons.append(Reason(code=f"canonical_score_{one.scored}", params={"score": f"{one.score:.2f}"}))
    if one.suspect is not None:
        reasons.append(Reason(code="canonical_suspect" if one.suspect else "canonical_no_evidence"))
    reasons.append(Reason(code="canonical_groups", params={"groups": one.groups}))
    if wishes.original_master:
        word = one.master
        reasons.append(Reason(code=word.code, params={"year": word.year, "first_year": word.first_year}))
    return replace(one, reasons=tuple(reasons), ranks=ranks)


def _deciding(better: _Ranks, worse: _Ranks) -> str:
    return next((name for (name, ours), (_, theirs) in zip(better, worse, strict=True) if ours != theirs), "root")


def _shown(one: CanonicalCandidate, term: str) -> str:
    match term:
        case "quality" | "score":
            return f"{one.score:.2f}"
        case "master":
            return one.master.master.value
        case "consensus":
            return str(one.groups)
        case "codec" | "profile":
            return one.profile if term == "profile" else one.profile.partition("-")[0]
        case "root":
            return one.payload_root.hex()[:12]
    values = {"genuine": not one.suspect, "proof": one.verified, "complete": one.complete, "held": one.held}
    return "yes" if values[term] else "no"
