"""Rescues: the mesh helps downloads that do badly, as far as the guardrails let it, while their streams go on.

A stream in trouble is judged by facts of rows and of what runs. Refused: told, and judged again with every look. Allowed: the mesh looks for the recording
and begins, preferably with a payload that can be the stream's. Once the leaf hashes of what it fetches are known they are compared with the stream's own: one
that differs means another payload, of which not a byte is merged. Equal ones are offered to the mesh's transfer, verified there like any peer's, and every new
one as it lands; the mesh works from the far end, and the stream stops where what the mesh has begins. The stream's bytes stay in its own folder too: whoever is
whole first wins, and nothing is written twice into one file.

Nothing here is needed after a kill but rows and folders: a rescue that was live is taken up again, and the leaves of both are found on disk.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from apps.domain.audio.payload import leaf_bytes_of
from apps.domain.contracts.soulseek_rescues import RescueReport
from apps.domain.contracts.soulseek_traffic import TrafficPlane
from apps.domain.errors import DomainError
from apps.domain.soulseek.guardrails import (
    GuardrailSettings,
    RescueFacts,
    Ruling,
    may_ask_for_more,
    overlay_budget_bytes,
)
from apps.domain.soulseek.performance import KIB, Trouble
from apps.domain.soulseek.rescue import Mesh, RescueCore, Sight, may_equal, settled, stop_leaf
from apps.domain.soulseek.states import DownloadState, RescueState
from overlay_node.soulseek.plane import Part
from overlay_node.soulseek.ports import PlaneContext
from overlay_node.soulseek.rescue_case import Case, Origin
from overlay_node.soulseek.rescue_ports import MeshBeside, RescueRows, RescueRunner
from overlay_node.soulseek.stream import Stream
from overlay_node.soulseek.stream_files import StreamFileError
from overlay_node.swarm.choice import Candidate, PayloadKey

if TYPE_CHECKING:
    from overlay_node.soulseek.downloading import Downloads
    from overlay_node.soulseek.traffic import TrafficCounter

log = logging.getLogger(__name__)

ORIGINS_S: Final = 2.0
RECORD_S: Final = 1.0
LOOK_AGAIN_S: Final = 30.0
ALIVE_WINDOW_S: Final = 10.0
LEAVES_A_TICK: Final = 8
"""Leaves handed over at once: each is read and hashed in the loop, about 0.3 ms."""
_STANDS: Final = frozenset({DownloadState.QUEUED, DownloadState.CONNECTING, DownloadState.RECEIVING})
_TOLD: Final[frozenset[RescueState | None]] = frozenset({RescueState.FINISHED, RescueState.ENDED})


@dataclass(slots=True, kw_only=True)
class RescueSettings:
    """`transfers.rescue_mode`, but for what says which stream is in trouble. `lookup`: AcoustID can be asked what a recording sounds like."""

    enabled: bool = True
    guardrails: GuardrailSettings = field(default_factory=GuardrailSettings)
    lookup: bool = False
    floor_kib_s: float = 10.0


class Rescues(Part):
    """See the module. For the loop's thread. `mesh` None: no overlay socket is open."""

    def __init__(
        self,
        context: PlaneContext,
        rows: RescueRows,
        downloads: Downloads,
        *,
        settings: RescueSettings,
        mesh: MeshBeside | None,
        traffic: TrafficCounter | None = None,
    ) -> None:
        self.cases: Final[dict[uuid.UUID, Case]] = {}
        """by download"""
        self._context: Final = context
        self._rows: Final = rows
        self._downloads: Final = downloads
        self._settings: Final = settings
        self._mesh: Final = mesh
        self._traffic: Final = traffic
        self._kept: dict[uuid.UUID, RescueReport] | None = None
        """what an earlier run left, until its stream is met again; None: not read yet"""
        self._origins: dict[uuid.UUID, Origin] = {}
        self._next_origins = 0.0
        self._reading = False
        self._next_record = 0.0
        self._recording = False
        self._left: list[RescueReport] = []
        """last words of cases whose streams are gone"""
        self._refusals = 0
        if mesh is not None:
            mesh.begin_with(self.prefers)
            mesh.from_far_end(self.helps)
            mesh.before_asking(self.meet)

    # ---- life

    @override
    async def start(self) -> None:
        await self._take_up()

    @override
    async def stop(self) -> None:
        await self._record()

    @override
    def metrics(self) -> Mapping[str, float]:
        live = [case for case in self.cases.values() if case.core.live]
        return {
            "slskdn_soulseek_rescues_live": float(len(live)),
            "slskdn_soulseek_rescues_active": float(sum(case.core.state is RescueState.ACTIVE for case in live)),
            "slskdn_soulseek_rescue_refusals_total": float(self._refusals),
        }

    # ---- for others

    def says(self, want_id: uuid.UUID) -> str | None:
        """Of a want whose stream does badly: "" when the mesh may begin, a code when it may not. None: there is no such stream."""
        for case in self.cases.values():
            if case.stream.work.want_id == want_id and not case.core.over:
                return case.core.code if case.core.state is RescueState.REFUSED else ""
        return None

    def helps(self, want_id: uuid.UUID) -> bool:
        """A rescue of this want is under way, or was when the node stopped."""
        live = any(case.core.live and case.stream.work.want_id == want_id for case in self.cases.values())
        if live or not self._kept:
            return live
        streams = self._downloads.streams
        return any(one in streams and streams[one].work.want_id == want_id for one in self._kept)

    def prefers(self, want_id: uuid.UUID, found: Sequence[Candidate]) -> Candidate | None:
        """The payload that can be the stream's: what the mesh fetches of it, the stream need not bring."""
        case = next((one for one in self.cases.values() if one.stream.work.want_id == want_id), None)
        span = case.stream.span if case is not None else None
        if case is None or span is None or not case.core.live:
            return None
        able = [
            one
            for one in found
            if one.key.payload_format == span.format.value
            and one.key not in case.differs
            and may_equal(stream_bytes=span.length, claimed_bytes=one.payload_bytes)
        ]
        return max(able, key=lambda one: one.payload_bytes, default=None)

    async def meet(self, runner: RescueRunner) -> None:
        """Before a transfer asks its first peer: it gets what the stream has, and is told how much it may ask for. However fast the mesh is, nothing is fetched
        twice, and no guardrail is met too late."""
        want_id = runner.work.want_id
        stream = next((one for one in self._downloads.streams.values() if one.work.want_id == want_id), None)
        if stream is None or self._kept is None or not self._settings.enabled:
            return
        try:
            await self._met(stream, runner)
        except Exception:  # the mesh goes on without
            log.exception("rescue_not_met download=%s transfer=%s", stream.work.id, runner.work.id)

    async def _met(self, stream: Stream, runner: RescueRunner) -> None:
        case = self._case(stream, self._context.clock())
        if case is None or case.core.over:
            return
        if stream.work.id not in self._origins:
            await self._read_origins([stream.work.id])
        if stream.file is None and stream.have and not stream.core.ended:
            await self._open(case)
        while self._runner(case) is runner:
            had = case.compared
            self._compare(case, runner)
            if case.compared == had:
                break
            await asyncio.sleep(0)  # others have their turn between leaves
        if self.cases.get(stream.work.id) is case:
            self._look(stream, self._context.clock())

    # ---- time

    @override
    def tick(self, now: float) -> None:
        if self._kept is None:
            if not self._reading and now >= self._next_origins:
                self._reading, self._next_origins = True, now + ORIGINS_S
                self._context.spawn(self._take_up(), "rescues-kept")
            return
        if self._settings.enabled:
            self._look_at_all(now)
        if now >= self._next_record and not self._recording:
            self._recording, self._next_record = True, now + RECORD_S
            self._context.spawn(self._record(), "rescues-record")

    def _look_at_all(self, now: float) -> None:
        streams = self._downloads.streams
        for stream in list(streams.values()):
            try:
                self._look(stream, now)
            except Exception:  # one must not stop the others
                log.exception("rescue_failed download=%s", stream.work.id)
        for download_id in [one for one in self.cases if one not in streams]:
            self._gone(self.cases[download_id], now)
        if now >= self._next_origins and not self._reading and (asked := self._asked()):
            self._reading, self._next_origins = True, now + ORIGINS_S
            self._context.spawn(self._read_origins(asked), "rescues-origins")

    def _look(self, stream: Stream, now: float) -> None:
        work = stream.work
        if work.want_id is None or stream.core.state is DownloadState.PAUSED:
            return
        case = self._case(stream, now)
        if case is None:
            return
        trouble = self._trouble(case, now)
        origin = self._origins.get(work.id)
        if origin is None and case.core.state is None and not stream.core.ended:
            return  # judged as soon as rows have told
        runner = self._runner(case)
        if runner is not None:
            self._compare(case, runner)
        facts = self._facts(case, origin, runner, now)
        ruling = self._ruling(case, facts)
        budget = overlay_budget_bytes(facts, self._settings.guardrails)
        if budget is not None and runner is not None:
            budget = max(0, budget - runner.asked_bytes)
        self._measure(case, runner)
        before = case.core.state
        if case.core.step(self._sight(case, trouble, ruling, budget, runner), now):
            self._turned(case, before, now)
        self._act(case, runner, budget, now)

    def _case(self, stream: Stream, now: float) -> Case | None:
        """The rescue of a stream: one that runs, one that was taken up, or a new one when it is in trouble."""
        assert self._kept is not None
        download_id = stream.work.id
        case = self.cases.get(download_id)
        if case is None and (kept := self._kept.pop(download_id, None)) is not None:
            case = self.cases[download_id] = Case(
                id=kept.id,
                stream=stream,
                trouble=kept.trouble,
                trouble_at=kept.trouble_at,
                started_at=kept.started_at,
                core=RescueCore(state=kept.state, code=kept.code, params=kept.params),
                carried=True,
                first_byte_at=kept.first_byte_at,
                ended_at=kept.ended_at,
                overlay=kept.overlay_bytes,
                soulseek=kept.soulseek_bytes,
                transfer_id=kept.transfer_id,
            )
        known = case is not None and not (
            case.core.state is RescueState.RECOVERED and stream.performance.underperforming
        )
        if known or not stream.performance.underperforming or stream.core.ended:
            return case
        trouble, wall = stream.performance.trouble, self._context.wall()
        assert trouble is not None
        since = stream.performance.since if stream.performance.since is not None else now
        if case is not None and case.changed:
            self._left.append(case.report())
        new = Case(
            id=uuid.uuid4(),
            stream=stream,
            trouble=trouble.value,
            trouble_at=wall - timedelta(seconds=max(0.0, now - since)),
            started_at=wall,
            differs=case.differs if case is not None else set(),
        )
        self.cases[download_id] = new
        return new

    def _trouble(self, case: Case, now: float) -> str:
        stream = case.stream
        if case.carried:
            if stream.core.state in _STANDS:  # its watch began with the ask
                case.carried = False
                stream.watch.carry(Trouble(case.trouble), now)
            return case.trouble
        return stream.performance.trouble.value if stream.performance.trouble is not None else ""

    def _runner(self, case: Case) -> RescueRunner | None:
        """What the mesh fetches of the want: the stream's payload rather than another."""
        assert case.stream.work.want_id is not None
        runners = self._mesh.runners(case.stream.work.want_id) if self._mesh is not None else ()
        runner = max(runners, key=lambda one: self._likeness(case, one), default=None)
        if runner is not case.runner:
            if case.runner is not None:
                case.runner.allowance.left = None
                case.runner.rescues(active=False)
            case.runner, case.compared, case.mesh = runner, 0, Mesh.NONE
        return runner

    def _likeness(self, case: Case, runner: RescueRunner) -> tuple[int, int]:
        alike = self._alike(case, runner)
        return (0 if alike is Mesh.OTHER else 1, runner.held_bytes)

    @staticmethod
    def _alike(case: Case, runner: RescueRunner) -> Mesh:
        """As far as format, size and what was compared earlier tell."""
        span, work = case.stream.span, runner.work
        if PayloadKey(work.payload_format, work.payload_root) in case.differs:
            return Mesh.OTHER
        if span is None or (
            work.payload_format == span.format.value
            and may_equal(stream_bytes=span.length, claimed_bytes=work.payload_bytes)
        ):
            return Mesh.UNSURE
        return Mesh.OTHER

    # ---- bytes

    def _compare(self, case: Case, runner: RescueRunner) -> None:
        """Hand over what the stream has, leaf by leaf, if it is the same payload."""
        stream = case.stream
        if case.mesh is not Mesh.SAME:
            case.mesh = self._alike(case, runner)
        hashes = runner.leaf_hashes
        if case.mesh is Mesh.OTHER or hashes is None:
            return
        if stream.file is None and stream.have and not case.opening and not stream.core.ended:
            case.opening = True
            self._context.spawn(self._open(case), "rescue-open")
        held = runner.held()
        leaves = stream.leaves
        for leaf in range(case.compared, min(len(leaves), case.compared + LEAVES_A_TICK)):
            if leaf >= len(hashes) or leaves[leaf] != hashes[leaf]:
                self._differs(case, runner, leaf)
                return
            if not (runner.sent_by(leaf) and any(first <= leaf < end for first, end in held)):
                try:
                    data = stream.leaf(leaf)
                except (IndexError, DomainError):
                    return
                if not runner.offer(stream.work.user, leaf, data):
                    self._differs(case, runner, leaf)
                    return
            case.compared, case.mesh, case.changed = leaf + 1, Mesh.SAME, True

    def _differs(self, case: Case, runner: RescueRunner, leaf: int) -> None:
        work = runner.work
        log.warning(
            "rescue_other_payload download=%s transfer=%s leaf=%d", case.stream.work.id, work.id, leaf
        )  # nobody is to blame: two files of one length need not be one payload
        case.differs.add(PayloadKey(work.payload_format, work.payload_root))
        case.mesh, case.changed = Mesh.OTHER, True
        case.stream.stop_before = None

    async def _open(self, case: Case) -> None:
        try:
            await case.stream.opened()
        except StreamFileError as error:
            log.warning("rescue_stream_unreadable download=%s code=%s", case.stream.work.id, error.code)
        finally:
            case.opening = False

    def _measure(self, case: Case, runner: RescueRunner | None) -> None:
        if runner is None:
            if case.core.state in {None, RescueState.LOOKING, RescueState.REFUSED, RescueState.NO_SOURCE}:
                case.soulseek = case.stream.have
            return
        overlay = runner.held_bytes - runner.stream_bytes
        soulseek = runner.stream_bytes if case.mesh is Mesh.SAME or runner.whole else 0
        if overlay > case.overlay and case.first_byte_at is None and case.core.live:
            case.first_byte_at = self._context.wall()
        peers = len(runner.peers)
        if (overlay, soulseek, peers) != (case.overlay, case.soulseek, case.peers):
            case.overlay, case.soulseek, case.peers, case.changed = overlay, soulseek, peers, True

    # ---- what may be, and what is done

    def _facts(self, case: Case, origin: Origin | None, runner: RescueRunner | None, now: float) -> RescueFacts:
        stream, told = case.stream, origin.told if origin is not None else None
        overlay = runner.held_bytes - runner.stream_bytes if runner is not None else 0
        soulseek = stream.have
        job_id = stream.work.job_id
        if origin is not None and job_id is not None and self._traffic is not None:
            overlay = origin.told.overlay_bytes + self._count(TrafficPlane.OVERLAY, job_id) - origin.overlay_then
            soulseek = origin.told.soulseek_bytes + self._count(TrafficPlane.SOULSEEK, job_id) - origin.soulseek_then
        alive = stream.core.state is DownloadState.RECEIVING and (
            stream.watch.meter.bps(now, window_s=ALIVE_WINDOW_S) >= max(1.0, self._settings.floor_kib_s * KIB)
        )
        return RescueFacts(
            mode=self._mesh.mode() if self._mesh is not None else "legacy",
            origin_attempted=bool(told and told.attempted) or stream.core.asked or stream.have > 0,
            origin_seen=bool(told and told.seen) or stream.have > 0,
            origin_alive=alive,
            provable=self._settings.lookup or bool(told and told.provable),
            overlay_bytes=overlay,
            soulseek_bytes=soulseek,
            rescues_running=sum(one.core.live for one in self.cases.values() if one is not case),
            already_rescued=case.core.live,
        )

    def _ruling(self, case: Case, facts: RescueFacts) -> Ruling:
        work = case.stream.work
        assert work.want_id is not None
        if not work.rescue_allowed or (self._mesh is not None and not self._mesh.may(work.want_id)):
            return Ruling(allowed=False, code="rescue_not_wished", params={})
        return may_ask_for_more(facts, self._settings.guardrails)

    def _sight(
        self, case: Case, trouble: str, ruling: Ruling, budget: int | None, runner: RescueRunner | None
    ) -> Sight:
        core = case.stream.core
        enough = core.state is DownloadState.ENOUGH and case.overlay > 0
        return Sight(
            trouble=trouble,
            ruling=ruling,
            budget=budget,
            mesh=case.mesh,
            moves=runner is not None and bool(runner.peers) and not runner.waiting,
            mesh_whole=(runner is not None and runner.whole) or enough,
            stream_whole=core.state in {DownloadState.WHOLE, DownloadState.SUCCEEDED},
            stream_ended=(core.code or core.state.value) if core.ended else "",
        )

    def _turned(self, case: Case, before: RescueState | None, now: float) -> None:
        """It stands otherwise than before."""
        core = case.core
        case.changed = True
        log.log(
            logging.WARNING if core.state is RescueState.REFUSED else logging.INFO,
            "rescue download=%s want=%s state=%s code=%s trouble=%s overlay_bytes=%d soulseek_bytes=%d",
            case.stream.work.id, case.stream.work.want_id, core.state, core.code, case.trouble, case.overlay, case.soulseek,
        )  # fmt: skip
        if core.state is RescueState.REFUSED:
            self._refusals += 1
        if core.live and core.state is not before:
            case.ended_at, case.next_look = None, now
        elif not core.live and case.ended_at is None:
            case.ended_at = self._context.wall()
        active = core.state is RescueState.ACTIVE
        if case.runner is not None and active is not (before is RescueState.ACTIVE):
            case.runner.note_rescue(begun=active, code=case.trouble if active else core.code)

    def _act(self, case: Case, runner: RescueRunner | None, budget: int | None, now: float) -> None:
        core, stream = case.core, case.stream
        stream.rescued = core.live
        looks = core.state in {RescueState.LOOKING, RescueState.NO_SOURCE} and now >= case.next_look
        if looks and self._mesh is not None and stream.work.want_id is not None:
            case.next_look = now + LOOK_AGAIN_S
            self._mesh.look_for(stream.work.want_id)
        if runner is None:
            self._let_go_on(stream)
            return
        if core.state is RescueState.ACTIVE:
            case.transfer_id = runner.work.id
        runner.allowance.left = core.allowance(budget)
        runner.rescues(active=core.state is RescueState.ACTIVE)
        runner.stream_bps = stream.speed_bps(now) if case.mesh is Mesh.SAME else 0
        if core.live and case.mesh is not Mesh.OTHER:
            runner.from_far_end()
        hashes, span = runner.leaf_hashes, stream.span
        if (
            runner.whole and case.mesh is Mesh.SAME and span is not None
        ):  # nothing more of it is needed, unless the judge says no
            stream.stop_before = span.offset + len(stream.leaves) * leaf_bytes_of(span.format)
            return
        if case.mesh is not Mesh.SAME or hashes is None or span is None or core.state in _TOLD:
            self._let_go_on(stream)
            return
        goes_on = core.state is RescueState.ACTIVE and not runner.allowance.spent and not runner.waiting
        leaf = stop_leaf(runner.held(), streamed=len(stream.leaves), leaves=len(hashes), mesh_goes_on=goes_on)
        if leaf is None:
            self._let_go_on(stream)
        else:
            stream.stop_before = span.offset + leaf * leaf_bytes_of(span.format)

    @staticmethod
    def _let_go_on(stream: Stream) -> None:
        """Nobody else brings the rest: the stream does."""
        stream.stop_before = None
        if stream.core.state is DownloadState.INTERRUPTED and stream.core.code == "mesh_has_rest":
            stream.core.put_back()
            stream.changed = True

    def _gone(self, case: Case, now: float) -> None:
        """Its stream has ended, and is written."""
        if not case.core.over and case.core.state is not None:
            before = case.core.state
            ruling = Ruling(allowed=True, code=case.core.code, params={})
            if case.core.step(self._sight(case, case.trouble, ruling, None, self._runner(case)), now):
                self._turned(case, before, now)
            if not case.core.over:
                case.core.step(Sight(trouble=case.trouble, ruling=ruling, stream_ended="gone"), now)
                self._turned(case, before, now)
        if case.runner is not None:
            case.runner.allowance.left, case.runner.stream_bps = None, 0
            case.runner.rescues(active=False)
        if case.changed and case.core.state is not None:
            self._left.append(case.report())
        del self.cases[case.stream.work.id]
        self._origins.pop(case.stream.work.id, None)

    # ---- rows

    async def _take_up(self) -> None:
        """What an earlier run left goes on, or is told as over, with the reason."""
        try:
            found = await self._rows.kept()
        except DomainError as error:
            log.warning("rescues_not_read code=%s", error.code)
            return
        finally:
            self._reading = False
        newest = {one.report.download_id: one for one in found}
        self._kept = {}
        for one in found:
            core = None
            if one is not newest[one.report.download_id]:
                core = RescueCore(state=RescueState.ENDED, code="rescue_superseded")
            elif one.end is not None:
                core = settled(one.report.state, one.end, code=one.end_code, overlay_bytes=one.report.overlay_bytes)
            elif not self._settings.enabled:
                core = RescueCore(state=RescueState.ENDED, code="rescue_off")
            if core is None or core.state is None:
                self._kept[one.report.download_id] = one.report
                continue
            over = dataclasses.replace(
                one.report,
                state=core.state,
                code=core.code,
                params=core.params,
                ended_at=one.report.ended_at or self._context.wall(),
            )
            log.info("rescue_left download=%s state=%s code=%s", over.download_id, over.state, over.code)
            self._left.append(over)

    def _asked(self) -> list[uuid.UUID]:
        return [
            case.stream.work.id
            for case in self.cases.values()
            if not case.core.over or case.stream.performance.underperforming
        ]

    async def _read_origins(self, downloads: Collection[uuid.UUID]) -> None:
        try:
            found = await self._rows.origins(downloads)
        except DomainError as error:
            log.warning("origins_not_read code=%s", error.code)
            return
        finally:
            self._reading = False
        for one in found:
            case = self.cases.get(one.download_id)
            if case is not None:
                job_id = case.stream.work.job_id
                self._origins[one.download_id] = Origin(
                    told=one,
                    overlay_then=self._written(TrafficPlane.OVERLAY, job_id),
                    soulseek_then=self._written(TrafficPlane.SOULSEEK, job_id),
                )

    def _count(self, plane: TrafficPlane, job_id: uuid.UUID | None) -> int:
        return self._traffic.of_job(plane, job_id)[0] if self._traffic is not None and job_id is not None else 0

    def _written(self, plane: TrafficPlane, job_id: uuid.UUID | None) -> int:
        return self._traffic.of_job(plane, job_id)[1] if self._traffic is not None and job_id is not None else 0

    async def _record(self) -> None:
        told = [case for case in self.cases.values() if case.changed and case.core.state is not None]
        left, self._left = self._left, []
        reports = [*left, *(case.report() for case in told)]
        for case in told:
            case.changed = False
        try:
            if reports:
                await self._rows.record(reports)
        except DomainError as error:
            log.warning("rescues_not_recorded code=%s", error.code)
            self._left = left + self._left
            for case in told:
                case.changed = True
        finally:
            self._recording = False
