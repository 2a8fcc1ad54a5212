"""Reads what Discogs told, and what MusicBrainz' relations say of its pages, both ways."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q
from django.utils import timezone

from apps.catalog.models import DiscogsEntity, Relation
from apps.domain.catalog.discogs import DiscogsFacts, DiscogsGarbled, DiscogsRelease, read_discogs
from apps.domain.catalog.identity import is_derived
from apps.domain.catalog.links import DiscogsKind, EntityKind

DISCOGS_FRESH: Final = timedelta(days=30)
CHUNK: Final = 500
_PAGE: Final = re.compile(r"https?://(?:[a-z]{2,3}\.)?(?:www\.)?discogs\.com/(?:[a-z]{2}/)?(release|master|label|artist)/(\d{1,10})(?:[-/?#].*)?\Z")  # fmt: skip
_KINDS: Final = {
    **{one.value: one for one in EntityKind},
    "group": EntityKind.RELEASE_GROUP,
    "release_group": EntityKind.RELEASE_GROUP,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscogsKept:
    """A row of Discogs' as values."""

    kind: DiscogsKind
    facts: DiscogsFacts
    etag: str
    fetched_at: datetime

    @property
    def fresh(self) -> bool:
        """Asked for within DISCOGS_FRESH."""
        return self.fetched_at >= timezone.now() - DISCOGS_FRESH

    @property
    def address(self) -> str:
        """Its page for people."""
        return f"https://www.discogs.com/{self.kind.value}/{self.facts.id}"


def discogs_kept(kind: DiscogsKind, number: int) -> DiscogsKept | None:
    """What is kept of it, however old; None: nothing, or a row of another shape."""
    return _kept(DiscogsEntity.objects.filter(kind=kind.value, discogs_id=number).first())


def discogs_release_of(derived: uuid.UUID) -> DiscogsRelease | None:
    """The Discogs release that an id was derived from; None where it is an MBID, or unknown."""
    return discogs_releases_of([derived]).get(derived)


def discogs_releases_of(derived: Collection[uuid.UUID]) -> dict[uuid.UUID, DiscogsRelease]:
    """Derived id → release, of those that are known; no query where none can be derived."""
    wanted = sorted({one for one in derived if is_derived(one)})
    found: dict[uuid.UUID, DiscogsRelease] = {}
    for start in range(0, len(wanted), CHUNK):
        rows = DiscogsEntity.objects.filter(derived_id__in=wanted[start : start + CHUNK], kind=DiscogsKind.RELEASE)
        for row in rows:
            kept = _kept(row)
            if kept is not None and isinstance(kept.facts, DiscogsRelease) and row.derived_id is not None:
                found[row.derived_id] = kept.facts
    return found


def discogs_pages_of(*things: tuple[EntityKind, uuid.UUID]) -> tuple[tuple[DiscogsKind, int], ...]:
    """Pages at Discogs that MusicBrainz links from these of its things, in their order, as far as its relations are kept. One query."""
    found: list[tuple[DiscogsKind, int]] = []
    rows = Relation.objects.filter(
        source_mbid__in=[mbid for _, mbid in things], target_kind="url", address__contains="discogs.com/"
    )
    kept = list(rows.order_by("id").values_list("source_kind", "source_mbid", "address")[:100])
    for thing in things:
        pages = (page_of(address) for name, mbid, address in kept if (_KINDS.get(name), mbid) == thing)
        found += [one for one in pages if one is not None]
    return tuple(dict.fromkeys(found))


def mbids_of_page(kind: DiscogsKind, number: int) -> tuple[tuple[EntityKind, uuid.UUID], ...]:
    """What at MusicBrainz links to a page at Discogs, as far as its relations are kept; at most 50."""
    page = f"discogs.com/{kind.value}/{number}"
    same = Q(address__in=[f"{scheme}{host}{page}" for scheme in ("https://", "http://") for host in ("www.", "")])
    rows = Relation.objects.filter(same | Q(address__startswith=f"https://www.{page}-"), target_kind="url")
    pairs = rows.values_list("source_kind", "source_mbid")[:50]
    return tuple(dict.fromkeys((_KINDS[name], mbid) for name, mbid in pairs if name in _KINDS))


def page_of(address: str) -> tuple[DiscogsKind, int] | None:
    """Read an address at Discogs; None for every other one."""
    match = _PAGE.match(address)
    return (DiscogsKind(match[1]), int(match[2])) if match else None


def _kept(row: DiscogsEntity | None) -> DiscogsKept | None:
    if row is None:
        return None
    try:
        kind = DiscogsKind(row.kind)
        facts = read_discogs(kind, row.facts)
    except (ValueError, DiscogsGarbled):
        return None
    return DiscogsKept(kind=kind, facts=facts, etag=row.etag, fetched_at=row.fetched_at)
