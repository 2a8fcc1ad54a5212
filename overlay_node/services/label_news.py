"""What descriptors and adverts of peers tell of labels, on its way to the rows: collected, the same word not written twice an hour, never sent on.

A descriptor names a release, its label and what is held of it. An advert names recordings: which releases those make is found in the rows. Everything
here is bounded, and what can't be kept is dropped: peers tell it again within a quarter of an hour.
"""

from __future__ import annotations

import logging
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Final

from apps.domain.contracts.label_work import ReleaseSighted
from apps.domain.errors import DomainError
from overlay_node.net.link import Link
from overlay_node.ports import Store
from overlay_node.protocol.messages import MbidSwarmDescriptor, SwarmTrack, TrackState

log = logging.getLogger(__name__)

FLUSH_S: Final = 5.0
REHEARD_S: Final = 3600.0  # the same word of the same peer is written again after so long: figures halve in a week
ADVERT_EVERY_S: Final = 600.0  # a peer's advert changes with every track it gains
EXPIRE_S: Final = 900.0
MAX_WAITING: Final = 1024
MAX_WAITING_PER_PEER: Final = 128  # more than an honest peer announces, told at once
MAX_PER_FLUSH: Final = 256  # one transaction of some 50 ms
MAX_REMEMBERED: Final = 8192
COUNT_S: Final = 30.0  # after everything due was counted; a label that all have is told of every few seconds
LABELS_PER_COUNT: Final = 4  # the rows' thread is needed for transfers too: 4,000 sightings are some 50 ms


class LabelNews:
    """`descriptor` and `advertised` only note; `tick` writes. All methods for the loop's thread."""

    def __init__(self, *, store: Store, clock: Callable[[], float]) -> None:
        self._store: Final = store
        self._clock: Final = clock
        self._waiting: Final[dict[tuple[str, uuid.UUID], ReleaseSighted]] = {}
        self._of_peer: Final[Counter[str]] = Counter()
        self._known: Final[dict[tuple[str, uuid.UUID], tuple[ReleaseSighted, float]]] = {}
        self._adverts: Final[dict[str, None]] = {}
        self._advert_at: Final[dict[str, float]] = {}
        self._next_flush = 0.0
        self._next_count = 0.0
        self._next_expiry = clock() + EXPIRE_S
        self._due = True  # of an earlier run
        self.counts: Final[Counter[str]] = Counter()
        """descriptors: kept, known, dropped; adverts"""

    def descriptor(self, link: Link, message: MbidSwarmDescriptor) -> None:
        """A peer tells what it holds of a release."""
        sighted = sighted_of(link.peer_id, link.group, message)
        if not sighted.tracks_held:
            return
        key = (sighted.peer, sighted.release_mbid)
        known = self._known.get(key)
        if known is not None and known[0] == sighted and self._clock() - known[1] < REHEARD_S:
            self.counts["known"] += 1
            return
        if key not in self._waiting:
            if len(self._waiting) >= MAX_WAITING or self._of_peer[sighted.peer] >= MAX_WAITING_PER_PEER:
                self.counts["dropped"] += 1
                return
            self._of_peer[sighted.peer] += 1
        self._waiting[key] = sighted

    def advertised(self, peer: str) -> None:
        """The rows hold a peer's advert whole, or it was renewed."""
        if len(self._adverts) < MAX_WAITING:
            self._adverts.setdefault(peer)

    async def tick(self) -> None:
        """Every few seconds."""
        now = self._clock()
        if now < self._next_flush:
            return
        self._next_flush = now + FLUSH_S
        try:
            await self._write(now)
            await self._take_up_advert(now)
            if now >= self._next_expiry:
                self._next_expiry = now + EXPIRE_S
                await self._store.labels_expire()
                self._due = True
            if self._due and now >= self._next_count:
                self._due = await self._store.labels_recount(limit=LABELS_PER_COUNT) >= LABELS_PER_COUNT
                if not self._due:
                    self._next_count = now + COUNT_S
        except DomainError as error:
            log.warning("labels_not_kept code=%s", error.code)

    # ---- private

    async def _write(self, now: float) -> None:
        keys = list(self._waiting)[:MAX_PER_FLUSH]
        if not keys:
            return
        some = [self._waiting.pop(key) for key in keys]
        self._of_peer.subtract(key[0] for key in keys)
        for peer in {key[0] for key in keys}:
            if self._of_peer[peer] <= 0:
                del self._of_peer[peer]
        await self._store.labels_heard(some)
        for key, one in zip(keys, some, strict=True):
            self._known.pop(key, None)
            self._known[key] = (one, now)
        while len(self._known) > MAX_REMEMBERED:
            del self._known[next(iter(self._known))]
        self.counts["kept"] += len(some)
        self._due = True

    async def _take_up_advert(self, now: float) -> None:
        """One at a time: four thousand variants are some hundred milliseconds of the rows' thread."""
        peer = next((one for one in self._adverts if self._advert_at.get(one, 0.0) <= now), None)
        if peer is None:
            return
        del self._adverts[peer]
        self._advert_at.pop(peer, None)
        self._advert_at[peer] = now + ADVERT_EVERY_S
        while len(self._advert_at) > MAX_WAITING:
            del self._advert_at[next(iter(self._advert_at))]
        await self._store.labels_advertised(peer)
        self.counts["adverts"] += 1
        self._due = True


def sighted_of(peer: str, group: str, message: MbidSwarmDescriptor) -> ReleaseSighted:
    """A descriptor as the rows want it."""
    held = [one for one in message.tracks if one.state is TrackState.COMPLETE]
    return ReleaseSighted(
        peer=peer,
        group=group,
        release_mbid=uuid.UUID(message.release.mb_release),
        title=message.title,
        artist=message.artist,
        label=message.label or "",
        label_mbid=uuid.UUID(message.mb_label) if message.mb_label is not None else None,
        tracks=len(message.tracks),
        tracks_held=len(held),
        profile=_usual_profile(held),
        quality=_mean_quality(held),
    )


def _usual_profile(tracks: list[SwarmTrack]) -> str:
    counts = Counter(one.profile for one in tracks if one.profile is not None)
    return min(counts, key=lambda profile: (-counts[profile], profile), default="")


def _mean_quality(tracks: list[SwarmTrack]) -> float | None:
    known = [one.quality_score for one in tracks if one.quality_score is not None]
    return sum(known) / len(known) if known else None
