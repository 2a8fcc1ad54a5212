"""Downloads from Soulseek, control plane: what is asked for, how it stands in our queue, what is not wanted any more.

Every function may be called again with the same arguments and changes nothing then. The node sees what changed within a second (doorbell) or at its
next look. Only live rows move: one whose end was taken in is history; `download_retry` asks for its file anew, in a new row of the same batch.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Final

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F, Max, Min, Q

from apps.common.doorbell import NODE_CHANNEL, WEB_CHANNEL, ring
from apps.domain.contracts.soulseek_downloads import FileAsked
from apps.domain.errors import DomainError
from apps.domain.soulseek.states import DownloadDesired, DownloadState
from apps.soulseek.models import Batch, Download, DownloadProgress

MAX_FILES: Final = 2000
"""Files of one batch."""
MAX_AT_ONCE: Final = 1000
"""Rows that one call moves."""
MAX_PRIORITY: Final = 10
ORDER_STEP: Final = 1024
"""Between two rows of the queue, so that something fits between them."""
RETRIED_FROM: Final = frozenset(
    {
        DownloadState.REJECTED,
        DownloadState.REFUSED,
        DownloadState.TIMED_OUT,
        DownloadState.CANCELLED,
        DownloadState.ERRORED,
        DownloadState.ABORTED,
    }
)
"""Ends after which a person may ask again."""


class DownloadInvalid(DomainError):
    """What was asked can't be a download."""

    default_code = "download_invalid"


class Spot(StrEnum):
    """Where in our queue."""

    TOP = "top"
    BOTTOM = "bottom"
    BEFORE = "before"


def batch_create(
    *,
    user: str,
    folder: str,
    files: Sequence[FileAsked],
    hunt_id: uuid.UUID | None = None,
    candidate_id: int | None = None,
    job_id: uuid.UUID | None = None,
    origin: str = "person",
    priority: int = 5,
    title: str = "",
    requested_by: User | None = None,
) -> uuid.UUID:
    """Ask `user` for files, as one batch; its id. Files that are on their way from them already stay in the batch in which they are; when all are, that
    batch is the answer. A file without a want is external: delivered raw. Raises DownloadInvalid."""
    if not user or len(user) > 120 or "\0" in user:
        raise DownloadInvalid("Downloads come from a user with a name.", field="user")
    named = {one.path: one for one in files}
    if not named or len(named) > MAX_FILES:
        raise DownloadInvalid("A batch has between one and 2,000 files.", field="files", most=MAX_FILES)
    if any(not path or len(path) > 4000 or "\0" in path for path in named):
        raise DownloadInvalid("A file is asked for by its path, as its owner tells it.", field="files")
    priority = max(0, min(priority, MAX_PRIORITY))
    for attempt in (1, 2):
        try:
            with transaction.atomic():
                return _batch_create(
                    named,
                    Batch(
                        title=title[:500],
                        user=user,
                        folder=folder[:2000],
                        hunt_id=hunt_id,
                        candidate_id=candidate_id,
                        job_id=job_id,
                        origin=origin,
                        requested_by=requested_by,
                    ),
                    priority=priority,
                )
        except IntegrityError:  # somebody asked for the same file at this moment
            if attempt == 2:
                raise
    raise AssertionError("unreachable")


def _batch_create(named: Mapping[str, FileAsked], batch: Batch, *, priority: int) -> uuid.UUID:
    there = dict(
        Download.objects.filter(user=batch.user, live=True, remote_path__in=list(named)).values_list(
            "remote_path", "batch_id"
        )
    )
    fresh = [one for path, one in named.items() if path not in there]
    if not fresh:
        return uuid.UUID(str(next(iter(there.values()))))
    batch.save()
    last = Download.objects.filter(live=True).aggregate(last=Max("order"))["last"] or 0
    Download.objects.bulk_create(
        [_row(batch, one, priority=priority, order=last + (index + 1) * ORDER_STEP) for index, one in enumerate(fresh)]
    )
    _told()
    return batch.id


def _row(batch: Batch, one: FileAsked, *, priority: int, order: int) -> Download:
    return Download(
        batch=batch,
        want_id=one.want_id,
        recording_mbid=one.recording_mbid,
        external=one.want_id is None,
        user=batch.user,
        remote_path=one.path,
        size_bytes=max(0, one.size_bytes),
        attributes=dict(one.attributes),
        duration_ms=one.duration_ms,
        profile=one.profile[:40],
        elsewhere=one.elsewhere,
        priority=priority,
        order=order,
    )


def download_move(ids: Collection[uuid.UUID], to: DownloadDesired) -> int:
    """Pause, resume or cancel; how many changed. A cancelled one is not resumed: ask for it anew (`download_retry`)."""
    rows = Download.objects.filter(id__in=list(ids)[:MAX_AT_ONCE], live=True).exclude(desired=to)
    changed = rows.exclude(desired=DownloadDesired.CANCELLED).update(desired=to)
    if changed:
        _told()
    return changed


def batch_move(batch_ids: Collection[uuid.UUID], to: DownloadDesired) -> int:
    """Likewise everything live of some batches."""
    rows = Download.objects.filter(batch_id__in=list(batch_ids)[:MAX_AT_ONCE], live=True).exclude(desired=to)
    changed = rows.exclude(desired=DownloadDesired.CANCELLED).update(desired=to)
    if changed:
        _told()
    return changed


def downloads_of_want_cancel(want_ids: Collection[uuid.UUID]) -> int:
    """Nothing of these wants is asked of sharers any more."""
    rows = Download.objects.filter(want_id__in=list(want_ids), live=True)
    changed = rows.exclude(desired=DownloadDesired.CANCELLED).update(desired=DownloadDesired.CANCELLED)
    if changed:
        _told()
    return changed


def download_retry(ids: Collection[uuid.UUID]) -> tuple[uuid.UUID, ...]:
    """Ask again for files that did not come: a new row each, at the end of the queue; their ids. What is under way already is left out."""
    made: list[uuid.UUID] = []
    ended = (
        Download.objects.filter(id__in=list(ids)[:MAX_AT_ONCE], live=False, progress__state__in=sorted(RETRIED_FROM))
        .select_related("batch")
        .order_by("order", "id")
    )
    for old in ended:
        last = Download.objects.filter(live=True).aggregate(last=Max("order"))["last"] or 0
        try:
            with transaction.atomic():
                row = Download.objects.create(
                    batch=old.batch,
                    want_id=old.want_id,
                    recording_mbid=old.recording_mbid,
                    external=old.external,
                    user=old.user,
                    remote_path=old.remote_path,
                    size_bytes=old.size_bytes,
                    attributes=old.attributes,
                    duration_ms=old.duration_ms,
                    profile=old.profile,
                    priority=old.priority,
                    order=last + ORDER_STEP,
                    rescue_allowed=old.rescue_allowed,
                )
                Batch.objects.filter(id=old.batch_id).update(ended_at=None)
        except IntegrityError:
            continue  # it is under way
        made.append(row.id)
    if made:
        _told()
    return tuple(made)


def batch_retry(batch_ids: Collection[uuid.UUID]) -> tuple[uuid.UUID, ...]:
    """Likewise everything of some batches that did not come and was not asked for again."""
    ended = Download.objects.filter(
        batch_id__in=list(batch_ids)[:MAX_AT_ONCE], live=False, progress__state__in=sorted(RETRIED_FROM)
    )
    good = set(
        Download.objects.filter(batch_id__in=list(batch_ids)[:MAX_AT_ONCE])
        .filter(Q(live=True) | Q(progress__state__in=[DownloadState.SUCCEEDED, DownloadState.ENOUGH]))
        .values_list("user", "remote_path")
    )
    newest = {(row.user, row.remote_path): row.id for row in ended.order_by("created_at", "id")[:MAX_AT_ONCE]}
    return download_retry([row_id for key, row_id in newest.items() if key not in good])


def download_priority(ids: Collection[uuid.UUID], priority: int) -> int:
    """0 (last) … 10 (a person waits); how many changed. Raises DownloadInvalid."""
    if not 0 <= priority <= MAX_PRIORITY:
        raise DownloadInvalid("A priority is between 0 and 10.", field="priority")
    rows = Download.objects.filter(id__in=list(ids)[:MAX_AT_ONCE], live=True).exclude(priority=priority)
    if changed := rows.update(priority=priority):
        _told()
    return changed


def batch_priority(batch_ids: Collection[uuid.UUID], priority: int) -> int:
    """Likewise everything live of some batches."""
    return download_priority(live_of_batches(batch_ids), priority)


@transaction.atomic
def download_reorder(ids: Sequence[uuid.UUID], to: Spot, *, before: uuid.UUID | None = None) -> int:
    """Bring downloads, in the order given, to the top or the bottom of our queue or before another one; how many were brought. They take over the
    priority of where they come to stand. Places in sharers' queues don't change. Raises DownloadInvalid."""
    wanted = list(dict.fromkeys(ids))[:MAX_AT_ONCE]
    found = {row.id: row for row in Download.objects.select_for_update().filter(id__in=wanted, live=True)}
    rows = [found[one] for one in wanted if one in found]
    if not rows:
        return 0
    others = Download.objects.filter(live=True).exclude(id__in=list(found))
    priority = rows[0].priority
    match to:
        case Spot.TOP:
            ends = others.aggregate(first=Min("order"), highest=Max("priority"))
            start = (ends["first"] or 0) - len(rows) * ORDER_STEP
            priority = max(priority, ends["highest"] or 0)
        case Spot.BOTTOM:
            ends = others.aggregate(last=Max("order"), lowest=Min("priority"))
            start = (ends["last"] or 0) + ORDER_STEP
            priority = min(priority, ends["lowest"] if ends["lowest"] is not None else priority)
        case Spot.BEFORE:
            mark = others.filter(id=before).first() if before is not None else None
            if mark is None:
                raise DownloadInvalid("There is no such download in the queue to stand before.", field="before")
            start, priority = mark.order, mark.priority
            others.filter(order__gte=mark.order).update(order=F("order") + len(rows) * ORDER_STEP)
    for index, row in enumerate(rows):
        row.order, row.priority = start + index * ORDER_STEP, priority
    Download.objects.bulk_update(rows, ["order", "priority"])
    _told()
    return len(rows)


def live_of_batches(batch_ids: Collection[uuid.UUID]) -> list[uuid.UUID]:
    """What is live of some batches, in the queue's order."""
    rows = Download.objects.filter(batch_id__in=list(batch_ids)[:MAX_AT_ONCE], live=True)
    return list(rows.order_by("-priority", "order", "id").values_list("id", flat=True)[:MAX_AT_ONCE])


def ended_forget(ids: Collection[uuid.UUID]) -> int:
    """Take ended downloads off the list, and batches of which nothing is left; how many downloads. Files stay."""
    rows = Download.objects.filter(id__in=list(ids)[:MAX_AT_ONCE], live=False)
    batches = set(rows.values_list("batch_id", flat=True))
    count = rows.count()
    rows.delete()
    Batch.objects.filter(id__in=batches, downloads=None).delete()
    if count:
        ring(WEB_CHANNEL, "downloads")
    return count


def progress_of(download_id: uuid.UUID) -> DownloadProgress | None:
    """What the node says of it; None: it has not looked yet."""
    return DownloadProgress.objects.filter(download_id=download_id).first()


def _told() -> None:
    ring(NODE_CHANNEL, "downloads")
    ring(WEB_CHANNEL, "downloads")
