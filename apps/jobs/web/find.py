"""What a person typed into the find box: an MBID, or an address at MusicBrainz."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_ADDRESS = re.compile(
    rf"(?:https?://)?(?:[a-z]+\.)?musicbrainz\.org/(release-group|[a-z]+)/({_UUID})(?:[/?#].*)?", re.IGNORECASE
)
_BARE = re.compile(rf"(?:(release|recording)[:/ ])?({_UUID})", re.IGNORECASE)
_KINDS = {"release": "mb_release", "recording": "recording"}


@dataclass(frozen=True, slots=True)
class Found:
    """An id. `kind` is a job kind, or "" when the text does not say whether it is a release or a recording."""

    mbid: uuid.UUID
    kind: str


@dataclass(frozen=True, slots=True)
class NotFound:
    """Nothing that can be asked for; `code` says why."""

    code: str


def read_find(text: str) -> Found | NotFound:
    """Read it. Codes: `find_empty`, `find_wrong_entity` (an artist's page, say), `find_unreadable`."""
    text = text.strip()
    if not text:
        return NotFound("find_empty")
    if match := _ADDRESS.fullmatch(text):
        kind = _KINDS.get(match[1].lower())
        return Found(uuid.UUID(match[2]), kind) if kind else NotFound("find_wrong_entity")
    if match := _BARE.fullmatch(text):
        return Found(uuid.UUID(match[2]), _KINDS.get((match[1] or "").lower(), ""))
    return NotFound("find_unreadable")
