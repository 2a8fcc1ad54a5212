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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseLabels:
    """A release and its labels as MusicBrainz has them: (MBID, name), the MBID None where only the name is known. Foreign text."""

    title: str
    artist: str
    labels: tuple[tuple[uuid.UUID | None, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingsOn:
    """How far some recordings cover a release of which the tracklist is known."""

    group_mbid: uuid.UUID | None
    recordings: frozenset[uuid.UUID]
    tracks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelLookUps:
    """What the catalog tells of labels: labels of releases; names of labels; releases that some recordings are on; what labels were
    merged into."""

    releases: Callable[[Collection[uuid.UUID]], Mapping[uuid.UUID, ReleaseLabels]]
    names: Callable[[Collection[uuid.UUID]], Mapping[uuid.UUID, str]]
    covered: Callable[[Collection[uuid.UUID]], Mapping[uuid.UUID, RecordingsOn]]
    merged: Callable[[Collection[uuid.UUID]], Mapping[uuid.UUID, uuid.UUID]]


_label_look_ups: LabelLookUps | None = None


def register_label_look_ups(look_ups: LabelLookUps) -> None:
    """Called once, by the catalog's AppConfig."""
    global _label_look_ups  # noqa: PLW0603  (set while Django starts, read afterwards)
    _label_look_ups = look_ups


def release_labels(mbids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, ReleaseLabels]:
    """Those of these releases that the catalogue knows, with their labels; at most two queries for 500 releases."""
    return _label_look_ups.releases(mbids) if _label_look_ups is not None and mbids else {}


def label_names(mbids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, str]:
    """Names of those of these labels that the catalogue knows; at most one query."""
    return _label_look_ups.names(mbids) if _label_look_ups is not None and mbids else {}


def releases_covered(recordings: Collection[uuid.UUID]) -> Mapping[uuid.UUID, RecordingsOn]:
    """Releases of the catalogue that some of these recordings are on; two queries for 500 recordings."""
    return _label_look_ups.covered(recordings) if _label_look_ups is not None and recordings else {}


def labels_merged(mbids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, uuid.UUID]:
    """Those of these labels that MusicBrainz merged into others, as far as it told; at most one query."""
    return _label_look_ups.merged(mbids) if _label_look_ups is not None and mbids else {}
