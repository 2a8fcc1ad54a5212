"""Rows of the catalog's pages and API: lists by keyset, and what one page of them needs besides."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from typing import Final

from django.db.models import Count, QuerySet

from apps.catalog.models import Release, ReleaseGroup, ReleaseLabel
from apps.catalog.selectors_graph import merged_into

GROUP_ORDER: Final = ("-first_release_date", "-mbid")
RELEASE_ORDER: Final = ("-date", "-mbid")


def groups_query(artist_mbid: uuid.UUID, *, primary_type: str = "") -> QuerySet[ReleaseGroup]:
    """An artist's release groups; `primary_type` "": of any."""
    rows = ReleaseGroup.objects.filter(credits__artist_id=merged_into("artist", artist_mbid) or artist_mbid)
    return rows.filter(primary_type=primary_type) if primary_type else rows


def label_releases_query(label_mbid: uuid.UUID) -> QuerySet[Release]:
    """A label's releases."""
    label = merged_into("label", label_mbid) or label_mbid
    return Release.objects.filter(mbid__in=ReleaseLabel.objects.filter(label_id=label).values("release_id"))


def group_releases_query(group_mbid: uuid.UUID) -> QuerySet[Release]:
    """A release group's releases."""
    return Release.objects.filter(release_group_id=merged_into("group", group_mbid) or group_mbid)


def release_counts(groups: Collection[uuid.UUID]) -> Mapping[uuid.UUID, int]:
    """group → how many of its releases are known; one query."""
    rows = Release.objects.filter(release_group_id__in=list(groups)).values_list("release_group_id").order_by()
    return dict(rows.annotate(n=Count("mbid")))
