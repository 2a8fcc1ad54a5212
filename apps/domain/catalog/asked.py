"""What a find asks for as its row keeps it, which finds are equal, and where a find stands. Pure.

A find is `waiting` until a worker takes it, `asking` while MusicBrainz is asked (candidates found so far are shown), and ends `done` or `failed`. One
that could not be asked goes back to `waiting` with the reason and the time of the next attempt.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, assert_never

from apps.domain.catalog.links import (
    Asked,
    BarcodeAsked,
    DiscogsAsked,
    DiscogsKind,
    EntityKind,
    IsrcAsked,
    MbidAsked,
    WordsAsked,
)
from apps.domain.errors import DomainError

ASKED_VERSION: Final = 1

KINDS_TRIED: Final = (
    EntityKind.RELEASE,
    EntityKind.RELEASE_GROUP,
    EntityKind.RECORDING,
    EntityKind.ARTIST,
    EntityKind.LABEL,
)
"""The order in which an MBID of unknown kind is tried, likeliest first: people paste albums. A request each, so five seconds at most."""


class FindState(StrEnum):
    """See the module."""

    WAITING = "waiting"
    ASKING = "asking"
    DONE = "done"
    FAILED = "failed"


FIND_MOVES: Final[Mapping[FindState, frozenset[FindState]]] = {
    FindState.WAITING: frozenset({FindState.ASKING, FindState.DONE, FindState.FAILED}),
    FindState.ASKING: frozenset({FindState.WAITING, FindState.ASKING, FindState.DONE, FindState.FAILED}),
    FindState.DONE: frozenset(),
    FindState.FAILED: frozenset(),
}
FIND_ENDED: Final = frozenset({FindState.DONE, FindState.FAILED})


class AskedUnreadable(DomainError):
    """A row's JSON of what was asked that this version can't read: `find_unreadable`."""

    default_code = "find_unreadable"


def asked_json(asked: Asked) -> dict[str, object]:
    """The row's form, with its version."""
    match asked:
        case MbidAsked():
            told: dict[str, object] = {"is": "mbid", "mbid": str(asked.mbid), "kind": asked.kind}
        case DiscogsAsked():
            told = {"is": "discogs", "id": asked.id, "kind": asked.kind.value}
        case BarcodeAsked():
            told = {"is": "barcode", "digits": asked.digits}
        case IsrcAsked():
            told = {"is": "isrc", "isrc": asked.isrc}
        case WordsAsked():
            told = {"is": "words", "title": asked.title, "artist": asked.artist}
        case _:
            assert_never(asked)
    return {"v": ASKED_VERSION, **told}


def asked_of(value: Mapping[str, object]) -> Asked:
    """Read a row's form. Raises AskedUnreadable."""
    try:
        if value["v"] != ASKED_VERSION:
            raise AskedUnreadable("This find was written by another version.")
        match value["is"]:
            case "mbid":
                kind = value["kind"]
                return MbidAsked(mbid=uuid.UUID(str(value["mbid"])), kind=EntityKind(str(kind)) if kind else None)
            case "discogs":
                return DiscogsAsked(id=int(str(value["id"])), kind=DiscogsKind(str(value["kind"])))
            case "barcode":
                return BarcodeAsked(digits=str(value["digits"]))
            case "isrc":
                return IsrcAsked(isrc=str(value["isrc"]))
            case "words":
                return WordsAsked(title=str(value["title"]), artist=str(value["artist"]))
    except (KeyError, ValueError) as error:
        raise AskedUnreadable("This find can't be read.") from error
    raise AskedUnreadable("This find can't be read.")


def asked_key(asked: Asked) -> str:
    """Equal for finds with equal answers: words without regard to case. 64 hex digits."""
    told = asked_json(asked)
    if isinstance(asked, WordsAsked):
        told |= {"title": asked.title.casefold(), "artist": asked.artist.casefold()}
    words = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()
