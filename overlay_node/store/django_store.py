"""The mesh's rows behind the `Store` port.

Calls are carried out by one `DatabaseThread`, in the order in which they were made. Nothing of Django leaves this module: values in, values out.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

from apps.domain.contracts.label_work import ReleaseSighted
from apps.domain.contracts.node_work import (
    AddressTried,
    AdvertHeld,
    AdvertisedSources,
    AdvertReport,
    AnnouncedRelease,
    ClaimReport,
    DeliveryReport,
    Heartbeat,
    HeldPayload,
    HeldRelease,
    HeldVariant,
    KnownAddress,
    KnownClaim,
    MeasuredPayload,
    NodeWork,
    PeerReport,
    ProgressReport,
    TransferWork,
    VerdictApplied,
    WantReport,
)
from apps.domain.contracts.peer_work import PeerHistory, PeerMetricsReport
from apps.domain.jobs.lifecycle import TransferRole, TransferState
from apps.domain.mesh.claims import measured_facts
from apps.library import measured
from apps.library import node_selectors as library
from apps.mesh import selectors as mesh_selectors
from apps.mesh import selectors_adverts, services_adverts, services_labels
from apps.mesh import services as mesh
from apps.nodelink import services as nodelink
from apps.peers import node_addresses as addresses
from apps.peers import selectors as peers_selectors
from apps.peers import selectors_metrics as metrics_selectors
from apps.peers import services as peers
from apps.peers import services_metrics as peer_metrics
from apps.transfers import node_services as transfers
from overlay_node.store.database_thread import DatabaseThread
from overlay_node.store.soulseek.traffic import DjangoTraffic

T = TypeVar("T")


class DjangoStore:
    """See `overlay_node.ports.Store`. Django must be set up before the first call."""

    def __init__(self, database: DatabaseThread | None = None) -> None:
        self.database: Final = database or DatabaseThread()
        self.ledger: Final = DjangoTraffic(self.database)

    # ---- transfers and wants

    async def work(self) -> NodeWork:
        """Everything wanted and under way."""
        return await self._read(transfers.node_work)

    async def want_progress(self, reports: Sequence[WantReport]) -> None:
        """What the node does for wants."""

        def write() -> None:
            for report in reports:
                transfers.want_progress(report)

        await self._run(write)

    async def transfer_start(
        self,
        want_id: uuid.UUID,
        *,
        payload_format: str,
        payload_root: bytes,
        profile: str,
        payload_bytes: int,
        leaf_bytes: int,
        role: TransferRole = TransferRole.PRIMARY,
        choice: Mapping[str, object] | None = None,
    ) -> TransferWork | None:
        """A payload was chosen, with its event."""
        return await self._run(
            functools.partial(
                transfers.transfer_start,
                want_id,
                payload_format=payload_format,
                payload_root=payload_root,
                profile=profile,
                payload_bytes=payload_bytes,
                leaf_bytes=leaf_bytes,
                role=role,
                choice=choice,
            )
        )

    async def transfer_manifest(
        self,
        transfer_id: uuid.UUID,
        *,
        payload_bytes: int,
        leaf_bytes: int,
        preamble_bytes: int,
        preamble: str,
        preamble_from: str,
    ) -> bool:
        """The proven sizes."""
        return await self._run(
            functools.partial(
                transfers.transfer_manifest,
                transfer_id,
                payload_bytes=payload_bytes,
                leaf_bytes=leaf_bytes,
                preamble_bytes=preamble_bytes,
                preamble=preamble,
                preamble_from=preamble_from,
            )
        )

    async def transfers_progress(self, reports: Sequence[ProgressReport]) -> None:
        """How far running transfers are."""
        await self._run(functools.partial(transfers.transfers_progress, reports))

    async def transfer_sampled(self, transfer_id: uuid.UUID, *, path: str, sample_bytes: int) -> bool:
        """The beginning can be fingerprinted, with its event."""
        return await self._run(
            functools.partial(transfers.transfer_sampled, transfer_id, path=path, sample_bytes=sample_bytes)
        )

    async def transfer_assembled(self, report: ProgressReport, *, path: str) -> bool:
        """The file stands complete, with its event."""
        return await self._run(functools.partial(transfers.transfer_assembled, report, path=path))

    async def transfer_ended(
        self, transfer_id: uuid.UUID, *, state: TransferState, code: str, report: ProgressReport | None = None
    ) -> bool:
        """Stopped or failed, with its event."""
        return await self._run(
            functools.partial(transfers.transfer_ended, transfer_id, state=state, code=code, report=report)
        )

    async def transfer_blocked(self, transfer_id: uuid.UUID, *, code: str) -> None:
        """Can't go on for now, or can again (empty code)."""
        await self._run(functools.partial(transfers.transfer_blocked, transfer_id, code=code))

    async def transfer_refetch(self, transfer_id: uuid.UUID) -> bool:
        """Back to fetching: the assembled file is gone or damaged."""
        return await self._run(functools.partial(transfers.transfer_refetch, transfer_id))

    async def verdict_apply(self, transfer_id: uuid.UUID) -> VerdictApplied | None:
        """Act on a verdict, once."""

        def apply() -> VerdictApplied | None:
            key = transfers.transfer_payload(transfer_id)
            found = measured.payloads_measured([key]) if key is not None else []
            return transfers.verdict_apply(transfer_id, measured=measured_facts(found[0]) if found else None)

        return await self._run(apply)

    async def denials_apply(self) -> tuple[str, ...]:
        """Charge whoever claimed what a later look denied."""
        return await self._run(transfers.denials_apply)

    async def transfers_keeping_files(self) -> frozenset[uuid.UUID]:
        """Whose partial folder is still needed."""
        return await self._read(transfers.transfers_keeping_files)

    async def transfer_givers(self, transfer_id: uuid.UUID) -> dict[str, int]:
        """Who of the mesh gave how much so far."""
        return await self._read(lambda: transfers.transfer_givers(transfer_id))

    # ---- claims and peers

    async def claims_record(self, claims: Sequence[ClaimReport]) -> None:
        """Keep what peers said."""

        def write() -> None:
            mesh.claims_record(claims, peer_ids=peers.peer_ids({claim.peer for claim in claims}))

        if claims:
            await self._run(write)

    async def claims_of(self, recording_mbid: uuid.UUID) -> list[KnownClaim]:
        """What peers claim to be a recording."""
        return await self._read(functools.partial(mesh_selectors.claims_of, recording_mbid))

    async def claims_delivery(self, reports: Sequence[DeliveryReport]) -> None:
        """Whether peers had what they claim to have."""
        if reports:
            await self._run(functools.partial(mesh.claims_delivery, reports))

    async def payloads_measured(self, keys: Collection[tuple[str, bytes]]) -> list[MeasuredPayload]:
        """What this node found out itself."""
        return await self._read(functools.partial(measured.payloads_measured, keys)) if keys else []

    async def addresses_of(self, peers: Collection[str], *, limit: int) -> list[KnownAddress]:
        """Where these peers are."""
        return await self._read(functools.partial(addresses.addresses_of, peers, limit=limit)) if peers else []

    async def addresses_tried(self, tries: Sequence[AddressTried]) -> None:
        """What came of dialling; also when nobody was dialled, because it bounds what was only heard of."""
        await self._run(functools.partial(addresses.addresses_tried, tries))

    async def advert_record(self, report: AdvertReport) -> bool:
        """One part of what a peer tells that it holds."""

        def write() -> bool:
            return services_adverts.advert_record(report, peer_id=peers.peer_ids({report.peer})[report.peer])

        return await self._run(write)

    async def advert_renew(self, peer: str, *, ttl_s: int) -> bool:
        """What a peer told stays good for longer."""

        def write() -> bool:
            return services_adverts.advert_renew(peer_id=peers.peer_ids({peer})[peer], ttl_s=ttl_s)

        return await self._run(write)

    async def adverts_expire(self) -> int:
        """Forget what nobody renewed."""
        return await self._run(services_adverts.adverts_expire)

    async def advert_held(self, peer: str) -> AdvertHeld | None:
        """How far a peer's adverts are written down."""
        return await self._read(functools.partial(selectors_adverts.advert_held, peer))

    async def sources_advertised(self, recordings: Collection[uuid.UUID]) -> AdvertisedSources:
        """What adverts say of some recordings."""
        return await self._read(functools.partial(selectors_adverts.sources_advertised, recordings))

    async def labels_heard(self, reports: Sequence[ReleaseSighted]) -> None:
        """Peers told of releases and their labels."""

        def write() -> int:
            return services_labels.labels_heard(reports, peer_ids=peers.peer_ids({one.peer for one in reports}))

        if reports:
            await self._run(write)

    async def labels_advertised(self, peer: str) -> None:
        """The releases that a peer's advert covers were heard of now."""

        def write() -> int:
            return services_labels.labels_advertised(peers.peer_ids({peer})[peer], peer=peer)

        await self._run(write)

    async def labels_recount(self, *, limit: int) -> int:
        """Count figures that are due."""
        return await self._run(functools.partial(services_labels.labels_recount, limit=limit))

    async def labels_expire(self) -> int:
        """Forget what was not heard of for long."""
        return await self._run(services_labels.labels_expire)

    async def peer_met(self, report: PeerReport) -> None:
        """A peer proved its key."""

        def write() -> None:
            peers.peer_met(report)

        await self._run(write)

    async def peer_charge(
        self, key: str, *, bad_leaves: int = 0, violations: int = 0, banned_for_s: float = 0.0
    ) -> None:
        """Count a peer's faults."""
        await self._run(
            functools.partial(
                peers.peer_charge, key, bad_leaves=bad_leaves, violations=violations, banned_for_s=banned_for_s
            )
        )

    async def bans(self) -> dict[str, float]:
        """Peers that are shut out, and for how many seconds more."""
        return await self._read(peers_selectors.bans)

    async def peer_histories(self, keys: Collection[str]) -> list[PeerHistory]:
        """What rows hold of these peers."""
        return await self._read(functools.partial(metrics_selectors.peer_histories, keys)) if keys else []

    async def peer_metrics_record(self, reports: Sequence[PeerMetricsReport]) -> None:
        """Absolute numbers, in place of what was there."""
        if reports:
            await self._run(functools.partial(peer_metrics.peer_metrics_record, reports))

    async def wrong_claims_of(self, keys: Collection[str]) -> dict[str, int]:
        """Wrong claims ever, of those that made any."""
        return await self._read(functools.partial(metrics_selectors.wrong_claims_of, keys)) if keys else {}

    async def reputations_fade(self, *, now: datetime, older_than: timedelta) -> int:
        """Score anew what was scored so long ago."""
        return await self._run(functools.partial(peer_metrics.reputations_fade, now=now, older_than=older_than))

    async def known_addresses(self, *, limit: int) -> list[KnownAddress]:
        """Where peers answered before."""
        return await self._read(functools.partial(peers_selectors.known_addresses, limit=limit))

    # ---- what we offer

    async def seeded_releases(self) -> list[uuid.UUID]:
        """Releases chosen by hand."""
        return await self._read(mesh_selectors.seeded_releases)

    async def releases_worked_on(self) -> list[uuid.UUID]:
        """Releases of active wants."""
        return await self._read(transfers.releases_worked_on)

    async def announcements_sync(self, releases: Sequence[uuid.UUID]) -> list[AnnouncedRelease]:
        """The announced set and its sticky slots."""
        return await self._run(functools.partial(mesh.announcements_sync, releases))

    async def announcement_done(self, release_mbid: uuid.UUID, *, stored_at: int) -> None:
        """A release was announced."""
        await self._run(functools.partial(mesh.announcement_done, release_mbid, stored_at=stored_at))

    async def variants_offered(
        self,
        *,
        recordings: Collection[uuid.UUID],
        releases: Collection[uuid.UUID],
        within: Collection[uuid.UUID],
        limit: int,
    ) -> list[HeldVariant]:
        """Payloads held of what was asked for, as far as they belong to a release of `within`."""
        return await self._read(
            functools.partial(
                library.variants_offered, recordings=recordings, releases=releases, within=within, limit=limit
            )
        )

    async def release_offered(self, release_mbid: uuid.UUID) -> HeldRelease | None:
        """A release with the payloads held of its tracks."""
        return await self._read(functools.partial(library.release_offered, release_mbid))

    async def payload_held(
        self, *, payload_format: str, payload_root: bytes, within: Collection[uuid.UUID]
    ) -> HeldPayload | None:
        """What is needed to serve a payload of a release of `within`."""
        return await self._read(
            functools.partial(
                library.payload_held, payload_format=payload_format, payload_root=payload_root, within=within
            )
        )

    async def heartbeat(self, beat: Heartbeat) -> None:
        """The node is alive."""
        await self._run(functools.partial(nodelink.heartbeat_record, beat))

    async def close(self) -> None:
        """Carry out what waits, close the thread's connection, end the thread."""
        await self.database.close()

    # ---- private

    async def _run(self, step: Callable[[], T]) -> T:
        return await self.database.run(step)

    async def _read(self, step: Callable[[], T]) -> T:
        return await self.database.read(step)
