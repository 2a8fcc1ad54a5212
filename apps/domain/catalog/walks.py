"""Lists of MusicBrainz that are read page by page, and what is told of how far that is. Pure: the rows are read elsewhere."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from apps.domain.catalog.graph import Page
from apps.domain.errors import Param

MAX_LISTED: Final = 20_000
"""A longer list is no person's discography: "Various Artists" has hundreds of thousands. Its walk fails with `graph_too_large`."""
MAX_PASSES: Final = 3
"""A list that goes on growing while it is read is read so often from its beginning; what came after the last pass comes with the next refresh."""

UNREACHABLE: Final = frozenset({"musicbrainz_offline", "musicbrainz_unavailable"})
"""While a walk waits for this, an older reading has to do."""


class WalkKind(StrEnum):
    """Which list."""

    ARTIST_GROUPS = "artist_groups"
    ARTIST_RELEASES = "artist_releases"
    LABEL_RELEASES = "label_releases"
    GROUP_RELEASES = "group_releases"


class WalkState(StrEnum):
    """How far. `done` walks are taken up again when they are older than what is fresh, or by hand."""

    WAITING = "waiting"
    WALKING = "walking"
    DONE = "done"
    FAILED = "failed"


Subject = Literal["artist", "label", "release_group"]
"""Whose list: what can be looked up by itself. Kinds of Validator, Relation and EntityTag rows."""

SUBJECT: Final[Mapping[WalkKind, Subject]] = {
    WalkKind.ARTIST_GROUPS: "artist",
    WalkKind.ARTIST_RELEASES: "artist",
    WalkKind.LABEL_RELEASES: "label",
    WalkKind.GROUP_RELEASES: "release_group",
}

UNREADABLE: Final[Mapping[WalkKind, str]] = {
    WalkKind.ARTIST_GROUPS: "artist_groups_unreadable",
    WalkKind.ARTIST_RELEASES: "artist_releases_unreadable",
    WalkKind.LABEL_RELEASES: "label_releases_unreadable",
    WalkKind.GROUP_RELEASES: "group_releases_unreadable",
}
"""The code of a list that MusicBrainz answers with "not found" although it has whose list it is."""

INCOMPLETE: Final[Mapping[WalkKind, str]] = {
    WalkKind.ARTIST_GROUPS: "artist_groups_incomplete",
    WalkKind.ARTIST_RELEASES: "artist_releases_incomplete",
    WalkKind.LABEL_RELEASES: "label_releases_incomplete",
    WalkKind.GROUP_RELEASES: "group_releases_incomplete",
}
"""The code of a list that came to its end with less than it promised: pages were shorter, entries unreadable."""
LIST_UNSTEADY: Final = "list_unsteady"
"""The code of a list that changed in each of its passes: all that was promised last came, an entry may have slipped by before."""
NOT_WHOLE: Final = frozenset({*INCOMPLETE.values(), LIST_UNSTEADY})
"""Codes of lists that were read to their end, and not wholly. They are read anew when somebody asks after a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkStatus:
    """One walk. `total` None: not told yet. `fresh`: read to its end within the last 30 days. `stale`: at an end, and so old that asking
    for it begins it anew. `read_at`: when it was last read to its end, which a
    renewed walk keeps while it goes on; None: never. `mbid`: of whom the list is read, which after a merge is not who was asked for."""

    id: int
    kind: WalkKind
    mbid: uuid.UUID
    state: WalkState
    taken: int = 0
    total: int | None = None
    unreadable: int = 0
    code: str = ""
    params: Mapping[str, Param] = field(default_factory=dict)
    fresh: bool = False
    stale: bool = False
    read_at: datetime | None = None
    next_step_at: datetime | None = None


GraphStand = Literal["missing", "walking", "ready", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphState:
    """What is known of an artist's or label's graph.

    `ready`: everything was read, within 30 days, or earlier where MusicBrainz can't be asked now (`code` says so then, and where a list came
    to its end with less than it promised). `walking`: it is asked for or
    read (`code`: what it waits for, if anything). `failed`: it can't be read (`code`). `missing`: nobody asked. `fetched_at`: the oldest part's time.
    `mbid`: who it is now; differs from who was asked for after a merge.
    """

    mbid: uuid.UUID
    state: GraphStand
    groups_taken: int = 0
    groups_total: int | None = None
    releases_taken: int = 0
    releases_total: int | None = None
    unreadable: int = 0
    code: str = ""
    params: Mapping[str, Param] = field(default_factory=dict)
    fetched_at: datetime | None = None

    @property
    def whole(self) -> bool:
        """No list is known to have come to its end with less than it promised."""
        return self.code not in NOT_WHOLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Where a walk stands after a page.

    `taken`: where the next page begins. `passes`: how often the list was begun anew. `moved`: its total changed while it was read, so that an entry may
    have slipped by. `again`: it changed so that only another pass makes sure. `done`: there is nothing more to read.
    """

    taken: int
    total: int
    passes: int = 0
    moved: bool = False
    again: bool = False
    done: bool = False


def step_after(page: Page, *, offset: int, before: Step | None) -> Step:
    """Decide what follows a page that began at `offset`; `before`: where the walk stood then, None at its first page.

    A list that shrank has moved entries to places that were read already: reading goes back by as many, by half a page at most (so that two servers
    which disagree can't hold it). One that grew, or shrank by more, is read once more from its beginning, MAX_PASSES in all. Duplicates cost nothing.
    An empty page ends the list, whatever its total claims.
    """
    change = page.total - before.total if before else 0
    passes, moved = (before.passes if before else 0), change != 0 or (before is not None and before.moved)
    back = min(-change, page.taken // 2) if change < 0 else 0
    again = change > 0 or -change > back or (before is not None and before.again)
    taken = offset + page.taken - back
    if page.taken and taken < page.total:
        return Step(taken=taken, total=page.total, passes=passes, moved=moved, again=again)
    if again and passes + 1 < MAX_PASSES:
        return Step(taken=0, total=page.total, passes=passes + 1)
    return Step(taken=taken, total=page.total, passes=passes, moved=moved, again=again, done=True)


def missing_of(kind: WalkKind, end: Step, *, before: Step | None, unreadable: int) -> tuple[str, Mapping[str, Param]]:
    """What a list that is at its `end` lacks, as a code of NOT_WHOLE with its params; ("", {}) when it is whole. `before`: where the walk stood before its
    last page. `unreadable`: entries of its last pass that were left out."""
    total = max(end.total, before.total) if before is not None and end.again else end.total
    read = min(end.taken, total) - unreadable
    if read < total:
        return INCOMPLETE[kind], {"read": max(0, read), "total": total, "unreadable": unreadable}
    return (LIST_UNSTEADY, {"passes": end.passes + 1, "total": total}) if end.again else ("", {})
