"""Rows in memory, and what a library in memory holds."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime

from apps.domain.contracts.node_work import (
    AdvertHeld,
    AdvertisedVariant,
    HeldPayload,
    HeldRelease,
    HeldVariant,
    SourceReport,
    TransferWork,
)
from apps.domain.contracts.peer_work import PeerMetricsReport


@dataclass(slots=True)
class TransferRow:
    """A transfer as a row would be."""

    work: TransferWork
    preamble_bytes: int = 0
    preamble: str = ""
    preamble_from: str = ""
    code: str = ""
    path: str = ""
    verified_bytes: int = 0
    refetched_bytes: int = 0
    sources: dict[str, SourceReport] = field(default_factory=dict)
    verdict_applied: bool = False
    choice: dict[str, object] = field(default_factory=dict)
    sample_bytes: int = 0


@dataclass(slots=True)
class PeerRow:
    """A peer as a row would be."""

    bad_leaves: int = 0
    wrong_claims: int = 0
    violations: int = 0
    banned_for_s: float = 0.0
    agent: str = ""
    address: tuple[str, int] | None = None
    metrics: PeerMetricsReport | None = None
    reputation: float = 0.5
    scored_at: datetime | None = None


@dataclass(slots=True)
class AdvertRow:
    """A peer's advert as its rows would be."""

    group: str = ""
    held: AdvertHeld | None = None
    whole: bool = False
    generation: int = 0
    variants: dict[str, tuple[int, AdvertisedVariant]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryEntry:
    """A payload in the library, under the release it belongs to. `words`: what the catalogue calls that release."""

    release_mbid: uuid.UUID
    variant: HeldVariant
    payload: HeldPayload
    words: HeldRelease | None = None
