"""libtorrent as a contender: three seeding processes, one downloading one; in plain text, or with the RC4 that BitTorrent calls encryption.

It verifies (SHA-1 by pieces of 256 KiB). CPU is counted inside each process from when all listen until the last piece is flushed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from slskdn_site.bench.children import Child
from slskdn_site.bench.contender import Round, Workload
from slskdn_site.bench.libtorrent_node import LibtorrentSpec
from slskdn_site.bench.ours import READY_S, SEEDERS, number_of, usage_of

PIECE_BYTES: Final = 256 << 10


class LibtorrentSwarm:
    """See the module."""

    def __init__(self, *, encrypted: bool) -> None:
        self.name: Final = "libtorrent_encrypted" if encrypted else "libtorrent_plain"
        self._encrypted: Final = encrypted

    def missing(self) -> str | None:
        """The module libtorrent."""
        return None if importlib.util.find_spec("libtorrent") is not None else "libtorrent"

    def bring(self, work: Workload, folder: Path) -> tuple[Round, Path]:
        """See Contender."""
        torrent = work.path.with_suffix(".torrent")
        if not torrent.exists():
            _write_torrent(work, torrent)
        (folder / "arrived").mkdir()
        with ExitStack() as stack:
            seeders, addresses = [], []
            for at in range(SEEDERS):
                host = f"127.0.0.{2 + at}"
                seeder = stack.enter_context(self._start(f"seed{at}", torrent, work.path.parent, host, folder))
                seeders.append(seeder)
                addresses.append(host)
            for at, seeder in enumerate(seeders):
                port = number_of(seeder.hear("ready", within_s=READY_S), "port")
                addresses[at] += f" {port:.0f}"
            downloader = stack.enter_context(
                self._start("get", torrent, folder / "arrived", f"127.0.0.{2 + SEEDERS}", folder, seeds=False)
            )
            downloader.hear("ready", within_s=READY_S)
            before = [usage_of(seeder) for seeder in seeders]
            downloader.tell("go " + " ".join(addresses))
            done = downloader.hear("assembled", within_s=work.deadline_s)
            after = [usage_of(seeder) for seeder in seeders]
        figures = Round(
            download_cpu_s=number_of(done, "cpu_s"),
            seed_cpu_s=sum(after) - sum(before),
            seconds=number_of(done, "seconds"),
        )
        return figures, folder / "arrived" / work.path.name

    def _start(self, name: str, torrent: Path, place: Path, host: str, folder: Path, *, seeds: bool = True) -> Child:
        spec = LibtorrentSpec(
            host=host, torrent=str(torrent), folder=str(place), seeds=seeds, encrypted=self._encrypted
        )
        path = spec.write(folder / f"{name}.json")
        return Child([sys.executable, "-m", "slskdn_site.bench.libtorrent_node", str(path)], log=folder / f"{name}.log")


def _write_torrent(work: Workload, torrent: Path) -> None:
    """A version 1 torrent of the payload, without trackers; made once for all rounds."""
    hashes = []
    with work.path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE_BYTES):
            hashes.append(hashlib.sha1(piece, usedforsecurity=False).digest())
    name, pieces = os.fsencode(work.path.name), b"".join(hashes)
    info = b"d6:lengthi%de4:name%d:%s12:piece lengthi%de6:pieces%d:" % (
        work.payload_bytes, len(name), name, PIECE_BYTES, len(pieces),
    )  # fmt: skip
    torrent.write_bytes(b"d4:info" + info + pieces + b"ee")
