"""State moves by compare-and-set, and leases by the database's clock. The only way rows change state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

from django.db.models import F, Model, Q, QuerySet
from django.db.models.functions import Now

S = TypeVar("S", bound=StrEnum)


def sources_of(moves: Mapping[S, frozenset[S]], target: S) -> frozenset[S]:
    """The states from which `moves` allows `target`."""
    return frozenset(state for state, targets in moves.items() if target in targets)


def advance(
    rows: QuerySet[Model],
    *,
    moves: Mapping[S, frozenset[S]],
    to: S,
    only_from: Iterable[S] | None = None,
    **changes: object,
) -> int:
    """Move `rows` to `to` where the table allows it (and, with `only_from`, only from those states); returns how many rows moved.

    One UPDATE with the old state in its WHERE: of two racing movers exactly one gets 1.
    """
    allowed = sources_of(moves, to)
    if only_from is not None:
        allowed &= frozenset(only_from)
    return rows.filter(state__in=sorted(allowed)).update(state=to, updated_at=Now(), **changes)


def lease_claim(rows: QuerySet[Model], *, seconds: int) -> bool:
    """Take the lease of one row: nobody holds a live one, `attempt` goes up by one (the fencing token). True: it is ours."""
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=Now())
    taken = rows.filter(free).update(lease_until=Now() + timedelta(seconds=seconds), attempt=F("attempt") + 1)
    return taken == 1
