"""What the node writes when it shares: changes that its index has, and how uploads stand."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from django.db.models import Q

from apps.domain.contracts.soulseek_sharing import UploadReport
from apps.domain.soulseek.states import UPLOAD_ENDS
from apps.soulseek.models import ShareChange, Upload

_SLICE: Final = 500


def changes_taken(marks: Collection[int]) -> None:
    """The index has these changes."""
    listed = sorted(marks)
    for at in range(0, len(listed), _SLICE):
        ShareChange.objects.filter(id__in=listed[at : at + _SLICE]).delete()


def changes_forget() -> int:
    """Everything is about to be read anew: what was noted until now says nothing more. How many there were."""
    newest = ShareChange.objects.order_by("-id").values_list("id", flat=True).first()
    if newest is None:
        return 0
    return ShareChange.objects.filter(id__lte=newest).delete()[0]


def uploads_write(reports: Sequence[UploadReport]) -> None:
    """How uploads stand; rows are made where there are none. An end is never written over, and a row has one live upload per user and file."""
    for at in range(0, len(reports), _SLICE):
        _write({one.id: one for one in reports[at : at + _SLICE]}.values())


def _write(reports: Collection[UploadReport]) -> None:
    known = set(Upload.objects.filter(id__in=[one.id for one in reports]).values_list("id", flat=True))
    made = [one for one in reports if one.id not in known]
    Upload.objects.bulk_create((_row(one) for one in made), ignore_conflicts=True)
    live = ~Q(state__in=sorted(UPLOAD_ENDS))
    for one in reports:
        if one.id in known:
            Upload.objects.filter(live, id=one.id).update(
                state=one.state.value,
                code=one.code,
                params=dict(one.params),
                size_bytes=one.size,
                file_id=one.file_id,
                group=one.group,
                offset=one.offset,
                sent_bytes=one.sent_bytes,
                speed_bps=one.speed_bps,
                started_at=one.started_at,
                ended_at=one.ended_at,
            )


def _row(one: UploadReport) -> Upload:
    return Upload(
        id=one.id,
        user=one.user[:120],
        remote_path=one.remote_path[:4000],
        file_id=one.file_id,
        size_bytes=one.size,
        state=one.state.value,
        code=one.code,
        params=dict(one.params),
        group=one.group,
        offset=one.offset,
        sent_bytes=one.sent_bytes,
        speed_bps=one.speed_bps,
        asked_at=one.asked_at,
        started_at=one.started_at,
        ended_at=one.ended_at,
    )
