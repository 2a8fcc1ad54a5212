"""Renaming files of the library by a template: working out names, moving one file after the other, putting them back. Whatever is killed, its rows tell
how far it came, and the next worker goes on there."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from apps.catalog.selectors import release_facts
from apps.domain.catalog.release import ReleaseFacts
from apps.domain.errors import DomainError
from apps.domain.library.name_facts import OnRelease, companions_agreed, kept_extension, names_of_tags, names_of_track
from apps.domain.library.naming import NameFacts, missing_fields, relative_path
from apps.domain.library.paths import display_text
from apps.domain.library.renaming import (
    MAX_FILES,
    FolderMoves,
    Line,
    MoveState,
    RenamingState,
    Spot,
    Wish,
    settle,
    sidecars,
)
from apps.jobs.services_verify import placed_moved
from apps.library.selectors_rename import (
    FileToName,
    MoveStep,
    RootOfFiles,
    files_to_name,
    folders_moved,
    folders_not_whole,
    moves_next,
    roots_of_files,
)
from apps.library.services import FileStat
from apps.library.services_rename import (
    LeaseGone,
    PlanSums,
    RenameClaim,
    Stopped,
    folders_follow,
    move_begin,
    move_done,
    move_failed,
    plan_failed,
    plan_write,
    rename_again,
    rename_claim,
    rename_ended,
    rename_renew,
)
from workers.gateways.files import FilesError
from workers.gateways.renames import RenameError, Seen, look, names_in, remove_emptied, rename_within
from workers.gateways.walk import EXTENSIONS
from workers.lease import LEASE_S, LeaseKeeper, LeaseLost

log = logging.getLogger(__name__)

Checkpoint = Callable[[str], None]
TASK_S: Final = 120.0
"""A task gives its worker back after so long; what is left is gone on with in the next one."""
_BATCH: Final = 100
_RELEASES_KEPT: Final = 64
"""Files come folder by folder, so that a release is asked for once."""


def _pass(_step: str) -> None:
    return


def rename_step(
    renaming_id: uuid.UUID,
    *,
    checkpoint: Checkpoint = _pass,
    task_s: float = TASK_S,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Bring a renaming as far as one task goes; nothing happens if it has nothing to do, or is in somebody else's hands."""
    claim = rename_claim(renaming_id, lease_s=LEASE_S)
    if claim is None:
        return
    checkpoint("claimed")
    until = clock() + task_s
    with (
        LeaseKeeper(lambda: rename_renew(claim, lease_s=LEASE_S)) as lease,
        contextlib.suppress(LeaseLost, LeaseGone),
    ):
        if claim.state is RenamingState.PLANNING:
            _planned(claim, checkpoint)
            return
        not_whole = functools.cache(lambda: folders_not_whole(claim.id))  # asked for once all music was tried
        stopped = False
        try:
            for step in _steps(claim):
                if clock() > until:
                    rename_again(claim)
                    return
                _step(claim, step, checkpoint, not_whole=not_whole)
        except Stopped:
            stopped = True
        lease.check()
        _tidied(claim, checkpoint)
        rename_ended(claim, stopped=stopped)
        log.info("renaming ended: renaming=%s state=%s", claim.id, claim.state)
    checkpoint("finished")


# --- planning ------------------------------------------------------------------------------------------------------------------------


def _planned(claim: RenameClaim, checkpoint: Checkpoint) -> None:
    try:
        lines, sums = plan(template=claim.template, root_id=claim.root_id, below=claim.below)
    except DomainError as error:
        log.info("renaming not planned: renaming=%s code=%s", claim.id, error.code)
        plan_failed(claim, code=error.code, params=error.params)
        return
    checkpoint("named")
    plan_write(claim, lines, sums)
    checkpoint("written")


def plan(*, template: str, root_id: int | None, below: bytes) -> tuple[tuple[Line, ...], PlanSums]:
    """Every file's line, music first. Only reads: rows, and the names in folders. Files of a root that is away stay and say so. Raises DomainError
    `rename_too_many`, TemplateError."""
    roots = roots_of_files()
    listing = _Listing(roots)
    wishes = [_reachable(one, listing) for one in _wishes(template, files_to_name(root_id=root_id, below=below), roots)]
    lines = settle(wishes, names=listing.names)
    moving = [line.wish for line in lines if line.moves]
    more = list(_sidecar_wishes(moving, listing))
    beside = settle(
        more,
        names=listing.names,
        gone=[(one.root_id, one.old) for one in moving],
        come=[(one.root_id, one.new) for one in moving],
    )
    first = [line for line in lines if line.moves]
    rest = [line for line in lines if not line.moves]
    sums = PlanSums(looked=len(wishes), named=sum(line.code == "rename_same" for line in rest))
    return (*first, *(one for one in beside if one.moves), *rest, *(one for one in beside if not one.moves)), sums


def _wishes(template: str, files: Iterator[FileToName], roots: Mapping[int, RootOfFiles]) -> Iterator[Wish]:
    release = functools.lru_cache(maxsize=_RELEASES_KEPT)(lambda mbid: release_facts(mbid, fresh_for=None))
    count = 0
    for folder in _folders(files):
        count += len(folder)
        if count > MAX_FILES:
            raise RenameError(
                "These are too many files for one renaming; name a folder.",
                code="rename_too_many",
                retryable=False,
                most=MAX_FILES,
            )
        by_tags = companions_agreed([_tag_names(one) for one in folder])
        for file, tagged in zip(folder, by_tags, strict=True):
            place = _place(file, release(file.release_mbid)) if file.release_mbid else None
            yield _wish(file, _release_names(file, place) if place else tagged, template, roots[file.root_id])


def _wish(file: FileToName, names: NameFacts, template: str, root: RootOfFiles) -> Wish:
    unknown = missing_fields(names, template=template)
    if unknown:
        return Wish(
            root_id=file.root_id,
            old=file.relative,
            file_id=file.file_id,
            code="rename_facts_missing",
            params={"fields": ", ".join(unknown)},
        )
    new = relative_path(names, template=template)
    if not root.writable and new != file.relative:
        return Wish(
            root_id=file.root_id,
            old=file.relative,
            new=new,
            file_id=file.file_id,
            code="root_not_writable",
            params={"root": str(root.path)},
        )
    return Wish(root_id=file.root_id, old=file.relative, new=new, file_id=file.file_id)


def _folders(files: Iterator[FileToName]) -> Iterator[list[FileToName]]:
    """Files of one folder together. They come in the order of their paths, in which the folders below stand between a folder's own files."""
    together: dict[tuple[int, bytes], list[FileToName]] = {}
    for file in files:
        here = (file.root_id, file.relative.rpartition(b"/")[0])
        for done in [
            key for key in together if key[0] != here[0] or not (here[1] + b"/").startswith(key[1] and key[1] + b"/")
        ]:
            yield together.pop(done)
        together.setdefault(here, []).append(file)
    yield from together.values()


def _tag_names(file: FileToName) -> NameFacts:
    return names_of_tags(file.said, ext=_extension(file), codec=file.codec)


def _release_names(file: FileToName, place: OnRelease) -> NameFacts:
    return names_of_track(place, ext=_extension(file), codec=file.codec)


def _extension(file: FileToName) -> str:
    return kept_extension(file.relative.rpartition(b"/")[2], container=file.container)


def _place(file: FileToName, release: ReleaseFacts | None) -> OnRelease | None:
    """The file's track: where its row says, if that is its recording; else the one track that is; else, of an unknown recording, where its row says."""
    if release is None:
        return None
    tracks = [OnRelease(release=release, medium=medium, track=track) for medium, track in release.tracks()]
    there = [one for one in tracks if (one.medium.position, one.track.position) == (file.medium or 1, file.track)]
    if file.recording_mbid is None:
        return there[0] if there and file.track else None
    same = [one for one in tracks if one.track.recording.mbid == file.recording_mbid]
    return next((one for one in there if one in same), same[0] if len(same) == 1 else None)


def _reachable(wish: Wish, listing: _Listing) -> Wish:
    return wish if wish.code or listing.is_there(wish.root_id) else replace(wish, code="library_missing")


class _Listing:
    """Names in folders, each folder listed once."""

    def __init__(self, roots: Mapping[int, RootOfFiles]) -> None:
        self._roots = roots
        self._known: dict[Spot, tuple[tuple[bytes, bool], ...]] = {}
        self._away: set[int] = set()

    def is_there(self, root_id: int) -> bool:
        """Can the root be looked at at all? An unmounted disk is not an empty one."""
        self.entries(root_id, b"")
        return root_id not in self._away

    def entries(self, root_id: int, folder: bytes) -> tuple[tuple[bytes, bool], ...]:
        """(name, is a regular file)."""
        if (root_id, folder) not in self._known:
            try:
                found = names_in(self._roots[root_id].path, folder)
            except FilesError as error:
                if error.code == "library_missing":
                    self._away.add(root_id)
                found = ()  # what is in the way is found when the file is moved
            self._known[root_id, folder] = found
        return self._known[root_id, folder]

    def names(self, root_id: int, folder: bytes) -> list[bytes]:
        """Names alone."""
        return [name for name, _ in self.entries(root_id, folder)]


def _sidecar_wishes(moving: Sequence[Wish], listing: _Listing) -> Iterator[Wish]:
    folders: dict[Spot, dict[bytes, bytes]] = {}
    for wish in moving:
        folder, _, name = wish.old.rpartition(b"/")
        folders.setdefault((wish.root_id, folder), {})[name] = wish.new
    for (root_id, folder), moves in folders.items():
        files = [name for name, regular in listing.entries(root_id, folder) if regular]
        music = [name for name in files if os.path.splitext(name)[1].lower() in EXTENSIONS]  # noqa: PTH122  (bytes)
        yield from sidecars(FolderMoves(root_id=root_id, folder=folder, moves=moves, music=music), beside=files)


# --- moving --------------------------------------------------------------------------------------------------------------------------


def _steps(claim: RenameClaim) -> Iterator[MoveStep]:
    back = claim.state is RenamingState.UNDOING
    states = (MoveState.MOVED, MoveState.RETURNING) if back else (MoveState.PLANNED, MoveState.MOVING)
    beyond: int | None = None
    while batch := moves_next(claim.id, states=states, beyond=beyond, back=back, limit=_BATCH):
        yield from batch
        beyond = batch[-1].position


def _step(claim: RenameClaim, step: MoveStep, checkpoint: Checkpoint, *, not_whole: Callable[[], set[Spot]]) -> None:
    back = claim.state is RenamingState.UNDOING
    here, there = (step.new, step.old) if back else (step.old, step.new)
    try:
        if not step.root.writable:
            raise RenameError(
                "This folder is only read: nothing in it is changed unless you allow it.",
                code="root_not_writable",
                retryable=False,
                root=str(step.root.path),
            )
        if not step.sidecar and step.at not in (here, there):
            raise RenameError("The file has another name since.", code="rename_changed_since", path=display_text(here))
        if step.sidecar and not back and (step.root.id, here.rpartition(b"/")[0]) in not_whole():
            raise RenameError(
                "Some of the music beside it stayed.", code="rename_folder_not_whole", path=display_text(here)
            )
        seen = _begun(claim, step, here, checkpoint)
        now = rename_within(step.root.path, here, there, seen=seen, checkpoint=checkpoint)
    except DomainError as error:
        log.info("file not renamed: renaming=%s move=%s code=%s", claim.id, step.id, error.code)
        move_failed(claim, step.id, code=error.code, params=error.params)
        return
    checkpoint("moved")
    if step.file_id is not None:
        placed_moved(step.file_id, path=display_text(bytes(step.root.path) + b"/" + there))
    move_done(claim, step.id, stat=_stat(now))
    checkpoint("recorded")


def _begun(claim: RenameClaim, step: MoveStep, here: bytes, checkpoint: Checkpoint) -> Seen:
    """What the file is like; noted before it moves. Of a move that was begun before, what was noted then."""
    if step.state in (MoveState.MOVING, MoveState.RETURNING):
        return Seen(size_bytes=step.seen.size_bytes, mtime_ns=step.seen.mtime_ns, inode=step.seen.inode)
    seen = look(step.root.path, here)
    if seen is None:
        raise RenameError("The file is not there any more.", code="file_missing", path=display_text(here))
    move_begin(claim, step.id, stat=_stat(seen))
    checkpoint("begun")
    return seen


def _tidied(claim: RenameClaim, checkpoint: Checkpoint) -> None:
    """Folders that were emptied go; what is known of folders follows their music."""
    back = claim.state is RenamingState.UNDOING
    roots = roots_of_files()
    for (root_id, folder), went_to in folders_moved(claim.id, back=back).items():
        if folder not in went_to:
            remove_emptied(Path(roots[root_id].path), folder)
        folders_follow(root_id, folder, sorted(went_to))
        checkpoint("tidied")


def _stat(seen: Seen) -> FileStat:
    return FileStat(size_bytes=seen.size_bytes, mtime_ns=seen.mtime_ns, inode=seen.inode)
