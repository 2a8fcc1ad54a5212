"""Names of releases and recordings for apps that know only their ids.

Layers forbid the mesh to read the catalog beside it, yet people want titles, not MBIDs. The catalog registers its look-up here when Django
starts; whoever shows ids asks here.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseName:
    """What to call a release. Foreign text."""

    title: str
    artist: str
    year: str


LookUp = Callable[[Collection[uuid.UUID]], Mapping[uuid.UUID, ReleaseName]]
_look_up: LookUp | None = None


def register_release_names(look_up: LookUp) -> None:
    """Called once, by the catalog's AppConfig."""
    global _look_up  # noqa: PLW0603  (set while Django starts, read afterwards)
    _look_up = look_up


def release_names(mbids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, ReleaseName]:
    """Names of those that are known; at most one query."""
    return _look_up(mbids) if _look_up is not None and mbids else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingName:
    """What to call a recording, and one release it is on. Foreign text."""

    title: str
    artist: str
    release: str


RecordingLookUp = Callable[[Collection[uuid.UUID]], Mapping[uuid.UUID, RecordingName]]
_recording_look_up: RecordingLookUp | None = None


def register_recording_names(look_up: RecordingLookUp) -> None:
    """Called once, by the catalog's AppConfig."""
    global _recording_look_up  # noqa: PLW0603  (set while Django starts, read afterwards)
    _recording_look_up = look_up


def recording_names(mbids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, RecordingName]:
    """Names of those that are known; at most two queries."""
    return _recording_look_up(mbids) if _recording_look_up is not None and mbids else {}
