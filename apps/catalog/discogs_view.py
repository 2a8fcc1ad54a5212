"""One thing of Discogs as API and CLI show it: what is kept, its tracks, and what MusicBrainz links with it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from apps.catalog.selectors_discogs import discogs_kept, mbids_of_page
from apps.domain.catalog.discogs import DiscogsArtist, DiscogsFacts, DiscogsLabel, DiscogsRelease
from apps.domain.catalog.discogs_tracks import DiscogsMedium, tracklist
from apps.domain.catalog.identity import discogs_id
from apps.domain.catalog.links import DiscogsKind


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedView:
    """Something at MusicBrainz that links to it."""

    kind: str
    mbid: uuid.UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscogsView:
    """See the module. `name`: title or name; `derived_id`: what a job or target of it goes by."""

    kind: DiscogsKind
    id: int
    name: str
    artist: str
    derived_id: uuid.UUID
    address: str
    facts: DiscogsFacts
    media: tuple[DiscogsMedium, ...]
    linked: tuple[LinkedView, ...]
    fetched_at: datetime
    fresh: bool


def discogs_view(kind: DiscogsKind, number: int) -> DiscogsView | None:
    """What is kept of it; two queries. None: nobody asked for it."""
    kept = discogs_kept(kind, number)
    if kept is None:
        return None
    facts = kept.facts
    return DiscogsView(
        kind=kind,
        id=number,
        name=facts.shown if isinstance(facts, DiscogsLabel | DiscogsArtist) else facts.title,
        artist="" if isinstance(facts, DiscogsLabel | DiscogsArtist) else facts.credit,
        derived_id=discogs_id(kind.value, number),
        address=kept.address,
        facts=facts,
        media=tracklist(facts) if isinstance(facts, DiscogsRelease) else (),
        linked=tuple(LinkedView(kind=entity.value, mbid=mbid) for entity, mbid in mbids_of_page(kind, number)),
        fetched_at=kept.fetched_at,
        fresh=kept.fresh,
    )
