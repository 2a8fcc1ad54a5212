"""A store of the node with a look at its rows, and the control plane's hand: in memory or over Django."""

from __future__ import annotations

import asyncio
import hashlib
import os
import uuid
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from apps.domain.audio.payload import LEAF_BYTES
from apps.domain.contracts.node_work import (
    ClaimReport,
    HeldFile,
    HeldPayload,
    HeldVariant,
    ProgressReport,
    RateLimitWork,
    TransferWork,
    WantWork,
)
from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.lifecycle import WantDesired
from overlay_node.ports import Store
from overlay_node.store.memory_rows import LibraryEntry
from overlay_node.store.memory_store import MemoryStore

T = TypeVar("T")
RECORDING, RELEASE, OTHER = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
ROOT = hashlib.sha256(b"root").digest()
PATH = os.fsencode("/music/a.flac")


class Rows(Protocol):
    """The control plane's hand, and a look at the rows."""

    def want_put(self, **changes: Any) -> uuid.UUID: ...
    def want_move(self, want_id: uuid.UUID, desired: WantDesired) -> None: ...
    def verdict_put(self, transfer_id: uuid.UUID, *, accepted: bool, code: str) -> None: ...
    def events(self) -> list[tuple[str, uuid.UUID]]: ...
    def transfer(self, transfer_id: uuid.UUID) -> tuple[str, str, int, str]: ...
    def sources(self, transfer_id: uuid.UUID) -> dict[str, tuple[int, int]]: ...
    def peer(self, key: str) -> tuple[int, int, int]: ...
    def traffic(self, key: str, direction: str) -> int: ...
    def reputation(self, key: str) -> float: ...
    def progress(self, want_id: uuid.UUID) -> tuple[str, str, int]: ...
    def seed(self, release: uuid.UUID) -> None: ...
    def hold(self, release: uuid.UUID, recording: uuid.UUID) -> None: ...
    def beats(self) -> list[str]: ...
    def limit(self, scope: str, key: str, direction: str, kbps: int | None) -> None: ...


class MemoryRows:
    def __init__(self, store: MemoryStore) -> None:
        self.store = store

    def limit(self, scope: str, key: str, direction: str, kbps: int | None) -> None:
        target = (scope, key, direction)
        self.store.limits = [one for one in self.store.limits if (one.scope, one.key, one.direction) != target]
        if kbps is not None:
            self.store.limits.append(RateLimitWork(scope=scope, key=key, direction=direction, kbps=kbps))

    def want_put(self, **changes: Any) -> uuid.UUID:
        want = WantWork(
            id=uuid.uuid4(),
            recording_mbid=RECORDING,
            release_mbids=(RELEASE,),
            duration_ms=1000,
            constraints=Constraints(),
            desired=WantDesired.ACTIVE,
            **{"priority": 5, **changes},
        )
        self.store.want_put(want)
        return want.id

    def want_move(self, want_id: uuid.UUID, desired: WantDesired) -> None:
        import dataclasses

        self.store.want_put(dataclasses.replace(self.store.wants[want_id], desired=desired))

    def verdict_put(self, transfer_id: uuid.UUID, *, accepted: bool, code: str) -> None:
        self.store.verdict_put(transfer_id, accepted=accepted, code=code)

    def events(self) -> list[tuple[str, uuid.UUID]]:
        return [(event.kind, event.transfer_id) for event in self.store.events]

    def transfer(self, transfer_id: uuid.UUID) -> tuple[str, str, int, str]:
        row = self.store.transfers[transfer_id]
        return row.work.state.value, row.code, row.verified_bytes, row.path

    def sources(self, transfer_id: uuid.UUID) -> dict[str, tuple[int, int]]:
        found = self.store.transfers[transfer_id].sources
        return {key: (one.verified_bytes, one.bad_leaves) for key, one in found.items()}

    def peer(self, key: str) -> tuple[int, int, int]:
        row = self.store.peers[key]
        return row.bad_leaves, row.wrong_claims, row.violations

    def reputation(self, key: str) -> float:
        return self.store.peers[key].reputation

    def traffic(self, key: str, direction: str) -> int:
        return self.store.ledger.peers["overlay", key, direction]

    def progress(self, want_id: uuid.UUID) -> tuple[str, str, int]:
        row = self.store.progress[want_id]
        return row.phase.value, row.code, row.sources_known

    def seed(self, release: uuid.UUID) -> None:
        self.store.seeded.append(release)

    def hold(self, release: uuid.UUID, recording: uuid.UUID) -> None:
        variant = HeldVariant(
            recording_mbid=recording,
            profile="flac-16-44100-2",
            payload_format="flac",
            payload_root=ROOT,
            payload_bytes=10,
            duration_ms=1000,
            verified=True,
        )
        payload = HeldPayload(
            payload_format="flac",
            payload_root=ROOT,
            payload_bytes=10,
            leaf_bytes=LEAF_BYTES,
            rate_hz=44100,
            channels=2,
            bits=16,
            preamble=b"p" * 42,
            leaf_hashes=b"h" * 32,
            files=(HeldFile(path=PATH, size_bytes=52, mtime_ns=7, payload_offset=42),),
        )
        self.store.library.append(LibraryEntry(release_mbid=release, variant=variant, payload=payload))

    def beats(self) -> list[str]:
        return [beat.boot_id for beat in self.store.beats]


class DjangoRows:
    def limit(self, scope: str, key: str, direction: str, kbps: int | None) -> None:
        from apps.transfers.services_limits import rate_limit_clear, rate_limit_set

        if kbps is None:
            rate_limit_clear(scope, key, direction)
        else:
            rate_limit_set(scope, key, direction, kbps=kbps)

    def want_put(self, **changes: Any) -> uuid.UUID:
        from apps.transfers.services import want_create

        return want_create(
            RECORDING,
            release_mbids=[RELEASE],
            duration_ms=1000,
            constraints=Constraints(),
            requested_by_id=None,
            **changes,
        ).id

    def want_move(self, want_id: uuid.UUID, desired: WantDesired) -> None:
        from apps.transfers.services import wants_move

        assert wants_move([want_id], desired=desired) == 1

    def verdict_put(self, transfer_id: uuid.UUID, *, accepted: bool, code: str) -> None:
        from django.db import transaction

        from apps.domain.jobs.verdicts import DENYING
        from apps.transfers.models import Transfer
        from apps.transfers.services import denial_write, verdict_write, wants_move

        with transaction.atomic():
            verdict_write(transfer_id, accepted=accepted, code=code)
            if accepted:
                want_id = Transfer.objects.get(id=transfer_id).want_id
                wants_move([want_id], desired=WantDesired.SATISFIED)
            elif code in DENYING:
                denial_write(transfer_id, code=code)

    def events(self) -> list[tuple[str, uuid.UUID]]:
        from apps.nodelink.selectors import events_open

        return [(event.kind, uuid.UUID(str(event.payload["transfer_id"]))) for event in events_open()]

    def transfer(self, transfer_id: uuid.UUID) -> tuple[str, str, int, str]:
        from apps.transfers.models import Transfer

        row = Transfer.objects.get(id=transfer_id)
        return row.state, row.code, row.verified_bytes, row.path

    def sources(self, transfer_id: uuid.UUID) -> dict[str, tuple[int, int]]:
        from apps.transfers.models import TransferSource

        rows = TransferSource.objects.filter(transfer_id=transfer_id).select_related("peer")
        return {row.peer.key: (row.verified_bytes, row.bad_leaves) for row in rows}

    def peer(self, key: str) -> tuple[int, int, int]:
        from apps.peers.models import Peer

        row = Peer.objects.get(key=key)
        return row.bad_leaves, row.wrong_claims, row.violations

    def reputation(self, key: str) -> float:
        from apps.peers.models import PeerMetrics

        return PeerMetrics.objects.get(peer__key=key).reputation

    def traffic(self, key: str, direction: str) -> int:
        from apps.peers.models import TrafficLedger

        return TrafficLedger.objects.get(peer__key=key, direction=direction).total_bytes

    def progress(self, want_id: uuid.UUID) -> tuple[str, str, int]:
        from apps.transfers.models import WantProgress

        row = WantProgress.objects.get(want_id=want_id)
        return row.phase, row.code, row.sources_known

    def seed(self, release: uuid.UUID) -> None:
        from apps.mesh.services import release_seed

        assert release_seed(release)

    def hold(self, release: uuid.UUID, recording: uuid.UUID) -> None:
        from apps.library.models import AudioFile, AudioVariant, LibraryRoot

        root, _ = LibraryRoot.objects.get_or_create(path="/music")
        variant = AudioVariant.objects.create(
            payload_format="flac",
            payload_root=ROOT,
            payload_bytes=10,
            leaf_hashes=b"h" * 32,
            preamble=b"p" * 42,
            recording_mbid=recording,
            verified=True,
            profile="flac-16-44100-2",
            container="flac",
            rate_hz=44100,
            channels=2,
            bits=16,
            duration_ms=1000,
        )
        AudioFile.objects.create(
            root=root,
            rel_path=b"a.flac",
            rel_path_hash=hashlib.sha256(b"a.flac").digest(),
            display="a.flac",
            size_bytes=52,
            mtime_ns=7,
            payload_offset=42,
            variant=variant,
            release_mbid=release,
        )

    def beats(self) -> list[str]:
        from apps.nodelink.models import NodeHeartbeat

        return list(NodeHeartbeat.objects.values_list("boot_id", flat=True))


class World:
    """A store, its rows, and a loop to run the store's calls on."""

    def __init__(self, store: Store, rows: Rows) -> None:
        self.store = store
        self.rows = rows
        self.loop = asyncio.new_event_loop()

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(call)

    def start(self, want_id: uuid.UUID) -> TransferWork | None:
        return self.run(
            self.store.transfer_start(
                want_id,
                payload_format="flac",
                payload_root=ROOT,
                profile="flac-16-44100-2",
                payload_bytes=1000,
                leaf_bytes=LEAF_BYTES,
            )
        )

    def claim(self, peer: str, *, complete: bool = True) -> ClaimReport:
        return ClaimReport(
            peer=peer,
            group="127.0.0.0/24",
            recording_mbid=RECORDING,
            payload_format="flac",
            payload_root=ROOT,
            profile="flac-16-44100-2",
            payload_bytes=1000,
            complete=complete,
            facts={"dur_ms": 1000},
        )

    def assembled(self, want_id: uuid.UUID) -> uuid.UUID:
        work = self.start(want_id)
        assert work is not None
        report = ProgressReport(transfer_id=work.id, verified_bytes=1000, refetched_bytes=0, speed_bps=1)
        assert self.run(self.store.transfer_assembled(report, path="/partial/audio.flac"))
        return work.id
