"""What the choice among payloads rests on, gathered: claims and measurements from rows, links, pauses, and how their holders perform."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from typing import Final

from apps.domain.audio.payload import PayloadFormat
from apps.domain.contracts.node_work import KnownClaim, MeasuredPayload, WantWork
from apps.domain.errors import Param
from overlay_node.ports import Store
from overlay_node.services.deliveries import Deliveries
from overlay_node.services.discovery import Discovery
from overlay_node.swarm.choice import (
    Candidate,
    CanonicalTarget,
    KnownPayload,
    NoChoice,
    PayloadClaim,
    PayloadKey,
    candidates_of,
    canonical_target,
)
from overlay_node.swarm.peer_book import PeerBook

MAX_WAITS: Final = 10_000
"""Wants whose wait is remembered in words."""


class PayloadChoice:
    """`clock` is monotonic seconds, the one that `book` is told."""

    def __init__(
        self,
        *,
        store: Store,
        discovery: Discovery,
        deliveries: Deliveries,
        book: PeerBook,
        clock: Callable[[], float],
    ) -> None:
        self._store: Final = store
        self._discovery: Final = discovery
        self._deliveries: Final = deliveries
        self._book: Final = book
        self._clock: Final = clock
        self._waits_for: Final[dict[uuid.UUID, CanonicalTarget]] = {}

    def waits_for(self, want_id: uuid.UUID) -> dict[str, Param]:
        """What a want that waits for the canonical variant would take; empty when it waits for nothing of the kind."""
        target = self._waits_for.get(want_id)
        if target is None:
            return {}
        return {"profile": target.profile, "quality": round(target.quality, 2), "groups": target.groups}

    async def candidates(
        self, want: WantWork, *, without: Collection[PayloadKey] = ()
    ) -> tuple[tuple[Candidate, ...], NoChoice | None]:
        """Payloads of a want that a linked peer claims, best first, but for those of `without`; and why there is none."""
        claims = await self.remember(want)
        linked = [
            one
            for one in claims
            if _key(one) not in without
            and one.claim.payload_format in PayloadFormat._value2member_map_
            and self._discovery.linked(one.claim.peer)
        ]
        keys = {(one.claim.payload_format, one.claim.payload_root) for one in claims}
        measured = await self._store.payloads_measured(keys)
        known = {one.key: one for one in (_known(row, want) for row in measured)}
        denied_keys = frozenset(PayloadKey(*key) for key in want.denied)
        wishes = want.constraints
        target = None
        if wishes.download_mode == "canonical" or wishes.prefer_canonical is not False:
            everybody = [self._claim(one) for one in claims]
            target = canonical_target(everybody, constraints=wishes, denied=denied_keys, known=known)
        found, why = candidates_of(
            [self._claim(one) for one in linked],
            constraints=wishes,
            denied=denied_keys,
            duration_ms=want.duration_ms,
            known=known,
            target=target,
        )
        self._waits_for.pop(want.id, None)
        if why is NoChoice.NOT_CANONICAL and target is not None:
            if len(self._waits_for) >= MAX_WAITS:
                self._waits_for.clear()  # words that are told anew with the next look
            self._waits_for[want.id] = target
        denied = want.denied and why is NoChoice.NO_SOURCE
        return found, NoChoice.ALL_DENIED if denied else why

    async def remember(self, want: WantWork) -> list[KnownClaim]:
        """The claims of a want from the rows; those of earlier runs count as soon as their claimer is linked."""
        known = await self._store.claims_of(want.recording_mbid)
        holders: dict[PayloadKey, set[str]] = {}
        for one in known:
            key = _key(one)
            if not one.refuted:
                holders.setdefault(key, set()).add(one.claim.peer)
            self._deliveries.restore(one.claim.peer, key, cooling_s=one.cooling_s)
        self._discovery.note_holders(holders)
        return known

    def _claim(self, one: KnownClaim) -> PayloadClaim:
        claim, now = one.claim, self._clock()
        return PayloadClaim(
            peer=claim.peer,
            group=claim.group,
            key=_key(one),
            profile=claim.profile,
            payload_bytes=claim.payload_bytes,
            complete=claim.complete,
            wrong_claims=one.wrong_claims,
            refuted=one.refuted,
            delivered=one.delivered,
            cooling=self._deliveries.cooling(claim.peer, _key(one)),
            reputation=self._book.reputation_of(claim.peer, now),
            speed_bps=self._book.metrics_of(claim.peer).throughput_bps,
            facts=claim.facts,
        )


def _key(one: KnownClaim) -> PayloadKey:
    return PayloadKey(one.claim.payload_format, one.claim.payload_root)


def _known(row: MeasuredPayload, want: WantWork) -> KnownPayload:
    return KnownPayload(
        key=PayloadKey(row.payload_format, row.payload_root),
        is_recording=row.verified and row.recording_mbid == want.recording_mbid,
        is_other=row.verified and row.recording_mbid not in {None, want.recording_mbid},
        suspect=row.suspect,
        quality=row.quality,
        duration_ms=row.duration_ms,
    )
