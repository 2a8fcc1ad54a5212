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
from overlay_node.store.open_files import OpenFile, OpenFiles, read_now
from overlay_node.store.piece_store import PieceStore
from overlay_node.swarm.choice import PayloadKey
from overlay_node.swarm.piece_map import ranges_of

log = logging.getLogger(__name__)

FILE_KEPT_S: Final = 30.0  # a library file stays open that long after its last read


class BlobError(DomainError):
    """Bytes that can't be served. Codes: not_found (gone or changed), io_error."""

    default_code = "not_found"


@dataclass(frozen=True, slots=True)
class LibraryBlob:
    """A payload inside a library file, checked to be the file that was hashed each time it is read."""

    manifest: BlobManifest
    file: HeldFile
    files: OpenFiles
    clock: Callable[[], float]

    def have(self) -> tuple[tuple[int, int], ...]:
        """All of it."""
        return ((0, len(self.manifest.leaf_hashes) // 32),)

    def read(self, offset: int, length: int) -> bytes:
        """Bytes in payload space, in a thread: the table of open files is the loop's, so this one opens the file for itself."""
        try:
            opened = OpenFile(self.file.path)
            self._check(opened)
            data = os.pread(opened.descriptor, length, self.file.payload_offset + offset)
        except OSError as error:
            raise _translated(error) from error
        if len(data) != length:
            raise BlobError("The file is shorter than it was.")
        return data

    def read_cached(self, offset: int, target: memoryview) -> bool:
        """See Blob. A file whose size or time changed is another file."""
        try:
            opened = self.files.get(self.file.path, self.clock())
            self._check(opened)
            return read_now(opened.descriptor, target, self.file.payload_offset + offset, device=opened.device)
        except OSError as error:
            self.files.drop(self.file.path)
            raise _translated(error) from error
        except BlobError:
            self.files.drop(self.file.path)
            raise

    def _check(self, opened: OpenFile) -> None:
        if not opened.unchanged(self.file.size_bytes, self.file.mtime_ns):
            raise BlobError("The file has changed since it was hashed.")


class LibraryBlobs:
    """Payloads of the releases that may be offered now. `offered` tells which those are; `clock` is monotonic seconds."""

    def __init__(
        self,
        store: Store,
        *,
        offered: Callable[[], Awaitable[Collection[UUID]]],
        clock: Callable[[], float],
    ) -> None:
        self._store: Final = store
        self._offered: Final = offered
        self._clock: Final = clock
        self._files: Final = OpenFiles()

    def close_idle(self) -> None:
        """Close files that nobody read for a while; to be called every few seconds."""
        self._files.close_idle(self._clock() - FILE_KEPT_S)

    def close(self) -> None:
        """Close all files. What is read later opens them again."""
        self._files.close()

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
                    return LibraryBlob(_manifest(held), file, self._files, self._clock)
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

    def read_cached(self, offset: int, target: memoryview) -> bool:
        """See Blob."""
        return self.store.read_cached(offset, target)


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


def _translated(error: OSError) -> BlobError:
    if isinstance(error, FileNotFoundError):
        return BlobError("The file is gone.")
    return BlobError("The file can't be read.", code="io_error", retryable=True)


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
