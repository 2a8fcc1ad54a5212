"""Reads of issues: lists by any filter, and the doctor's overview from rolled-up counts. Nothing here counts issue rows."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal

from django.db.models import QuerySet

from apps.domain.library.doctor import DOCTOR_LIVE, DoctorProgress, DoctorState, progress
from apps.domain.library.issues import OPEN_STATES, IssueSeverity, IssueState, IssueType
from apps.library.models import DoctorScan, IssueCount, IssueDay, IssueTally, IssueWord, LibraryIssue
from apps.library.selectors_words import having_words

Sort = Literal["newest", "worst", "artist", "album", "type"]
SORTS: Final[Mapping[Sort, tuple[str, ...]]] = {
    "worst": ("-rank", "-id"),
    "newest": ("-id",),
    "artist": ("artist", "id"),
    "album": ("album", "id"),
    "type": ("type", "id"),
}
"""Order by keyset; each has its index."""
OPEN: Final = "open"
EVERY: Final = "all"
SHOWN_STATES: Final = (OPEN, *(one.value for one in IssueState), EVERY)
TREND_DAYS: Final = 90
WORST: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueFilter:
    """What of the issues is wanted. Empty: not limited by it. `state`: one of SHOWN_STATES; `text`: how words of the artist's or
    album's name begin, each of them."""

    state: str = OPEN
    type: str = ""
    severity: str = ""
    artist: str = ""
    release: uuid.UUID | None = None
    text: str = ""
    file_id: int | None = None
    sort: Sort = "worst"

    @property
    def order(self) -> tuple[str, ...]:
        """For keyset_page."""
        return SORTS[self.sort]


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeCounts:
    """Issues of one type. `by_severity`: open ones, the worst severity first."""

    type: str
    open: int
    fixing: int
    failed: int
    ignored: int
    resolved: int
    by_severity: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendDay:
    """What one day brought, over all types."""

    day: date
    detected: int
    resolved: int
    open: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Worst:
    """An artist or a release with many issues. `weight`: sum of ranks."""

    key: str
    label: str
    open: int
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanView:
    """One look of the doctor and how far it is."""

    row: DoctorScan
    progress: DoctorProgress

    @property
    def live(self) -> bool:
        """It has not ended."""
        return self.row.state in DOCTOR_LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSummary:
    """The doctor's overview. `tracks`: files here that the counts are related to; None until a scan has counted them."""

    types: tuple[TypeCounts, ...]
    open: int
    ignored: int
    resolved: int
    tracks: int | None
    trend: tuple[TrendDay, ...]
    artists: tuple[Worst, ...]
    releases: tuple[Worst, ...]
    last: ScanView | None
    """The newest look."""

    @property
    def per_1000(self) -> float | None:
        """Open issues per 1000 tracks."""
        return per_thousand(self.open, self.tracks)


def per_thousand(count: int, tracks: int | None) -> float | None:
    """`count` per 1000 tracks; None without tracks."""
    return round(1000 * count / tracks, 1) if tracks else None


def issue_query(wanted: IssueFilter) -> QuerySet[LibraryIssue]:
    """Issues by filter, without an order. A query only where a text is asked for."""
    rows = LibraryIssue.objects.all()
    if wanted.state == OPEN:
        rows = rows.filter(open=True)
    elif wanted.state != EVERY:
        rows = rows.filter(state=wanted.state)
    if wanted.type:
        rows = rows.filter(type=wanted.type)
    if wanted.severity:
        rows = rows.filter(severity=wanted.severity)
    if wanted.artist:
        rows = rows.filter(artist=wanted.artist)
    if wanted.release is not None:
        rows = rows.filter(release_mbid=wanted.release)
    if wanted.file_id is not None:
        rows = rows.filter(file_id=wanted.file_id)
    return having_words(rows, IssueWord.objects.all(), owner="issue_id", text=wanted.text)


def issue_one(issue_id: int) -> LibraryIssue | None:
    """One issue with its file, root and variant."""
    rows = LibraryIssue.objects.select_related("file__root", "variant").defer(
        "variant__leaf_hashes", "variant__fingerprint", "variant__preamble"
    )
    return rows.filter(id=issue_id).first()


def issues_beside(issue: LibraryIssue, *, limit: int = 10) -> tuple[LibraryIssue, ...]:
    """Other open issues of the same file, else of the same release."""
    rows = LibraryIssue.objects.filter(open=True).exclude(id=issue.id)
    if issue.file_id is not None:
        return tuple(rows.filter(file_id=issue.file_id).order_by("-rank", "-id")[:limit])
    if issue.release_mbid is not None:
        return tuple(rows.filter(release_mbid=issue.release_mbid).order_by("-rank", "-id")[:limit])
    return ()


def issue_counts() -> tuple[TypeCounts, ...]:
    """By type, in the order of the types; every type, also without issues. One query over some tens of rows."""
    counts: dict[tuple[str, str, str], int] = {
        (row.type, row.severity, row.state): row.count for row in IssueCount.objects.all()
    }
    by_state: dict[tuple[str, str], int] = defaultdict(int)
    severities: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for (kind, severity, state), count in counts.items():
        by_state[kind, state] += count
        if state in OPEN_STATES:
            severities[kind][severity] += count
    return tuple(
        TypeCounts(
            type=kind.value,
            open=sum(by_state[kind, state] for state in OPEN_STATES),
            fixing=by_state[kind, IssueState.FIXING],
            failed=by_state[kind, IssueState.FAILED],
            ignored=by_state[kind, IssueState.IGNORED],
            resolved=by_state[kind, IssueState.RESOLVED],
            by_severity={
                one.value: severities[kind][one] for one in reversed(IssueSeverity) if severities[kind].get(one)
            },
        )
        for kind in IssueType
    )


def issue_trend(*, today: date, days: int = 30) -> tuple[TrendDay, ...]:
    """The last `days` days (≤ 90), today last; days on which nothing happened carry the number of the day before."""
    days = max(1, min(days, TREND_DAYS))
    first = today - timedelta(days=days - 1)
    found: dict[date, dict[str, IssueDay]] = defaultdict(dict)
    for row in IssueDay.objects.filter(day__gte=first, day__lte=today):
        found[row.day][row.type] = row
    standing = {kind.value: 0 for kind in IssueType}
    for kind in standing:
        before = IssueDay.objects.filter(type=kind, day__lt=first).order_by("-day")
        standing[kind] = before.values_list("open_at_end", flat=True).first() or 0
    trend = []
    for step in range(days):
        day = first + timedelta(days=step)
        rows = found.get(day, {})
        standing |= {kind: row.open_at_end for kind, row in rows.items()}
        trend.append(
            TrendDay(
                day=day,
                detected=sum(row.detected for row in rows.values()),
                resolved=sum(row.resolved for row in rows.values()),
                open=sum(standing.values()),
            )
        )
    return tuple(trend)


def worst(kind: Literal["artist", "release"], *, limit: int = WORST) -> tuple[Worst, ...]:
    """Who carries most, by the sum of ranks."""
    rows = IssueTally.objects.filter(kind=kind).order_by("-weight", "-id")[:limit]
    return tuple(Worst(key=row.key, label=row.label, open=row.open, weight=row.weight) for row in rows)


def library_tracks() -> int | None:
    """Files here when a full look last went over them: what counts are related to. None: there was none yet."""
    looked = DoctorScan.objects.filter(kind="full", state=DoctorState.COMPLETED.value).order_by("-created_at", "-id")
    return looked.values_list("files", flat=True).first() or None


def scan_view(row: DoctorScan, *, now_seconds: float) -> ScanView:
    """`now_seconds`: since the look began to run."""
    running = row.state == DoctorState.RUNNING
    done = min(row.done, row.expected) if running else row.done
    if row.state == DoctorState.COMPLETED:
        made = DoctorProgress(share=1.0, per_s=None, eta_s=None)
    else:
        made = progress(done=done, expected=row.expected, running=running, seconds=now_seconds)
    return ScanView(row=row, progress=made)


def scan_query() -> QuerySet[DoctorScan]:
    """Looks, without what a look at changes has to do (it is long)."""
    return DoctorScan.objects.defer("params")


SCAN_ORDER: Final = ("-created_at", "-id")


def scan_one(scan_id: uuid.UUID, *, now: datetime) -> ScanView | None:
    """One look."""
    row = scan_query().filter(id=scan_id).first()
    return None if row is None else scan_view(row, now_seconds=_seconds(row, now))


def scans_newest(*, now: datetime, limit: int = 5) -> tuple[ScanView, ...]:
    """The newest looks, the newest first."""
    return scan_views(scan_query().order_by(*SCAN_ORDER)[:limit], now=now)


def scan_views(rows: Iterable[DoctorScan], *, now: datetime) -> tuple[ScanView, ...]:
    """Rows with how far they are."""
    return tuple(scan_view(row, now_seconds=_seconds(row, now)) for row in rows)


def health_summary(*, now: datetime, days: int = 30) -> HealthSummary:
    """Everything the overview shows; a fixed number of queries, none over issues or files."""
    types = issue_counts()
    newest: Sequence[ScanView] = scans_newest(now=now, limit=1)
    return HealthSummary(
        types=types,
        open=sum(one.open for one in types),
        ignored=sum(one.ignored for one in types),
        resolved=sum(one.resolved for one in types),
        tracks=library_tracks(),
        trend=issue_trend(today=now.date(), days=days),
        artists=worst("artist"),
        releases=worst("release"),
        last=newest[0] if newest else None,
    )


def _seconds(row: DoctorScan, now: datetime) -> float:
    return (now - row.started_at).total_seconds() if row.started_at else 0.0
