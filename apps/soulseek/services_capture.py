"""What answers and downloads teach, as rows: who was seen to offer which folder, which release of the catalogue it probably is, and what a file that was
fetched was found to be. Local: nothing of it leaves the machine.

Answers and ends are claimed by one UPDATE in the transaction that writes what they teach, so two workers count nothing twice and a kill loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from django.db import transaction
from django.utils import timezone

from apps.catalog.selectors_titles import NamedRelease, releases_titled
from apps.domain.soulseek.answers import AnswerUnreadable, unpack
from apps.domain.soulseek.capture import MAX_TEXT, Offer, Verdict, certainty, folder_digest, offers_of, verdict_of
from apps.domain.soulseek.hunting import HuntTarget
from apps.domain.soulseek.results import SharedFile
from apps.domain.soulseek.states import DownloadState
from apps.library.models import AudioVariant
from apps.soulseek.models import Download, DownloadProgress, OfferSighting, SearchAnswer

ANSWERS: Final = 100
"""Answers of one transaction."""
ENDS: Final = 200
"""Likewise downloads."""
BATCH: Final = 400
_WRITTEN: Final = ("artist", "title", "release_mbid", "profile", "files", "certainty", "times", "last_seen")
_FETCHED: Final = (
    *_WRITTEN, "recording_mbid", "verdict", "code", "payload_format", "payload_root", "payload_bytes", "length_ms",
)  # fmt: skip


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


def downloads_capture(name: Callable[[str], str]) -> int:
    """Take in the downloads that ended, at most ENDS; how many. What came whole is a sighting of its own, with what it was found to be; the rest teaches
    nothing here. `name`: how a user is called in what is kept."""
    ended = Download.objects.filter(live=False, captured_at=None).select_related("batch__hunt", "progress__transfer")
    rows = list(ended.order_by("ended_at")[:ENDS])
    if not rows:
        return 0
    found: dict[tuple[str, bytes], OfferSighting] = {}
    known = releases_titled({offer.title for row in rows for offer in _offer_of(row)})
    lengths = _lengths(rows)
    for row in rows:
        sighting = _fetched(row, name(row.user), known, lengths)
        if sighting is not None:
            found[sighting.sharer, bytes(sighting.folder_digest)] = sighting
    with transaction.atomic():
        claimed = Download.objects.filter(id__in=[row.id for row in rows], captured_at=None)
        if claimed.update(captured_at=timezone.now()) != len(rows):
            transaction.set_rollback(True)
            return 0
        times = _times(list(found))
        for key, sighting in found.items():
            sighting.times = times.get(key, 0) + 1
        OfferSighting.objects.bulk_create(
            found.values(),
            batch_size=BATCH,
            update_conflicts=True,
            unique_fields=["sharer", "folder_digest"],
            update_fields=list(_FETCHED),
        )
    return len(rows)


def _fetched(
    row: Download, sharer: str, known: Mapping[str, tuple[NamedRelease, ...]], lengths: Mapping[bytes, int]
) -> OfferSighting | None:
    """What a download that ended teaches of its file, kept under the file's own digest."""
    progress: DownloadProgress | None = getattr(row, "progress", None)
    offers = _offer_of(row)
    verdict = verdict_of(DownloadState(progress.state), external=row.external) if progress is not None else None
    if progress is None or verdict is None or not offers:
        return None
    (offer,) = offers
    release, sure = _guess(offer, known)
    transfer, accepted = progress.transfer, verdict is Verdict.ACCEPTED
    hunted = HuntTarget.from_json(row.batch.hunt.target) if accepted and row.batch.hunt is not None else None
    when = row.ended_at or timezone.now()
    root = bytes(transfer.payload_root) if transfer is not None else None
    return OfferSighting(
        sharer=sharer,
        folder_digest=folder_digest(sharer, row.remote_path),
        artist=hunted.artist[:MAX_TEXT] if hunted is not None and hunted.artist else offer.artist,
        title=offer.title,
        release_mbid=(hunted.release if hunted is not None else None)
        or (release.mbid if release is not None else None),
        recording_mbid=row.recording_mbid if accepted else None,
        profile=transfer.profile if transfer is not None else offer.profile or row.profile,
        files=1,
        certainty=1.0 if accepted else 0.0 if verdict is Verdict.REJECTED else sure,
        verdict=verdict,
        code=progress.code if verdict is Verdict.REJECTED else "",
        payload_format=transfer.payload_format if transfer is not None else progress.payload_format,
        payload_root=root,
        payload_bytes=transfer.payload_bytes if transfer is not None else progress.payload_bytes,
        length_ms=lengths.get(root) if root is not None else None,
        first_seen=when,
        last_seen=when,
    )


def _offer_of(row: Download) -> tuple[Offer, ...]:
    """The one file as an offer; nothing where it is no sound."""
    return offers_of([SharedFile(path=row.remote_path, size=row.size_bytes)])


def _lengths(rows: Sequence[Download]) -> Mapping[bytes, int]:
    """How long the payloads that these became are, as decoded."""
    roots = [
        bytes(row.progress.transfer.payload_root)
        for row in rows
        if getattr(row, "progress", None) is not None and row.progress.transfer is not None
    ]
    there = AudioVariant.objects.filter(payload_root__in=roots, duration_ms__gt=0)
    return {bytes(root): length for root, length in there.values_list("payload_root", "duration_ms")}


def sightings_forget(*, seen_before: datetime, limit: int = 5000) -> int:
    """Forget what was not seen for long; how many."""
    old = list(OfferSighting.objects.filter(last_seen__lt=seen_before).values_list("id", flat=True)[:limit])
    OfferSighting.objects.filter(id__in=old).delete()
    return len(old)


def _write(
    seen: dict[tuple[str, bytes], tuple[Offer, datetime]], known: Mapping[str, tuple[NamedRelease, ...]]
) -> None:
    times = _times(list(seen))
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


def _times(keys: Sequence[tuple[str, bytes]]) -> Mapping[tuple[str, bytes], int]:
    """How often these were seen before."""
    times: dict[tuple[str, bytes], int] = {}
    for at in range(0, len(keys), BATCH):
        there = OfferSighting.objects.filter(folder_digest__in=[digest for _sharer, digest in keys[at : at + BATCH]])
        found = there.values_list("sharer", "folder_digest", "times")
        times.update({(sharer, bytes(digest)): count for sharer, digest, count in found})
    return times


def _guess(offer: Offer, known: Mapping[str, tuple[NamedRelease, ...]]) -> tuple[NamedRelease | None, float]:
    """The release that an offer most probably is; None where nothing in the catalogue is called so."""
    best: tuple[float, NamedRelease | None] = (0.0, None)
    for one in known.get(offer.title.lower(), ()):
        sure = certainty(offer, artist=one.artist, title=one.title, year=one.year, tracks=one.tracks)
        if sure > best[0]:
            best = (sure, one)
    return best[1], best[0]
