"""Names of releases and recordings for lists."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping

from apps.catalog.models import Recording, Release, Track
from apps.common.names import RecordingName, ReleaseName


def release_names(mbids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, ReleaseName]:
    """Names of those releases that were fetched once, of any age; one query."""
    rows = Release.objects.filter(mbid__in=list(mbids)).values_list("mbid", "title", "artist_credit", "date")
    return {mbid: ReleaseName(title=title, artist=artist, year=date[:4]) for mbid, title, artist, date in rows}


def recording_names(mbids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, RecordingName]:
    """Names of those recordings that the catalogue has met, each with the first release it has them on; two queries."""
    rows = Recording.objects.filter(mbid__in=list(mbids)).values_list("mbid", "title", "artist_credit")
    on = Track.objects.filter(recording__in=list(mbids)).order_by("-mbid")
    releases = dict(on.values_list("recording_id", "medium__release__title"))  # the first row comes last, and stays
    return {
        mbid: RecordingName(title=title, artist=artist, release=releases.get(mbid, "")) for mbid, title, artist in rows
    }
