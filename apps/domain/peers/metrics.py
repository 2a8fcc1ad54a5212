"""How a peer performed: decayed round-trip time, throughput, rates of failure, and counters that forget. Pure; `now` is passed in.

One `PeerMetrics` per peer, shared by all transfers. It is mutable, because it is updated at every chunk response: a value object per response
would cost more than what it says (bound: all updates of one response together <= 5 us, asserted nowhere, measured by the benchmark).

What is averaged (PROTOCOL-FACTS: exponential moving averages, alpha 0.1; the first samples are averaged plainly, so that one sample is not
drowned by a start value):

* `rtt_s`: seconds from asking to the first byte of the answer, only of requests that did not queue behind others at that peer.
* `throughput_bps`: bytes a second *while asked*: EMA(bytes of a sample) / EMA(seconds of a sample). A sample covers at least `SAMPLE_S`: chunks that
  a socket hands over together say nothing one by one. The ratio of two averages weighs each second alike, as a mean of speeds would not.
* `error_rate`, `timeout_rate`, `cancellation_rate`: EMA over *outcomes*, 1 when the outcome was of that kind and 0 otherwise. A request that we asked
  for and that ended without our doing is one outcome; a leaf that proved corrupt is one more (its chunks had arrived). `rate_limited` is none:
  a busy peer is not a faulty one. Rates start at 0 and, when nothing is asked, fade with the counters.
* Counters have a half-life of seven days (S2 G1): they are what happened lately, not ever, and therefore floats.

Time. Decay is lazy: carried out when at least `AGE_STEP_S` passed since the last time. A clock that goes backwards changes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

ALPHA: Final = 0.1
"""Weight of the newest sample or outcome (S2 C1, PROTOCOL-FACTS)."""
SAMPLE_S: Final = 0.05
"""Shortest time that a sample of the throughput covers."""
HALF_LIFE_S: Final = 7 * 86_400.0
"""Of counters, rates, and of what a reputation remembers (S2 G1: halved every seven days)."""
AGE_STEP_S: Final = 60.0
"""Decay is carried out in steps of at least this long: a minute takes 0.007 % off, less than anybody sees."""
RESUMED_SAMPLES: Final = 2.0
"""Averages of an earlier session count as so many samples: links change between sessions, three new chunks outweigh the memory."""
_WARM: Final = 1 / ALPHA
_KEEP: Final = 1 - ALPHA


class Failure(StrEnum):
    """Why a request failed, as far as the peer is to blame. Other codes (they are the peer's text) count as `OTHER`."""

    IO_ERROR = "io_error"
    INVALID_RANGE = "invalid_range"
    POLICY_VIOLATION = "policy_violation"
    BAD_MANIFEST = "bad_manifest"
    OTHER = "other"


NOT_DELIVERED_CODES: Final = frozenset({"not_found", "payload_not_found", "variant_not_found"})
"""Refusals that contradict what the peer advertised."""
BUSY_CODES: Final = frozenset({"rate_limited", "busy"})
"""Refusals that are no fault."""
OUR_CODES: Final = frozenset(
    {"link_closed", "not_open", "send_queue_full", "too_many_in_flight", "feature_missing", "admission_required"}
)
"""Requests that never reached the peer, or that it could not take for a token that ran out: nothing is learnt of it."""
TIMEOUT_CODES: Final = frozenset({"timeout", "request_timeout"})
COUNTERS: Final = (
    "successful",
    "corrupt",
    "timeouts",
    "cancelled_by_peer",
    "not_delivered",
    "wrong_claims",
    "busy",
    "verified_bytes",
)
RATES: Final = ("error_rate", "timeout_rate", "cancellation_rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerMetricsSnapshot:
    """`PeerMetrics` as of `at` (aware UTC, wall time): what rows hold. Rates 0..1, counters decayed to `at`."""

    at: datetime
    idle_s: float = 0.0
    """seconds between the last outcome and `at`"""
    rtt_s: float | None = None
    throughput_bps: float | None = None
    throughput_var: float = 0.0
    """(bytes a second) squared"""
    samples: float = 0.0
    """how many samples the throughput rests on, at most ten"""
    error_rate: float = 0.0
    timeout_rate: float = 0.0
    cancellation_rate: float = 0.0
    successful: float = 0.0
    """leaves (or parts of leaves that made one) that verified"""
    failed: tuple[tuple[str, float], ...] = ()
    """(Failure, count), those that are not zero, sorted"""
    corrupt: float = 0.0
    """leaves that did not verify"""
    timeouts: float = 0.0
    """requests it did not answer in time"""
    cancelled_by_peer: float = 0.0
    """it left, or took its offer back, while it owed us an answer"""
    not_delivered: float = 0.0
    """advertised and then refused as not held, or a possession audit it failed"""
    wrong_claims: float = 0.0
    """payloads it claimed to be a recording that they are not"""
    busy: float = 0.0
    """polite refusals; no fault"""
    verified_bytes: float = 0.0

    @property
    def failures(self) -> float:
        """Failed requests of all reasons."""
        return sum(count for _, count in self.failed)

    @property
    def speed_deviation(self) -> float | None:
        """Standard deviation of the throughput's samples divided by the throughput: 0 = steady, 1 = as bursty as it is fast. None: not known."""
        return math.sqrt(self.throughput_var) / self.throughput_bps if self.throughput_bps else None

    def decayed_to(self, wall: datetime) -> PeerMetricsSnapshot:
        """The same, as of a later moment in which nothing happened. An earlier one changes nothing."""
        elapsed = (wall - self.at).total_seconds()
        if elapsed <= 0:
            return self
        kept = 0.5 ** (elapsed / HALF_LIFE_S)
        faded = {name: getattr(self, name) * kept for name in (*COUNTERS, *RATES)}
        failed = tuple((code, count * kept) for code, count in self.failed)
        return replace(self, at=wall, idle_s=self.idle_s + elapsed, failed=failed, **faded)


class PeerMetrics:
    """What one peer did for us lately. Mutable; every method that learns takes `now` (monotonic seconds of one clock)."""

    __slots__ = (
        "_aged_at",
        "_bytes",
        "_outcome_at",
        "_sample_bytes",
        "_sample_s",
        "_seconds",
        "busy",
        "cancellation_rate",
        "cancelled_by_peer",
        "corrupt",
        "error_rate",
        "failed",
        "not_delivered",
        "revision",
        "rtt_s",
        "rtt_samples",
        "samples",
        "successful",
        "throughput_var",
        "timeout_rate",
        "timeouts",
        "verified_bytes",
        "wrong_claims",
    )

    def __init__(self, now: float = 0.0) -> None:
        self.revision = 0
        """grows with everything learnt; whoever keeps rows compares it"""
        self.rtt_s: float | None = None
        self.rtt_samples = 0.0
        self.samples = 0.0
        self.throughput_var = 0.0
        self.error_rate = 0.0
        self.timeout_rate = 0.0
        self.cancellation_rate = 0.0
        self.successful = 0.0
        self.failed: dict[Failure, float] = {}
        self.corrupt = 0.0
        self.timeouts = 0.0
        self.cancelled_by_peer = 0.0
        self.not_delivered = 0.0
        self.wrong_claims = 0.0
        self.busy = 0.0
        self.verified_bytes = 0.0
        self._bytes = 0.0
        self._seconds = 0.0
        self._sample_bytes = 0
        self._sample_s = 0.0
        self._aged_at = now
        self._outcome_at = now

    # ---- the hot path

    def chunk_received(self, now: float, *, length: int, busy_s: float, rtt_s: float | None = None) -> None:
        """A request was answered with bytes. Success or not is told by `leaf_verified` and `leaf_corrupt`.

        `length`: bytes that `progressed` was not told yet. `busy_s`: seconds, not told yet either, during which the peer had something to
        send us: since the later of asking and its last byte. `rtt_s`: seconds from asking to the first byte, None when the request queued.
        """
        if now - self._aged_at >= AGE_STEP_S:
            self.age(now)
        self.revision += 1
        self._outcome_at = max(self._outcome_at, now)
        self.error_rate *= _KEEP
        self.timeout_rate *= _KEEP
        self.cancellation_rate *= _KEEP
        self._sample_bytes += length
        if busy_s > 0:
            self._sample_s += busy_s
        if self._sample_s >= SAMPLE_S:
            self._take_sample()
        if rtt_s is not None and rtt_s >= 0:
            if self.rtt_samples < _WARM:
                self.rtt_samples += 1
            self.rtt_s = rtt_s if self.rtt_s is None else self.rtt_s + (rtt_s - self.rtt_s) / self.rtt_samples

    def progressed(self, now: float, *, length: int, busy_s: float) -> None:
        """Bytes of a chunk that is still on its way: the throughput is known before the first chunk is whole. No outcome."""
        if now - self._aged_at >= AGE_STEP_S:
            self.age(now)
        self.revision += 1
        self._sample_bytes += length
        if busy_s > 0:
            self._sample_s += busy_s
        if self._sample_s >= SAMPLE_S:
            self._take_sample()

    def leaf_verified(self, now: float, *, length: int) -> None:
        """Bytes that hashed right."""
        if now - self._aged_at >= AGE_STEP_S:
            self.age(now)
        self.revision += 1
        self.successful += 1
        self.verified_bytes += length

    # ---- faults

    def leaf_corrupt(self, now: float) -> None:
        """A leaf of it did not verify: one more outcome, an error."""
        self._outcome(now, error=1.0)
        self.corrupt += 1

    def timed_out(self, now: float) -> None:
        """A request was not answered in time and is not waited for any more."""
        self._outcome(now, timeout=1.0)
        self.timeouts += 1

    def refused(self, now: float, code: str) -> None:
        """A request was answered with an error code (busy, not held although advertised, failed), or never came to be answered."""
        if code in OUR_CODES:
            return
        if code in BUSY_CODES:
            self.age(now)
            self.revision += 1
            self.busy += 1
        elif code in NOT_DELIVERED_CODES:
            self.undelivered(now)
        elif code in TIMEOUT_CODES:
            self.timed_out(now)
        else:
            self._outcome(now, error=1.0)
            reason = _FAILURES.get(code, Failure.OTHER)
            self.failed[reason] = self.failed.get(reason, 0.0) + 1

    def undelivered(self, now: float) -> None:
        """It advertised what it then did not have (a refusal as not found, a possession audit it failed)."""
        self._outcome(now, error=1.0)
        self.not_delivered += 1

    def cancelled(self, now: float) -> None:
        """It ended the link or took its offer back while it owed us an answer. Once per transfer, not per request."""
        self._outcome(now, cancellation=1.0)
        self.cancelled_by_peer += 1

    def claim_refuted(self, now: float) -> None:
        """A payload it claimed to be a recording was analysed and is another. No outcome of a request."""
        self.age(now)
        self.revision += 1
        self._outcome_at = max(self._outcome_at, now)
        self.wrong_claims += 1

    # ---- facts

    @property
    def cold(self) -> bool:
        """True while nothing is known of how fast it is."""
        return self.samples == 0 and self._sample_s <= 0

    @property
    def throughput_bps(self) -> float | None:
        """Bytes a second while asked; None before anything arrived."""
        if self.samples:
            return self._bytes / self._seconds
        if self._sample_s > 0:  # less than a sample, but all there is
            return self._sample_bytes / max(self._sample_s, 1e-3)
        return None

    @property
    def failures(self) -> float:
        """Failed requests of all reasons."""
        return sum(self.failed.values())

    @property
    def outcomes(self) -> float:
        """How much was observed, good and bad: what a reputation rests on."""
        faults = self.corrupt + self.timeouts + self.cancelled_by_peer + self.not_delivered + self.wrong_claims
        return self.successful + faults + self.failures

    def idle_s(self, now: float) -> float:
        """Seconds since the last outcome."""
        return max(0.0, now - self._outcome_at)

    # ---- time and rows

    def age(self, now: float) -> None:
        """Decay counters and rates to `now`. Cheap and without effect within AGE_STEP_S and when the clock went back."""
        elapsed = now - self._aged_at
        if elapsed >= AGE_STEP_S:
            self._aged_at = now
            self._fade(elapsed)

    def snapshot(self, now: float, *, wall: datetime) -> PeerMetricsSnapshot:
        """As of `now`, which is `wall` on the calendar (aware UTC)."""
        self.age(now)
        return PeerMetricsSnapshot(
            at=wall,
            idle_s=self.idle_s(now),
            rtt_s=self.rtt_s,
            throughput_bps=self.throughput_bps,
            throughput_var=self.throughput_var,
            samples=self.samples,
            error_rate=self.error_rate,
            timeout_rate=self.timeout_rate,
            cancellation_rate=self.cancellation_rate,
            successful=self.successful,
            failed=tuple(sorted((reason.value, count) for reason, count in self.failed.items() if count > 0)),
            corrupt=self.corrupt,
            timeouts=self.timeouts,
            cancelled_by_peer=self.cancelled_by_peer,
            not_delivered=self.not_delivered,
            wrong_claims=self.wrong_claims,
            busy=self.busy,
            verified_bytes=self.verified_bytes,
        )

    def absorb(self, past: PeerMetricsSnapshot, *, now: float, wall: datetime) -> None:
        """Add what an earlier session learnt, decayed to `now` = `wall`. Averages are taken over unless this session has its own by now.

        A snapshot from the future (the calendar was set back) counts as one of this moment.
        """
        self.age(now)
        past = past.decayed_to(wall)
        untouched = self.revision == 0
        for name in COUNTERS:
            setattr(self, name, getattr(self, name) + getattr(past, name))
        for code, count in past.failed:
            reason = _FAILURES.get(code, Failure.OTHER)
            self.failed[reason] = self.failed.get(reason, 0.0) + count
        if untouched:
            self.error_rate, self.timeout_rate = past.error_rate, past.timeout_rate
            self.cancellation_rate = past.cancellation_rate
            self._outcome_at = now - past.idle_s
        if not self.samples and past.throughput_bps and past.samples:
            self.samples = min(past.samples, RESUMED_SAMPLES)
            self._bytes, self._seconds = past.throughput_bps * SAMPLE_S, SAMPLE_S
            self.throughput_var = past.throughput_var
        if self.rtt_s is None and past.rtt_s is not None:
            self.rtt_s, self.rtt_samples = past.rtt_s, RESUMED_SAMPLES

    # ---- private

    def _outcome(self, now: float, *, error: float = 0.0, timeout: float = 0.0, cancellation: float = 0.0) -> None:
        self.age(now)
        self.revision += 1
        self._outcome_at = max(self._outcome_at, now)
        self.error_rate += ALPHA * (error - self.error_rate)
        self.timeout_rate += ALPHA * (timeout - self.timeout_rate)
        self.cancellation_rate += ALPHA * (cancellation - self.cancellation_rate)

    def _take_sample(self) -> None:
        count, seconds = self._sample_bytes, self._sample_s
        self._sample_bytes, self._sample_s = 0, 0.0
        if self.samples < _WARM:
            self.samples += 1
        weight = 1 / self.samples
        if weight < 1:
            apart = count / seconds - self._bytes / self._seconds
            self.throughput_var = (1 - weight) * (self.throughput_var + weight * apart * apart)
        self._bytes += weight * (count - self._bytes)
        self._seconds += weight * (seconds - self._seconds)

    def _fade(self, elapsed: float) -> None:
        kept = 0.5 ** (elapsed / HALF_LIFE_S)
        self.successful *= kept
        self.corrupt *= kept
        self.timeouts *= kept
        self.cancelled_by_peer *= kept
        self.not_delivered *= kept
        self.wrong_claims *= kept
        self.busy *= kept
        self.verified_bytes *= kept
        self.error_rate *= kept
        self.timeout_rate *= kept
        self.cancellation_rate *= kept
        for reason in self.failed:
            self.failed[reason] *= kept


_FAILURES: Final = {reason.value: reason for reason in Failure}
