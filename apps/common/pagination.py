"""Pages of long lists by cursor: stable while rows come and go, and as quick at the end as at the start.

A cursor is opaque to callers: the sort key of the row it stands at, and a direction. It holds nothing secret and is checked when read.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import Model, Q, QuerySet

from apps.domain.errors import DomainError

M = TypeVar("M", bound=Model)
T_co = TypeVar("T_co", covariant=True)

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_INTEGER = 2**63 - 1
"""The largest id that both databases can be asked for."""


class CursorInvalid(DomainError):
    """A cursor that this list did not give out."""

    default_code = "cursor_invalid"


@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """One page of a list. A cursor is None where the list ends."""

    items: Sequence[T_co]
    next_cursor: str | None
    previous_cursor: str | None


def keyset_page(
    rows: QuerySet[M],
    *,
    order: Sequence[str],
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
    among: QuerySet[Any] | None = None,
) -> Page[M]:
    """The page of `rows` at `cursor` in `order`: field names that together are unique, all ascending or all descending (`-name`).

    `among`: rows that the first field of the order must refer to by their primary key. They are bounded by the cursor too: databases know that the keys
    of a join are equal, but not that what holds for a range of one holds for the other, and would read the other's index from its start.
    Raises CursorInvalid. `limit` is brought into 1…MAX_LIMIT.
    """
    limit = max(1, min(limit, MAX_LIMIT))
    names = [name.removeprefix("-") for name in order]
    descending = order[0].startswith("-")
    backwards, values = _read(rows, names, cursor) if cursor else (False, None)
    down = descending is not backwards
    if values is not None:
        rows = rows.filter(_beyond(names, values, down=down))
    if among is not None:
        near = among if values is None else among.filter(**{"pk__lte" if down else "pk__gte": values[0]})
        rows = rows.filter(**{f"{names[0]}__in": near.values("pk")})
    found = list(rows.order_by(*(f"-{name}" if down else name for name in names))[: limit + 1])
    more = len(found) > limit
    found = found[:limit]
    if backwards:
        found.reverse()
    has_next, has_previous = (bool(found), more) if backwards else (more, values is not None and bool(found))
    return Page(
        items=found,
        next_cursor=_write(found[-1], names, backwards=False) if has_next else None,
        previous_cursor=_write(found[0], names, backwards=True) if has_previous else None,
    )


def _beyond(names: Sequence[str], values: Sequence[object], *, down: bool) -> Q:
    """Rows strictly after the key, compared field by field: (a, b) < (x, y) is a < x, or a = x and b < y."""
    operator = "lt" if down else "gt"
    condition = Q()
    for index, name in enumerate(names):
        equal = {names[before]: values[before] for before in range(index)}
        condition |= Q(**equal, **{f"{name}__{operator}": values[index]})
    # Says nothing new, but lets both databases walk the index from the right place instead of filtering from its start.
    return Q(**{f"{names[0]}__{operator}e": values[0]}) & condition


def _write(row: Model, names: Sequence[str], *, backwards: bool) -> str:
    key = [str(getattr(row, name)) for name in names]
    return base64.urlsafe_b64encode(json.dumps([int(backwards), *key]).encode()).rstrip(b"=").decode()


def _read(rows: QuerySet[M], names: Sequence[str], cursor: str) -> tuple[bool, list[object]]:
    try:
        backwards, *key = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
        if backwards not in {0, 1} or len(key) != len(names) or not all(isinstance(part, str) for part in key):
            raise CursorInvalid("This cursor is not from this list.")
        fields = [rows.model._meta.get_field(name) for name in names]
        values = [field.to_python(part) for field, part in zip(fields, key, strict=True)]  # type: ignore[union-attr]
        for part, value in zip(key, values, strict=True):
            _storable(part, value)
        return bool(backwards), values
    except (
        ValueError, TypeError, OverflowError, RecursionError, binascii.Error, FieldDoesNotExist, ValidationError,
    ) as error:  # fmt: skip
        raise CursorInvalid("This cursor is not from this list.") from error


def _storable(part: str, value: object) -> None:
    """Raises ValueError or OverflowError for what no database can be asked for."""
    if "\0" in part.encode().decode():  # encode() refuses lone surrogates
        raise ValueError("NUL")
    if isinstance(value, int) and not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise OverflowError(part)
    if isinstance(value, datetime):
        value.astimezone(UTC)
