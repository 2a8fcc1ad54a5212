"""The fairness governor at work: looks at the ledger, turns the overlay down and up, prefers Soulseek, and writes down what it did and why.

What is decided is pure (`apps.domain.soulseek.fairness`). Here a share of the usual becomes bytes a second: the usual is the fastest that the overlay
brought lately while nothing held it back, so that a quarter of it is a quarter also on a line without limits. The result is a limit beneath those that
persons set (`RateLimits.govern`); no transfer is ever stopped by it.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from apps.domain.contracts.node_work import WantWork
from apps.domain.contracts.soulseek_traffic import FairnessReport, JobHunt, TrafficPlane
from apps.domain.errors import DomainError, Param
from apps.domain.jobs.lifecycle import WantDesired
from apps.domain.mesh.policy import Mode
from apps.domain.soulseek.fairness import (
    ASKED_CODE,
    CAP_CODE,
    CAP_RULE,
    FIRST_CODE,
    TRICKLE_BYTES_S,
    Fairness,
    FairnessGovernor,
    FairnessRules,
    JobFacts,
    job_fairness,
)
from apps.domain.soulseek.guardrails import GuardrailSettings
from overlay_node.ports import TrafficRows
from overlay_node.soulseek.traffic import TrafficCounter
from overlay_node.swarm.rate_limits import Direction, RateLimits, Scope

log = logging.getLogger(__name__)

LOOK_S: Final = 10.0
"""Between two looks at the ledger."""
USUAL_BYTES_S: Final = 1 << 20
"""Taken for usual until something was measured."""
LEAST_USUAL_BYTES_S: Final = 256 << 10
FORGET_S: Final = 3600.0
"""After so long, half of a measured speed counts."""
UPLOADS_SHARE: Final = 0.5
"""What the overlay's uploads keep of their usual speed while Soulseek's go first and somebody waits for them."""


@dataclass(slots=True)
class _Usual:
    """The fastest lately, bytes a second. Mutable: fed by every look."""

    seen: float = 0.0
    last_total: int = 0

    def feed(self, total: int, elapsed_s: float, *, free: bool) -> None:
        """`total` bytes so far; `free`: nothing of ours held it back meanwhile."""
        rate = (total - self.last_total) / elapsed_s if elapsed_s > 0 else 0.0
        self.last_total = total
        if free:
            self.seen = max(rate, self.seen * 0.5 ** (elapsed_s / FORGET_S))

    def bytes_s(self, allowed_kbps: int) -> float:
        """What counts as usual where a person allows so many KiB/s (0: any)."""
        usual = max(self.seen, LEAST_USUAL_BYTES_S) if self.seen else float(USUAL_BYTES_S)
        return min(usual, allowed_kbps * 1024.0) if allowed_kbps else usual


class NodeFairness:
    """One per node. `mode` as it comes out now (hybrid without an account is mesh). `clock` is monotonic seconds, `wall` aware UTC; `jobs` the groups being fetched over the overlay now, `wants` all
    that are known.

    `guardrails` are those of rescues: with `enforce_per_job` they hold for whole jobs. `provable`: a fingerprint can be asked for.
    `soulseek_gives` (a want's id → Soulseek brings it now), `soulseek_awaits` (somebody on Soulseek was asked for it and does well enough) and
    `soulseek_uploads_wait` are set by the Soulseek plane's parts.
    """

    def __init__(
        self,
        rules: FairnessRules,
        *,
        mode: Callable[[], Mode],
        guardrails: GuardrailSettings,
        provable: bool,
        rows: TrafficRows,
        traffic: TrafficCounter,
        limits: RateLimits,
        jobs: Callable[[], Collection[uuid.UUID]],
        wants: Callable[[], Collection[WantWork]],
        clock: Callable[[], float],
        wall: Callable[[], datetime],
    ) -> None:
        self.rules: Final = rules
        self.current = Fairness()
        """what holds for the whole node; for uploads and hunts that order by it"""
        self.job_states: Final[dict[uuid.UUID, Fairness]] = {}
        """jobs that are slowed by themselves"""
        self.soulseek_gives: Callable[[uuid.UUID], bool] = lambda _want: False
        self.soulseek_awaits: Callable[[uuid.UUID], bool] = lambda _want: False
        self.soulseek_uploads_wait: Callable[[], bool] = lambda: False
        self.rescue_says: Callable[[uuid.UUID], str | None] = lambda _want: None
        """of a want whose Soulseek stream does badly: "" when the mesh may help, else why not; None: no such stream"""
        self._mode: Final = mode
        self._guardrails: Final = guardrails
        self._provable: Final = provable
        self._hunts: Mapping[uuid.UUID, JobHunt] = {}
        self._hunts_asked: frozenset[uuid.UUID] = frozenset()
        """groups of which `_hunts` tells, by leaving them out too"""
        self._rows: Final = rows
        self._traffic: Final = traffic
        self._limits: Final = limits
        self._jobs: Final = jobs
        self._wants: Final = wants
        self._clock: Final = clock
        self._wall: Final = wall
        self._governor: FairnessGovernor | None = None
        self._told: tuple[str, float, bool] = ("", 1.0, False)
        self._usual: Final = {direction: _Usual() for direction in Direction}
        self._looked_at: float | None = None
        self._reports: list[FairnessReport] = []
        self._cap(None)

    # ---- for those who ask

    def slows(self, want: WantWork) -> tuple[str, Mapping[str, Param]]:
        """Why this want's overlay downloads run slower than they could: code and params, ("", {}) when they don't."""
        job = self.job_states.get(want.group_id or want.id)
        if job is not None and job.intensity < self.current.intensity:
            return job.code, job.params
        if self.current.intensity < 1.0:
            return self.current.code, self.current.params
        if self.rules.overlay_bandwidth_cap:
            return CAP_CODE, {"rule": CAP_RULE, "kib_s": self.rules.overlay_bandwidth_cap}
        return "", {}

    def holds_back(self, want: WantWork) -> str:
        """A code when the overlay should not begin this want: its job is refused more, or Soulseek is preferred and brings it, or is just being asked for it."""
        if (said := self.rescue_says(want.id)) is not None:
            return said
        group = want.group_id or want.id
        job = self.job_states.get(group)
        if job is not None and job.refuses:
            return job.code
        if not (self.current.prefer_soulseek or (job is not None and job.prefer_soulseek)):
            return ""
        if self.soulseek_gives(want.id):
            return FIRST_CODE
        hunt = self._hunts.get(group)
        looked_for = group not in self._hunts_asked or (hunt is not None and hunt.searching)
        return ASKED_CODE if looked_for or self.soulseek_awaits(want.id) else ""

    def report(self) -> dict[str, object]:
        """For the heartbeat: what holds now."""
        down, up = self._limits.governed(Direction.DOWN), self._limits.governed(Direction.UP)
        return {
            "code": self.current.code,
            "params": dict(self.current.params),
            "share": self.current.intensity,
            "prefer_soulseek": self.current.prefer_soulseek,
            "prefer_soulseek_uploads": self.current.prefer_soulseek_uploads,
            "down_bps": round(down) if down is not None else None,
            "up_bps": round(up) if up is not None else None,
            "jobs": {str(job): told.code for job, told in sorted(self.job_states.items(), key=lambda one: str(one[0]))},
        }

    def metrics(self) -> dict[str, float]:
        """Gauges, Prometheus names."""
        return {
            "slskdn_node_fairness_share": self.current.intensity,
            "slskdn_node_fairness_prefers_soulseek": float(self.current.prefer_soulseek),
            "slskdn_node_fairness_jobs_slowed": float(len(self.job_states)),
        }

    # ---- time

    async def look(self, now: float | None = None) -> None:
        """Every LOOK_S: judge by what is written, act, write down what changed. `now`: what steps are timed by, when it is not the clock."""
        try:
            if self._governor is None:
                await self._go_on()
            assert self._governor is not None
            glance = await self._rows.traffic_glance(self._wall())
            jobs = await self._rows.jobs_traffic(self._judged()) if self.rules.enforce_per_job else {}
            attempts = await self._rows.jobs_hunts(list(jobs)) if jobs else {}
        except DomainError as error:  # what held goes on holding
            log.warning("fairness_not_judged code=%s", error.code)
            return
        timed, now, mode = now, self._clock(), self._mode().value
        self._measure(now)
        self.current = self._governor.look(glance.week, now=now if timed is None else timed, mode=mode, day=glance.day)
        for job_id, traffic in jobs.items():
            facts = JobFacts(
                traffic=traffic,
                attempted=attempts.get(job_id, JobHunt()).attempted,
                alive=any(
                    self.soulseek_gives(want.id) for want in self._wants() if (want.group_id or want.id) == job_id
                ),
                provable=self._provable,
            )
            self._judge_job(job_id, job_fairness(facts, self.rules, self._guardrails, mode=mode), now)
        for job_id in [one for one in self.job_states if one not in jobs]:  # it has ended
            self._release_job(job_id, now)
        self._apply(now)
        self._note()
        await self._look_at_hunts()
        await self._write()

    # ---- private

    def _judged(self) -> frozenset[uuid.UUID]:
        """Jobs that fetch now, and those that are slowed until nothing of them is wanted any more."""
        if not self.job_states:
            return frozenset(self._jobs())
        active = {want.group_id or want.id for want in self._wants() if want.desired is WantDesired.ACTIVE}
        return frozenset(self._jobs()) | (active & self.job_states.keys())

    async def _look_at_hunts(self) -> None:
        """Which jobs Soulseek is just being searched for: only while it is preferred."""
        preferring = self.current.prefer_soulseek or any(one.prefer_soulseek for one in self.job_states.values())
        groups = frozenset(want.group_id or want.id for want in self._wants() if want.desired is WantDesired.ACTIVE)
        if not preferring:
            self._hunts, self._hunts_asked = {}, frozenset()
            return
        try:
            self._hunts = await self._rows.jobs_hunts(groups)
        except DomainError as error:  # what was known goes on
            log.warning("hunts_not_read code=%s", error.code)
            return
        self._hunts_asked = groups

    async def _go_on(self) -> None:
        """From where the process before ended: its share, and what was usual then."""
        last = await self._rows.fairness_last()
        share = 1.0
        if last is not None and last.action != "released":
            share = last.share
            usual = last.params.get("usual_kib_s")
            if isinstance(usual, int | float):
                self._usual[Direction.DOWN].seen = usual * 1024.0
            self._told = (last.rule, share, last.action == "trickle")
        self._governor = FairnessGovernor(self.rules, share=share)

    def _measure(self, now: float) -> None:
        elapsed = now - self._looked_at if self._looked_at is not None else 0.0
        self._looked_at = now
        for direction, usual in self._usual.items():
            free = self._limits.governed(direction) is None and self.current.intensity == 1.0
            usual.feed(self._traffic.total(TrafficPlane.OVERLAY, direction), elapsed, free=free)

    def _apply(self, now: float) -> None:
        if self.current.trickle:
            down: float | None = float(TRICKLE_BYTES_S)
            up: float | None = float(TRICKLE_BYTES_S)
        else:
            down = self._of_usual(Direction.DOWN, self.current.intensity)
            first = self.current.prefer_soulseek_uploads and self.soulseek_uploads_wait()
            up = self._of_usual(Direction.UP, UPLOADS_SHARE) if first else None
        self._limits.govern(Direction.DOWN, self._cap(down), now)
        self._limits.govern(Direction.UP, up, now)

    def _of_usual(self, direction: Direction, share: float) -> float | None:
        if share >= 1.0:
            return None
        usual = self._usual[direction].bytes_s(self._limits.kbps_of(Scope.NODE, "", direction))
        return max(float(TRICKLE_BYTES_S), share * usual)

    def _cap(self, down: float | None) -> float | None:
        """The configured cap beside what the governor leaves; in force from the first moment on."""
        cap = self.rules.overlay_bandwidth_cap
        if not cap:
            return down
        found = cap * 1024.0 if down is None else min(down, cap * 1024.0)
        if self._looked_at is None:
            self._limits.govern(Direction.DOWN, found, self._clock())
        return found

    def _note(self) -> None:
        """A line and a row for each change of the whole node."""
        before = self._told
        told = (self.current.rule, self.current.intensity, self.current.trickle)
        if told[1:] == before[1:]:
            self._told = told
            return
        self._told = told
        share = self.current.intensity
        action = (
            "trickle" if self.current.trickle
            else "released" if share >= 1.0
            else "throttled" if share < before[1]
            else "eased"
        )  # fmt: skip
        rule = self.current.rule or before[0]
        usual = round(self._usual[Direction.DOWN].bytes_s(self._limits.kbps_of(Scope.NODE, "", Direction.DOWN)) / 1024)
        down = self._limits.governed(Direction.DOWN)
        log.warning(
            "fairness rule=%s action=%s share=%.2f down_kib_s=%s prefer_soulseek=%s soulseek_uploads_first=%s code=%s",
            rule, action, share, "unlimited" if down is None else round(down / 1024),
            self.current.prefer_soulseek, self.current.prefer_soulseek_uploads, self.current.code,
        )  # fmt: skip
        params = {"code": self.current.code, **self.current.params, "usual_kib_s": usual}
        if down is not None:
            params["down_kib_s"] = round(down / 1024)
        self._reports.append(FairnessReport(at=self._wall(), rule=rule, action=action, share=share, params=params))

    def _judge_job(self, job_id: uuid.UUID, told: Fairness, now: float) -> None:
        if told.intensity >= 1.0:
            if job_id in self.job_states:
                self._release_job(job_id, now)
            return
        before = self.job_states.get(job_id)
        new = before is None or before.refuses is not told.refuses
        self.job_states[job_id] = told
        self._limits.govern(Direction.DOWN, self._of_usual(Direction.DOWN, told.intensity), now, job=str(job_id))
        if new:
            action = "job_refused" if told.refuses else "job_slowed"
            log.warning(
                "fairness rule=%s action=%s job=%s code=%s params=%s",
                told.rule, action, job_id, told.code, dict(told.params),
            )  # fmt: skip
            self._reports.append(
                FairnessReport(
                    at=self._wall(),
                    rule=told.rule,
                    action=action,
                    share=told.intensity,
                    job_id=job_id,
                    params={"code": told.code, **told.params},
                )
            )

    def _release_job(self, job_id: uuid.UUID, now: float) -> None:
        told = self.job_states.pop(job_id)
        self._limits.govern(Direction.DOWN, None, now, job=str(job_id))
        log.info("fairness rule=%s action=job_released job=%s", told.rule, job_id)
        self._reports.append(
            FairnessReport(at=self._wall(), rule=told.rule, action="job_released", share=1.0, job_id=job_id, params={})
        )

    async def _write(self) -> None:
        reports, self._reports = self._reports, []
        if not reports:
            return
        try:
            await self._rows.fairness_record(reports)
        except DomainError as error:  # with the next look
            log.warning("fairness_not_written code=%s", error.code)
            self._reports = reports + self._reports
