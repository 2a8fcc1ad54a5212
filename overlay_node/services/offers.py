"""What this node tells others that it holds: answers to mbid_query and swarm descriptors.

Only releases that are seeded or worked on are spoken of, never the inventory; what is still arriving is offered as partial.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from apps.domain.contracts.node_work import HeldRelease, HeldVariant
from apps.domain.errors import DomainError
from apps.domain.mesh.claims import stated_facts
from apps.domain.mesh.policy import MAX_ANNOUNCED
from overlay_node.config import NodeConfig
from overlay_node.ports import Store
from overlay_node.protocol.limits import MAX_TITLE_CHARS, MAX_TRACKS_PER_DESCRIPTOR, MAX_VARIANTS_PER_RESPONSE
from overlay_node.protocol.messages import (
    EditionProfile,
    HaveState,
    MbidQuery,
    MbidResponse,
    MbidSwarmDescriptor,
    ReleaseIds,
    SwarmPolicies,
    SwarmTrack,
    TrackState,
    VariantOffer,
)

CACHE_S: Final = 2.0  # the set of offered releases is read again after this: queries come in bursts
MAX_PEERS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivingPayload:
    """A payload that this node is fetching and can already serve in part."""

    recording_mbid: uuid.UUID
    release_mbids: tuple[uuid.UUID, ...]
    profile: str
    payload_format: str
    payload_root: bytes
    payload_bytes: int


class Offers:
    """`arriving` tells which transfers have leaves to give."""

    def __init__(
        self,
        config: NodeConfig,
        *,
        store: Store,
        clock: Callable[[], float],
        arriving: Callable[[], Sequence[ArrivingPayload]],
    ) -> None:
        self._config: Final = config
        self._store: Final = store
        self._clock: Final = clock
        self._arriving: Final = arriving
        self._cached: tuple[float, tuple[uuid.UUID, ...]] | None = None

    async def releases(self) -> tuple[uuid.UUID, ...]:
        """Releases spoken of now: worked on first, then seeded. Empty when the policy forbids it."""
        if not self._config.policy.may_serve:
            return ()
        if self._cached is None or self._clock() - self._cached[0] > CACHE_S:
            worked_on = await self._store.releases_worked_on()
            seeded = await self.seeded()
            self._cached = (self._clock(), tuple(dict.fromkeys([*worked_on, *seeded])))
        return self._cached[1]

    async def seeded(self) -> tuple[uuid.UUID, ...]:
        """Releases seeded by configuration or by hand."""
        return tuple(dict.fromkeys([*self._config.seed_releases, *await self._store.seeded_releases()]))

    async def advertised(self, *, limit: int) -> list[HeldVariant]:
        """What is told unasked: whole payloads of the announced releases and the seeded ones. Empty when the policy forbids it."""
        if not self._config.policy.may_announce:
            return []
        told = tuple(dict.fromkeys([*(await self.releases())[:MAX_ANNOUNCED], *await self.seeded()]))
        return await self._store.variants_offered(recordings=(), releases=told, within=told, limit=limit)

    async def answer(self, query: MbidQuery) -> MbidResponse:
        """The answer to a query; empty when we hold nothing of it or may not say."""
        within = await self.releases()
        recordings = {uuid.UUID(text) for text in query.recordings}
        releases = {uuid.UUID(text) for text in query.releases} & set(within)
        try:
            held = await self._store.variants_offered(
                recordings=recordings, releases=releases, within=within, limit=MAX_VARIANTS_PER_RESPONSE + 1
            )
        except DomainError:
            held = []
        offers = [_offer(variant) for variant in held]
        known = {(offer.recording, offer.payload_root) for offer in offers}
        for one in self._arriving():
            asked = one.recording_mbid in recordings or releases & set(one.release_mbids)
            if (
                asked
                and set(one.release_mbids) & set(within)
                and (str(one.recording_mbid), one.payload_root) not in known
            ):
                offers.append(_partial_offer(one))
        if query.preferred_profile is not None:
            offers.sort(key=lambda offer: offer.profile != query.preferred_profile)
        return MbidResponse(
            variants=tuple(offers[:MAX_VARIANTS_PER_RESPONSE]),
            more=len(offers) > MAX_VARIANTS_PER_RESPONSE,
            in_reply_to=query.message_id,
        )

    async def descriptor(self, release_mbid: uuid.UUID) -> MbidSwarmDescriptor | None:
        """What we hold of a release; None when that is nothing, or not to be told."""
        if release_mbid not in await self.releases():
            return None
        held = await self._store.release_offered(release_mbid)
        if held is None:
            return None
        return _descriptor(held, upload_kbps=self._config.upload_kbps, upload_slots=self._config.upload_slots)


def _offer(variant: HeldVariant) -> VariantOffer:
    return VariantOffer(
        recording=str(variant.recording_mbid),
        profile=variant.profile,
        size=variant.payload_bytes,
        payload_format=variant.payload_format,
        payload_root=variant.payload_root,
        verified=variant.verified,
        quality_score=variant.quality_score,
        facts=stated_facts(duration_ms=variant.duration_ms or None, suspect=variant.transcode_suspect) or None,
    )


def _partial_offer(one: ArrivingPayload) -> VariantOffer:
    return VariantOffer(
        recording=str(one.recording_mbid),
        profile=one.profile,
        size=one.payload_bytes,
        payload_format=one.payload_format,
        payload_root=one.payload_root,
        state=HaveState.PARTIAL,
    )


def _descriptor(held: HeldRelease, *, upload_kbps: int, upload_slots: int) -> MbidSwarmDescriptor:
    edition = (held.catalogue_number, held.country, held.date, held.medium)
    codecs = {track.variant.profile.partition("-")[0] for track in held.tracks if track.variant is not None}
    complete = all(track.variant is not None for track in held.tracks)
    return MbidSwarmDescriptor(
        release=ReleaseIds(
            mb_release=str(held.release_mbid),
            mb_release_group=str(held.release_group_mbid) if held.release_group_mbid is not None else None,
        ),
        title=held.title[:MAX_TITLE_CHARS],
        artist=held.artist[:MAX_TITLE_CHARS],
        label=held.label[:MAX_TITLE_CHARS] or None,
        mb_label=str(held.label_mbid) if held.label_mbid is not None else None,
        edition=EditionProfile(
            catalogue_number=held.catalogue_number[:64] or None,
            country=held.country[:8] or None,
            date=held.date[:10] or None,
            medium=held.medium[:32] or None,
        )
        if any(edition)
        else None,
        tracks=tuple(_tracks(held)),
        policies=SwarmPolicies(upload_slots=upload_slots, upload_kbps=upload_kbps, max_peers=MAX_PEERS),
        capabilities=tuple(sorted(codecs & {"flac", "mp3"}) + (["complete"] if complete else [])),
    )


def _tracks(held: HeldRelease) -> Iterable[SwarmTrack]:
    for track in held.tracks[:MAX_TRACKS_PER_DESCRIPTOR]:
        variant = track.variant
        if variant is None:
            yield SwarmTrack(
                number=track.number,
                recording=str(track.recording_mbid),
                state=TrackState.MISSING,
                duration_ms=track.duration_ms,
            )
        else:
            yield SwarmTrack(
                number=track.number,
                recording=str(track.recording_mbid),
                state=TrackState.COMPLETE,
                duration_ms=variant.duration_ms or track.duration_ms,
                size=variant.payload_bytes,
                profile=variant.profile,
                payload_format=variant.payload_format,
                payload_root=variant.payload_root,
                quality_score=variant.quality_score,
                facts=stated_facts(suspect=variant.transcode_suspect) or None,
            )
