"""Writes what Discogs told: one row for each thing, replaced whole."""

from __future__ import annotations

import uuid

from django.utils import timezone

from apps.catalog.models import DiscogsEntity, Relation
from apps.common.dispatch import TaskName, enqueue
from apps.domain.catalog.discogs import DiscogsFacts
from apps.domain.catalog.identity import discogs_id
from apps.domain.catalog.links import DiscogsKind, EntityKind


def discogs_store(kind: DiscogsKind, facts: DiscogsFacts, *, etag: str = "") -> None:
    """Keep an answer, with what it is known again by."""
    told = {
        "facts": facts.to_json(),
        "etag": etag,
        "derived_id": discogs_id(kind.value, facts.id),
        "fetched_at": timezone.now(),
    }
    DiscogsEntity.objects.update_or_create(kind=kind.value, discogs_id=facts.id, defaults=told)


def discogs_still(kind: DiscogsKind, number: int) -> None:
    """It was asked for again, and is as it was."""
    DiscogsEntity.objects.filter(kind=kind.value, discogs_id=number).update(fetched_at=timezone.now())


def link_learned(kind: EntityKind, mbid: uuid.UUID, address: str) -> None:
    """Keep that MusicBrainz links one of its things with a page at Discogs. When that thing is fetched itself, its relations replace this."""
    source = "release_group" if kind is EntityKind.RELEASE_GROUP else kind.value
    Relation.objects.get_or_create(
        source_kind=source,
        source_mbid=mbid,
        target_kind="url",
        address=address[:1000],
        defaults={"kind": "discogs"},
    )


def discogs_ask(kind: DiscogsKind, number: int) -> None:
    """Have a worker ask for it, however fresh what is kept is. A hint: what Discogs refuses is in the worker's log."""
    enqueue(TaskName.DISCOGS_FETCH, kind.value, number)
