"""Groups of an artist and editions of some groups, with no more than it takes to choose among them: quick however long the lists are. Reads only."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping

from django.db.models import Count

from apps.catalog.models import MergedMbid, Release, ReleaseGroup
from apps.domain.catalog.graph import GroupDetail, ReleaseBrief
from apps.domain.catalog.release import GroupFacts

CHUNK = 500
"""Ids of one query: below what the oldest SQLite takes."""


def groups_slim(artist_mbid: uuid.UUID) -> tuple[GroupDetail, ...]:
    """Every release group that credits an artist (under the MBID it has now), by first release date (unknown last), title and MBID; without credits, tags
    and relations. One query."""
    rows = ReleaseGroup.objects.filter(credits__artist_id=artist_mbid).values_list(
        "mbid", "title", "primary_type", "secondary_types", "first_release_date", "artist_credit"
    )
    found = [
        GroupDetail(
            facts=GroupFacts(
                mbid=group,
                title=title,
                primary_type=primary,
                secondary_types=tuple(secondary),
                first_release_date=date,
            ),
            artist_credit=credit,
        )
        for group, title, primary, secondary, date, credit in rows
    ]
    found.sort(key=lambda one: (one.facts.first_release_date or "9999", one.facts.title, str(one.facts.mbid)))
    return tuple(found)


def official_editions(artist_mbid: uuid.UUID) -> Mapping[uuid.UUID, int]:
    """group → how many official editions of it are known, of an artist's (under the MBID it has now). One query."""
    rows = Release.objects.filter(release_group__credits__artist_id=artist_mbid, status__iexact="official").order_by()
    return {group: count for group, count in rows.values_list("release_group_id").annotate(n=Count("mbid")) if group}


def editions_slim(groups: Collection[GroupDetail]) -> Mapping[uuid.UUID, tuple[ReleaseBrief, ...]]:
    """group → its known editions, without labels and artists. One query for 500 groups."""
    facts = {one.facts.mbid: one.facts for one in groups}
    merged = MergedMbid.objects.filter(kind="release").values("old")
    found: dict[uuid.UUID, list[ReleaseBrief]] = {}
    ids = sorted(facts)
    for at in range(0, len(ids), CHUNK):
        rows = Release.objects.filter(release_group_id__in=ids[at : at + CHUNK]).exclude(mbid__in=merged)
        for mbid, group, title, credit, date, country, status, formats, tracks in rows.values_list(
            "mbid", "release_group_id", "title", "artist_credit", "date", "country", "status", "formats", "track_count"
        ):
            if group is not None:
                brief = ReleaseBrief(
                    mbid=mbid,
                    title=title,
                    artist_credit=credit,
                    group=facts[group],
                    date=date,
                    country=country,
                    status=status,
                    formats=tuple(formats),
                    track_count=tracks,
                )
                found.setdefault(group, []).append(brief)
    return {group: tuple(editions) for group, editions in found.items()}


def groups_of_releases(release_mbids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, tuple[uuid.UUID, int]]:
    """release → its group and its number of tracks (0: not told), for those that are known. One query for 500."""
    ids = sorted(set(release_mbids))
    found: dict[uuid.UUID, tuple[uuid.UUID, int]] = {}
    for at in range(0, len(ids), CHUNK):
        rows = Release.objects.filter(mbid__in=ids[at : at + CHUNK], release_group__isnull=False)
        for mbid, group, tracks in rows.values_list("mbid", "release_group_id", "track_count"):
            if group is not None:
                found[mbid] = (group, tracks)
    return found
