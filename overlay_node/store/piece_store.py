"""One payload on disk while it arrives: crash-safe, verified again at every start.

A folder per transfer:

    leaves.bin     facts, preamble and leaf hashes, with a checksum; written whole and fsynced before anything else
    audio.<ext>    preamble + payload, allocated at once; each verified leaf, or those that came together, is one pwritev at its place
    bitmap         which leaves were written, as a hint (not fsynced): the truth is the hash

After a crash every leaf of `audio` is hashed again: what was written counts, whether the hint knew of it or not; a hinted leaf that is wrong
means that the disk lost data, and is told. When the last leaf is there the file is playable as it stands.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from blake3 import blake3

from apps.domain.audio.payload import Leaves, PayloadFacts, PayloadFormat, verify_leaf, verify_manifest
from apps.domain.errors import DomainError
from overlay_node.store.open_files import read_now
from overlay_node.swarm.actions import Manifest

log = logging.getLogger(__name__)

LEAVES_FILE: Final = "leaves.bin"
BITMAP_FILE: Final = "bitmap"
_MAGIC: Final = b"SLKLEAF1"
_CHECK_BYTES: Final = 32
_MAX_LEAVES_FILE: Final = 1 << 20  # 512 KiB of hashes and a header
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
EXTENSIONS: Final = {
    "flac": "flac", "alac": "m4a", "aac": "m4a", "pcm": "wav", "ape": "ape", "wavpack": "wv", "tta": "tta", "tak": "tak",
    "mp3": "mp3", "opus": "opus", "vorbis": "ogg", "wma": "wma", "ac3": "ac3", "musepack": "mpc",
}  # fmt: skip
"""By codec: what a payload taken whole is named while it waits for its verdict."""


class PieceStoreError(DomainError):
    """A partial file can't be written or read. Codes: disk_full (retryable), partial_unreadable, io_error (retryable)."""

    default_code = "io_error"


@dataclass(frozen=True, slots=True)
class Opened:
    """A partial file found on disk."""

    store: PieceStore
    held: frozenset[int]
    damaged: int
    """leaves that were noted as written and do not hash right"""


class PieceStore:
    """The open files of one transfer. Not thread-safe but for reads; `create`, `open` and `finish` block for the disk."""

    def __init__(self, folder: Path, manifest: Manifest, path: Path, descriptor: int, hinted: set[int]) -> None:
        """Use `create` or `open`."""
        self.folder: Final = folder
        self.manifest: Final = manifest
        self.path: Final = path
        self._descriptor = descriptor
        self._device: Final = os.fstat(descriptor).st_dev
        self._closing: Final = threading.Lock()
        self._written = hinted
        self._stale_hint = False

    # ---- beginning

    @classmethod
    def create(cls, folder: Path, manifest: Manifest, *, extension: str) -> Self:
        """Persist the leaf list, then make room for the data. Whatever stood in the folder is gone. Raises PieceStoreError."""
        try:
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir(mode=0o700, parents=True)
            _write_durably(folder / LEAVES_FILE, _pack(manifest, extension))
            path = folder / f"audio.{extension}"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, len(manifest.preamble) + manifest.facts.payload_bytes)
                os.pwrite(descriptor, manifest.preamble, 0)
            except OSError:
                os.close(descriptor)
                raise
            _sync_folder(folder)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise translated_error(error) from error
        return cls(folder, manifest, path, descriptor, set())

    @classmethod
    def open(cls, folder: Path, *, root: bytes) -> Opened | None:
        """Find what an earlier run left, verified leaf by leaf; None when there is nothing usable of that root. Raises PieceStoreError."""
        try:
            packed = (folder / LEAVES_FILE).read_bytes()[: _MAX_LEAVES_FILE + 1]
        except FileNotFoundError:
            return None
        except OSError as error:
            raise translated_error(error) from error
        try:
            manifest, extension = _unpack(packed)
        except (ValueError, KeyError, TypeError, DomainError) as error:
            log.warning("partial_unreadable folder=%s error=%s", folder.name, error)
            return None
        if not verify_manifest(root, manifest.facts, manifest.leaves):
            return None
        path = folder / f"audio.{extension}"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, len(manifest.preamble) + manifest.facts.payload_bytes)
                os.pwrite(descriptor, manifest.preamble, 0)
                hinted = _read_bitmap(folder / BITMAP_FILE, len(manifest.leaves.hashes))
                held = _verify(descriptor, manifest)
            except OSError:
                os.close(descriptor)
                raise
        except OSError as error:
            raise translated_error(error) from error
        damaged = len(hinted - held)
        if damaged:
            log.warning("partial_damaged folder=%s leaves=%d", folder.name, damaged)
        return Opened(cls(folder, manifest, path, descriptor, set(held)), frozenset(held), damaged)

    # ---- data

    def write_leaf(self, leaf: int, offset: int, data: bytes | bytearray | memoryview) -> None:
        """One verified leaf at its place (`offset` in payload space). Raises PieceStoreError; then nothing counts as written.

        Called by the one thread that also closes.
        """
        self.write_leaves(leaf, offset, (data,))

    def write_leaves(self, first: int, offset: int, data: Sequence[bytes | bytearray | memoryview]) -> None:
        """Verified leaves from `first` on, one behind the other, in one system call. Otherwise as `write_leaf`."""
        rest = [memoryview(one) for one in data]
        at = len(self.manifest.preamble) + offset
        try:
            while rest:
                done = os.pwritev(self._descriptor, rest, at)
                at += done
                while rest and done >= len(rest[0]):
                    done -= len(rest.pop(0))
                if rest:
                    rest[0] = rest[0][done:]
        except OSError as error:
            raise translated_error(error) from error
        self._written.update(range(first, first + len(data)))
        self._stale_hint = True

    def read(self, offset: int, length: int) -> bytes:
        """Bytes in payload space, for peers that fetch from us meanwhile. Only ever of written leaves. Raises PieceStoreError."""
        if not self._holds(offset, length):
            raise PieceStoreError("This part of the payload is not here.", code="not_found")
        try:
            # A number of our own: the store may be closed meanwhile, and its number would then be some other file's.
            with self._closing:
                if self._descriptor < 0:
                    raise PieceStoreError("This part of the payload is not here.", code="not_found")
                descriptor = os.dup(self._descriptor)
            try:
                data = os.pread(descriptor, length, len(self.manifest.preamble) + offset)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise translated_error(error) from error
        if len(data) != length:
            raise PieceStoreError("The partial file is shorter than it was.", retryable=True)
        return data

    def read_cached(self, offset: int, target: memoryview) -> bool:
        """As `read`, but never waits for a disk: False when it would have to, or can't tell. Called by the one thread that also closes.

        Raises PieceStoreError.
        """
        if self._descriptor < 0 or not self._holds(offset, len(target)):
            raise PieceStoreError("This part of the payload is not here.", code="not_found")
        try:
            return read_now(self._descriptor, target, len(self.manifest.preamble) + offset, device=self._device)
        except OSError as error:
            raise translated_error(error) from error

    def _holds(self, offset: int, length: int) -> bool:
        leaf_bytes = self.manifest.leaves.leaf_bytes
        leaves = range(offset // leaf_bytes, -(-(offset + length) // leaf_bytes))
        return all(leaf in self._written for leaf in leaves)

    def written(self) -> frozenset[int]:
        """Leaves that are in the file."""
        return frozenset(self._written)

    def save_hint(self) -> None:
        """Write the bitmap if it changed. A failure costs nothing but the hint."""
        if not self._stale_hint:
            return
        count = len(self.manifest.leaves.hashes)
        bits = bytearray(-(-count // 8))
        for leaf in self._written:
            bits[leaf // 8] |= 0x80 >> leaf % 8
        try:
            fresh = self.folder / f"{BITMAP_FILE}.new"
            fresh.write_bytes(bits)
            fresh.replace(self.folder / BITMAP_FILE)
            self._stale_hint = False
        except OSError as error:
            log.debug("bitmap_not_saved folder=%s error=%s", self.folder.name, error)

    # ---- end

    def finish(self) -> Path:
        """Everything is written: make it durable. Returns the playable file. Raises PieceStoreError."""
        try:
            os.fsync(self._descriptor)
            _sync_folder(self.folder)
        except OSError as error:
            raise translated_error(error) from error
        return self.path

    def close(self) -> None:
        """Close the file; may be called twice."""
        with self._closing:
            descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def discard(self) -> None:
        """Close and delete everything."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def extension_of(payload_format: str, profile: str) -> str:
    """What the file is called while it waits: by the payload's format, or by its codec when the payload is the whole file."""
    if payload_format in {PayloadFormat.FLAC, PayloadFormat.MP3}:
        return payload_format
    return EXTENSIONS.get(profile.partition("-")[0], "bin")


def _verify(descriptor: int, manifest: Manifest) -> set[int]:
    """Hash every leaf. One that was never written is zeros, and hashes wrong."""
    leaves, start = manifest.leaves, len(manifest.preamble)
    held = set()
    for leaf, expected in enumerate(leaves.hashes):
        offset = leaf * leaves.leaf_bytes
        data = os.pread(descriptor, min(leaves.leaf_bytes, leaves.payload_bytes - offset), start + offset)
        if verify_leaf(data, expected):
            held.add(leaf)
    return held


def _pack(manifest: Manifest, extension: str) -> bytes:
    facts = manifest.facts
    header = json.dumps(
        {
            "format": facts.format.value,
            "payload_bytes": facts.payload_bytes,
            "rate": facts.rate,
            "channels": facts.channels,
            "bits": facts.bits,
            "leaf_bytes": manifest.leaves.leaf_bytes,
            "preamble": manifest.preamble.hex(),
            "preamble_from": manifest.preamble_from,
            "extension": extension,
        }
    ).encode()
    body = _MAGIC + len(header).to_bytes(4, "big") + header + manifest.leaves.pack()
    return body + blake3(body).digest()


def _unpack(packed: bytes) -> tuple[Manifest, str]:
    """Raises ValueError, KeyError, TypeError or LeavesError for anything `_pack` did not write."""
    body, check = packed[:-_CHECK_BYTES], packed[-_CHECK_BYTES:]
    if not body.startswith(_MAGIC) or blake3(body).digest() != check:
        raise ValueError("not a leaf list, or a damaged one")
    start = len(_MAGIC) + 4
    length = int.from_bytes(body[len(_MAGIC) : start], "big")
    header = json.loads(body[start : start + length])
    extension = str(header["extension"])
    if not extension.isalnum():
        raise ValueError("no extension of ours")
    facts = PayloadFacts(
        PayloadFormat(header["format"]),
        int(header["payload_bytes"]),
        int(header["rate"]),
        int(header["channels"]),
        int(header["bits"]),
    )
    leaves = Leaves.unpack(
        body[start + length :], payload_bytes=facts.payload_bytes, leaf_bytes=int(header["leaf_bytes"])
    )
    preamble = bytes.fromhex(header["preamble"])
    return Manifest(
        facts=facts, leaves=leaves, preamble=preamble, preamble_from=str(header["preamble_from"])
    ), extension


def _read_bitmap(path: Path, count: int) -> set[int]:
    try:
        bits = path.read_bytes()
    except OSError:
        return set()
    return {leaf for leaf in range(min(count, len(bits) * 8)) if bits[leaf // 8] & 0x80 >> leaf % 8}


def _write_durably(path: Path, data: bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def translated_error(error: OSError) -> PieceStoreError:
    if error.errno in _FULL:
        return PieceStoreError("There is no room left on the disk for this download.", code="disk_full", retryable=True)
    return PieceStoreError(f"The partial file can't be used: {os.strerror(error.errno or 0)}.", retryable=True)


__all__ = ["Opened", "PieceStore", "PieceStoreError", "extension_of"]
