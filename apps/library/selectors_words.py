"""Rows whose names have the words that somebody typed: the one way to search folders and issues, bounded whatever the words."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from django.db.models import Model, QuerySet

from apps.domain.library.words import asked_words

M = TypeVar("M", bound=Model)
FEW: Final = 10_000
"""Rows with the words that are gathered and put in order; of more than these, some are met soon whichever way the list is walked."""


def having_words(rows: QuerySet[M], words: QuerySet[Any], *, owner: str, text: str) -> QuerySet[M]:
    """Of `rows` those that have, for each word of `text`, a word that begins so. `words`: the rows that keep them, `owner`: their column that refers to
    `rows`. One query, which reads an index alone and ends at FEW.

    Databases guess badly how the words of a name go together: they would walk a list to its end for a few rows that lie there. So it is told to
    them which way is short.
    """
    asked = asked_words(text)
    if not asked:
        return rows
    each = [words.filter(word__gte=start, word__lt=end) for start, end in asked]
    together = each[0]
    for one in each[1:]:
        together = together.filter(**{f"{owner}__in": one.values(owner)})
    if together[: FEW + 1].count() <= FEW:
        return rows.filter(pk__in=together.values(owner)[:FEW])
    for one in each:
        rows = rows.filter(pk__in=one.values(owner))
    return rows
