"""The node's writes about bytes and fairness. Called in the node's database thread, each in a transaction of the caller's."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from django.db.models import F
from django.db.models.functions import Now

from apps.domain.contracts.node_work import TrafficReport
from apps.domain.contracts.soulseek_traffic import FairnessReport, TrafficBatch
from apps.domain.soulseek.traffic_windows import RETENTION
from apps.peers.services import traffic_add
from apps.soulseek.models import FairnessAction, JobTraffic, TrafficHour, TrafficMark

MAX_PEER_CHARS = 200


def traffic_record(batch: TrafficBatch) -> bool:
    """Add a batch to hours, jobs and peers. False: it was written before, and nothing changed. Needs a transaction."""
    if not _mark(batch):
        return False
    hours: Counter[tuple[datetime, str, str]] = Counter()
    jobs: Counter[tuple[uuid.UUID, str]] = Counter()
    peers: Counter[tuple[str, str, str]] = Counter()
    for line in batch.lines:
        hours[line.hour, line.plane.value, line.direction] += line.count_bytes
        peers[line.plane.value, line.peer[:MAX_PEER_CHARS], line.direction] += line.count_bytes
        if line.job_id is not None and line.direction == "down":
            jobs[line.job_id, line.plane.value] += line.count_bytes
    # In one order always: two writers that met in different orders would wait for each other.
    for (hour, plane, direction), count in sorted(hours.items()):
        known_hours = TrafficHour.objects.filter(hour=hour, plane=plane, direction=direction)
        if not known_hours.update(total_bytes=F("total_bytes") + count):
            TrafficHour.objects.create(hour=hour, plane=plane, direction=direction, total_bytes=count)
    for (job_id, plane), count in sorted(jobs.items(), key=lambda item: (item[0][0].bytes, item[0][1])):
        known_jobs = JobTraffic.objects.filter(job_id=job_id, plane=plane)
        if not known_jobs.update(total_bytes=F("total_bytes") + count, updated_at=Now()):
            JobTraffic.objects.create(job_id=job_id, plane=plane, total_bytes=count)
    traffic_add(
        TrafficReport(plane=plane, peer=peer, direction=direction, count_bytes=count)
        for (plane, peer, direction), count in sorted(peers.items())
    )
    return True


def fairness_record(reports: Sequence[FairnessReport]) -> None:
    """Keep what the governor did."""
    FairnessAction.objects.bulk_create(
        FairnessAction(
            at=one.at,
            rule=one.rule[:60],
            action=one.action[:20],
            share=one.share,
            job_id=one.job_id,
            params=dict(one.params),
        )
        for one in reports
    )


def traffic_forget(now: datetime) -> int:
    """Remove hours, actions and marks past their retention. Totals per peer and per job stay. Returns how many rows went."""
    before = now - RETENTION
    gone, _ = TrafficHour.objects.filter(hour__lt=before).delete()
    acted, _ = FairnessAction.objects.filter(at__lt=before).delete()
    marked, _ = TrafficMark.objects.filter(updated_at__lt=before).delete()
    return gone + acted + marked


def _mark(batch: TrafficBatch) -> bool:
    """True when this batch is new."""
    known = TrafficMark.objects.filter(boot_id=batch.boot_id)
    if known.filter(number__lt=batch.number).update(number=batch.number, updated_at=Now()):
        return True
    if known.exists():
        return False
    TrafficMark.objects.create(boot_id=batch.boot_id, number=batch.number)
    return True
