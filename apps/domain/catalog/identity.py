"""Ids for what MusicBrainz has no id for: derived from the name or from another catalogue's number, the same on every node and for ever. Pure."""

from __future__ import annotations

import unicodedata
import uuid
from typing import Final

_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "https://slskdn.invalid/targets")
"""Never change it: rows and manifests hold ids that were derived from it."""


def label_name_id(name: str) -> uuid.UUID:
    """The id of a label that is known by its name only. Case, spacing and Unicode form make no difference."""
    plain = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    return uuid.uuid5(_NAMESPACE, f"label:{plain}")


def discogs_id(kind: str, number: int) -> uuid.UUID:
    """The id of a Discogs release, master, label or artist."""
    return uuid.uuid5(_NAMESPACE, f"discogs:{kind}:{number}")


def discogs_track_id(release: int, medium: int, position: int) -> uuid.UUID:
    """The id of a place on a Discogs release: a track, and what is heard there. It is nobody's MBID; nothing outside of this machine is asked for it."""
    return uuid.uuid5(_NAMESPACE, f"discogs:release:{release}:{medium}:{position}")


def is_derived(given: uuid.UUID) -> bool:
    """Whether an id may be one of these. MBIDs are of versions 4 and 3 (the oldest): none of them is a name's hash of version 5."""
    return given.version == 5
