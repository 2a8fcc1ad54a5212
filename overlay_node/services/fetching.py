"""Keeps the transfers of a want going: its primary, and beside it a fallback while the primary stalls.

The decisions are `overlay_node.swarm.race`'s; here they become transfers that start, stop, are held or give way. Every call is one look; what it
does is idempotent, and all it relies on are rows and what runs.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from apps.domain.audio.payload import PayloadFormat, leaf_bytes_of
from apps.domain.contracts.node_work import TransferWork, WantWork
from apps.domain.jobs.lifecycle import TransferRole
from overlay_node.ports import Store
from overlay_node.protocol.messages import CancelReason
from overlay_node.services.payload_choice import PayloadChoice
from overlay_node.services.pursuit import AVOID_S, Pursuit
from overlay_node.services.runner_ports import RunnerState
from overlay_node.services.swarm_runner import SwarmRunner
from overlay_node.services.swarms import MAX_RUNNING, Swarms
from overlay_node.swarm import race
from overlay_node.swarm.choice import Candidate, PayloadKey, explain
from overlay_node.swarm.rate_limits import Direction, RateLimits, Scope
from overlay_node.swarm.sampling import sample_bytes

log = logging.getLogger(__name__)

COMPARE_S: Final = 5.0  # between two looks at what else could be fetched: they cost two reads of rows
NO_ROOM_S: Final = 60.0  # before a fallback that found no room on the disk is tried again
STALL_LOOK_S: Final = 5.0  # without a verified byte: further sources are looked for at once


class GiveUp(Protocol):
    """Ends a transfer and removes its partial file."""

    def __call__(self, transfer: TransferWork, *, code: str, reason: CancelReason) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a look came to."""

    waiting: str = ""
    """why nothing flows; "" while something does"""
    blocked: bool = False
    queued: bool = False
    again: bool = False
    """something changed: look again at once"""
    sources: int = 0
    beside: bool = False
    """a fallback is being fetched beside the primary"""


class Fetching:
    """`clock` is monotonic seconds, `jitter` spreads a pause."""

    def __init__(
        self,
        *,
        store: Store,
        swarms: Swarms,
        choice: PayloadChoice,
        clock: Callable[[], float],
        jitter: Callable[[float], float],
        limits: RateLimits,
        give_up: GiveUp,
    ) -> None:
        self._store: Final = store
        self._swarms: Final = swarms
        self._choice: Final = choice
        self._clock: Final = clock
        self._jitter: Final = jitter
        self._limits: Final = limits
        self._give_up: Final = give_up

    def busy(self, want: WantWork) -> bool:
        """True when as many other wants are being fetched as is sensible. A fallback takes no place: its primary brings nothing."""
        others = {runner.work.want_id for runner in self._swarms.running} - {want.id}
        return len(others) >= MAX_RUNNING

    async def start(
        self, want: WantWork, candidate: Candidate, found: Sequence[Candidate], *, role: TransferRole
    ) -> TransferWork | None:
        """A row for a chosen payload, with the reason. None: the want changed meanwhile."""
        told = explain(found, candidate)
        transfer = await self._store.transfer_start(
            want.id,
            payload_format=candidate.key.payload_format,
            payload_root=candidate.key.payload_root,
            profile=candidate.profile,
            payload_bytes=candidate.payload_bytes,
            leaf_bytes=leaf_bytes_of(PayloadFormat(candidate.key.payload_format)),
            role=role,
            choice=told.to_json(),
        )
        if transfer is not None:
            log.info(
                "payload_chosen want=%s role=%s root=%s profile=%s peers=%d others=%d because=%s ours=%s theirs=%s",
                want.id, role.value, candidate.key.payload_root.hex()[:12], candidate.profile, len(candidate.peers),
                told.others, told.term, told.ours, told.theirs,
            )  # fmt: skip
        return transfer

    async def keep_going(self, want: WantWork, live: Sequence[TransferWork], pursuit: Pursuit) -> Fetched:
        """Run what is live of an active want (nothing of it assembled or denied), and do the step that its race asks for."""
        primary = next((one for one in live if one.role is TransferRole.PRIMARY), live[0])
        fallback = next((one for one in live if one is not primary), None)
        stopped = await self._keep_primary(want, primary, fallback, pursuit)
        if stopped is not None:
            return stopped
        if fallback is not None and await self._fallback_failed(want, fallback, pursuit):
            fallback = None
        for transfer in live:
            await self._sample(want, transfer, pursuit)
        now = self._clock()
        lap = self._lap(primary, pursuit)
        beside = self._lap(fallback, pursuit) if fallback is not None else None
        limited = self._limited(want)
        others = await self._others(want, lap, beside, pursuit, limited=limited)
        step = pursuit.race.step(primary=lap, fallback=beside, others=others, limited=limited, now=now)
        if lap.stalled_s < STALL_LOOK_S:
            pursuit.stall_looked = False
        elif not pursuit.stall_looked:
            pursuit.stall_looked = True
            pursuit.look_now(now)
        again = await self._carry_out(step, want, live, fallback, pursuit)
        return self._outcome([one for one in (primary, fallback) if one is not None], again=again)

    def hold_others(self, live: Sequence[TransferWork], assembled: TransferWork) -> None:
        """A file stands complete: whatever else is fetched of its want waits, with what it has, for the verdict."""
        for one in live:
            if one.id != assembled.id:
                self._swarms.stop(one.id, CancelReason.COMPLETE)

    # ---- private

    async def _keep_primary(
        self, want: WantWork, primary: TransferWork, fallback: TransferWork | None, pursuit: Pursuit
    ) -> Fetched | None:
        """None: it runs."""
        now = self._clock()
        runner = self._swarms.runners.get(primary.id)
        if runner is not None and runner.state is RunnerState.BLOCKED:
            self._swarms.stop(primary.id, CancelReason.ERROR)
            pursuit.blocked(runner.code, until=now + self._jitter(pursuit.blocked_pause))
            if fallback is not None and self._flows(fallback):
                await self._give_up(primary, code=runner.code, reason=CancelReason.ERROR)
                pursuit.begin_anew()
                pursuit.unblocked()
                return Fetched(again=True)
            if fallback is not None:  # it makes room
                await self._give_up(fallback, code=runner.code, reason=CancelReason.ERROR)
                pursuit.begin_anew()
            await self._store.transfer_blocked(primary.id, code=runner.code)
            runner = None
        if runner is None:
            if pursuit.blocked_until > now:
                return Fetched(blocked=True)
            if self.busy(want):
                return Fetched(queued=True)
            await self._choice.remember(want)
            self._run(want, primary, pursuit)
        elif runner.reports and pursuit.blocked_code:
            pursuit.unblocked()
            await self._store.transfer_blocked(primary.id, code="")
        return None

    async def _fallback_failed(self, want: WantWork, fallback: TransferWork, pursuit: Pursuit) -> bool:
        """Run it, unless it is held; True when the disk has no room for it: it is gone then."""
        runner = self._swarms.runners.get(fallback.id)
        if runner is not None and runner.state is RunnerState.BLOCKED:
            await self._give_up(fallback, code=runner.code, reason=CancelReason.ERROR)
            pursuit.fallback_again_at = self._clock() + self._jitter(NO_ROOM_S)
            pursuit.begin_anew()
            return True
        if runner is None and not pursuit.fallback_held:
            self._run(want, fallback, pursuit)
        return False

    def _run(self, want: WantWork, transfer: TransferWork, pursuit: Pursuit) -> SwarmRunner:
        now = self._clock()
        pursuit.paces[transfer.id] = race.Pace(started_at=now, progressed_at=now)
        return self._swarms.run(
            transfer,
            kbps=want.constraints.overlay_bandwidth_kbps,
            group_id=want.group_id or want.id,
            refused_preambles=want.refused_preambles,
        )

    async def _sample(self, want: WantWork, transfer: TransferWork, pursuit: Pursuit) -> None:
        """Tell, once, that its beginning can be fingerprinted."""
        runner = self._swarms.runners.get(transfer.id)
        needed = sample_bytes(transfer.payload_bytes, duration_ms=want.duration_ms)
        if runner is None or needed is None or transfer.id in pursuit.sampled:
            return
        beginning = runner.beginning()
        if beginning is None or beginning[1] < needed:
            return
        pursuit.sampled.add(transfer.id)
        path, payload_bytes, before = beginning
        await self._store.transfer_sampled(transfer.id, path=str(path), sample_bytes=before + payload_bytes)

    def _lap(self, transfer: TransferWork, pursuit: Pursuit) -> race.Lap:
        now = self._clock()
        runner = self._swarms.runners.get(transfer.id)
        held = runner.report().verified_bytes if runner is not None else 0
        pace = pursuit.paces.setdefault(transfer.id, race.Pace(started_at=now, progressed_at=now))
        if runner is not None and runner.reports:
            pace.note(held, now)
            if runner.allowance.spent:  # it could, and may not: no other payload would be quicker
                pace.progressed_at = now
        return race.Lap(
            transfer=transfer.id,
            key=PayloadKey(transfer.payload_format, transfer.payload_root),
            profile=transfer.profile,
            held_bytes=held,
            left_bytes=max(0, transfer.payload_bytes - held),
            speed_bps=pace.rate_bps(now) if runner is not None else 0.0,
            stalled_s=now - pace.progressed_at,
            running_s=now - pace.started_at,
            held=runner is None,
        )

    async def _others(
        self, want: WantWork, lap: race.Lap, beside: race.Lap | None, pursuit: Pursuit, *, limited: bool
    ) -> tuple[Candidate, ...]:
        """What else could be fetched, as far as it matters now."""
        now = self._clock()
        stalled = lap.stalled_s >= race.STALLED_S
        if beside is None:
            slow = not limited and lap.running_s >= race.SETTLED_S and lap.left_s > race.SLOWER_FLOOR_S
            matters = (stalled or slow) and pursuit.fallback_again_at <= now
        else:
            matters = stalled and beside.stalled_s >= race.STALLED_S
        if not matters:
            return ()
        if pursuit.others_at is None or now - pursuit.others_at >= COMPARE_S or not pursuit.others:
            live = {lap.key} | ({beside.key} if beside is not None else set())
            pursuit.others, _ = await self._choice.candidates(want, without=live | pursuit.avoided(now))
            pursuit.others_at = now
        return pursuit.others

    async def _carry_out(
        self,
        step: race.RaceStep,
        want: WantWork,
        live: Sequence[TransferWork],
        fallback: TransferWork | None,
        pursuit: Pursuit,
    ) -> bool:
        """True: look again at once."""
        match step:
            case race.StartFallback(candidate=candidate):
                found = (candidate, *(one for one in pursuit.others if one.key != candidate.key))
                begun = await self.start(want, candidate, found, role=TransferRole.FALLBACK)
                pursuit.others_at, pursuit.fallback_held = None, False
                if begun is not None:
                    self._run(want, begun, pursuit)
                return True
            case race.GiveWay(transfer=transfer_id):
                ended = next(one for one in live if one.id == transfer_id)
                key = PayloadKey(ended.payload_format, ended.payload_root)
                pursuit.avoid[key] = self._clock() + AVOID_S
                await self._give_up(ended, code="gave_way", reason=CancelReason.SWARM_REBALANCED)
                pursuit.paces.pop(ended.id, None)
                pursuit.begin_anew()
                return True
            case race.HoldFallback():
                assert fallback is not None
                log.info("fallback_held transfer=%s", fallback.id)
                self._swarms.stop(fallback.id, CancelReason.SWARM_REBALANCED)
                pursuit.fallback_held = True
            case race.ReleaseFallback():
                pursuit.fallback_held = False
                return True
            case None:
                pass
        return False

    def _outcome(self, transfers: Sequence[TransferWork], *, again: bool) -> Fetched:
        runners = [one for transfer in transfers if (one := self._swarms.runners.get(transfer.id)) is not None]
        waits = [runner.waiting for runner in runners]
        return Fetched(
            waiting=waits[0] if waits and all(waits) else "",
            sources=len({peer for runner in runners for peer in runner.peers}),
            beside=len(runners) > 1,
            again=again,
        )

    def _limited(self, want: WantWork) -> bool:
        """A limit of ours makes every payload slow: no other one would be faster."""
        scopes = ((Scope.NODE, ""), (Scope.JOB, str(want.group_id or want.id)))
        in_force = any(self._limits.kbps_of(scope, key, Direction.DOWN) > 0 for scope, key in scopes)
        governed = self._limits.governed(Direction.DOWN, job=str(want.group_id or want.id)) is not None
        held = any(
            one.allowance.left is not None for one in self._swarms.runners.values() if one.work.want_id == want.id
        )
        return in_force or governed or held or want.constraints.overlay_bandwidth_kbps is not None

    def _flows(self, transfer: TransferWork) -> bool:
        runner = self._swarms.runners.get(transfer.id)
        return runner is not None and runner.state is RunnerState.RUNNING and runner.reports
