"""What the mesh has of a label, as far as it is counted here. Local only: nothing of it is ever sent."""

from __future__ import annotations

import uuid
from collections.abc import Mapping


def release_popularity(label_mbid: uuid.UUID, name: str) -> Mapping[uuid.UUID, float]:
    """release → how much of the mesh has it lately (decayed), of the label with this MBID or name. Empty: the mesh knows nothing of it.

    No row counts labels yet, so the answer is empty, and crates say that they come from MusicBrainz.
    """
    return {}
