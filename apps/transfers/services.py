"""What the control plane writes for the node: wants, verdicts and denials. Everything else about transfers is the node's."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping

from django.db import transaction
from django.db.models.functions import Now

from apps.common.doorbell import NODE_CHANNEL, ring
from apps.domain.errors import Param
from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.lifecycle import TransferState, WantDesired
from apps.domain.jobs.verdicts import WISHES
from apps.transfers.models import PayloadDenial, Transfer, TransferVerdict, Want

WANT_MOVES: Mapping[WantDesired, frozenset[WantDesired]] = {
    WantDesired.ACTIVE: frozenset({WantDesired.PAUSED, WantDesired.CANCELLED, WantDesired.SATISFIED}),
    WantDesired.PAUSED: frozenset({WantDesired.ACTIVE, WantDesired.CANCELLED, WantDesired.SATISFIED}),
    WantDesired.CANCELLED: frozenset({WantDesired.ACTIVE}),
    WantDesired.SATISFIED: frozenset(),
}
"""A paused want may still be satisfied: its file was complete and under verification when the person paused."""


def want_create(
    recording_mbid: uuid.UUID,
    *,
    release_mbids: Collection[uuid.UUID],
    duration_ms: int | None,
    constraints: Constraints,
    requested_by_id: int | None,
    group_id: uuid.UUID | None = None,
    origin: str = "job",
    priority: int = 5,
) -> Want:
    """A new active want. `release_mbids`: keys under which sources are looked up, best first; `duration_ms`: the recording's length;
    `group_id`: what it was asked for together with (its job), sharing one bandwidth limit."""
    want = Want.objects.create(
        recording_mbid=recording_mbid,
        release_mbids=[str(mbid) for mbid in release_mbids],
        duration_ms=duration_ms,
        constraints=constraints.to_json(),
        requested_by_id=requested_by_id,
        group_id=group_id,
        origin=origin,
        priority=priority,
    )
    ring(NODE_CHANNEL, f"want {want.id}")
    return want


def wants_move(want_ids: Collection[uuid.UUID], *, desired: WantDesired) -> int:
    """Change what is desired, where WANT_MOVES allows it; returns how many wants moved and wakes the node."""
    allowed = [state for state, targets in WANT_MOVES.items() if desired in targets]
    moved = Want.objects.filter(id__in=want_ids, desired__in=allowed).update(desired=desired, updated_at=Now())
    if moved:
        ring(NODE_CHANNEL, f"wants {desired.value}")
    return moved


def wants_lossy(want_ids: Collection[uuid.UUID], *, allowed: bool) -> int:
    """Allow or forbid lossy payloads to wants that are still open, as the album's share is used up or free again. Returns how many changed."""
    changed = 0
    for want in Want.objects.filter(id__in=want_ids, desired__in=[WantDesired.ACTIVE, WantDesired.PAUSED]):
        if want.constraints.get("allow_lossy", True) != allowed:
            # The limit is the job's; a want is one track and only needs to know yes or no.
            wishes = {**want.constraints, "allow_lossy": allowed, "max_lossy_tracks_per_album": None}
            changed += Want.objects.filter(id=want.id).update(constraints=wishes, updated_at=Now())
    if changed:
        ring(NODE_CHANNEL, "wants lossy" if allowed else "wants lossless")
    return changed


def verdict_write(
    transfer: uuid.UUID, *, accepted: bool, code: str = "", params: Mapping[str, Param] | None = None
) -> bool:
    """Judge an assembled file, once: True if this call wrote the verdict, False if there was one. Call inside a transaction."""
    _, created = TransferVerdict.objects.get_or_create(
        transfer_id=transfer, defaults={"accepted": accepted, "code": code, "params": dict(params or {})}
    )
    ring(NODE_CHANNEL, f"verdict {transfer}")
    return created


def sample_reject(transfer: uuid.UUID, *, code: str, params: Mapping[str, Param]) -> bool:
    """The beginning of a file that is still being fetched is not what was wanted: verdict and denial, and the node stops it. False: too late, the
    whole file is judged instead."""
    with transaction.atomic():
        rows = Transfer.objects.select_for_update().filter(id=transfer, state=TransferState.FETCHING)
        if not rows.exists() or not verdict_write(transfer, accepted=False, code=code, params=params):
            return False
        denial_write(transfer, code=code, params=params)
    return True


def denial_write(transfer: uuid.UUID, *, code: str, params: Mapping[str, Param] | None = None) -> None:
    """Never fetch this transfer's payload for its recording again. Repeating it changes nothing. Call inside a transaction."""
    row = Transfer.objects.select_related("want").get(id=transfer)
    denial, created = PayloadDenial.objects.get_or_create(
        recording_mbid=row.want.recording_mbid,
        payload_format=row.payload_format,
        payload_root=bytes(row.payload_root),
        defaults={"code": code, "params": dict(params or {})},
    )
    if not created and denial.code in WISHES and code not in WISHES:
        # It was only not good enough for somebody; now it is known to be wrong for everybody.
        PayloadDenial.objects.filter(id=denial.id).update(code=code, params=dict(params or {}), applied_at=None)


def denials_revoke(recording_mbids: Collection[uuid.UUID], *, codes: Collection[str]) -> int:
    """Let payloads be tried again that were denied for these recordings with one of `codes`; returns how many."""
    rows = PayloadDenial.objects.filter(recording_mbid__in=list(recording_mbids), code__in=list(codes))
    return rows.delete()[0]
