"""A neighbour of the demonstration: a whole node with a library of its own. It may be told to corrupt what it sends.

    python -m slskdn_site.demo.neighbour --offers FILE --ready FILE [--corrupt-every N]
    python -m slskdn_site.demo.neighbour --offers FILE --import-only

`--offers` is a JSON list of {path, recording, release}. The files are imported as if a person had asked for each by hand, then the node runs
and writes {"peer_id": …} to the `--ready` file.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from overlay_node.__main__ import django_store, node_config, run_node
from overlay_node.ports import Blob, BlobManifest, BlobSource, Store
from overlay_node.services.root import Node
from slskdn_site.config import data_dir, load_config
from slskdn_site.data_folder import data_folder_prepare
from slskdn_site.supervise import ready_write


@dataclass(frozen=True, slots=True)
class CorruptBlob:
    """Another blob, with one byte flipped in each leaf whose number `every` divides."""

    inner: Blob
    every: int

    @property
    def manifest(self) -> BlobManifest:
        """The true one: what is corrupt is found by it."""
        return self.inner.manifest

    def have(self) -> tuple[tuple[int, int], ...]:
        """As told by the inner one."""
        return self.inner.have()

    def read(self, offset: int, length: int) -> bytes:
        """Bytes in payload space, some of them wrong."""
        data = bytearray(self.inner.read(offset, length))
        self._corrupt(offset, memoryview(data))
        return bytes(data)

    def read_cached(self, offset: int, target: memoryview) -> bool:
        """As `read`."""
        found = self.inner.read_cached(offset, target)
        if found:
            self._corrupt(offset, target)
        return found

    def _corrupt(self, offset: int, data: memoryview) -> None:
        step = self.manifest.leaf_bytes * self.every
        for start in range(-(-offset // step) * step, offset + len(data), step):
            data[start - offset] ^= 0xFF


@dataclass(frozen=True, slots=True)
class CorruptBlobs:
    """A source of blobs that are all corrupt."""

    inner: BlobSource
    every: int

    async def open(self, *, payload_format: str, payload_root: bytes) -> Blob | None:
        """What the inner source has, corrupted."""
        blob = await self.inner.open(payload_format=payload_format, payload_root=payload_root)
        return CorruptBlob(blob, self.every) if blob is not None else None


def import_offers(rows: Path) -> None:
    """Import every file of the list. Exits with its reason when one is refused: the demonstration would lack a source."""
    from workers.import_library import import_folder
    from workers.reading import NamedAs

    for row in json.loads(rows.read_text(encoding="utf-8")):
        wish = NamedAs.of_text(recording=row["recording"], release=row["release"])
        report = import_folder(Path(row["path"]), wish=wish)
        for refused in report.refusals:
            sys.exit(f"{refused.path} was refused: {refused.code} {refused.params}")


def main() -> int:
    """Import, then run the node until a signal."""
    parser = argparse.ArgumentParser(prog="slskdn_site.demo.neighbour")
    parser.add_argument("--offers", type=Path, required=True)
    parser.add_argument("--ready", type=Path)
    parser.add_argument("--corrupt-every", type=int, default=0)
    parser.add_argument("--import-only", action="store_true")
    options = parser.parse_args()
    data_folder_prepare(data_dir())
    store: Store = django_store()
    import_offers(options.offers)
    if options.import_only:
        return 0
    every: int = options.corrupt_every

    def announce(node: Node) -> None:
        if options.ready is not None:
            ready_write(options.ready, {"peer_id": node.peer_id})

    def corrupted(inner: BlobSource) -> BlobSource:
        return CorruptBlobs(inner, every) if every else inner

    return run_node(node_config(load_config(), data_dir()), store=store, blobs=corrupted, ready=announce)


if __name__ == "__main__":
    sys.exit(main())
