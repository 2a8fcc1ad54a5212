"""Retries wait longer each time, within bounds, and never less than asked for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apps.domain.jobs.backoff import RULES, retry_delay_s, rule_of


@given(st.sampled_from([*RULES, "anything"]), st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_delays_stay_within_their_rule(code: str, tries: int, jitter: float) -> None:
    rule, delay = rule_of(code), retry_delay_s(code, tries=tries, jitter=jitter)
    if rule.tries is not None and tries >= rule.tries:
        assert delay is None
    else:
        assert delay is not None
        assert 0.75 * rule.base_s <= delay <= 1.25 * rule.cap_s


def test_a_stated_time_is_a_lower_bound_but_not_for_ever() -> None:
    assert retry_delay_s("musicbrainz_unavailable", tries=1, jitter=0, retry_after_s=120) == 120
    assert retry_delay_s("musicbrainz_unavailable", tries=1, jitter=0, retry_after_s=10**9) == 3600


def test_waiting_for_musicbrainz_never_gives_up_and_garbage_does() -> None:
    assert retry_delay_s("musicbrainz_unavailable", tries=10**6, jitter=0.5) is not None
    assert retry_delay_s("musicbrainz_garbled", tries=5, jitter=0.5) is None
