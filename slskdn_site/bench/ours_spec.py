"""What the nodes of the transport bench are told. Apart from the nodes' own module, so that the bench itself needn't load a node."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from apps.domain.audio.payload import PayloadFacts, PayloadFormat


def payload_facts(payload_bytes: int) -> PayloadFacts:
    """Of the format `file`, which has no rate, channels or bits."""
    return PayloadFacts(PayloadFormat.FILE, payload_bytes, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSpec:
    """Where a seeder listens."""

    peer_id: str
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpec:
    """What one node of the bench is told. Without `payload_path` it has nothing to serve, and may be told to download."""

    data: str
    host: str
    payload_bytes: int
    root_hex: str
    leaves_path: str
    payload_path: str = ""
    seeders: tuple[PeerSpec, ...] = ()
    more_hosts: tuple[str, ...] = ()
    """further nodes of this process, the same in all else, each with an identity of its own"""
    stock_tls: bool = False
    """Twisted's own TLS class"""
    django: bool = False
    """load what the node of a daemon loads for its rows, though they are kept in memory: its size counts"""

    def write(self, path: Path) -> Path:
        """As JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `write` wrote."""
        values = json.loads(path.read_text(encoding="utf-8"))
        seeders = tuple(PeerSpec(**one) for one in values["seeders"])
        return cls(**{**values, "seeders": seeders, "more_hosts": tuple(values["more_hosts"])})
