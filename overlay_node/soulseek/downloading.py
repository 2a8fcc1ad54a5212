"""The downloads of the plane: what rows want, brought to what runs; at most so many streams in all and of one user; ends told once.

Rows are read every second and at every wake-up. A download that is to be fetched gets a `Stream`; whom to ask next says `next_asked`. A stream that is
whole becomes a transfer (judged and filed by the workers like any other) or, when it is external, a file below the downloads folder. How everything
stands is written once a second. A stream's folder stays until its end is written; a kill at any point costs what was not yet safe on disk, and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import math
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aioslsk.user.model import TrackingFlag
from typing_extensions import override

from apps.domain.contracts.soulseek_downloads import Adoption, DownloadWork, SharerPast, WholeStream
from apps.domain.errors import DomainError
from apps.domain.jobs.lifecycle import TransferState, WantDesired
from apps.domain.soulseek.eta import Everybody, eta, everybody
from apps.domain.soulseek.performance import RescueRules
from apps.domain.soulseek.states import DownloadDesired, DownloadState
from apps.domain.soulseek.streaming import StreamRules, may_begin, next_asked
from overlay_node.soulseek.download_ports import DownloadRows
from overlay_node.soulseek.placing import extension_kept, linked, place_of, place_raw, profile_of
from overlay_node.soulseek.plane import Part
from overlay_node.soulseek.ports import PlaneContext
from overlay_node.soulseek.stream import Stream
from overlay_node.soulseek.stream_files import StreamFile, StreamFileError, StreamPayload, streams_folder

if TYPE_CHECKING:
    from overlay_node.soulseek.client import SoulseekClient

log = logging.getLogger(__name__)

READ_S: Final = 1.0
RECORD_S: Final = 1.0
ETA_S: Final = 5.0
PASTS_S: Final = 60.0
ADOPT_S: Final = 2.0
"""Between two looks at whether a whole stream may be judged now."""
SWEEP_S: Final = 300.0
MAX_WORK: Final = 500
"""Downloads of the queue's head that are looked at."""
PLACES_AT_ONCE: Final = 4

Counted = Callable[[str, int, uuid.UUID | None], None]
"""(user, bytes, job): the traffic ledger."""


class Downloads(Part):
    """See the module. For the loop's thread."""

    def __init__(
        self,
        context: PlaneContext,
        rows: DownloadRows,
        *,
        rules: StreamRules,
        rescue: RescueRules,
        counted: Counted,
        partial_dir: Path | None = None,
        downloads_dir: Path | None = None,
    ) -> None:
        self.streams: Final[dict[uuid.UUID, Stream]] = {}
        """of downloads that are live, by their id"""
        self.adopting: Final[set[uuid.UUID]] = set()
        """transfers whose folder is made and whose row is not: no sweep may take them"""
        self.ended: Final[Counter[DownloadState]] = Counter()
        self._context: Final = context
        self._rows: Final = rows
        self._rules: Final = rules
        self._rescue: Final = rescue
        self._counted: Final = counted
        self._partial_dir: Final = partial_dir or context.data_dir / "partial"
        self._downloads_dir: Final = downloads_dir or context.data_dir / "downloads"
        self._client: SoulseekClient | None = None
        self._online = False
        self._stopping = False
        self._next_read = 0.0
        self._reading = False
        self._next_record = 0.0
        self._recording = False
        self._next_eta = 0.0
        self._next_pasts = 0.0
        self._next_sweep = 0.0
        self._places = 0
        self._watched: set[str] = set()
        self._pasts: dict[str, SharerPast] = {}
        self._everybody = Everybody()
        self._adopt_at: dict[uuid.UUID, float] = {}
        self._payloads: dict[uuid.UUID, StreamPayload] = {}
        self.received_bytes = 0

    # ---- life

    @override
    async def start(self) -> None:
        self._next_sweep = self._context.clock() + 5.0
        await self._read()

    @override
    def attach(self, client: SoulseekClient) -> None:
        self._client = client
        if self._rules.speed_kbps:
            client.network.set_download_speed_limit(self._rules.speed_kbps)

    @override
    async def online(self, client: SoulseekClient) -> None:
        self._client, self._online = client, True
        now = self._context.clock()
        for stream in self.streams.values():
            stream.core.online(now)
            stream.ask_anew()

    @override
    async def offline(self, code: str) -> None:
        """Streams of users may well go on: they don't pass the server. What waits in queues is asked for again once we are back."""
        self._online = False
        self._watched.clear()
        now = self._context.clock()
        for stream in self.streams.values():
            stream.core.offline(now)

    @override
    def wake(self) -> None:
        self._next_read = 0.0

    @override
    async def stop(self) -> None:
        self._stopping = True
        for stream in self.streams.values():
            if stream.core.asked:
                stream.core.put_back()
                stream.changed = True
            stream.let_go()
        await asyncio.gather(*(stream.closed() for stream in self.streams.values()), return_exceptions=True)
        await self._record()

    @override
    def metrics(self) -> Mapping[str, float]:
        states = Counter(stream.core.state for stream in self.streams.values())
        return {
            "slskdn_soulseek_downloads_receiving": float(states[DownloadState.RECEIVING]),
            "slskdn_soulseek_downloads_queued": float(states[DownloadState.QUEUED]),
            "slskdn_soulseek_downloads_waiting": float(states[DownloadState.WAITING]),
            "slskdn_soulseek_downloads_underperforming": float(
                sum(stream.performance.underperforming for stream in self.streams.values())
            ),
            "slskdn_soulseek_received_bytes_total": float(self.received_bytes),
            **{f"slskdn_soulseek_downloads_{state.value}_total": float(count) for state, count in self.ended.items()},
        }

    # ---- time

    @override
    def tick(self, now: float) -> None:
        if self._stopping:
            return
        for stream in list(self.streams.values()):
            stream.tick(now)
            if stream.core.left:
                self._leave_with(stream)
            if stream.sync_due(now):
                self._spawn(stream.sync(), "stream-sync")
            if stream.core.ended and not stream.working and stream.file is not None:
                self._spawn(self._discard(stream), "stream-discard")
                stream.working = True
            elif stream.core.state is DownloadState.WHOLE and self._adopt_at.get(stream.work.id, 0.0) <= now:
                self._when_whole(stream, now)
            elif self._places < PLACES_AT_ONCE and stream.place_due(now):
                self._places += 1
                self._spawn(self._ask_place(stream), "stream-place")
        if self._online:
            self._watch_away()
            self._ask_next(now)
        if now >= self._next_eta:
            self._next_eta = now + ETA_S
            self._tell_etas(now)
        if now >= self._next_read and not self._reading:
            self._reading, self._next_read = True, now + READ_S
            self._spawn(self._read(), "downloads-read")
        if now >= self._next_record and not self._recording:
            self._recording, self._next_record = True, now + RECORD_S
            self._spawn(self._record(), "downloads-record")
        if now >= self._next_pasts:
            self._next_pasts = now + PASTS_S
            self._spawn(self._remember(), "downloads-pasts")
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP_S
            self._spawn(self._sweep(), "streams-sweep")

    def _ask_next(self, now: float) -> None:
        client = self._client
        if client is None:
            return
        for download_id in next_asked((stream.in_line(now) for stream in self.streams.values()), self._rules):
            stream = self.streams[download_id]
            stream.core.ask(now)
            stream.changed = True
            self._spawn(stream.ask(client, now), "stream-ask")

    def _leave_with(self, stream: Stream) -> None:
        """Its sharer was left for somebody else: what else waits there and may be had elsewhere is not asked for one by one."""
        core = stream.core
        core.left = False
        for other in self.streams.values():
            if (
                other.work.user == stream.work.user
                and not other.working
                and other.core.leave(core.state, core.code, **core.params)
            ):
                other.changed = True
                other.let_go()

    def _watch_away(self) -> None:
        """The server tells when those who are waited for come online."""
        client = self._client
        if client is None:
            return
        away = {stream.work.user for stream in self.streams.values() if stream.core.away}
        for user in sorted(away - self._watched):
            self._spawn(client.users.track_user(user, TrackingFlag.TRANSFER), "away-watched")
        self._watched = away

    def _spawn(self, work: Coroutine[object, object, None], name: str) -> None:
        self._context.spawn(work, name)

    async def _ask_place(self, stream: Stream) -> None:
        try:
            await stream.ask_place()
        finally:
            self._places -= 1

    # ---- rows → streams

    async def _read(self) -> None:
        try:
            works = await self._rows.work(list(self.streams), limit=MAX_WORK)
        except DomainError as error:
            log.warning("downloads_not_read code=%s", error.code)
            return
        finally:
            self._reading = False
        if self._stopping:
            return
        now = self._context.clock()
        for work in works:
            stream = self.streams.get(work.id)
            if stream is None:
                stream = self.streams[work.id] = self._stream(work, now)
            stream.work = work
            self._obey(stream, now)
        known = {work.id for work in works}
        for download_id in [one for one in self.streams if one not in known]:
            stream = self.streams[download_id]
            if not stream.core.ended:  # the row is gone, or others ended it
                stream.core.end(DownloadState.CANCELLED, "row_gone")
                stream.let_go()

    def _stream(self, work: DownloadWork, now: float) -> Stream:
        jitter = self._context.rng
        stream = Stream(
            work,
            folder=streams_folder(self._partial_dir) / str(work.id),
            rules=self._rules,
            rescue=self._rescue,
            now=now,
            wall=self._context.wall(),
            clock=self._context.clock,
            counted=lambda count: self._count(work.user, count, work.job_id),
            jitter=lambda: jitter.uniform(0.8, 1.3),
            room=self._room,
        )
        if not self._online:
            stream.core.offline(now)
        return stream

    def _room(self, caller: Stream) -> bool:
        now = self._context.clock()
        return may_begin((one.in_line(now) for one in self.streams.values()), caller.in_line(now), self._rules)

    def _count(self, user: str, count: int, job_id: uuid.UUID | None) -> None:
        self.received_bytes += count
        self._counted(user, count, job_id)

    def _obey(self, stream: Stream, now: float) -> None:
        """What the row says of a stream, done. Idempotent."""
        work, core = stream.work, stream.core
        if core.ended:
            return
        core.elsewhere = work.elsewhere and not stream.rescued
        if work.transfer is not None:
            self._follow_transfer(stream)
            return
        if stream.working:
            return
        end = _end_of(work)
        if end is not None:
            core.end(*end)
            stream.changed = True
            stream.let_go()
        elif _rests(work):
            if core.state not in {DownloadState.PAUSED, DownloadState.WHOLE}:
                core.pause()
                stream.changed = True
                stream.let_go()
                self._spawn(stream.closed(), "stream-close")
        elif core.state is DownloadState.PAUSED:
            core.put_back()
            stream.changed = True

    def _follow_transfer(self, stream: Stream) -> None:
        """It became a transfer: its end is this one's."""
        work, core = stream.work, stream.core
        assert work.transfer is not None
        match work.transfer.state:
            case TransferState.ACCEPTED:
                core.end(DownloadState.SUCCEEDED, work.transfer.code)
            case TransferState.REJECTED:
                core.end(DownloadState.REJECTED, work.transfer.code, **work.transfer.params)
            case TransferState.STOPPED:
                satisfied = work.want_desired is WantDesired.SATISFIED
                core.end(DownloadState.ENOUGH if satisfied else DownloadState.CANCELLED, work.transfer.code)
            case TransferState.FAILED:
                core.end(DownloadState.ERRORED, work.transfer.code)
            case TransferState.FETCHING:
                core.end(DownloadState.ERRORED, "file_gone")
            case TransferState.ASSEMBLED:
                if core.state is not DownloadState.WHOLE:
                    core.whole()
                    stream.changed = True
        if core.ended:
            stream.changed = True

    # ---- a whole stream

    def _when_whole(self, stream: Stream, now: float) -> None:
        work = stream.work
        if stream.working or work.transfer is not None or _rests(work):
            return
        self._adopt_at[work.id] = now + ADOPT_S
        stream.working = True
        self._spawn(self._deliver(stream), "stream-whole")

    async def _deliver(self, stream: Stream) -> None:
        """Every byte is here: place it, or hand it to the judge."""
        try:
            file = await stream.opened()
            if not file.whole:  # a kill took what was not safe
                stream.core.put_back()
                return
            await stream.sync()
            if stream.work.external:
                parts = place_of(stream.work.user, stream.work.remote_path)
                placed = await asyncio.to_thread(place_raw, file.path, downloads=self._downloads_dir, parts=parts)
                stream.path = str(placed)
                stream.core.end(DownloadState.SUCCEEDED)
            else:
                await self._adopt(stream, file)
        except StreamFileError as error:
            log.warning("stream_not_delivered download=%s code=%s", stream.work.id, error.code)
            if error.retryable:
                stream.core.code = error.code
                self._adopt_at[stream.work.id] = self._context.clock() + 30.0
            else:
                stream.core.end(DownloadState.ERRORED, error.code)
        except DomainError as error:
            log.warning("stream_not_delivered download=%s code=%s", stream.work.id, error.code)
        finally:
            stream.working = False
            stream.changed = True

    async def _adopt(self, stream: Stream, file: StreamFile) -> None:
        work = stream.work
        payload = self._payloads.get(work.id)
        if payload is None:
            payload = self._payloads[work.id] = await asyncio.to_thread(file.payload)
        said = await self._rows.adoptable(work.id, payload_format=payload.span.format.value, payload_root=payload.root)
        if said is Adoption.ADOPTED:
            transfer_id = uuid.uuid4()
            self.adopting.add(transfer_id)
            try:
                profile = profile_of(payload.span, work.profile)
                extension = extension_kept(payload.span.format, profile, work.remote_path)
                folder = self._partial_dir / str(transfer_id)
                path = await asyncio.to_thread(linked, file.path, folder, f"audio.{extension}")
                said = await self._rows.adopt(
                    WholeStream(
                        download_id=work.id,
                        transfer_id=transfer_id,
                        payload_format=payload.span.format,
                        payload_root=payload.root,
                        payload_bytes=payload.span.length,
                        leaf_bytes=payload.leaves.leaf_bytes,
                        preamble_bytes=payload.span.offset,
                        profile=profile,
                        path=str(path),
                        size_bytes=file.size,
                    )
                )
            finally:
                self.adopting.discard(transfer_id)
        match said:
            case Adoption.ENOUGH:
                stream.core.end(DownloadState.ENOUGH, "want_satisfied")
            case Adoption.CANCELLED:
                stream.core.end(DownloadState.CANCELLED, "want_cancelled")
            case Adoption.DENIED:
                stream.core.end(DownloadState.REJECTED, "payload_denied")
            case Adoption.ADOPTED:
                self._adopt_at[work.id] = math.inf  # from here on its transfer's row says how it ends
                self._next_read = 0.0
            case Adoption.WAIT:
                pass

    # ---- telling

    async def _record(self) -> None:
        now, wall = self._context.clock(), self._context.wall()
        closing = {
            stream.work.batch_id
            for stream in self.streams.values()
            if stream.core.ended and (stream.working or stream.file is not None)
        }
        told = [  # what ends together is told together: whoever looks for the next candidate looks once
            stream
            for stream in self.streams.values()
            if stream.changed and not (stream.core.ended and stream.work.batch_id in closing)
        ]
        reports = [stream.report(now, wall) for stream in told]
        for stream in told:
            stream.changed = False
        try:
            if reports:
                await self._rows.record(reports)
        except DomainError as error:
            log.warning("downloads_not_recorded code=%s", error.code)
            for stream in told:
                stream.changed = True
            return
        finally:
            self._recording = False
        for stream in told:
            if stream.core.ended and not stream.changed and stream.file is None:
                self.ended[stream.core.state] += 1
                log.info(
                    "download_ended download=%s state=%s code=%s",
                    stream.work.id,
                    stream.core.state.value,
                    stream.core.code,
                )
                self._forget(stream.work.id)
            elif stream.core.state is DownloadState.RECEIVING or stream.core.ended:
                stream.changed = True  # its speed is told also when nothing comes; an end once its file is gone

    def _forget(self, download_id: uuid.UUID) -> None:
        self.streams.pop(download_id, None)
        self._adopt_at.pop(download_id, None)
        self._payloads.pop(download_id, None)

    async def _discard(self, stream: Stream) -> None:
        """It is over: what is on disk goes. (What was judged or placed has another name by now.)"""
        try:
            await stream.discarded()
        finally:
            stream.working = False
            stream.changed = True

    def _tell_etas(self, now: float) -> None:
        for stream in self.streams.values():
            core = stream.core
            if not core.asked:
                stream.eta = None
                continue
            receiving = core.state is DownloadState.RECEIVING
            stream.eta = eta(
                self._pasts.get(stream.work.user) or SharerPast(user=stream.work.user),
                self._everybody,
                left_bytes=max(0, stream.size - stream.have),
                place=stream.place,
                waited_s=stream.waited_s(now),
                speed_bps=float(stream.speed_bps(now)) if receiving else None,
            )
            stream.changed = True

    async def _remember(self) -> None:
        try:
            own, others = await self._rows.pasts(sorted({stream.work.user for stream in self.streams.values()}))
        except DomainError as error:
            log.warning("pasts_not_read code=%s", error.code)
            return
        self._pasts = {past.user: past for past in own}
        self._everybody = everybody(others)

    # ---- what is left over

    async def _sweep(self) -> None:
        """Folders of downloads that need them no more: of rows that went away while the node was down."""
        root = streams_folder(self._partial_dir)
        try:
            found = await asyncio.to_thread(_folders, root)
            left = [one for one in found if one not in self.streams]
            needed = await self._rows.keeping(left) if left else frozenset()
            gone = [one for one in left if one not in needed and one not in self.streams]
            for one in gone:
                file = await asyncio.to_thread(StreamFile.open, root / str(one))
                await asyncio.to_thread(file.discard)
        except DomainError as error:
            log.warning("streams_not_swept code=%s", error.code)
            return
        if gone:
            log.info("streams_swept count=%d", len(gone))

    def gives(self, want_id: uuid.UUID) -> bool:
        """Soulseek brings this want now, and does well."""
        return any(
            stream.work.want_id == want_id
            and stream.core.state is DownloadState.RECEIVING
            and not stream.performance.underperforming
            for stream in self.streams.values()
        )

    def awaits(self, want_id: uuid.UUID) -> bool:
        """Somebody was asked for this want, or is about to be, and nothing is wrong with that."""
        return any(
            stream.work.want_id == want_id and stream.core.state in _AWAITED and not stream.performance.underperforming
            for stream in self.streams.values()
        )

    def report_of(self, ids: Collection[uuid.UUID] = ()) -> tuple[Stream, ...]:
        """The streams that run (of these, or all), for other parts."""
        return tuple(stream for stream in self.streams.values() if not ids or stream.work.id in ids)


_AWAITED: Final = frozenset(
    {
        DownloadState.WAITING,
        DownloadState.ASKED,
        DownloadState.QUEUED,
        DownloadState.CONNECTING,
        DownloadState.RECEIVING,
    }
)


def _rests(work: DownloadWork) -> bool:
    return work.desired is DownloadDesired.PAUSED or work.want_desired is WantDesired.PAUSED


def _end_of(work: DownloadWork) -> tuple[DownloadState, str] | None:
    """The end that the control plane asks for."""
    if work.want_desired is WantDesired.SATISFIED and not work.external:  # its job, being over, cancels it as well
        return DownloadState.ENOUGH, "want_satisfied"
    if work.desired is DownloadDesired.CANCELLED:
        return DownloadState.CANCELLED, "person_cancelled"
    if work.external:
        return None
    match work.want_desired:
        case None:
            return DownloadState.CANCELLED, "want_gone"
        case WantDesired.CANCELLED:
            return DownloadState.CANCELLED, "want_cancelled"
        case _:
            return None


def _folders(root: Path) -> list[uuid.UUID]:
    if not root.is_dir():
        return []
    found = []
    for path in root.iterdir():
        try:
            found.append(uuid.UUID(path.name))
        except ValueError:
            continue
    return found
