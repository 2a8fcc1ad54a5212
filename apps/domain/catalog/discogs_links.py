"""What MusicBrainz links with an address outside (WS/2 `url?resource=`), and a Discogs release among the candidates of a find. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final

from apps.domain.catalog.candidates import MAX_MEDIA, MAX_NAMES, MAX_TEXT, Candidate, CandidateKind, MediumBrief
from apps.domain.catalog.discogs import DiscogsRelease
from apps.domain.catalog.discogs_tracks import tracklist
from apps.domain.catalog.fields import list_of, object_of
from apps.domain.catalog.identity import discogs_id
from apps.domain.catalog.links import DiscogsKind, EntityKind
from apps.domain.catalog.relations import read_relations

MAX_LINKED: Final = 50
ONLY_DISCOGS: Final = "Discogs"
"""`status` of a candidate that MusicBrainz does not have."""
_KINDS: Final = {one.value: one for one in EntityKind} | {"release_group": EntityKind.RELEASE_GROUP}


def read_linked(value: object) -> tuple[tuple[EntityKind, uuid.UUID], ...]:
    """Things at MusicBrainz that an address is linked with, of one answer with the address itself or a list of them. Raises MetadataGarbled."""
    answer = object_of(value, "url")
    entities = list_of(answer, "urls") if "urls" in answer else [answer]
    found: dict[tuple[EntityKind, uuid.UUID], None] = {}
    for entity in entities[:MAX_LINKED]:
        if not isinstance(entity, Mapping):
            continue
        for one in read_relations(entity):
            kind = _KINDS.get(one.target_kind)
            if kind is not None and one.mbid is not None:
                found[kind, one.mbid] = None
    return tuple(found)[:MAX_LINKED]


def page_addresses(kind: DiscogsKind, number: int) -> tuple[str, ...]:
    """How MusicBrainz writes a page's address."""
    return (f"https://www.discogs.com/{kind.value}/{number}",)


def candidate_of_discogs(release: DiscogsRelease) -> Candidate:
    """An edition that MusicBrainz does not have. Its id is derived (apps.domain.catalog.identity)."""
    media = tracklist(release)
    briefs = tuple(
        MediumBrief(
            format=one.format,
            tracks=len(one.tracks),
            length_ms=sum(track.length_ms or 0 for track in one.tracks)
            if all(track.length_ms for track in one.tracks)
            else 0,
        )
        for one in media[:MAX_MEDIA]
    )
    return Candidate(
        kind=CandidateKind.RELEASE,
        mbid=discogs_id(DiscogsKind.RELEASE.value, release.id),
        title=release.title[:MAX_TEXT],
        artist=release.credit[:MAX_TEXT],
        date=release.date,
        country=release.country[:80],
        labels=tuple(dict.fromkeys(one.shown for one in release.labels))[:MAX_NAMES],
        catalog_numbers=tuple(dict.fromkeys(one.catno for one in release.labels if one.catno))[:MAX_NAMES],
        barcode=release.barcodes[0] if release.barcodes else "",
        media=briefs,
        track_count=sum(len(one.tracks) for one in media),
        length_ms=sum(one.length_ms for one in briefs) if briefs and all(one.length_ms for one in briefs) else 0,
        status=ONLY_DISCOGS,
    )
