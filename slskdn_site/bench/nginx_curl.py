"""The contender to measure oneself by: nginx serves the file, curl fetches it in one stream over TLS 1.3. Neither verifies anything.

One stream, because it is the cheapest that the two can do (three ranges at once cost some 10 % more CPU). curl's start (some 10 ms) is in the account.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from slskdn_site.bench.children import Child
from slskdn_site.bench.contender import BenchFailed, Round, Workload
from slskdn_site.bench.nginx import Nginx, found, missing_of


class NginxCurl:
    """See the module."""

    name: Final = "nginx_curl"

    def missing(self) -> str | None:
        """nginx or curl."""
        return missing_of("nginx", "curl")

    def bring(self, work: Workload, folder: Path) -> tuple[Round, Path]:
        """See Contender."""
        curl = found("curl")
        if curl is None:
            raise BenchFailed("curl is not installed.")
        arrived = folder / "arrived.bin"
        with Nginx(work, folder) as server:
            began = time.monotonic()
            # -q first: no curlrc. No proxy is asked for what is on this machine.
            command = [curl, "-q", "--silent", "--show-error", "--fail", "--http1.1", "--noproxy", "*", "--tlsv1.3"]
            command += ["--cacert", str(server.certificate), "--output", str(arrived), server.url]
            with Child(command, log=folder / "curl.log", leash=False) as client:
                download_cpu_s = client.wait(within_s=work.deadline_s)
            seconds = time.monotonic() - began
            seed_cpu_s = server.stop()
        return Round(download_cpu_s=download_cpu_s, seed_cpu_s=seed_cpu_s, seconds=seconds), arrived
