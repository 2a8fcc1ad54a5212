"""Which payload to fetch, among those that peers claim to be a recording, and why.

A recording may exist as several payloads (encodes, rips, and somebody's mistake). Payloads of one codec profile form its *semantic group*: the
same music in the same quality, but not the same bytes, so they are alternatives and never mixed. One payload is chosen and fetched from everybody
who holds it; the others are what a stalled one falls back to. The order is lexicographic, so that a person can be told in one line why a payload
won (`explain`); `TERMS` is that order, one name and reason per line.

What we measured ourselves of a payload beats what we were told of it. What we were told counts once per group of peers (/24, /56), because names
cost nothing and addresses little. Expected time is compared in bands of a factor of two: below that, it is noise.

Payloads that were analysed and denied, those whose claimers all failed to deliver lately, and lossy ones where the job takes none, are out before; so are,
where the job says so, suspected transcodes, what is below the canonical variant, and what does not beat the file that is held. The canonical variant is
the best genuine payload of all that are known to exist, whether or not its holders are linked now: the job waits for it rather than take less.
Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median
from typing import Final

from apps.domain.audio.profile import CodecProfile, ProfileError, parse_profile, preference_key
from apps.domain.audio.quality import profile_ceiling, profile_quality
from apps.domain.jobs.constraints import Constraints

DURATION_TOLERANCE_MS = 3000  # PROTOCOL-FACTS: library duration tolerance
NEUTRAL_REPUTATION: Final = 0.5  # DESIGN: where every reputation starts and decays to
TRUSTED_REPUTATION: Final = 0.3  # PROTOCOL-FACTS: below is quarantine
UNKNOWN_BPS: Final = (
    1_048_576.0  # bytes a second of a peer when nobody's speed is known: only the ratio of sizes matters then
)
LEAST_REPUTATION: Final = 0.05  # a discount, never a division by nothing
SHORT_S: Final = (
    16.0  # expected times below are all alike: nobody minds, and links differ more from one minute to the next
)
LONGEST_BAND: Final = 20  # 16 s × 2^20 is half a year
QUALITY_BAND: Final = (
    0.1  # qualities so near each other are alike: audio.canonical_scoring.min_quality_improvement's default
)
ROUNDING: Final = 1e-6
MAX_RUNNERS_UP: Final = 4  # told of; the rest is a number


@dataclass(frozen=True, slots=True, order=True)
class PayloadKey:
    """A payload's name: format and root."""

    payload_format: str
    payload_root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadClaim:
    """A peer's word that a payload is the recording, and what is known of the peer."""

    peer: str
    group: str
    key: PayloadKey
    profile: str
    payload_bytes: int
    complete: bool = True
    wrong_claims: int = 0
    """claims of this peer that turned out to be another recording"""
    refuted: bool = False
    """this very claim was refuted"""
    delivered: bool = False
    """it gave verified bytes of this payload, or the payload was confirmed"""
    cooling: bool = False
    """it failed to deliver this payload a short while ago: not asked for now"""
    reputation: float = NEUTRAL_REPUTATION
    """0..1"""
    speed_bps: float | None = None
    """bytes a second that it gave us lately; None: unknown"""
    facts: Mapping[str, int] = field(default_factory=dict)
    """what it states: dur_ms, suspect (0 or 1), quality_milli (0..1000)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPayload:
    """What we found out ourselves of a payload: it was analysed here once."""

    key: PayloadKey
    is_recording: bool = False
    """a fingerprint confirmed the recording"""
    is_other: bool = False
    """a fingerprint confirmed another recording (which may be the same music under a second MBID)"""
    suspect: bool | None = None
    """evidence of a transcode; None: not analysed for it"""
    quality: float | None = None
    """0..1"""
    duration_ms: int = 0


class NoChoice(StrEnum):
    """Why no payload can be chosen. Also the code of a want that waits."""

    NO_SOURCE = "no_source"
    """nobody claims the recording"""
    ALL_DENIED = "all_payloads_denied"
    """every payload that is claimed was analysed and is something else"""
    ONLY_LOSSY = "only_lossy_sources"
    """the job takes lossless only"""
    ONLY_TRANSCODES = "only_transcodes"
    """everything on offer is suspected to be a transcode, and the job takes none"""
    NOTHING_BETTER = "nothing_better"
    """nothing on offer beats the file that is held"""
    NOT_CANONICAL = "waiting_for_canonical"
    """only lesser variants than the canonical one are on offer"""
    NOT_DELIVERED = "sources_not_delivering"
    """everybody who claims it failed to deliver, and is asked again after a pause"""


class Proof(StrEnum):
    """What stands behind a claim."""

    OTHER = "other"
    """it was analysed here, as another recording"""
    WORD = "word"
    DELIVERED = "delivered"
    """a claimer gave bytes of it that hashed right"""
    RECORDING = "recording"
    """it was analysed here, and is the recording"""


_PROOF_RANK: Final = {Proof.OTHER: -1, Proof.WORD: 0, Proof.DELIVERED: 1, Proof.RECORDING: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The parts of a payload's rank. Their order of weight is `TERMS`."""

    lossless: bool
    codec_rank: int
    """place in preferred_codecs, 0 = first; those not named come last"""
    suspect: bool
    """evidence of a transcode: measured here, else told by most groups that say anything"""
    wrong_claims: int
    """of the claimer with the fewest refuted claims: one honest claimer is enough"""
    trusted: bool
    """a claimer is above quarantine"""
    duration_fits: bool
    """within 3 s of the recording's length; unknown counts as fitting"""
    proof: Proof
    complete: bool
    """somebody holds all of it"""
    quality: int
    """tenths, 0..10: measured here, else the median of the groups' words, else what its profile is worth"""
    expected_s: float
    """payload bytes / what its holders give together"""
    groups: int
    """/24 or /56 of claimers: many peers behind one address prove little"""
    peers: int
    profile_key: tuple[int, float, int, int, str]
    canonical: bool = True
    """it is what the canonical variant is, or better; True throughout where none is known or preferred"""
    worth: float = 0.0
    """quality 0..1, unrounded; no term of its own"""

    @property
    def time_band(self) -> int:
        """Expected time as a power of two of SHORT_S."""
        if self.expected_s <= SHORT_S:
            return 0
        return (
            min(LONGEST_BAND, math.ceil(math.log2(self.expected_s / SHORT_S)))
            if math.isfinite(self.expected_s)
            else LONGEST_BAND
        )

    def rank(self, term: str) -> float | tuple[int, float, int, int, str]:
        """One term as a number; greater = better."""
        match term:
            case "codec":
                return -self.codec_rank
            case "genuine":
                return not self.suspect
            case "honest":
                return -self.wrong_claims
            case "proof":
                return _PROOF_RANK[self.proof]
            case "time":
                return -self.time_band
            case "profile":
                return self.profile_key
        value = getattr(self, term)
        assert isinstance(value, int)
        return value

    def order(self) -> tuple[float | tuple[int, float, int, int, str], ...]:
        """All terms, the weightiest first; greater = better."""
        return tuple(self.rank(term) for term in TERMS)


TERMS: Final[Mapping[str, str]] = {
    "genuine": "no evidence of a transcode",
    "lossless": "lossless before lossy",
    "codec": "the codec's place in preferred_codecs",
    "canonical": "it matches or exceeds the canonical variant",
    "honest": "its most honest claimer made fewer claims that turned out wrong",
    "trusted": "a claimer is above quarantine",
    "duration_fits": "the length fits the recording's",
    "proof": "analysed here and right, before delivered in part, before a mere claim",
    "complete": "somebody holds all of it",
    "quality": "quality measured here, else stated",
    "time": "it is expected to arrive sooner",
    "groups": "claimed from more networks",
    "peers": "claimed by more peers",
    "profile": "the finer codec profile",
}
"""The terms of the order, the weightiest first, each with its reason. Ties go to the smaller root, alike everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One payload, who claims it, and how it ranks."""

    key: PayloadKey
    profile: str
    """with the recording, its semantic group"""
    payload_bytes: int
    peers: tuple[str, ...]
    terms: Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class CanonicalTarget:
    """What the canonical variant is: a payload has to match or exceed it."""

    profile: str
    quality: float
    """0..1"""
    groups: int
    """networks that claim it; 0: it is known from the library's statistics"""

    def met_by(self, profile: CodecProfile, quality: float, *, tolerance: float) -> bool:
        """True when a payload of this profile and quality is as good, to within `tolerance`, or better."""
        try:
            wanted = preference_key(parse_profile(self.profile))
        except ProfileError:
            return True
        return preference_key(profile)[:4] >= wanted[:4] and quality >= self.quality - tolerance - ROUNDING


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerUp:
    """A payload that was not chosen, and the term that decided."""

    key: PayloadKey
    profile: str
    peers: int
    term: str
    """of TERMS; "root": equal in all of them"""
    ours: str
    """the chosen payload's value of that term, as text"""
    theirs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a payload was chosen."""

    chosen: PayloadKey
    term: str
    """what set it apart from the next best; "only": there was no other"""
    ours: str
    theirs: str
    others: int
    runners_up: tuple[RunnerUp, ...]

    def to_json(self) -> dict[str, object]:
        """The row's form, with its version."""
        return {
            "version": 1,
            "term": self.term,
            "ours": self.ours,
            "theirs": self.theirs,
            "others": self.others,
            "runners_up": [
                {
                    "format": one.key.payload_format,
                    "root": one.key.payload_root.hex(),
                    "profile": one.profile,
                    "peers": one.peers,
                    "term": one.term,
                    "ours": one.ours,
                    "theirs": one.theirs,
                }
                for one in self.runners_up
            ],
        }


def candidates_of(
    claims: Iterable[PayloadClaim],
    *,
    constraints: Constraints,
    denied: frozenset[PayloadKey],
    duration_ms: int | None = None,
    known: Mapping[PayloadKey, KnownPayload] | None = None,
    target: CanonicalTarget | None = None,
) -> tuple[tuple[Candidate, ...], NoChoice | None]:
    """The payloads that may be fetched, best first, and why there is none (None when there is one). `target`: see `canonical_target`."""
    by_key: dict[PayloadKey, list[PayloadClaim]] = {}
    speeds: dict[str, float] = {}
    heard = cooling = False
    for claim in claims:
        heard = True
        if claim.speed_bps is not None:
            speeds[claim.peer] = claim.speed_bps
        if claim.key in denied or claim.refuted:
            continue
        if claim.cooling:
            cooling = True
            continue
        by_key.setdefault(claim.key, []).append(claim)
    if not by_key:
        if cooling:
            return (), NoChoice.NOT_DELIVERED
        return (), NoChoice.ALL_DENIED if heard else NoChoice.NO_SOURCE
    typical_bps = median(sorted(speeds.values())) if speeds else UNKNOWN_BPS
    found = [
        candidate
        for key, group in by_key.items()
        if (
            candidate := _candidate(
                key,
                sorted(group, key=lambda one: one.peer),
                constraints=constraints,
                duration_ms=duration_ms,
                known=(known or {}).get(key),
                typical_bps=typical_bps,
                target=target,
            )
        )
        is not None
    ]
    if not found:
        return (), NoChoice.NO_SOURCE
    allowed, why = _allowed(found, constraints)
    if not allowed:
        return (), why
    # two stable sorts: the smaller root first, then the better terms first
    allowed.sort(key=lambda candidate: candidate.key)
    allowed.sort(key=lambda candidate: candidate.terms.order(), reverse=True)
    return tuple(allowed), None


def explain(found: Sequence[Candidate], chosen: Candidate) -> Explanation:
    """Why `chosen` was taken of `found` (best first, `chosen` among them). A fallback is explained against those after it."""
    after = False
    beaten: list[RunnerUp] = []
    above: list[RunnerUp] = []
    for one in found:
        if one.key == chosen.key:
            after = True
        else:
            (beaten if after else above).append(_against(chosen, one))
    runners = (*beaten, *above)
    first = runners[0] if runners else None
    return Explanation(
        chosen=chosen.key,
        term=first.term if first is not None else "only",
        ours=first.ours if first is not None else "",
        theirs=first.theirs if first is not None else "",
        others=len(runners),
        runners_up=runners[:MAX_RUNNERS_UP],
    )


def canonical_target(
    claims: Iterable[PayloadClaim],
    *,
    constraints: Constraints,
    denied: frozenset[PayloadKey] = frozenset(),
    known: Mapping[PayloadKey, KnownPayload] | None = None,
) -> CanonicalTarget | None:
    """The canonical variant of a recording: the job's `target_profile`, else what the claims of everybody agree on. None: nothing is known.

    `claims` are all that are remembered, of peers that are away too. Of the genuine payloads whose quality is within QUALITY_BAND of the best, the
    one from the most networks is it: a lone peer that praises its own copy makes nobody wait. A job that names a profile is content with that.
    """
    if constraints.target_profile is not None:
        try:
            quality = profile_quality(parse_profile(constraints.target_profile))
        except ProfileError:
            return None
        return CanonicalTarget(profile=constraints.target_profile, quality=quality, groups=0)
    by_key: dict[PayloadKey, list[PayloadClaim]] = {}
    for claim in claims:
        if claim.key not in denied and not claim.refuted:
            by_key.setdefault(claim.key, []).append(claim)
    found: list[tuple[float, int, bool, CodecProfile, PayloadKey]] = []
    for key, group in by_key.items():
        stated = _stated(group)
        measured = (known or {}).get(key)
        if stated is None or _suspect(group, measured):
            continue
        profile = parse_profile(stated[1])
        if profile.lossless or constraints.allow_lossy:
            groups = len({claim.group or claim.peer for claim in group})
            complete = any(claim.complete for claim in group)
            found.append((_quality(group, measured, profile), groups, complete, profile, key))
    if not found:
        return None
    best = max(quality for quality, *_ in found)
    near = [one for one in found if one[0] >= best - QUALITY_BAND - ROUNDING]
    quality, groups, _, profile, _ = max(near, key=lambda one: (one[1], one[2], preference_key(one[3]), one[0], one[4]))
    return CanonicalTarget(profile=str(profile), quality=quality, groups=groups)


def expected_s(payload_bytes: int, claims: Iterable[PayloadClaim], *, typical_bps: float = UNKNOWN_BPS) -> float:
    """Seconds until a payload is here if everybody who claims it gives what they gave before, each discounted by reputation.

    Whose speed is unknown counts as typical, once per group: unmeasured peers behind one address share it.
    """
    rate = 0.0
    unmeasured: dict[str, float] = {}
    for claim in claims:
        worth = max(claim.reputation, LEAST_REPUTATION)
        if claim.speed_bps is not None:
            rate += claim.speed_bps * worth
        else:
            group = claim.group or claim.peer
            unmeasured[group] = max(unmeasured.get(group, 0.0), worth)
    rate += typical_bps * math.fsum(sorted(unmeasured.values()))
    return payload_bytes / rate if rate > 0 else math.inf


def _candidate(
    key: PayloadKey,
    claims: Sequence[PayloadClaim],
    *,
    constraints: Constraints,
    duration_ms: int | None,
    known: KnownPayload | None,
    typical_bps: float,
    target: CanonicalTarget | None,
) -> Candidate | None:
    """None when no claimer states a profile that the grammar has."""
    stated = _stated(claims)
    if stated is None:
        return None
    payload_bytes, text = stated
    profile = parse_profile(text)
    quality = _quality(claims, known, profile)
    tolerance = QUALITY_BAND if constraints.min_improvement is None else constraints.min_improvement
    matters = target is not None and (
        constraints.prefer_canonical is not False or constraints.download_mode == "canonical"
    )
    codecs = constraints.preferred_codecs
    return Candidate(
        key=key,
        profile=text,
        payload_bytes=payload_bytes,
        peers=tuple(sorted({claim.peer for claim in claims})),
        terms=Terms(
            lossless=profile.lossless,
            codec_rank=codecs.index(profile.codec.value) if profile.codec.value in codecs else len(codecs),
            suspect=_suspect(claims, known),
            wrong_claims=min(claim.wrong_claims for claim in claims),
            trusted=any(claim.reputation >= TRUSTED_REPUTATION for claim in claims),
            duration_fits=_fits(claims, known, duration_ms),
            proof=_proof(claims, known),
            complete=any(claim.complete for claim in claims),
            quality=round(10 * quality),
            expected_s=expected_s(payload_bytes, claims, typical_bps=typical_bps),
            groups=len({claim.group or claim.peer for claim in claims}),
            peers=len({claim.peer for claim in claims}),
            profile_key=preference_key(profile),
            canonical=not matters or target is None or target.met_by(profile, quality, tolerance=tolerance),
            worth=quality,
        ),
    )


def _stated(claims: Iterable[PayloadClaim]) -> tuple[int, str] | None:
    """(size, profile) that most claimers state: a lie of one must not change what many say. None: nobody states a profile that the grammar has."""
    stated: dict[tuple[int, str], int] = {}
    for claim in claims:
        try:
            parse_profile(claim.profile)
        except ProfileError:
            continue
        stated[claim.payload_bytes, claim.profile] = stated.get((claim.payload_bytes, claim.profile), 0) + 1
    return max(stated, key=lambda pair: (stated[pair], pair)) if stated else None


def _allowed(found: Sequence[Candidate], constraints: Constraints) -> tuple[list[Candidate], NoChoice | None]:
    """What the job may have of `found`, and the wish that left nothing."""
    some = [one for one in found if one.terms.lossless or constraints.allow_lossy]
    if not some:
        return [], NoChoice.ONLY_LOSSY
    if constraints.download_mode != "any":
        some = [one for one in some if not one.terms.suspect]
        if not some:
            return [], NoChoice.ONLY_TRANSCODES
    floor = constraints.quality_floor
    if floor is not None:
        some = [one for one in some if one.terms.worth >= floor - ROUNDING]
        if not some:
            return [], NoChoice.NOTHING_BETTER
    if constraints.download_mode == "canonical":
        some = [one for one in some if one.terms.canonical]
        if not some:
            return [], NoChoice.NOT_CANONICAL
    return some, None


def _words(claims: Sequence[PayloadClaim], fact: str) -> list[int]:
    """What is stated of a fact, one word a group: that of its claimer with the fewest wrong claims, then the best reputation."""
    spoken: dict[str, tuple[tuple[int, float, str], int]] = {}
    for claim in claims:
        if fact in claim.facts:
            group = claim.group or claim.peer
            weight = (claim.wrong_claims, -claim.reputation, claim.peer)
            if group not in spoken or weight < spoken[group][0]:
                spoken[group] = (weight, claim.facts[fact])
    return sorted(value for _, value in spoken.values())


def _suspect(claims: Sequence[PayloadClaim], known: KnownPayload | None) -> bool:
    if known is not None and known.suspect is not None:
        return known.suspect
    words = _words(claims, "suspect")
    return bool(words) and 2 * sum(word > 0 for word in words) > len(words)


def _fits(claims: Sequence[PayloadClaim], known: KnownPayload | None, duration_ms: int | None) -> bool:
    if duration_ms is None:
        return True
    if known is not None and known.duration_ms:
        return abs(known.duration_ms - duration_ms) <= DURATION_TOLERANCE_MS
    lengths = _words(claims, "dur_ms")
    return not lengths or any(abs(one - duration_ms) <= DURATION_TOLERANCE_MS for one in lengths)


def _quality(claims: Sequence[PayloadClaim], known: KnownPayload | None, profile: CodecProfile) -> float:
    """0..1: measured here, else told (never more than such an encoding can be), else what such an encoding is worth unmeasured."""
    if known is not None and known.quality is not None:
        return min(max(known.quality, 0.0), 1.0)
    words = _words(claims, "quality_milli")
    if not words:
        return profile_quality(profile)
    return min(max(median(words), 0) / 1000, profile_ceiling(profile))


def _proof(claims: Sequence[PayloadClaim], known: KnownPayload | None) -> Proof:
    if known is not None and known.is_recording:
        return Proof.RECORDING
    if known is not None and known.is_other:
        return Proof.OTHER
    return Proof.DELIVERED if any(claim.delivered for claim in claims) else Proof.WORD


def _against(chosen: Candidate, other: Candidate) -> RunnerUp:
    term = next((name for name in TERMS if chosen.terms.rank(name) != other.terms.rank(name)), "root")
    return RunnerUp(
        key=other.key,
        profile=other.profile,
        peers=len(other.peers),
        term=term,
        ours=_shown(chosen, term),
        theirs=_shown(other, term),
    )


def _shown(one: Candidate, term: str) -> str:
    """A term's value as text, for people and rows."""
    terms = one.terms
    match term:
        case "codec":
            return one.profile.partition("-")[0]
        case "genuine":
            return "transcode suspected" if terms.suspect else "no evidence of a transcode"
        case "honest":
            return str(terms.wrong_claims)
        case "proof":
            return terms.proof.value
        case "quality":
            return f"{terms.quality / 10:.1f}"
        case "time":
            return f"{terms.expected_s:.0f} s" if math.isfinite(terms.expected_s) else "unknown"
        case "profile" | "lossless" | "canonical":
            return one.profile
        case "root":
            return one.key.payload_root.hex()[:12]
    value = getattr(terms, term)
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
