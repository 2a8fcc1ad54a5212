"""What a node is told at its start. Values only: `overlay_node.__main__` makes one from slskdn.yml, tests and the demo by hand."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path

from apps.domain.mesh.policy import MeshPolicy, Mode
from apps.domain.soulseek.budget import SearchBudget
from apps.domain.soulseek.fairness import FairnessRules
from apps.domain.soulseek.guardrails import GuardrailSettings
from apps.domain.soulseek.performance import RescueRules
from apps.domain.soulseek.streaming import StreamRules
from apps.domain.soulseek.uploads import UploadRules
from apps.domain.swarm.settings import SchedulerSettings
from apps.domain.swarm.trace_retention import TraceLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class SoulseekConfig:
    """The Soulseek plane of one node, without its secret: that is read when a connection is made. `username` "": nobody wants the plane."""

    username: str = ""
    server_host: str = "server.slsknet.org"
    server_port: int = 2242
    listen_host: str = "0.0.0.0"  # noqa: S104
    listen_port: int = 0
    """0: only outgoing connections"""
    upnp: bool = False
    race: bool = True
    """try direct and indirect connections to users at once; tests on loopback try one after the other"""
    description: str = ""
    """what others read about us"""
    browse_cache_hours: int = 24
    """somebody's list of files is kept so long"""
    login_s: float = 30.0
    """connection and login together; a server that takes longer is silent"""
    quiet_s: float = 60.0
    """after so long without a word of the server it is asked for one"""
    probe_s: float = 30.0
    """… and after so long without an answer the connection counts as dead: TCP alone would notice after minutes"""
    first_pause_s: float = 2.0
    """before the first new attempt; doubles up to five minutes"""
    searches: SearchBudget = field(default_factory=SearchBudget)
    """what the server is asked at most"""
    downloads: StreamRules = field(default_factory=StreamRules)
    """streams at once, time-outs, attempts"""
    rescue: RescueRules = field(default_factory=RescueRules)
    """when a download does badly"""
    rescue_enabled: bool = True
    guardrails: GuardrailSettings = field(default_factory=GuardrailSettings)
    """what a rescue may do"""
    prints_looked_up: bool = False
    """AcoustID can be asked what a recording sounds like"""
    share: bool = True
    """the library's folders are shared"""
    uploads: UploadRules = field(default_factory=UploadRules)
    leecher_files: int = 0
    """who shares fewer files is a leecher; 0: nobody is"""
    leecher_folders: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """One node. Ports of 0 mean any free one."""

    data_dir: Path
    """holds keys/, partial/, run/ and traces/"""
    mode: Mode = Mode.HYBRID
    mesh_enabled: bool = True
    passive: bool = False
    overlay_host: str = "0.0.0.0"  # noqa: S104  (a peer-to-peer port is public by purpose)
    overlay_port: int = 50305
    allow_private: bool = False
    """loopback and private addresses may be dialled"""
    upload_kbps: int = 0
    """KiB/s over all peers; 0 = unlimited"""
    download_kbps: int = 0
    """likewise"""
    peer_upload_kbps: int = 0
    """KiB/s to one peer; 0 = unlimited"""
    peer_download_kbps: int = 0
    """KiB/s from one peer; 0 = unlimited"""
    upload_slots: int = 8
    """most peers served at once"""
    dht_host: str = "0.0.0.0"  # noqa: S104
    dht_port: int = 50306
    dht_bootstrap: tuple[tuple[str, int], ...] = ()
    seed_releases: tuple[uuid.UUID, ...] = ()
    """announced and served even when idle, besides those chosen by hand"""
    scheduler: SchedulerSettings = field(default_factory=SchedulerSettings)
    redis_url: str = ""
    """for wake-ups; "" = polling only"""
    wake_channel: str = "slskdn:node"
    stock_tls: bool = False
    """Twisted's own TLS class, which behaves the same at twice the CPU: for comparison"""
    network: str = "public"
    """peers of different networks part at once"""
    version: str = "0.1.0"
    poll_s: float = 2.0
    """how often the desired state is looked at without a wake-up"""
    heartbeat_s: float = 5.0
    tracing: bool = False
    """what happens in swarms is written to `traces` in the data folder"""
    trace_size_mb: int = 10
    """MiB of one job's trace"""
    trace_limits: TraceLimits = field(default_factory=TraceLimits)
    """old traces go by them at the start, also when tracing is off"""
    announce_every_s: float = 900.0
    """PROTOCOL-FACTS: each MBID every 15 min"""
    soulseek: SoulseekConfig = field(default_factory=SoulseekConfig)
    fairness: FairnessRules = field(default_factory=FairnessRules.none)

    @property
    def policy(self) -> MeshPolicy:
        """What this configuration allows."""
        return MeshPolicy(
            mode=self.mode, enabled=self.mesh_enabled, passive=self.passive, soulseek=bool(self.soulseek.username)
        )

    @property
    def agent(self) -> str:
        """What hello says we are."""
        return f"slskdn/{self.version}"
