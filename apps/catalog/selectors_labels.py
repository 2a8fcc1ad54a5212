"""Labels by what people call them. Reads only."""

from __future__ import annotations

import unicodedata
import uuid
from dataclasses import dataclass

from apps.catalog.models import Label

MAX_LABELS = 20
"""More labels of one name than anybody could choose from."""


@dataclass(frozen=True, slots=True)
class NamedLabel:
    """A label and its name."""

    mbid: uuid.UUID
    name: str


def labels_named(name: str) -> tuple[NamedLabel, ...]:
    """Known labels of this name, whatever its case and spacing. (SQLite folds the case of ASCII letters only; more is asked of MusicBrainz then.)"""
    rows = Label.objects.filter(name__iexact=" ".join(name.split())).order_by("name", "mbid")
    return tuple(NamedLabel(mbid, found) for mbid, found in rows.values_list("mbid", "name")[:MAX_LABELS])


def same_name(one: str, other: str) -> bool:
    """Two spellings of one name: case, spacing and Unicode form aside."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
