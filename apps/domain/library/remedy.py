"""What mends which issue, and the life of one attempt to mend it. Pure.

An attempt (remediation) is **planned** when somebody asked for it; **waiting** for the job that fetches what it needs; **placing** while files are
exchanged; and ends **done** or **failed** (everything is as it was, and a code says why). A done one may be taken back: **undoing**, then **undone**, or
**done** again with a code if that can't be.

The issue follows: `fixing` while an attempt is live, `resolved` when it is done, `failed` when it failed, `detected` when it was undone.

Tables are data: tests walk them, rows move only by `apps.common.transitions`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from apps.domain.errors import Param
from apps.domain.jobs.lifecycle import JOB_ENDED, JobState, TrackState
from apps.domain.library.issues import IssueState, IssueType


class RemedyAction(StrEnum):
    """What is done about an issue."""

    FETCH_MISSING = "fetch_missing"
    """an mb_release job for exactly the missing tracks"""
    BETTER_VARIANT = "better_variant"
    """a job for something that beats the file; it takes the file's place"""
    REPLACE_CORRUPT = "replace_corrupt"
    """a job for the same recording; it takes the broken file's place"""
    RETAG = "retag"
    """tags from MusicBrainz; the sound stays byte for byte"""
    REMOVE_DUPLICATE = "remove_duplicate"
    """all copies but the best go to the trash (with `replace_existing` off a lesser file whose better is here only has its issue settled)"""
    REIDENTIFY = "reidentify"
    """what the file is, is found out anew"""


class RemedyState(StrEnum):
    """State of a Remediation row."""

    PLANNED = "planned"
    WAITING = "waiting"
    PLACING = "placing"
    DONE = "done"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"


_S = RemedyState
REMEDY_MOVES: Final[Mapping[RemedyState, frozenset[RemedyState]]] = {
    _S.PLANNED: frozenset({_S.WAITING, _S.PLACING, _S.DONE, _S.FAILED}),
    _S.WAITING: frozenset({_S.PLACING, _S.DONE, _S.FAILED}),
    _S.PLACING: frozenset({_S.DONE, _S.FAILED}),
    _S.DONE: frozenset({_S.UNDOING}),
    _S.UNDOING: frozenset({_S.UNDONE, _S.DONE}),
    _S.UNDONE: frozenset(),
    _S.FAILED: frozenset(),
}
REMEDY_LIVE: Final = frozenset({_S.PLANNED, _S.WAITING, _S.PLACING, _S.UNDOING})
"""At most one of an issue; somebody (or a job) has work to do."""
REMEDY_WORK: Final = frozenset({_S.PLANNED, _S.PLACING, _S.UNDOING})
"""A worker's turn; `waiting` is the job's."""

FETCHING: Final = frozenset({RemedyAction.FETCH_MISSING, RemedyAction.BETTER_VARIANT, RemedyAction.REPLACE_CORRUPT})
"""They need a job."""
REPLACING: Final = frozenset({RemedyAction.BETTER_VARIANT, RemedyAction.REPLACE_CORRUPT})
"""A new file takes the place of an old one."""
FIXABLE: Final = frozenset({IssueState.DETECTED, IssueState.ACKNOWLEDGED, IssueState.FAILED})
"""States in which a fix may be asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueFacts:
    """What the choice of a remedy depends on."""

    type: IssueType
    state: IssueState
    code: str
    has_file: bool
    """the file is known and present"""
    root_writable: bool
    """its folder may be changed"""
    recording_mbid: uuid.UUID | None
    release_mbid: uuid.UUID | None
    medium: int | None
    track: int | None
    guess_mbid: uuid.UUID | None = None
    """the release that the file is really from"""
    better_held: bool = False
    """the better file is here, for the same track: nothing need be fetched"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """An action, or the code that says why there is none (with what a person can do: apps.common.sentences)."""

    action: RemedyAction | None
    code: str = ""
    params: Mapping[str, Param] = field(default_factory=dict)


def remedy_for(issue: IssueFacts, *, replace_existing: bool = True) -> Remedy:
    """What mends the issue. `replace_existing` False: better files are placed beside the old ones, so nothing of theirs need be changed."""
    if issue.state not in FIXABLE:
        return _none("fix_not_in_state", state=issue.state.value)
    match issue.type:
        case IssueType.MISSING_TRACK:
            if issue.release_mbid is None or not issue.track:
                return _none("fix_place_unknown")
            return Remedy(action=RemedyAction.FETCH_MISSING)
        case IssueType.NON_CANONICAL_VARIANT if issue.better_held:
            return _about_file(issue, RemedyAction.REMOVE_DUPLICATE, changes=replace_existing)
        case IssueType.SUSPECTED_TRANSCODE | IssueType.NON_CANONICAL_VARIANT:
            return _replacement(issue, RemedyAction.BETTER_VARIANT, changes=replace_existing)
        case IssueType.CORRUPTED_FILE:
            return _replacement(issue, RemedyAction.REPLACE_CORRUPT, changes=replace_existing)
        case IssueType.WRONG_DURATION:
            if issue.code == "duration_long":
                return _about_file(issue, RemedyAction.REIDENTIFY, changes=False)
            return _replacement(issue, RemedyAction.REPLACE_CORRUPT, changes=replace_existing)
        case IssueType.TAGS_WRONG:
            if issue.recording_mbid is None:
                return _none("fix_recording_unknown")
            return _about_file(issue, RemedyAction.RETAG, changes=True)
        case IssueType.TRACK_NOT_IN_RELEASE:
            if issue.guess_mbid is not None and issue.recording_mbid is not None:
                return _about_file(issue, RemedyAction.RETAG, changes=True)
            return _about_file(issue, RemedyAction.REIDENTIFY, changes=False)
        case IssueType.DUPLICATE_VARIANT:
            return _about_file(issue, RemedyAction.REMOVE_DUPLICATE, changes=True)


def _replacement(issue: IssueFacts, action: RemedyAction, *, changes: bool) -> Remedy:
    if issue.recording_mbid is None and (issue.release_mbid is None or not issue.track):
        broken = issue.type is IssueType.CORRUPTED_FILE
        return _none("fix_broken_unknown" if broken else "fix_recording_unknown")
    return _about_file(issue, action, changes=changes)


def _about_file(issue: IssueFacts, action: RemedyAction, *, changes: bool) -> Remedy:
    if not issue.has_file:
        return _none("fix_file_missing")
    if changes and not issue.root_writable:
        return _none("root_not_writable")
    return Remedy(action=action)


def _none(code: str, **params: Param) -> Remedy:
    return Remedy(action=None, code=code, params=params)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWord:
    """How the job (and the one track of it) that a remediation waits for stands. `job` None: it is gone."""

    job: JobState | None
    job_code: str = ""
    track: TrackState | None = None
    track_code: str = ""
    track_params: Mapping[str, Param] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """What comes of waiting: None to wait on, `placing` when the new file is there, else `failed` with why."""

    to: RemedyState | None
    code: str = ""
    params: Mapping[str, Param] = field(default_factory=dict)


def after_job(word: JobWord) -> Waited:
    """The next state of a remediation that waits."""
    if word.track is TrackState.COMPLETED:
        return Waited(to=RemedyState.PLACING)
    if word.job is None:
        return Waited(to=RemedyState.FAILED, code="fix_job_gone")
    if word.job is JobState.CANCELLED or (word.track is TrackState.CANCELLED and word.job in JOB_ENDED):
        return Waited(to=RemedyState.FAILED, code="fix_job_cancelled")
    if word.track is TrackState.FAILED and (word.job in JOB_ENDED):
        return Waited(to=RemedyState.FAILED, code=word.track_code or "tracks_failed", params=dict(word.track_params))
    if word.job in JOB_ENDED:
        return Waited(to=RemedyState.FAILED, code=word.job_code or "fix_job_without_track")
    return Waited(to=None)


def beats(new: float | None, old: float | None, *, min_improvement: float) -> bool:
    """Whether a new file's quality (0..1) is worth the exchange. True where nothing was measured: then what the job accepted decides."""
    if new is None or old is None:
        return True
    return round(new - old, 4) >= min_improvement
