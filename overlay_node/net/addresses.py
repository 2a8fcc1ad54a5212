"""IP addresses: which may be dialled, and which group they belong to. Nothing above ``net`` reads an address; it reads the group."""

from __future__ import annotations

import ipaddress
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052


def parse_address(host: str) -> Address | None:
    """The address that ``host`` spells, an IPv4-mapped IPv6 one as IPv4; None for names and nonsense."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def group_of(host: str) -> str:
    """The network that shares limits and blame: the /24 of an IPv4, the /56 of an IPv6 address, as text."""
    address = parse_address(host)
    if address is None:
        return "unknown"
    prefix = 24 if address.version == 4 else 56
    return str(ipaddress.ip_network((address, prefix), strict=False))


def host_of(host: str) -> str:
    """What counts as one host: an IPv4 address, or the IPv6 /64 in which any host may take as many addresses as it likes."""
    address = parse_address(host)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return host if address is None else str(address)


def is_public(host: str) -> bool:
    """True for addresses that the Internet routes: not loopback, private, link-local, multicast, shared or reserved.

    Not 6to4 and Teredo either: both are given up (RFC 7526), Python's versions differ about them, and what they carry may be private. An address
    of NAT64 is judged by the IPv4 one it carries, where a gateway would deliver it.
    """
    address = parse_address(host)
    if isinstance(address, ipaddress.IPv6Address):
        if address.sixtofour is not None or address.teredo is not None:
            return False
        if address in _NAT64:
            address = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address is not None and address.is_global and not address.is_multicast


def may_dial(host: str, *, allow_private: bool) -> bool:
    """True for public addresses, and with ``allow_private`` for every unicast one (the lab, the demo, a home network)."""
    address = parse_address(host)
    if address is None or address.is_multicast or address.is_unspecified:
        return False
    if isinstance(address, ipaddress.IPv4Address) and address == ipaddress.IPv4Address(0xFFFFFFFF):
        return False
    return allow_private or is_public(host)
