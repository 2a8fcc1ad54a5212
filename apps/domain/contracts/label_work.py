"""What the node hears of labels, as values between its services and the rows."""

from __future__ import annotations

import uuid
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSighted:
    """A peer tells in a descriptor that it has (part of) a release. All words are the peer's; `label` and `label_mbid` may be missing."""

    peer: str
    group: str
    """/24 or /56"""
    release_mbid: uuid.UUID
    title: str = ""
    artist: str = ""
    label: str = ""
    label_mbid: uuid.UUID | None = None
    tracks: int = 0
    tracks_held: int = 0
    """whole ones"""
    profile: str = ""
    """of most of the held tracks"""
    quality: float | None = None
    """0..1: mean over the tracks of which the peer states one"""
