"""Answering a find for a page at Discogs: by what MusicBrainz links with it, else by what Discogs itself says.

MusicBrainz is asked first, since only its ids lead to sources: by the relations that are kept, then by the address. Where it has no link, a release is a
candidate by itself, beside what MusicBrainz has with its barcode; artists and labels are searched for by their names.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from typing import Protocol

from apps.catalog.selectors_discogs import mbids_of_page
from apps.catalog.services_discogs import link_learned
from apps.catalog.services_graph import briefs_store
from apps.domain.catalog.candidates import (
    Candidate,
    candidate_of_artist,
    candidate_of_brief,
    candidate_of_label,
)
from apps.domain.catalog.discogs import DiscogsArtist, DiscogsFacts, DiscogsLabel, DiscogsMaster, DiscogsRelease
from apps.domain.catalog.discogs_links import candidate_of_discogs, page_addresses
from apps.domain.catalog.links import DiscogsAsked, DiscogsKind, EntityKind, barcode_forms
from apps.domain.errors import Param
from workers.discogs_kept import KeptDiscogs
from workers.gateways.errors import Permanent
from workers.gateways.musicbrainz import MusicbrainzPort
from workers.gateways.musicbrainz_search import words_query

log = logging.getLogger(__name__)


class Answering(Protocol):
    """What is found grows here (workers.finding.Answer)."""

    candidates: list[Candidate]
    code: str
    params: dict[str, Param]


def discogs_steps(
    asked: DiscogsAsked,
    answer: Answering,
    *,
    musicbrainz: MusicbrainzPort,
    discogs: KeptDiscogs,
    of_kind: Callable[[EntityKind, uuid.UUID], None],
) -> Iterator[str]:
    """Ask; after each yield the answer holds more. `of_kind` asks MusicBrainz for one thing. Raises Transient, Permanent."""
    yield from _linked(asked.kind, asked.id, musicbrainz, of_kind)
    if answer.candidates:
        return
    try:
        facts = discogs.facts(asked.kind, asked.id)
    except Permanent as error:
        answer.code, answer.params = error.code, dict(error.params)
        yield "discogs"
        return
    if isinstance(facts, DiscogsMaster) and facts.main_release:
        yield from _linked(DiscogsKind.RELEASE, facts.main_release, musicbrainz, of_kind)
        if answer.candidates:
            return
        facts = discogs.facts(DiscogsKind.RELEASE, facts.main_release)
    yield from _by_itself(facts, answer, musicbrainz)


def _linked(
    kind: DiscogsKind, number: int, musicbrainz: MusicbrainzPort, of_kind: Callable[[EntityKind, uuid.UUID], None]
) -> Iterator[str]:
    """Ask for what is linked. What MusicBrainz no longer has is passed over."""
    for entity, mbid in linked_with(kind, number, musicbrainz):
        try:
            of_kind(entity, mbid)
        except Permanent as error:
            if not error.code.endswith("_not_found"):
                raise
            log.info("discogs: what is linked is gone: %s %s", entity.value, mbid)
        yield entity.value


def linked_with(
    kind: DiscogsKind, number: int, musicbrainz: MusicbrainzPort
) -> tuple[tuple[EntityKind, uuid.UUID], ...]:
    """What MusicBrainz links with a page: as kept, else as it says now (which is kept then)."""
    if kept := mbids_of_page(kind, number):
        return kept
    for address in page_addresses(kind, number):
        if found := musicbrainz.by_address(address):
            for entity, mbid in found:
                link_learned(entity, mbid, address)
            return found
    return ()


def _by_itself(facts: DiscogsFacts, answer: Answering, musicbrainz: MusicbrainzPort) -> Iterator[str]:
    match facts:
        case DiscogsRelease():
            answer.candidates.append(candidate_of_discogs(facts))
            answer.code = "discogs_only"
            yield "discogs"
            for barcode in facts.barcodes[:1]:
                for form in barcode_forms(barcode):
                    briefs = musicbrainz.by_barcode(form)
                    briefs_store(briefs)
                    answer.candidates += [candidate_of_brief(one) for one in briefs]
                    if briefs:
                        answer.code = "discogs_same_barcode"
                yield "barcode"
        case DiscogsArtist():
            artists = musicbrainz.search_artists(words_query(facts.shown))
            answer.candidates += [candidate_of_artist(one.value, score=one.score) for one in artists]
            answer.code, answer.params = "discogs_not_linked", {"name": facts.shown[:200]}
            yield "artists"
        case DiscogsLabel():
            labels = musicbrainz.search_labels(words_query(facts.shown))
            answer.candidates += [candidate_of_label(one.value, score=one.score) for one in labels]
            answer.code, answer.params = "discogs_not_linked", {"name": facts.shown[:200]}
            yield "labels"
        case DiscogsMaster():
            answer.code, answer.params = "discogs_not_found", {"kind": "release", "id": 0}
            yield "discogs"
