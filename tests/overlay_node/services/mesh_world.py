"""A small mesh on loopback in one process: real TLS, real DHT, real files; rows in memory."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import uuid
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from apps.domain.audio.payload import LEAF_BYTES, PayloadSpan, file_root, find_span_in_bytes
from apps.domain.contracts.node_work import HeldFile, HeldPayload, HeldVariant, WantWork
from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.lifecycle import TransferState, WantDesired
from apps.domain.mesh.policy import Mode
from overlay_node.config import NodeConfig
from overlay_node.dht.config import DhtConfig
from overlay_node.net.dht_udp import Dht
from overlay_node.net.link import Link
from overlay_node.net.reactor import steady_reactor
from overlay_node.ports import BlobSource
from overlay_node.services.root import Node, build_node
from overlay_node.soulseek.ports import SoulseekSupplies
from overlay_node.store.memory_rows import LibraryEntry, TransferRow
from overlay_node.store.memory_store import MemoryStore
from tests.patience import PATIENCE_S

RELEASE = uuid.UUID("11111111-1111-4111-8111-111111111111")
RECORDING = uuid.UUID("22222222-2222-4222-8222-222222222222")
PROFILE = "flac-16-44100-2"


def library_entry(
    path: Path, *, recording: uuid.UUID = RECORDING, release: uuid.UUID = RELEASE, profile: str = PROFILE
) -> LibraryEntry:
    """A file as the library's importer would describe it."""
    data = path.read_bytes()
    span: PayloadSpan = find_span_in_bytes(data)
    root, leaves = file_root(lambda offset, length: data[offset : offset + length], span)
    status = path.stat()
    return LibraryEntry(
        release_mbid=release,
        variant=HeldVariant(
            recording_mbid=recording,
            profile=profile,
            payload_format=span.format.value,
            payload_root=root,
            payload_bytes=span.length,
            duration_ms=10_000,
            verified=False,
        ),
        payload=HeldPayload(
            payload_format=span.format.value,
            payload_root=root,
            payload_bytes=span.length,
            leaf_bytes=LEAF_BYTES,
            rate_hz=span.rate,
            channels=span.channels,
            bits=span.bits,
            preamble=span.preamble,
            leaf_hashes=leaves.pack(),
            files=(
                HeldFile(
                    path=bytes(path),
                    size_bytes=status.st_size,
                    mtime_ns=status.st_mtime_ns,
                    payload_offset=span.offset,
                ),
            ),
        ),
    )


def want(recording: uuid.UUID = RECORDING, **changes: Any) -> WantWork:
    made = WantWork(
        id=uuid.uuid4(),
        recording_mbid=recording,
        release_mbids=(RELEASE,),
        duration_ms=10_000,
        constraints=Constraints(),
        desired=WantDesired.ACTIVE,
        priority=5,
    )
    return dataclasses.replace(made, **changes)


class Balanced:
    """A fairness governor that has nothing to say; `first` are wants that Soulseek should bring."""

    def __init__(self) -> None:
        self.first: set[uuid.UUID] = set()

    def slows(self, _want: WantWork) -> tuple[str, dict[str, Any]]:
        return "", {}

    def holds_back(self, asked: WantWork) -> str:
        return "fairness_soulseek_first" if asked.id in self.first else ""


class MeshWorld:
    """Owns loop, reactor, the DHT's first node and every node that was started."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.loop = asyncio.new_event_loop()
        self.reactor: Any = steady_reactor(self.loop)
        self.bootstrap = Dht(port=0, hosts=("127.0.0.1",), config=DhtConfig().for_private_network())
        self.nodes: dict[str, Node] = {}
        self.hosts = iter(range(2, 250))
        self.run(self.bootstrap.open())

    def run(self, work: Coroutine[Any, Any, Any], *, within_s: float = PATIENCE_S) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(work, within_s))

    async def until(self, condition: Callable[[], object]) -> None:
        """Let the loop turn until something is true (the test's own deadline bounds it)."""
        while not condition():
            await asyncio.sleep(0.005)

    async def start(
        self,
        name: str,
        store: MemoryStore,
        *,
        blobs: Callable[[BlobSource], BlobSource] | None = None,
        supplies: SoulseekSupplies | None = None,
        **changes: Any,
    ) -> Node:
        changes.setdefault("overlay_host", f"127.0.0.{next(self.hosts)}")
        settings: dict[str, Any] = {
            "data_dir": self.root / name,
            "mode": Mode.MESH,
            "overlay_port": 0,
            "allow_private": True,
            "dht_host": changes["overlay_host"],
            "dht_port": 0,
            "dht_bootstrap": (("127.0.0.1", self.bootstrap.port),),
            "network": "public",
            "poll_s": 0.05,
            **changes,
        }
        node = build_node(
            NodeConfig(**settings),
            store=store,
            reactor=self.reactor,
            blobs=blobs,
            rng=random.Random(name),
            soulseek=supplies,
        )
        self.nodes[name] = node
        await node.start()
        return node

    async def seeder(self, name: str, *entries: LibraryEntry, **options: Any) -> Node:
        return await self.start(name, MemoryStore(entries), seed_releases=(RELEASE,), **options)

    async def stop(self, name: str) -> None:
        await self.nodes.pop(name).stop()

    def close(self) -> None:
        async def stop() -> None:
            for node in self.nodes.values():
                await node.stop()
            await self.bootstrap.stop()

        self.run(stop())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


def only_transfer(store: MemoryStore) -> TransferRow:
    assert len(store.transfers) == 1
    return next(iter(store.transfers.values()))


def assembled(store: MemoryStore) -> list[TransferRow]:
    return [row for row in store.transfers.values() if row.work.state is TransferState.ASSEMBLED]


async def link_between(mesh: MeshWorld, asker: Node, asked: Node) -> Link:
    """An open link from one node to another."""
    return await asker.overlay.dial(asked.config.overlay_host, asked.overlay_port).asFuture(mesh.loop)
