"""What the node's services need of the world, as typed protocols: rows, bytes to serve, rendezvous.

Each has a real implementation and a fake that passes the same contract tests. Values are those of `apps.domain.contracts.node_work`.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from apps.domain.audio.payload import PayloadFacts
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
from apps.domain.contracts.soulseek_traffic import FairnessReport, JobHunt, TrafficBatch, TrafficGlance
from apps.domain.jobs.lifecycle import TransferRole, TransferState
from apps.domain.soulseek.fairness import Traffic


class TrafficRows(Protocol):
    """The ledger of bytes and what the fairness governor did. Raises DomainError `store_unavailable` (retryable)."""

    async def traffic_add(self, batch: TrafficBatch) -> None:
        """Per hour, per job, per peer, in one transaction. A batch whose (boot_id, number) was written before changes nothing."""

    async def traffic_forget(self, now: datetime) -> int:
        """Remove hours and actions past their retention; totals per peer and job stay."""

    async def traffic_glance(self, now: datetime) -> TrafficGlance:
        """Rolling windows up to `now`, as far as they are written."""

    async def jobs_traffic(self, job_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Traffic]:
        """What these jobs took, ever; those without a byte are left out."""

    async def jobs_hunts(self, job_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, JobHunt]:
        """How these are looked for on Soulseek; those that nobody looks for are left out."""

    async def fairness_record(self, reports: Sequence[FairnessReport]) -> None:
        """What the governor did."""

    async def fairness_last(self) -> FairnessReport | None:
        """What it did last to the whole node: it goes on from there after a restart."""


class Store(Protocol):
    """The rows. One call = one transaction, calls are carried out in the order in which they were made.

    Raises DomainError `store_unavailable` (retryable) when the database can't be reached.
    """

    @property
    def ledger(self) -> TrafficRows:
        """Bytes and fairness."""

    async def work(self) -> NodeWork:
        """Everything wanted and under way."""

    async def want_progress(self, reports: Sequence[WantReport]) -> None: ...

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
        """`choice`: why this payload. None when the want is not active any more, or has a live transfer (a fallback: none that is fetching
        another payload)."""

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
        """The proven sizes; `preamble` = BLAKE3 in hex."""

    async def transfers_progress(self, reports: Sequence[ProgressReport]) -> None: ...

    async def transfer_sampled(self, transfer_id: uuid.UUID, *, path: str, sample_bytes: int) -> bool:
        """The first bytes of the file at `path` can be fingerprinted while the rest is fetched."""

    async def transfer_assembled(self, report: ProgressReport, *, path: str) -> bool:
        """False while another file of the want waits for its verdict: the transfer stays as it is."""

    async def transfer_ended(
        self, transfer_id: uuid.UUID, *, state: TransferState, code: str, report: ProgressReport | None = None
    ) -> bool: ...

    async def transfer_blocked(self, transfer_id: uuid.UUID, *, code: str) -> None: ...

    async def transfer_refetch(self, transfer_id: uuid.UUID) -> bool: ...

    async def verdict_apply(self, transfer_id: uuid.UUID) -> VerdictApplied | None:
        """None: too late, or there is no verdict. A fallback that is left becomes the primary."""

    async def denials_apply(self) -> tuple[str, ...]:
        """Charge whoever claimed payloads that were denied by a later look; returns who."""

    async def transfers_keeping_files(self) -> frozenset[uuid.UUID]: ...

    async def transfer_givers(self, transfer_id: uuid.UUID) -> dict[str, int]:
        """Peer of the mesh → bytes of it that are in the file, as last reported."""

    async def claims_record(self, claims: Sequence[ClaimReport]) -> None: ...

    async def claims_of(self, recording_mbid: uuid.UUID) -> list[KnownClaim]: ...

    async def claims_delivery(self, reports: Sequence[DeliveryReport]) -> None:
        """Whether peers had what they claim to have."""

    async def payloads_measured(self, keys: Collection[tuple[str, bytes]]) -> list[MeasuredPayload]:
        """What this node found out itself of these (format, root)."""

    async def addresses_of(self, peers: Collection[str], *, limit: int) -> list[KnownAddress]:
        """Where these peers answered, or are said to be; those that answered last first."""

    async def addresses_tried(self, tries: Sequence[AddressTried]) -> None:
        """What came of dialling."""

    async def advert_record(self, report: AdvertReport) -> bool:
        """One part, within quotas. False: the snapshot it follows on is not here any more."""

    async def advert_renew(self, peer: str, *, ttl_s: int) -> bool:
        """False: what the peer told is not here any more."""

    async def adverts_expire(self) -> int: ...

    async def advert_held(self, peer: str) -> AdvertHeld | None: ...

    async def sources_advertised(self, recordings: Collection[uuid.UUID]) -> AdvertisedSources: ...

    async def labels_heard(self, reports: Sequence[ReleaseSighted]) -> None:
        """Peers told of releases and their labels; within quotas."""

    async def labels_advertised(self, peer: str) -> None:
        """What a peer advertises is written down: the releases that it covers were heard of now."""

    async def labels_recount(self, *, limit: int) -> int:
        """Count figures that are due; fewer than `limit`: nothing more is."""

    async def labels_expire(self) -> int: ...

    async def peer_met(self, report: PeerReport) -> None: ...

    async def peer_charge(
        self, key: str, *, bad_leaves: int = 0, violations: int = 0, banned_for_s: float = 0.0
    ) -> None: ...

    async def bans(self) -> dict[str, float]: ...

    async def peer_histories(self, keys: Collection[str]) -> list[PeerHistory]:
        """What rows hold of these peers; those never met are left out."""

    async def peer_metrics_record(self, reports: Sequence[PeerMetricsReport]) -> None: ...

    async def wrong_claims_of(self, keys: Collection[str]) -> dict[str, int]:
        """Wrong claims ever, of those that made any."""

    async def reputations_fade(self, *, now: datetime, older_than: timedelta) -> int:
        """Score anew what was scored so long ago; how many rows (a bounded number at once)."""

    async def known_addresses(self, *, limit: int) -> list[KnownAddress]: ...

    async def seeded_releases(self) -> list[uuid.UUID]: ...

    async def releases_worked_on(self) -> list[uuid.UUID]: ...

    async def announcements_sync(self, releases: Sequence[uuid.UUID]) -> list[AnnouncedRelease]: ...

    async def announcement_done(self, release_mbid: uuid.UUID, *, stored_at: int) -> None: ...

    async def variants_offered(
        self,
        *,
        recordings: Collection[uuid.UUID],
        releases: Collection[uuid.UUID],
        within: Collection[uuid.UUID],
        limit: int,
    ) -> list[HeldVariant]: ...

    async def release_offered(self, release_mbid: uuid.UUID) -> HeldRelease | None: ...

    async def payload_held(
        self, *, payload_format: str, payload_root: bytes, within: Collection[uuid.UUID]
    ) -> HeldPayload | None: ...

    async def heartbeat(self, beat: Heartbeat) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobManifest:
    """What a seeder says of a payload before it serves it."""

    facts: PayloadFacts
    leaf_bytes: int
    leaf_hashes: bytes
    """32 bytes a leaf"""
    preamble: bytes


class Blob(Protocol):
    """The bytes of one payload, whole or in part. `read` may block: it is called in a thread."""

    @property
    def manifest(self) -> BlobManifest: ...

    def have(self) -> tuple[tuple[int, int], ...]:
        """Leaves that can be read now, half-open ranges."""

    def read(self, offset: int, length: int) -> bytes:
        """Bytes in payload space. Raises DomainError: `not_found` (the file is gone or changed, or the leaf is not held), `io_error`."""

    def read_cached(self, offset: int, target: memoryview) -> bool:
        """Fill `target` with the bytes from `offset` on, without ever waiting for a disk; in the loop's thread.

        False: they don't lie in memory, or nobody can tell: use `read`. Raises DomainError as `read`.
        """


class BlobSource(Protocol):
    """Where payloads to serve come from. The demo's corrupting peer wraps one."""

    async def open(self, *, payload_format: str, payload_root: bytes) -> Blob | None:
        """None when the payload is not held here, or may not be served."""


class Rendezvous(Protocol):
    """The DHT. Raises DomainError when nobody answers."""

    async def get_peers(self, key: bytes) -> list[tuple[str, int]]: ...

    async def announce(self, key: bytes, port: int) -> int:
        """Number of nodes that store it."""
