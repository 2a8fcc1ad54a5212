"""Moving files into the trash, back, and away for good: one row at a time, whatever is killed."""

from __future__ import annotations

import contextlib
import logging
import random
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from apps.domain.errors import DomainError, Param
from apps.domain.jobs.backoff import retry_delay_s
from apps.domain.library.trash import TrashReason, TrashState
from apps.library.selectors import unchanged
from apps.library.selectors_trash import TrashView, root_writable, trash_one
from apps.library.services import FileStat
from apps.library.services_trash import (
    TrashClaim,
    trash_claim,
    trash_failed,
    trash_hashed,
    trash_later,
    trash_moved,
    trash_not_restored,
    trash_plan,
    trash_purge_ask,
    trash_purged,
    trash_renew,
    trash_restore_ask,
    trash_restored,
)
from slskdn_site.config import data_dir
from workers.gateways.files import translated
from workers.gateways.trash import (
    PLACES,
    FileFacts,
    TrashError,
    TrashSpot,
    destroy,
    facts_of,
    is_held,
    move_in,
    move_out,
)
from workers.lease import LEASE_S, LeaseKeeper, LeaseLost

log = logging.getLogger(__name__)

Checkpoint = Callable[[str], None]
_FINAL = frozenset({"file_missing", "file_changed", "file_not_regular"})
"""The file is not what was asked for any more: waiting changes nothing."""


def _pass(_step: str) -> None:
    return


def trash_file(
    file_id: int,
    *,
    reason: TrashReason,
    replaced_by_id: int | None = None,
    keep_until_proven: bool = False,
    checkpoint: Checkpoint = _pass,
) -> TrashView:
    """Put a file into the trash now; how its row stands then (`trashed`; `failed`, or waiting with a code). Raises TrashRefused."""
    trash_id = trash_plan(
        file_id, reason=reason, replaced_by_id=replaced_by_id, keep_until_proven=keep_until_proven, send=False
    )
    trash_step(trash_id, checkpoint=checkpoint)
    return _view(trash_id)


def trash_restore(trash_id: uuid.UUID, *, numbered: bool = False, checkpoint: Checkpoint = _pass) -> TrashView:
    """Put a file back now; how its row stands then (`restored`; still `trashed` with a code). Raises TrashRefused."""
    trash_restore_ask(trash_id, numbered=numbered, send=False)
    trash_step(trash_id, checkpoint=checkpoint)
    return _view(trash_id)


def trash_purge(trash_id: uuid.UUID, *, needed_too: bool = False, checkpoint: Checkpoint = _pass) -> TrashView | None:
    """Delete a trashed file for good now. None: nothing of this id is in the trash, or a fix under way needs it (`needed_too`: that fix asks)."""
    if not trash_purge_ask([trash_id], send=False, needed_too=needed_too):
        return None
    trash_step(trash_id, checkpoint=checkpoint)
    return _view(trash_id)


def trash_step(trash_id: uuid.UUID, *, checkpoint: Checkpoint = _pass) -> None:
    """Bring a row as far as it goes; nothing happens if it has nothing to do, or is in somebody else's hands."""
    claim = trash_claim(trash_id, lease_s=LEASE_S)
    if claim is None:
        return
    checkpoint("claimed")
    with LeaseKeeper(lambda: trash_renew(claim, lease_s=LEASE_S)) as lease, contextlib.suppress(LeaseLost):
        match claim.state:
            case TrashState.PLANNED | TrashState.MOVING:
                _in(claim, lease, checkpoint)
            case TrashState.RESTORING:
                _out(claim, lease, checkpoint)
            case TrashState.PURGING:
                _away(claim, lease, checkpoint)
    checkpoint("finished")


def spot_of(trash_id: uuid.UUID, root: str, relative: bytes) -> TrashSpot:
    """Where a row's file is, and its trash."""
    return TrashSpot(id=str(trash_id), root=Path(root), relative=relative, data=data_dir() / "trash")


def facts_in(claim: TrashClaim) -> FileFacts:
    """What the row says of the file."""
    return FileFacts(size_bytes=claim.size_bytes, mtime_ns=claim.mtime_ns, mode=claim.mode, sha256=claim.sha256)


def _in(claim: TrashClaim, lease: LeaseKeeper, checkpoint: Checkpoint) -> None:
    spot = spot_of(claim.id, claim.root, claim.relative)
    with _told(claim):
        if claim.state is TrashState.PLANNED:
            facts = facts_of(spot.root, spot.relative)
            if claim.decided is not None and not unchanged(claim.decided, now=_seen(facts)):
                raise TrashError(
                    "Another file has this name now; it is left alone.", code="file_changed", path=spot.shown
                )
            checkpoint("hashed")
            lease.check()
            written = trash_hashed(
                claim,
                size_bytes=facts.size_bytes,
                mtime_ns=facts.mtime_ns,
                mode=facts.mode,
                sha256=facts.sha256,
            )
            if not written:
                raise LeaseLost
        else:
            facts = facts_in(claim)
            lease.check()
        checkpoint("written")
        _still_allowed(claim, spot, facts)
        place = move_in(spot, facts, keep=claim.keep, checkpoint=checkpoint)
        checkpoint("moved")
        trash_moved(claim, place=place)
        log.info("file trashed: trash=%s place=%s", claim.id, place)


def _still_allowed(claim: TrashClaim, spot: TrashSpot, facts: FileFacts) -> None:
    """Raises TrashError `root_not_writable` if the folder was forbidden meanwhile; a move that has begun is brought to its end."""
    if root_writable(claim.root_id) is None and not is_held(spot, facts):
        raise TrashError(
            "This folder is only read: nothing in it is changed unless you allow it.",
            code="root_not_writable",
            root=claim.root,
        )


def _seen(facts: FileFacts) -> FileStat:
    return FileStat(size_bytes=facts.size_bytes, mtime_ns=facts.mtime_ns, inode=facts.inode)


def _out(claim: TrashClaim, lease: LeaseKeeper, checkpoint: Checkpoint) -> None:
    spot = spot_of(claim.id, claim.root, claim.relative)
    try:
        lease.check()
        if root_writable(claim.root_id) is None:
            raise TrashError("This folder is only read.", code="root_not_writable", root=claim.root)
        relative = move_out(spot, facts_in(claim), numbered_name=claim.numbered, checkpoint=checkpoint)
        checkpoint("moved")
        trash_restored(claim, relative=relative, stat=_stat_of(spot.root, relative))
        log.info("file restored: trash=%s", claim.id)
    except DomainError as error:
        log.info("file not restored: trash=%s code=%s", claim.id, error.code)
        trash_not_restored(claim, code=error.code, params=error.params)


def _away(claim: TrashClaim, lease: LeaseKeeper, checkpoint: Checkpoint) -> None:
    with _told(claim):
        lease.check()
        spot = spot_of(claim.id, claim.root, claim.relative)
        # A root that is away is only waited for if the file lies in it.
        destroy(spot, places=("data",) if claim.place == "data" else PLACES, checkpoint=checkpoint)
        checkpoint("moved")
        trash_purged(claim)
        log.info("file purged: trash=%s", claim.id)


@contextlib.contextmanager
def _told(claim: TrashClaim) -> Iterator[None]:
    """What the disk refuses is waited for, or ends in a reason."""
    try:
        yield
    except DomainError as error:
        params: dict[str, Param] = dict(error.params)
        code = "file_is_missing" if error.code == "file_missing" else error.code
        tries = claim.tries + 1 if claim.code == error.code else 1
        jitter = random.random()  # noqa: S311  (spreads load, guards nothing)
        delay_s = retry_delay_s(error.code, tries=tries, jitter=jitter)
        if claim.state is not TrashState.PURGING and (not error.retryable or error.code in _FINAL or delay_s is None):
            log.info("file not trashed: trash=%s code=%s", claim.id, error.code)
            trash_failed(claim, code=code, params=params)
        else:
            trash_later(claim, code=error.code, params=params, delay_s=delay_s or 3600.0)


def _stat_of(root: Path, relative: bytes) -> FileStat:
    path = Path(root, *(part.decode("utf-8", "surrogateescape") for part in relative.split(b"/")))
    with translated(relative):
        status = path.stat(follow_symlinks=False)
    return FileStat(size_bytes=status.st_size, mtime_ns=status.st_mtime_ns, inode=status.st_ino)


def _view(trash_id: uuid.UUID) -> TrashView:
    view = trash_one(trash_id)
    assert view is not None, trash_id
    return view
