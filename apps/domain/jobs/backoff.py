"""When to try again: exponential, capped, with jitter, never sooner than the other side asked for. Pure: the random number is an argument."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MAX_HONOURED_S = 3600.0
"""A service's Retry-After is believed up to this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """How a kind of failure is retried. `tries` is the number of attempts in all; None: until a person stops it."""

    base_s: float
    cap_s: float
    tries: int | None = None


DEFAULT_RULE = RetryRule(base_s=5, cap_s=300, tries=5)
RULES: Mapping[str, RetryRule] = {
    # Other people's services come back: wait for them, ever more patiently.
    "musicbrainz_unavailable": RetryRule(base_s=5, cap_s=600),
    "musicbrainz_garbled": RetryRule(base_s=5, cap_s=60, tries=5),
    "musicbrainz_offline": RetryRule(base_s=60, cap_s=600),
    "discogs_unavailable": RetryRule(base_s=10, cap_s=600),
    "discogs_garbled": RetryRule(base_s=10, cap_s=60, tries=5),
    "rate_limited": RetryRule(base_s=2, cap_s=30),
    "broker_unavailable": RetryRule(base_s=2, cap_s=30),
    # After about an hour and a half a file is placed as unconfirmed instead.
    "acoustid_unavailable": RetryRule(base_s=10, cap_s=900, tries=12),
    "acoustid_garbled": RetryRule(base_s=10, cap_s=60, tries=5),
    # A person has to make room or fix rights; looking is cheap.
    "disk_full": RetryRule(base_s=10, cap_s=300),
    "library_missing": RetryRule(base_s=10, cap_s=300),
    "library_permission": RetryRule(base_s=10, cap_s=300),
    "library_read_only": RetryRule(base_s=10, cap_s=300),
    "disk_error": RetryRule(base_s=30, cap_s=600),
    "decode_tool_missing": RetryRule(base_s=60, cap_s=600, tries=10),
    "decode_timeout": RetryRule(base_s=30, cap_s=300, tries=3),
}


def rule_of(code: str) -> RetryRule:
    """The rule for a code; bounded where nothing else is said."""
    return RULES.get(code, DEFAULT_RULE)


def retry_delay_s(code: str, *, tries: int, jitter: float, retry_after_s: float | None = None) -> float | None:
    """Seconds until the next attempt after `tries` failed ones (≥ 1); None: no more attempts.

    `jitter` in [0, 1) spreads the delay over ±25 %. A stated Retry-After is a lower bound.
    """
    rule = rule_of(code)
    if rule.tries is not None and tries >= rule.tries:
        return None
    delay = min(rule.cap_s, rule.base_s * 2.0 ** min(tries - 1, 30)) * (0.75 + 0.5 * jitter)
    return max(delay, min(retry_after_s or 0.0, MAX_HONOURED_S))
