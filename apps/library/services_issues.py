"""The only writer of issues. Every change keeps IssueCount, IssueDay and IssueTally in its transaction, so that nobody ever counts issue rows.

Writers stand in one line: each takes the lock of one row first (SQLite: the transaction itself is the line), reads, and writes absolute numbers.
Issues change in hundreds by a scan and one by one by people, so the line is short, and no two writers can wait for each other in a circle.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Self

from django.db import transaction
from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from apps.common.text import display_text
from apps.domain.errors import DomainError
from apps.domain.library.issues import (
    BETTER_FILE,
    MOVES,
    OPEN_STATES,
    PERSON_MOVES,
    SCAN_RESOLVES,
    SETTLING,
    Finding,
    IssueSeverity,
    IssueState,
    IssueType,
    ParamValue,
    moved_by_finding,
)
from apps.domain.library.scans import ReadState
from apps.domain.library.words import words_of
from apps.library.models import AudioFile, IssueCount, IssueDay, IssueTally, IssueWord, LibraryIssue

CHUNK: Final = 400
"""Rows in one statement: SQLite's parameters are the limit."""
MAX_MOVED: Final = 1000
"""Issues moved in one transaction."""


class IssueUnknown(DomainError):
    """No issue has this id."""

    default_code = "issue_unknown"


class IssueMoveRefused(DomainError):
    """The table of moves does not have this one."""

    default_code = "issue_move_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuesRecorded:
    """What became of findings."""

    added: int
    """new ones and resolved ones found anew"""
    known: int
    """those that were there before, ignored ones among them"""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueScope:
    """Which issues a look was about: of these types, and of these files, recordings or releases (None: not limited by it)."""

    types: frozenset[IssueType]
    file_ids: Sequence[int] | None = None
    recording_mbids: Sequence[uuid.UUID] | None = None
    release_mbids: Sequence[uuid.UUID] | None = None


def issues_record(
    findings: Iterable[Finding], *, scan_id: uuid.UUID | None = None, now: datetime | None = None
) -> IssuesRecorded:
    """Write what a scan found: new ones, evidence and texts of known ones, resolved ones anew. Ignored ones stay ignored. Repeating it changes nothing.

    A subject that occurs twice counts once (the later finding wins).
    """
    at = now or timezone.now()
    by_key = {finding.key: finding for finding in findings}
    keys = sorted(by_key)
    added = 0
    with transaction.atomic():
        _line_up()
        ledger = _Ledger()
        for start in range(0, len(keys), CHUNK):
            part = keys[start : start + CHUNK]
            known = {bytes(row.subject): row for row in LibraryIssue.objects.filter(subject__in=part)}
            fresh = [_new_row(by_key[key], key, scan_id, at) for key in part if key not in known]
            LibraryIssue.objects.bulk_create(fresh)
            _words_write(fresh)
            for row in fresh:
                ledger.change(None, _Standing.of(row))
            added += len(fresh) + _found_again(known, by_key, ledger, scan_id=scan_id, at=at)
        ledger.write(at)
    return IssuesRecorded(added=added, known=len(keys) - added)


def issues_move(
    issue_ids: Collection[int],
    *,
    to: IssueState,
    code: str = "",
    params: Mapping[str, ParamValue] | None = None,
    only_from: Collection[IssueState] | None = None,
    now: datetime | None = None,
) -> tuple[int, ...]:
    """Bring those of the issues to `to` that the table (and `only_from`) lets; their ids. At most MAX_MOVED; unknown ones are passed over."""
    ids = sorted(set(issue_ids))[:MAX_MOVED]
    allowed = {state for state, targets in MOVES.items() if to in targets}
    if only_from is not None:
        allowed &= set(only_from)
    moved: list[int] = []
    with transaction.atomic():
        _line_up()
        for start in range(0, len(ids), CHUNK):
            found = LibraryIssue.objects.filter(id__in=ids[start : start + CHUNK], state__in=sorted(allowed))
            rows = list(found.order_by("id"))
            _move(rows, to, code, params or {}, now or timezone.now())
            moved += [row.id for row in rows]
    return tuple(moved)


def issues_decide(issue_ids: Collection[int], *, to: IssueState, by: str) -> tuple[int, ...]:
    """A person's word (`by`: their name) on issues: one of PERSON_MOVES. Raises IssueMoveRefused for other states.

    An issue that is being fixed is remediation's: it is passed over.
    """
    if to not in PERSON_MOVES:
        raise IssueMoveRefused(f"Only a fix makes an issue {to}.", state="", to=to.value)
    return issues_move(
        issue_ids,
        to=to,
        code=f"{to.value}_by_person",
        params={"name": display_text(by, limit=150)},
        only_from=set(IssueState) - {IssueState.FIXING},
    )


def issues_cleared(
    scope: IssueScope,
    *,
    seen_before: datetime,
    unless_by: uuid.UUID | None = None,
    code: str = "not_found_again",
    limit: int = MAX_MOVED,
    now: datetime | None = None,
) -> int:
    """Resolve the open issues in `scope` that no scan has seen since `seen_before`; how many (at most `limit`: ask again while it is that many).

    `unless_by`: a scan whose own sightings count whatever the clocks say.
    """
    at = now or timezone.now()
    with transaction.atomic():
        _line_up()
        rows = _scoped(scope).filter(state__in=sorted(SCAN_RESOLVES), seen_at__lt=seen_before)
        if unless_by is not None:
            rows = rows.exclude(found_by=unless_by, found_by__isnull=False)
        gone = list(rows.order_by("id")[: min(limit, MAX_MOVED)])
        _move(gone, IssueState.RESOLVED, code, {}, at)
    return len(gone)


def issues_held(scope: IssueScope, *, scan_id: uuid.UUID | None = None, now: datetime | None = None) -> int:
    """Note that these could not be looked at (their folder is away): they count as seen, whatever they are."""
    return _scoped(scope).filter(open=True).update(seen_at=now or timezone.now(), found_by=scan_id)


@dataclass(frozen=True, slots=True)
class _Standing:
    """What of an issue is counted."""

    type: str
    severity: str
    state: str
    rank: int
    artist: str
    release: str
    label: str

    @classmethod
    def of(cls, row: LibraryIssue) -> Self:
        album = " – ".join(one for one in (row.artist, row.album) if one)
        release = str(row.release_mbid) if row.release_mbid else ""
        return cls(row.type, row.severity, row.state, row.rank, row.artist, release, album)

    @property
    def open(self) -> bool:
        return self.state in OPEN_STATES

    def tallied(self) -> list[tuple[str, str, str]]:
        """(kind, key, label) of those who carry it, while it is open."""
        if not self.open:
            return []
        carried = [("artist", self.artist, self.artist), ("release", self.release, self.label)]
        return [one for one in carried if one[1]]


@dataclass(slots=True)
class _Ledger:
    """Sums up what changes, then writes it at once. Mutable: it lives for one transaction."""

    counts: dict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))
    tallies: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    labels: dict[tuple[str, str], str] = field(default_factory=dict)
    days: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))

    def change(self, before: _Standing | None, after: _Standing) -> None:
        if before == after:
            return
        self._weigh(before, -1)
        self._weigh(after, +1)
        _ = self.days[after.type]
        if after.open and (before is None or before.state == IssueState.RESOLVED):
            self.days[after.type][0] += 1
        if after.state == IssueState.RESOLVED and before is not None and before.state != IssueState.RESOLVED:
            self.days[after.type][1] += 1

    def _weigh(self, standing: _Standing | None, sign: int) -> None:
        if standing is None:
            return
        self.counts[standing.type, standing.severity, standing.state] += sign
        for kind, key, label in standing.tallied():
            tally = self.tallies[kind, key]
            tally[0] += sign
            tally[1] += sign * standing.rank
            self.labels[kind, key] = label[:400]

    def write(self, at: datetime) -> None:
        """The caller stands first in line."""
        self._write_counts()
        self._write_days(at)
        self._write_tallies()

    def _write_counts(self) -> None:
        deltas = {key: delta for key, delta in self.counts.items() if delta}
        if not deltas:
            return
        rows = IssueCount.objects.filter(type__in=sorted({key[0] for key in deltas}))
        held = {(row.type, row.severity, row.state): row.count for row in rows}
        IssueCount.objects.bulk_create(
            [
                IssueCount(type=key[0], severity=key[1], state=key[2], count=held.get(key, 0) + delta)
                for key, delta in sorted(deltas.items())
            ],
            update_conflicts=True,
            unique_fields=["type", "severity", "state"],
            update_fields=["count"],
        )

    def _write_days(self, at: datetime) -> None:
        if not self.days:
            return
        day = at.date()
        held = {row.type: row for row in IssueDay.objects.filter(day=day, type__in=sorted(self.days))}
        sums = IssueCount.objects.filter(type__in=sorted(self.days), state__in=sorted(OPEN_STATES)).order_by()
        open_now = {row["type"]: row["sum"] for row in sums.values("type").annotate(sum=Sum("count"))}
        rows = []
        for name, (detected, resolved) in sorted(self.days.items()):
            row = held.get(name) or IssueDay(day=day, type=name)
            row.detected += detected
            row.resolved += resolved
            row.open_at_end = open_now.get(name, 0)
            rows.append(
                IssueDay(day=day, type=name, detected=row.detected, resolved=row.resolved, open_at_end=row.open_at_end)
            )
        IssueDay.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["day", "type"],
            update_fields=["detected", "resolved", "open_at_end"],
        )

    def _write_tallies(self) -> None:
        keys = sorted(key for key, (opened, weight) in self.tallies.items() if opened or weight)
        for start in range(0, len(keys), CHUNK):
            part = keys[start : start + CHUNK]
            found = IssueTally.objects.filter(
                Q(kind="artist", key__in=[key for kind, key in part if kind == "artist"])
                | Q(kind="release", key__in=[key for kind, key in part if kind == "release"])
            )
            held = {(row.kind, row.key): (row.open, row.weight) for row in found}
            rows = []
            for kind, key in part:
                opened, weight = held.get((kind, key), (0, 0))
                delta = self.tallies[kind, key]
                rows.append(
                    IssueTally(
                        kind=kind,
                        key=key,
                        label=self.labels[kind, key],
                        open=opened + delta[0],
                        weight=weight + delta[1],
                    )
                )
            IssueTally.objects.bulk_create(
                rows, update_conflicts=True, unique_fields=["kind", "key"], update_fields=["label", "open", "weight"]
            )
            emptied = [row for row in rows if not row.open]
            for kind in ("artist", "release"):
                gone = [row.key for row in emptied if row.kind == kind]
                if gone:
                    IssueTally.objects.filter(kind=kind, key__in=gone, open=0).delete()


def _line_up() -> None:
    """Wait until no other transaction changes issues. The row is one of the counts, made by whoever comes first."""
    first = {
        "type": IssueType.CORRUPTED_FILE.value,
        "severity": IssueSeverity.LOW.value,
        "state": IssueState.DETECTED.value,
    }
    IssueCount.objects.bulk_create([IssueCount(**first)], ignore_conflicts=True)
    IssueCount.objects.select_for_update().get(**first)


def _new_row(finding: Finding, key: bytes, scan_id: uuid.UUID | None, at: datetime) -> LibraryIssue:
    return LibraryIssue(
        type=finding.type.value,
        state=IssueState.DETECTED.value,
        open=True,
        subject=key,
        found_by=scan_id,
        detected_at=at,
        seen_at=at,
        changed_at=at,
        **_facts(finding),
    )


def _facts(finding: Finding) -> dict[str, object]:
    """What a scan may change of a known issue."""
    return {
        "severity": finding.severity.value,
        "rank": finding.rank,
        "file_id": finding.file_id,
        "variant_id": finding.variant_id,
        "release_mbid": finding.release_mbid,
        "recording_mbid": finding.recording_mbid,
        "medium_position": finding.medium_position,
        "track_position": finding.track_position,
        "artist": display_text(finding.artist, limit=200),
        "album": display_text(finding.album, limit=200),
        "title": display_text(finding.title, limit=200),
        "path": display_text(finding.path, limit=4000),
        "code": finding.code,
        "params": {key: _shown(value) for key, value in finding.params.items()},
    }


def _shown(value: ParamValue) -> ParamValue:
    """Texts of tags and peers may hold what JSON in a database may not (NUL, lone surrogates)."""
    if isinstance(value, str):
        return display_text(value, limit=300)
    return [display_text(one, limit=300) for one in value] if isinstance(value, list) else value


_UPDATED: Final = (
    "severity",
    "rank",
    "file",
    "variant",
    "release_mbid",
    "recording_mbid",
    "medium_position",
    "track_position",
    "artist",
    "album",
    "title",
    "path",
    "code",
    "params",
    "state",
    "open",
    "detected_at",
    "resolved_at",
    "changed_at",
    "outcome_code",
    "outcome_params",
    "updated_at",
)


def _found_again(
    known: Mapping[bytes, LibraryIssue],
    by_key: Mapping[bytes, Finding],
    ledger: _Ledger,
    *,
    scan_id: uuid.UUID | None,
    at: datetime,
) -> int:
    """Returns how many were resolved before."""
    changed: list[LibraryIssue] = []
    renamed: list[LibraryIssue] = []
    reopened = 0
    settled = _settled(known.values())
    for key, row in known.items():
        before = _Standing.of(row)
        facts = _facts(by_key[key])
        state = moved_by_finding(IssueState(row.state), settled=row.id in settled)
        differs = {name: value for name, value in facts.items() if getattr(row, name) != value}
        if state.value != row.state:
            reopened += 1
            row.state, row.open, row.detected_at, row.resolved_at = state.value, True, at, None
            row.outcome_code, row.outcome_params = "", {}
        elif not differs:
            continue
        for name, value in differs.items():
            setattr(row, name, value)
        row.changed_at = row.updated_at = at
        ledger.change(before, _Standing.of(row))
        changed.append(row)
        if not differs.keys().isdisjoint(_NAMES):
            renamed.append(row)
    if renamed:
        IssueWord.objects.filter(issue_id__in=[row.id for row in renamed]).delete()
        _words_write(renamed)
    if changed:
        LibraryIssue.objects.bulk_update(changed, _UPDATED, batch_size=40)
    LibraryIssue.objects.filter(id__in=[row.id for row in known.values()]).update(seen_at=at, found_by=scan_id)
    return reopened


_NAMES: Final = frozenset({"artist", "album"})
"""What an issue is searched by."""


def _words_write(rows: Sequence[LibraryIssue]) -> None:
    """Of issues that have none."""
    words = [IssueWord(issue_id=row.id, word=word) for row in rows for word in words_of(f"{row.artist} {row.album}")]
    IssueWord.objects.bulk_create(words, batch_size=CHUNK)


def _settled(rows: Iterable[LibraryIssue]) -> frozenset[int]:
    """Ids of resolved issues whose fix left the file alone for a better one that is here still. At most one query."""
    better = {
        row.id: found
        for row in rows
        if row.state == IssueState.RESOLVED
        and row.outcome_code in SETTLING
        and isinstance(found := row.outcome_params.get(BETTER_FILE), int)
    }
    if not better:
        return frozenset()
    held = AudioFile.objects.filter(id__in=sorted(set(better.values())), missing_since=None)
    here = set(held.exclude(read_state=ReadState.UNREADABLE.value).values_list("id", flat=True))
    return frozenset(issue_id for issue_id, file_id in better.items() if file_id in here)


def _move(
    rows: Sequence[LibraryIssue], to: IssueState, code: str, params: Mapping[str, ParamValue], at: datetime
) -> None:
    """The caller stands first in line and has looked into the table."""
    if not rows:
        return
    ledger = _Ledger()
    for row in rows:
        before = _Standing.of(row)
        ledger.change(before, replace(before, state=to.value))
    for start in range(0, len(rows), CHUNK):
        LibraryIssue.objects.filter(id__in=[row.id for row in rows[start : start + CHUNK]]).update(
            state=to.value,
            open=to in OPEN_STATES,
            outcome_code=code,
            outcome_params=dict(params),
            changed_at=at,
            resolved_at=at if to is IssueState.RESOLVED else None,
            updated_at=at,
        )
    ledger.write(at)


def _scoped(scope: IssueScope) -> QuerySet[LibraryIssue]:
    rows = LibraryIssue.objects.filter(type__in=sorted(scope.types))
    if scope.file_ids is not None:
        rows = rows.filter(file_id__in=list(scope.file_ids))
    if scope.recording_mbids is not None:
        rows = rows.filter(recording_mbid__in=list(scope.recording_mbids))
    if scope.release_mbids is not None:
        rows = rows.filter(release_mbid__in=list(scope.release_mbids))
    return rows
