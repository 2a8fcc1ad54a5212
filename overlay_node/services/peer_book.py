"""The node's book of peers: their metrics in memory while they matter, in rows for good. See `overlay_node.swarm.peer_book` for the port.

A peer's past is read when its link opens and absorbed into what was learnt meanwhile; only then is its row written, so that nothing of the past is
lost. Whatever changed is written every few seconds and at the end, in one call. At most `MAX_KNOWN` peers are kept in mind: the one that was not looked
up for longest goes, unless it is linked or has something unwritten. Nothing of it is ever sent to anyone.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from apps.domain.contracts.peer_work import PeerMetricsReport
from apps.domain.errors import DomainError
from apps.domain.peers.metrics import PeerMetrics
from apps.domain.peers.reputation import NEUTRAL, Standing, reputation_score, standing
from apps.domain.swarm.cost import cost_variance, peer_cost
from apps.domain.swarm.settings import SchedulerSettings
from overlay_node.ports import Store
from overlay_node.services.background import Background

log = logging.getLogger(__name__)

MAX_KNOWN: Final = 1000
"""PROTOCOL-FACTS: known peers <= 1000. About 1.2 kB each."""
MAX_CLAIMS_AT_ONCE: Final = 100
"""Wrong claims taken in at one look: beyond, a reputation can't fall any lower."""
SCORE_STALE_S: Final = 0.5
"""A score is computed anew at most so often while a peer delivers: 2 us each, but asked at every decision."""
FADE_EVERY_S: Final = 60.0
FADE_OLDER: Final = timedelta(hours=1)
"""Scores in rows are brought up to date when they are older: in an hour a score moves by 0.4 % of its distance from neutral."""


@dataclass(slots=True)
class _Known:
    """A peer in mind. Mutable."""

    metrics: PeerMetrics
    loaded: bool = False
    written: int = 0
    """revision of `metrics` that rows hold"""
    claims_counted: int = 0
    score: float = NEUTRAL
    score_revision: int = -1
    score_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BookFacts:
    """What the book says of the peers it has in mind, for metrics."""

    known: int
    bands: Mapping[Standing, int]
    lowest: float
    median: float
    cost_variance: float
    """over peers of known speed"""


class NodePeerBook:
    """`linked` says whether a peer has an open link; `clock` is monotonic seconds, `wall` aware UTC."""

    def __init__(
        self,
        *,
        store: Store,
        background: Background,
        settings: SchedulerSettings,
        linked: Callable[[str], bool],
        clock: Callable[[], float],
        wall: Callable[[], datetime],
        limit: int = MAX_KNOWN,
    ) -> None:
        self._store: Final = store
        self._background: Final = background
        self._settings: Final = settings
        self._linked: Final = linked
        self._clock: Final = clock
        self._wall: Final = wall
        self._limit: Final = limit
        self._known: Final[OrderedDict[str, _Known]] = OrderedDict()
        """least recently looked up first"""
        self._unread: Final[dict[str, None]] = {}
        """peers whose rows are to be read, in order"""
        self._reading = False
        """a reader was sent"""
        self._writing = False
        self._faded_at = -FADE_EVERY_S

    def __len__(self) -> int:
        return len(self._known)

    # ---- the port

    def metrics_of(self, peer: str) -> PeerMetrics:
        """The one object of this peer; its past is added to it as soon as it was read."""
        known = self._known.get(peer)
        if known is None:
            known = self._known[peer] = _Known(PeerMetrics(self._clock()))
            self._unread[peer] = None
            if not self._reading:
                self._reading = True
                self._background.spawn(self._read(), "peer-book")
            self._trim()
        else:
            self._known.move_to_end(peer)
        return known.metrics

    def reputation_of(self, peer: str, now: float) -> float:
        """0.5 for a stranger. At most SCORE_STALE_S old."""
        known = self._known.get(peer)
        if known is None:
            return NEUTRAL
        age = now - known.score_at
        fresh = 60.0 if known.score_revision == known.metrics.revision else SCORE_STALE_S
        if known.score_revision < 0 or not 0 <= age < fresh:
            known.score = reputation_score(known.metrics, now)
            known.score_revision, known.score_at = known.metrics.revision, now
        return known.score

    # ---- links and rows

    def link_opened(self, peer: str) -> None:
        """A peer proved its key: its past is read."""
        self.metrics_of(peer)

    async def flush(self) -> None:
        """Write what changed: every few seconds, and at the end. Failing costs nothing: it is written the next time."""
        if self._writing:
            return
        self._writing = True
        try:
            await self._read()  # also when a reader is on its way: whoever comes second finds nothing to do
            await self._take_in_claims()
            await self._write()
            await self._fade()
        except DomainError as error:
            log.warning("peer_metrics_not_written code=%s", error.code)
        finally:
            self._writing = False

    # ---- facts

    def facts(self) -> BookFacts:
        """For metrics: computed when asked for."""
        now, settings = self._clock(), self._settings
        scores = {peer: self.reputation_of(peer, now) for peer in self._known}
        bands = dict.fromkeys(Standing, 0)
        for score in scores.values():
            bands[standing(score, min_reputation=settings.min_reputation)] += 1
        ordered = sorted(scores.values())
        costs = (
            peer_cost(known.metrics, scores[peer], settings.weights).total
            for peer, known in self._known.items()
            if not known.metrics.cold
        )
        return BookFacts(
            known=len(ordered),
            bands=bands,
            lowest=ordered[0] if ordered else NEUTRAL,
            median=ordered[len(ordered) // 2] if ordered else NEUTRAL,
            cost_variance=cost_variance(costs),
        )

    # ---- private

    async def _read(self) -> None:
        """Absorb the rows of peers that are new in mind, until none is left."""
        try:
            while self._unread:
                wanted = list(self._unread)
                histories = {one.peer: one for one in await self._store.peer_histories(wanted)}
                now, wall = self._clock(), self._wall()
                for peer in wanted:
                    self._unread.pop(peer, None)
                    known, history = self._known.get(peer), histories.get(peer)
                    if known is None or known.loaded:
                        continue
                    known.loaded = True
                    if history is not None:
                        known.claims_counted = history.claims_counted
                        if history.metrics is not None:
                            known.metrics.absorb(history.metrics, now=now, wall=wall)
                            known.score_revision = -1
        except DomainError as error:
            log.warning("peer_metrics_not_read code=%s", error.code)
        finally:
            self._reading = False

    async def _take_in_claims(self) -> None:
        """Wrong claims are judged by others, in rows; what is new of them counts here."""
        loaded = [peer for peer, known in self._known.items() if known.loaded]
        for peer, total in (await self._store.wrong_claims_of(loaded)).items():
            known = self._known.get(peer)
            if known is None or total <= known.claims_counted:
                continue
            now = self._clock()
            for _ in range(min(total - known.claims_counted, MAX_CLAIMS_AT_ONCE)):
                known.metrics.claim_refuted(now)
            known.claims_counted = total

    async def _write(self) -> None:
        now, wall = self._clock(), self._wall()
        changed = {
            peer: (known, known.metrics.revision)
            for peer, known in self._known.items()
            if known.loaded and known.metrics.revision != known.written
        }
        if not changed:
            return
        await self._store.peer_metrics_record(
            [
                PeerMetricsReport(
                    peer=peer, metrics=known.metrics.snapshot(now, wall=wall), claims_counted=known.claims_counted
                )
                for peer, (known, _) in changed.items()
            ]
        )
        for known, revision in changed.values():
            known.written = revision
        self._trim()

    async def _fade(self) -> None:
        now = self._clock()
        if now - self._faded_at < FADE_EVERY_S:
            return
        self._faded_at = now
        await self._store.reputations_fade(now=self._wall(), older_than=FADE_OLDER)

    def _trim(self) -> None:
        """Forget whoever was not looked up for longest, as far as nothing is lost by it."""
        surplus = len(self._known) - self._limit
        if surplus <= 0:
            return
        for peer, known in list(self._known.items()):
            if surplus <= 0:
                return
            if known.metrics.revision == known.written and not self._linked(peer):
                del self._known[peer]
                self._unread.pop(peer, None)
                surplus -= 1
