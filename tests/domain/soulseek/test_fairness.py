"""The fairness governor."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.domain.soulseek.fairness import (
    CLEARLY,
    GRACE_BYTES,
    STEP_S,
    STEPS,
    Colour,
    Fairness,
    FairnessGovernor,
    FairnessRules,
    JobFacts,
    Traffic,
    job_fairness,
    rule_states,
)
from apps.domain.soulseek.guardrails import GuardrailSettings
from apps.domain.soulseek.words import SOULSEEK_SENTENCES

RULES = FairnessRules(min_overlay_upload_download_ratio=0.5, max_overlay_to_soulseek_upload_ratio=2.0)
GIB = 1 << 30
LEECH = Traffic(overlay_up=1 * GIB, overlay_down=10 * GIB, soulseek_up=5 * GIB)
FAIR = Traffic(overlay_up=6 * GIB, overlay_down=10 * GIB, soulseek_up=5 * GIB)
BORDERLINE = Traffic(overlay_up=int(5.2 * GIB), overlay_down=10 * GIB, soulseek_up=5 * GIB)


def test_below_the_grace_volume_nothing_is_said() -> None:
    new = Traffic(overlay_down=GRACE_BYTES - 1)
    assert {one.colour for one in rule_states(new, RULES)} == {Colour.NONE}
    assert FairnessGovernor(RULES).look(new, now=0).intensity == 1.0


def test_it_turns_down_step_by_step_and_never_to_nothing() -> None:
    governor = FairnessGovernor(RULES)
    seen = [governor.look(LEECH, now=second).intensity for second in range(0, 600, 5)]
    assert sorted(set(seen), reverse=True) == list(STEPS[1:])
    assert seen == sorted(seen, reverse=True)
    assert min(seen) > 0
    told = governor.look(LEECH, now=600)
    assert (told.code, told.params["rule"]) == (
        "fairness_min_overlay_upload_download_ratio",
        "min_overlay_upload_download_ratio",
    )
    assert told.prefer_soulseek


def test_it_turns_up_again_only_once_the_ratio_is_clearly_better() -> None:
    governor = FairnessGovernor(RULES)
    governor.look(LEECH, now=0)
    governor.look(LEECH, now=STEP_S)
    assert governor.look(BORDERLINE, now=1000).intensity == STEPS[2]
    assert governor.look(FAIR, now=2000).intensity == STEPS[1]
    assert governor.look(FAIR, now=2000 + STEP_S).intensity == STEPS[1]
    assert governor.look(FAIR, now=2000 + 2 * STEP_S).code == "fairness_fine"


def test_giving_all_to_the_mesh_starves_soulseek_and_is_told_the_way_people_know_the_rule() -> None:
    starving = Traffic(overlay_up=9 * GIB, overlay_down=1, soulseek_up=3 * GIB)
    (_, state) = rule_states(starving, RULES)
    assert (state.violated, state.ratio, state.limit) == (True, 3.0, 2.0)
    assert FairnessGovernor(RULES).look(starving, now=0).prefer_soulseek_uploads


def test_in_mesh_mode_only_the_overlays_own_ratio_counts() -> None:
    starving = Traffic(overlay_up=9 * GIB, overlay_down=GIB)
    assert not any(one.violated for one in rule_states(starving, RULES, mode="mesh"))
    told = FairnessGovernor(RULES).look(LEECH, now=0, mode="mesh")
    assert (told.code, told.prefer_soulseek) == ("fairness_min_overlay_upload_download_ratio", False)


def test_generous_nodes_and_legacy_mode_are_never_throttled() -> None:
    generous = FairnessRules(min_overlay_upload_download_ratio=0.5, generous=True)
    assert FairnessGovernor(generous).look(LEECH, now=0).intensity == 1.0
    assert FairnessGovernor(RULES).look(LEECH, now=0, mode="legacy").intensity == 1.0


JOB = FairnessRules(enforce_per_job=True)
BEYOND = Traffic(overlay_down=5 * GIB, soulseek_down=1 * GIB)
ALONE = Traffic(overlay_down=5 * GIB)


def of_job(facts: JobFacts, rules: FairnessRules = JOB, *, mode: str = "hybrid", **guardrails: Any) -> Fairness:
    return job_fairness(facts, rules, GuardrailSettings(**guardrails), mode=mode)


@pytest.mark.parametrize(("enforced", "intensity"), [(True, STEPS[3]), (False, 1.0)])
def test_a_job_is_slowed_only_when_that_is_asked_for(enforced: bool, intensity: float) -> None:
    told = of_job(JobFacts(traffic=BEYOND, alive=True), FairnessRules(enforce_per_job=enforced))
    assert (told.intensity, told.refuses) == (intensity, False)
    assert told.code == ("fairness_job" if enforced else "fairness_fine")


@pytest.mark.parametrize(
    ("facts", "guardrails", "code", "refuses"),
    [
        # Soulseek gives, or nothing proves what the mesh gives: the ratio binds, and slows.
        (JobFacts(traffic=BEYOND, attempted=True, alive=True, provable=True), {}, "fairness_job", False),
        (JobFacts(traffic=BEYOND, attempted=True), {}, "fairness_job", False),
        (JobFacts(traffic=BEYOND, attempted=True, alive=True), {"max_overlay_to_soulseek_ratio": 5.0}, "", False),
        # Soulseek has nothing any more, and a fingerprint settles it: nothing binds but `strict`.
        (JobFacts(traffic=BEYOND, attempted=True, provable=True), {}, "", False),
        (JobFacts(traffic=BEYOND, attempted=True, provable=True), {"strict": True}, "fairness_job_refused", True),
        (JobFacts(traffic=ALONE, attempted=True, provable=True), {}, "", False),
        # The mesh alone: never behind Soulseek's back, never without proof, and not where it is forbidden.
        (JobFacts(traffic=ALONE, provable=True), {}, "fairness_job_not_attempted", True),
        (JobFacts(traffic=ALONE, provable=True), {"require_soulseek_origin": False}, "", False),
        (JobFacts(traffic=ALONE, attempted=True), {}, "fairness_job_alone", True),
        (
            JobFacts(traffic=ALONE, attempted=True, provable=True),
            {"allow_overlay_only_if_verified_by_fingerprint": False},
            "fairness_job_alone",
            True,
        ),
    ],
)
def test_the_rescues_guardrails_hold_for_a_whole_job(
    facts: JobFacts, guardrails: dict[str, Any], code: str, refuses: bool
) -> None:
    told = of_job(facts, **guardrails)
    assert (told.code, told.refuses) == (code or "fairness_fine", refuses)
    assert told.intensity == (STEPS[3] if code else 1.0)
    assert told.prefer_soulseek is bool(code)
    assert code == "" or SOULSEEK_SENTENCES[code].format(**told.params)


@pytest.mark.parametrize("mode", ["mesh", "legacy"])
def test_where_there_are_not_two_networks_no_job_is_judged(mode: str) -> None:
    assert of_job(JobFacts(traffic=ALONE), mode=mode).code == "fairness_fine"


def test_a_small_job_is_not_judged_and_a_generous_node_judges_none() -> None:
    small = Traffic(overlay_down=GRACE_BYTES // 8 - 1)
    assert of_job(JobFacts(traffic=small)).code == "fairness_fine"
    assert of_job(JobFacts(traffic=ALONE), FairnessRules(enforce_per_job=True, generous=True)).code == "fairness_fine"
    assert of_job(JobFacts(traffic=Traffic(soulseek_down=5 * GIB))).code == "fairness_fine"


@settings(deadline=None)
@given(st.lists(st.floats(0.9, 1.09), min_size=20, max_size=200))
def test_a_ratio_that_wavers_around_its_limit_is_never_released(wavering: list[float]) -> None:
    governor = FairnessGovernor(RULES)
    governor.look(LEECH, now=0)
    lowest = 1.0
    for at, factor in enumerate(wavering, 1):
        assert factor < CLEARLY
        traffic = Traffic(overlay_up=int(5 * GIB * factor), overlay_down=10 * GIB, soulseek_up=5 * GIB)
        now_is = governor.look(traffic, now=at * 3 * STEP_S).intensity
        assert now_is <= lowest
        lowest = now_is


DAY = FairnessRules(overlay_day_bytes=50 * GIB)


def test_the_defaults_are_the_numbers_of_the_protocol_facts() -> None:
    rules = FairnessRules()
    assert rules.min_overlay_upload_download_ratio == 0.5
    assert rules.max_overlay_to_soulseek_upload_ratio == 2.0
    assert (rules.overlay_day_bytes, rules.grace_bytes) == (50 * GIB, 2 * GIB)
    assert (rules.enforce_per_job, rules.generous, rules.overlay_bandwidth_cap) == (False, False, None)


def test_a_used_up_day_leaves_a_trickle_at_once_and_is_released_only_when_clearly_less_was_moved() -> None:
    governor = FairnessGovernor(DAY)
    week = Traffic(overlay_up=60 * GIB, overlay_down=60 * GIB, soulseek_up=60 * GIB)
    below = Traffic(overlay_up=20 * GIB, overlay_down=29 * GIB)
    assert governor.look(week, now=0, day=below).code == "fairness_fine"
    told = governor.look(week, now=1, day=Traffic(overlay_up=21 * GIB, overlay_down=30 * GIB))
    assert (told.trickle, told.code, told.params["used_gib"]) == (True, "fairness_overlay_day_gib", 51.0)
    assert governor.look(week, now=2, day=below).trickle
    assert not governor.look(week, now=3, day=Traffic(overlay_down=45 * GIB)).trickle


def test_the_days_volume_counts_in_mesh_mode_too_and_also_below_the_grace_volume() -> None:
    tight = FairnessRules(overlay_day_bytes=GIB)
    used = Traffic(overlay_down=GIB)
    assert FairnessGovernor(tight).look(used, now=0, day=used, mode="mesh").trickle
    assert not FairnessGovernor(tight).look(used, now=0, day=used, mode="legacy").trickle
    generous = FairnessRules(overlay_day_bytes=GIB, generous=True)
    assert not FairnessGovernor(generous).look(used, now=0, day=used).trickle


@pytest.mark.parametrize(("share", "intensity"), [(1.0, 0.75), (0.75, 0.5), (0.5, 0.25), (0.1, 0.1)])
def test_it_goes_on_where_the_process_before_stopped(share: float, intensity: float) -> None:
    assert FairnessGovernor(RULES, share=share).look(LEECH, now=0).intensity == intensity


def test_the_grace_volume_is_the_configured_one() -> None:
    strict = FairnessRules(grace_bytes=GIB)
    taken = Traffic(overlay_down=GIB, soulseek_up=GIB)
    assert FairnessGovernor(strict).look(taken, now=0).intensity < 1
    assert FairnessGovernor(FairnessRules()).look(Traffic(overlay_down=GIB), now=0).intensity == 1.0


def test_no_word_says_infinity() -> None:
    told = FairnessGovernor(RULES).look(Traffic(overlay_up=9 * GIB, overlay_down=1), now=0)
    assert told.code == "fairness_nothing_on_soulseek"
    assert told.params["ratio"] == 999_999.0


def test_a_rule_that_was_switched_off_lets_go_step_by_step() -> None:
    governor = FairnessGovernor(FairnessRules.none(), share=0.25)
    told = governor.look(LEECH, now=0)
    assert (told.code, told.intensity) == ("fairness_released", 0.5)
    assert governor.look(LEECH, now=2 * STEP_S).intensity == 0.75
    assert governor.look(LEECH, now=4 * STEP_S).code == "fairness_fine"


def test_least_contribution_to_soulseek_is_a_rule_when_it_is_set() -> None:
    rules = FairnessRules(min_soulseek_contribution=0.5)
    taker = Traffic(overlay_down=10 * GIB, overlay_up=6 * GIB, soulseek_up=4 * GIB)
    told = FairnessGovernor(rules).look(taker, now=0)
    assert (told.code, told.prefer_soulseek_uploads) == ("fairness_min_soulseek_contribution", True)
