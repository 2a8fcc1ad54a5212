"""What a contender of the transport bench is: something that brings one payload from seeding processes to a downloading one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from apps.domain.errors import DomainError


class BenchFailed(DomainError):
    """A measurement can't be made. Codes: bench_failed (a process failed or took too long), bench_no_room, bench_wrong_bytes."""

    default_code = "bench_failed"


class SeederLate(BenchFailed):
    """A round in which not every seeder took part measures something else. It is made again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One payload, made once for all rounds."""

    path: Path
    payload_bytes: int
    root: bytes
    """of the payload format `file`: the whole file"""
    leaves: Path
    """its leaf hashes, 32 bytes each"""

    @property
    def deadline_s(self) -> float:
        """After this a round counts as failed: 4 MiB/s, and a minute for the beginning."""
        return 60.0 + self.payload_bytes / (4 << 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """How late a timer of the downloader's event loop was, milliseconds."""

    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One payload brought over. CPU seconds are user + system, summed over the processes of a side."""

    download_cpu_s: float
    seed_cpu_s: float
    seconds: float
    """from the order to download until the file stands complete"""
    delay: Delay | None = None
    """None for contenders without an event loop that can be asked"""
    scheduling_cpu_s: float | None = None
    """of the download: what scheduling, metrics and the bookkeeping of verification took, hashing not counted; None where nobody measures it"""
    load: float | None = None
    """load average of one minute when the round began: what else the machine was doing, and the round before"""


class Contender(Protocol):
    """One way to bring the payload over. Each round has fresh processes and ends with none."""

    @property
    def name(self) -> str:
        """As in the report."""

    def missing(self) -> str | None:
        """What is not installed; None when it can run."""

    def bring(self, work: Workload, folder: Path) -> tuple[Round, Path]:
        """Run one round inside `folder` (empty; the caller removes it): the figures, and the file that arrived. Raises BenchFailed."""
