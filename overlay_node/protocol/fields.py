"""What a field of a message may hold: one small immutable object per kind, attached to the dataclass field as metadata.

A kind checks a Python value (at construction of a message), and turns it into JSON and back. ``check`` raises LocalProtocolError with the
path of the field; decoding turns that into RemoteProtocolError in one place (``messages.decode_message``). No kind ever puts a peer's
text into an error sentence.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final, Protocol, TypeAlias, TypeVar

from overlay_node.protocol import limits
from overlay_node.protocol.errors import LocalProtocolError

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

_KEY: Final = "wire"
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")


class Kind(Protocol):
    """A kind of field. ``from_json`` returns an unchecked value of about the right shape; ``check`` runs at construction."""

    def check(self, path: str, value: object) -> None: ...
    def to_json(self, value: object) -> Json: ...
    def from_json(self, path: str, raw: Json) -> object: ...


def wire(kind: Kind, *, optional: bool = False) -> dict[str, object]:
    """Metadata for ``dataclasses.field``. An optional field may be None and is then left out of the JSON."""
    return {_KEY: (kind, optional)}


def fail(path: str, rule: str) -> LocalProtocolError:
    """The error for a field that breaks its rule."""
    return LocalProtocolError("bad_field", f"Field {path} {rule}.")


@dataclass(frozen=True, slots=True)
class Integer:
    """An integer in [low, high]; booleans and floats are not integers."""

    low: int
    high: int

    def check(self, path: str, value: object) -> None:
        if type(value) is not int or not self.low <= value <= self.high:
            raise fail(path, f"must be an integer from {self.low} to {self.high}")

    def to_json(self, value: object) -> Json:
        assert isinstance(value, int)
        return value

    def from_json(self, path: str, raw: Json) -> object:
        return raw


@dataclass(frozen=True, slots=True)
class Real:
    """A finite number in [low, high]."""

    low: float
    high: float

    def check(self, path: str, value: object) -> None:
        if type(value) not in {int, float} or not isinstance(value, int | float) or not self.low <= value <= self.high:
            raise fail(path, f"must be a number from {self.low} to {self.high}")

    def to_json(self, value: object) -> Json:
        assert isinstance(value, int | float)
        return value

    def from_json(self, path: str, raw: Json) -> object:
        return raw


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    def check(self, path: str, value: object) -> None:
        if type(value) is not bool:
            raise fail(path, "must be true or false")

    def to_json(self, value: object) -> Json:
        assert isinstance(value, bool)
        return value

    def from_json(self, path: str, raw: Json) -> object:
        return raw


@dataclass(frozen=True, slots=True)
class Text:
    """A string of at most ``max_chars`` code points, without U+0000 and surrogates, matching ``pattern`` when there is one."""

    max_chars: int
    pattern: re.Pattern[str] | None = None
    min_chars: int = 0

    def check(self, path: str, value: object) -> None:
        if type(value) is not str or not self.min_chars <= len(value) <= self.max_chars:
            raise fail(path, f"must be text of {self.min_chars} to {self.max_chars} characters")
        if has_forbidden_character(value):
            raise fail(path, "must not hold U+0000 or surrogates")
        if self.pattern is not None and self.pattern.match(value) is None:
            raise fail(path, "does not follow its grammar")

    def to_json(self, value: object) -> Json:
        assert isinstance(value, str)
        return value

    def from_json(self, path: str, raw: Json) -> object:
        return raw


def has_forbidden_character(text: str) -> bool:
    """True for text with U+0000 or a lone surrogate, neither of which survives in every database and language."""
    return "\0" in text or (not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text))


UUID_TEXT: Final = Text(36, _UUID, 36)
"""A UUID (so also an MBID) in its canonical lower-case form."""


def is_uuid(value: object) -> bool:
    """True for canonical lower-case UUID text."""
    return type(value) is str and _UUID.match(value) is not None


@dataclass(frozen=True, slots=True)
class Hex:
    """Exactly ``size`` bytes; lower-case hexadecimal on the wire."""

    size: int

    def check(self, path: str, value: object) -> None:
        if type(value) is not bytes or len(value) != self.size:
            raise fail(path, f"must be {self.size} bytes")

    def to_json(self, value: object) -> Json:
        assert isinstance(value, bytes)
        return value.hex()

    def from_json(self, path: str, raw: Json) -> object:
        if type(raw) is not str or len(raw) != 2 * self.size or re.fullmatch("[0-9a-f]*", raw) is None:
            raise fail(path, f"must be {2 * self.size} lower-case hexadecimal digits")
        return bytes.fromhex(raw)


@dataclass(frozen=True, slots=True)
class Base64:
    """At most ``max_bytes`` bytes; padded standard base64 on the wire. For small blobs only: chunks are attachments."""

    max_bytes: int

    def check(self, path: str, value: object) -> None:
        if type(value) is not bytes or len(value) > self.max_bytes:
            raise fail(path, f"must be at most {self.max_bytes} bytes")

    def to_json(self, value: object) -> Json:
        assert isinstance(value, bytes)
        return base64.b64encode(value).decode("ascii")

    def from_json(self, path: str, raw: Json) -> object:
        if type(raw) is not str or len(raw) > 4 * ((self.max_bytes + 2) // 3):
            raise fail(path, f"must be base64 of at most {self.max_bytes} bytes")
        try:
            value = base64.b64decode(raw.encode("ascii"), validate=True)
        except (binascii.Error, ValueError):
            raise fail(path, "must be standard base64") from None
        if base64.b64encode(value).decode("ascii") != raw:
            raise fail(path, "must be canonical base64")
        return value


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the values of a string enumeration."""

    enumeration: type[StrEnum]

    def check(self, path: str, value: object) -> None:
        if not isinstance(value, self.enumeration):
            raise fail(path, "must be one of " + ", ".join(self.enumeration))

    def to_json(self, value: object) -> Json:
        assert isinstance(value, StrEnum)
        return value.value

    def from_json(self, path: str, raw: Json) -> object:
        if type(raw) is str:
            try:
                return self.enumeration(raw)
            except ValueError:
                pass
        raise fail(path, "must be one of " + ", ".join(self.enumeration))


@dataclass(frozen=True, slots=True)
class Many:
    """A list (a tuple in Python) of at most ``max_items`` of one kind."""

    kind: Kind
    max_items: int
    unique: bool = False

    def check(self, path: str, value: object) -> None:
        if type(value) is not tuple or len(value) > self.max_items:
            raise fail(path, f"must be a list of at most {self.max_items}")
        for item in value:
            self.kind.check(f"{path}[]", item)
        if self.unique and len(set(value)) != len(value):
            raise fail(path, "must not repeat itself")

    def to_json(self, value: object) -> Json:
        assert isinstance(value, tuple)
        return [self.kind.to_json(item) for item in value]

    def from_json(self, path: str, raw: Json) -> object:
        if type(raw) is not list or len(raw) > self.max_items:
            raise fail(path, f"must be a list of at most {self.max_items}")
        return tuple(self.kind.from_json(f"{path}[]", item) for item in raw)


@dataclass(frozen=True, slots=True)
class Ranges:
    """Half-open integer ranges ``(start, end)``, ascending, not empty, not touching one another, each end <= ``high``."""

    high: int
    max_ranges: int
    ordered: bool = True

    def check(self, path: str, value: object) -> None:
        if type(value) is not tuple or len(value) > self.max_ranges:
            raise fail(path, f"must be a list of at most {self.max_ranges} ranges")
        previous = -1
        for pair in value:
            if type(pair) is not tuple or len(pair) != 2 or type(pair[0]) is not int or type(pair[1]) is not int:
                raise fail(path, "must hold pairs of integers")
            start, end = pair
            if not 0 <= start < end <= self.high:
                raise fail(path, f"must hold ranges within 0 to {self.high}, none empty")
            if self.ordered and start <= previous:
                raise fail(path, "must be ascending, disjoint and merged")
            previous = end

    def to_json(self, value: object) -> Json:
        assert isinstance(value, tuple)
        return [list(pair) for pair in value]

    def from_json(self, path: str, raw: Json) -> object:
        if type(raw) is not list or len(raw) > self.max_ranges:
            raise fail(path, f"must be a list of at most {self.max_ranges} ranges")
        return tuple(tuple(pair) if type(pair) is list else pair for pair in raw)


@dataclass(frozen=True, slots=True)
class IntegerMap:
    """A map from short names to integers: optional facts whose keys we may not know."""

    max_items: int
    max_name_chars: int
    NAME: ClassVar[re.Pattern[str]] = re.compile(r"[a-z][a-z0-9_]*\Z")

    def check(self, path: str, value: object) -> None:
        if not isinstance(value, Mapping) or len(value) > self.max_items:
            raise fail(path, f"must be a map of at most {self.max_items} integers")
        for name, number in value.items():
            if type(name) is not str or len(name) > self.max_name_chars or self.NAME.match(name) is None:
                raise fail(path, "must have names of lower-case letters, digits and underscores")
            if type(number) is not int or abs(number) > limits.MAX_WIRE_INTEGER:
                raise fail(path, "must hold integers")

    def to_json(self, value: object) -> Json:
        assert isinstance(value, Mapping)
        return dict(value)

    def from_json(self, path: str, raw: Json) -> object:
        return raw


@dataclass(frozen=True, slots=True)
class JsonMap:
    """A free map of at most ``max_bytes`` of compact JSON, for parameters of features that we may not know."""

    max_bytes: int

    def check(self, path: str, value: object) -> None:
        if not isinstance(value, Mapping) or not all(type(name) is str for name in value):
            raise fail(path, "must be a map")
        try:
            text = json.dumps(dict(value), separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode("utf-8")
        except (TypeError, ValueError, RecursionError):
            raise fail(path, "must be plain JSON") from None
        if len(text) > self.max_bytes:
            raise fail(path, f"must be at most {self.max_bytes} bytes of JSON")

    def to_json(self, value: object) -> Json:
        assert isinstance(value, Mapping)
        return dict(value)

    def from_json(self, path: str, raw: Json) -> object:
        return raw


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part:
    """A nested record: a frozen dataclass whose own fields carry kinds."""

    record: type

    def check(self, path: str, value: object) -> None:
        if type(value) is not self.record:
            raise fail(path, f"must be a {self.record.__name__}")

    def to_json(self, value: object) -> Json:
        return record_to_json(value)

    def from_json(self, path: str, raw: Json) -> object:
        return record_from_json(self.record, raw, path)


@dataclass(frozen=True, slots=True)
class _Travelling:
    """What is needed of one field of a record to check, encode and decode it."""

    name: str
    kind: Kind
    optional: bool
    defaulted: bool


_KNOWN: Final[dict[type[object], tuple[_Travelling, ...]]] = {}
"""Records seen so far; bounded by the number of classes"""


def _travelling(record: type[object]) -> tuple[_Travelling, ...]:
    """The fields of a record that travel, in the order of their declaration."""
    known = _KNOWN.get(record)
    if known is None:
        assert dataclasses.is_dataclass(record)
        known = tuple(
            _Travelling(
                name=item.name,
                kind=item.metadata[_KEY][0],
                optional=item.metadata[_KEY][1],
                defaulted=item.default is not dataclasses.MISSING or item.default_factory is not dataclasses.MISSING,
            )
            for item in dataclasses.fields(record)
            if _KEY in item.metadata
        )
        _KNOWN[record] = known
    return known


def record_fields(record: type[object]) -> tuple[tuple[str, Kind, bool], ...]:
    """(name, kind, optional) of the fields of a record that travel: for documentation and for generated tests."""
    return tuple((item.name, item.kind, item.optional) for item in _travelling(record))


def record_check(value: object) -> None:
    """Check every field of a record; called from ``__post_init__``."""
    for item in _travelling(type(value)):
        held = getattr(value, item.name)
        if held is None and item.optional:
            continue
        item.kind.check(item.name, held)


def record_to_json(value: object) -> dict[str, Json]:
    """The JSON object of a record, None left out."""
    result: dict[str, Json] = {}
    for item in _travelling(type(value)):
        held = getattr(value, item.name)
        if held is None and item.optional:
            continue
        result[item.name] = item.kind.to_json(held)
    return result


def record_values(record: type, raw: Json, path: str) -> dict[str, object]:
    """Constructor arguments of a record from a JSON object. Unknown fields are ignored; a missing or null field takes its default."""
    if not isinstance(raw, Mapping):
        raise fail(path, "must be an object")
    values: dict[str, object] = {}
    for item in _travelling(record):
        held = raw.get(item.name)
        if held is None:
            if not item.optional and not item.defaulted:
                raise fail(item.name, "is missing")
            if item.name in raw and not item.optional:
                raise fail(item.name, "must not be null")
            continue
        values[item.name] = item.kind.from_json(item.name, held)
    return values


def record_from_json(record: type[T], raw: Json, path: str) -> T:
    """Build and check a record from a JSON object."""
    return record(**record_values(record, raw, path))
