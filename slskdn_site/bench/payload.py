"""The payload of a bench: bytes that don't compress, always the same ones."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from apps.domain.audio.payload import PayloadHasher, payload_root
from slskdn_site.bench.contender import BenchFailed, Workload
from slskdn_site.bench.ours_spec import payload_facts

MIB: Final = 1 << 20
_BLOCK: Final = MIB
_SEED: Final = 20


def room_needed(mib: int) -> int:
    """Bytes: the payload, one copy of it, and what nodes keep besides."""
    return (2 * mib + 64) * MIB


def workload_make(folder: Path, *, mib: int) -> Workload:
    """Write `mib` MiB and their leaf hashes. Raises BenchFailed when the folder has no room for the file and one copy of it."""
    if shutil.disk_usage(folder).free < room_needed(mib):
        raise BenchFailed(
            f"{folder} has no room for {room_needed(mib) // MIB} MiB; name another folder by --dir.",
            code="bench_no_room",
        )
    path, leaves = folder / "payload.bin", folder / "leaves.bin"
    numbers, hasher = np.random.default_rng(_SEED), PayloadHasher()
    with path.open("wb") as file:
        for _ in range(mib):
            block = numbers.bytes(_BLOCK)
            hasher.update(block)
            file.write(block)
    found = hasher.finish()
    leaves.write_bytes(found.pack())
    return Workload(
        path=path,
        payload_bytes=mib * MIB,
        root=payload_root(payload_facts(mib * MIB), found.merkle),
        leaves=leaves,
    )


def check_same(work: Workload, arrived: Path) -> None:
    """Compare byte by byte. Raises BenchFailed `bench_wrong_bytes`."""
    if arrived.stat().st_size != work.payload_bytes or any(
        one != other for one, other in zip(_blocks(work.path), _blocks(arrived), strict=True)
    ):
        raise BenchFailed(f"{arrived.name} is not what was sent.", code="bench_wrong_bytes")


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            yield block
