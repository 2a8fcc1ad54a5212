"""nginx serves the file, aria2 fetches it over three connections at once. Neither verifies anything."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from slskdn_site.bench.children import Child
from slskdn_site.bench.contender import BenchFailed, Round, Workload
from slskdn_site.bench.nginx import Nginx, found, missing_of

CONNECTIONS: Final = 3


class Aria2:
    """See the module."""

    name: Final = "aria2"

    def missing(self) -> str | None:
        """nginx or aria2c."""
        return missing_of("nginx", "aria2c")

    def bring(self, work: Workload, folder: Path) -> tuple[Round, Path]:
        """See Contender."""
        aria2c = found("aria2c")
        if aria2c is None:
            raise BenchFailed("aria2c is not installed.")
        arrived = folder / "arrived.bin"
        with Nginx(work, folder) as server:
            began = time.monotonic()
            # No configuration file, no proxy, no name to resolve; room is made at once, as we do.
            command = [
                aria2c,
                "--no-conf=true",
                "--no-netrc=true",
                "--no-proxy=*",
                "--async-dns=false",
                "--disable-ipv6=true",
            ]
            command += ["--quiet=true", "--summary-interval=0", "--file-allocation=falloc", "--min-split-size=1M"]
            command += [f"--split={CONNECTIONS}", f"--max-connection-per-server={CONNECTIONS}"]
            command += [f"--ca-certificate={server.certificate}", "--min-tls-version=TLSv1.3"]
            command += [f"--dir={folder}", f"--out={arrived.name}", server.url]
            with Child(command, log=folder / "aria2.log", leash=False) as client:
                download_cpu_s = client.wait(within_s=work.deadline_s)
            seconds = time.monotonic() - began
            seed_cpu_s = server.stop()
        return Round(download_cpu_s=download_cpu_s, seed_cpu_s=seed_cpu_s, seconds=seconds), arrived
