"""How far a peer is trusted: 0..1 from our own observations, with the reasons. Local; never sent to anyone. Pure.

    raw = 1 - (0.3 x timeouts + 0.5 x corruption + 0.2 x other failures)          not below 0
    score = 0.5 + (smoothed raw - 0.5) x 0.5 ** (days since the last outcome / 7)

The weights are S2 G2's. What its "rates" are had to be settled, since shares of all outcomes would leave a peer that sends nothing but corrupt leaves
at 0.5, neutral, and none could ever fall below the threshold of 0.3:

* A rate is faults *per success*, not a share: small ones are the same number, but a peer that fails more often than it succeeds goes to 0.
* A corrupt leaf counts as `CORRUPT_WEIGHT` faults. An honest peer never sends one (TLS lets no bit flip on the way), and it costs more than itself:
  all leaves of its sender are fetched again. So a peer with one corrupt leaf in about eight ends in quarantine, whatever else it gave.
* A wrong claim counts as `CLAIM_WEIGHT` other failures: it costs a whole file. An advert that was not delivered is one other failure.

*Smoothed*: with `good` successes and faults that weigh P = 0.3 t + 0.5 c + 0.2 f together (so raw = 1 - P / good),

    smoothed = (PRIOR / 2 + max(0, good - P)) / (PRIOR + max(good, P))

which is raw where much was seen, 0.5 for a stranger, falls with every fault and rises with every success; one mishap condemns nobody. (Averaging raw
with 0.5 by the number of outcomes, as one would first write it, lets a small fault *raise* the score of a peer of whom little is known.)

*Decay*: the counters have a half-life of seven days, so that what happened lately weighs more; and while nothing happens at all, the score goes back
to 0.5 with that same half-life, never to 0. (Counters are taken as of the last outcome, so that idle time is not counted twice.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from apps.domain.peers.metrics import HALF_LIFE_S, RESUMED_SAMPLES

NEUTRAL: Final = 0.5
PRIOR: Final = 8.0
"""Pseudo-observations, half good and half bad. Of a stranger, one corrupt leaf makes 0.31 and two make 0.22; twenty timeouts make 0.29."""
TIMEOUT_SHARE: Final = 0.3
CORRUPTION_SHARE: Final = 0.5
FAILURE_SHARE: Final = 0.2
CORRUPT_WEIGHT: Final = 10.0
CLAIM_WEIGHT: Final = 10.0
MIN_SUCCESSES: Final = 1.0
"""Successes that rates are divided by at least: without any success, each fault counts in full."""
GOOD: Final = 0.8
"""From here on a peer is preferred; between the threshold and here it is used, and pays for what it did."""
NOTABLE_RATE: Final = 0.05
"""A rate from here on is named as a reason."""
NOTABLE_COUNT: Final = 0.5
"""Wrong bytes and wrong claims are named as long as so many are remembered: a single one stays a reason for seven days."""
SLOW_BPS: Final = 64 * 1024.0
"""Throughput below which "low throughput" is said: a reason for the cost, it takes nothing off the score."""
FADED_S: Final = HALF_LIFE_S
MANY: Final = 100.0
"""Outcomes from which a good peer is called proven."""

_LEAST_KEPT: Final = 1e-12  # forty weeks of idle time and more are all the same


class Observed(Protocol):
    """What a reputation rests on: `PeerMetrics`, or a snapshot of it. Counters decayed to the same moment."""

    @property
    def successful(self) -> float: ...
    @property
    def corrupt(self) -> float: ...
    @property
    def timeouts(self) -> float: ...
    @property
    def failures(self) -> float: ...
    @property
    def cancelled_by_peer(self) -> float: ...
    @property
    def not_delivered(self) -> float: ...
    @property
    def wrong_claims(self) -> float: ...
    @property
    def throughput_bps(self) -> float | None: ...
    @property
    def samples(self) -> float: ...


class ObservedNow(Observed, Protocol):
    """The living metrics, which know how long nothing happened."""

    def age(self, now: float) -> None: ...
    def idle_s(self, now: float) -> float: ...


class Reason(StrEnum):
    """Why a score is what it is. Params: `percent` = faults per hundred successes, `count` = how many lately (decayed, at least 1)."""

    STRANGER = "stranger"
    LITTLE_KNOWN = "little_known"
    PROVEN = "proven"
    CORRUPT = "corrupt"
    WRONG_CLAIMS = "wrong_claims"
    TIMEOUTS = "timeouts"
    FAILURES = "failures"
    NOT_DELIVERED = "not_delivered"
    LEAVES = "leaves"
    LOW_THROUGHPUT = "low_throughput"
    FADED = "faded"


_GRAVE: Final = frozenset({Reason.CORRUPT, Reason.WRONG_CLAIMS})


class Standing(StrEnum):
    """What a score means for choosing."""

    PREFERRED = "preferred"
    NEUTRAL = "neutral"
    DOWN_WEIGHTED = "down_weighted"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonGiven:
    """A reason as rows and pages hold it: a code and its numbers."""

    code: Reason
    params: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReputationTerms:
    """What was taken off 1 (before smoothing), and how much the result weighs."""

    timeouts: float
    corruption: float
    failures: float
    outcomes: float
    """observations, as of the last one"""
    kept: float
    """0..1: how much of the distance from neutral is left after the idle time"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reputation:
    """A score with where it comes from."""

    score: float
    terms: ReputationTerms
    reasons: tuple[ReasonGiven, ...]
    """the weightiest first; never empty"""


def reputation(metrics: ObservedNow, now: float) -> Reputation:
    """Of living metrics, as of `now` (monotonic seconds)."""
    metrics.age(now)
    return reputation_of(metrics, idle_s=metrics.idle_s(now))


def reputation_of(observed: Observed, *, idle_s: float) -> Reputation:
    """Of counters as of a moment, `idle_s` after the last outcome."""
    terms, score = _score(observed, idle_s=idle_s)
    return Reputation(score=score, terms=terms, reasons=_reasons(observed, terms, idle_s=idle_s))


def standing(score: float, *, min_reputation: float) -> Standing:
    """What a score means, given the threshold of quarantine."""
    if score < min_reputation:
        return Standing.QUARANTINED
    if score >= GOOD:
        return Standing.PREFERRED
    return Standing.DOWN_WEIGHTED if score < NEUTRAL else Standing.NEUTRAL


def reputation_score(metrics: ObservedNow, now: float) -> float:
    """Only the number: for decisions, which need no reasons."""
    metrics.age(now)
    return _score(metrics, idle_s=metrics.idle_s(now))[1]


def _score(observed: Observed, *, idle_s: float) -> tuple[ReputationTerms, float]:
    kept = 0.5 ** (max(idle_s, 0.0) / HALF_LIFE_S)
    then = 1 / max(kept, _LEAST_KEPT)  # what decayed since the last outcome comes back: it is accounted for by `kept`
    other = (
        observed.failures + observed.cancelled_by_peer + observed.not_delivered + CLAIM_WEIGHT * observed.wrong_claims
    ) * then
    timeouts, corrupt = observed.timeouts * then, CORRUPT_WEIGHT * observed.corrupt * then
    good = observed.successful * then
    per = 1 / max(good, MIN_SUCCESSES)
    weight = TIMEOUT_SHARE * timeouts + CORRUPTION_SHARE * corrupt + FAILURE_SHARE * other
    terms = ReputationTerms(
        timeouts=TIMEOUT_SHARE * timeouts * per,
        corruption=CORRUPTION_SHARE * corrupt * per,
        failures=FAILURE_SHARE * other * per,
        outcomes=good + timeouts + observed.corrupt * then + other,
        kept=kept,
    )
    smoothed = (PRIOR / 2 + max(0.0, good - weight)) / (PRIOR + max(good, weight))
    return terms, NEUTRAL + (smoothed - NEUTRAL) * kept


def _reasons(observed: Observed, terms: ReputationTerms, *, idle_s: float) -> tuple[ReasonGiven, ...]:
    if terms.outcomes < 0.01:
        return (ReasonGiven(code=Reason.STRANGER),)
    per = max(observed.successful, MIN_SUCCESSES * max(terms.kept, _LEAST_KEPT))  # rates as of the last outcome
    weights = (
        (Reason.CORRUPT, observed.corrupt, CORRUPTION_SHARE * CORRUPT_WEIGHT),
        (Reason.WRONG_CLAIMS, observed.wrong_claims, FAILURE_SHARE * CLAIM_WEIGHT),
        (Reason.TIMEOUTS, observed.timeouts, TIMEOUT_SHARE),
        (Reason.FAILURES, observed.failures, FAILURE_SHARE),
        (Reason.NOT_DELIVERED, observed.not_delivered, FAILURE_SHARE),
        (Reason.LEAVES, observed.cancelled_by_peer, FAILURE_SHARE),
    )
    found = [
        (weight * count / per, ReasonGiven(code=code, params=_share(count, per)))
        for code, count, weight in weights
        if count / per >= NOTABLE_RATE or (code in _GRAVE and count >= NOTABLE_COUNT)
    ]
    found.sort(key=lambda pair: -pair[0])
    reasons = [reason for _, reason in found]
    speed = observed.throughput_bps
    if speed is not None and speed < SLOW_BPS and observed.samples > RESUMED_SAMPLES:
        reasons.append(ReasonGiven(code=Reason.LOW_THROUGHPUT, params={"kib_per_s": _shown(speed / 1024)}))
    if not reasons:
        code = Reason.PROVEN if terms.outcomes >= MANY else Reason.LITTLE_KNOWN
        reasons.append(ReasonGiven(code=code, params={"count": round(observed.successful)}))
    if idle_s >= FADED_S:
        reasons.append(ReasonGiven(code=Reason.FADED, params={"days": round(idle_s / 86_400)}))
    return tuple(reasons)


def _share(count: float, per: float) -> dict[str, float]:
    return {"percent": _shown(100 * count / per), "count": max(1, round(count))}


def _shown(value: float) -> float:
    """For people: whole numbers from ten on, one digit below."""
    return round(value) if value >= 10 else round(value, 1)
