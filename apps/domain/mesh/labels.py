"""What counts as a label, and what a label is known by here: its MBID, else its name. Pure. Names are foreign text."""

from __future__ import annotations

import unicodedata
import uuid
from typing import Final

from apps.domain.catalog.identity import label_name_id

MAX_NAME_CHARS: Final = 256
"""As the wire allows (MAX_TITLE_CHARS)."""
NO_LABEL: Final = uuid.UUID("157afde4-4bf5-4039-8ad2-5a15acc85176")
"""MusicBrainz' special purpose label [no label]: what is self-released has it, and it is nobody's crate."""
_NO_NAMES: Final = frozenset(
    {"[no label]", "no label", "[none]", "none", "n/a", "-", "not on label", "unknown", "[unknown]", "self-released"}
)


def clean_name(text: str, *, limit: int = MAX_NAME_CHARS) -> str:
    """A name as it is kept: composed, on one line, without controls, direction marks and other invisible characters, at most `limit` characters."""
    composed = unicodedata.normalize("NFC", text[: 4 * limit])
    visible = "".join(" " if unicodedata.category(one) in {"Zl", "Zp", "Cc"} else one for one in composed)
    kept = "".join(one for one in visible if unicodedata.category(one) not in {"Cf", "Cs", "Co", "Cn"})
    return " ".join(kept.split())[:limit].rstrip()


def search_form(text: str) -> str:
    """The form in which names are compared and searched: case, spacing, marks and compatibility forms make no difference."""
    apart = unicodedata.normalize("NFKD", clean_name(text))
    plain = "".join(one for one in apart if not unicodedata.combining(one))
    return " ".join(plain.casefold().split())[:MAX_NAME_CHARS]


def label_key(mbid: uuid.UUID | None, name: str) -> uuid.UUID | None:
    """What a label is counted under. None: this is no label (no name, `[no label]`, or an MBID that stands for none).

    An MBID that is derived (UUID version 5) is none of MusicBrainz', and could be made to hit the key of a name: then the name counts.
    """
    if mbid == NO_LABEL:
        return None
    if mbid is not None and is_mbid(mbid):
        return mbid
    plain = clean_name(name)
    return label_name_id(plain) if plain and plain.casefold() not in _NO_NAMES else None


def is_mbid(mbid: uuid.UUID) -> bool:
    """False for what can't be an id of MusicBrainz."""
    return mbid.int != 0 and mbid.version != 5
