"""Where the match of a folder stands.

A row is made, or put back, to `pending` whenever its files change, and by a person who wants another look. The machine says `matched` (this release),
`ambiguous` (a question for a person: candidates in order) or `unmatched` (with the reason). A person says `confirmed` (this release) or `ignored`
(leave this folder alone); both survive a change of the files: the machine only works out the pairs anew and returns to what the person said.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class FolderState(StrEnum):
    """See the module."""

    PENDING = "pending"
    MATCHED = "matched"
    AMBIGUOUS = "ambiguous"
    UNMATCHED = "unmatched"
    CONFIRMED = "confirmed"
    IGNORED = "ignored"


FOLDER_MOVES: Final[Mapping[FolderState, frozenset[FolderState]]] = {
    FolderState.PENDING: frozenset(
        {
            FolderState.PENDING,
            FolderState.MATCHED,
            FolderState.AMBIGUOUS,
            FolderState.UNMATCHED,
            FolderState.CONFIRMED,
            FolderState.IGNORED,
        }
    ),
    FolderState.MATCHED: frozenset({FolderState.PENDING, FolderState.IGNORED}),
    FolderState.AMBIGUOUS: frozenset({FolderState.PENDING, FolderState.IGNORED}),
    FolderState.UNMATCHED: frozenset({FolderState.PENDING, FolderState.IGNORED}),
    FolderState.CONFIRMED: frozenset({FolderState.PENDING, FolderState.IGNORED}),
    FolderState.IGNORED: frozenset({FolderState.PENDING}),
}
"""A person's choice of a release goes through `pending`: the worker fetches the release, pairs the tracks, and confirms."""
