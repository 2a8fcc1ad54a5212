"""Answering one find: MusicBrainz is asked in a fixed order, what it says is kept in the catalog, and candidates are shown as they come.

Every step may be repeated; the row's lease and attempt decide who may write. At most seven requests for one find.
"""

from __future__ import annotations

import functools
import logging
import random
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, assert_never

from apps.catalog.selectors_editions import group_editions
from apps.catalog.services import editions_store, recording_store, release_store
from apps.catalog.services_graph import artist_store, briefs_store, group_store, label_store
from apps.domain.catalog.asked import KINDS_TRIED
from apps.domain.catalog.candidates import (
    Candidate,
    candidate_of_artist,
    candidate_of_brief,
    candidate_of_group,
    candidate_of_label,
    candidate_of_recording,
)
from apps.domain.catalog.links import (
    BarcodeAsked,
    DiscogsAsked,
    EntityKind,
    IsrcAsked,
    MbidAsked,
    WordsAsked,
    barcode_forms,
)
from apps.domain.catalog.release import RecordingFacts, ReleaseRef
from apps.domain.errors import Param
from apps.domain.jobs.backoff import retry_delay_s
from apps.jobs.selectors_find import edition_candidates, kind_known, known_answer, recording_on
from apps.jobs.services_find import (
    FindClaim,
    find_claim,
    find_done,
    find_failed,
    find_later,
    find_renew,
    find_so_far,
)
from workers.discogs_kept import KeptDiscogs
from workers.finding_discogs import discogs_steps
from workers.gateways.errors import Permanent, Transient
from workers.gateways.musicbrainz import MusicbrainzPort
from workers.gateways.musicbrainz_search import Found, words_query
from workers.lease import LEASE_S, LeaseKeeper, LeaseLost

log = logging.getLogger(__name__)

NOT_THERE: Final = frozenset(
    {
        "release_not_found",
        "recording_not_found",
        "release_group_not_found",
        "artist_not_found",
        "label_not_found",
        "isrc_not_found",
    }
)
"""MusicBrainz knows nothing of this kind by this id: an answer, not a failure."""


@dataclass(slots=True)
class Answer:
    """What was found so far. Mutable: it grows step by step."""

    candidates: list[Candidate] = field(default_factory=list)
    found: int = 0
    merged_from: uuid.UUID | None = None
    code: str = ""
    params: dict[str, Param] = field(default_factory=dict)


def find(
    find_id: uuid.UUID,
    *,
    musicbrainz: MusicbrainzPort,
    discogs: KeptDiscogs | None = None,
    checkpoint: Callable[[str], None] = lambda _: None,
) -> None:
    """Answer a find that is due; nothing happens if it is not, or somebody else has it. `checkpoint`: after each step, for tests."""
    claim = find_claim(find_id, lease_s=LEASE_S)
    if claim is None:
        return
    answer = Answer()
    with LeaseKeeper(lambda: find_renew(claim, lease_s=LEASE_S)) as lease:
        try:
            for step in _steps(claim, answer, musicbrainz, discogs or KeptDiscogs(None)):
                lease.check()
                if not find_so_far(claim, answer.candidates):
                    raise LeaseLost
                checkpoint(step)
            code = answer.code or ("" if answer.candidates else "find_none")
            find_done(
                claim,
                answer.candidates,
                found=answer.found,
                merged_from=answer.merged_from,
                code=code,
                params=answer.params,
            )
            log.info("find: id=%s code=%s candidates=%s", find_id, code, len(answer.candidates))
        except Transient as error:
            _again(claim, error)
        except Permanent as error:
            find_failed(claim, code=error.code, params=error.params)
        except LeaseLost:
            log.info("find taken over: id=%s", find_id)
        except Exception as error:
            log.exception("find failed unexpectedly: id=%s", find_id)
            find_failed(claim, code="unexpected", params={"error": type(error).__name__})


def _again(claim: FindClaim, error: Transient) -> None:
    tries = claim.tries + 1 if claim.code == error.code else 1
    jitter = random.random()  # noqa: S311  (spreads load, guards nothing)
    delay_s = retry_delay_s(error.code, tries=tries, jitter=jitter, retry_after_s=error.retry_after_s)
    if delay_s is None:
        find_failed(claim, code=error.code, params=error.params)
    else:
        find_later(claim, code=error.code, params=error.params, delay_s=delay_s)


def _steps(claim: FindClaim, answer: Answer, musicbrainz: MusicbrainzPort, discogs: KeptDiscogs) -> Iterator[str]:
    """Ask; after each yield the answer holds more. Raises Transient, Permanent."""
    match claim.asked:
        case MbidAsked(mbid=mbid, kind=kind):
            yield from _mbid(mbid, kind, answer, musicbrainz)
        case DiscogsAsked() as asked:
            of_kind = functools.partial(_of_kind, answer=answer, musicbrainz=musicbrainz)
            yield from discogs_steps(asked, answer, musicbrainz=musicbrainz, discogs=discogs, of_kind=of_kind)
        case BarcodeAsked(digits=digits):
            for form in barcode_forms(digits):
                briefs = musicbrainz.by_barcode(form)
                briefs_store(briefs)
                answer.candidates += [candidate_of_brief(one) for one in briefs]
                yield "barcode"
        case IsrcAsked(isrc=isrc):
            try:
                for facts, releases in musicbrainz.by_isrc(isrc):
                    recording_store(facts)
                    answer.candidates.append(candidate_of_recording(facts, releases, on=recording_on(facts.mbid)))
            except Permanent as error:
                if error.code not in NOT_THERE:
                    raise
                answer.code, answer.params = error.code, dict(error.params)
            yield "isrc"
        case WordsAsked() as words:
            yield from _words(words, answer, musicbrainz)


def _mbid(mbid: uuid.UUID, kind: EntityKind | None, answer: Answer, musicbrainz: MusicbrainzPort) -> Iterator[str]:
    """The kind that the text names, or that the catalog has met it as; then the others, until one has it."""
    first = kind or kind_known(mbid)
    for each in dict.fromkeys([*([first] if first else []), *KINDS_TRIED]):
        try:
            _of_kind(each, mbid, answer, musicbrainz)
        except Permanent as error:
            if error.code not in NOT_THERE:
                raise
            if kind is not None:
                answer.code, answer.params = error.code, dict(error.params)
        yield each.value
        if answer.candidates or kind is not None:
            break


def _of_kind(kind: EntityKind, mbid: uuid.UUID, answer: Answer, musicbrainz: MusicbrainzPort) -> None:
    """Ask for one thing by its id and keep what is told. Raises Transient, Permanent."""
    now = mbid
    match kind:
        case EntityKind.RELEASE:
            release = musicbrainz.release(mbid)
            release_store(release, asked_for=mbid)
            now, some = release.mbid, edition_candidates([release.mbid])
        case EntityKind.RELEASE_GROUP:
            group = musicbrainz.group(mbid)
            group_store(group, asked_for=mbid)
            now = group.facts.mbid
            editions = group_editions(now)
            if editions is None:
                editions = musicbrainz.group_releases(now)
                editions_store(now, editions)
            some = (candidate_of_group(group), *edition_candidates([one.mbid for one in editions]))
        case EntityKind.RECORDING:
            recording, releases = musicbrainz.recording(mbid)
            recording_store(recording, asked_for=mbid)
            now = recording.mbid
            some = (candidate_of_recording(recording, releases, on=recording_on(now)),)
        case EntityKind.ARTIST:
            artist = musicbrainz.artist(mbid)
            artist_store(artist, asked_for=mbid)
            now, some = artist.mbid, (candidate_of_artist(artist),)
        case EntityKind.LABEL:
            label = musicbrainz.label(mbid)
            label_store(label, asked_for=mbid)
            now, some = label.mbid, (candidate_of_label(label),)
        case EntityKind.TRACK:
            # WS/2 looks no track up; its recordings' search knows them by it.
            known = known_answer(MbidAsked(mbid=mbid, kind=EntityKind.TRACK))
            some = known.candidates if known else tuple(_recordings(musicbrainz.search_recordings(f"tid:{mbid}")))
        case _:
            assert_never(kind)
    answer.candidates += some
    answer.found = len(answer.candidates)
    if now != mbid:
        answer.merged_from = mbid


def _words(words: WordsAsked, answer: Answer, musicbrainz: MusicbrainzPort) -> Iterator[str]:
    """Releases first, they are what people want most; artists and labels only where no artist is told apart."""
    title, artist = words_query(words.title), words_query(words.artist)
    if not title:
        return
    both = f"({title}) AND artist:({artist})" if artist else f"({title}) OR artist:({title})"
    releases = musicbrainz.search_releases(f"release:{both}")
    briefs_store([one.value for one in releases])
    answer.candidates += [candidate_of_brief(one.value, score=one.score) for one in releases]
    yield "releases"
    if not artist:
        artists = musicbrainz.search_artists(title)
        answer.candidates += [candidate_of_artist(one.value, score=one.score) for one in artists]
        yield "artists"
    answer.candidates += _recordings(musicbrainz.search_recordings(f"recording:{both}"))
    yield "recordings"
    if not artist:
        labels = musicbrainz.search_labels(title)
        answer.candidates += [candidate_of_label(one.value, score=one.score) for one in labels]
        yield "labels"


def _recordings(found: Iterable[Found[tuple[RecordingFacts, tuple[ReleaseRef, ...]]]]) -> Iterator[Candidate]:
    for one in found:
        facts, releases = one.value
        yield candidate_of_recording(facts, releases, on=recording_on(facts.mbid), score=one.score)
