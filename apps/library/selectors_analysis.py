"""Reads of the background analysis: whose turn it is, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q
from django.db.models.functions import Now

from apps.domain.audio.analysis import ANALYSER_VERSION
from apps.library.models import AudioFile, AudioVariant


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisProgress:
    """Variants by what was done with them."""

    analysed: int
    refused: int
    """Could not be analysed; their `analysis_code` says why."""
    due: int


def analyses_due(*, limit: int, version: int = ANALYSER_VERSION) -> tuple[int, ...]:
    """Ids of variants with an older analysis or none, a file that is there, and in nobody's hands; never analysed ones first.

    In the order of the index `variant_analysis`, so that nothing is read when nothing is due.
    """
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=Now())
    here = AudioFile.objects.filter(variant_id=OuterRef("pk"), missing_since=None, read_state="read")
    rows = AudioVariant.objects.filter(free, Exists(here), analyser_version__lt=version)
    return tuple(rows.order_by("analyser_version", "id").values_list("id", flat=True)[:limit])


def variant_loudness(variant_id: int) -> tuple[float | None, float | None]:
    """(integrated loudness in LUFS, true peak in dBTP) as measured; None: not measured, silent or too short."""
    levels = AudioVariant.objects.filter(id=variant_id).values_list("loudness_lufs", "true_peak_dbtp").first()
    return levels or (None, None)


def variant_print(variant_id: int) -> tuple[str, int]:
    """(Chromaprint's compressed text, "" if there is none; length in ms)."""
    row = AudioVariant.objects.filter(id=variant_id).values_list("fingerprint", "duration_ms").first()
    return (bytes(row[0]).decode("ascii", "replace"), row[1]) if row is not None else ("", 0)


def analysis_progress(*, version: int = ANALYSER_VERSION) -> AnalysisProgress:
    """Three counts in one query that reads the whole table: for a command, not for a page that many look at."""
    done = Q(analyser_version__gte=version)
    counted = AudioVariant.objects.aggregate(
        analysed=Count("id", filter=done & Q(analysis_code="")),
        refused=Count("id", filter=done & ~Q(analysis_code="")),
        due=Count("id", filter=~done),
    )
    return AnalysisProgress(analysed=counted["analysed"], refused=counted["refused"], due=counted["due"])
