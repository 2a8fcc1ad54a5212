"""One label with what can be had of it: as peers of the mesh show it, else by MusicBrainz' list, and which of the two it is. Reads only."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from apps.catalog.selectors_graph import label_detail, label_state
from apps.catalog.selectors_labels import NamedLabel, labels_named
from apps.catalog.selectors_presence import LabelRelease, ReleaseKind, label_list, release_kinds
from apps.domain.catalog.walks import GraphState
from apps.mesh.selectors_labels import HeardRelease, LabelRow, label_row, releases_heard

MAX_SHOWN: Final = 500
"""As many as a crate takes."""
UNKNOWN_KIND: Final = ReleaseKind(primary="", secondary=())


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelLine:
    """A release of a label. Of one that no peer was heard to have, `peers` is 0 and nothing is known of its quality."""

    release_mbid: uuid.UUID
    title: str
    artist: str
    year: str
    kind: str
    """ "Album", "Album + Live", "" where MusicBrainz was not asked """
    tracks: int
    peers: int = 0
    popularity: float = 0.0
    quality: float | None = None
    profiles: tuple[str, ...] = ()
    heard_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelView:
    """A label. `source` of its releases: "mesh", "musicbrainz" (the mesh knows nothing of it) or "nothing" (MusicBrainz was not asked either)."""

    key: uuid.UUID
    label_mbid: uuid.UUID | None
    name: str
    figures: LabelRow | None
    source: str
    releases: tuple[LabelLine, ...]
    total: int
    """of which `releases` are the first"""
    graph: GraphState | None
    """how far MusicBrainz' list is read; None where no MBID is known"""
    namesakes: tuple[NamedLabel, ...]
    """labels that MusicBrainz calls so, where only a name is known"""


def label_view(key: uuid.UUID, *, limit: int = 50, codec: str = "", studio_only: bool = False) -> LabelView:
    """The label under a key (its MBID, or the id of its name). About eight queries, however many releases it has.

    The mesh's releases come as a crate takes them; MusicBrainz' come newest first. `codec` narrows the mesh's only: MusicBrainz knows of none.
    """
    figures = label_row(key)
    limit = max(1, min(limit, MAX_SHOWN))
    by_name = figures is not None and figures.label_mbid is None
    detail = None if by_name else label_detail(key)
    mbid = None if by_name else detail.mbid if detail is not None else key
    if figures is None and mbid is not None and mbid != key:  # asked for by an MBID that was merged into another
        key, figures = mbid, label_row(mbid)
    name = detail.name if detail is not None else figures.name if figures is not None else ""
    if figures is not None:
        total, lines = _of_mesh(key, limit=limit, codec=codec, studio_only=studio_only)
    else:
        total, lines = _of_musicbrainz(key if mbid is None else mbid, limit=limit, studio_only=studio_only)
    return LabelView(
        key=key,
        label_mbid=mbid,
        name=name,
        figures=figures,
        source="mesh" if figures is not None else "musicbrainz" if detail is not None or total else "nothing",
        releases=lines,
        total=total,
        graph=label_state(mbid) if mbid is not None else None,
        namesakes=labels_named(name) if by_name and name else (),
    )


def _of_mesh(key: uuid.UUID, *, limit: int, codec: str, studio_only: bool) -> tuple[int, tuple[LabelLine, ...]]:
    total, heard = releases_heard(key, codec=codec, limit=limit, only=_studio if studio_only else None)
    kinds = release_kinds([one.release_mbid for one in heard])
    return total, tuple(_heard(one, kinds.get(one.release_mbid, UNKNOWN_KIND)) for one in heard)


def _studio(releases: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Studio albums among them."""
    return {mbid for mbid, kind in release_kinds(list(releases)).items() if kind.studio}


def _of_musicbrainz(mbid: uuid.UUID, *, limit: int, studio_only: bool) -> tuple[int, tuple[LabelLine, ...]]:
    total, rows = label_list(mbid, limit=limit, studio_only=studio_only)
    return total, tuple(_listed(one) for one in rows)


def _heard(one: HeardRelease, kind: ReleaseKind) -> LabelLine:
    return LabelLine(
        release_mbid=one.release_mbid,
        title=one.title,
        artist=one.artist,
        year=one.year,
        kind=_words(kind),
        tracks=one.tracks,
        peers=one.peers,
        popularity=one.popularity,
        quality=one.quality,
        profiles=one.profiles,
        heard_at=one.heard_at,
    )


def _listed(one: LabelRelease) -> LabelLine:
    return LabelLine(
        release_mbid=one.mbid,
        title=one.title,
        artist=one.artist,
        year=one.year,
        kind=_words(one.kind),
        tracks=one.track_count,
    )


def _words(kind: ReleaseKind) -> str:
    return " + ".join(one for one in (kind.primary, *kind.secondary) if one)
