"""Traffic for tests: batches as the node writes them, and a heartbeat that tells what its governor does."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from apps.domain.contracts.node_work import Heartbeat
from apps.domain.contracts.soulseek_traffic import FairnessReport, TrafficBatch, TrafficLine, TrafficPlane
from apps.nodelink.services import heartbeat_record
from apps.soulseek.services_node_traffic import fairness_record, traffic_record

GIB = 1 << 30
BOOT = uuid.UUID(int=77)
_numbers = iter(range(1, 10_000_000))


def now() -> datetime:
    return datetime.now(UTC)


def line(
    count: int,
    *,
    plane: str = "overlay",
    direction: str = "down",
    peer: str = "p",
    ago: timedelta = timedelta(),
    job: uuid.UUID | None = None,
) -> TrafficLine:
    hour = (now() - ago).replace(minute=0, second=0, microsecond=0)
    return TrafficLine(
        hour=hour, plane=TrafficPlane(plane), direction=direction, peer=peer, count_bytes=count, job_id=job
    )


def passed(*lines: TrafficLine, boot: uuid.UUID = BOOT) -> bool:
    return traffic_record(TrafficBatch(boot_id=boot, number=next(_numbers), lines=lines))


def acted(
    action: str, *, share: float, ago: timedelta = timedelta(), rule: str = "", job: uuid.UUID | None = None
) -> None:
    rule = rule or "min_overlay_upload_download_ratio"
    code = {"eased": "fairness_recovering", "released": "fairness_fine"}.get(action, f"fairness_{rule}")
    params = {"code": code, "rule": rule, "ratio": 0.2, "limit": 0.5, "percent": round(share * 100)}
    fairness_record([FairnessReport(at=now() - ago, rule=rule, action=action, share=share, job_id=job, params=params)])


def beats(**fairness: object) -> None:
    told = {
        "code": "fairness_fine",
        "params": {},
        "share": 1.0,
        "prefer_soulseek": False,
        "prefer_soulseek_uploads": False,
        "down_bps": None,
        "up_bps": None,
        "jobs": {},
        **fairness,
    }
    report = {
        "mode": "hybrid",
        "acting": "hybrid",
        "traffic": {"overlay_up": 1, "overlay_down": 2, "soulseek_up": 3, "soulseek_down": 4},
        "fairness": told,
    }
    heartbeat_record(
        Heartbeat(
            peer_id="me", boot_id=str(uuid.uuid4()), started_at=now() - timedelta(hours=1), version="1", report=report
        )
    )
