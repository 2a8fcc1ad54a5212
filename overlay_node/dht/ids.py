"""Node ids: 160-bit numbers, their XOR distance, and the ids that BEP 42 ties to an address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NewType, TypeVar

from overlay_node.dht.addresses import Endpoint, is_public

T = TypeVar("T")

NodeId = NewType("NodeId", bytes)
"""20 bytes."""
RandomBytes = Callable[[int], bytes]
"""`n` → `n` unpredictable bytes. Injected; the shell passes `os.urandom`, a simulation a seeded source."""

ID_BYTES = 20
ID_BITS = 160
_V4_MASK = bytes.fromhex("030f3fff")
_V6_MASK = bytes.fromhex("0103070f1f3f7fff")


@dataclass(frozen=True, slots=True)
class Contact:
    """A node somebody told us about: its claimed id and where it is."""

    node_id: NodeId
    endpoint: Endpoint


def distance(a: bytes, b: bytes) -> int:
    """Kademlia's XOR distance of two 20-byte values."""
    return int.from_bytes(a, "big") ^ int.from_bytes(b, "big")


def shared_prefix_bits(a: bytes, b: bytes) -> int:
    """How many leading bits are equal, 0 to 160."""
    return ID_BITS - distance(a, b).bit_length()


def random_id(random_bytes: RandomBytes) -> NodeId:
    """A uniformly random id."""
    return NodeId(random_bytes(ID_BYTES))


def random_id_in_bucket(own: NodeId, prefix_bits: int, random_bytes: RandomBytes) -> NodeId:
    """A random id that shares exactly `prefix_bits` (0 to 159) leading bits with `own`: the target that refreshes that bucket."""
    tail_bits = ID_BITS - prefix_bits - 1
    noise = int.from_bytes(random_bytes(ID_BYTES), "big") & ((1 << tail_bits) - 1)
    own_number = int.from_bytes(own, "big")
    flipped = (own_number >> tail_bits) ^ 1
    return NodeId(((flipped << tail_bits) | noise).to_bytes(ID_BYTES, "big"))


def random_below(limit: int, random_bytes: RandomBytes) -> int:
    """A number in `range(limit)`. 8 bytes against limits of thousands: the bias is below 2**-40."""
    return int.from_bytes(random_bytes(8), "big") % limit


def random_sample(items: list[T], count: int, random_bytes: RandomBytes) -> list[T]:
    """Up to `count` items in random order (partial Fisher-Yates on a copy)."""
    pool = list(items)
    count = min(count, len(pool))
    for index in range(count):
        other = index + random_below(len(pool) - index, random_bytes)
        pool[index], pool[other] = pool[other], pool[index]
    return pool[:count]


def _crc32c_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x82F63B78 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_CRC32C = _crc32c_table()


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), which BEP 42 uses and zlib does not have."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC32C[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _bep42_prefix(packed: bytes, last_byte: int) -> int:
    """The checksum whose first 21 bits an honest id at this address starts with (BEP 42, "Node ID restriction")."""
    mask = _V4_MASK if len(packed) == 4 else _V6_MASK
    masked = bytearray(a & m for a, m in zip(packed, mask, strict=False))
    masked[0] |= (last_byte & 7) << 5
    return crc32c(bytes(masked))


def bep42_id(packed: bytes, random_bytes: RandomBytes) -> NodeId:
    """A fresh id that is valid at the address `packed`."""
    noise = random_bytes(ID_BYTES)
    crc = _bep42_prefix(packed, noise[19])
    head = bytes([crc >> 24 & 0xFF, crc >> 16 & 0xFF, (crc >> 8 & 0xF8) | (noise[2] & 7)])
    return NodeId(head + noise[3:])


def is_bep42_id(node_id: NodeId, packed: bytes) -> bool:
    """Whether `node_id` may live at `packed`. Addresses that are not public are exempt (BEP 42)."""
    if not is_public(packed):
        return True
    crc = _bep42_prefix(packed, node_id[19])
    return int.from_bytes(node_id[:3], "big") >> 3 == crc >> 11
