"""What the Collection Doctor calls wrong: types, severities, states, the moves between states, and the value a rule hands out.

An **issue** is one thing that is wrong with one subject (a file, the variants of a recording under one root, a track of a release). It is
`detected` by a scan. A person may note it (`acknowledged`), not care (`ignored`) or call it done (`resolved`); remediation makes it `fixing`, and
ends that with `resolved` or `failed` (with its reason; nothing was changed), or gives it back (`detected`) when the fix is called off or undone.
A scan that finds it again leaves it as it is, except that a resolved one is `detected` anew; an ignored one stays ignored for as long as it is the
same thing. A scan that looked and no longer finds it resolves it, unless it is ignored (what a person decided stays) or `fixing` (remediation
decides when the new file is proven).

Tables are data: tests walk them. The only writer of rows is apps.library.services_issues. Pure.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

SubjectPart = str | int | uuid.UUID
ParamValue = str | int | float | bool | None | list[str]


class IssueType(StrEnum):
    """The eight kinds of things that can be wrong."""

    SUSPECTED_TRANSCODE = "suspected_transcode"
    """a file whose sound went through a lossy codec it does not own up to"""
    NON_CANONICAL_VARIANT = "non_canonical_variant"
    """a clearly better variant of the recording is here or known from peers"""
    TRACK_NOT_IN_RELEASE = "track_not_in_release"
    """the release its tags name does not have this recording"""
    MISSING_TRACK = "missing_track"
    """a track of a release that is otherwise here"""
    CORRUPTED_FILE = "corrupted_file"
    """it can't be read, or does not decode as a whole"""
    TAGS_WRONG = "tags_wrong"
    """tags are missing although it is known what the file is (code `tags_missing…`), or contradict it (`tags_contradict…`)"""
    DUPLICATE_VARIANT = "duplicate_variant"
    """the same recording more than once under one root"""
    WRONG_DURATION = "wrong_duration"
    """shorter or longer than its recording"""


class IssueSeverity(StrEnum):
    """How bad; ranks order them."""

    LOW = "low"
    """a matter of taste or tidiness"""
    MEDIUM = "medium"
    """the music is right, something about it is not"""
    HIGH = "high"
    """the sound is not what it claims to be, or something is not there"""
    CRITICAL = "critical"
    """the file can't be played as a whole"""


SEVERITY_RANK: Final[Mapping[IssueSeverity, int]] = {
    IssueSeverity.LOW: 1,
    IssueSeverity.MEDIUM: 2,
    IssueSeverity.HIGH: 3,
    IssueSeverity.CRITICAL: 4,
}
"""Greater = worse. Sorts lists and weighs artists and releases; the steps mean nothing beyond order."""


class IssueState(StrEnum):
    """State of a LibraryIssue row."""

    DETECTED = "detected"
    ACKNOWLEDGED = "acknowledged"
    IGNORED = "ignored"
    FIXING = "fixing"
    RESOLVED = "resolved"
    FAILED = "failed"


_S = IssueState
MOVES: Final[Mapping[IssueState, frozenset[IssueState]]] = {
    _S.DETECTED: frozenset({_S.ACKNOWLEDGED, _S.IGNORED, _S.FIXING, _S.RESOLVED}),
    _S.ACKNOWLEDGED: frozenset({_S.DETECTED, _S.IGNORED, _S.FIXING, _S.RESOLVED}),
    _S.IGNORED: frozenset({_S.DETECTED, _S.ACKNOWLEDGED, _S.RESOLVED}),
    _S.FIXING: frozenset({_S.DETECTED, _S.RESOLVED, _S.FAILED}),
    _S.RESOLVED: frozenset({_S.DETECTED}),
    _S.FAILED: frozenset({_S.DETECTED, _S.ACKNOWLEDGED, _S.IGNORED, _S.FIXING, _S.RESOLVED}),
}
"""From → to. An ignored one is taken back (`detected`) before it can be fixed, so that bulk fixes never touch what a person set aside."""

OPEN_STATES: Final = frozenset({_S.DETECTED, _S.ACKNOWLEDGED, _S.FIXING, _S.FAILED})
"""Shown by default and counted as issues; ignored and resolved ones are kept for whoever looks for them."""
SCAN_RESOLVES: Final = frozenset({_S.DETECTED, _S.ACKNOWLEDGED, _S.FAILED})
"""What a scan that no longer finds it may resolve."""
PERSON_MOVES: Final = frozenset({_S.DETECTED, _S.ACKNOWLEDGED, _S.IGNORED, _S.RESOLVED})
"""Where a person may put an issue by hand; `fixing` and `failed` are remediation's."""


SETTLING: Final = frozenset({"fixed_beside"})
"""Outcome codes of fixes that leave the file as it is, because a better one is here: it settles the issue for as long as it is here."""
BETTER_FILE: Final = "better_file"
"""In the params of such an outcome: id of the better file."""


def moved_by_finding(state: IssueState, *, settled: bool = False) -> IssueState:
    """The state of an issue in `state` that a scan has found again. `settled`: the better file of a SETTLING outcome is still here."""
    return IssueState.DETECTED if state is IssueState.RESOLVED and not settled else state


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule found: one issue as a scan would record it.

    `subject` names the thing in parts that stay the same from scan to scan (ids, never texts that may be retagged); with the type it is the
    issue's identity. `code` + `params` are the evidence; words are made when somebody looks. Texts may be foreign.
    """

    type: IssueType
    severity: IssueSeverity
    subject: tuple[SubjectPart, ...]
    code: str
    params: Mapping[str, ParamValue] = field(default_factory=dict)
    file_id: int | None = None
    variant_id: int | None = None
    release_mbid: uuid.UUID | None = None
    recording_mbid: uuid.UUID | None = None
    medium_position: int | None = None
    track_position: int | None = None
    artist: str = ""
    album: str = ""
    title: str = ""
    path: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for a finding nobody could find again or explain."""
        if not self.subject or not self.code:
            raise ValueError(self.subject, self.code)

    @property
    def key(self) -> bytes:
        """`subject_key` of this finding."""
        return subject_key(self.type, self.subject)

    @property
    def rank(self) -> int:
        """Of the severity."""
        return SEVERITY_RANK[self.severity]


def subject_key(issue_type: IssueType, parts: tuple[SubjectPart, ...]) -> bytes:
    """32 bytes that are the same for the same thing: SHA-256 over type and parts, each with its length, so that no two tuples run together."""
    digest = hashlib.sha256()
    for part in (issue_type.value, *parts):
        raw = str(part).encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.digest()
