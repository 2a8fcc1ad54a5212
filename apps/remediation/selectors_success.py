"""How well the doctor and canonical statistics serve: the figures that tell whether they are worth having. From rolled-up rows and bounded samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Final

from django.utils import timezone

from apps.domain.library.remedy import RemedyState
from apps.jobs.models import JobTrack
from apps.library.models import LibraryMeasure
from apps.library.selectors_canonical import canonical_of
from apps.library.selectors_issues import issue_counts, library_tracks, per_thousand
from apps.library.services_measures import BUCKETS, QUALITY
from apps.remediation.models import Remediation

SAMPLE: Final = 200
"""The newest placed tracks, and the newest ended fixes, that rates are taken over."""
WINDOW: Final = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuccessMetrics:
    """None: nothing to say it of yet. Shares are 0..1, times seconds."""

    tracks: int | None
    issues_per_1000: float | None
    suspects: int
    suspects_per_1000: float | None
    """Suspected variants per 1000 that were judged."""
    quality_buckets: tuple[int, ...]
    """Variants by tenths of their score."""
    quality_sum: float
    quality_mean: float | None
    fixes_done: int
    fixes_failed: int
    fix_success: float | None
    """Of the newest ended fixes."""
    fix_median_s: float | None
    """From being asked for to done."""
    picks: int
    canonical_picks: float | None
    """Share of the newest fetched tracks whose payload is the recording's canonical one, by what is known now."""


def success_metrics() -> SuccessMetrics:
    """About ten queries, none over a whole table."""
    measure = LibraryMeasure.objects.filter(name=QUALITY).values_list("values", flat=True).first() or {}
    buckets = tuple(measure.get("buckets", ())) or (0,) * BUCKETS
    scored, judged, suspects = sum(buckets), measure.get("judged", 0), measure.get("suspects", 0)
    tracks = library_tracks()
    ended = _fixes()
    done = [seconds for state, seconds in ended if state == RemedyState.DONE]
    picks = _picks()
    return SuccessMetrics(
        tracks=tracks,
        issues_per_1000=per_thousand(sum(one.open for one in issue_counts()), tracks),
        suspects=suspects,
        suspects_per_1000=per_thousand(suspects, judged),
        quality_buckets=buckets,
        quality_sum=float(measure.get("sum", 0.0)),
        quality_mean=round(measure.get("sum", 0.0) / scored, 3) if scored else None,
        fixes_done=len(done),
        fixes_failed=len(ended) - len(done),
        fix_success=round(len(done) / len(ended), 4) if ended else None,
        fix_median_s=round(median(done), 1) if done else None,
        picks=len(picks),
        canonical_picks=round(sum(picks) / len(picks), 4) if picks else None,
    )


def _fixes() -> Sequence[tuple[str, float]]:
    """State and seconds of the newest fixes that ended within WINDOW."""
    rows = Remediation.objects.filter(
        state__in=[RemedyState.DONE, RemedyState.FAILED],
        created_at__gte=timezone.now() - WINDOW,
        ended_at__isnull=False,
    ).order_by("-id")
    found = rows.values_list("state", "created_at", "ended_at")[:SAMPLE]
    return [(state, (ended - began).total_seconds()) for state, began, ended in found if ended is not None]


def _picks() -> Sequence[bool]:
    """Of the newest fetched tracks: whether what was fetched is (still) the canonical one."""
    rows = JobTrack.objects.filter(state="completed", payload_root__isnull=False).order_by("-id")
    fetched = [
        (recording, bytes(root))
        for recording, root in rows.values_list("recording_mbid", "payload_root")[:SAMPLE]
        if root is not None
    ]
    best = canonical_of({recording for recording, _ in fetched}) if fetched else {}
    return [
        candidates[0].payload_root == root for recording, root in fetched if (candidates := best.get(recording, ()))
    ]
