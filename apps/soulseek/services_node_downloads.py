"""What the node writes about downloads: how each stands, and the transfer that a whole one becomes.

Every function is one step of one transaction, which the caller opens (`overlay_node.store.soulseek.downloads`). An end is final: whatever is told of a
download that has ended changes nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db.models.functions import Now

from apps.common.dispatch import TaskName, enqueue
from apps.common.doorbell import NODE_CHANNEL, WEB_CHANNEL, ring
from apps.common.transitions import advance
from apps.domain.contracts.events import TransferAssembled, TransferEnded
from apps.domain.contracts.soulseek_downloads import Adoption, DownloadReport, WholeStream
from apps.domain.jobs.lifecycle import (
    TRANSFER_LIVE,
    TRANSFER_MOVES,
    TransferRole,
    TransferState,
    WantDesired,
)
from apps.domain.soulseek.states import DOWNLOAD_ENDS, DOWNLOAD_MOVES, DownloadState
from apps.nodelink.services import event_record
from apps.peers.models import Plane
from apps.peers.services import peer_ids
from apps.soulseek.models import Download, DownloadProgress
from apps.transfers.models import PayloadDenial, Transfer, TransferSource, Want

_KEPT_WHEN_UNTOLD = ("asked_at", "first_byte_at", "last_byte_at", "payload_offset", "payload_bytes", "size_bytes")
"""A node that was started anew does not know them: what was written stays."""


def downloads_record(reports: Sequence[DownloadReport]) -> None:
    """How downloads stand: one UPDATE each. Ends wake those who take them in."""
    ended = 0
    for report in reports:
        ended += _record(report)
    if reports:
        ring(WEB_CHANNEL, "downloads")
    if ended:
        enqueue(TaskName.TAKE_STREAM_ENDS)


def _record(report: DownloadReport) -> bool:
    """True: it ended by this report."""
    over = report.state in DOWNLOAD_ENDS
    changes: dict[str, object] = {
        "code": report.code[:60],
        "params": dict(report.params),
        "bytes_have": report.bytes_have,
        "speed_bps": report.speed_bps,
        "place": report.place,
        "attempts": report.attempts,
        "next_try_at": report.next_try_at,
        "trouble": report.trouble,
        "trouble_since": report.trouble_since,
        "eta_low_s": report.eta_low_s,
        "eta_high_s": report.eta_high_s,
        "path": report.path,
    }
    for name in _KEPT_WHEN_UNTOLD:
        if (value := getattr(report, name)) is not None:
            changes[name] = value
    if report.payload_format:
        changes["payload_format"] = report.payload_format
    if over:
        changes["ended_at"] = Now()
    rows = DownloadProgress.objects.filter(download_id=report.download_id)
    if report.state is DownloadState.SUCCEEDED:  # it was whole, between two reports
        advance(rows, moves=DOWNLOAD_MOVES, to=DownloadState.WHOLE)
    if advance(rows, moves=DOWNLOAD_MOVES, to=report.state, only_from=None, **changes):
        return over
    if rows.filter(state=report.state).exclude(state__in=sorted(DOWNLOAD_ENDS)).update(updated_at=Now(), **changes):
        return False
    if rows.exists() or not Download.objects.filter(id=report.download_id).exists():
        return False
    DownloadProgress.objects.create(download_id=report.download_id, state=report.state, **changes)
    return over


def stream_adoptable(download_id: uuid.UUID, *, payload_format: str, payload_root: bytes) -> Adoption:
    """What `stream_adopt` would come to now; ADOPTED: it may be done."""
    row = Download.objects.select_related("want").filter(id=download_id).first()
    want = row.want if row is not None else None
    if want is None:
        return Adoption.CANCELLED
    match WantDesired(want.desired):
        case WantDesired.CANCELLED:
            return Adoption.CANCELLED
        case WantDesired.SATISFIED:
            return Adoption.ENOUGH
        case WantDesired.PAUSED:
            return Adoption.WAIT
        case WantDesired.ACTIVE:
            pass
    denied = PayloadDenial.objects.filter(
        recording_mbid=want.recording_mbid, payload_format=payload_format, payload_root=payload_root
    )
    if denied.exists():
        return Adoption.DENIED
    judging = Transfer.objects.filter(want=want, state=TransferState.ASSEMBLED)
    judged = Transfer.objects.filter(want=want, state__in=sorted(TRANSFER_LIVE), verdict__isnull=False)
    return Adoption.WAIT if judging.exists() or judged.exists() else Adoption.ADOPTED


def stream_adopt(whole: WholeStream) -> Adoption:
    """Make a transfer, assembled, of a stream that is whole. What the mesh fetches of the same want waits beside it for the verdict (and goes on where it
    was, if that is no); a second one, or one of this very payload, gives way."""
    row = Download.objects.select_related("want").filter(id=whole.download_id).first()
    want = row.want if row is not None else None
    if row is None or want is None:
        return Adoption.CANCELLED
    Want.objects.select_for_update().get(id=want.id)
    progress = DownloadProgress.objects.filter(download_id=row.id)
    if progress.exclude(transfer=None).filter(state=DownloadState.WHOLE).exists():
        return Adoption.ADOPTED
    said = stream_adoptable(
        whole.download_id, payload_format=whole.payload_format.value, payload_root=whole.payload_root
    )
    if said is not Adoption.ADOPTED:
        return said
    transfer = Transfer.objects.create(
        id=whole.transfer_id,
        want=want,
        role=_room(want, whole),
        choice={},
        payload_format=whole.payload_format.value,
        payload_root=whole.payload_root,
        profile=whole.profile[:40],
        payload_bytes=whole.payload_bytes,
        leaf_bytes=whole.leaf_bytes,
        preamble_bytes=whole.preamble_bytes,
        state=TransferState.ASSEMBLED,
        verified_bytes=whole.payload_bytes,
        path=whole.path,
    )
    peer_id = peer_ids([row.user], plane=Plane.SOULSEEK)[row.user]
    TransferSource.objects.create(
        transfer=transfer,
        peer_id=peer_id,
        adapter="soulseek",
        payload_root=whole.payload_root,
        state="completed",
        verified_bytes=whole.payload_bytes,
    )
    state = {"state": DownloadState.WHOLE, "transfer": transfer, "bytes_have": whole.size_bytes, "code": ""}
    if not progress.exclude(state__in=sorted(DOWNLOAD_ENDS)).update(updated_at=Now(), **state):
        DownloadProgress.objects.create(download_id=row.id, **state)
    event_record(TransferAssembled(transfer_id=transfer.id, want_id=want.id))
    ring(NODE_CHANNEL, "want")
    ring(WEB_CHANNEL, "downloads")
    return Adoption.ADOPTED


def _room(want: Want, whole: WholeStream) -> TransferRole:
    """Which role is free for the stream's transfer, made free if need be."""
    live = list(Transfer.objects.filter(want=want, state__in=sorted(TRANSFER_LIVE)).order_by("created_at"))
    same = (whole.payload_format.value, whole.payload_root)
    leaving = [one for one in live if (one.payload_format, bytes(one.payload_root)) == same]
    staying = [one for one in live if one not in leaving]
    if len(staying) > 1:
        leaving += [one for one in staying if one.role != TransferRole.PRIMARY]
        staying = [one for one in staying if one.role == TransferRole.PRIMARY]
    for one in leaving:
        rows = Transfer.objects.filter(id=one.id)
        if advance(rows, moves=TRANSFER_MOVES, to=TransferState.STOPPED, code="gave_way", ended_at=Now(), speed_bps=0):
            event_record(TransferEnded(transfer_id=one.id, want_id=want.id, code="gave_way"))
    taken = {one.role for one in staying}
    return TransferRole.FALLBACK if TransferRole.PRIMARY in taken else TransferRole.PRIMARY
