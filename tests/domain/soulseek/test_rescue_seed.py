"""Rescue mode as its seed asks for it (features D1 to D3), line by line: each quoted line has the test that shows it, as far as it is decided purely."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.domain.soulseek.guardrails import (
    GRACE_BYTES,
    GuardrailSettings,
    RescueFacts,
    may_rescue,
    overlay_budget_bytes,
)
from apps.domain.soulseek.performance import KIB, PerformanceWatch, RescueRules, Trouble
from apps.domain.soulseek.words import SOULSEEK_SENTENCES
from slskdn_site.config import Config

MINUTE = 60
MIB = 1 << 20
RULES = GuardrailSettings()
SEEN = RescueFacts(
    mode="hybrid", origin_attempted=True, origin_seen=True, origin_alive=True, provable=True, soulseek_bytes=MIB
)


class TestDetection:
    """D1."""

    def test_time_in_the_queued_state_is_tracked(self) -> None:
        """“For each Soulseek transfer, track: time in `queued` state.”"""
        watch = PerformanceWatch(RescueRules(max_queue_s=10 * MINUTE), now=0)
        assert watch.look(10 * MINUTE).params["waited_s"] == 10 * MINUTE
        watch.active(10 * MINUTE)
        watch.queued(20 * MINUTE)
        assert watch.look(31 * MINUTE).params["waited_s"] == 11 * MINUTE  # the second wait alone

    def test_the_active_speed_is_tracked_in_bytes_a_second(self) -> None:
        """“… active transfer speed (bytes/sec).”"""
        watch = PerformanceWatch(RescueRules(), now=0)
        for second in range(100):
            watch.arrived(second, 5000)
        assert watch.meter.bps(100, window_s=50) == pytest.approx(5000, rel=0.03)

    @pytest.mark.parametrize("minutes", [10, 30])
    def test_the_longest_wait_is_configurable(self, minutes: int) -> None:
        """“`max_queue_time_before_rescue` (e.g. 10–30 min).”"""
        watch = PerformanceWatch(RescueRules(max_queue_s=minutes * MINUTE), now=0)
        assert not watch.look(minutes * MINUTE - 1).underperforming
        assert watch.look(minutes * MINUTE).trouble is Trouble.QUEUED

    @pytest.mark.parametrize("floor", [5, 10])
    @pytest.mark.parametrize("lasting", [30, 300])
    def test_the_least_speed_and_how_long_it_must_last_are_configurable(self, floor: int, lasting: int) -> None:
        """“`min_active_speed_for_rescue` (e.g. < 5–10 KB/s sustained over N seconds).”"""
        rules = RescueRules(min_throughput_kbps=floor, min_duration_s=lasting)
        below, above = PerformanceWatch(rules, now=0), PerformanceWatch(rules, now=0)
        found = []
        for second in range(lasting + 1):
            below.arrived(second, int((floor - 1) * KIB))
            above.arrived(second, int((floor + 1) * KIB))
            found.append(below.look(second).underperforming)
            assert not above.look(second).underperforming
        assert found.index(True) == lasting  # not a second before it was sustained

    def test_the_configuration_has_the_seed_s_defaults(self) -> None:
        """“`rescue.enabled: true`, `rescue.max_queue_minutes: 30`, `rescue.min_speed_kbps: 10`.”"""
        rescue = Config().transfers.rescue_mode
        assert (rescue.enabled, rescue.max_queue_time_seconds, rescue.min_throughput_kbps) == (True, 1800, 10)
        assert (RescueRules().max_queue_s, RescueRules().min_throughput_kbps) == (1800, 10)

    def test_whatever_exceeds_a_threshold_is_marked_and_says_which(self) -> None:
        """“If a transfer exceeds these thresholds: mark it as `underperforming`”; “the reason (queue vs speed)”."""
        queued = PerformanceWatch(RescueRules(), now=0).look(1800)
        slow = PerformanceWatch(RescueRules(), now=0)
        for second in range(301):
            slow.arrived(second, KIB)
        stalled = PerformanceWatch(RescueRules(), now=0)
        stalled.arrived(0, 50_000)
        found = [queued, slow.look(300), stalled.look(120)]
        assert [one.trouble for one in found] == [Trouble.QUEUED, Trouble.SLOW, Trouble.STALLED]
        assert all(one.underperforming for one in found)

    @pytest.mark.parametrize("trouble", list(Trouble))
    def test_every_reason_has_words_for_the_list(self, trouble: Trouble) -> None:
        """“A CLI or debug view can list underperforming transfers and the reason.”"""
        assert SOULSEEK_SENTENCES[trouble.value]

    @settings(deadline=None)
    @given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 40 * KIB)), min_size=1, max_size=80))
    def test_no_transfer_is_in_trouble_that_keeps_every_threshold(self, steps: list[tuple[int, int]]) -> None:
        """The other direction of “exceeds”: whatever the pattern, a rule holds only where its own figure says so."""
        rules = RescueRules(max_queue_s=100, min_duration_s=40, stall_timeout_s=20, min_throughput_kbps=10)
        watch, now = PerformanceWatch(rules, now=0), 0
        for pause, count in steps:
            now += pause
            before = watch.look(now)
            if before.trouble is Trouble.STALLED and before.since == now:
                assert watch.meter.quiet_s(now) >= rules.stall_timeout_s
            if before.trouble is Trouble.SLOW and before.since == now:
                assert watch.meter.bps(now, window_s=rules.min_duration_s) < 10 * KIB
            watch.arrived(now, count)


class TestRescue:
    """D2, what of it is a rule."""

    def test_the_soulseek_transfer_goes_on_and_may_catch_up(self) -> None:
        """“Keep the original Soulseek transfer active …; if it catches up, its bytes are still accepted.”"""
        assert may_rescue(SEEN, RULES).code == "rescue_allowed"
        assert "goes on" in SOULSEEK_SENTENCES["rescue_allowed"]
        rules = RescueRules(min_duration_s=30, recovery_s=20)
        watch = PerformanceWatch(rules, now=0)
        for second in range(31):
            watch.arrived(second, KIB)
        assert watch.look(30).underperforming
        for second in range(31, 120):
            watch.arrived(second, 51 * KIB)
            watch.look(second)
        assert not watch.look(119).underperforming  # preferred again

    def test_more_soulseek_bytes_allow_more_of_the_mesh(self) -> None:
        """Its bytes count: each one of the origin's makes room for `max_overlay_to_soulseek_ratio` of the mesh's."""
        some = overlay_budget_bytes(replace(SEEN, soulseek_bytes=10 * MIB), RULES)
        more = overlay_budget_bytes(replace(SEEN, soulseek_bytes=11 * MIB), RULES)
        assert some is not None
        assert more == some + 2 * MIB

    @pytest.mark.parametrize("strict", [False, True])
    def test_without_an_origin_s_byte_and_without_proof_it_is_never_valid(self, *, strict: bool) -> None:
        """“At no point is the job considered valid if no Soulseek source exists at all and no verifiable MB/fingerprint match can be established.”"""
        facts = replace(SEEN, origin_alive=False, soulseek_bytes=0, provable=False)
        ruling = may_rescue(facts, GuardrailSettings(strict=strict))
        assert (ruling.allowed, ruling.code) == (False, "rescue_overlay_only_unproven")


class TestGuardrails:
    """D3."""

    def test_a_soulseek_source_was_attempted_unless_the_configuration_says_otherwise(self) -> None:
        """“At least one active or attempted Soulseek source per job, unless explicitly overridden by config.”"""
        facts = replace(SEEN, origin_attempted=False)
        assert may_rescue(facts, RULES).code == "rescue_origin_not_attempted"
        assert may_rescue(facts, GuardrailSettings(require_soulseek_origin=False)).allowed

    @pytest.mark.parametrize("most", [0.5, 2.0, 10.0])
    def test_the_mesh_s_bytes_per_soulseek_byte_have_a_limit_of_the_configuration(self, most: float) -> None:
        """“A maximum ratio of overlay bytes to Soulseek bytes per job (e.g. not more than X:1).”"""
        rules = GuardrailSettings(max_overlay_to_soulseek_ratio=most)
        facts = replace(SEEN, soulseek_bytes=100 * MIB, overlay_bytes=int(most * 100) * MIB)
        assert may_rescue(facts, rules).allowed
        beyond = may_rescue(replace(facts, overlay_bytes=facts.overlay_bytes + MIB), rules)
        assert (beyond.code, beyond.params["most"]) == ("rescue_ratio_reached", most)

    def test_the_first_bytes_of_the_mesh_are_free_so_that_a_rescue_can_begin_at_all(self) -> None:
        """A ratio over nothing would refuse every rescue of a queued transfer."""
        queued = replace(SEEN, soulseek_bytes=0, overlay_bytes=GRACE_BYTES)
        assert may_rescue(queued, RULES).allowed
        assert not may_rescue(replace(queued, overlay_bytes=GRACE_BYTES + 1), RULES).allowed

    def test_overlay_only_is_refused_unless_it_is_allowed_and_proven(self) -> None:
        """“By default, the job … refuses to proceed as overlay-only, unless an explicit "allow_overlay_only_if_verified_by_fingerprint" mode is enabled.”"""
        alone = replace(SEEN, origin_alive=False, soulseek_bytes=0)
        allowed, forbidden = (
            GuardrailSettings(allow_overlay_only_if_verified_by_fingerprint=one) for one in (True, False)
        )
        assert may_rescue(alone, forbidden).code == "rescue_overlay_only_forbidden"
        assert may_rescue(alone, allowed).code == "rescue_origin_dead"
        assert may_rescue(replace(alone, provable=False), allowed).code == "rescue_overlay_only_unproven"

    def test_what_was_never_seen_on_soulseek_is_never_fetched(self) -> None:
        """“Never initiates overlay transfers for recordings that do not exist in the Soulseek graph as far as slskdn can see.”"""
        for alive in (True, False):
            facts = replace(SEEN, origin_seen=False, origin_alive=alive)
            assert may_rescue(facts, RULES).code == "rescue_never_on_soulseek"

    @settings(deadline=None)
    @given(
        st.builds(
            RescueFacts,
            mode=st.sampled_from(["legacy", "hybrid", "mesh"]),
            origin_attempted=st.booleans(), origin_seen=st.booleans(), origin_alive=st.booleans(), provable=st.booleans(),
            overlay_bytes=st.integers(0, 1 << 40), soulseek_bytes=st.integers(0, 1 << 40),
            rescues_running=st.integers(0, 9), already_rescued=st.booleans(),
        )
    )  # fmt: skip
    def test_the_invariants_hold_for_whatever_is_known(self, facts: RescueFacts) -> None:
        """“The invariants that keep Soulseek as the canonical network”, of any transfer under the default rules."""
        ruling = may_rescue(facts, RULES)
        assert ruling.code in SOULSEEK_SENTENCES
        if not ruling.allowed or facts.mode == "mesh":
            return
        assert facts.mode == "hybrid"
        assert facts.origin_attempted
        assert facts.origin_seen
        assert facts.soulseek_bytes or facts.origin_alive or facts.provable
        if facts.origin_alive and facts.overlay_bytes > GRACE_BYTES:
            assert facts.overlay_bytes <= 2.0 * facts.soulseek_bytes
        assert facts.already_rescued or facts.rescues_running < 5

    def test_the_configuration_has_the_seed_s_defaults_and_documents_each(self) -> None:
        """“`rescue.require_soulseek_source: true`, `rescue.max_overlay_ratio: 2.0`”; “there is a config section documenting …”."""
        section = Config().transfers.rescue_mode.guardrails
        assert (section.require_soulseek_origin, section.max_overlay_to_soulseek_ratio) == (True, 2.0)
        assert all(field.description for field in type(section).model_fields.values())
        assert GuardrailSettings() == GuardrailSettings(**section.model_dump())

    @pytest.mark.parametrize(
        "code",
        [
            "rescue_too_many", "rescue_origin_not_attempted", "rescue_never_on_soulseek", "rescue_overlay_only_unproven",
            "rescue_overlay_only_forbidden", "rescue_ratio_reached", "rescue_not_in_legacy",
        ],
    )  # fmt: skip
    def test_every_violation_has_words(self, code: str) -> None:
        """“Detailed logging for guardrail violations.”"""
        assert SOULSEEK_SENTENCES[code]
