"""Fields of MusicBrainz' WS/2 JSON, read bounded and typed. Whatever has the wrong shape is MetadataGarbled.

Text from MusicBrainz is anybody's: control characters, lone surrogates and bidi overrides are taken out here and long texts are cut, so that no row,
page or log ever holds them. (Paths have their own, stricter rule: `apps.domain.library.naming`.)
"""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Callable, Mapping
from typing import TypeVar

from apps.domain.errors import DomainError

MAX_TEXT_CHARS = 1000
"""Length of the rows' text columns."""
MAX_LENGTH_MS = 2**31 - 1
_POSITION_LIMIT = 32767
"""What a row's small integer holds on every database."""
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_DATE = re.compile(r"\d{4}(?:-\d\d(?:-\d\d)?)?")

T = TypeVar("T")


class MetadataGarbled(DomainError):
    """An answer that is not what WS/2 gives: cut off, HTML, another shape. Asking again may help."""

    default_code = "musicbrainz_garbled"


def clean(text: str) -> str:
    """Text from outside without control characters, surrogates and bidi overrides, cut to what a row holds."""
    kept = (" " if one in "\t\n\r" else one for one in text[: 4 * MAX_TEXT_CHARS])
    return "".join(one for one in kept if one not in _BIDI_CONTROLS and unicodedata.category(one) not in ("Cc", "Cs"))[
        :MAX_TEXT_CHARS
    ]


def object_of(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise MetadataGarbled("MusicBrainz answered with something of another shape.", field=what)
    return value


def list_of(entity: Mapping[str, object], key: str) -> list[object]:
    value = entity.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise MetadataGarbled("MusicBrainz answered with something of another shape.", field=key)
    return value


def maybe(entity: Mapping[str, object], key: str, read: Callable[[Mapping[str, object]], T]) -> T | None:
    value = entity.get(key)
    return None if value is None else read(object_of(value, key))


def mbid_of(entity: Mapping[str, object]) -> uuid.UUID:
    value = entity.get("id")
    try:
        return uuid.UUID(value if isinstance(value, str) else "")
    except ValueError as error:
        raise MetadataGarbled("MusicBrainz answered with something that has no id.", field="id") from error


def text_of(entity: Mapping[str, object], key: str, *, strip: bool = True) -> str:
    value = entity.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MetadataGarbled("MusicBrainz answered with something of another shape.", field=key)
    return clean(value).strip() if strip else clean(value)


def date_of(entity: Mapping[str, object], key: str) -> str:
    """A date as far as it is one; MusicBrainz writes unknown parts as `????` at times."""
    match = _DATE.match(text_of(entity, key))
    return match[0] if match else ""


def length_of(entity: Mapping[str, object]) -> int | None:
    value = entity.get("length")
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 < value <= MAX_LENGTH_MS else None


def position_of(entity: Mapping[str, object], *, least: int) -> int:
    value = entity.get("position")
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _POSITION_LIMIT:
        raise MetadataGarbled("MusicBrainz answered with an impossible position.", field="position")
    return value
