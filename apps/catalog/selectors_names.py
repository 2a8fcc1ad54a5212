"""Names of releases for lists."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping

from apps.catalog.models import Release
from apps.common.names import ReleaseName


def release_names(mbids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, ReleaseName]:
    """Names of those releases that were fetched once, of any age; one query."""
    rows = Release.objects.filter(mbid__in=list(mbids)).values_list("mbid", "title", "artist_credit", "date")
    return {mbid: ReleaseName(title=title, artist=artist, year=date[:4]) for mbid, title, artist, date in rows}
