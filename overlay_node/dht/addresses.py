"""Where a node or a peer can be reached, in the compact forms of BEP 5 (6 bytes) and BEP 32 (18 bytes)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache


class Family(Enum):
    """An address family. BEP 32: each is a DHT of its own, with its own routing table."""

    V4 = 4
    V6 = 6

    @property
    def packed_bytes(self) -> int:
        """Length of an address in bytes."""
        return 4 if self is Family.V4 else 16

    @property
    def compact_bytes(self) -> int:
        """Length of address and port."""
        return self.packed_bytes + 2


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An IP address (4 or 16 bytes, network order) and a UDP or TCP port (0 allowed here, refused by `is_usable`)."""

    packed: bytes
    port: int

    def __post_init__(self) -> None:
        if len(self.packed) not in (4, 16) or not 0 <= self.port <= 0xFFFF:
            raise ValueError("an endpoint is 4 or 16 address bytes and a 16-bit port")

    @classmethod
    def parse(cls, host: str, port: int) -> Endpoint:
        """From a literal address, a zone id dropped (`fe80::1%eth0`); ValueError for a host name."""
        return cls(ipaddress.ip_address(host.partition("%")[0]).packed, port)

    @classmethod
    def from_compact(cls, data: bytes) -> Endpoint:
        """From 6 or 18 bytes; ValueError otherwise."""
        return cls(data[:-2], int.from_bytes(data[-2:], "big"))

    @property
    def compact(self) -> bytes:
        """Address and port as BEP 5 writes them."""
        return self.packed + self.port.to_bytes(2, "big")

    @property
    def family(self) -> Family:
        """Which DHT this endpoint belongs to."""
        return Family.V4 if len(self.packed) == 4 else Family.V6

    @property
    def host(self) -> str:
        """The literal address, as sockets and people write it."""
        return str(ipaddress.ip_address(self.packed))

    @property
    def source(self) -> bytes:
        """What counts as one host in per-IP limits: an IPv4 address, or the IPv6 /64 that any host may roam in."""
        return self.packed if len(self.packed) == 4 else self.packed[:8]

    @property
    def group(self) -> bytes:
        """What one operator cheaply owns: the /24 or the /56 (DESIGN §6), as address bytes."""
        return self.packed[:3] if len(self.packed) == 4 else self.packed[:7]

    def is_usable(self, *, allow_private: bool) -> bool:
        """Whether a datagram may be sent there: a unicast address and a real port; public, unless `allow_private`."""
        return self.port != 0 and _is_usable(self.packed, allow_private=allow_private)


@lru_cache(maxsize=8192)
def _is_usable(packed: bytes, *, allow_private: bool) -> bool:
    address = ipaddress.ip_address(packed)
    if address.is_multicast or address.is_unspecified or packed == b"\xff\xff\xff\xff":
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        # An IPv4 host in disguise would slip past the IPv4 limits.
        return False
    return allow_private or address.is_global


def is_public(packed: bytes) -> bool:
    """Whether the address is reachable from the Internet at large."""
    return _is_usable(packed, allow_private=False)
