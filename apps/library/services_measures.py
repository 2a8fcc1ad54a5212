"""Figures and keys over the whole library, counted in the background and kept as rows: /metrics and pages never count a million variants."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Count, Exists, F, IntegerField, OuterRef, Sum
from django.db.models.functions import Cast, Floor

from apps.domain.library.duplicates import DuplicateKind
from apps.library.models import AudioFile, AudioVariant, DuplicateKey, LibraryMeasure, LibraryRoot
from apps.library.selectors import COUNTED_AT_ONCE, ROOTS, roots_count
from apps.library.selectors_doctor_due import newest_change
from apps.library.selectors_duplicates import MEASURE as DUPLICATES
from apps.library.selectors_duplicates import stored_keys

QUALITY: Final = "quality"
VERSION: Final = 1
BUCKETS: Final = 10
"""Of the quality score: 0–0.1, …, 0.9–1."""
EVERY: Final = timedelta(minutes=10)
CHUNK: Final = 400
"""Rows in one statement."""


def quality_measure_due(*, now: datetime) -> bool:
    """Something changed since the figures were counted, and that is a while ago."""
    at = LibraryMeasure.objects.filter(name=QUALITY).values_list("measured_at", flat=True).first()
    newest = newest_change()
    return newest is not None and (at is None or (at < newest and now - at >= EVERY))


def quality_measure(*, now: datetime) -> None:
    """Count variants that are here by quality, and suspects; with them what the roots hold, and duplicates. Some passes over the variants: seconds
    for a million."""
    roots_measure(now=now)
    duplicates_measure(now=now)
    present = AudioVariant.objects.filter(Exists(AudioFile.objects.filter(variant=OuterRef("pk"), missing_since=None)))
    scored = present.filter(quality_score__isnull=False)
    by_tenth = (
        scored.annotate(tenth=Cast(Floor(F("quality_score") * BUCKETS), IntegerField()))
        .order_by()
        .values("tenth")
        .annotate(count=Count("id"), total=Sum("quality_score"))
    )
    buckets, total = [0] * BUCKETS, 0.0
    for row in by_tenth:
        buckets[max(0, min(BUCKETS - 1, row["tenth"]))] += row["count"]
        total += row["total"]
    by_suspicion = present.order_by().values("transcode_suspect").annotate(count=Count("id"))
    suspects = {row["transcode_suspect"]: row["count"] for row in by_suspicion}
    LibraryMeasure.objects.update_or_create(
        name=QUALITY,
        defaults={
            "measured_at": now,
            "values": {
                "version": VERSION,
                "files": AudioFile.objects.count(),
                "buckets": buckets,
                "sum": round(total, 3),
                "variants": sum(suspects.values()),
                "suspects": suspects.get(True, 0),
                "judged": suspects.get(True, 0) + suspects.get(False, 0),
            },
        },
    )


def roots_measure(*, now: datetime) -> None:
    """Count what each root holds. One pass over the files."""
    held = roots_count(list(LibraryRoot.objects.values_list("id", flat=True)))
    told = {str(key): [one.files, one.missing, one.size_bytes] for key, one in held.items()}
    LibraryMeasure.objects.update_or_create(
        name=ROOTS, defaults={"measured_at": now, "values": {"version": VERSION, "roots": told}}
    )


def duplicates_measure(*, now: datetime) -> None:
    """Keep the keys of duplicates of a large library; of a small one they are counted when they are asked for. One pass over an index for each kind."""
    files = AudioFile.objects.count()
    for kind in DuplicateKind:
        fresh = set(stored_keys(kind)) if files > COUNTED_AT_ONCE else set()
        rows = DuplicateKey.objects.filter(kind=kind.value)
        known = set(rows.values_list("key", flat=True))
        gone, added = sorted(known - fresh), sorted(fresh - known)
        with transaction.atomic():
            for start in range(0, len(gone), CHUNK):
                rows.filter(key__in=gone[start : start + CHUNK]).delete()
            for start in range(0, len(added), CHUNK):
                some = [DuplicateKey(kind=kind.value, key=key) for key in added[start : start + CHUNK]]
                DuplicateKey.objects.bulk_create(some, ignore_conflicts=True)
    LibraryMeasure.objects.update_or_create(
        name=DUPLICATES, defaults={"measured_at": now, "values": {"version": VERSION, "files": files}}
    )


def files_counted() -> int:
    """Files known, as last counted; counted now only where nobody has yet (a library that was just begun)."""
    values = LibraryMeasure.objects.filter(name=QUALITY).values_list("values", flat=True).first() or {}
    counted = values.get("files")
    return AudioFile.objects.count() if counted is None else int(counted)
