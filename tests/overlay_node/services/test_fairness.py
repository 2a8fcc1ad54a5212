"""The fairness governor at work: steps by a clock of the test, limits beneath persons', rows and reasons; and in a real mesh."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import uuid
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

import pytest

from apps.domain.contracts.node_work import RateLimitWork
from apps.domain.contracts.soulseek_traffic import FairnessReport, JobHunt, TrafficPlane
from apps.domain.errors import DomainError
from apps.domain.jobs.lifecycle import WantDesired, WantPhase
from apps.domain.mesh.policy import Mode
from apps.domain.soulseek.fairness import FIRST_CODE, GIB, TRICKLE_BYTES_S, Fairness, FairnessRules, Traffic
from apps.domain.soulseek.guardrails import GuardrailSettings
from overlay_node.services.fairness import USUAL_BYTES_S, NodeFairness
from overlay_node.soulseek.traffic import TrafficCounter
from overlay_node.store.memory_store import MemoryStore
from overlay_node.store.soulseek.traffic_memory import MemoryTraffic
from overlay_node.swarm.rate_limits import Direction, RateLimits, Scope
from tests.overlay_node.services.mesh_world import RELEASE, MeshWorld, assembled, library_entry, want

OVERLAY, SOULSEEK = TrafficPlane.OVERLAY, TrafficPlane.SOULSEEK
UP, DOWN = Direction.UP, Direction.DOWN
JOB = uuid.UUID(int=7)
OTHER = uuid.UUID("33333333-3333-4333-8333-333333333333")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = FairnessRules(overlay_day_bytes=None)


class Desk:
    """A governor over rows in memory, and a hand on its clock."""

    def __init__(
        self,
        rules: FairnessRules = RULES,
        *,
        mode: Mode = Mode.HYBRID,
        rows: MemoryTraffic | None = None,
        provable: bool = False,
    ) -> None:
        self.now = 1000.0
        self.running = True
        self.rows = rows or MemoryTraffic()
        self.limits = RateLimits(now=self.now)
        self.traffic = TrafficCounter(self.rows, boot_id=uuid.uuid4(), wall=lambda: NOON)
        self.want = want(group_id=JOB)
        self.fairness = NodeFairness(
            rules,
            mode=lambda: mode,
            guardrails=GuardrailSettings(),
            provable=provable,
            rows=self.rows,
            traffic=self.traffic,
            limits=self.limits,
            jobs=lambda: {JOB} if self.running else set(),
            wants=lambda: [self.want],
            clock=lambda: self.now,
            wall=lambda: NOON,
        )

    def passes(self, *, down: int = 0, up: int = 0, soulseek_up: int = 0, soulseek_down: int = 0) -> None:
        self.traffic.add(OVERLAY, DOWN, "p", down, JOB)
        self.traffic.add(OVERLAY, UP, "p", up)
        self.traffic.soulseek_up("bob", soulseek_up)
        self.traffic.soulseek_down("bob", soulseek_down, JOB)
        asyncio.run(self.traffic.flush())

    def look(self, after_s: float = 10.0) -> None:
        self.now += after_s
        asyncio.run(self.fairness.look())

    @property
    def acted(self) -> list[tuple[str, float]]:
        return [(one.action, one.share) for one in self.rows.actions]


def test_it_turns_the_mesh_down_step_by_step_and_up_again_and_writes_each_step(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = Desk()
    desk.passes(down=8 * GIB, up=GIB, soulseek_up=8 * GIB)
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            desk.look(60)
    assert desk.acted == [("throttled", 0.75), ("throttled", 0.5), ("throttled", 0.25), ("throttled", 0.1)]
    assert desk.limits.governed(DOWN) == pytest.approx(0.1 * USUAL_BYTES_S)
    assert desk.limits.node_budget(DOWN).rate == desk.limits.governed(DOWN)
    assert desk.limits.node_budget(UP).rate is None
    code, params = desk.fairness.slows(desk.want)
    assert (code, params["percent"]) == ("fairness_min_overlay_upload_download_ratio", 10)
    assert "rule=min_overlay_upload_download_ratio action=throttled share=0.10" in caplog.text
    desk.passes(up=4 * GIB)
    for _ in range(5):
        desk.look(120)
    assert [one for one in desk.acted if one[0] != "throttled"] == [
        ("eased", 0.25), ("eased", 0.5), ("eased", 0.75), ("released", 1.0),
    ]  # fmt: skip
    assert desk.limits.node_budget(DOWN).rate is None
    assert desk.fairness.slows(desk.want) == ("", {})
    assert {one.rule for one in desk.rows.actions} == {"min_overlay_upload_download_ratio"}


def test_a_person_s_limit_stays_the_upper_one_and_the_share_is_of_it() -> None:
    desk = Desk()
    desk.limits.apply([RateLimitWork(scope="global", key="", direction="down", kbps=100)], desk.now)
    desk.passes(down=8 * GIB, up=GIB, soulseek_up=8 * GIB)
    desk.look()
    assert desk.limits.node_budget(DOWN).rate == pytest.approx(0.75 * 100 * 1024)
    desk.limits.apply([RateLimitWork(scope="global", key="", direction="down", kbps=10)], desk.now)
    assert desk.limits.node_budget(DOWN).rate == 10 * 1024  # lower than what the governor leaves
    desk.limits.apply([], desk.now)
    assert desk.limits.node_budget(DOWN).rate == desk.limits.governed(DOWN)
    assert desk.limits.kbps_of(Scope.NODE, "", DOWN) == 0


def test_the_usual_is_what_was_measured_while_nothing_held_it_back() -> None:
    desk = Desk()
    desk.look()
    desk.passes(down=100 << 20, soulseek_up=GIB)
    desk.look(10)  # 10 MiB/s
    desk.passes(down=8 * GIB)
    desk.look(3600 * 10)  # slow since, and violated now
    usual = desk.limits.governed(DOWN)
    assert usual is not None
    assert 0.75 * (256 << 10) <= usual <= 0.75 * (10 << 20)


def test_a_used_up_day_leaves_a_trickle_both_ways() -> None:
    desk = Desk(FairnessRules(overlay_day_bytes=GIB, min_overlay_upload_download_ratio=None))
    desk.passes(down=GIB, up=1, soulseek_up=GIB)
    desk.look()
    assert (desk.limits.governed(DOWN), desk.limits.governed(UP)) == (TRICKLE_BYTES_S, TRICKLE_BYTES_S)
    assert desk.acted == [("trickle", 0.1)]
    assert desk.fairness.slows(desk.want)[0] == "fairness_overlay_day_gib"


def test_the_configured_cap_holds_from_the_first_moment_and_says_so() -> None:
    desk = Desk(FairnessRules(overlay_bandwidth_cap=200, overlay_day_bytes=None))
    assert desk.limits.node_budget(DOWN).rate == 200 * 1024
    assert desk.fairness.slows(desk.want) == (
        "fairness_overlay_bandwidth_cap",
        {"rule": "overlay_bandwidth_cap", "kib_s": 200},
    )
    desk.look()
    assert desk.limits.node_budget(DOWN).rate == 200 * 1024
    assert desk.acted == []


def test_soulseek_s_uploads_go_first_while_somebody_waits_for_them() -> None:
    desk = Desk()
    desk.passes(up=8 * GIB, down=1, soulseek_up=GIB)
    desk.look()
    assert desk.fairness.current.prefer_soulseek_uploads
    assert desk.limits.governed(UP) is None
    desk.fairness.soulseek_uploads_wait = lambda: True
    desk.look()
    assert desk.limits.governed(UP) == pytest.approx(0.5 * USUAL_BYTES_S)
    desk.fairness.soulseek_uploads_wait = lambda: False
    desk.look()
    assert desk.limits.governed(UP) is None


def test_a_want_that_soulseek_gives_waits_while_soulseek_is_preferred() -> None:
    desk = Desk()
    desk.fairness.soulseek_gives = lambda want_id: want_id == desk.want.id
    desk.look()
    assert desk.fairness.holds_back(desk.want) == ""
    desk.passes(down=8 * GIB, soulseek_up=8 * GIB)
    desk.look()
    assert desk.fairness.holds_back(desk.want) == "fairness_soulseek_first"
    desk.fairness.soulseek_gives = lambda _want: False
    assert desk.fairness.holds_back(desk.want) == ""


@pytest.mark.parametrize("rules", [FairnessRules(generous=True), FairnessRules.none()])
def test_generous_or_without_rules_nothing_is_held_back(rules: FairnessRules) -> None:
    desk = Desk(rules)
    desk.passes(down=80 * GIB)
    desk.look()
    assert desk.limits.governed(DOWN) is None
    assert desk.acted == []


def test_in_mesh_mode_soulseek_is_no_matter() -> None:
    desk = Desk(mode=Mode.MESH)
    desk.passes(down=GIB, up=40 * GIB)
    desk.look()
    assert desk.acted == []
    desk.passes(down=90 * GIB)
    desk.look()
    assert desk.acted == [("throttled", 0.75)]
    assert not desk.fairness.current.prefer_soulseek


def test_a_job_that_takes_too_much_is_slowed_by_itself_until_soulseek_gave_its_part(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = Desk(dataclasses.replace(FairnessRules.none(), enforce_per_job=True))
    desk.passes(down=GIB, soulseek_down=GIB // 4)
    with caplog.at_level(logging.WARNING):
        desk.look()
        desk.look()
    assert desk.acted == [("job_slowed", 0.25)]
    assert "action=job_slowed" in caplog.text
    assert desk.limits.job_budget(DOWN, str(JOB), desk.now).rate == pytest.approx(0.25 * USUAL_BYTES_S)
    assert desk.limits.node_budget(DOWN).rate is None
    assert desk.fairness.slows(desk.want)[0] == "fairness_job"
    assert desk.fairness.slows(want())[0] == ""
    desk.running = False  # nothing of it flows just now: it stays slowed
    desk.look()
    assert len(desk.acted) == 1
    desk.passes(soulseek_down=GIB)
    desk.look()
    assert desk.acted[-1] == ("job_released", 1.0)
    assert desk.limits.job_budget(DOWN, str(JOB), desk.now).rate is None


def test_a_job_that_soulseek_was_not_asked_for_begins_nothing_more_on_the_mesh_until_it_was() -> None:
    desk = Desk(dataclasses.replace(FairnessRules.none(), enforce_per_job=True), provable=True)
    desk.passes(down=GIB)
    desk.look()
    assert desk.acted == [("job_refused", 0.25)]
    assert desk.fairness.holds_back(desk.want) == "fairness_job_not_attempted"
    assert desk.fairness.slows(desk.want)[0] == "fairness_job_not_attempted"
    assert desk.fairness.holds_back(want()) == ""  # of another job
    desk.fairness.rescue_says = lambda _want: ""  # its own guardrails let the mesh help a stream that does badly
    assert desk.fairness.holds_back(desk.want) == ""
    desk.fairness.rescue_says = lambda _want: None
    desk.rows.hunts[JOB] = JobHunt(attempted=True)
    desk.look()
    assert desk.acted[-1] == ("job_released", 1.0)
    assert desk.fairness.holds_back(desk.want) == ""


def test_what_soulseek_gives_of_a_job_makes_its_origin_alive() -> None:
    desk = Desk(dataclasses.replace(FairnessRules.none(), enforce_per_job=True), provable=True)
    desk.rows.hunts[JOB] = JobHunt(attempted=True)
    desk.passes(down=GIB, soulseek_down=GIB // 4)
    desk.look()
    assert desk.acted == []  # nobody there gives any more, and a fingerprint settles what comes
    desk.fairness.soulseek_gives = lambda want_id: want_id == desk.want.id
    desk.look()
    assert desk.acted == [("job_slowed", 0.25)]
    assert desk.fairness.holds_back(desk.want) == "fairness_soulseek_first"


def test_while_soulseek_is_preferred_the_mesh_waits_for_its_search_and_for_whom_it_asked() -> None:
    desk = Desk()
    desk.passes(down=8 * GIB, soulseek_up=8 * GIB)
    desk.rows.hunts[JOB] = JobHunt(attempted=True, searching=True)
    desk.look()
    assert desk.fairness.current.prefer_soulseek
    assert desk.fairness.holds_back(desk.want) == "fairness_soulseek_asked"
    newer = want(group_id=uuid.UUID(int=8))
    assert desk.fairness.holds_back(newer) == "fairness_soulseek_asked"  # until the next look knows its hunt
    desk.rows.hunts[JOB] = JobHunt(attempted=True)  # nothing was found, or somebody was asked
    desk.look()
    assert desk.fairness.holds_back(desk.want) == ""
    desk.fairness.soulseek_awaits = lambda want_id: want_id == desk.want.id
    assert desk.fairness.holds_back(desk.want) == "fairness_soulseek_asked"
    desk.fairness.soulseek_awaits = lambda _want: False
    desk.passes(up=8 * GIB)
    for _ in range(3):
        desk.look(120)
    assert desk.acted[-1] == ("released", 1.0)
    desk.rows.hunts[JOB] = JobHunt(searching=True)
    desk.look()
    assert desk.fairness.holds_back(desk.want) == ""  # both at the same time


def test_when_hunts_can_t_be_read_what_was_known_of_them_goes_on() -> None:
    class Gone(MemoryTraffic):
        gone = False

        async def jobs_hunts(self, job_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, JobHunt]:
            if self.gone:
                raise DomainError("gone", code="store_unavailable")
            return await super().jobs_hunts(job_ids)

    rows = Gone()
    desk = Desk(rows=rows)
    rows.hunts[JOB] = JobHunt(searching=True)
    desk.passes(down=8 * GIB, soulseek_up=8 * GIB)
    desk.look()
    rows.gone = True
    desk.look()
    assert desk.fairness.holds_back(desk.want) == "fairness_soulseek_asked"


def test_a_job_that_has_ended_is_forgotten() -> None:
    desk = Desk(dataclasses.replace(FairnessRules.none(), enforce_per_job=True))
    desk.rows.hunts[JOB] = JobHunt(attempted=True)
    desk.passes(down=GIB, soulseek_down=1)
    desk.look()
    desk.running = False
    desk.want = dataclasses.replace(desk.want, desired=WantDesired.SATISFIED)
    desk.look()
    assert desk.acted == [("job_slowed", 0.25), ("job_released", 1.0)]


def test_a_restart_goes_on_where_it_was_and_a_released_one_begins_free() -> None:
    rows = MemoryTraffic()
    first = Desk(rows=rows)
    first.passes(down=8 * GIB, up=GIB, soulseek_up=8 * GIB)
    for _ in range(3):
        first.look(60)
    second = Desk(rows=rows)
    second.look()
    assert second.acted[-1] == ("throttled", 0.1)
    assert len(second.acted) == 4
    rows.actions.append(FairnessReport(at=NOON, rule="r", action="released", share=1.0))
    third = Desk(rows=rows)
    third.look()
    assert third.acted[-1] == ("throttled", 0.75)


def test_when_rows_can_t_be_read_what_held_goes_on_holding() -> None:
    class Gone(MemoryTraffic):
        gone = False

        async def jobs_traffic(self, job_ids: object) -> dict[uuid.UUID, Traffic]:
            if self.gone:
                raise DomainError("gone", code="store_unavailable")
            return {}

    rows = Gone()
    desk = Desk(FairnessRules(enforce_per_job=True, overlay_day_bytes=None), rows=rows)
    desk.passes(down=8 * GIB, up=GIB, soulseek_up=8 * GIB)
    desk.look(60)
    rows.gone = True
    desk.look(60)
    assert desk.limits.governed(DOWN) == pytest.approx(0.75 * USUAL_BYTES_S)


def test_in_a_real_mesh_it_steps_in_says_why_and_lets_go_once_enough_is_given(mesh: MeshWorld, music: Path) -> None:
    rules = FairnessRules(grace_bytes=256 << 10, max_overlay_to_soulseek_upload_ratio=None)

    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        given = library_entry(music / "two.flac", recording=OTHER)
        await mesh.seeder("giver", entry, upload_kbps=600)
        store = MemoryStore([given])
        wanted = want(group_id=JOB)
        store.want_put(wanted)
        node = await mesh.start("taker", store, seed_releases=(RELEASE,), fairness=rules)
        began = mesh.reactor.seconds()
        await mesh.until(lambda: node.swarms.down_bytes.total() > 600_000)
        await node.traffic.flush()
        for step in range(3):
            await node.fairness.look(began + 60 * step)
        assert [one.share for one in store.ledger.actions] == [0.75, 0.5, 0.25]
        assert node.limits.node_budget(DOWN).rate == node.limits.governed(DOWN)
        await mesh.until(lambda: store.progress[wanted.id].code == "fairness_min_overlay_upload_download_ratio")
        told = store.progress[wanted.id]
        assert (told.phase, told.params["percent"]) == (WantPhase.FETCHING, 25)
        assert not assembled(store)
        assert node.report()["fairness"]["share"] == 0.25  # type: ignore[index]

        other = MemoryStore()
        other.want_put(want(OTHER))
        await mesh.start("other", other)
        await mesh.until(lambda: assembled(other))  # what is given is not slowed
        await node.traffic.flush()
        glance = await store.ledger.traffic_glance(datetime.now(UTC))
        assert glance.week.overlay_up == given.payload.payload_bytes
        for step in range(3):
            await node.fairness.look(began + 1000 + 120 * step)
        assert [(one.action, one.share) for one in store.ledger.actions[3:]] == [
            ("eased", 0.5), ("eased", 0.75), ("released", 1.0),
        ]  # fmt: skip
        assert node.limits.node_budget(DOWN).rate is None
        await mesh.until(lambda: assembled(store))
        await node.traffic.flush()
        assert store.ledger.jobs[JOB, "overlay"] == store.ledger.peers.total() - given.payload.payload_bytes
        assert store.ledger.jobs[JOB, "overlay"] >= entry.payload.payload_bytes

    mesh.run(scenario())


def test_the_reconciler_begins_nothing_that_soulseek_gives_while_it_is_preferred_and_says_so(
    mesh: MeshWorld, music: Path
) -> None:
    async def scenario() -> None:
        await mesh.seeder("giver", library_entry(music / "one.flac"))
        store = MemoryStore()
        wanted = want(group_id=JOB)
        node = await mesh.start("taker", store, mode=Mode.HYBRID)
        node.fairness.current = Fairness(prefer_soulseek=True, intensity=0.5)
        gives = {wanted.id}
        node.fairness.soulseek_gives = gives.__contains__
        store.want_put(wanted)
        await mesh.until(lambda: wanted.id in store.progress and store.progress[wanted.id].code == FIRST_CODE)
        assert store.progress[wanted.id].phase is WantPhase.SEEKING
        assert not store.transfers
        node.fairness.current = Fairness()  # in balance again: both at the same time, whatever Soulseek gives
        node.reconciler.wake()
        await mesh.until(lambda: assembled(store))

    mesh.run(scenario())
