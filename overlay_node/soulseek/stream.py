"""One download on its way: what is decided of it (`StreamCore`), its bytes (`StreamFile`), how well it does (`PerformanceWatch`), and aioslsk's transfer.

For whoever works beside it (the rescue): `span`, `leaves` and `leaf` are what of the payload is here; `watch` says how it does; `stop_before` ends the
stream where somebody else's bytes begin. All for the loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aioslsk.exceptions import AioSlskException
from aioslsk.protocol.messages import PeerTransferQueue
from aioslsk.transfer.manager import _RequestFlag
from aioslsk.transfer.state import TransferState as LibraryState
from aioslsk.user.model import UserStatus

from apps.domain.audio.payload import PayloadSpan
from apps.domain.contracts.soulseek_downloads import DownloadReport, DownloadWork
from apps.domain.soulseek.eta import Eta
from apps.domain.soulseek.performance import Performance, PerformanceWatch, RescueRules
from apps.domain.soulseek.states import DownloadState
from apps.domain.soulseek.streaming import SETTLED_S, InLine, StreamCore, StreamRules, sizes_agree
from overlay_node.soulseek.stream_files import SYNC_BYTES, StreamFile, StreamFileError
from overlay_node.soulseek.streams import StreamTransfer

if TYPE_CHECKING:
    from overlay_node.soulseek.client import SoulseekClient

log = logging.getLogger(__name__)

SYNC_S: Final = 5.0
"""What arrived is made safe at least so often."""
PLACE_S: Final = 180.0
"""Between two questions for our place in a sharer's queue; the first comes sooner."""
FIRST_PLACE_S: Final = 3.0
OFFLINE_S: Final = 3.0
"""An ask that the server says can't be delivered is not waited for any longer."""
BARREN: Final = 2
"""Streams from an offset that brought nothing: the sharer refuses offsets."""
ANEW_S: Final = 1.0
"""Before a file is asked for from its beginning, once it is known why the rest did not come: there is nothing to wait for."""
SPEED_S: Final = 10.0
RESCUED_LESS: Final = 3
"""So much less urgent is a stream that the mesh helps."""


class Stream:
    """See the module."""

    def __init__(
        self,
        work: DownloadWork,
        *,
        folder: Path,
        rules: StreamRules,
        rescue: RescueRules,
        now: float,
        wall: datetime,
        clock: Callable[[], float],
        counted: Callable[[int], None],
        jitter: Callable[[], float],
        room: Callable[[Stream], bool] = lambda _stream: True,
    ) -> None:
        """`room`: may its sharer, which calls, begin?"""
        self.work = work
        self.folder: Final = folder
        self.core: Final = _core_of(work, rules, now=now, wall=wall)
        self.watch = PerformanceWatch(rescue, now=now)
        self.file: StreamFile | None = None
        self.place: int | None = None
        self.path = ""
        """of an external download that was placed"""
        self.eta: Eta | None = None
        self.performance = Performance()
        self.working = False
        """something that blocks is done with its file (whole, placed, discarded)"""
        self.changed = True
        self.first_place: int | None = None
        self.stop_before: int | None = None
        """offset in the sharer's file from which on its bytes are not wanted"""
        self.rescued = False
        """the mesh helps: it gives way to streams that nobody else helps"""
        self._rules: Final = rules
        self._rescue: Final = rescue
        self._clock: Final = clock
        self._counted: Final = counted
        self._jitter: Final = jitter
        self._room: Final = room
        self._client: SoulseekClient | None = None
        self._transfer: StreamTransfer | None = None
        self._io: Final = asyncio.Lock()
        self._asked_at: float | None = None
        self._first_byte: float | None = None
        self._last_byte: float | None = None
        self._began = 0
        self._fresh = 0
        self._streamed = False
        self._barren = 0
        self._anew = False
        self._differs = False
        self._refused = ""
        self._disk = ""
        self._stopped_there = False
        self._next_sync = 0.0
        self._next_place = 0.0
        self._queued_for: float | None = None
        self._seen_away = False
        self._kept: tuple[int, int, PayloadSpan | None] = (work.bytes_have, 0, None)
        """(bytes, size, payload) as of when its file was last open"""

    # ---- for others

    @property
    def span(self) -> PayloadSpan | None:
        """Where the payload lies in the sharer's file, once its header is here."""
        return self.file.span if self.file is not None else self._kept[2]

    @property
    def leaves(self) -> Sequence[bytes]:
        """Hashes of the payload's whole leaves that are here, from the first on."""
        return self.file.leaves if self.file is not None else ()

    def leaf(self, index: int) -> bytes:
        """The bytes of one of them. Raises IndexError, DomainError."""
        if self.file is None:
            raise IndexError(index)
        return self.file.leaf(index)

    @property
    def have(self) -> int:
        """Bytes of the sharer's file that are here."""
        return self.file.have if self.file is not None else self._kept[0]

    @property
    def size(self) -> int:
        """Of the whole file: as the sharer said, or else the search."""
        return self.said_size or self.work.size_bytes

    @property
    def said_size(self) -> int:
        """As the sharer said; 0: it has not."""
        return self.file.size if self.file is not None else self._kept[1]

    @property
    def settled(self) -> bool:
        """Everything that happened is in the core, and nothing runs."""
        return self._transfer is None and not self.working

    def in_line(self, now: float) -> InLine:
        """As the queue sees it."""
        waits = self._queued_for is not None and now - self._queued_for >= SETTLED_S
        return InLine(
            id=self.work.id,
            user=self.work.user,
            priority=self.work.priority - (RESCUED_LESS if self.rescued else 0),
            order=self.work.order,
            state=self.core.state,
            due=self.core.due(now) and self.settled,
            settled=waits,
        )

    # ---- asking

    async def ask(self, client: SoulseekClient, now: float) -> None:
        """Ask the sharer for what is missing; the core says `asked` already when this begins. A file that is here already asks nobody."""
        try:
            await self.opened()
        except StreamFileError as error:
            self._out_of_room(now, error.code)
            return
        if self.core.state is not DownloadState.ASKED:  # paused or cancelled in the meantime
            return
        assert self.file is not None
        if self.file.whole:
            self.core.whole()
            self.changed = True
            return
        transfer = StreamTransfer(self.work.user, self.work.remote_path, self)
        transfer.block_timeout_s = self._rules.stall_s
        transfer.state_listeners.append(self)
        self._began, self._fresh, self._streamed = 0, 0, False
        self._differs, self._refused, self._disk, self._stopped_there = False, "", "", False
        if self._asked_at is None:
            self._asked_at = now
            self.watch = PerformanceWatch(self._rescue, now=now)  # what it waited here is nobody's trouble
        self.watch.queued(now)
        self._queued_for, self._next_place = None, now + FIRST_PLACE_S
        if await client.transfers.add(transfer) is not transfer:  # one of the same file still ends
            self.core.put_back()
            self.core.next_try = now + 1.0
            return
        self._client, self._transfer = client, transfer
        await client.transfers.queue(transfer)

    def ask_anew(self) -> None:
        """We were away: a sharer that was away too has forgotten us, and nobody told. Asking twice costs no place."""
        transfer, client = self._transfer, self._client
        if transfer is not None and client is not None and self.core.state is DownloadState.QUEUED:
            transfer.remotely_queued = False
            client.transfers.request_management_cycle(_RequestFlag.TRANSFER_CHANGE)

    async def opened(self) -> StreamFile:
        """Its file, opened. Raises StreamFileError."""
        if self.file is None:
            async with self._io:
                if self.file is None:
                    self.file = await asyncio.to_thread(StreamFile.open, self.folder)
        return self.file

    # ---- the sink

    def may_begin(self) -> bool:
        """See `StreamSink`. Who is sent away has taken us out of its queue: we wait here for a place, and ask again then."""
        self.changed = True
        if self._room(self):
            self.core.called()  # at once: the next call may come before the library notes this one
            return True
        self.core.put_back()
        self._release()
        return False

    def next_offset(self, size: int) -> int:
        """See `StreamSink`. A file that can't be the one that was offered is not wanted at all."""
        assert self.file is not None
        if size <= 0:
            self._refused = "empty_file"
        elif not sizes_agree(self.work.size_bytes, size):
            self._refused = "size_differs"
        if self._refused:
            return size
        self._began = self.file.begin(size, anew=self._anew)
        log.info("stream_begins download=%s offset=%d size=%d", self.work.id, self._began, size)
        self.changed = True
        return self._began

    async def write(self, offset: int, data: bytes) -> bool:
        """See `StreamSink`."""
        file = self.file
        if file is None or self._transfer is None:
            return False
        if self.stop_before is not None and offset + len(data) > self.stop_before:
            data = data[: max(0, self.stop_before - offset)]
            self._stopped_there = True
            if not data:
                return False
        before = file.have
        try:
            if not file.write(offset, data) and not await self._begun_anew(file, offset, data):
                return False
        except StreamFileError as error:
            self._disk = error.code
            return False
        now = self._clock()
        self.watch.arrived(now, len(data))
        self._counted(len(data))
        self._last_byte = now
        if self._first_byte is None:
            self._first_byte = now
        if (new := file.have - before) > 0:
            self._fresh += new
            self.core.arrived(new)
        self.changed = True
        return not self._stopped_there

    async def _begun_anew(self, file: StreamFile, offset: int, data: bytes) -> bool:
        """The sharer's bytes are not ours: they are taken down beside them, where they are known from the beginning. Raises StreamFileError."""
        log.info("stream_differs download=%s offset=%d began=%d", self.work.id, offset, self._began)
        async with self._io:
            begun = await asyncio.to_thread(file.restart, offset, data)
        self._differs = not begun
        return begun

    # ---- what the library tells

    async def on_transfer_state_changed(self, transfer: StreamTransfer, _old: object, new: object) -> None:
        """A listener of aioslsk's transfer. Only takes note: the transfer's own task is what calls it."""
        if transfer is not self._transfer:
            return
        now = self._clock()
        state = LibraryState.State
        self.changed = True
        if new is state.INITIALIZING:
            self.core.called()
        elif new is state.DOWNLOADING:
            self.core.receiving()
            self._streamed = True
            self.watch.active(now)
        elif new in {state.COMPLETE, state.INCOMPLETE, state.FAILED}:
            transfer.remotely_queued = True  # or it would be asked for again behind our back
            self._ended(now, transfer, failed=new is state.FAILED)

    def _ended(self, now: float, transfer: StreamTransfer, *, failed: bool) -> None:
        """The library's transfer came to rest: what that means."""
        core, file = self.core, self.file
        assert file is not None
        refuses_offsets = False
        if (
            self._streamed
            and self._began
            and not self._fresh
            and not (self._differs or self._disk or self._stopped_there)
        ):
            self._barren += 1
            refuses_offsets = self._barren == BARREN
            self._anew = self._anew or refuses_offsets
        file.paused()
        if core.ended or core.state is DownloadState.PAUSED:
            pass
        elif self._refused:
            core.end(DownloadState.REJECTED, self._refused, told=self.work.size_bytes, said=int(transfer.filesize or 0))
        elif self._disk:
            self._out_of_room(now, self._disk)
        elif self._differs:
            self._anew = True
            core.broke(now, "file_differs", pause_s=ANEW_S)
        elif self._stopped_there:
            core.rest("mesh_has_rest")
        elif file.whole:
            core.whole()
        elif failed and transfer.fail_reason:
            core.refused(now, str(transfer.fail_reason), mostly_here=self._mostly_here)
        else:
            core.broke(now, "broke_off", pause_s=ANEW_S if refuses_offsets else None, jitter=self._jitter())
        self._release()

    def _out_of_room(self, now: float, code: str) -> None:
        self.core.no_room(now, code if code == "disk_full" else "folder_unwritable")
        self.changed = True

    def _release(self) -> None:
        """Let go of the library's transfer, beside the task that may have called us."""
        transfer, client, self._transfer = self._transfer, self._client, None
        self._queued_for = None
        if transfer is not None and client is not None:
            task = asyncio.get_running_loop().create_task(_removed(client, transfer), name="stream-release")
            _releasing.add(task)
            task.add_done_callback(_releasing.discard)

    # ---- time

    def tick(self, now: float) -> None:
        """Four times a second."""
        core, transfer = self.core, self._transfer
        if transfer is not None:
            if core.state is DownloadState.ASKED and transfer.remotely_queued:
                core.delivered(now)
                self.watch.queued(now)
                self._queued_for = now
                self.changed = True
            elif core.state is DownloadState.CONNECTING and transfer.state.VALUE is LibraryState.State.QUEUED:
                core.state = DownloadState.QUEUED  # it called and did not come
                core.undelivered(now)
                self.changed = True
            elif core.state is DownloadState.QUEUED and not transfer.remotely_queued:
                core.undelivered(now)
                self._queued_for = None
                self.changed = True
            if core.state is DownloadState.ASKED:
                self._look_for_sharer(now)
        self._look_for_return(now)
        if core.tick(now, have=self.have):
            self.changed = True
            self.let_go()
        look = self.watch.look(now) if core.asked else self.performance
        if look != self.performance:
            if look.trouble != self.performance.trouble:
                log.info(
                    "stream_underperforms download=%s reason=%s %s",
                    self.work.id,
                    look.trouble.value if look.trouble is not None else "over",
                    " ".join(f"{name}={value}" for name, value in look.params.items()),
                )
            self.performance, self.changed = look, True

    def _look_for_sharer(self, now: float) -> None:
        core, client = self.core, self._client
        if client is None or core.asked_since is None or now - core.asked_since < OFFLINE_S:
            return
        if client.users.get_user_object(self.work.user).status is UserStatus.OFFLINE:
            core.broke(now, "went_away", away=True, mostly_here=self._mostly_here, jitter=self._jitter())
            self.changed = True
            self._release()

    def _look_for_return(self, now: float) -> None:
        """Who was seen to be away and is there now is asked at once, however long the pause still is."""
        core, client = self.core, self._client
        if client is None or not core.away:
            self._seen_away = False
            return
        status = client.users.get_user_object(self.work.user).status
        if status is UserStatus.OFFLINE:
            self._seen_away = True
        elif self._seen_away and status in {UserStatus.ONLINE, UserStatus.AWAY}:
            self._seen_away, self.changed = False, True
            core.returned(now)

    @property
    def _mostly_here(self) -> bool:
        return self.have * 2 > self.size > 0

    def sync_due(self, now: float) -> bool:
        """Something should be made safe."""
        file = self.file
        if file is None or self.working or self._io.locked() or not file.unsynced:
            return False
        return file.unsynced >= SYNC_BYTES or now >= self._next_sync

    async def sync(self) -> None:
        """Make safe what is here."""
        self._next_sync = self._clock() + SYNC_S
        file = self.file
        if file is None:
            return
        try:
            async with self._io:
                await asyncio.to_thread(file.sync)
        except StreamFileError as error:
            log.warning("stream_not_synced download=%s code=%s", self.work.id, error.code)
            if self.core.asked:
                self._out_of_room(self._clock(), error.code)
                self._release()

    def place_due(self, now: float) -> bool:
        """Our place in the sharer's queue is asked for now."""
        if self.core.state is not DownloadState.QUEUED or self._transfer is None or now < self._next_place:
            return False
        self._next_place = now + PLACE_S
        return True

    async def ask_place(self) -> None:
        """Many don't answer; that is fine."""
        transfer, client = self._transfer, self._client
        if transfer is None or client is None:
            return
        try:
            place = await client.transfers.request_place_in_queue(transfer)
        except AioSlskException:
            await self._remind(client, transfer)
            return
        if place and transfer is self._transfer and self.core.state is DownloadState.QUEUED:
            now = self._clock()
            if self.place is None or int(place) < self.place:
                self.core.nearer(now)
            self.place, self.changed = int(place), True
            if self.first_place is None:
                self.first_place = self.place
            self.watch.placed(self.place, now)

    async def _remind(self, client: SoulseekClient, transfer: StreamTransfer) -> None:
        """A sharer that tells no place may never have heard of us: the last word into a connection that dies is lost unnoticed. Asking twice costs no place."""
        if transfer is not self._transfer or self.core.state is not DownloadState.QUEUED:
            return
        try:
            await client.network.send_peer_messages(self.work.user, PeerTransferQueue.Request(self.work.remote_path))
        except AioSlskException:
            return

    def let_go(self) -> None:
        """End whatever runs at the sharer. The bytes stay."""
        if self.file is not None and not self.working:
            self.file.paused()
        self._release()

    async def closed(self) -> None:
        """Make safe what is here and let go of the file."""
        async with self._io:
            file = self._taken_off()
            if file is None:
                return
            try:
                if file.unsynced:
                    await asyncio.to_thread(file.sync)
            except StreamFileError as error:
                log.warning("stream_not_synced download=%s code=%s", self.work.id, error.code)
            file.close()

    async def discarded(self) -> None:
        """Let go of the file and delete it."""
        async with self._io:
            file = self._taken_off()
            if file is not None:
                await asyncio.to_thread(file.discard)

    def _taken_off(self) -> StreamFile | None:
        file, self.file = self.file, None
        if file is not None:
            self._kept = (file.have, file.size, file.span)
        return file

    # ---- telling

    def speed_bps(self, now: float) -> int:
        """Now; 0 unless bytes arrive."""
        if self.core.state is not DownloadState.RECEIVING:
            return 0
        return int(self.watch.meter.bps(now, window_s=SPEED_S))

    def waited_s(self, now: float) -> float:
        """Since it was first asked for, without a byte."""
        return now - self._asked_at if self._asked_at is not None else 0.0

    def report(self, now: float, wall: datetime) -> DownloadReport:
        """All of it, as rows keep it."""
        core, span = self.core, self.span
        speed = self.speed_bps(now)
        params = dict(core.params)
        if (
            core.ended
            and self._first_byte is not None
            and self._last_byte is not None
            and self._last_byte > self._first_byte
        ):
            params["stream_bps"] = int(self.watch.meter.total / max(0.5, self._last_byte - self.watch.meter.started_at))
        if core.ended and self.first_place is not None:
            params["first_place"] = self.first_place
        trouble = self.performance
        if trouble.trouble is not None and not core.ended:
            params.update(trouble.params)

        def at(moment: float | None) -> datetime | None:
            return wall - timedelta(seconds=now - moment) if moment is not None else None

        next_try = core.next_try if core.next_try is not None and core.next_try != float("inf") else None
        return DownloadReport(
            download_id=self.work.id,
            state=core.state,
            code=core.code,
            params=params,
            bytes_have=self.have,
            size_bytes=self.said_size or None,
            payload_format=span.format.value if span is not None else "",
            payload_offset=span.offset if span is not None else None,
            payload_bytes=span.length if span is not None else None,
            speed_bps=speed,
            place=self.place if core.state is DownloadState.QUEUED else None,
            attempts=core.attempts,
            next_try_at=at(next_try),
            asked_at=at(self._asked_at),
            first_byte_at=at(self._first_byte),
            last_byte_at=at(self._last_byte),
            trouble=trouble.trouble.value if trouble.trouble is not None and not core.ended else "",
            trouble_since=at(trouble.since) if not core.ended else None,
            eta_low_s=self.eta.low_s if self.eta is not None and not core.ended else None,
            eta_high_s=self.eta.high_s if self.eta is not None and not core.ended else None,
            path=self.path,
        )


_releasing: Final[set[asyncio.Task[None]]] = set()
"""Transfers of the library that are being let go; a reference, or the loop would forget the tasks."""


async def _removed(client: SoulseekClient, transfer: StreamTransfer) -> None:
    try:
        if transfer in client.transfers.transfers:
            await client.transfers.remove(transfer)
    except AioSlskException as error:
        log.info("stream_not_removed error=%s", error)


def _core_of(work: DownloadWork, rules: StreamRules, *, now: float, wall: datetime) -> StreamCore:
    """As an earlier run left it: what was asked or received waits for its turn again, and its clocks go on."""
    core = StreamCore(rules=rules, attempts=work.attempts)
    match work.state:
        case DownloadState.WHOLE | DownloadState.PAUSED:
            core.state = work.state
        case DownloadState.INTERRUPTED:
            core.state, core.code = work.state, work.code
            if work.next_try_at is not None:
                core.next_try = now + min(max(0.0, (work.next_try_at - wall).total_seconds()), 600.0)
        case DownloadState.QUEUED:
            if work.asked_at is not None:
                core.queued_since = now - max(0.0, (wall - work.asked_at).total_seconds())
                core.nearer_since = now
        case _:
            pass
    return core
