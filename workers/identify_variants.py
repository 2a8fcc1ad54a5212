"""Task: find out which recordings new variants are.

One run takes batches of due identifications until none is left or its time is used up. Of a batch: AcoustID's kept answers, AcoustID itself for the
rest (ten prints a request, through the limiter of all processes), what sounds the same here, the folder's companions; then `decide`, and one
transaction a variant. Killed anywhere, the leases run out and the next run begins those anew: an answer of AcoustID is kept as soon as it is there.
"""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from celery import shared_task

from apps.catalog.selectors import recording_facts
from apps.common.dispatch import TaskName, enqueue
from apps.domain.audio import fingerprint
from apps.domain.audio.fingerprint import FingerprintError, Items
from apps.domain.audio.fingerprint_index import IndexHit, slice_items
from apps.domain.jobs.backoff import retry_delay_s
from apps.domain.jobs.judgement import MIN_SCORE
from apps.domain.library.identity import decide
from apps.domain.library.identity_evidence import Candidate, Companions, LocalHit
from apps.domain.library.offers import Offer
from apps.library.selectors_identity import KnownSound, answers_known, companions_known, sounds_known
from apps.library.services_identity import (
    IdentifyClaim,
    answer_key,
    answers_keep,
    identifications_again,
    identify_claim,
    identify_decided,
    identify_later,
    identify_renew,
)
from apps.library.services_match import folders_heard
from workers.composition import acoustid, fingerprint_store
from workers.gateways.acoustid import BATCH as ASKED_AT_ONCE
from workers.gateways.acoustid import AcoustidBatchPort, AcoustidQuery
from workers.gateways.errors import Permanent, Transient

log = logging.getLogger(__name__)

BATCH: Final = 40
"""Four requests' worth: an album with its companions, in some seconds."""
LEASE_S: Final = 120.0
"""Renewed before each request, which takes 35 s at worst (15 s for its turn, 20 s for the answer)."""
BUDGET_S: Final = 200.0
AGAIN_S: Final = 600.0
"""Between looks for what is to be identified anew: it waits for days anyway, and SQLite reads every row for it."""
MAX_HITS: Final = 20
_SAME_LENGTH_MS: Final = 7_000
"""Prints cover 120 s: a single and its extended version sound alike as far as they go, and are two recordings."""
_GIVES_UP_ASKING: Final = frozenset({"acoustid_unavailable", "acoustid_garbled"})
"""After the last try with these the file is judged without AcoustID, and looked at again later."""


@dataclass(slots=True)
class _Again:
    """When this process last looked for what is to be identified anew. Mutable: that is all it is."""

    at: float = -AGAIN_S


_again = _Again()


class SoundIndex(Protocol):
    """What sounds like a print, of all that is known here."""

    def query(self, items: Items, *, limit: int = 20) -> tuple[IndexHit, ...]:
        """Hits by variant, best first. `items`: a slice."""


@shared_task(name=TaskName.IDENTIFY_VARIANTS.value)
def identify_variants() -> None:
    """See the module. Without AcoustID it goes by the local index and the tags alone."""
    if time.monotonic() - _again.at >= AGAIN_S:
        _again.at = time.monotonic()
        identifications_again()
    if identify_due(acoustid(), index=_index, clock=time.monotonic):
        enqueue(TaskName.IDENTIFY_VARIANTS)


def run_now() -> None:
    """Identify in this process all that is due (the command line's `identify run`)."""
    while identify_due(acoustid(), index=_index, clock=time.monotonic):
        pass


def _index() -> SoundIndex:
    store = fingerprint_store()
    store.refreshed()
    return store


def identify_due(
    service: AcoustidBatchPort | None,
    *,
    index: Callable[[], SoundIndex],
    clock: Callable[[], float],
    budget_s: float = BUDGET_S,
) -> bool:
    """Identify what is due. True: the time is used up and more waits."""
    until = clock() + budget_s
    while claims := identify_claim(limit=BATCH, lease_s=LEASE_S):
        _Batch(claims, service=service, index=index()).run()
        if clock() >= until:
            return True
    return False


@dataclass(slots=True)
class _Heard:
    """What is known of one claim's sound. Mutable: filled while its batch is worked through."""

    claim: IdentifyClaim
    items: Items | None = None
    silent_code: str = ""
    """Why AcoustID says nothing."""
    offers: tuple[Offer, ...] | None = None
    failed: Transient | None = None
    alike: tuple[tuple[KnownSound, float], ...] = ()


class _Batch:
    """One batch of claims, from leases to decisions."""

    def __init__(
        self, claims: Sequence[IdentifyClaim], *, service: AcoustidBatchPort | None, index: SoundIndex
    ) -> None:
        self._service = service
        self._index = index
        self._heard = [_Heard(claim=claim) for claim in claims]

    def run(self) -> None:
        """See the module."""
        for one in self._heard:
            one.items, one.silent_code = _items_of(one.claim)
        self._ask()
        self._listen()
        self._decide()

    def _ask(self) -> None:
        """AcoustID's word on each print: kept, or asked for now and kept."""
        asked = {_key(one.claim): one for one in self._heard if one.items is not None}
        kept = answers_known(list(asked))
        for key, one in asked.items():
            one.offers = kept.get(key)
        missing = [one for one in asked.values() if one.offers is None]
        if self._service is None:
            for one in missing:
                one.silent_code = "acoustid_disabled"
            return
        for start in range(0, len(missing), ASKED_AT_ONCE):
            part = missing[start : start + ASKED_AT_ONCE]
            identify_renew([one.claim for one in self._heard], lease_s=LEASE_S)
            try:
                _answered(part, self._service.lookup_batch([_query(one.claim) for one in part]))
            except Transient as error:
                log.info("acoustid: code=%s waiting=%s", error.code, len(missing) - start)
                for one in missing[start:]:
                    _failed(one, error)
                return
            except Permanent as error:
                log.warning("acoustid refused: code=%s", error.code)
                for one in missing[start:]:
                    one.silent_code = error.code
                return

    def _listen(self) -> None:
        """What sounds the same here. Whole prints are compared, the index only says which."""
        hits: dict[int, tuple[IndexHit, ...]] = {}
        for one in self._heard:
            if one.items is not None and len(part := slice_items(one.items)):
                hits[one.claim.variant_id] = self._index.query(part, limit=MAX_HITS + 1)
        known = sounds_known({hit.id for found in hits.values() for hit in found})
        for one in self._heard:
            found = [hit.id for hit in hits.get(one.claim.variant_id, ()) if hit.id != one.claim.variant_id]
            one.alike = tuple(_alike(one, [known[each] for each in found if each in known]))

    def _decide(self) -> None:
        companions = companions_known({one.claim.folder for one in self._heard if one.claim.folder is not None})
        for one in self._heard:
            if one.claim.folder is not None and one.offers:
                companions[one.claim.folder][one.claim.variant_id] = _places(one.offers, one.claim)
        for one in self._heard:
            try:
                if one.failed is not None:
                    _later(one.claim, one.failed)
                    continue
                others = companions.get(one.claim.folder, {}) if one.claim.folder is not None else {}
                _decide_one(one, Companions.of([on for key, on in others.items() if key != one.claim.variant_id]))
            except Exception as error:  # a file that nobody thought of must not stop the others
                log.exception("identification failed unexpectedly: variant=%s", one.claim.variant_id)
                identify_later(
                    one.claim,
                    code="unexpected",
                    params={"error": type(error).__name__},
                    delay_s=_delay("unexpected", one),
                )
        if folders_heard([one.claim.variant_id for one in self._heard if one.failed is None]):
            enqueue(TaskName.MATCH_FOLDERS)


def _items_of(claim: IdentifyClaim) -> tuple[Items | None, str]:
    """The print, or None and why it says nothing."""
    if not claim.fingerprint:
        return None, "fingerprint_missing"
    try:
        items, _ = fingerprint.decode(claim.fingerprint.decode("ascii"))
    except (FingerprintError, UnicodeDecodeError):
        return None, "fingerprint_invalid"
    return (None, "fingerprint_undecidable") if fingerprint.is_low_entropy(items) else (items, "acoustid_no_result")


def _query(claim: IdentifyClaim) -> AcoustidQuery:
    return AcoustidQuery(fingerprint=claim.fingerprint.decode("ascii"), duration_s=_seconds(claim))


def _seconds(claim: IdentifyClaim) -> int:
    return max(1, round(claim.facts.duration_ms / 1000))


def _key(claim: IdentifyClaim) -> bytes:
    return answer_key(claim.fingerprint, duration_s=_seconds(claim))


def _answered(asked: Sequence[_Heard], answers: Sequence[tuple[Offer, ...] | None]) -> None:
    for one, offers in zip(asked, answers, strict=True):
        one.offers = offers
        if offers is None:
            one.silent_code = "acoustid_refused"
    answers_keep({_key(one.claim): (_seconds(one.claim), one.offers) for one in asked if one.offers is not None})


def _failed(one: _Heard, error: Transient) -> None:
    """Wait, or after the last try go on without AcoustID."""
    tries = one.claim.tries + 1 if one.claim.code == error.code else 1
    if error.code in _GIVES_UP_ASKING and retry_delay_s(error.code, tries=tries, jitter=0.0) is None:
        one.silent_code = error.code
    else:
        one.failed = error


def _later(claim: IdentifyClaim, error: Transient) -> None:
    tries = claim.tries + 1 if claim.code == error.code else 1
    jitter = random.random()  # noqa: S311  (spreads load, guards nothing)
    delay_s = retry_delay_s(error.code, tries=tries, jitter=jitter, retry_after_s=error.retry_after_s)
    identify_later(claim, code=error.code, params=error.params, delay_s=3600.0 if delay_s is None else delay_s)


def _delay(code: str, one: _Heard) -> float:
    tries = one.claim.tries + 1 if one.claim.code == code else 1
    # Nothing gives up for good: an error of ours is mended by an update, and the row is seen until then.
    return retry_delay_s(code, tries=tries, jitter=0.5) or 24 * 3600.0


def _alike(one: _Heard, sounds: Sequence[KnownSound]) -> list[tuple[KnownSound, float]]:
    found: list[tuple[KnownSound, float]] = []
    for sound in sounds[:MAX_HITS]:
        try:
            other, _ = fingerprint.decode(sound.fingerprint.decode("ascii"))
        except (FingerprintError, UnicodeDecodeError):
            continue
        if one.items is None or abs(sound.duration_ms - one.claim.facts.duration_ms) > _SAME_LENGTH_MS:
            continue
        compared = fingerprint.same_recording(one.items, other)
        if compared.verdict == "same":
            found.append((sound, compared.ber))
    return sorted(found, key=lambda each: (each[1], each[0].variant_id))


def _places(offers: Sequence[Offer], claim: IdentifyClaim) -> frozenset[uuid.UUID]:
    """Where a companion may lie: of the recordings its print and its length speak for."""
    places = {claim.facts.release_mbid} if claim.facts.release_mbid is not None else set()
    for offer in offers:
        far = offer.length_s is not None and abs(offer.length_s * 1000 - claim.facts.duration_ms) > _SAME_LENGTH_MS
        if offer.score >= MIN_SCORE and not far:
            places |= {each.group_mbid for each in offer.groups} | {each.release_mbid for each in offer.releases}
    return frozenset(places)


def _decide_one(one: _Heard, companions: Companions) -> None:
    claim = one.claim
    decision = decide(
        claim.facts,
        _candidates(one),
        companions=companions,
        silent_code=one.silent_code or "acoustid_no_result",
    )
    written = identify_decided(claim, decision, alike=[(sound.variant_id, ber) for sound, ber in one.alike])
    log.info(
        "identified: variant=%s state=%s code=%s confidence=%.2f written=%s",
        claim.variant_id,
        decision.state,
        decision.code,
        decision.confidence,
        written,
    )


def _candidates(one: _Heard) -> list[Candidate]:
    """What AcoustID names, what sounds the same here, and what the tags say: each recording once."""
    local = _local(one)
    found = {
        offer.recording_mbid: Candidate.of_offer(offer, local=local.get(offer.recording_mbid))
        for offer in one.offers or ()
    }
    words = {sound.recording_mbid: sound for sound, _ in reversed(one.alike) if sound.recording_mbid is not None}
    tagged = one.claim.facts.recording_mbid or one.claim.recording_mbid
    for mbid in [*local, *([tagged] if tagged is not None else [])]:
        if mbid not in found:
            found[mbid] = _known(mbid, words.get(mbid), local.get(mbid))
    return list(found.values())


def _known(mbid: uuid.UUID, sound: KnownSound | None, hit: LocalHit | None) -> Candidate:
    """A recording that AcoustID does not name: by the catalog, else by the files that are it."""
    facts = recording_facts(mbid)
    if facts is not None:
        return Candidate(
            recording_mbid=mbid, title=facts.title, artist=facts.artist_credit, length_ms=facts.length_ms, local=hit
        )
    if sound is not None:
        return Candidate(
            recording_mbid=mbid, title=sound.title, artist=sound.artist, length_ms=sound.duration_ms, local=hit
        )
    return Candidate(recording_mbid=mbid, local=hit)


def _local(one: _Heard) -> Mapping[uuid.UUID, LocalHit]:
    """By recording the strongest word of this library. The variant's own counts where a fingerprint or a person said it before."""
    claim = one.claim
    hits: dict[uuid.UUID, LocalHit] = {}
    if claim.recording_mbid is not None and not claim.own and (claim.verified or claim.source == "person"):
        hits[claim.recording_mbid] = LocalHit(
            variant_id=claim.variant_id, ber=0.0, verified=claim.verified, source=claim.source
        )
    for sound, ber in one.alike:
        if sound.recording_mbid is None:
            continue
        hit = LocalHit(variant_id=sound.variant_id, ber=ber, verified=sound.verified, source=sound.source)
        known = hits.get(sound.recording_mbid)
        if known is None or _strength(hit) > _strength(known):
            hits[sound.recording_mbid] = hit
    return hits


def _strength(hit: LocalHit) -> tuple[bool, bool, float]:
    return hit.verified, hit.source == "person", -hit.ber
