"""Values that the node and the control plane exchange about downloads from Soulseek. Frozen; what they mean stands at the rows (apps.soulseek.models.downloads)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from apps.domain.audio.payload import PayloadFormat
from apps.domain.errors import Param
from apps.domain.jobs.lifecycle import TransferState, WantDesired
from apps.domain.soulseek.states import DownloadDesired, DownloadState


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAsked:
    """One file of a batch, as a search or a browse told of it. `want_id` None: an external download, delivered raw.

    `size_bytes` 0: not told. `path` is the sharer's, verbatim.
    """

    path: str
    size_bytes: int = 0
    attributes: Mapping[str, int] = field(default_factory=dict)
    want_id: uuid.UUID | None = None
    recording_mbid: uuid.UUID | None = None
    duration_ms: int | None = None
    profile: str = ""
    elsewhere: bool = False
    """somebody else has it and a free slot: a sharer that is away, or whose queue stands, is not waited for"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTransfer:
    """The transfer that a stream became, as it stands."""

    id: uuid.UUID
    state: TransferState
    code: str
    params: Mapping[str, Param] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadWork:
    """A live download, as the node reads it: what is wanted, and what it wrote of it last."""

    id: uuid.UUID
    batch_id: uuid.UUID
    job_id: uuid.UUID | None
    want_id: uuid.UUID | None
    want_desired: WantDesired | None
    """None: no want"""
    recording_mbid: uuid.UUID | None
    external: bool
    user: str
    remote_path: str
    size_bytes: int
    duration_ms: int | None
    profile: str
    desired: DownloadDesired
    priority: int
    order: int
    rescue_allowed: bool
    elsewhere: bool = False
    """see FileAsked"""
    state: DownloadState = DownloadState.WAITING
    code: str = ""
    bytes_have: int = 0
    attempts: int = 0
    asked_at: datetime | None = None
    next_try_at: datetime | None = None
    transfer: StreamTransfer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadReport:
    """How a download stands: all of DownloadProgress but its transfer. Times are aware UTC."""

    download_id: uuid.UUID
    state: DownloadState
    code: str = ""
    params: Mapping[str, Param] = field(default_factory=dict)
    bytes_have: int = 0
    size_bytes: int | None = None
    payload_format: str = ""
    payload_offset: int | None = None
    payload_bytes: int | None = None
    speed_bps: int = 0
    place: int | None = None
    attempts: int = 0
    next_try_at: datetime | None = None
    asked_at: datetime | None = None
    first_byte_at: datetime | None = None
    last_byte_at: datetime | None = None
    trouble: str = ""
    trouble_since: datetime | None = None
    eta_low_s: int | None = None
    eta_high_s: int | None = None
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeStream:
    """A stream of which every byte is here, and the payload that it is. `path`: the file, in the partial folder of `transfer_id`."""

    download_id: uuid.UUID
    transfer_id: uuid.UUID
    payload_format: PayloadFormat
    payload_root: bytes
    payload_bytes: int
    leaf_bytes: int
    preamble_bytes: int
    """of whatever stands before the payload in the file"""
    profile: str
    path: str
    size_bytes: int


class Adoption(StrEnum):
    """What became of a whole stream."""

    ADOPTED = "adopted"
    """a transfer was made of it; the judge was told"""
    WAIT = "wait"
    """another file of the want is being judged, or the want rests: ask again"""
    ENOUGH = "enough"
    """the want is satisfied already"""
    CANCELLED = "cancelled"
    DENIED = "denied"
    """this payload was refused for this recording before"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharerPast:
    """What is remembered of one sharer's streams. `speeds` bytes/s; `waits` (places at the start, seconds until the first byte)."""

    user: str
    speeds: tuple[float, ...] = ()
    waits: tuple[tuple[int, float], ...] = ()
