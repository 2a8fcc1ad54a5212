"""Writes an artist's or label's graph: who they are, their groups, and releases in brief. Whole pages at once; repeating anything changes nothing.

A brief never touches what a release's own answer said (media, tracks, `fetched_at`): of a release that was fetched it adds what only lists tell.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from django.db import transaction
from django.utils import timezone

from apps.catalog.models import (
    Artist,
    EntityTag,
    GroupArtist,
    Label,
    MergedMbid,
    Relation,
    Release,
    ReleaseGroup,
    ReleaseLabel,
    Validator,
)
from apps.domain.catalog.graph import ArtistDetail, GroupDetail, LabelDetail, ReleaseBrief, Tag
from apps.domain.catalog.relations import Relation as RelationFacts
from apps.domain.catalog.release import ArtistFacts, GroupFacts
from apps.domain.catalog.validators import HttpValidator

BATCH: Final = 100
"""Rows of one statement: a page of MusicBrainz. Keeps a statement's parameters below what the oldest SQLite takes."""

MERGED_KIND: Final = {"artist": "artist", "label": "label", "release_group": "group"}


def artist_store(
    detail: ArtistDetail, *, asked_for: uuid.UUID | None = None, validator: HttpValidator | None = None
) -> None:
    """Write an artist's own page, replacing their tags and relations. `asked_for`: the MBID of the request; one that differs was merged into this."""
    with transaction.atomic():
        Artist.objects.update_or_create(
            mbid=detail.mbid,
            defaults={
                "name": detail.name,
                "sort_name": detail.sort_name,
                "kind": detail.kind,
                "country": detail.country,
                "disambiguation": detail.disambiguation,
                "begin": detail.begin,
                "end": detail.end,
                "aliases": list(detail.aliases),
                "source": "musicbrainz",
                "fetched_at": timezone.now(),
            },
        )
        _tags("artist", {detail.mbid: detail.tags})
        relations_replace("artist", {detail.mbid: detail.relations})
        _asked("artist", asked_for, detail.mbid, validator)


def label_store(
    detail: LabelDetail, *, asked_for: uuid.UUID | None = None, validator: HttpValidator | None = None
) -> None:
    """Write a label's own page, as `artist_store` does."""
    with transaction.atomic():
        Label.objects.update_or_create(
            mbid=detail.mbid,
            defaults={
                "name": detail.name,
                "kind": detail.kind,
                "country": detail.country,
                "disambiguation": detail.disambiguation,
                "label_code": detail.label_code,
                "aliases": list(detail.aliases),
                "source": "musicbrainz",
                "fetched_at": timezone.now(),
            },
        )
        _tags("label", {detail.mbid: detail.tags})
        relations_replace("label", {detail.mbid: detail.relations})
        _asked("label", asked_for, detail.mbid, validator)


def group_store(
    detail: GroupDetail, *, asked_for: uuid.UUID | None = None, validator: HttpValidator | None = None
) -> None:
    """Write a release group's own page with its credit, tags and relations."""
    with transaction.atomic():
        groups_store([detail])
        _tags("release_group", {detail.facts.mbid: detail.tags})
        relations_replace("release_group", {detail.facts.mbid: detail.relations})
        _asked("release_group", asked_for, detail.facts.mbid, validator)


def groups_store(groups: Iterable[GroupDetail]) -> None:
    """Write groups of a page with their credits and tags. Relations stay: lists don't tell them."""
    unique = {one.facts.mbid: one for one in groups}
    now = timezone.now()
    with transaction.atomic():
        for some in _batches(sorted(unique)):
            found = [unique[mbid] for mbid in some]
            _artists(artist for one in found for artist in one.artists)
            ReleaseGroup.objects.bulk_create(
                [
                    ReleaseGroup(
                        **_group_fields(one.facts),
                        artist_credit=one.artist_credit,
                        disambiguation=one.disambiguation,
                        source="musicbrainz",
                        fetched_at=now,
                    )
                    for one in found
                ],
                update_conflicts=True,
                unique_fields=["mbid"],
                update_fields=[*_GROUP_FIELDS, "artist_credit", "disambiguation", "source", "fetched_at"],
            )
            _group_credits(found)
            # A page that was asked for without tags says nothing of them.
            _tags("release_group", {one.facts.mbid: one.tags for one in found if one.tags})


def briefs_store(briefs: Iterable[ReleaseBrief]) -> None:
    """Write releases of a page in brief, with their labels and what is said of their groups."""
    unique = {one.mbid: one for one in briefs}
    now = timezone.now()
    with transaction.atomic():
        for some in _batches(sorted(unique)):
            found = [unique[mbid] for mbid in some]
            _artists(artist for one in found for artist in one.artists)
            _named_groups({one.group.mbid: one.group for one in found if one.group}.values())
            _named_labels(found)
            fetched = set(
                Release.objects.filter(mbid__in=some, fetched_at__isnull=False).values_list("mbid", flat=True)
            )
            rows = {one.mbid: _release_row(one, now) for one in found}
            Release.objects.bulk_create(
                [row for mbid, row in rows.items() if mbid not in fetched],
                update_conflicts=True,
                unique_fields=["mbid"],
                update_fields=[*_BRIEF_FIELDS, *_LIST_FIELDS],
            )
            Release.objects.bulk_update([rows[mbid] for mbid in sorted(fetched)], _LIST_FIELDS)
            Release.objects.bulk_update(
                [row for mbid, row in rows.items() if mbid in fetched and row.release_group_id], ["release_group"]
            )
            _release_labels(found)


def unchanged(kind: str, mbid: uuid.UUID) -> None:
    """MusicBrainz said that an artist, label or release_group is as it was: it is fresh again. What was asked by its own name is merged into nothing."""
    rows = {"artist": Artist, "label": Label, "release_group": ReleaseGroup}[kind]
    rows.objects.filter(mbid=mbid).update(fetched_at=timezone.now())  # type: ignore[attr-defined]


def merged_note(kind: str, asked_for: uuid.UUID | None, mbid: uuid.UUID) -> None:
    """Remember that `asked_for` is `mbid` now; what was merged into the former is it, too. What answers by its own name is merged into nothing.

    `kind` as of MergedMbid: release, recording, artist, label, group.
    """
    if asked_for in (None, mbid):
        MergedMbid.objects.filter(kind=kind, old=mbid).delete()
        return
    MergedMbid.objects.filter(kind=kind, mbid=asked_for).exclude(old=mbid).update(mbid=mbid)
    MergedMbid.objects.filter(kind=kind, old=mbid).delete()
    MergedMbid.objects.update_or_create(kind=kind, old=asked_for, defaults={"mbid": mbid})


def _asked(kind: str, asked_for: uuid.UUID | None, mbid: uuid.UUID, validator: HttpValidator | None) -> None:
    merged_note(MERGED_KIND[kind], asked_for, mbid)
    Validator.objects.filter(kind=kind, mbid=mbid).delete()
    if validator is not None and validator and asked_for in (None, mbid):
        Validator.objects.create(
            kind=kind, mbid=mbid, etag=validator.etag[:200], last_modified=validator.last_modified[:60]
        )


_GROUP_FIELDS: Final = ("title", "primary_type", "secondary_types", "first_release_date")
_BRIEF_FIELDS: Final = (
    "title",
    "artist_credit",
    "artist_mbids",
    "artist",
    "release_group",
    "label",
    "catalog_number",
    "barcode",
    "date",
    "country",
    "status",
    "script",
    "labels",
    "catalog_numbers",
    "source",
)
_LIST_FIELDS: Final = ("packaging", "language", "disambiguation", "formats", "track_count", "listed_at")
"""What only lists tell."""


def _group_fields(facts: GroupFacts) -> dict[str, object]:
    return {
        "mbid": facts.mbid,
        "title": facts.title,
        "primary_type": facts.primary_type,
        "secondary_types": list(facts.secondary_types),
        "first_release_date": facts.first_release_date,
    }


def _release_row(brief: ReleaseBrief, now: datetime) -> Release:
    numbers = [one.catalog_number for one in brief.labels if one.catalog_number]
    labels = [one.label for one in brief.labels if one.label]
    return Release(
        mbid=brief.mbid,
        title=brief.title,
        artist_credit=brief.artist_credit,
        artist_mbids=[str(one.mbid) for one in brief.artists],
        artist_id=brief.artists[0].mbid if brief.artists else None,
        release_group_id=brief.group.mbid if brief.group else None,
        label_id=labels[0].mbid if labels else None,
        catalog_number=numbers[0] if numbers else "",
        barcode=brief.barcode,
        date=brief.date,
        country=brief.country,
        status=brief.status,
        script=brief.script[:4],
        labels=list(dict.fromkeys(one.name for one in labels if one.name)),
        catalog_numbers=list(dict.fromkeys(numbers)),
        packaging=brief.packaging[:40],
        language=brief.language[:8],
        disambiguation=brief.disambiguation,
        formats=list(brief.formats),
        track_count=brief.track_count,
        source="musicbrainz",
        listed_at=now,
    )


def _artists(artists: Iterable[ArtistFacts]) -> None:
    """As credited; the name of one that was asked for by itself stays. Sorted: two workers take their row locks in one order."""
    unique = {one.mbid: one for one in artists}
    if not unique:
        return
    told = set(Artist.objects.filter(mbid__in=unique, fetched_at__isnull=False).values_list("mbid", flat=True))
    Artist.objects.bulk_create(
        [
            Artist(mbid=mbid, name=unique[mbid].name, sort_name=unique[mbid].sort_name)
            for mbid in sorted(unique)
            if mbid not in told
        ],
        update_conflicts=True,
        unique_fields=["mbid"],
        update_fields=["name", "sort_name"],
        batch_size=BATCH,
    )


def _named_groups(groups: Collection[GroupFacts]) -> None:
    """What releases say of their groups; one that was told by itself stays as it is."""
    told = set(
        ReleaseGroup.objects.filter(mbid__in=[one.mbid for one in groups], fetched_at__isnull=False).values_list(
            "mbid", flat=True
        )
    )
    ReleaseGroup.objects.bulk_create(
        [
            ReleaseGroup(**_group_fields(one))
            for one in sorted(groups, key=lambda one: one.mbid)
            if one.mbid not in told
        ],
        update_conflicts=True,
        unique_fields=["mbid"],
        update_fields=_GROUP_FIELDS,
    )


def _named_labels(briefs: Sequence[ReleaseBrief]) -> None:
    labels = {one.label.mbid: one.label.name for brief in briefs for one in brief.labels if one.label}
    told = set(Label.objects.filter(mbid__in=labels, fetched_at__isnull=False).values_list("mbid", flat=True))
    Label.objects.bulk_create(
        [Label(mbid=mbid, name=labels[mbid]) for mbid in sorted(labels) if mbid not in told],
        update_conflicts=True,
        unique_fields=["mbid"],
        update_fields=["name"],
        batch_size=BATCH,
    )


def _group_credits(groups: Sequence[GroupDetail]) -> None:
    """Each artist once, at their first place; who is credited no longer goes."""
    wanted: dict[tuple[uuid.UUID, uuid.UUID], int] = {}
    for one in groups:
        for position, artist in enumerate(one.artists):
            wanted.setdefault((one.facts.mbid, artist.mbid), position)
    # A page without credits says nothing of them.
    credited = [one.facts.mbid for one in groups if one.artists]
    known = GroupArtist.objects.filter(group_id__in=credited).values_list("id", "group_id", "artist_id")
    gone = [pk for pk, group, artist in known if (group, artist) not in wanted]
    GroupArtist.objects.filter(id__in=gone).delete()
    GroupArtist.objects.bulk_create(
        [
            GroupArtist(group_id=group, artist_id=artist, position=position)
            for (group, artist), position in wanted.items()
        ],
        update_conflicts=True,
        unique_fields=["group", "artist"],
        update_fields=["position"],
        batch_size=BATCH,
    )


def _release_labels(briefs: Sequence[ReleaseBrief]) -> None:
    ReleaseLabel.objects.bulk_create(
        [
            ReleaseLabel(
                release_id=brief.mbid,
                label_id=one.label.mbid if one.label else None,
                catalog_number=one.catalog_number,
                position=position,
            )
            for brief in briefs
            for position, one in enumerate(brief.labels)
        ],
        update_conflicts=True,
        unique_fields=["release", "position"],
        update_fields=["label", "catalog_number"],
        batch_size=BATCH,
    )
    counts = {brief.mbid: len(brief.labels) for brief in briefs}
    known = ReleaseLabel.objects.filter(release_id__in=counts).values_list("id", "release_id", "position")
    gone = [pk for pk, release, position in known if position >= counts[release]]
    ReleaseLabel.objects.filter(id__in=gone).delete()


def _tags(kind: str, tags: Mapping[uuid.UUID, Sequence[Tag]]) -> None:
    EntityTag.objects.filter(entity_kind=kind, mbid__in=list(tags)).delete()
    EntityTag.objects.bulk_create(
        [
            EntityTag(entity_kind=kind, mbid=mbid, name=tag.name, count=tag.count)
            for mbid, some in tags.items()
            for tag in some
        ],
        ignore_conflicts=True,  # two workers with one entity: what either wrote is the same
        batch_size=BATCH,
    )


def relations_replace(kind: str, relations: Mapping[uuid.UUID, Sequence[RelationFacts]]) -> None:
    """What connects these entities is now this, and nothing else."""
    Relation.objects.filter(source_kind=kind, source_mbid__in=list(relations)).delete()
    Relation.objects.bulk_create(
        [
            Relation(
                source_kind=kind,
                source_mbid=mbid,
                kind=one.kind,
                forward=one.forward,
                target_kind=one.target_kind[:20],
                target_mbid=one.mbid,
                name=one.name,
                address=one.address[:1000],
                attributes=list(one.attributes),
                begin=one.begin,
                end=one.end,
            )
            for mbid, some in relations.items()
            for one in some
        ],
        batch_size=BATCH,
    )


def _batches(mbids: Sequence[uuid.UUID]) -> Iterable[list[uuid.UUID]]:
    rest = iter(mbids)
    while some := list(itertools.islice(rest, BATCH)):
        yield some
