"""Reads of transfers for the control plane. The node reads through its own services."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from apps.domain.jobs.lifecycle import TransferState, WantDesired
from apps.transfers.models import Transfer


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferFacts:
    """One transfer as a worker needs it to judge the assembled file."""

    id: uuid.UUID
    want_id: uuid.UUID
    recording_mbid: uuid.UUID
    desired: WantDesired
    state: TransferState
    payload_format: str
    payload_root: bytes
    payload_bytes: int
    profile: str
    path: str
    """Of the assembled file in the partial folder; "" before it stands."""
    judged: bool
    """True once a verdict was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFacts:
    """The beginning of a file that is still being fetched."""

    recording_mbid: uuid.UUID
    duration_ms: int | None
    """Of the recording."""
    payload_format: str
    path: str
    sample_bytes: int


def transfer_sample(transfer_id: uuid.UUID) -> SampleFacts | None:
    """What may be sampled of a transfer; None when it is not being fetched (any more), or was judged."""
    rows = Transfer.objects.select_related("want").filter(id=transfer_id, state=TransferState.FETCHING, verdict=None)
    row = rows.filter(sample_bytes__gt=0).first()
    if row is None:
        return None
    return SampleFacts(
        recording_mbid=row.want.recording_mbid,
        duration_ms=row.want.duration_ms,
        payload_format=row.payload_format,
        path=row.path,
        sample_bytes=row.sample_bytes,
    )


def transfer_facts(transfer_id: uuid.UUID) -> TransferFacts | None:
    """The transfer, or None if the row is gone."""
    row = Transfer.objects.select_related("want", "verdict").filter(id=transfer_id).first()
    if row is None:
        return None
    return TransferFacts(
        id=row.id,
        want_id=row.want_id,
        recording_mbid=row.want.recording_mbid,
        desired=WantDesired(row.want.desired),
        state=TransferState(row.state),
        payload_format=row.payload_format,
        payload_root=bytes(row.payload_root),
        payload_bytes=row.payload_bytes,
        profile=row.profile,
        path=row.path,
        judged=hasattr(row, "verdict"),
    )
