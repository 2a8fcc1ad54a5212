"""One rescue as it runs: whose stream, what the mesh fetches beside it, what was compared and counted, and its row."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime

from apps.domain.contracts.soulseek_rescues import RescueOrigin, RescueReport
from apps.domain.errors import Param
from apps.domain.soulseek.rescue import Mesh, RescueCore
from overlay_node.soulseek.rescue_ports import RescueRunner
from overlay_node.soulseek.stream import Stream
from overlay_node.swarm.choice import PayloadKey


@dataclass(slots=True, eq=False)
class Case:
    """One rescue. Mutable."""

    id: uuid.UUID
    stream: Stream
    trouble: str
    trouble_at: datetime
    started_at: datetime
    core: RescueCore = field(default_factory=RescueCore)
    carried: bool = False
    """taken up from an earlier run: its trouble holds until the stream proves well"""
    runner: RescueRunner | None = None
    mesh: Mesh = Mesh.NONE
    compared: int = 0
    """leaves of the stream that were compared with the runner's"""
    differs: set[PayloadKey] = field(default_factory=set)
    """payloads that are not the stream's: a whole leaf differed"""
    opening: bool = False
    first_byte_at: datetime | None = None
    ended_at: datetime | None = None
    overlay: int = 0
    soulseek: int = 0
    peers: int = 0
    transfer_id: uuid.UUID | None = None
    next_look: float = 0.0
    changed: bool = True

    def report(self) -> RescueReport:
        """As its row keeps it. To be told once it stands somehow."""
        core, work = self.core, self.stream.work
        assert core.state is not None
        params: dict[str, Param] = dict(core.params)
        return RescueReport(
            id=self.id,
            download_id=work.id,
            transfer_id=self.transfer_id,
            job_id=work.job_id,
            recording_mbid=work.recording_mbid,
            trouble=self.trouble,
            trouble_at=self.trouble_at,
            state=core.state,
            code=core.code,
            params=params,
            overlay_bytes=max(0, self.overlay),
            soulseek_bytes=self.soulseek,
            peers=self.peers,
            started_at=self.started_at,
            first_byte_at=self.first_byte_at,
            ended_at=self.ended_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What rows told, and what the ledger had counted by then."""

    told: RescueOrigin
    overlay_then: int
    soulseek_then: int
