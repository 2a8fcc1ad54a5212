"""Sightings of labels, for tests: told as the node tells them, counted as the node counts them."""

from __future__ import annotations

import uuid
from typing import Any

from apps.domain.contracts.label_work import ReleaseSighted
from apps.mesh.services_labels import labels_heard, labels_recount
from apps.peers.services import peer_ids

SUB_POP = uuid.UUID("38dc88de-7720-4100-9d5b-3cdc41b0c474")


def sighted(number: int, *, peer: str = "p", **changes: Any) -> ReleaseSighted:
    """A release, made up from a number, of Sub Pop unless it is said otherwise."""
    whole: dict[str, Any] = {
        "peer": peer,
        "group": f"group of {peer}",
        "release_mbid": uuid.UUID(int=number, version=4),
        "title": f"Title {number}",
        "artist": f"Artist {number % 7}",
        "label": "Sub Pop",
        "label_mbid": SUB_POP,
        "tracks": 10,
        "tracks_held": 10,
        "profile": "flac-16-44100-2",
    }
    return ReleaseSighted(**{**whole, **changes})


def hear(*reports: ReleaseSighted) -> int:
    """They are told, and everything due is counted."""
    written = labels_heard(reports, peer_ids=peer_ids({one.peer for one in reports}))
    count()
    return written


def count() -> None:
    """Count whatever is due."""
    while labels_recount(limit=100) == 100:
        pass
