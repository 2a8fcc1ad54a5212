"""What the node writes about rescues. One step of one transaction, which the caller opens (`overlay_node.store.soulseek.rescues`)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from apps.common.doorbell import WEB_CHANNEL, ring
from apps.domain.contracts.soulseek_rescues import RescueReport
from apps.domain.soulseek.rescue import RESCUE_LIVE
from apps.domain.soulseek.states import RescueState
from apps.soulseek.models import Download, Rescue
from apps.transfers.models import Transfer


def rescues_record(reports: Sequence[RescueReport]) -> None:
    """How rescues stand: the last report of each counts. What was written as over by another run, and was live, makes way."""
    last = {report.id: report for report in reports}
    downloads = set(
        Download.objects.filter(id__in={one.download_id for one in last.values()}).values_list("id", flat=True)
    )
    asked = {one.transfer_id for one in last.values() if one.transfer_id is not None}
    transfers = set(Transfer.objects.filter(id__in=asked).values_list("id", flat=True)) if asked else set()
    for report in last.values():
        if report.download_id in downloads:
            _record(report, transfers)
    if last:
        ring(WEB_CHANNEL, "downloads")


def _record(report: RescueReport, transfers: set[uuid.UUID]) -> None:
    if report.state in RESCUE_LIVE:
        others = Rescue.objects.filter(download_id=report.download_id, state__in=sorted(RESCUE_LIVE))
        others.exclude(id=report.id).update(
            state=RescueState.ENDED, code="rescue_superseded", ended_at=report.started_at
        )
    Rescue.objects.update_or_create(
        id=report.id,
        defaults={
            "download_id": report.download_id,
            "transfer_id": report.transfer_id if report.transfer_id in transfers else None,
            "job_id": report.job_id,
            "recording_mbid": report.recording_mbid,
            "trouble": report.trouble,
            "trouble_at": report.trouble_at,
            "state": report.state,
            "code": report.code[:60],
            "params": dict(report.params),
            "overlay_bytes": report.overlay_bytes,
            "soulseek_bytes": report.soulseek_bytes,
            "peers": report.peers,
            "started_at": report.started_at,
            "first_byte_at": report.first_byte_at,
            "ended_at": report.ended_at,
        },
    )
