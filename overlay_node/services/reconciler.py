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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from apps.domain.audio.payload import PayloadFormat, leaf_bytes_of
from apps.domain.contracts.node_work import NodeWork, TransferWork, WantReport, WantWork
from apps.domain.errors import DomainError, Param
from apps.domain.jobs.lifecycle import TransferState, WantDesired, WantPhase
from apps.domain.jobs.verdicts import DENYING, PREAMBLE_CODES
from overlay_node.config import NodeConfig
from overlay_node.ports import Store
from overlay_node.protocol.messages import CancelReason
from overlay_node.services.background import Background
from overlay_node.services.discovery import Discovery
from overlay_node.services.partial_folders import discard_folder, sweep_folders
from overlay_node.services.swarm_runner import RunnerState, SwarmRunner
from overlay_node.services.swarms import MAX_RUNNING, Swarms
from overlay_node.swarm.choice import Candidate, NoChoice, PayloadClaim, PayloadKey, candidates_of

log = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 2.0  # before a want without a source is looked for again; doubles, with jitter
MAX_PAUSE_S: Final = 60.0
MORE_SOURCES_S: Final = 60.0  # a transfer that flows looks for further sources this often
SETTLE_S: Final = 3.0
"""A payload is chosen when the first look is over, or this long after its first claim: a lossy one must not win by answering first."""
FALLBACK_S: Final = 20.0  # a transfer that waits so long gives way to another payload that somebody linked holds
AVOID_S: Final = 600.0  # and is not chosen again before this
BLOCKED_PAUSE_S: Final = 5.0  # before the disk is tried again; doubles
MAX_LOOKS: Final = 4  # looks at once
WANTS_PER_LOOK: Final = 32
SWEEP_S: Final = 60.0  # between two sweeps of partial folders that nobody needs any more
REFETCH_CODES: Final = frozenset({"file_gone", "file_missing", "payload_mismatch"})
"""Verdicts about the file on this disk: the payload itself is fetched again."""


class CompletionListener(Protocol):
    """Who is told that a track arrived and was accepted."""

    async def completed(self, releases: Sequence[uuid.UUID]) -> None: ...


@dataclass(slots=True)
class _Pursuit:
    """What the node remembers of a want between passes; nothing of it needs to survive a restart."""

    next_look_at: float = 0.0
    pause: float = FIRST_PAUSE_S
    looked: bool = False
    looking: bool = False
    claim_seen_at: float | None = None
    avoid: dict[PayloadKey, float] = field(default_factory=dict)
    blocked_code: str = ""
    blocked_until: float = 0.0
    blocked_pause: float = BLOCKED_PAUSE_S
    told: WantReport | None = None
    nothing: tuple[object, ...] | None = None
    """under which circumstances no payload could be chosen: while they last, the rows need not be asked again"""
    nothing_why: NoChoice | None = None


class Reconciler:
    """`clock` is monotonic seconds, `wall` aware UTC (for people), `rng` for jitter."""

    def __init__(
        self,
        config: NodeConfig,
        *,
        store: Store,
        discovery: Discovery,
        background: Background,
        partial_dir: Path,
        completions: CompletionListener,
        clock: Callable[[], float],
        wall: Callable[[], datetime],
        rng: random.Random,
    ) -> None:
        self._config: Final = config
        self._store: Final = store
        self._discovery: Final = discovery
        self._background: Final = background
        self._partial_dir: Final = partial_dir
        self._completions: Final = completions
        self._clock: Final = clock
        self._wall: Final = wall
        self._rng: Final = rng
        self._swarms: Swarms | None = None
        self._bell: Final = asyncio.Event()
        self._pursuits: Final[dict[uuid.UUID, _Pursuit]] = {}
        self._looks = 0
        self._reports: list[WantReport] = []
        self._next_sweep = 0.0
        self._heard = 0
        self.wants: dict[uuid.UUID, WantWork] = {}
        """as of the last pass"""

    def attach(self, swarms: Swarms) -> None:
        """The transfers it moves."""
        self._swarms = swarms

    # ---- wake-ups

    def wake(self) -> None:
        """Look now."""
        self._bell.set()

    def claims_heard(self) -> None:
        """Somebody linked claims something: wants without a source choose again."""
        self._heard += 1
        self._bell.set()

    def runner_ended(self, runner: SwarmRunner) -> None:
        """A runner assembled its file, or was blocked."""
        if runner.state is RunnerState.BLOCKED:
            pursuit = self._pursuit(runner.work.want_id)
            pursuit.blocked_code = runner.code
            pursuit.blocked_until = self._clock() + self._jitter(pursuit.blocked_pause)
            pursuit.blocked_pause = min(pursuit.blocked_pause * 2, MAX_PAUSE_S)
        self._bell.set()

    # ---- the loop

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._bell.clear()
            try:
                await self.reconcile()
            except DomainError as error:
                log.warning("reconcile_failed code=%s", error.code)
            except Exception:  # whatever it was: a node whose main loop has ended looks alive and does nothing
                log.exception("reconcile_failed")
            try:
                async with asyncio.timeout(self._until_next()):
                    await self._bell.wait()
            except TimeoutError:
                pass

    async def reconcile(self) -> None:
        """One pass."""
        assert self._swarms is not None
        work = await self._store.work()
        self.wants = {want.id: want for want in work.wants}
        active = [want for want in work.wants if want.desired is WantDesired.ACTIVE]
        self._discovery.set_wanted(active)
        transfers = {transfer.want_id: transfer for transfer in work.transfers}
        self._stop_unknown(work)
        for want in work.wants:
            try:
                await self._step(want, transfers.get(want.id))
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
            await sweep_folders(self._partial_dir, store=self._store, in_use=lambda one: one in running)

    # ---- one want

    async def _step(self, want: WantWork, transfer: TransferWork | None) -> None:
        if transfer is not None and transfer.verdict is not None:
            await self._apply_verdict(want, transfer)
            return
        match want.desired:
            case WantDesired.ACTIVE:
                await self._pursue(want, transfer)
            case WantDesired.PAUSED:
                self._pause(want, transfer)
            case WantDesired.CANCELLED | WantDesired.SATISFIED:
                # an assembled file of a satisfied want has its verdict already: it was only written after the transfers were read
                judged = want.desired is WantDesired.SATISFIED and transfer is not None
                if transfer is not None and not (judged and transfer.state is TransferState.ASSEMBLED):
                    await self._give_up(transfer, code=f"want_{want.desired.value}", reason=CancelReason.USER_CANCELLED)

    async def _apply_verdict(self, want: WantWork, transfer: TransferWork) -> None:
        assert self._swarms is not None
        assert transfer.verdict is not None
        applied = await self._store.verdict_apply(transfer.id)
        self._swarms.stop(transfer.id, CancelReason.COMPLETE)
        self._bell.set()  # the next payload, or the sweep
        self._next_sweep = 0.0
        if not applied:
            return
        if transfer.verdict.accepted:
            log.info("transfer_accepted transfer=%s", transfer.id)
            self._report(want, WantPhase.DONE)
            self._background.spawn(self._completions.completed(want.release_mbids), "completed")
            return
        log.info("transfer_rejected transfer=%s code=%s", transfer.id, transfer.verdict.code)
        await discard_folder(self._swarms.folder(transfer.id))
        pursuit = self._pursuit(want.id)
        pursuit.next_look_at, pursuit.pause = 0.0, FIRST_PAUSE_S
        code = transfer.verdict.code
        if code not in DENYING | PREAMBLE_CODES | REFETCH_CODES:
            # refused for what this job wishes: fetching the very same again at once would only be refused again
            pursuit.avoid[PayloadKey(transfer.payload_format, transfer.payload_root)] = self._clock() + AVOID_S
        self._report(want, WantPhase.SEEKING, code=transfer.verdict.code)

    def _pause(self, want: WantWork, transfer: TransferWork | None) -> None:
        """What was fetched stays on disk, and the transfer stays live: resuming goes on where it was, and at once."""
        assert self._swarms is not None
        pursuit = self._pursuit(want.id)
        pursuit.next_look_at, pursuit.pause, pursuit.blocked_until = 0.0, FIRST_PAUSE_S, 0.0
        if transfer is not None and transfer.state is TransferState.FETCHING:
            self._swarms.stop(transfer.id, CancelReason.USER_CANCELLED)
        if transfer is not None and transfer.state is TransferState.ASSEMBLED:
            self._report(want, WantPhase.VERIFYING)
        else:
            self._report(want, WantPhase.PAUSED)

    async def _give_up(self, transfer: TransferWork, *, code: str, reason: CancelReason) -> None:
        assert self._swarms is not None
        runner = self._swarms.stop(transfer.id, reason)
        report = runner.report() if runner is not None and runner.reports else None
        await self._store.transfer_ended(transfer.id, state=TransferState.STOPPED, code=code, report=report)
        await discard_folder(self._swarms.folder(transfer.id))
        log.info("transfer_stopped transfer=%s code=%s", transfer.id, code)

    async def _pursue(self, want: WantWork, transfer: TransferWork | None) -> None:
        if transfer is None:
            await self._begin(want)
        elif transfer.state is TransferState.ASSEMBLED:
            await self._await_verdict(want, transfer)
        elif (transfer.payload_format, transfer.payload_root) in want.denied:
            await self._give_up(transfer, code="payload_denied", reason=CancelReason.ERROR)
            self._bell.set()
        else:
            await self._fetch(want, transfer)

    async def _await_verdict(self, want: WantWork, transfer: TransferWork) -> None:
        assert self._swarms is not None
        if transfer.id not in self._swarms.runners:
            folder = self._swarms.folder(transfer.id)
            if not await asyncio.to_thread(_has_audio, folder):  # lost between two runs: fetched again
                await self._store.transfer_refetch(transfer.id)
                self._bell.set()
                return
        self._report(want, WantPhase.VERIFYING)

    async def _fetch(self, want: WantWork, transfer: TransferWork) -> None:
        """Keep a live transfer going, or give way to a payload that can be had."""
        assert self._swarms is not None
        pursuit, now = self._pursuit(want.id), self._clock()
        runner = self._swarms.runners.get(transfer.id)
        if runner is not None and runner.state is RunnerState.BLOCKED:
            self._swarms.stop(transfer.id, CancelReason.ERROR)
            await self._store.transfer_blocked(transfer.id, code=runner.code)
            runner = None
        if runner is None:
            if pursuit.blocked_until > now:
                self._report(
                    want, WantPhase.BLOCKED, code=pursuit.blocked_code, next_look_s=pursuit.blocked_until - now
                )
                return
            if len(self._swarms.running) >= MAX_RUNNING:
                self._report(want, WantPhase.SEEKING, code="queued")
                return
            await self._remember_claims(want)
            runner = self._swarms.run(
                transfer,
                kbps=want.constraints.overlay_bandwidth_kbps,
                group_id=want.group_id or want.id,
                refused_preambles=want.refused_preambles,
            )
        elif runner.reports and pursuit.blocked_code:
            pursuit.blocked_code, pursuit.blocked_pause = "", BLOCKED_PAUSE_S
            await self._store.transfer_blocked(transfer.id, code="")
        waiting = runner.waiting
        if waiting and runner.waiting_since is not None and now - runner.waiting_since > FALLBACK_S:
            others, _ = await self._candidates(want, avoid=runner.key)
            if others:
                pursuit.avoid[runner.key] = now + AVOID_S
                await self._give_up(transfer, code="gave_way", reason=CancelReason.SWARM_REBALANCED)
                self._bell.set()
                return
        if waiting:
            if pursuit.told is not None and pursuit.told.phase is WantPhase.FETCHING:
                pursuit.next_look_at, pursuit.pause = now, FIRST_PAUSE_S
            self._report(
                want,
                WantPhase.NO_SOURCE,
                code=waiting,
                sources=len(runner.peers),
                next_look_s=max(0.0, pursuit.next_look_at - now),
            )
        else:
            pursuit.pause = FIRST_PAUSE_S
            self._report(want, WantPhase.FETCHING, sources=len(runner.peers))

    async def _begin(self, want: WantWork) -> None:
        """Choose a payload and start, or say why not."""
        assert self._swarms is not None
        pursuit, now = self._pursuit(want.id), self._clock()
        circumstances = (self._heard, pursuit.looked, want.denied, want.constraints, int(now // MORE_SOURCES_S))
        found: tuple[Candidate, ...] = ()
        why = pursuit.nothing_why
        if circumstances != pursuit.nothing:
            found, why = await self._candidates(want)
            pursuit.nothing, pursuit.nothing_why = (None, None) if found else (circumstances, why)
        if found and pursuit.claim_seen_at is None:
            pursuit.claim_seen_at = now
        settled = pursuit.looked or (pursuit.claim_seen_at is not None and now - pursuit.claim_seen_at >= SETTLE_S)
        sources = len({peer for candidate in found for peer in candidate.peers})
        if not settled:
            self._report(want, WantPhase.SEEKING, sources=sources)
            return
        if not found:
            self._report(
                want,
                WantPhase.NO_SOURCE,
                code=(why or NoChoice.NO_SOURCE).value,
                next_look_s=max(0.0, pursuit.next_look_at - now),
            )
            return
        if len(self._swarms.running) >= MAX_RUNNING:
            self._report(want, WantPhase.SEEKING, code="queued", sources=sources)
            return
        best = found[0]
        transfer = await self._store.transfer_start(
            want.id,
            payload_format=best.key.payload_format,
            payload_root=best.key.payload_root,
            profile=best.profile,
            payload_bytes=best.payload_bytes,
            leaf_bytes=leaf_bytes_of(PayloadFormat(best.key.payload_format)),
        )
        if transfer is None:  # the want changed meanwhile: the next pass sees how
            self._bell.set()
            return
        log.info(
            "payload_chosen want=%s root=%s profile=%s peers=%d of=%d terms=%s",
            want.id, best.key.payload_root.hex()[:12], best.profile, len(best.peers), len(found), best.terms,
        )  # fmt: skip
        await self._fetch(want, transfer)

    async def _candidates(
        self, want: WantWork, *, avoid: PayloadKey | None = None
    ) -> tuple[tuple[Candidate, ...], NoChoice | None]:
        """Payloads that a linked peer holds, best first."""
        claims = await self._remember_claims(want)
        now = self._clock()
        avoided = {key for key, until in self._pursuit(want.id).avoid.items() if until > now}
        linked = [
            claim
            for claim in claims
            if claim.key != avoid
            and claim.key not in avoided
            and claim.key.payload_format in PayloadFormat._value2member_map_
            and claim.peer in self._discovery.holders(claim.key)
        ]
        found, why = candidates_of(
            linked,
            constraints=want.constraints,
            denied=frozenset(PayloadKey(*key) for key in want.denied),
            duration_ms=want.duration_ms,
        )
        denied = want.denied and why is NoChoice.NO_SOURCE
        return found, NoChoice.ALL_DENIED if denied else why

    async def _remember_claims(self, want: WantWork) -> list[PayloadClaim]:
        known = await self._store.claims_of(want.recording_mbid)
        claims = [
            PayloadClaim(
                peer=one.claim.peer,
                group=one.claim.group,
                key=PayloadKey(one.claim.payload_format, one.claim.payload_root),
                profile=one.claim.profile,
                payload_bytes=one.claim.payload_bytes,
                complete=one.claim.complete,
                wrong_claims=one.wrong_claims,
                refuted=one.refuted,
                facts=one.claim.facts,
            )
            for one in known
        ]
        holders: dict[PayloadKey, set[str]] = {}
        for claim in claims:
            holders.setdefault(claim.key, set()).add(claim.peer)
        self._discovery.note_holders(holders)
        return claims

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

    def _pursuit(self, want_id: uuid.UUID) -> _Pursuit:
        return self._pursuits.setdefault(want_id, _Pursuit())

    def _jitter(self, pause: float) -> float:
        return pause * self._rng.uniform(0.8, 1.2)

    def _until_next(self) -> float:
        """Seconds until the next pass is due by itself."""
        now = self._clock()
        looks = [one.next_look_at for one in self._pursuits.values() if one.next_look_at > now]
        return min(self._config.poll_s, *(at - now for at in looks)) if looks else self._config.poll_s

    def _report(
        self, want: WantWork, phase: WantPhase, *, code: str = "", sources: int = 0, next_look_s: float | None = None
    ) -> None:
        """Note what is to be told; the same again is not told twice."""
        pursuit = self._pursuit(want.id)
        params: dict[str, Param] = {}
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
        if last is not None and (last.phase, last.code, last.sources_known) == (phase, code, sources):
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
        pending = {report.want_id for report in self._reports}
        for want_id in [one for one in self._pursuits if one not in known and one not in pending]:
            if not self._pursuits[want_id].looking:
                del self._pursuits[want_id]


def utc_now() -> datetime:
    """The wall clock, for rows."""
    return datetime.now(UTC)


def _has_audio(folder: Path) -> bool:
    return any(folder.glob("audio.*"))
