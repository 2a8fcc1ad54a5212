"""Bencoding (BEP 3), strict and bounded: exactly one spelling per value, so decode(encode(x)) == x and encode(decode(b)) == b.

Refused: leading zeros, `-0`, unsorted or repeated keys, anything after the value, deep nesting, too many values, huge integers.
"""

from __future__ import annotations

from overlay_node.dht.errors import RemoteProtocolError

Bencoded = int | bytes | list["Bencoded"] | dict[bytes, "Bencoded"]

MAX_DEPTH = 8
"""Containers inside containers. A KRPC answer needs 3 (message, `r`, `values`); BEP 44 values may add some."""
MAX_VALUES = 1024
"""Values in one message. The largest honest one holds about 200 compact peers."""
MAX_INTEGER_DIGITS = 19
"""Digits of an integer, sign apart: fits a signed 64-bit number, BEP 44's largest."""
MAX_LENGTH_DIGITS = 5
"""Digits of a string length: no datagram holds 100,000 bytes."""


def encode(value: Bencoded) -> bytes:
    """The one canonical spelling of `value`."""
    out: list[bytes] = []
    _encode(value, out)
    return b"".join(out)


def _encode(value: Bencoded, out: list[bytes]) -> None:
    if isinstance(value, bytes):
        out.append(b"%d:%b" % (len(value), value))
    elif isinstance(value, int):
        out.append(b"i%de" % value)
    elif isinstance(value, list):
        out.append(b"l")
        for item in value:
            _encode(item, out)
        out.append(b"e")
    else:
        out.append(b"d")
        for key in sorted(value):
            out.append(b"%d:%b" % (len(key), key))
            _encode(value[key], out)
        out.append(b"e")


def decode(data: bytes) -> Bencoded:
    """The value spelled by exactly all of `data`; RemoteProtocolError("bencode_…") otherwise."""
    reader = _Reader(data)
    try:
        value = reader.value(0)
    except IndexError:
        raise RemoteProtocolError("bencode_truncated") from None
    if reader.position != len(data):
        raise RemoteProtocolError("bencode_trailing")
    return value


class _Reader:
    __slots__ = ("data", "left", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.left = MAX_VALUES

    def value(self, depth: int) -> Bencoded:
        self.left -= 1
        if self.left < 0:
            raise RemoteProtocolError("bencode_too_many_values")
        first = self.data[self.position]
        if 0x30 <= first <= 0x39:
            return self.string()
        if first == 0x69:
            return self.integer()
        if first not in (0x64, 0x6C):
            raise RemoteProtocolError("bencode_unknown_type")
        if depth >= MAX_DEPTH:
            raise RemoteProtocolError("bencode_too_deep")
        self.position += 1
        return self.mapping(depth + 1) if first == 0x64 else self.sequence(depth + 1)

    def sequence(self, depth: int) -> list[Bencoded]:
        items: list[Bencoded] = []
        while self.data[self.position] != 0x65:
            items.append(self.value(depth))
        self.position += 1
        return items

    def mapping(self, depth: int) -> dict[bytes, Bencoded]:
        items: dict[bytes, Bencoded] = {}
        previous: bytes | None = None
        while self.data[self.position] != 0x65:
            if not 0x30 <= self.data[self.position] <= 0x39:
                raise RemoteProtocolError("bencode_key_not_string")
            key = self.string()
            if previous is not None and key <= previous:
                raise RemoteProtocolError("bencode_keys_unsorted")
            previous = key
            items[key] = self.value(depth)
        self.position += 1
        return items

    def string(self) -> bytes:
        colon = self.data.find(b":", self.position, self.position + MAX_LENGTH_DIGITS + 1)
        digits = self.data[self.position : colon] if colon > 0 else b""
        if not digits.isdigit() or (digits[0] == 0x30 and len(digits) > 1):
            raise RemoteProtocolError("bencode_bad_length")
        end = colon + 1 + int(digits)
        if end > len(self.data):
            raise RemoteProtocolError("bencode_truncated")
        self.position = end
        return self.data[colon + 1 : end]

    def integer(self) -> int:
        end = self.data.find(b"e", self.position, self.position + MAX_INTEGER_DIGITS + 3)
        text = self.data[self.position + 1 : end] if end > 0 else b""
        digits = text.removeprefix(b"-")
        if not digits.isdigit() or len(digits) > MAX_INTEGER_DIGITS:
            raise RemoteProtocolError("bencode_bad_integer")
        if digits[0] == 0x30 and text != b"0":
            raise RemoteProtocolError("bencode_bad_integer")
        self.position = end + 1
        return int(text)
