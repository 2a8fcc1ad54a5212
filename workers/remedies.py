"""Mending issues: following the job, exchanging files, writing tags, clearing copies away, and taking all of it back.

The order that keeps a person's files safe: the new file is verified and placed beside the old one; it is looked at once more on disk; then the old
one goes to the trash; then the new one takes its name. A fix that can't go on takes the new file away again, so that everything is as it was.
Each step is noted in the remediation's row before it is taken, and finds its own work done when it is repeated.
"""

from __future__ import annotations

import logging
import random
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from apps.domain.errors import DomainError, Param
from apps.domain.jobs.backoff import retry_delay_s
from apps.domain.library.issues import BETTER_FILE, IssueType
from apps.domain.library.paths import display_text
from apps.domain.library.remedy import (
    REPLACING,
    RemedyAction,
    RemedyState,
    after_job,
    beats,
)
from apps.domain.library.trash import TrashReason, TrashState
from apps.jobs.services_verify import placed_moved
from apps.library.selectors import unchanged
from apps.library.selectors_trash import root_writable
from apps.library.services_trash import file_moved, trash_call_off
from apps.remediation.selectors import (
    FileOnDisk,
    TrashedBytes,
    better_held,
    file_on_disk,
    files_on_disk,
    issue_subject,
    job_word,
    trashed_bytes,
)
from apps.remediation.services import (
    RemedyClaim,
    remedy_claim,
    remedy_done,
    remedy_failed,
    remedy_later,
    remedy_not_undone,
    remedy_note,
    remedy_placing,
    remedy_renew,
    remedy_reread,
    remedy_trash,
    remedy_undone,
    remedy_wait,
)
from workers import trash
from workers.gateways.errors import Transient
from workers.gateways.files import FilesError, place, same_there
from workers.gateways.trash import facts_of
from workers.lease import LEASE_S, LeaseKeeper, LeaseLost
from workers.remedy_files import Checkpoint, NotMended, allowed, in_trash, nothing, out_of_trash, sound
from workers.retagging import Retagger
from workers.verification import stat_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedier:
    """Mending with what it needs of this machine."""

    retagger: Retagger

    def step(self, remediation_id: uuid.UUID, *, checkpoint: Checkpoint = nothing) -> None:
        """Bring a remediation as far as it goes; nothing happens if it has nothing to do, or is in somebody else's hands."""
        claim = remedy_claim(remediation_id, lease_s=LEASE_S)
        if claim is None:
            return
        checkpoint("claimed")
        with LeaseKeeper(lambda: remedy_renew(claim, lease_s=LEASE_S)) as lease:
            try:
                self._go(claim, lease, checkpoint)
            except LeaseLost:
                log.info("fix taken over: remediation=%s", remediation_id)
            except DomainError as error:
                self._ended(claim, error)
            except Exception as error:
                log.exception("fix failed unexpectedly: remediation=%s", remediation_id)
                self._again(claim, "unexpected", {"error": type(error).__name__})
        checkpoint("finished")

    def _go(self, claim: RemedyClaim, lease: LeaseKeeper, checkpoint: Checkpoint) -> None:
        if claim.state is RemedyState.UNDOING:
            self._undo(claim, lease, checkpoint)
            return
        if claim.state is RemedyState.WAITING:
            there = _waited(claim)
            if there is None:
                return
            claim = there
            checkpoint("placing")
        match claim.action:
            case RemedyAction.FETCH_MISSING:
                new = sound(claim.new_file_id)
                remedy_done(claim, code="fixed_fetched", params={"path": new.key.display})
            case RemedyAction.BETTER_VARIANT | RemedyAction.REPLACE_CORRUPT:
                _replace(claim, lease, checkpoint)
            case RemedyAction.REMOVE_DUPLICATE:
                _remove_copies(claim, lease, checkpoint)
            case RemedyAction.RETAG:
                self.retagger.retag(claim, lease, checkpoint)
            case RemedyAction.REIDENTIFY:
                self.retagger.reidentify(claim)

    def _undo(self, claim: RemedyClaim, lease: LeaseKeeper, checkpoint: Checkpoint) -> None:
        try:
            match claim.action:
                case RemedyAction.FETCH_MISSING:
                    if not claim.params.get("keep_new"):
                        _take_away(claim, lease, checkpoint)
                case RemedyAction.BETTER_VARIANT | RemedyAction.REPLACE_CORRUPT:
                    _put_back(claim, lease, checkpoint)
                case RemedyAction.REMOVE_DUPLICATE:
                    _bring_copies_back(claim, lease, checkpoint)
                case RemedyAction.RETAG:
                    self.retagger.undo(claim, lease, checkpoint)
                case RemedyAction.REIDENTIFY:
                    pass
        except DomainError as error:
            if error.code in _WAIT_FOR and (delay_s := _delay(claim, error.code)) is not None:
                remedy_later(claim, code=error.code, params=error.params, delay_s=delay_s)
                return
            log.info("fix not taken back: remediation=%s code=%s", claim.id, error.code)
            remedy_not_undone(claim, code=error.code, params=error.params)
            return
        remedy_undone(claim)
        log.info("fix taken back: remediation=%s", claim.id)

    def _ended(self, claim: RemedyClaim, error: DomainError) -> None:
        if error.retryable:
            self._again(
                claim,
                error.code,
                error.params,
                retry_after_s=error.retry_after_s if isinstance(error, Transient) else None,
            )
            return
        self._give_up(claim, error.code, error.params)

    def _again(
        self, claim: RemedyClaim, code: str, params: dict[str, Param], *, retry_after_s: float | None = None
    ) -> None:
        delay_s = _delay(claim, code, retry_after_s)
        if delay_s is None:
            self._give_up(claim, code, params)
        else:
            remedy_later(claim, code=code, params=params, delay_s=delay_s)

    def _give_up(self, claim: RemedyClaim, code: str, params: dict[str, Param]) -> None:
        """Everything becomes as it was: what had been trashed comes back, what had been brought goes."""
        fresh = remedy_reread(claim)
        if _still_moving(fresh):
            # Ended now, it would leave a file on its way into the trash that nobody brings back.
            remedy_later(claim, code="trash_busy", params={}, delay_s=_BUSY_S)
            return
        if (root := _forbidden(fresh)) is not None:
            # Neither forward nor back: somebody must allow it again. Live as it is, nothing of it is purged meanwhile.
            remedy_later(claim, code="root_not_writable", params={"root": root}, delay_s=_FORBIDDEN_S)
            return
        log.info("fix failed: remediation=%s code=%s", claim.id, code)
        try:
            if claim.action in REPLACING:
                _as_it_was(fresh)
            elif claim.action is RemedyAction.REMOVE_DUPLICATE:
                _bring_copies_back(fresh, None, nothing)
            elif claim.action is RemedyAction.RETAG:
                self.retagger.as_it_was(fresh)
        except DomainError as error:
            # The person sees both files and the reason; nothing is lost, the trash has what is not in its place.
            params = {**params, "left": error.code}
        remedy_failed(claim, code=code, params=params)


_WAIT_FOR = frozenset({"library_missing", "disk_full", "disk_error", "trash_busy"})
"""What an undo waits for; anything else is told at once."""


_TOLD = 5
"""Copies named one by one of those that can't come back."""
_BUSY_S = 30.0
"""Until a file on its way into the trash is looked at again: another disk's copy takes minutes."""


_FORBIDDEN_S = 900.0
"""Until a folder that was made read-only in the middle of a fix is looked at again."""


def _in_the_trash(claim: RemedyClaim) -> list[TrashedBytes]:
    """What a fix asked to be trashed. Not of a retag: that is a copy; the file itself never leaves its place."""
    if claim.action is RemedyAction.RETAG:
        return []
    listed = claim.params.get("trashed")
    ids = [uuid.UUID(str(one)) for one in listed] if isinstance(listed, list) else []
    rows = [trashed_bytes(one) for one in [*ids, *([claim.trashed_id] if claim.trashed_id is not None else [])]]
    return [row for row in rows if row is not None]


def _forbidden(claim: RemedyClaim) -> str | None:
    """The root of a file that was trashed and can't come back, because nothing may be changed there any more."""
    away = (row for row in _in_the_trash(claim) if row.state in (TrashState.TRASHED, TrashState.RESTORING))
    return next((row.root for row in away if root_writable(row.root_id) is None), None)


def _still_moving(claim: RemedyClaim) -> bool:
    """Call off what was to be trashed and has not begun to move; True if something is on its way there."""
    going = [row.id for row in _in_the_trash(claim) if row.state in (TrashState.PLANNED, TrashState.MOVING)]
    called_off = [trash_call_off(one) for one in going]  # every one of them, whatever becomes of the first
    return not all(called_off)


def _delay(claim: RemedyClaim, code: str, retry_after_s: float | None = None) -> float | None:
    tries = claim.tries + 1 if claim.code == code else 1
    jitter = random.random()  # noqa: S311  (spreads load, guards nothing)
    return retry_delay_s(code, tries=tries, jitter=jitter, retry_after_s=retry_after_s)


# --- waiting for the job ---------------------------------------------------------------------------------------------------------------


def _waited(claim: RemedyClaim) -> RemedyClaim | None:
    """The claim in its next state; None while (or because) there is nothing to place."""
    word, file_id, found = job_word(claim.job_id, medium=_int(claim, "medium"), position=_int(claim, "position"))
    told = after_job(word)
    if told.to is None:
        remedy_wait(claim)
        return None
    if told.to is RemedyState.FAILED:
        remedy_failed(claim, code=told.code, params=told.params)
        return None
    if file_id is None:
        remedy_failed(claim, code="fix_new_file_gone", params={})
        return None
    if found:  # noted first: whatever happens, what a person had is not taken away
        remedy_note(claim, {"found": True})
    if not remedy_placing(claim, new_file_id=file_id):
        raise LeaseLost
    return replace(remedy_reread(claim), state=RemedyState.PLACING, new_file_id=file_id)


def _int(claim: RemedyClaim, name: str) -> int | None:
    value = claim.params.get(name)
    return value if isinstance(value, int) else None


# --- exchanging files ------------------------------------------------------------------------------------------------------------------


def _replace(claim: RemedyClaim, lease: LeaseKeeper, checkpoint: Checkpoint) -> None:
    if claim.trashed_id is None:
        new, old = sound(claim.new_file_id), file_on_disk(claim.old_file_id)
        if old is not None and old.id == new.id:
            raise NotMended("The new file is the old one.", code="fix_same_file")
        if claim.action is RemedyAction.BETTER_VARIANT and old is not None:
            _must_beat(new, old)
        checkpoint("compared")
        if not claim.params.get("replace", True) or old is None or old.missing:
            if old is None or old.missing:
                remedy_done(claim, code="fixed_replaced", params={"path": new.key.display})
            else:
                remedy_done(claim, code="fixed_beside", params={"path": new.key.display, BETTER_FILE: new.id})
            return
        if not old.writable:
            raise NotMended("This folder is only read.", code="root_not_writable", root=str(old.root))
        if not unchanged(old.stat, now=stat_of(old.path)):
            raise NotMended(
                "The old file was changed since it was looked at; it is left alone.",
                code="file_changed",
                path=old.key.display,
            )
        lease.check()
        remedy_note(claim, {"new_relative": new.relative.hex()})
        trash_id = remedy_trash(
            claim,
            old.id,
            reason=TrashReason.REPLACED,
            replaced_by_id=new.id,
            keep_until_proven=not claim.params.get("backup", True),
        )
        checkpoint("planned")
    else:
        trash_id = claim.trashed_id
    trashed = in_trash(trash_id, lease, checkpoint)
    checkpoint("trashed")
    lease.check()
    path = _take_name(claim, trashed, checkpoint)
    remedy_done(claim, code="fixed_replaced", params={"path": path})
    log.info("file replaced: remediation=%s", claim.id)


def _must_beat(new: FileOnDisk, old: FileOnDisk) -> None:
    if new.suspect:
        raise NotMended(
            "The new file is suspected to be a transcode too.", code="fix_also_suspect", profile=new.profile
        )
    if new.payload_root == old.payload_root or not beats(new.quality, old.quality, min_improvement=0.0001):
        raise NotMended(
            "The new file is not better than the old one.",
            code="fix_not_better",
            profile=new.profile,
            old_profile=old.profile,
        )


def _take_name(claim: RemedyClaim, trashed: TrashedBytes, checkpoint: Checkpoint) -> str:
    """The new file gets the old one's name, with its own ending; where it is then."""
    new = file_on_disk(claim.new_file_id)
    if new is None or new.missing:
        raise NotMended("The new file is not there any more.", code="fix_new_file_gone")
    if claim.params.get("found"):
        return new.key.display  # it lay there before: it stays as and where its owner put it
    ending = new.relative.rpartition(b"/")[2].rpartition(b".")
    folder, _, old_name = trashed.relative.rpartition(b"/")
    stem, dot, _ = old_name.rpartition(b".")
    name = (stem if dot and stem else old_name) + ending[1] + ending[2]
    target = b"/".join([folder, name]) if folder else name
    return _moved(claim, new, root=Path(trashed.root), root_id=trashed.root_id, target=target, checkpoint=checkpoint)


def _moved(
    claim: RemedyClaim, new: FileOnDisk, *, root: Path, root_id: int, target: bytes, checkpoint: Checkpoint
) -> str:
    """Give a file of ours another name (or the next free one), on disk and in its row."""
    if (new.root_id, new.relative) == (root_id, target):
        return new.key.display
    noted = claim.params.get("move")
    sha256 = noted.get("sha256") if isinstance(noted, dict) and noted.get("target") == target.hex() else None
    if not isinstance(sha256, str):
        if new.path.exists() and same_there(new.path, library_root=root, relative=target):
            return (
                new.key.display
            )  # a person's own file of the same bytes has the name: ours stays beside it, so that either can go alone
        sha256 = facts_of(new.root, new.relative).sha256.hex()
        remedy_note(claim, {"move": {"target": target.hex(), "sha256": sha256}})
    checkpoint("noted")
    if new.path.exists():
        allowed((root_id, root), (new.root_id, new.root))
        placed = place(new.path, library_root=root, relative=target).relative
    else:  # it was moved, then we were killed
        placed = next((name for name in _names(target) if _is(root, name, sha256)), b"")
        if not placed:
            raise NotMended("The new file is not there any more.", code="fix_new_file_gone", path=new.key.display)
    checkpoint("renamed_new")
    path = root.joinpath(*(part.decode("utf-8", "surrogateescape") for part in placed.split(b"/")))
    file_moved(new.id, root_id=root_id, relative=placed, stat=stat_of(path))
    shown = replace(new, root_id=root_id, relative=placed).key.display
    placed_moved(new.id, path=f"{root}/{shown}")
    checkpoint("recorded_new")
    return shown


def _names(target: bytes) -> list[bytes]:
    stem, dot, ending = target.rpartition(b".")
    return [target, *(stem + b" (%d)" % number + dot + ending for number in range(2, 10))]


def _is(root: Path, relative: bytes, sha256: str) -> bool:
    try:
        return facts_of(root, relative).sha256.hex() == sha256
    except FilesError:
        return False


def _take_away(claim: RemedyClaim, lease: LeaseKeeper | None, checkpoint: Checkpoint) -> uuid.UUID | None:
    """The new file goes to the trash; its row there. None: it is gone already."""
    new = file_on_disk(claim.new_file_id)
    if new is None or new.id == claim.old_file_id or claim.params.get("found"):
        return None  # what was brought was, byte for byte, what the person had: it is theirs
    noted = claim.params.get("undone")
    known = [str(one) for one in noted] if isinstance(noted, list) else []
    if new.missing:
        return uuid.UUID(known[-1]) if known else None
    if lease is not None:
        lease.check()
    trash_id = remedy_trash(claim, new.id, reason=TrashReason.UNDONE, note="undone")
    trash.trash_step(trash_id, checkpoint=checkpoint)
    row = trashed_bytes(trash_id)
    if row is None or row.state != TrashState.TRASHED:
        code = (row.code if row else "") or "trash_busy"
        raise NotMended("The new file could not be taken away.", code=code, path=new.key.display)
    return trash_id


def _put_back(claim: RemedyClaim, lease: LeaseKeeper, checkpoint: Checkpoint) -> None:
    """The old file comes back; the new one goes to the trash, or (`keep_new`) beside it."""
    old = trashed_bytes(claim.trashed_id)
    taken: uuid.UUID | None = None
    if not claim.params.get("keep_new"):
        taken = _take_away(claim, lease, checkpoint)
    elif old is not None and old.state != TrashState.RESTORED:
        _step_aside(claim, old, checkpoint)
    checkpoint("new_away")
    if old is None:
        return  # nothing was replaced: the new file stood beside the old one
    lease.check()
    try:
        out_of_trash(old, checkpoint)
    except DomainError:
        if taken is not None:  # the fix stands: its file comes back
            trash.trash_restore(taken)
        raise
    checkpoint("old_back")


def _step_aside(claim: RemedyClaim, old: TrashedBytes, checkpoint: Checkpoint) -> None:
    """If the new file has the very name that the old one had, it takes the next one."""
    new = file_on_disk(claim.new_file_id)
    if new is None or new.missing or claim.params.get("found"):
        return
    if (new.root_id, new.relative) != (old.root_id, old.relative):
        return
    _moved(claim, new, root=Path(old.root), root_id=old.root_id, target=_names(old.relative)[1], checkpoint=checkpoint)


def _as_it_was(claim: RemedyClaim) -> None:
    """After a failure: the old file in its place, the new one in the trash."""
    _take_away(claim, None, nothing)
    old = trashed_bytes(claim.trashed_id)
    if old is not None and old.state in (TrashState.TRASHED, TrashState.RESTORING):
        out_of_trash(old)


# --- copies ----------------------------------------------------------------------------------------------------------------------------


def _remove_copies(claim: RemedyClaim, lease: LeaseKeeper, checkpoint: Checkpoint) -> None:
    issue = issue_subject(claim.issue_id)
    if issue.type is IssueType.NON_CANONICAL_VARIANT:
        kept, ids = _lesser_of(claim)
        if not claim.params.get("replace", True):
            remedy_done(claim, code="fixed_beside", params={"path": kept.key.display, BETTER_FILE: kept.id})
            return
    elif issue.type is IssueType.DUPLICATE_VARIANT:
        keep_id, listed = issue.params.get("keep"), issue.params.get("files")
        ids = [int(one) for one in listed if str(one).isdigit()] if isinstance(listed, list) else []
        kept = sound(keep_id if isinstance(keep_id, int) else None)
    else:
        raise NotMended("This is no issue of copies.", code="fix_nothing_to_do")
    checkpoint("compared")
    done = claim.params.get("trashed")
    trashed = [uuid.UUID(str(one)) for one in done] if isinstance(done, list) else []
    spare = [one for one in files_on_disk(ids) if one.id != kept.id and not one.missing and _copy_of(one, kept)]
    for one in spare:
        if not one.writable:
            raise NotMended("This folder is only read.", code="root_not_writable", root=str(one.root))
        if not unchanged(one.stat, now=stat_of(one.path)):
            raise NotMended("A copy was changed since it was looked at.", code="file_changed", path=one.key.display)
    for one in spare:
        lease.check()
        trash_id = remedy_trash(
            claim,
            one.id,
            reason=TrashReason.DUPLICATE,
            replaced_by_id=kept.id,
            keep_until_proven=not claim.params.get("backup", True),
            note="trashed",
        )
        checkpoint("planned")
        if trash_id not in trashed:
            trashed.append(trash_id)
    for trash_id in trashed:
        in_trash(trash_id, lease, checkpoint)
        checkpoint("trashed")
    if not trashed:
        raise NotMended("There is no copy left to remove.", code="fix_nothing_to_do")
    remedy_done(claim, code="fixed_duplicates", params={"count": len(trashed), "path": kept.key.display})


def _lesser_of(claim: RemedyClaim) -> tuple[FileOnDisk, list[int]]:
    """The better file that is here, whole on disk, and the file it makes spare."""
    kept, old = sound(better_held(claim.issue_id)), file_on_disk(claim.old_file_id)
    if old is None:
        raise NotMended("There is no copy left to remove.", code="fix_nothing_to_do")
    if not old.missing:  # else it lies in the trash already: this is not the first try
        _must_beat(kept, old)
    return kept, [old.id]


def _copy_of(one: FileOnDisk, kept: FileOnDisk) -> bool:
    same_payload = one.variant_id is not None and one.variant_id == kept.variant_id
    return same_payload or (one.recording_mbid is not None and one.recording_mbid == kept.recording_mbid)


def _bring_copies_back(claim: RemedyClaim, lease: LeaseKeeper | None, checkpoint: Checkpoint) -> None:
    """Every copy that can come back does; the error tells of those that can't. One that has to be waited for is tried again, with the others."""
    noted = claim.params.get("trashed")
    ids = [uuid.UUID(str(text)) for text in noted] if isinstance(noted, list) else []
    stay: list[tuple[str, DomainError]] = []
    for trash_id in ids:
        if lease is not None:
            lease.check()
        row = trashed_bytes(trash_id)
        if row is not None and row.state == TrashState.FAILED:
            continue  # it never left its place
        shown = display_text(row.relative) if row is not None else str(trash_id)
        try:
            if row is None or row.state in (TrashState.PURGING, TrashState.PURGED):
                raise NotMended("A copy was deleted from the trash.", code="trash_purged")
            out_of_trash(row, checkpoint)
        except DomainError as error:
            stay.append((shown, error))
            continue
        checkpoint("old_back")
    if not stay:
        return
    first = next((error for _, error in stay if error.code in _WAIT_FOR), stay[0][1])
    if len(ids) == 1 or first.code in _WAIT_FOR:
        raise first
    raise NotMended(
        "Some copies can't come back.",
        code="fix_copies_stay",
        back=len(ids) - len(stay),
        of=len(ids),
        paths=", ".join(path for path, _ in stay[:_TOLD]) + (" …" if len(stay) > _TOLD else ""),
        reason=first.code,
    )
