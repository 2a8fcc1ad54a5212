"""Looking again at files that were placed without a fingerprint's word (DESIGN §10: "re-checked later"), as rows.

A completed track stays completed whatever comes out: its file is the person's. It becomes confirmed, or says that it turned out to be another
recording. In that case the payload is denied, so that asking again fetches another one, and what the node offers it as is put right.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from apps.common.doorbell import WEB_CHANNEL, ring
from apps.common.transitions import lease_claim
from apps.domain.errors import Param
from apps.domain.jobs.lifecycle import TrackState, TransferState
from apps.jobs.models import JobTrack
from apps.jobs.services_resolve import tries_of
from apps.library.services import variant_identified
from apps.transfers.models import Transfer
from apps.transfers.services import denial_write

RECHECK_FIRST = timedelta(days=1)
"""AcoustID learns of new recordings within days, not minutes; the wait doubles."""
RECHECK_MOST = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecheckClaim:
    """A placed file that this worker looks at again. `tries`: looks so far, all without a word."""

    track_id: uuid.UUID
    attempt: int
    tries: int
    recording_mbid: uuid.UUID
    variant_id: int
    duration_ms: int
    fingerprint: bytes
    """Compressed text; b"" if none was made when the file was placed."""
    path: Path


def rechecks_due(*, limit: int) -> list[uuid.UUID]:
    """Tracks whose unconfirmed file is due for another look, the longest waiting first."""
    rows = _unconfirmed().filter(Q(lease_until=None) | Q(lease_until__lt=Now()), next_step_at__lte=Now())
    return list(rows.order_by("next_step_at").values_list("id", flat=True)[:limit])


def recheck_claim(track_id: uuid.UUID, *, lease_s: int) -> RecheckClaim | None:
    """Take a track that is due; None if it is not, or somebody else's."""
    if not lease_claim(_unconfirmed().filter(id=track_id, next_step_at__lte=Now()), seconds=lease_s):
        return None
    track = JobTrack.objects.select_related("audio_file__variant", "audio_file__root").get(id=track_id)
    file = track.audio_file
    assert file is not None
    variant = file.variant
    assert variant is not None  # what was placed was read
    return RecheckClaim(
        track_id=track.id,
        attempt=track.attempt,
        tries=tries_of(track.params),
        recording_mbid=track.recording_mbid,
        variant_id=variant.id,
        duration_ms=variant.duration_ms,
        fingerprint=bytes(variant.fingerprint),
        path=Path(os.fsdecode(os.path.join(os.fsencode(file.root.path), bytes(file.rel_path)))),  # noqa: PTH118
    )


def recheck_confirmed(claim: RecheckClaim, *, fingerprint: bytes, params: Mapping[str, Param]) -> bool:
    """A fingerprint says that it is the recording."""
    with transaction.atomic():
        if not _done(claim, verification="fingerprint", code="", params=dict(params)):
            return False
        variant_identified(claim.variant_id, recording_mbid=claim.recording_mbid, fingerprint=fingerprint)
    return True


def recheck_refuted(
    claim: RecheckClaim, *, recording_mbid: uuid.UUID | None, fingerprint: bytes, params: Mapping[str, Param]
) -> bool:
    """A fingerprint says that it is another recording (None: unknown which). The file stays; its payload is denied."""
    with transaction.atomic():
        if not _done(claim, code="placed_wrong_recording", params=dict(params)):
            return False
        variant_identified(claim.variant_id, recording_mbid=recording_mbid, fingerprint=fingerprint)
        accepted = Transfer.objects.filter(want__job_track=claim.track_id, state=TransferState.ACCEPTED)
        for transfer in accepted.values_list("id", flat=True):
            denial_write(transfer, code="wrong_recording", params=params)
    return True


def recheck_later(claim: RecheckClaim, *, code: str) -> bool:
    """Still no word (`code`: why): the next look comes after twice the time."""
    wait = min(RECHECK_FIRST * 2 ** min(claim.tries, 10), RECHECK_MOST)
    params = {"tries": claim.tries + 1}
    return _mine(claim).update(code=code, params=params, next_step_at=Now() + wait, lease_until=None) == 1


def recheck_released(claim: RecheckClaim) -> None:
    """Nobody could be asked: it stays due."""
    _mine(claim).update(lease_until=None)


def _done(claim: RecheckClaim, **changes: object) -> bool:
    moved = _mine(claim).update(next_step_at=None, lease_until=None, updated_at=Now(), **changes)
    if moved:
        job_id = JobTrack.objects.values_list("job_id", flat=True).get(id=claim.track_id)
        ring(WEB_CHANNEL, f"job {job_id}")
    return moved == 1


def _mine(claim: RecheckClaim) -> QuerySet[JobTrack]:
    return _unconfirmed().filter(id=claim.track_id, attempt=claim.attempt)


def _unconfirmed() -> QuerySet[JobTrack]:
    return JobTrack.objects.filter(
        state=TrackState.COMPLETED,
        verification="unconfirmed",
        audio_file__isnull=False,
        audio_file__missing_since__isnull=True,
    )
