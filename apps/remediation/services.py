"""The only writer of remediations: asking for fixes, following their jobs, and taking them back. `workers.remediate` touches the files.

An issue is `fixing` exactly while one of its remediations is live: both change in one transaction, the issue first (its writers stand in line), so of
two people who press Fix one makes the attempt and the other gets the same one.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.common.dispatch import TaskName, enqueue
from apps.common.doorbell import WEB_CHANNEL, ring
from apps.common.transitions import advance, lease_claim
from apps.domain.errors import DomainError, Param
from apps.domain.library.issues import IssueState, IssueType
from apps.domain.library.remedy import (
    FETCHING,
    FIXABLE,
    REMEDY_LIVE,
    REMEDY_MOVES,
    IssueFacts,
    Remedy,
    RemedyAction,
    RemedyState,
    remedy_for,
)
from apps.domain.library.trash import TrashReason
from apps.library.models import LibraryIssue
from apps.library.services_issues import issues_move
from apps.library.services_trash import trash_need, trash_plan
from apps.remediation.jobs import MissingTrack, Replacement, job_for_missing, job_for_replacement
from apps.remediation.models import Remediation
from apps.remediation.selectors import better_held

Params = Mapping[str, Param]
MAX_FIXED: Final = 500
"""Issues that one request may have fixed."""


class RemediationRefused(DomainError):
    """remediation_unknown, remediation_state."""

    default_code = "remediation_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class FixPolicy:
    """`library_health.remediation`, as it is when a fix is asked for."""

    replace_existing: bool = True
    backup_before_replace: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FixOutcome:
    """What became of one issue that was to be fixed. `remediation` None: nothing can be done by itself, `code` says why."""

    issue: int
    remediation: uuid.UUID | None
    job: uuid.UUID | None = None
    created: bool = False
    code: str = ""
    params: Params


@dataclass(frozen=True, slots=True, kw_only=True)
class RemedyClaim:
    """A remediation that this worker holds."""

    id: uuid.UUID
    attempt: int
    issue_id: int
    action: RemedyAction
    state: RemedyState
    code: str
    tries: int
    params: Mapping[str, object]
    job_id: uuid.UUID | None
    old_file_id: int | None
    new_file_id: int | None
    trashed_id: uuid.UUID | None


def issues_fix(
    issue_ids: Collection[int], *, policy: FixPolicy, requested_by: User | None = None
) -> tuple[FixOutcome, ...]:
    """Begin to mend issues (at most MAX_FIXED); one outcome each, in the order asked. Asking again while a fix is live gives the same fix.

    Missing tracks of one release share one job, or join one that fetches them already.
    """
    asked = list(dict.fromkeys(issue_ids))[:MAX_FIXED]
    rows = {row.id: row for row in LibraryIssue.objects.filter(id__in=asked).select_related("file__root")}
    outcomes: dict[int, FixOutcome] = {}
    groups: dict[tuple[str, object], list[tuple[LibraryIssue, RemedyAction]]] = defaultdict(list)
    for issue_id in asked:
        row = rows.get(issue_id)
        if row is None:
            outcomes[issue_id] = _refusal(issue_id, "issue_unknown")
            continue
        remedy = remedy_for(_facts(row), replace_existing=policy.replace_existing)
        if row.state == IssueState.FIXING or remedy.action is None:
            outcomes[issue_id] = _live_or(row, remedy)
            continue
        shared = remedy.action is RemedyAction.FETCH_MISSING
        groups["release" if shared else "issue", row.release_mbid if shared else row.id].append((row, remedy.action))
    for members in groups.values():
        for outcome in _begin(members, policy=policy, requested_by=requested_by):
            outcomes[outcome.issue] = outcome
    return tuple(outcomes[issue_id] for issue_id in asked)


def _begin(
    members: Sequence[tuple[LibraryIssue, RemedyAction]], *, policy: FixPolicy, requested_by: User | None
) -> list[FixOutcome]:
    """One transaction: issues, jobs and remediations, or nothing of them."""
    action = members[0][1]
    rows = {row.id: row for row, _ in members}
    with transaction.atomic():
        moved = issues_move(list(rows), to=IssueState.FIXING, code="fix_begun", only_from=FIXABLE)
        begun = [rows[issue_id] for issue_id in moved]
        jobs = _jobs(action, begun, requested_by=requested_by)
        outcomes = []
        for row in begun:
            wish = jobs.get(row.id)
            made = Remediation.objects.create(
                issue=row,
                action=action.value,
                state=(RemedyState.WAITING if wish is not None else RemedyState.PLANNED).value,
                job_id=wish[0] if wish else None,
                old_file_id=row.file_id if action is not RemedyAction.FETCH_MISSING else None,
                params={
                    "replace": policy.replace_existing,
                    "backup": policy.backup_before_replace,
                    **(wish[1] if wish else {}),
                },
                requested_by=requested_by,
            )
            Remediation.objects.filter(id=made.id).update(next_step_at=Now())
            enqueue(TaskName.REMEDIATE, str(made.id))
            outcomes.append(FixOutcome(issue=row.id, remediation=made.id, job=made.job_id, created=True, params={}))
        _tell(begun)
    raced = [row for key, row in rows.items() if key not in set(moved)]
    return outcomes + [_live_or(row, Remedy(action=None, code="fix_not_in_state")) for row in raced]


def _jobs(
    action: RemedyAction, rows: Sequence[LibraryIssue], *, requested_by: User | None
) -> dict[int, tuple[uuid.UUID, dict[str, object]]]:
    """Issue → (job, which track of it). Empty for what needs none."""
    if action not in FETCHING or not rows:
        return {}
    if action is RemedyAction.FETCH_MISSING:
        release = rows[0].release_mbid
        assert release is not None
        wanted = [
            MissingTrack(issue=row.id, medium=row.medium_position or 1, position=row.track_position or 1)
            for row in rows
        ]
        found = job_for_missing(release, wanted, requested_by=requested_by)
        return {one.issue: (found[one.issue], {"medium": one.medium, "position": one.position}) for one in wanted}
    made: dict[int, tuple[uuid.UUID, dict[str, object]]] = {}
    for row in rows:
        job = job_for_replacement(
            Replacement(
                file_id=row.file_id or 0,
                recording_mbid=row.recording_mbid,
                release_mbid=row.release_mbid,
                medium=row.medium_position,
                track=row.track_position,
                better=action is RemedyAction.BETTER_VARIANT,
            ),
            requested_by=requested_by,
        )
        made[row.id] = (job.id, {"medium": job.medium, "position": job.position} if job.position else {})
    return made


def remedy_claim(remediation_id: uuid.UUID, *, lease_s: int) -> RemedyClaim | None:
    """Take a live remediation whose time has come; None if there is nothing to do, or somebody else does it."""
    due = Remediation.objects.filter(id=remediation_id, state__in=sorted(REMEDY_LIVE), next_step_at__lte=Now())
    if not lease_claim(due, seconds=lease_s):
        return None
    return _claim(Remediation.objects.get(id=remediation_id))


def remedy_reread(claim: RemedyClaim) -> RemedyClaim:
    """The same claim with what was noted meanwhile."""
    return replace(_claim(Remediation.objects.get(id=claim.id)), attempt=claim.attempt)


def _claim(row: Remediation) -> RemedyClaim:
    return RemedyClaim(
        id=row.id,
        attempt=row.attempt,
        issue_id=row.issue_id,
        action=RemedyAction(row.action),
        state=RemedyState(row.state),
        code=row.code,
        tries=row.tries,
        params=row.params,
        job_id=row.job_id,
        old_file_id=row.old_file_id,
        new_file_id=row.new_file_id,
        trashed_id=row.trashed_id,
    )


def remedy_renew(claim: RemedyClaim, *, lease_s: int) -> bool:
    """Keep the lease. False: the row is not this worker's any more."""
    live = _mine(claim).filter(state__in=sorted(REMEDY_LIVE))
    return live.update(lease_until=Now() + timedelta(seconds=lease_s)) == 1


def remedy_wait(claim: RemedyClaim) -> bool:
    """The job is not there yet: give it back; the sweep looks again when the job has moved."""
    return _mine(claim).filter(state=RemedyState.WAITING).update(lease_until=None, updated_at=Now()) == 1


def remedy_placing(claim: RemedyClaim, *, new_file_id: int | None) -> bool:
    """The new file is verified and placed (or none is needed): files are exchanged now."""
    return bool(advance(_mine(claim), moves=REMEDY_MOVES, to=RemedyState.PLACING, code="", new_file_id=new_file_id))


def remedy_note(claim: RemedyClaim, params: Mapping[str, object]) -> bool:
    """Keep what the next step (maybe another worker's) must know, before it is taken."""
    stored = Remediation.objects.values_list("params", flat=True).get(id=claim.id)
    return _mine(claim).update(params={**stored, **params}, updated_at=Now()) == 1


def remedy_trash(
    claim: RemedyClaim,
    file_id: int,
    *,
    reason: TrashReason,
    keep: bool = False,
    replaced_by_id: int | None = None,
    keep_until_proven: bool = False,
    as_read: bool = True,
    note: str = "",
) -> uuid.UUID:
    """Ask for a file to be put into the trash and keep its id with the remediation (as `trashed`, or in the list `note` of its params), both or neither.

    `as_read` False: whatever is there now, not only the file that the rows speak of.

    Raises TrashRefused.
    """
    with transaction.atomic():
        trash_id = trash_plan(
            file_id,
            reason=reason,
            keep=keep,
            replaced_by_id=replaced_by_id,
            keep_until_proven=keep_until_proven,
            as_read=as_read,
            send=False,
        )
        trash_need([trash_id], needed=True)
        stored = Remediation.objects.values_list("params", flat=True).get(id=claim.id)
        if note:
            listed = [str(one) for one in stored.get(note, ()) if str(one) != str(trash_id)]
            _mine(claim).update(params={**stored, note: [*listed, str(trash_id)]})
        else:
            _mine(claim).update(trashed_id=trash_id)
    return trash_id


def remedy_done(claim: RemedyClaim, *, code: str, params: Params | None = None, new_file_id: int | None = None) -> bool:
    """It is mended: the issue is resolved with the same code."""
    with transaction.atomic():
        issue_follow(claim.issue_id, IssueState.RESOLVED, code=code, params=params or {})
        moved = _end(claim, RemedyState.DONE, code=code, why=params, new_file_id=new_file_id)
        if not moved:
            transaction.set_rollback(True)
    return moved


def remedy_failed(claim: RemedyClaim, *, code: str, params: Params) -> bool:
    """It can't be mended so: everything is as it was, the issue says why."""
    with transaction.atomic():
        issue_follow(claim.issue_id, IssueState.FAILED, code=code, params=params)
        moved = _end(claim, RemedyState.FAILED, code=code, why=params)
        if not moved:
            transaction.set_rollback(True)
    return moved


def remedy_later(claim: RemedyClaim, *, code: str, params: Params, delay_s: float) -> bool:
    """It can't go on now: the reason, and when it is tried again."""
    tries = claim.tries + 1 if claim.code == code else 1
    stored = Remediation.objects.values_list("params", flat=True).get(id=claim.id)
    return (
        _mine(claim).update(
            code=code,
            params={**stored, "why": dict(params)},
            tries=tries,
            next_step_at=Now() + timedelta(seconds=delay_s),
            lease_until=None,
            updated_at=Now(),
        )
        == 1
    )


def remedy_undo_ask(remediation_id: uuid.UUID, *, keep_new: bool = False) -> RemedyState:
    """Take a fix back: what it changed becomes as it was, and its issue is open again. `keep_new`: the file it brought stays, beside the old one.

    Asking twice changes nothing. Raises RemediationRefused `remediation_unknown`, `remediation_state`, `trash_purged`.
    """
    row = Remediation.objects.select_related("trashed").filter(id=remediation_id).first()
    if row is None:
        raise RemediationRefused("There is no such fix.", code="remediation_unknown")
    if row.action == RemedyAction.REIDENTIFY:
        raise RemediationRefused("There is nothing to take back.", code="remediation_nothing_to_undo")
    with transaction.atomic():
        moved = advance(
            Remediation.objects.filter(id=remediation_id),
            moves=REMEDY_MOVES,
            to=RemedyState.UNDOING,
            code="",
            params={**row.params, "keep_new": keep_new},
            tries=0,
            next_step_at=Now(),
            lease_until=None,
        )
        if moved:
            trash_need(_trash_of(row), needed=True)
            _not_purged(row)
            enqueue(TaskName.REMEDIATE, str(remediation_id))
            ring(WEB_CHANNEL, f"issue {row.issue_id}")
    state = RemedyState(Remediation.objects.values_list("state", flat=True).get(id=remediation_id))
    if not moved and state not in (RemedyState.UNDOING, RemedyState.UNDONE):
        raise RemediationRefused(
            f"A fix that is {state.value} can't be taken back.", code="remediation_state", state=state.value
        )
    return state


def _trash_of(row: Remediation) -> list[uuid.UUID]:
    """All that a fix has in the trash."""
    listed = [uuid.UUID(str(one)) for name in ("trashed", "undone") for one in row.params.get(name, ())]
    return [*listed, *([row.trashed_id] if row.trashed_id is not None else [])]


def _not_purged(row: Remediation) -> None:
    """Looked at after the old file was said to be needed: a purge came before that, or comes not at all. Raises RemediationRefused."""
    if row.trashed is None:
        return
    row.trashed.refresh_from_db(fields=["state"])
    if row.trashed.state in ("purging", "purged"):
        raise RemediationRefused(
            "The old file was deleted from the trash; it can't come back.",
            code="trash_purged",
            path=row.trashed.display,
        )


def remedy_undone(claim: RemedyClaim) -> bool:
    """All is as it was: the issue is open again."""
    with transaction.atomic():
        issue_follow(claim.issue_id, IssueState.DETECTED, code="fix_undone", params={})
        moved = _end(claim, RemedyState.UNDONE, code="")
        if not moved:
            transaction.set_rollback(True)
    return moved


def remedy_not_undone(claim: RemedyClaim, *, code: str, params: Params) -> bool:
    """It can't be taken back now: the fix stands, with the reason."""
    return _end(claim, RemedyState.DONE, code=code, only_from=[RemedyState.UNDOING], why=params)


def issue_follow(issue_id: int, to: IssueState, *, code: str, params: Params) -> None:
    """Bring the issue along; if somebody put it where the table has no way from, it stays there."""
    issues_move([issue_id], to=to, code=code, params=dict(params))


def _end(
    claim: RemedyClaim,
    state: RemedyState,
    *,
    code: str,
    only_from: Collection[RemedyState] | None = None,
    why: Params | None = None,
    new_file_id: int | None = None,
) -> bool:
    changes: dict[str, object] = {"new_file_id": new_file_id} if new_file_id is not None else {}
    with transaction.atomic():
        row = Remediation.objects.get(id=claim.id)
        kept = {key: value for key, value in row.params.items() if key != "why"}
        moved = advance(
            _mine(claim),
            moves=REMEDY_MOVES,
            to=state,
            only_from=only_from,
            code=code,
            params={**kept, **({"why": dict(why)} if why else {})},
            next_step_at=None,
            lease_until=None,
            ended_at=Now(),
            **changes,
        )
        if moved:
            trash_need(_trash_of(row), needed=False)
    if moved:
        ring(WEB_CHANNEL, f"issue {claim.issue_id}")
        if claim.job_id:
            ring(WEB_CHANNEL, f"job {claim.job_id}")
    return moved == 1


def _facts(row: LibraryIssue) -> IssueFacts:
    file = row.file
    guess = row.params.get("guess_mbid") or (
        row.params.get("release_mbid") if row.type == IssueType.TAGS_WRONG.value else ""
    )
    return IssueFacts(
        type=IssueType(row.type),
        state=IssueState(row.state),
        code=row.code,
        has_file=file is not None and file.missing_since is None,
        root_writable=file is not None and file.root.writable,
        recording_mbid=row.recording_mbid,
        release_mbid=row.release_mbid,
        medium=row.medium_position,
        track=row.track_position,
        guess_mbid=uuid.UUID(str(guess)) if guess else None,
        better_held=row.code == "better_in_library" and better_held(row.id) is not None,
    )


def _live_or(row: LibraryIssue, remedy: Remedy) -> FixOutcome:
    """The fix that is under way, else why there is none."""
    live = Remediation.objects.filter(issue_id=row.id, state__in=sorted(REMEDY_LIVE)).values("id", "job_id").first()
    if live is not None:
        return FixOutcome(issue=row.id, remediation=live["id"], job=live["job_id"], params={})
    return _refusal(row.id, remedy.code, remedy.params)


def _refusal(issue_id: int, code: str, params: Params | None = None) -> FixOutcome:
    return FixOutcome(issue=issue_id, remediation=None, code=code, params=params or {})


def _mine(claim: RemedyClaim) -> QuerySet[Remediation]:
    return Remediation.objects.filter(id=claim.id, attempt=claim.attempt)


def _tell(rows: Sequence[LibraryIssue]) -> None:
    for row in rows:
        ring(WEB_CHANNEL, f"issue {row.id}")
