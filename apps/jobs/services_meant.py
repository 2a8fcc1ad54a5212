"""What a person asks for is what they mean to have: the target's row, made in the transaction of its job. (`services_targets` does all else with it.)"""

from __future__ import annotations

import uuid

from apps.domain.jobs.targets import TargetKind
from apps.jobs.models import AlbumTarget, JobKind

MEANT = {JobKind.MB_RELEASE.value: TargetKind.RELEASE, JobKind.RECORDING.value: TargetKind.RECORDING}


def target_note(
    job_kind: str,
    mbid: uuid.UUID,
    *,
    source: str = "musicbrainz",
    source_ref: str = "",
    requested_by_id: int | None = None,
) -> None:
    """Keep a release or recording as target, if it is not one; nothing for other kinds of jobs. One statement; what is held is counted later."""
    kind = MEANT.get(job_kind)
    if kind is None:
        return
    row = AlbumTarget(
        kind=kind.value, mbid=mbid, source=source, source_ref=source_ref[:100], requested_by_id=requested_by_id
    )
    AlbumTarget.objects.bulk_create([row], ignore_conflicts=True)
