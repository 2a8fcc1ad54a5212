"""Which payload to fetch, among those that peers claim to be a recording.

A recording may exist as several payloads (encodes, rips, and somebody's mistake). One is chosen and fetched from everybody who holds it; the
others are the fallback. The order is lexicographic, so that a person can be told in one line why a payload won:

1. lossless before lossy
2. the codec's place in `preferred_codecs` (those not named come last)
3. trust: of the peers that claim it, the one with the fewest refuted claims counts (one honest claimer is enough)
4. the stated length is within 3 s of the recording's (unknown counts as fitting)
5. somebody holds all of it
6. more groups (/24, /56) of peers that claim it: numbers of peers behind one address prove little; then more peers
7. the better codec profile, then the smaller root, so that ties are settled alike everywhere

Payloads that were analysed and denied, and lossy ones where the job takes none, are out before. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from apps.domain.audio.profile import ProfileError, parse_profile, preference_key
from apps.domain.jobs.constraints import Constraints

DURATION_TOLERANCE_MS = 3000  # PROTOCOL-FACTS: library duration tolerance


@dataclass(frozen=True, slots=True, order=True)
class PayloadKey:
    """A payload's name: format and root."""

    payload_format: str
    payload_root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadClaim:
    """A peer's word that a payload is the recording."""

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
    facts: Mapping[str, int] = field(default_factory=dict)


class NoChoice(StrEnum):
    """Why no payload can be chosen. Also the code of a want that waits."""

    NO_SOURCE = "no_source"
    """nobody claims the recording"""
    ALL_DENIED = "all_payloads_denied"
    """every payload that is claimed was analysed and is something else"""
    ONLY_LOSSY = "only_lossy_sources"
    """the job takes lossless only"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The parts of a payload's rank, best first; compared in this order."""

    lossless: bool
    codec_rank: int
    """place in preferred_codecs, 0 = first"""
    wrong_claims: int
    duration_fits: bool
    complete: bool
    groups: int
    peers: int
    profile_key: tuple[int, float, int, int, str]

    def order(self) -> tuple[bool, int, int, bool, bool, int, int, tuple[int, float, int, int, str]]:
        """Greater = better."""
        return (
            self.lossless,
            -self.codec_rank,
            -self.wrong_claims,
            self.duration_fits,
            self.complete,
            self.groups,
            self.peers,
            self.profile_key,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One payload, who claims it, and how it ranks."""

    key: PayloadKey
    profile: str
    payload_bytes: int
    peers: tuple[str, ...]
    terms: Terms


def candidates_of(
    claims: Iterable[PayloadClaim],
    *,
    constraints: Constraints,
    denied: frozenset[PayloadKey],
    duration_ms: int | None = None,
) -> tuple[tuple[Candidate, ...], NoChoice | None]:
    """The payloads that may be fetched, best first, and why there is none (None when there is one)."""
    by_key: dict[PayloadKey, list[PayloadClaim]] = {}
    heard = False
    for claim in claims:
        heard = True
        if claim.key not in denied and not claim.refuted:
            by_key.setdefault(claim.key, []).append(claim)
    if not by_key:
        return (), NoChoice.ALL_DENIED if heard else NoChoice.NO_SOURCE
    found = [
        candidate
        for key, group in by_key.items()
        if (candidate := _candidate(key, group, constraints=constraints, duration_ms=duration_ms)) is not None
    ]
    allowed = [candidate for candidate in found if candidate.terms.lossless or constraints.allow_lossy]
    if not allowed:
        return (), NoChoice.ONLY_LOSSY if found else NoChoice.NO_SOURCE
    # two stable sorts: the smaller root first, then the better terms first
    allowed.sort(key=lambda candidate: candidate.key)
    allowed.sort(key=lambda candidate: candidate.terms.order(), reverse=True)
    return tuple(allowed), None


def _candidate(
    key: PayloadKey, claims: list[PayloadClaim], *, constraints: Constraints, duration_ms: int | None
) -> Candidate | None:
    """None when no claimer states a profile that the grammar has."""
    # The most stated (size, profile) speaks for the payload: a lie of one claimer must not change what many say.
    stated: dict[tuple[int, str], int] = {}
    for claim in claims:
        try:
            parse_profile(claim.profile)
        except ProfileError:
            continue
        stated[claim.payload_bytes, claim.profile] = stated.get((claim.payload_bytes, claim.profile), 0) + 1
    if not stated:
        return None
    payload_bytes, text = max(stated, key=lambda pair: (stated[pair], pair))
    profile = parse_profile(text)
    codecs = constraints.preferred_codecs
    lengths = [claim.facts["dur_ms"] for claim in claims if "dur_ms" in claim.facts]
    fits = duration_ms is None or not lengths or any(abs(one - duration_ms) <= DURATION_TOLERANCE_MS for one in lengths)
    return Candidate(
        key=key,
        profile=text,
        payload_bytes=payload_bytes,
        peers=tuple(sorted({claim.peer for claim in claims})),
        terms=Terms(
            lossless=profile.lossless,
            codec_rank=codecs.index(profile.codec.value) if profile.codec.value in codecs else len(codecs),
            wrong_claims=min(claim.wrong_claims for claim in claims),
            duration_fits=fits,
            complete=any(claim.complete for claim in claims),
            groups=len({claim.group or claim.peer for claim in claims}),
            peers=len({claim.peer for claim in claims}),
            profile_key=preference_key(profile),
        ),
    )
