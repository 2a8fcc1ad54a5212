"""Payloads that can be served: files of the library, and transfers that are still arriving."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from apps.domain.audio.payload import PayloadFacts, PayloadFormat
from apps.domain.contracts.node_work import HeldFile, HeldPayload
from apps.domain.errors import DomainError
from overlay_node.ports import Blob, BlobManifest, BlobSource, Store
from overlay_node.store.piece_store import PieceStore
from overlay_node.swarm.choice import PayloadKey
from overlay_node.swarm.piece_map import ranges_of

log = logging.getLogger(__name__)


class BlobError(DomainError):
    """Bytes that can't be served. Codes: not_found (gone or changed), io_error."""

    default_code = "not_found"


@dataclass(frozen=True, slots=True)
class LibraryBlob:
    """A payload inside a library file, checked to be the file that was hashed each time it is read."""

    manifest: BlobManifest
    file: HeldFile

    def have(self) -> tuple[tuple[int, int], ...]:
        """All of it."""
        return ((0, len(self.manifest.leaf_hashes) // 32),)

    def read(self, offset: int, length: int) -> bytes:
        """Bytes in payload space. A file whose size or time changed is another file."""
        try:
            descriptor = os.open(self.file.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise BlobError("The file is gone.") from error
        except OSError as error:
            raise BlobError("The file can't be opened.", code="io_error", retryable=True) from error
        try:
            if not _unchanged(os.fstat(descriptor), self.file):
                raise BlobError("The file has changed since it was hashed.")
            data = os.pread(descriptor, length, self.file.payload_offset + offset)
        except OSError as error:
            raise BlobError("The file can't be read.", code="io_error", retryable=True) from error
        finally:
            os.close(descriptor)
        if len(data) != length:
            raise BlobError("The file is shorter than it was.")
        return data


class LibraryBlobs:
    """Payloads of the releases that may be offered now. `offered` tells which those are."""

    def __init__(self, store: Store, *, offered: Callable[[], Awaitable[Collection[UUID]]]) -> None:
        self._store: Final = store
        self._offered: Final = offered

    async def open(self, *, payload_format: str, payload_root: bytes) -> Blob | None:
        """The first file that is still as it was."""
        held = await self._store.payload_held(
            payload_format=payload_format, payload_root=payload_root, within=await self._offered()
        )
        if held is None:
            return None
        for file in held.files:
            try:
                if _unchanged(os.stat(file.path), file):  # noqa: PTH116  (paths are raw bytes)
                    return LibraryBlob(_manifest(held), file)
            except OSError:
                continue
        log.info("library_file_changed format=%s root=%s", payload_format, payload_root.hex()[:12])
        return None


@dataclass(frozen=True, slots=True)
class PartialBlob:
    """A payload that is still arriving."""

    store: PieceStore

    @property
    def manifest(self) -> BlobManifest:
        """As proven when the transfer began."""
        manifest = self.store.manifest
        return BlobManifest(
            facts=manifest.facts,
            leaf_bytes=manifest.leaves.leaf_bytes,
            leaf_hashes=manifest.leaves.pack(),
            preamble=manifest.preamble,
        )

    def have(self) -> tuple[tuple[int, int], ...]:
        """Leaves written so far."""
        return ranges_of(self.store.written())

    def read(self, offset: int, length: int) -> bytes:
        """Bytes in payload space, of written leaves."""
        return self.store.read(offset, length)


class PartialBlobs:
    """Payloads of this node's own transfers, from their first leaf until their folder goes."""

    def __init__(self) -> None:
        self._stores: dict[PayloadKey, PieceStore] = {}

    def add(self, key: PayloadKey, store: PieceStore) -> None:
        """The transfer has its manifest."""
        self._stores[key] = store

    def remove(self, key: PayloadKey, store: PieceStore) -> None:
        """The transfer's folder is going."""
        if self._stores.get(key) is store:
            del self._stores[key]

    async def open(self, *, payload_format: str, payload_root: bytes) -> Blob | None:
        """None when nothing of it is here."""
        store = self._stores.get(PayloadKey(payload_format, payload_root))
        return PartialBlob(store) if store is not None else None


class ChainedBlobs:
    """Several sources, asked in order: whole files before partial ones."""

    def __init__(self, *sources: BlobSource) -> None:
        self._sources: Final = sources

    async def open(self, *, payload_format: str, payload_root: bytes) -> Blob | None:
        """What the first source has that holds it."""
        for source in self._sources:
            blob = await source.open(payload_format=payload_format, payload_root=payload_root)
            if blob is not None:
                return blob
        return None


def _unchanged(status: os.stat_result, file: HeldFile) -> bool:
    return status.st_size == file.size_bytes and status.st_mtime_ns == file.mtime_ns


def _manifest(held: HeldPayload) -> BlobManifest:
    return BlobManifest(
        facts=PayloadFacts(
            PayloadFormat(held.payload_format), held.payload_bytes, held.rate_hz, held.channels, held.bits
        ),
        leaf_bytes=held.leaf_bytes,
        leaf_hashes=held.leaf_hashes,
        preamble=held.preamble,
    )
