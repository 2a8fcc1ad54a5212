"""An artist's discography as it is known now: picks with their reasons, before any job is made. Reads only."""

from __future__ import annotations

import uuid

from django.conf import settings

from apps.catalog.selectors_graph import artist_groups, artist_releases
from apps.domain.catalog.discography import Discography, Filters, discography, profile_of
from apps.domain.jobs.selection import Selection
from apps.library.selectors_held import releases_touched


def discography_known(artist_mbid: uuid.UUID, selection: Selection) -> Discography:
    """The discography by what is known of the artist's graph; of a group of which the library has a part, that edition. About ten queries, and one
    more for 500 releases."""
    releases = artist_releases(artist_mbid)
    return discography(
        artist_groups(artist_mbid),
        releases,
        profile=profile_of(selection.profile),
        filters=filters_of(selection),
        held=releases_touched([one.mbid for one in releases]),
    )


def filters_of(selection: Selection) -> Filters:
    """The selection's filters, with what is configured (`discography.core`) where it leaves them open."""
    core = settings.CONFIG.discography.core
    return selection.filters(
        exclude_compilations=core.exclude_compilations,
        exclude_live=core.exclude_live,
        secondary_types=frozenset(one.lower() for one in core.secondary_types),
    )
