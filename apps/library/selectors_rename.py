"""Reads of renamings: files to be named, plans and their lines, what has a step to do."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from apps.common.pagination import DEFAULT_LIMIT, Page, keyset_page
from apps.domain.library.paths import display_text
from apps.domain.library.renaming import RENAMING_OPEN, MoveState, RenamingState
from apps.library.models import AudioFile, FileMove, LibraryRenaming, LibraryRoot
from apps.library.services import FileStat

SHOWS: Final[Mapping[str, tuple[MoveState, ...]]] = {
    "": (),
    "moves": (MoveState.PLANNED, MoveState.MOVING, MoveState.MOVED, MoveState.RETURNING, MoveState.RETURNED),
    "stays": (MoveState.BLOCKED, MoveState.FAILED, MoveState.STUCK),
}
"""What may be shown of a plan's lines; () = all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileToName:
    """A file, and all that its row knows for a name."""

    file_id: int
    root_id: int
    relative: bytes
    said: Mapping[str, object]
    """Its tags by the names of AudioTags, with what the row says where they are silent."""
    release_mbid: uuid.UUID | None
    recording_mbid: uuid.UUID | None
    medium: int
    track: int
    container: str
    codec: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RootOfFiles:
    """A root whose files are named."""

    id: int
    path: Path
    writable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveStep:
    """A line to be done."""

    id: int
    position: int
    root: RootOfFiles
    old: bytes
    new: bytes
    state: MoveState
    file_id: int | None
    sidecar: bool
    at: bytes | None
    """Where the file's row says it is; None: it is gone, or the line is no music."""
    seen: FileStat
    """What it was like when its move began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveView:
    """A line as shown. Paths and texts are harmless to show."""

    position: int
    root: str
    old: str
    new: str
    sidecar: bool
    file_id: int | None
    state: MoveState
    code: str
    params: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class RenamingView:
    """A renaming as shown."""

    id: uuid.UUID
    template: str
    path: str
    """What was asked for; empty: the whole library."""
    state: RenamingState
    code: str
    params: Mapping[str, object]
    looked: int
    named: int
    planned: int
    beside: int
    blocked: int
    moved: int
    failed: int
    returned: int
    stuck: int
    requested_by: str
    created_at: datetime
    applied_at: datetime | None
    ended_at: datetime | None
    rate: float | None
    """Lines a second since it was applied; None: nothing is being done."""

    @property
    def lines(self) -> int:
        """Files that move, sidecars included."""
        return self.planned + self.beside

    @property
    def done(self) -> int:
        """Lines that were tried: of applying, or of taking back."""
        if self.state in (RenamingState.UNDOING, RenamingState.UNDONE):
            return self.returned + self.stuck
        return self.moved + self.failed

    @property
    def of(self) -> int:
        """How many there are to be tried."""
        return self.moved if self.state in (RenamingState.UNDOING, RenamingState.UNDONE) else self.lines

    @property
    def eta_s(self) -> float | None:
        """Seconds until all were tried, at the rate so far."""
        return (self.of - self.done) / self.rate if self.rate else None


def files_to_name(*, root_id: int | None, below: bytes) -> Iterator[FileToName]:
    """Files that are there and were read, folder by folder: of a root, a folder or a file of it, or without a root of all of them."""
    rows = AudioFile.objects.filter(missing_since=None, read_state="read")
    if root_id is not None:
        rows = rows.filter(root_id=root_id)
    if below:
        # "0" is the byte behind "/".
        rows = rows.filter(Q(rel_path=below) | Q(rel_path__gt=below + b"/", rel_path__lt=below + b"0"))
    fields = (
        "id", "root_id", "rel_path", "tags", "title", "artist", "album", "release_mbid", "medium_position", "track_position",
        "variant__recording_mbid", "variant__container", "variant__codec",
    )  # fmt: skip
    for row in rows.order_by("root_id", "rel_path").values(*fields).iterator(chunk_size=2000):
        said = {"title": row["title"], "artist": row["artist"], "album": row["album"]}
        said |= {"disc": row["medium_position"] or 0, "track": row["track_position"] or 0}
        yield FileToName(
            file_id=row["id"],
            root_id=row["root_id"],
            relative=bytes(row["rel_path"]),
            said=said | {name: value for name, value in row["tags"].items() if value},
            release_mbid=row["release_mbid"],
            recording_mbid=row["variant__recording_mbid"],
            medium=row["medium_position"] or 0,
            track=row["track_position"] or 0,
            container=row["variant__container"] or "",
            codec=row["variant__codec"] or "",
        )


def roots_of_files() -> Mapping[int, RootOfFiles]:
    """Every root by its id."""
    return {row.id: _root(row) for row in LibraryRoot.objects.all()}


def moves_next(
    renaming_id: uuid.UUID, *, states: Sequence[MoveState], beyond: int | None, back: bool, limit: int
) -> tuple[MoveStep, ...]:
    """Lines in these states in order (`back`: from the last to the first), beyond a position. One query."""
    rows = FileMove.objects.filter(renaming_id=renaming_id, state__in=[one.value for one in states])
    if beyond is not None:
        rows = rows.filter(position__lt=beyond) if back else rows.filter(position__gt=beyond)
    rows = rows.select_related("root", "file").order_by("-position" if back else "position")
    return tuple(_step(row) for row in rows[:limit])


def folders_moved(renaming_id: uuid.UUID, *, back: bool) -> dict[tuple[int, bytes], set[bytes]]:
    """(root, folder that music left) → folders it went to. `back`: of what was put back."""
    rows = FileMove.objects.filter(
        renaming_id=renaming_id, state=MoveState.RETURNED if back else MoveState.MOVED, sidecar=False
    )
    found: dict[tuple[int, bytes], set[bytes]] = {}
    for root_id, old, new in rows.values_list("root_id", "old_path", "new_path").iterator(chunk_size=2000):
        here, there = (bytes(one).rpartition(b"/")[0] for one in ((new, old) if back else (old, new)))
        found.setdefault((root_id, here), set()).add(there)
    return found


def folders_not_whole(renaming_id: uuid.UUID) -> set[tuple[int, bytes]]:
    """Folders of which music was to be moved and was not."""
    states = [MoveState.FAILED, MoveState.PLANNED, MoveState.MOVING]
    rows = FileMove.objects.filter(renaming_id=renaming_id, state__in=states, sidecar=False)
    return {(root, bytes(old).rpartition(b"/")[0]) for root, old in rows.values_list("root_id", "old_path")}


def renaming_view(renaming_id: uuid.UUID) -> RenamingView | None:
    """One of them."""
    row = LibraryRenaming.objects.filter(id=renaming_id).first()
    return _view(row, now=timezone.now()) if row is not None else None


def renaming_list(*, cursor: str | None = None, limit: int = DEFAULT_LIMIT) -> Page[RenamingView]:
    """Newest first. Raises CursorInvalid."""
    page = keyset_page(LibraryRenaming.objects.all(), order=["-id"], cursor=cursor, limit=limit)
    now = timezone.now()
    return Page(
        items=[_view(row, now=now) for row in page.items],
        next_cursor=page.next_cursor,
        previous_cursor=page.previous_cursor,
    )


def move_list(
    renaming_id: uuid.UUID, *, show: str = "", cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[MoveView]:
    """Lines in the order in which they are done. `show`: one of SHOWS; another shows all. Raises CursorInvalid."""
    rows: QuerySet[FileMove] = FileMove.objects.filter(renaming_id=renaming_id).select_related("root")
    states = SHOWS.get(show, ())
    if states:
        rows = rows.filter(state__in=[one.value for one in states])
    page = keyset_page(rows, order=["position"], cursor=cursor, limit=limit)
    return Page(
        items=[_line(row) for row in page.items], next_cursor=page.next_cursor, previous_cursor=page.previous_cursor
    )


def renamings_waiting(*, limit: int = 100) -> list[tuple[uuid.UUID, int]]:
    """(id, attempt) of those that have something to do and are in nobody's hands."""
    nobody = Q(lease_until=None) | Q(lease_until__lt=Now())
    rows = LibraryRenaming.objects.filter(nobody, state__in=sorted(RENAMING_OPEN), next_step_at__lte=Now())
    return list(rows.values_list("id", "attempt")[:limit])


def _root(row: LibraryRoot) -> RootOfFiles:
    return RootOfFiles(id=row.id, path=Path(row.path), writable=row.writable)


def _step(row: FileMove) -> MoveStep:
    file = row.file
    return MoveStep(
        id=row.id,
        position=row.position,
        root=_root(row.root),
        old=bytes(row.old_path),
        new=bytes(row.new_path),
        state=MoveState(row.state),
        file_id=row.file_id,
        sidecar=row.sidecar,
        at=bytes(file.rel_path) if file is not None and file.missing_since is None else None,
        seen=FileStat(size_bytes=row.size_bytes, mtime_ns=row.mtime_ns, inode=row.inode),
    )


def _line(row: FileMove) -> MoveView:
    return MoveView(
        position=row.position,
        root=row.root.path,
        old=display_text(bytes(row.old_path)),
        new=display_text(bytes(row.new_path)),
        sidecar=row.sidecar,
        file_id=row.file_id,
        state=MoveState(row.state),
        code=row.code,
        params=row.params,
    )


def _view(row: LibraryRenaming, *, now: datetime) -> RenamingView:
    rate = None
    if row.state == RenamingState.APPLYING and row.applied_at is not None and row.moved + row.failed:
        rate = (row.moved + row.failed) / max((now - row.applied_at).total_seconds(), 0.1)
    return RenamingView(
        id=row.id,
        template=row.template,
        path=row.display,
        state=RenamingState(row.state),
        code=row.code,
        params=row.params,
        looked=row.looked,
        named=row.named,
        planned=row.planned,
        beside=row.beside,
        blocked=row.blocked,
        moved=row.moved,
        failed=row.failed,
        returned=row.returned,
        stuck=row.stuck,
        requested_by=row.requested_by,
        created_at=row.created_at,
        applied_at=row.applied_at,
        ended_at=row.ended_at,
        rate=rate,
    )
