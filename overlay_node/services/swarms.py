"""All running transfers: routes messages to them, shares links and bandwidth between them, reports their progress.

Chunk requests of all transfers to one peer go through here, because a link accepts only so many at once. Progress is kept in memory and
written once a second, in one call.
"""

from __future__ import annotations

import logging
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from apps.domain.contracts.node_work import TransferWork
from apps.domain.contracts.soulseek_traffic import TrafficPlane
from apps.domain.errors import DomainError
from apps.domain.swarm.estimate import Pace
from apps.domain.swarm.settings import SchedulerSettings
from apps.domain.swarm.trace import TraceSink
from overlay_node.net.link import Link
from overlay_node.ports import Store
from overlay_node.protocol.envelope import Attachment
from overlay_node.protocol.errors import LocalProtocolError
from overlay_node.protocol.limits import CHUNKS_IN_FLIGHT_ACCEPTED
from overlay_node.protocol.messages import (
    CancelReason,
    ChunkCancel,
    ChunkRequest,
    ChunkResponse,
    ErrorReply,
    PayloadHave,
)
from overlay_node.services.background import Background
from overlay_node.services.blobs import PartialBlobs
from overlay_node.services.deliveries import Deliveries
from overlay_node.services.runner_ports import MeetStreams, RunnerState
from overlay_node.services.swarm_runner import SwarmRunner
from overlay_node.soulseek.traffic import TrafficCounter
from overlay_node.swarm.actions import Charge, Manifest
from overlay_node.swarm.allowance import Allowance
from overlay_node.swarm.choice import PayloadKey
from overlay_node.swarm.explain import SchedulingTotals
from overlay_node.swarm.peer_book import PeerBook
from overlay_node.swarm.policy import Policy
from overlay_node.swarm.policy_cost import CostPolicy
from overlay_node.swarm.policy_plain import PlainPolicy
from overlay_node.swarm.rate_limits import ByteBucket, Direction, RateLimits
from overlay_node.swarm.session import SwarmSession

log = logging.getLogger(__name__)

MAX_RUNNING: Final = 8
"""Transfers fetching at once; further wants wait their turn. More would only thin out what each peer gives to each."""
MAX_JOBS_REMEMBERED: Final = 512
"""Transfers whose job is known after they ended: what was asked for them still arrives, and is counted where it belongs."""


class Swarms:
    """`link_of` finds the open link to a peer; `holders` the linked peers that claim a payload; `trace_for` a sink for a transfer
    and its group (the job) while tracing is on."""

    def __init__(
        self,
        *,
        store: Store,
        partial_dir: Path,
        link_of: Callable[[str], Link | None],
        holders: Callable[[PayloadKey], Iterable[str]],
        partials: PartialBlobs,
        deliveries: Deliveries,
        background: Background,
        limits: RateLimits,
        traffic: TrafficCounter,
        book: PeerBook,
        scheduler: SchedulerSettings,
        draw: Callable[[int], int],
        clock: Callable[[], float],
        ended: Callable[[SwarmRunner], None],
        trace_for: Callable[[TransferWork, uuid.UUID], TraceSink | None] | None = None,
    ) -> None:
        self.runners: Final[dict[uuid.UUID, SwarmRunner]] = {}
        """by transfer id; assembled ones stay, to be served, until their verdict"""
        self._by_text: Final[dict[str, SwarmRunner]] = {}
        """the same, by the id as messages spell it: looked up for every chunk"""
        self._traffic: Final = traffic
        self.down_bytes: Final[Counter[str]] = traffic.by_peer(TrafficPlane.OVERLAY, Direction.DOWN)
        """payload bytes received, by peer, since the start"""
        self.up_bytes: Final[Counter[str]] = traffic.by_peer(TrafficPlane.OVERLAY, Direction.UP)
        """payload bytes sent, likewise"""
        self.bad_leaves = 0
        self.far_end: Callable[[uuid.UUID], bool] = lambda _want: False
        """a want of which a stream of another network brings the beginning"""
        self.meet_streams: MeetStreams = _nobody_beside
        self._store: Final = store
        self._partial_dir: Final = partial_dir
        self._link_of: Final = link_of
        self._holders: Final = holders
        self._partials: Final = partials
        self._deliveries: Final = deliveries
        self._background: Final = background
        self._clock: Final = clock
        self._ended: Final = ended
        self._trace_for: Final = trace_for
        self._limits: Final = limits
        self._book: Final = book
        self._scheduler: Final = scheduler
        self._draw: Final = draw
        self._groups: Final[dict[uuid.UUID, uuid.UUID]] = {}
        """group by transfer id"""
        self._jobs: Final[dict[str, uuid.UUID]] = {}
        """the same by the id as messages spell it, also for a while after a transfer's end"""
        self._peer_budgets: Final[dict[str, tuple[ByteBucket, ...]]] = {}
        """by linked peer that was asked for something"""
        self._paces: Final[dict[str, Pace]] = {}
        """how fast each link is: one for all transfers that share it"""
        self.scheduling: Final = SchedulingTotals()
        self._queues: dict[str, deque[ChunkRequest]] = {}
        self._asked: dict[str, dict[str, ChunkRequest]] = {}
        """by peer and message id: what an error may refuse"""
        self._charges: dict[str, Counter[Charge]] = {}
        self._flushing = False

    # ---- life of transfers

    def folder(self, transfer_id: uuid.UUID) -> Path:
        """Where a transfer's partial file lies: a name made of our own id alone."""
        return self._partial_dir / str(transfer_id)

    def run(
        self, work: TransferWork, *, kbps: int | None, group_id: uuid.UUID, refused_preambles: frozenset[str]
    ) -> SwarmRunner:
        """Begin or resume a transfer. `kbps`: limit over all transfers of its group, KiB/s; None = no limit."""
        now, job = self._clock(), str(group_id)
        budgets = self._limits.budgets_for(Direction.DOWN, now=now, job=job, job_kbps=kbps or 0)
        self._groups[work.id] = group_id
        self._remember_job(str(work.id), group_id)
        key = PayloadKey(work.payload_format, work.payload_root)
        trace = self._trace_for(work, group_id) if self._trace_for is not None else None
        allowance = Allowance()

        def new_session(manifest: Manifest | None, held: Iterable[int]) -> SwarmSession:
            session = SwarmSession(
                key,
                manifest=manifest,
                held=held,
                refused_preambles=refused_preambles,
                budgets=(*budgets, allowance),
                peer_budgets=self._budgets_of,
                policy=scheduler_policy(self._scheduler, draw=self._draw),
                book=self._book,
                paces=self._paces,
                trace=trace,
                now=self._clock(),
            )
            if self.far_end(work.want_id):
                session.from_far_end()
            return session

        runner = SwarmRunner(
            work,
            folder=self.folder(work.id),
            store=self._store,
            desk=self,
            partials=self._partials,
            deliveries=self._deliveries,
            background=self._background,
            new_session=new_session,
            refused_preambles=refused_preambles,
            clock=self._clock,
            ended=self._runner_ended,
            charged=self._charge,
            meet_streams=self.meet_streams,
            allowance=allowance,
            trace=trace,
        )
        self.runners[work.id] = self._by_text[str(work.id)] = runner
        for peer in self._holders(runner.key):
            runner.peer_available(peer)
        self._background.spawn(runner.start(), "runner")
        self._share()
        return runner

    def stop(self, transfer_id: uuid.UUID, reason: CancelReason) -> SwarmRunner | None:
        """Stop a transfer and close its file; None if it does not run."""
        runner = self.runners.pop(transfer_id, None)
        self._by_text.pop(str(transfer_id), None)
        group_id = self._groups.pop(transfer_id, None)
        if group_id is not None and group_id not in self._groups.values():
            self._limits.forget_job(Direction.DOWN, str(group_id))
        if runner is not None:
            runner.stop(reason)
            runner.close_files()
            self._share()
        return runner

    def stop_all(self) -> None:
        """The node is going: everything is closed, nothing deleted."""
        for transfer_id in list(self.runners):
            self.stop(transfer_id, CancelReason.POLICY_CHANGE)

    @property
    def running(self) -> list[SwarmRunner]:
        """Transfers that fetch now."""
        return [runner for runner in self.runners.values() if runner.state is RunnerState.RUNNING]

    @property
    def jobs_running(self) -> frozenset[uuid.UUID]:
        """Groups of which something is fetched now."""
        return frozenset(self._groups[runner.work.id] for runner in self.running if runner.work.id in self._groups)

    # ---- links

    def claims_heard(self, peer: str, keys: Iterable[PayloadKey]) -> None:
        """A linked peer claims these payloads."""
        wanted = set(keys)
        for runner in self.running:
            if runner.key in wanted:
                runner.peer_available(peer)
        self._share()

    def link_closed(self, peer: str) -> None:
        """The link to a peer is gone."""
        self._queues.pop(peer, None)
        self._asked.pop(peer, None)
        for runner in self.running:
            runner.peer_gone(peer)
        self._paces.pop(peer, None)
        if self._peer_budgets.pop(peer, None) is not None:
            self._limits.forget_peer(Direction.DOWN, peer)
        self._share()

    def chunk(self, link: Link, message: ChunkResponse, data: Attachment) -> None:
        """An answer to a chunk request."""
        self._forget(link.peer_id, message.in_reply_to)
        job_id = self._jobs.get(message.transfer_id)
        self._traffic.add(TrafficPlane.OVERLAY, Direction.DOWN, link.peer_id, message.length, job_id)
        runner = self._runner(message.transfer_id)
        if runner is not None:
            runner.chunk(link.peer_id, message, data)
        self._send_waiting(link.peer_id)

    def refused(self, link: Link, message: ErrorReply) -> None:
        """An error: about a chunk request, or about nothing we remember."""
        request = self._forget(link.peer_id, message.in_reply_to)
        if request is not None and (runner := self._runner(request.transfer_id)) is not None:
            runner.chunk_refused(link.peer_id, request.offset, message.code, message.retry_after_s)
        self._send_waiting(link.peer_id)

    def have(self, link: Link, message: PayloadHave) -> None:
        """A partial seeder has more."""
        for runner in self.running:
            if runner.key.payload_root == message.payload_root:
                runner.have(link.peer_id, message.ranges)

    # ---- ChunkDesk

    def link_of(self, peer: str) -> Link | None:
        """The open link to a peer."""
        return self._link_of(peer)

    def ask_chunk(self, peer: str, request: ChunkRequest) -> None:
        """Send now, or when the link has room."""
        self._queues.setdefault(peer, deque()).append(request)
        self._send_waiting(peer)

    def cancel_chunks(self, peer: str, cancel: ChunkCancel) -> None:
        """Drop what waits, and take back what was sent."""
        queue = self._queues.get(peer, deque())
        kept = [request for request in queue if not _covers(cancel, request)]
        self._queues[peer] = deque(kept)
        asked = self._asked.get(peer, {})
        for message_id, request in list(asked.items()):
            if _covers(cancel, request):
                del asked[message_id]
        link = self._link_of(peer)
        if link is not None:
            try:
                link.send(cancel)
            except LocalProtocolError as error:
                log.debug("cancel_not_sent code=%s", error.code)
        self._send_waiting(peer)

    # ---- time

    def tick(self) -> None:
        """Every quarter of a second."""
        for runner in list(self.runners.values()):
            try:
                runner.tick()
            except Exception:  # one transfer must not stop the others
                log.exception("runner_tick_failed transfer=%s", runner.work.id)

    @property
    def scheduling_totals(self) -> SchedulingTotals:
        """Counters of all sessions since the start, those that run included: for Prometheus."""
        totals = self.scheduling.copy()
        for runner in self.running:
            if runner.session is not None:
                totals.add(runner.session)
        return totals

    async def flush(self) -> None:
        """Write progress and charges: once a second, and at the end."""
        if self._flushing:
            return
        self._flushing = True
        try:
            reports = []
            for runner in self.running:
                if runner.session is not None and runner.session.violations.total() > runner.told_violations:
                    runner.told_violations = runner.session.violations.total()
                    found = dict(runner.session.violations)
                    log.error("invariant_violated transfer=%s violations=%s", runner.work.id, found)
                if runner.dirty and runner.reports:
                    runner.dirty = False
                    runner.save_hint()
                    reports.append(runner.report())
            if reports:
                await self._store.transfers_progress(reports)
            while self._charges:
                peer, counts = self._charges.popitem()
                try:
                    await self._store.peer_charge(
                        peer, bad_leaves=counts[Charge.BAD_LEAF], violations=counts[Charge.BAD_MANIFEST]
                    )
                except DomainError:  # written with the next: nobody's fault is forgotten because the database was busy
                    self._charges.setdefault(peer, Counter()).update(counts)
                    raise
        except DomainError as error:
            log.warning("progress_not_written code=%s", error.code)
        finally:
            self._flushing = False

    # ---- private

    def _remember_job(self, transfer: str, group_id: uuid.UUID) -> None:
        self._jobs.pop(transfer, None)
        self._jobs[transfer] = group_id
        if len(self._jobs) > MAX_JOBS_REMEMBERED:
            over = next((one for one in self._jobs if one not in self._by_text), transfer)
            if over != transfer:
                del self._jobs[over]

    def _runner(self, transfer_id: str) -> SwarmRunner | None:
        return self._by_text.get(transfer_id)

    def _forget(self, peer: str, message_id: str | None) -> ChunkRequest | None:
        return self._asked.get(peer, {}).pop(message_id, None) if message_id is not None else None

    def _send_waiting(self, peer: str) -> None:
        queue, link = self._queues.get(peer), self._link_of(peer)
        while queue and link is not None and link.is_open and link.chunks_in_flight < CHUNKS_IN_FLIGHT_ACCEPTED:
            request = queue.popleft()
            self._asked.setdefault(peer, {})[link.send(request)] = request

    def _budgets_of(self, peer: str) -> tuple[ByteBucket, ...]:
        found = self._peer_budgets.get(peer)
        if found is None:
            found = self._peer_budgets[peer] = (self._limits.peer_budget(Direction.DOWN, peer, self._clock()),)
        return found

    def _share(self) -> None:
        """Divide what a link accepts between the transfers that use it."""
        users = Counter(peer for runner in self.running for peer in runner.peers)
        for runner in self.running:
            for peer in runner.peers:
                runner.share(peer, link_share(users[peer]))

    def _charge(self, peer: str, charge: Charge) -> None:
        self._charges.setdefault(peer, Counter())[charge] += 1
        if charge is Charge.BAD_LEAF:
            self.bad_leaves += 1

    def _runner_ended(self, runner: SwarmRunner) -> None:
        if runner.session is not None:
            self.scheduling.add(runner.session)
        self._share()
        self._ended(runner)


async def _nobody_beside(_runner: SwarmRunner, /) -> None:
    """There is no other network."""


def scheduler_policy(settings: SchedulerSettings, *, draw: Callable[[int], int]) -> Policy:
    """What decides for one session, as a person configured it."""
    return CostPolicy(settings, draw=draw) if settings.cost_based else PlainPolicy()


def link_share(transfers: int) -> int:
    """How many requests each of so many transfers may have in flight on one link. The lab asks this too.

    All that a seeder accepts is shared out; how much of its share a transfer uses is its policy's choice (most links need two or three requests).
    """
    return max(1, CHUNKS_IN_FLIGHT_ACCEPTED // transfers)


def _covers(cancel: ChunkCancel, request: ChunkRequest) -> bool:
    if cancel.transfer_id != request.transfer_id:
        return False
    end = request.offset + request.length
    return not cancel.ranges or any(start < end and request.offset < stop for start, stop in cancel.ranges)
