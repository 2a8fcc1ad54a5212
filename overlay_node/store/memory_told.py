"""What peers told, in memory: claims, adverts, releases of labels."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence

from apps.domain.contracts.label_work import ReleaseSighted
from apps.domain.contracts.node_work import (
    AdvertHeld,
    AdvertisedSources,
    AdvertReport,
    ClaimReport,
    KnownAddress,
)
from apps.domain.mesh.claims import stated_facts
from overlay_node.store.memory_rows import AdvertRow, PeerRow


class MemoryTold:
    """The part of `MemoryStore` that remembers what peers said they have. No time passes here and there are no quotas."""

    def __init__(self) -> None:
        self.peers: dict[str, PeerRow] = {}
        self.claims: dict[tuple[str, uuid.UUID, str, bytes], tuple[ClaimReport, str]] = {}
        self.adverts: dict[str, AdvertRow] = {}
        self.sighted: dict[tuple[str, uuid.UUID], ReleaseSighted] = {}
        """by peer and release, as told"""
        self.labels_due = 0

    async def advert_record(self, report: AdvertReport) -> bool:
        """One part of what a peer tells that it holds. No quotas here: nobody hostile tells a test's memory more than it can bear."""
        self._peer(report.peer)
        if report.peer not in self.adverts and not (report.full and report.first):
            return False
        row = self.adverts.setdefault(report.peer, AdvertRow())
        if report.full and report.first:
            if not row.whole:
                row.variants = {name: pair for name, pair in row.variants.items() if pair[0] != row.generation}
            row.generation += 1
        row.group, row.whole = report.group, report.last
        row.held = AdvertHeld(bundle_id=report.bundle_id, sequence=report.sequence)
        row.variants.update({one.variant_id: (row.generation, one) for one in report.variants})
        for variant_id in report.withdrawn:
            row.variants.pop(variant_id, None)
        if report.full and report.last:
            row.variants = {name: pair for name, pair in row.variants.items() if pair[0] == row.generation}
        return True

    async def advert_renew(self, peer: str, *, ttl_s: int) -> bool:
        """No time passes here."""
        return peer in self.adverts

    async def adverts_expire(self) -> int:
        """No time passes here."""
        return 0

    async def advert_held(self, peer: str) -> AdvertHeld | None:
        """How far a peer's adverts are written down."""
        row = self.adverts.get(peer)
        return row.held if row is not None and row.whole else None

    async def sources_advertised(self, recordings: Collection[uuid.UUID]) -> AdvertisedSources:
        """What adverts say of some recordings."""
        wanted = set(recordings)
        claims = [
            ClaimReport(
                peer=peer,
                group=row.group,
                recording_mbid=one.recording_mbid,
                payload_format=one.payload_format,
                payload_root=one.payload_root,
                profile=one.profile,
                payload_bytes=one.payload_bytes,
                complete=True,
                facts=stated_facts(
                    duration_ms=one.duration_ms, suspect=one.transcode_suspect, quality_score=one.quality_score
                ),
            )
            for peer, row in self.adverts.items()
            for _, one in row.variants.values()
            if one.recording_mbid in wanted
        ]
        refuted = {key for key, kept in self.claims.items() if kept[1] == "refuted"}
        believed = [
            one for one in claims if (one.peer, one.recording_mbid, one.payload_format, one.payload_root) not in refuted
        ]
        places = [(one.peer, self._peer(one.peer).address) for one in believed]
        return AdvertisedSources(
            claims=tuple(believed),
            addresses=tuple(
                KnownAddress(peer=peer, host=place[0], port=place[1])
                for peer, place in dict.fromkeys(places)
                if place is not None
            ),
        )

    async def labels_heard(self, reports: Sequence[ReleaseSighted]) -> None:
        """What peers told last of releases. No quotas and no catalogue here."""
        for one in reports:
            self._peer(one.peer)
            self.sighted[one.peer, one.release_mbid] = one
            self.labels_due += 1

    async def labels_advertised(self, peer: str) -> None:
        """Nothing here knows which releases recordings are on."""
        self._peer(peer)

    async def labels_recount(self, *, limit: int) -> int:
        """No figures are kept here."""
        counted, self.labels_due = min(limit, self.labels_due), max(self.labels_due - limit, 0)
        return counted

    async def labels_expire(self) -> int:
        """No time passes here."""
        return 0

    def _peer(self, key: str) -> PeerRow:
        return self.peers.setdefault(key, PeerRow())
