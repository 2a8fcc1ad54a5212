"""What answers teach, as rows: who was seen to offer which folder, and which release of the catalogue it probably is. Local: nothing of it leaves the machine.

Answers are claimed by one UPDATE in the transaction that writes what they teach, so two workers count nothing twice and a kill loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from django.db import transaction
from django.utils import timezone

from apps.catalog.selectors_titles import NamedRelease, releases_titled
from apps.domain.soulseek.answers import AnswerUnreadable, unpack
from apps.domain.soulseek.capture import Offer, certainty, folder_digest, offers_of
from apps.soulseek.models import OfferSighting, SearchAnswer

ANSWERS: Final = 100
"""Answers of one transaction."""
BATCH: Final = 400
_WRITTEN: Final = ("artist", "title", "release_mbid", "profile", "files", "certainty", "times", "last_seen")


def answers_capture(name: Callable[[str], str]) -> int:
    """Take in the answers that wait, at most ANSWERS; how many. `name`: how a user is called in what is kept."""
    waiting = SearchAnswer.objects.filter(captured_at=None).order_by("received_at")
    rows = list(waiting.only("id", "user", "files", "received_at")[:ANSWERS])
    if not rows:
        return 0
    seen: dict[tuple[str, bytes], tuple[Offer, datetime]] = {}
    for row in rows:
        try:
            files = unpack(bytes(row.files))
        except AnswerUnreadable:
            continue
        sharer = name(row.user)
        for offer in offers_of(files):
            seen[sharer, folder_digest(sharer, offer.folder)] = (offer, row.received_at)
    known = releases_titled({offer.title for offer, _at in seen.values()})
    with transaction.atomic():
        claimed = SearchAnswer.objects.filter(id__in=[row.id for row in rows], captured_at=None)
        if claimed.update(captured_at=timezone.now()) != len(rows):
            # Another worker took some of them: begin again with what is left.
            transaction.set_rollback(True)
            return 0
        _write(seen, known)
    return len(rows)


def sightings_forget(*, seen_before: datetime, limit: int = 5000) -> int:
    """Forget what was not seen for long; how many."""
    old = list(OfferSighting.objects.filter(last_seen__lt=seen_before).values_list("id", flat=True)[:limit])
    OfferSighting.objects.filter(id__in=old).delete()
    return len(old)


def _write(
    seen: dict[tuple[str, bytes], tuple[Offer, datetime]], known: Mapping[str, tuple[NamedRelease, ...]]
) -> None:
    keys = list(seen)
    times: dict[tuple[str, bytes], int] = {}
    for at in range(0, len(keys), BATCH):
        digests = [digest for _sharer, digest in keys[at : at + BATCH]]
        there = OfferSighting.objects.filter(folder_digest__in=digests)
        times.update(
            {
                (sharer, bytes(digest)): count
                for sharer, digest, count in there.values_list("sharer", "folder_digest", "times")
            }
        )
    rows = []
    for (sharer, digest), (offer, when) in seen.items():
        release, sure = _guess(offer, known)
        rows.append(
            OfferSighting(
                sharer=sharer,
                folder_digest=digest,
                artist=offer.artist,
                title=offer.title,
                release_mbid=release.mbid if release is not None else None,
                profile=offer.profile,
                files=offer.files,
                certainty=sure,
                times=times.get((sharer, digest), 0) + 1,
                first_seen=when,
                last_seen=when,
            )
        )
    OfferSighting.objects.bulk_create(
        rows,
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["sharer", "folder_digest"],
        update_fields=list(_WRITTEN),
    )


def _guess(offer: Offer, known: Mapping[str, tuple[NamedRelease, ...]]) -> tuple[NamedRelease | None, float]:
    """The release that an offer most probably is; None where nothing in the catalogue is called so."""
    best: tuple[float, NamedRelease | None] = (0.0, None)
    for one in known.get(offer.title.lower(), ()):
        sure = certainty(offer, artist=one.artist, title=one.title, year=one.year, tracks=one.tracks)
        if sure > best[0]:
            best = (sure, one)
    return best[1], best[0]
