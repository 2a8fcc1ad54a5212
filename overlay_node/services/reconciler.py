"""Compares what is wanted (rows) with what runs, and moves the latter: the node's main loop.

Each pass reads all wants and live transfers, and for every want does the one step that is due: act on a verdict; stop what is paused, cancelled
or denied; resume a transfer that an earlier run left; choose a payload and start; look for sources. It is woken by the doorbell, by links and
claims, by runners that end, and in any case every `poll_s`. What it does is idempotent: a pass that is repeated or lost changes nothing.

Connections are never persisted: after a restart the wants alone bring everything back.
"""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from apps.domain.contracts.node_work import NodeWork, TransferWork, WantReport, WantWork
from apps.domain.errors import DomainError, Param
from apps.domain.jobs.lifecycle import TransferRole, TransferState, WantDesired, WantPhase
from apps.domain.jobs.verdicts import DENYING, PREAMBLE_CODES
from overlay_node.config import NodeConfig
from overlay_node.ports import Store
from overlay_node.protocol.messages import CancelReason
from overlay_node.services.background import Background
from overlay_node.services.discovery import Discovery
from overlay_node.services.fetching import Fetched, Fetching
from overlay_node.services.partial_folders import discard_folder, sweep_folders
from overlay_node.services.payload_choice import PayloadChoice
from overlay_node.services.pursuit import AVOID_S, FIRST_PAUSE_S, MAX_PAUSE_S, Pursuit
from overlay_node.services.swarm_runner import SwarmRunner
from overlay_node.services.swarms import Swarms
from overlay_node.swarm.choice import Candidate, NoChoice, PayloadKey
from overlay_node.swarm.rate_limits import RateLimits

log = logging.getLogger(__name__)

MORE_SOURCES_S: Final = 60.0  # a transfer that flows looks for further sources this often
SETTLE_S: Final = 3.0
"""A payload is chosen when the first look is over, or this long after its first claim: a lossy one must not win by answering first."""
PAUSES_S: Final = 5.0  # while those who have it are not asked for a while: between two looks at whether a pause is over
MAX_LOOKS: Final = 4  # looks at once
WANTS_PER_LOOK: Final = 32
MAX_REST_S: Final = 1.0  # after a pass, as long as it took and at most this: wake-ups come from peers too
SWEEP_S: Final = 60.0  # between two sweeps of partial folders that nobody needs any more
SWEEP_AGAIN_S: Final = 1.0  # after one that left something: a runner that ended meanwhile had still been writing
REFETCH_CODES: Final = frozenset({"file_gone", "file_missing", "payload_mismatch"})
"""Verdicts about the file on this disk: the payload itself is fetched again."""


class CompletionListener(Protocol):
    """Who is told that a track arrived and was accepted."""

    async def completed(self, releases: Sequence[uuid.UUID]) -> None: ...


class FairnessView(Protocol):
    """What the fairness governor says of a want."""

    def slows(self, want: WantWork) -> tuple[str, Mapping[str, Param]]:
        """Why it is fetched slower than it could be; ("", {}): it is not."""

    def holds_back(self, want: WantWork) -> str:
        """Why it should not begin yet; "": it may."""


class Reconciler:
    """`clock` is monotonic seconds, `wall` aware UTC (for people), `rng` for jitter."""

    def __init__(
        self,
        config: NodeConfig,
        *,
        store: Store,
        discovery: Discovery,
        choice: PayloadChoice,
        background: Background,
        partial_dir: Path,
        completions: CompletionListener,
        limits: RateLimits,
        fairness: FairnessView,
        clock: Callable[[], float],
        wall: Callable[[], datetime],
        rng: random.Random,
    ) -> None:
        self._config: Final = config
        self._store: Final = store
        self._discovery: Final = discovery
        self._choice: Final = choice
        self._background: Final = background
        self._partial_dir: Final = partial_dir
        self._completions: Final = completions
        self._limits: Final = limits
        self._fairness: Final = fairness
        self._clock: Final = clock
        self._wall: Final = wall
        self._rng: Final = rng
        self._swarms: Swarms | None = None
        self._fetching: Fetching | None = None
        self._bell: Final = asyncio.Event()
        self._pursuits: Final[dict[uuid.UUID, Pursuit]] = {}
        self._looks = 0
        self._reports: list[WantReport] = []
        self._next_sweep = 0.0
        self._heard = 0
        self._heard_of: Final[Counter[uuid.UUID]] = Counter()
        """claims by recording: one that is heard makes no other want look at its rows again"""
        self.wants: dict[uuid.UUID, WantWork] = {}
        """as of the last pass"""
        self._wanted: set[uuid.UUID] = set()
        self._keeps: Callable[[uuid.UUID], bool] = lambda _transfer: False
        """folders that others are about to make a transfer of"""
        self._prefers: Callable[[uuid.UUID, Sequence[Candidate]], Candidate | None] = lambda _want, _found: None

    def attach(self, swarms: Swarms) -> None:
        """The transfers it moves."""
        self._swarms = swarms
        self._fetching = Fetching(
            store=self._store,
            swarms=swarms,
            choice=self._choice,
            clock=self._clock,
            jitter=self._jitter,
            limits=self._limits,
            give_up=self._give_up,
        )

    def prefer(self, prefers: Callable[[uuid.UUID, Sequence[Candidate]], Candidate | None]) -> None:
        """`prefers` names the payload of a want that is to be begun before all others; None: the best one."""
        self._prefers = prefers

    def look_for(self, want_id: uuid.UUID) -> None:
        """Look for sources of this want now, and begin it as soon as it may."""
        if want_id in self.wants:
            pursuit = self._pursuit(want_id)
            pursuit.look_now(self._clock())
            self._bell.set()

    def keep_folders(self, keeps: Callable[[uuid.UUID], bool]) -> None:
        """`keeps` says of which transfers, whose rows are about to be made, the folders stay."""
        self._keeps = keeps

    # ---- wake-ups

    def wake(self) -> None:
        """Look now."""
        self._bell.set()

    def claims_heard(self, recordings: Collection[uuid.UUID] = ()) -> None:
        """Somebody linked claims something: wants of these recordings without a source choose again; all of them, when it is not said which."""
        if recordings:
            self._heard_of.update(one for one in set(recordings) if one in self._wanted)
        else:
            self._heard += 1
        self._bell.set()

    def runner_ended(self, runner: SwarmRunner) -> None:
        """A runner assembled its file, or was blocked."""
        log.debug("runner_ended transfer=%s state=%s", runner.work.id, runner.state.value)
        self._bell.set()

    # ---- the loop

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._bell.clear()
            began = self._clock()
            try:
                await self.reconcile()
            except DomainError as error:
                log.warning("reconcile_failed code=%s", error.code)
            except Exception:  # whatever it was: a node whose main loop has ended looks alive and does nothing
                log.exception("reconcile_failed")
            # Whoever keeps ringing gets half of the time at most: the rows belong to others too.
            await asyncio.sleep(min(self._clock() - began, MAX_REST_S))
            try:
                async with asyncio.timeout(self._until_next()):
                    await self._bell.wait()
            except TimeoutError:
                pass

    async def reconcile(self) -> None:
        """One pass."""
        assert self._swarms is not None
        work = await self._store.work()
        self._limits.apply(work.limits, self._clock())
        self.wants = {want.id: want for want in work.wants}
        active = [want for want in work.wants if want.desired is WantDesired.ACTIVE and want.constraints.use_overlay]
        self._discovery.set_wanted(active)
        self._wanted = {want.recording_mbid for want in active}
        live: dict[uuid.UUID, list[TransferWork]] = {}
        for transfer in work.transfers:
            live.setdefault(transfer.want_id, []).append(transfer)
        self._stop_unknown(work)
        for want in work.wants:
            try:
                await self._step(want, live.get(want.id, []))
            except DomainError as error:
                log.warning("want_failed want=%s code=%s", want.id, error.code)
            except Exception:  # one want must not stop the others
                log.exception("want_failed want=%s", want.id)
        self._forget(work)
        await self._tell()
        self._look_for_due(active)
        if self._clock() >= self._next_sweep:
            self._next_sweep = self._clock() + SWEEP_S
            running = self._swarms.runners
            for peer in await self._store.denials_apply():
                log.info("claim_refuted_later peer=%s", peer[:8])
            if not await sweep_folders(
                self._partial_dir, store=self._store, in_use=lambda one: one in running or self._keeps(one)
            ):
                self._next_sweep = self._clock() + SWEEP_AGAIN_S

    # ---- one want

    async def _step(self, want: WantWork, live: Sequence[TransferWork]) -> None:
        """`live`: the want's primary and fallback, as far as there are any."""
        judged = next((one for one in live if one.verdict is not None), None)
        if judged is not None:
            await self._apply_verdict(want, judged)
            return
        match want.desired:
            case WantDesired.ACTIVE:
                await self._pursue(want, live)
            case WantDesired.PAUSED:
                self._pause(want, live)
            case WantDesired.CANCELLED:
                for transfer in live:
                    await self._give_up(transfer, code="want_cancelled", reason=CancelReason.USER_CANCELLED)
            case WantDesired.SATISFIED:
                # An assembled file has its verdict already: it was only written after the transfers were read. Any other payload is not needed.
                for transfer in live:
                    if transfer.state is not TransferState.ASSEMBLED:
                        await self._give_up(transfer, code="want_satisfied", reason=CancelReason.COMPLETE)

    async def _apply_verdict(self, want: WantWork, transfer: TransferWork) -> None:
        assert self._swarms is not None
        assert transfer.verdict is not None
        applied = await self._store.verdict_apply(transfer.id)
        whole = transfer.state is TransferState.ASSEMBLED
        self._swarms.stop(transfer.id, CancelReason.COMPLETE if whole else CancelReason.ERROR)
        self._bell.set()  # the next payload, or the sweep
        self._next_sweep = 0.0
        if applied is None:
            return
        for peer in applied.charged:  # in rows; the peer book takes it in from there
            log.info("claim_refuted peer=%s transfer=%s", peer[:8], transfer.id)
        if transfer.verdict.accepted:
            log.info("transfer_accepted transfer=%s", transfer.id)
            self._report(want, WantPhase.DONE)
            self._background.spawn(self._completions.completed(want.release_mbids), "completed")
            return
        log.info("transfer_rejected transfer=%s code=%s", transfer.id, transfer.verdict.code)
        await self._discard(transfer.id)
        pursuit = self._pursuit(want.id)
        pursuit.look_now(0.0)
        pursuit.begin_anew()
        code = transfer.verdict.code
        if code not in DENYING | PREAMBLE_CODES | REFETCH_CODES:
            # refused for what this job wishes: fetching the very same again at once would only be refused again
            pursuit.avoid[PayloadKey(transfer.payload_format, transfer.payload_root)] = self._clock() + AVOID_S
        self._report(want, WantPhase.SEEKING, code=transfer.verdict.code)

    def _pause(self, want: WantWork, live: Sequence[TransferWork]) -> None:
        """What was fetched stays on disk, and the transfers stay live: resuming goes on where they were, and at once."""
        assert self._swarms is not None
        pursuit = self._pursuit(want.id)
        pursuit.look_now(0.0)
        pursuit.blocked_until = 0.0
        for transfer in live:
            if transfer.state is TransferState.FETCHING:
                self._swarms.stop(transfer.id, CancelReason.USER_CANCELLED)
        if any(transfer.state is TransferState.ASSEMBLED for transfer in live):
            self._report(want, WantPhase.VERIFYING)
        else:
            self._report(want, WantPhase.PAUSED)

    async def _give_up(self, transfer: TransferWork, *, code: str, reason: CancelReason) -> None:
        assert self._swarms is not None
        runner = self._swarms.stop(transfer.id, reason)
        report = runner.report() if runner is not None and runner.reports else None
        await self._store.transfer_ended(transfer.id, state=TransferState.STOPPED, code=code, report=report)
        await self._discard(transfer.id)
        log.info("transfer_stopped transfer=%s role=%s code=%s", transfer.id, transfer.role.value, code)

    async def _discard(self, transfer_id: uuid.UUID) -> None:
        """Delete its folder, now or with the next sweep."""
        assert self._swarms is not None
        if not await discard_folder(self._swarms.folder(transfer_id)):
            self._next_sweep = min(self._next_sweep, self._clock() + SWEEP_AGAIN_S)

    async def _pursue(self, want: WantWork, live: Sequence[TransferWork]) -> None:
        assert self._fetching is not None
        if not want.constraints.use_overlay:
            await self._soulseek_only(want, live)
            return
        denied = [one for one in live if (one.payload_format, one.payload_root) in want.denied]
        fetching = [one for one in denied if one.state is TransferState.FETCHING]
        assembled = next((one for one in live if one.state is TransferState.ASSEMBLED), None)
        if not live:
            await self._begin(want)
        elif fetching:
            for transfer in fetching:
                await self._give_up(transfer, code="payload_denied", reason=CancelReason.ERROR)
            self._pursuit(want.id).begin_anew()
            self._bell.set()
        elif assembled is not None:
            self._fetching.hold_others(live, assembled)
            await self._await_verdict(want, assembled)
        else:
            await self._fetch(want, live)

    async def _soulseek_only(self, want: WantWork, live: Sequence[TransferWork]) -> None:
        """The mesh is not asked for it, and gives nothing to it: what Soulseek brought is awaited, anything else ends."""
        assert self._swarms is not None
        whole = None
        for transfer in live:
            denied = (transfer.payload_format, transfer.payload_root) in want.denied
            if transfer.state is TransferState.ASSEMBLED and not denied:
                whole = transfer
            elif transfer.state is TransferState.FETCHING:
                code = "payload_denied" if denied else "soulseek_only"
                await self._give_up(transfer, code=code, reason=CancelReason.USER_CANCELLED)
        if whole is None:
            self._report(want, WantPhase.SEEKING, code="soulseek_only")
        elif await asyncio.to_thread(_has_audio, self._swarms.folder(whole.id)):
            self._report(want, WantPhase.VERIFYING)
        else:  # lost between two runs, and nobody else may bring it
            await self._give_up(whole, code="file_missing", reason=CancelReason.ERROR)
            self._bell.set()

    async def _await_verdict(self, want: WantWork, transfer: TransferWork) -> None:
        assert self._swarms is not None
        if transfer.id not in self._swarms.runners:
            folder = self._swarms.folder(transfer.id)
            if not await asyncio.to_thread(_has_audio, folder):  # lost between two runs: fetched again
                await self._store.transfer_refetch(transfer.id)
                self._bell.set()
                return
        self._report(want, WantPhase.VERIFYING)

    async def _fetch(self, want: WantWork, live: Sequence[TransferWork]) -> None:
        """Keep live transfers going, and say how it goes."""
        assert self._fetching is not None
        pursuit = self._pursuit(want.id)
        came_to = await self._fetching.keep_going(want, live, pursuit)
        if came_to.again:
            self._bell.set()
        self._tell_fetching(want, pursuit, came_to)

    def _tell_fetching(self, want: WantWork, pursuit: Pursuit, came_to: Fetched) -> None:
        now = self._clock()
        if came_to.blocked:
            self._report(want, WantPhase.BLOCKED, code=pursuit.blocked_code, next_look_s=pursuit.blocked_until - now)
        elif came_to.queued:
            self._report(want, WantPhase.SEEKING, code="queued")
        elif came_to.waiting:
            if pursuit.told is not None and pursuit.told.phase is WantPhase.FETCHING:
                pursuit.look_now(now)
            next_look_s = max(0.0, pursuit.next_look_at - now)
            self._report(
                want, WantPhase.NO_SOURCE, code=came_to.waiting, sources=came_to.sources, next_look_s=next_look_s
            )
        else:
            pursuit.pause = FIRST_PAUSE_S
            code, params = ("fallback_beside", {}) if came_to.beside else self._fairness.slows(want)
            self._report(want, WantPhase.FETCHING, code=code, params=params, sources=came_to.sources)

    async def _begin(self, want: WantWork) -> None:
        """Choose a payload and start, or say why not."""
        assert self._fetching is not None
        pursuit, now = self._pursuit(want.id), self._clock()
        every_s = PAUSES_S if pursuit.nothing_why is NoChoice.NOT_DELIVERED else MORE_SOURCES_S
        heard = self._heard, self._heard_of[want.recording_mbid]
        circumstances = (heard, pursuit.looked, want.denied, want.constraints, every_s, int(now // every_s))
        found: tuple[Candidate, ...] = ()
        why = pursuit.nothing_why
        if circumstances != pursuit.nothing:
            found, why = await self._choice.candidates(want, without=pursuit.avoided(now))
            pursuit.nothing, pursuit.nothing_why = (None, None) if found else (circumstances, why)
        if found and pursuit.claim_seen_at is None:
            pursuit.claim_seen_at = now
        settled = pursuit.looked or (pursuit.claim_seen_at is not None and now - pursuit.claim_seen_at >= SETTLE_S)
        sources = len({peer for candidate in found for peer in candidate.peers})
        if not settled:
            self._report(want, WantPhase.SEEKING, sources=sources)
            return
        if not found:
            code, params = (why or NoChoice.NO_SOURCE).value, self._choice.waits_for(want.id)
            next_look_s = max(0.0, pursuit.next_look_at - now)
            self._report(want, WantPhase.NO_SOURCE, code=code, params=params, next_look_s=next_look_s)
            return
        if code := self._fairness.holds_back(want):
            self._report(want, WantPhase.SEEKING, code=code, sources=sources)
            return
        if self._fetching.busy(want):
            self._report(want, WantPhase.SEEKING, code="queued", sources=sources)
            return
        chosen = self._prefers(want.id, found) or found[0]
        transfer = await self._fetching.start(want, chosen, found, role=TransferRole.PRIMARY)
        if transfer is None:  # the want changed meanwhile: the next pass sees how
            self._bell.set()
            return
        pursuit.begin_anew()
        pursuit.paces.clear()
        await self._fetch(want, [transfer])

    # ---- looking for sources

    def _look_for_due(self, active: Sequence[WantWork]) -> None:
        """Start looks for wants that need sources, as many at once as is sensible."""
        now = self._clock()
        due = []
        for want in active:
            pursuit = self._pursuit(want.id)
            phase = pursuit.told.phase if pursuit.told is not None else WantPhase.SEEKING
            queued = pursuit.told is not None and pursuit.told.code == "queued"
            if phase in {WantPhase.VERIFYING, WantPhase.DONE, WantPhase.BLOCKED} or pursuit.looking or queued:
                continue
            if pursuit.next_look_at <= now:
                due.append(want)
        while due and self._looks < MAX_LOOKS:
            batch, due = due[:WANTS_PER_LOOK], due[WANTS_PER_LOOK:]
            self._looks += 1
            for want in batch:
                self._pursuit(want.id).looking = True
            self._background.spawn(self._look(batch), "look")

    async def _look(self, wants: Sequence[WantWork]) -> None:
        try:
            await self._discovery.look(wants)
        finally:
            self._looks -= 1
            now = self._clock()
            for want in wants:
                pursuit = self._pursuit(want.id)
                pursuit.looking, pursuit.looked = False, True
                fetching = pursuit.told is not None and pursuit.told.phase is WantPhase.FETCHING
                pause = MORE_SOURCES_S if fetching else pursuit.pause
                pursuit.next_look_at = now + self._jitter(pause)
                if not fetching:
                    pursuit.pause = min(pursuit.pause * 2, MAX_PAUSE_S)
            self._bell.set()

    # ---- small things

    def _pursuit(self, want_id: uuid.UUID) -> Pursuit:
        return self._pursuits.setdefault(want_id, Pursuit())

    def _jitter(self, pause: float) -> float:
        return pause * self._rng.uniform(0.8, 1.2)

    def _until_next(self) -> float:
        """Seconds until the next pass is due by itself."""
        now = self._clock()
        looks = [one.next_look_at for one in self._pursuits.values() if one.next_look_at > now]
        # Also while passes fail and the sweep stays due: nobody is asked more often than that.
        sweep_s = max(SWEEP_AGAIN_S, self._next_sweep - now)
        return min(self._config.poll_s, sweep_s, *(at - now for at in looks))

    def _report(
        self,
        want: WantWork,
        phase: WantPhase,
        *,
        code: str = "",
        params: Mapping[str, Param] | None = None,
        sources: int = 0,
        next_look_s: float | None = None,
    ) -> None:
        """Note what is to be told; the same again is not told twice."""
        pursuit = self._pursuit(want.id)
        params = params or {}
        next_look_at = self._wall() + timedelta(seconds=next_look_s) if next_look_s is not None else None
        report = WantReport(
            want_id=want.id,
            phase=phase,
            code=code,
            params=params,
            sources_known=sources,
            next_look_at=next_look_at,
        )
        last = pursuit.told
        if last is not None and (last.phase, last.code, last.params, last.sources_known) == (
            phase, code, params, sources,
        ):  # fmt: skip
            close = last.next_look_at is None and next_look_at is None
            if last.next_look_at is not None and next_look_at is not None:
                close = abs(last.next_look_at - next_look_at) < timedelta(seconds=1)
            if close:
                return
        pursuit.told = report
        self._reports.append(report)

    async def _tell(self) -> None:
        reports, self._reports = self._reports, []
        if reports:
            try:
                await self._store.want_progress(reports)
            except Exception:
                for report in reports:  # told again by the next pass
                    self._pursuit(report.want_id).told = None
                raise

    def _stop_unknown(self, work: NodeWork) -> None:
        """Runners whose transfer is live no more: ended elsewhere, or its want deleted."""
        assert self._swarms is not None
        live = {transfer.id for transfer in work.transfers}
        for transfer_id in [one for one in self._swarms.runners if one not in live]:
            self._swarms.stop(transfer_id, CancelReason.USER_CANCELLED)
            self._next_sweep = 0.0

    def _forget(self, work: NodeWork) -> None:
        known = {want.id for want in work.wants}
        for recording in [one for one in self._heard_of if one not in self._wanted]:
            del self._heard_of[recording]
        pending = {report.want_id for report in self._reports}
        for want_id in [one for one in self._pursuits if one not in known and one not in pending]:
            if not self._pursuits[want_id].looking:
                del self._pursuits[want_id]


def utc_now() -> datetime:
    """The wall clock, for rows."""
    return datetime.now(UTC)


def _has_audio(folder: Path) -> bool:
    return any(folder.glob("audio.*"))
