"""Values that the node and the control plane exchange about rescues. Frozen; what they mean stands at the row (apps.soulseek.models.downloads.Rescue)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from apps.domain.errors import Param
from apps.domain.soulseek.states import DownloadState, RescueState


@dataclass(frozen=True, slots=True, kw_only=True)
class RescueReport:
    """How a rescue stands: the whole row. Times are aware UTC."""

    id: uuid.UUID
    download_id: uuid.UUID
    transfer_id: uuid.UUID | None = None
    job_id: uuid.UUID | None = None
    recording_mbid: uuid.UUID | None = None
    trouble: str
    trouble_at: datetime
    state: RescueState
    code: str = ""
    params: Mapping[str, Param] = field(default_factory=dict)
    overlay_bytes: int = 0
    soulseek_bytes: int = 0
    peers: int = 0
    started_at: datetime
    first_byte_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RescueKept:
    """A rescue that an earlier run left, not over. `end`: its download's, which the rescue never heard of, because the node was killed between the two; with its
    code. None: the download goes on."""

    report: RescueReport
    end: DownloadState | None = None
    end_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RescueOrigin:
    """What rows know of the Soulseek side of a download: see `apps.domain.soulseek.guardrails.RescueFacts`. Bytes are the job's; 0 without one."""

    download_id: uuid.UUID
    attempted: bool = False
    seen: bool = False
    provable: bool = False
    overlay_bytes: int = 0
    soulseek_bytes: int = 0
