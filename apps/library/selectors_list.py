"""The list of files for API and pages."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from apps.library.models import AudioFile

FILE_ORDER = ("-id",)
"""Newest first, stable."""


def file_query(*, text: str = "", unverified: bool = False) -> QuerySet[AudioFile]:
    """Files with their variants; `text` is part of title, artist, album or path."""
    rows = AudioFile.objects.select_related("variant", "root").defer(
        "variant__leaf_hashes", "variant__fingerprint", "variant__preamble", "rel_path"
    )
    if text:
        rows = rows.filter(
            Q(title__icontains=text) | Q(artist__icontains=text) | Q(album__icontains=text) | Q(display__icontains=text)
        )
    if unverified:
        rows = rows.filter(variant__verified=False)
    return rows
