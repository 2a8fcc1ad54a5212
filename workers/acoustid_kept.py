"""AcoustID with its answers kept: what any worker asked once is not asked again while the answer is fresh.

Verification, re-checks and samples ask for one print at a time, identification for ten; all keep what they hear in the same place, in the same (full)
form, so that a file that was verified costs identification no request, nor the other way round.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta

from apps.domain.library.offers import Offer
from apps.library.selectors_identity import answers_known
from apps.library.services_identity import answer_key, answers_keep
from workers.gateways.acoustid import AcoustidBatchPort, AcoustidMatch, AcoustidQuery
from workers.gateways.errors import Permanent


@dataclass(frozen=True, slots=True)
class KeptAcoustid:
    """An AcoustidPort. `fresh_for`: kept answers that are older are asked for anew; None: as long as they are good for identification."""

    service: AcoustidBatchPort
    fresh_for: timedelta | None = None

    def lookup(self, fingerprint: str, *, duration_s: int) -> tuple[AcoustidMatch, ...]:
        """See AcoustidPort."""
        duration_s = max(1, duration_s)
        key = answer_key(fingerprint.encode("ascii"), duration_s=duration_s)
        offers = answers_known([key], fresh_for=self.fresh_for).get(key)
        if offers is None:
            offers = self._asked(AcoustidQuery(fingerprint=fingerprint, duration_s=duration_s))
            answers_keep({key: (duration_s, offers)})
        return tuple(_match(one) for one in sorted(offers, key=lambda one: -one.score))

    def _asked(self, query: AcoustidQuery) -> tuple[Offer, ...]:
        (offers,) = self.service.lookup_batch([query])
        if offers is None:
            raise Permanent("AcoustID can't read this fingerprint.", code="acoustid_refused")
        return offers


def acoustid_of(fingerprint: str, *, duration_ms: int, recording_mbid: uuid.UUID) -> str:
    """The AcoustID under which a kept answer to this fingerprint names the recording, however old; "" if none does."""
    if not fingerprint:
        return ""
    key = answer_key(fingerprint.encode("ascii", "replace"), duration_s=max(1, round(duration_ms / 1000)))
    offers = answers_known([key], fresh_for=None).get(key) or ()
    named = [one for one in offers if one.recording_mbid == recording_mbid and one.acoustid]
    return max(named, key=lambda one: one.score).acoustid if named else ""


def _match(offer: Offer) -> AcoustidMatch:
    return AcoustidMatch(
        recording_mbid=offer.recording_mbid,
        score=offer.score,
        acoustid=offer.acoustid,
        title=offer.title,
        artist=offer.artist,
    )
