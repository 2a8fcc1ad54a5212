"""What the node counts and does about fairness, as values: bytes by plane and direction, and the governor's actions."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from apps.domain.errors import Param
from apps.domain.soulseek.fairness import Traffic


class TrafficPlane(StrEnum):
    """Which network a byte came or went over."""

    OVERLAY = "overlay"
    SOULSEEK = "soulseek"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficLine:
    """Payload bytes of one hour with one peer. `peer`: the overlay's peer id, or the name on Soulseek; `direction`: down or up, seen from this node."""

    hour: datetime
    """aware UTC, its first moment"""
    plane: TrafficPlane
    direction: str
    peer: str
    count_bytes: int
    job_id: uuid.UUID | None = None
    """of downloads: the want's group, None when it is not known"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficBatch:
    """What was counted since the batch before. Written whole or not at all, and never twice: `boot_id` and `number` (1, 2, …) name it."""

    boot_id: uuid.UUID
    number: int
    lines: tuple[TrafficLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficGlance:
    """What the governor judges by: rolling windows as far as they are written."""

    week: Traffic = field(default_factory=Traffic)
    """seven days"""
    day: Traffic = field(default_factory=Traffic)
    """24 hours"""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHunt:
    """How a job stands on Soulseek. `attempted`: it was searched for; `searching`: queries are out, or their answers are being weighed."""

    attempted: bool = False
    searching: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessReport:
    """What the governor did. `share`: part of the overlay's usual downloads that is left, 0..1; `job_id` None: of the whole node."""

    at: datetime
    rule: str
    action: str
    share: float
    job_id: uuid.UUID | None = None
    params: Mapping[str, Param] = field(default_factory=dict)
