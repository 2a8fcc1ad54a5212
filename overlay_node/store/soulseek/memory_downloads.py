"""Downloads in memory, with the control plane's side (`put`, `want`, `judge`). Passes the same contract tests as `downloads`."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Collection, Sequence

from apps.domain.contracts.soulseek_downloads import (
    Adoption,
    DownloadReport,
    DownloadWork,
    SharerPast,
    StreamTransfer,
    WholeStream,
)
from apps.domain.jobs.lifecycle import TransferState, WantDesired
from apps.domain.soulseek.states import DOWNLOAD_ENDS, DOWNLOAD_MOVES, DownloadState


class MemoryDownloads:
    """See `overlay_node.soulseek.download_ports.DownloadRows`."""

    def __init__(self) -> None:
        self.downloads: dict[uuid.UUID, DownloadWork] = {}
        self.reports: dict[uuid.UUID, DownloadReport] = {}
        self.wants: dict[uuid.UUID, WantDesired] = {}
        self.transfers: dict[uuid.UUID, WholeStream] = {}
        self.judged: dict[uuid.UUID, tuple[TransferState, str]] = {}
        self.denied: set[tuple[uuid.UUID | None, bytes]] = set()
        self.known: tuple[SharerPast, ...] = ()
        self._transfer_of: dict[uuid.UUID, uuid.UUID] = {}

    def put(self, work: DownloadWork) -> uuid.UUID:
        """What the control plane does: a row, or another wish of one."""
        self.downloads[work.id] = work
        if work.want_id is not None:
            self.wants.setdefault(work.want_id, WantDesired.ACTIVE)
        return work.id

    def state(self, download_id: uuid.UUID) -> DownloadState | None:
        """What rows show."""
        report = self.reports.get(download_id)
        return report.state if report is not None else None

    def transfer_of(self, download_id: uuid.UUID) -> WholeStream | None:
        """What it became."""
        found = self._transfer_of.get(download_id)
        return self.transfers[found] if found is not None else None

    def judge(self, download_id: uuid.UUID, state: TransferState, code: str = "") -> None:
        """The worker's verdict, acted upon."""
        self.judged[self._transfer_of[download_id]] = (state, code)

    async def work(self, among: Collection[uuid.UUID], *, limit: int) -> tuple[DownloadWork, ...]:
        """Live downloads that have not ended."""
        live = [self._seen(one) for one in self.downloads.values() if self.state(one.id) not in DOWNLOAD_ENDS]
        live.sort(key=lambda one: (-one.priority, one.order, one.id))
        return tuple(live[:limit]) + tuple(one for one in live[limit:] if one.id in among)

    def _seen(self, work: DownloadWork) -> DownloadWork:
        report = self.reports.get(work.id)
        transfer_id = self._transfer_of.get(work.id)
        transfer = None
        if transfer_id is not None:
            state, code = self.judged.get(transfer_id, (TransferState.ASSEMBLED, ""))
            transfer = StreamTransfer(id=transfer_id, state=state, code=code)
        seen = dataclasses.replace(
            work, want_desired=self.wants.get(work.want_id) if work.want_id is not None else None, transfer=transfer
        )
        if report is None:
            return seen
        return dataclasses.replace(
            seen,
            state=report.state,
            code=report.code,
            bytes_have=report.bytes_have,
            attempts=report.attempts,
            asked_at=report.asked_at,
            next_try_at=report.next_try_at,
        )

    async def record(self, reports: Sequence[DownloadReport]) -> None:
        """How downloads stand."""
        for report in reports:
            before = self.state(report.download_id)
            if report.download_id not in self.downloads or before in DOWNLOAD_ENDS:
                continue
            if report.state is DownloadState.SUCCEEDED:
                before = DownloadState.WHOLE  # it was, between two reports
            if before is not None and before is not report.state and report.state not in DOWNLOAD_MOVES[before]:
                continue
            self.reports[report.download_id] = report

    async def adopt(self, whole: WholeStream) -> Adoption:
        """A whole stream becomes a transfer."""
        if whole.download_id in self._transfer_of:
            return Adoption.ADOPTED
        said = await self.adoptable(
            whole.download_id, payload_format=whole.payload_format.value, payload_root=whole.payload_root
        )
        if said is Adoption.ADOPTED:
            self.transfers[whole.transfer_id] = whole
            self._transfer_of[whole.download_id] = whole.transfer_id
            self.reports[whole.download_id] = DownloadReport(
                download_id=whole.download_id, state=DownloadState.WHOLE, bytes_have=whole.size_bytes
            )
        return said

    async def adoptable(self, download_id: uuid.UUID, *, payload_format: str, payload_root: bytes) -> Adoption:
        """What that would come to."""
        work = self.downloads.get(download_id)
        desired = self.wants.get(work.want_id) if work is not None and work.want_id is not None else None
        match desired:
            case None | WantDesired.CANCELLED:
                return Adoption.CANCELLED
            case WantDesired.SATISFIED:
                return Adoption.ENOUGH
            case WantDesired.PAUSED:
                return Adoption.WAIT
            case WantDesired.ACTIVE:
                pass
        assert work is not None
        if (work.recording_mbid, payload_root) in self.denied:
            return Adoption.DENIED
        judging = [
            one
            for one, transfer_id in self._transfer_of.items()
            if self.downloads[one].want_id == work.want_id and transfer_id not in self.judged
        ]
        return Adoption.WAIT if judging else Adoption.ADOPTED

    async def pasts(self, users: Collection[str]) -> tuple[tuple[SharerPast, ...], tuple[SharerPast, ...]]:
        """What is remembered of sharers."""
        return tuple(one for one in self.known if one.user in users), self.known

    async def keeping(self, ids: Collection[uuid.UUID]) -> frozenset[uuid.UUID]:
        """Which downloads need what is on disk."""
        return frozenset(one for one in ids if one in self.downloads and self.state(one) not in DOWNLOAD_ENDS)
