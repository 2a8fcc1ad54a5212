"""What a bench of pages asks for: named requests, and lists at their first, middle and last page."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A named request. `rounds`: at most so many (0: as many as is asked for). `read`: called in place of the request, where the answer is a stream: what
    its first event is made of. `counts`: its answer is made of every row, so that scans are told and no fault."""

    name: str
    path: str
    rounds: int = 0
    counts: bool = False
    read: Callable[[], object] | None = None


def pages_of(
    name: str,
    path: str,
    query: str,
    rows: Any,  # a QuerySet
    order: Sequence[str],
    *,
    places: Sequence[str] = ("first", "middle", "last"),
) -> Iterator[Asked]:
    """First, middle and last page. A cursor is the sort key of a row and a direction, as apps.common.pagination writes it."""
    at = f"{path}?{query}" if query else path
    if "first" in places:
        yield Asked(name=f"{name}, first", path=at)
    count = rows.count()
    for place, index in (("middle", count // 2), ("last", max(0, count - 20))):
        if place not in places:
            continue
        row = _row_at(rows, order, index, count)
        if row is not None:
            cursor = _cursor([0, *(str(getattr(row, one.removeprefix("-"))) for one in order)])
            yield Asked(name=f"{name}, {place}", path=f"{at}{'&' if query else '?'}cursor={cursor}")


def _row_at(rows: Any, order: Sequence[str], index: int, count: int) -> Any:  # a QuerySet and one of its rows
    """From whichever end is nearer."""
    if index > count // 2:
        index, order = count - 1 - index, [one[1:] if one.startswith("-") else f"-{one}" for one in order]
    return rows.order_by(*order)[index : index + 1].first() if 0 <= index < count else None


def _cursor(parts: Sequence[object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).rstrip(b"=").decode()
