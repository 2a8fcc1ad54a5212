"""Guardrails of a rescue."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.domain.soulseek.guardrails import (
    GRACE_BYTES,
    GuardrailSettings,
    RescueFacts,
    may_ask_for_more,
    may_rescue,
    overlay_budget_bytes,
)

RULES = GuardrailSettings()
SEEN = RescueFacts(origin_attempted=True, origin_seen=True, origin_alive=True, provable=True, soulseek_bytes=1)
MIB = 1 << 20


@pytest.mark.parametrize(
    ("facts", "rules", "code"),
    [
        (replace(SEEN, mode="legacy"), RULES, "rescue_not_in_legacy"),
        (replace(SEEN, origin_attempted=False), RULES, "rescue_origin_not_attempted"),
        (replace(SEEN, origin_seen=False), RULES, "rescue_never_on_soulseek"),
        (replace(SEEN, rescues_running=5), RULES, "rescue_too_many"),
        (replace(SEEN, overlay_bytes=21 * MIB, soulseek_bytes=10 * MIB), RULES, "rescue_ratio_reached"),
        (replace(SEEN, origin_alive=False, soulseek_bytes=0, provable=False), RULES, "rescue_overlay_only_unproven"),
        (
            replace(SEEN, origin_alive=False, soulseek_bytes=0),
            GuardrailSettings(allow_overlay_only_if_verified_by_fingerprint=False),
            "rescue_overlay_only_forbidden",
        ),
        (
            replace(SEEN, origin_alive=False, overlay_bytes=21 * MIB, soulseek_bytes=10 * MIB),
            GuardrailSettings(strict=True),
            "rescue_ratio_reached",
        ),
    ],
)
def test_each_rule_refuses_with_its_code(facts: RescueFacts, rules: GuardrailSettings, code: str) -> None:
    ruling = may_rescue(facts, rules)
    assert (ruling.allowed, ruling.code) == (False, code)


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (SEEN, "rescue_allowed"),
        (replace(SEEN, mode="mesh", origin_seen=False), "rescue_mesh_mode"),
        (replace(SEEN, rescues_running=5, already_rescued=True), "rescue_allowed"),
        (replace(SEEN, overlay_bytes=GRACE_BYTES, soulseek_bytes=0), "rescue_allowed"),
        (replace(SEEN, origin_alive=False, overlay_bytes=500 * MIB, soulseek_bytes=1), "rescue_origin_dead"),
    ],
)
def test_what_is_allowed_says_under_which_condition(facts: RescueFacts, code: str) -> None:
    ruling = may_rescue(facts, RULES)
    assert (ruling.allowed, ruling.code) == (True, code)


@settings(deadline=None)
@given(
    st.integers(0, 200 * MIB), st.integers(0, 200 * MIB), st.booleans(), st.booleans(), st.booleans(),
    st.floats(0.1, 10),
)  # fmt: skip
def test_within_the_budget_the_ratio_never_refuses_and_beyond_it_always(
    overlay: int, soulseek: int, alive: bool, provable: bool, strict: bool, most: float
) -> None:
    rules = GuardrailSettings(strict=strict, max_overlay_to_soulseek_ratio=most)
    facts = replace(SEEN, overlay_bytes=overlay, soulseek_bytes=soulseek, origin_alive=alive, provable=provable)
    budget = overlay_budget_bytes(facts, rules)
    if budget is None:
        assert may_rescue(facts, rules).code != "rescue_ratio_reached"
        return
    used_up = replace(facts, overlay_bytes=overlay + budget)
    assert budget == 0 or may_rescue(used_up, rules).code != "rescue_ratio_reached"
    beyond = replace(used_up, overlay_bytes=used_up.overlay_bytes + 2 * MIB)
    assert not may_rescue(beyond, rules).allowed


@pytest.mark.parametrize("soulseek", [0, 1, GRACE_BYTES // 2, 10 * GRACE_BYTES])
def test_whoever_may_ask_for_nothing_more_is_refused_to_the_byte(soulseek: int) -> None:
    """A transfer that waits for room it doesn't have would look as if it were helped."""
    rules = GuardrailSettings(strict=True)
    most = max(GRACE_BYTES, 2 * soulseek)
    for overlay, allowed in ((most - 1, True), (most, False), (most + 1, False)):
        facts = RescueFacts(
            origin_attempted=True,
            origin_seen=True,
            origin_alive=True,
            provable=True,
            overlay_bytes=overlay,
            soulseek_bytes=soulseek,
        )
        assert may_ask_for_more(facts, rules).allowed is allowed
        assert (overlay_budget_bytes(facts, rules) == 0) is not allowed
