"""A label's crate: which of its releases are taken, and in which order. Pure rules over the label's releases in brief.

Of each release group the crate takes one edition of the label's own. The order is popularity on the mesh where that is known, then how central a
release is (as in discographies: albums before singles, what was issued often before what was not), then the newer ones.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from apps.domain.catalog.discography import (
    RECOMMENDED_FROM,
    Filters,
    edition_of,
    kind_of,
    weight_of,
)
from apps.domain.catalog.graph import GroupDetail, ReleaseBrief
from apps.domain.catalog.release import GroupFacts

NO_GROUP: Final = GroupFacts(mbid=uuid.UUID(int=0), title="")


@dataclass(frozen=True, slots=True, kw_only=True)
class CratePick:
    """A release of the crate. `group` None: MusicBrainz names none. `popularity` 0.0: the mesh knows nothing of it."""

    release: ReleaseBrief
    group: GroupFacts | None
    kind: str
    weight: float
    recommended: bool
    popularity: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CrateOmitted:
    """A release or group that is left out: `not_studio`, or a reason of discography.edition_of."""

    release: ReleaseBrief
    code: str


def crate(
    releases: Iterable[ReleaseBrief],
    *,
    popularity: Mapping[uuid.UUID, float],
    filters: Filters,
    studio_only: bool = False,
    held: Collection[uuid.UUID] = (),
) -> tuple[tuple[CratePick, ...], tuple[CrateOmitted, ...]]:
    """The label's releases in the order in which they are taken, and what is left out. `popularity`: release → how much of the mesh has it."""
    groups: dict[uuid.UUID, dict[uuid.UUID, ReleaseBrief]] = {}
    for one in releases:
        groups.setdefault(one.group.mbid if one.group else one.mbid, {})[one.mbid] = one
    picks: list[CratePick] = []
    omitted: list[CrateOmitted] = []
    for editions in groups.values():
        of_group = tuple(editions.values())
        group = of_group[0].group
        detail = GroupDetail(facts=group or NO_GROUP)
        if studio_only and not _studio(group):
            omitted.append(CrateOmitted(release=of_group[0], code="not_studio"))
            continue
        chosen = _edition(of_group, popularity=popularity, filters=filters, held=held)
        if isinstance(chosen, str):
            omitted.append(CrateOmitted(release=of_group[0], code=chosen))
            continue
        release, reason = chosen
        weight = weight_of(detail, of_group)
        known = max(popularity.get(mbid, 0.0) for mbid in editions)
        picks.append(
            CratePick(
                release=release,
                group=group,
                kind=kind_of(detail),
                weight=weight,
                recommended=known > 0 or weight >= RECOMMENDED_FROM,
                popularity=known,
                reason=reason,
            )
        )
    picks.sort(key=lambda one: (one.release.year or "0000", one.release.title, str(one.release.mbid)), reverse=True)
    picks.sort(key=lambda one: (-one.popularity, -one.weight))
    return tuple(picks), tuple(omitted)


def _edition(
    editions: Sequence[ReleaseBrief],
    *,
    popularity: Mapping[uuid.UUID, float],
    filters: Filters,
    held: Collection[uuid.UUID],
) -> tuple[ReleaseBrief, str] | str:
    """As `edition_of`, but before the usual edition comes the one that most of the mesh has (`edition_popular`): it can be had. What is held, or asked
    for by country or as first edition, goes before that."""
    chosen = edition_of(editions, filters=filters, held=held)
    if isinstance(chosen, str) or chosen[1] != "edition_standard":
        return chosen
    most = max((popularity.get(one.mbid, 0.0) for one in editions), default=0.0)
    had = [one for one in editions if most > 0 and popularity.get(one.mbid, 0.0) == most]
    popular = edition_of(had, filters=filters)
    return chosen if isinstance(popular, str) else (popular[0], "edition_popular")


def _studio(group: GroupFacts | None) -> bool:
    return group is not None and group.primary_type.lower() == "album" and not group.secondary_types
