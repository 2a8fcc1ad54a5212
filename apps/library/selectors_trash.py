"""Reads of the trash: what is in it, what has a step to do, what may be given up."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Now

from apps.common.pagination import DEFAULT_LIMIT, Page, keyset_page
from apps.domain.library.issues import IssueType
from apps.domain.library.paths import display_text as path_text
from apps.domain.library.scans import ScanState
from apps.domain.library.trash import TRASH_OPEN, TrashState
from apps.library.models import LibraryIssue, LibraryRoot, LibraryScan, TrashedFile

SHOWN = (TrashState.PLANNED, TrashState.MOVING, TrashState.TRASHED, TrashState.RESTORING, TrashState.PURGING)
"""In the list unless something else is asked for."""
_UNSOUND = (IssueType.CORRUPTED_FILE, IssueType.WRONG_DURATION, IssueType.SUSPECTED_TRANSCODE)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrashView:
    """A file in the trash. Paths and texts are harmless to show."""

    id: uuid.UUID
    root: str
    path: str
    state: TrashState
    code: str
    params: dict[str, object]
    reason: str
    size_bytes: int
    sha256: str
    """Hex; empty until it was read."""
    title: str
    artist: str
    album: str
    file_id: int | None
    variant_id: int | None
    profile: str
    replaced_by_id: int | None
    replaced_by: str
    """Path of the file that took its place."""
    keep_until_proven: bool
    purge_at: datetime | None
    """When it is given up; None: it is kept."""
    restored_to: str
    """Where it was put back, if not at its old name."""
    created_at: datetime
    trashed_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrashSum:
    """What the trash holds."""

    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrashStep:
    """A row whose step is due; `attempt` tells one waiting from the next."""

    id: uuid.UUID
    attempt: int


def trash_list(
    *,
    states: Collection[TrashState] = SHOWN,
    keep_days: int = 0,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[TrashView]:
    """Newest first. `keep_days`: how long files are kept (0: for ever). Raises CursorInvalid."""
    rows = _related(TrashedFile.objects.filter(state__in=sorted(states)))
    page = keyset_page(rows, order=["-id"], cursor=cursor, limit=limit)
    return Page(
        items=[_view(row, keep_days) for row in page.items],
        next_cursor=page.next_cursor,
        previous_cursor=page.previous_cursor,
    )


def trash_one(trash_id: uuid.UUID, *, keep_days: int = 0) -> TrashView | None:
    """One row."""
    row = _related(TrashedFile.objects.filter(id=trash_id)).first()
    return _view(row, keep_days) if row is not None else None


def trash_sum() -> TrashSum:
    """How much lies in the trash: an index alone is read."""
    total = TrashedFile.objects.filter(state=TrashState.TRASHED).aggregate(files=Count("*"), held=Sum("size_bytes"))
    return TrashSum(files=total["files"], size_bytes=total["held"] or 0)


def trash_waiting(*, limit: int = 500) -> list[TrashStep]:
    """Rows that have a step to do and are in nobody's hands."""
    nobody = Q(lease_until=None) | Q(lease_until__lt=Now())
    rows = TrashedFile.objects.filter(nobody, state__in=sorted(TRASH_OPEN), next_step_at__lte=Now())
    return [TrashStep(id=key, attempt=attempt) for key, attempt in rows.values_list("id", "attempt")[:limit]]


def trash_expired(*, now: datetime, keep_days: int, limit: int = 500) -> list[uuid.UUID]:
    """What has been kept long enough, and is nothing that waits for a proof of its replacement, or for a fix that is under way."""
    if keep_days <= 0:
        return []
    old = TrashedFile.objects.filter(
        state=TrashState.TRASHED,
        trashed_at__lte=now - timedelta(days=keep_days),
        needed=False,
        keep_until_proven=False,
    )
    return list(old.order_by("trashed_at").values_list("id", flat=True)[:limit])


def trash_proven(*, limit: int = 500) -> list[uuid.UUID]:
    """What is only kept until its replacement is proven, and that is: a whole scan of its folder began after the exchange and came to its end, the
    new file was there, can be read, and nothing is wrong with its sound."""
    scans = LibraryScan.objects.filter(
        root_id=OuterRef("replaced_by__root_id"),
        below=b"",
        state=ScanState.COMPLETED,
        created_at__gt=OuterRef("trashed_at"),
    )
    wrong = LibraryIssue.objects.filter(
        file_id=OuterRef("replaced_by_id"), open=True, type__in=[one.value for one in _UNSOUND]
    )
    rows = TrashedFile.objects.filter(
        Exists(scans),
        ~Exists(wrong),
        state=TrashState.TRASHED,
        needed=False,
        keep_until_proven=True,
        replaced_by__missing_since=None,
        replaced_by__read_state="read",
        replaced_by__variant__isnull=False,
    )
    return list(rows.order_by("trashed_at").values_list("id", flat=True)[:limit])


def _related(rows: QuerySet[TrashedFile]) -> QuerySet[TrashedFile]:
    return rows.select_related("root", "replaced_by").annotate(variant_profile=F("variant__profile"))


def _view(row: TrashedFile, keep_days: int) -> TrashView:
    facts = row.file_facts
    held = row.needed or row.keep_until_proven
    kept = row.state == TrashState.TRASHED and row.trashed_at is not None and keep_days > 0 and not held
    return TrashView(
        id=row.id,
        root=row.root.path,
        path=row.display,
        state=TrashState(row.state),
        code=row.code,
        params={key: value for key, value in row.params.items() if key not in ("tries", "numbered")},
        reason=row.reason,
        size_bytes=row.size_bytes,
        sha256=bytes(row.sha256).hex(),
        title=str(facts.get("title", "")),
        artist=str(facts.get("artist", "")),
        album=str(facts.get("album", "")),
        file_id=row.file_id,
        variant_id=row.variant_id,
        profile=getattr(row, "variant_profile", None) or "",
        replaced_by_id=row.replaced_by_id,
        replaced_by=row.replaced_by.display if row.replaced_by else "",
        keep_until_proven=row.keep_until_proven,
        purge_at=row.trashed_at + timedelta(days=keep_days) if kept and row.trashed_at else None,
        restored_to=path_text(bytes(row.restore_path)) if row.restore_path else "",
        created_at=row.created_at,
        trashed_at=row.trashed_at,
        ended_at=row.restored_at or row.purged_at,
    )


def root_writable(root_id: int) -> str | None:
    """Path of a root that may be changed; None: there is no such root, or it is only read."""
    return LibraryRoot.objects.filter(id=root_id, writable=True).values_list("path", flat=True).first()
