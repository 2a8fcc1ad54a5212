"""Seeders that misbehave, by wrapping what they serve."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from overlay_node.ports import Blob, BlobManifest, BlobSource


@dataclasses.dataclass
class TwistedBlob:
    """A blob whose reads or manifest are altered."""

    inner: Blob
    read_twist: Callable[[int, bytes], bytes] = lambda _offset, data: data
    manifest_twist: Callable[[BlobManifest], BlobManifest] = lambda manifest: manifest
    ranges: tuple[tuple[int, int], ...] | None = None

    @property
    def manifest(self) -> BlobManifest:
        return self.manifest_twist(self.inner.manifest)

    def have(self) -> tuple[tuple[int, int], ...]:
        return self.ranges if self.ranges is not None else self.inner.have()

    def read(self, offset: int, length: int) -> bytes:
        return self.read_twist(offset, self.inner.read(offset, length))

    def read_cached(self, offset: int, target: memoryview) -> bool:
        if not self.inner.read_cached(offset, target):
            return False
        target[:] = self.read_twist(offset, bytes(target))
        return True


@dataclasses.dataclass
class TwistedBlobs:
    """Wraps every blob of a source."""

    inner: BlobSource
    twist: Callable[[Blob], Blob]

    async def open(self, *, payload_format: str, payload_root: bytes) -> Blob | None:
        blob = await self.inner.open(payload_format=payload_format, payload_root=payload_root)
        return self.twist(blob) if blob is not None else None


def twisted(**changes: object) -> Callable[[BlobSource], BlobSource]:
    """For `build_node(blobs=…)`."""
    return lambda inner: TwistedBlobs(inner, lambda blob: TwistedBlob(blob, **changes))  # type: ignore[arg-type]


def corrupt(_offset: int, data: bytes) -> bytes:
    """The same number of wrong bytes."""
    return bytes([data[0] ^ 0xFF]) + data[1:]


class CorruptEvery:
    """Corrupts every n-th answer."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.count = 0

    def __call__(self, offset: int, data: bytes) -> bytes:
        self.count += 1
        return corrupt(offset, data) if self.count % self.every == 0 else data
