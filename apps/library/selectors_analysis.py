"""Reads of the background analysis: whose turn it is, and how far it has come."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q
from django.db.models.functions import Now

from apps.domain.audio.album_gain import AlbumLevels, TrackLevels, album_levels, histogram_from
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


def album_measured(
    release_mbid: uuid.UUID, *, root_id: int, folder: bytes, places: Collection[tuple[int, int]]
) -> AlbumLevels | None:
    """A release as one programme, if every one of its `places` (medium, track) is here and was measured: in the folder, else below its root (discs in
    folders of their own). None otherwise, also where two different sounds stand for one place. One query."""
    rows = AudioFile.objects.filter(
        root_id=root_id, release_mbid=release_mbid, missing_since=None, variant__isnull=False
    )
    fields = (
        "folder_hash",
        "medium_position",
        "track_position",
        "variant_id",
        "variant__true_peak_dbtp",
        "variant__evidence__curves__loudness",
    )
    found = [(bytes(row[0]), (row[1] or 1, row[2] or 0), row[3], row[4], row[5]) for row in rows.values_list(*fields)]
    here = hashlib.sha256(folder).digest()
    for within in ([one for one in found if one[0] == here], found):
        sounds: dict[tuple[int, int], dict[int, TrackLevels]] = {}
        for _, place, variant, peak, levels in within:
            sounds.setdefault(place, {})[variant] = TrackLevels(levels=histogram_from(levels), true_peak_dbtp=peak)
        if places and set(places) <= set(sounds):
            if any(len(sounds[place]) > 1 for place in places):
                return None
            return album_levels([next(iter(sounds[place].values())) for place in sorted(places)])
    return None
