"""The plan of a job of jobs: discographies and crates as one list of lines, in the order in which they are fetched. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final, Literal

from apps.domain.catalog.crate import CrateOmitted, CratePick
from apps.domain.catalog.discography import Discography, Omitted, Pick, kind_of
from apps.domain.jobs.selection import MAX_RELEASES

PLANNED_STATES: Final = ("wanted", "held", "omitted")
BEYOND_LIMIT: Final = "beyond_limit"
HELD: Final = "held_in_full"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLine:
    """A release that was looked at. A group that is left out before an edition was chosen stands there with its own id as `release_mbid`."""

    position: int
    release_mbid: uuid.UUID
    group_mbid: uuid.UUID | None
    title: str
    artist: str
    year: str
    kind: str
    track_count: int
    weight: float
    recommended: bool
    state: Literal["wanted", "held", "omitted"]
    reason: str


def discography_plan(
    found: Discography, *, held: Collection[uuid.UUID] = (), limit: int | None = None
) -> tuple[PlanLine, ...]:
    """The plan of a discography: the weightiest first. `held`: releases that the library holds in full. `limit`: so many at most, held ones counted."""
    picks = sorted(found.picks, key=lambda one: -one.weight)  # stable: of equal weight the older one first
    lines = [_of_pick(pick, at, held=held, limit=limit) for at, pick in enumerate(picks)]
    lines += [_of_omitted(one, len(picks) + at) for at, one in enumerate(found.omitted)]
    return tuple(lines)


def crate_plan(
    picks: Iterable[CratePick],
    omitted: Iterable[CrateOmitted],
    *,
    held: Collection[uuid.UUID] = (),
    limit: int | None = None,
) -> tuple[PlanLine, ...]:
    """The plan of a crate, in its order. Without a limit it takes MAX_RELEASES."""
    limit = MAX_RELEASES if limit is None else limit
    lines: list[PlanLine] = []
    for pick in picks:
        taken = len(lines) < limit
        lines.append(
            PlanLine(
                position=len(lines),
                release_mbid=pick.release.mbid,
                group_mbid=pick.group.mbid if pick.group else None,
                title=pick.release.title,
                artist=pick.release.artist_credit,
                year=pick.release.year,
                kind=pick.kind,
                track_count=pick.release.track_count,
                weight=pick.weight,
                recommended=pick.recommended,
                state=_state(taken=taken, held=pick.release.mbid in held),
                reason=_reason(pick.reason, taken=taken, held=pick.release.mbid in held),
            )
        )
    for left in omitted:
        lines.append(
            PlanLine(
                position=len(lines),
                release_mbid=left.release.mbid,
                group_mbid=left.release.group.mbid if left.release.group else None,
                title=left.release.title,
                artist=left.release.artist_credit,
                year=left.release.year,
                kind=left.release.group.primary_type if left.release.group else "",
                track_count=left.release.track_count,
                weight=0.0,
                recommended=False,
                state="omitted",
                reason=left.code,
            )
        )
    return tuple(lines)


def _of_pick(pick: Pick, at: int, *, held: Collection[uuid.UUID], limit: int | None) -> PlanLine:
    taken, ours = limit is None or at < limit, pick.release.mbid in held
    return PlanLine(
        position=at,
        release_mbid=pick.release.mbid,
        group_mbid=pick.group.facts.mbid,
        title=pick.release.title,
        artist=pick.release.artist_credit or pick.group.artist_credit,
        year=pick.year,
        kind=pick.kind,
        track_count=pick.release.track_count,
        weight=pick.weight,
        recommended=pick.recommended,
        state=_state(taken=taken, held=ours),
        reason=_reason(pick.reason, taken=taken, held=ours),
    )


def _of_omitted(one: Omitted, at: int) -> PlanLine:
    facts = one.group.facts
    return PlanLine(
        position=at,
        release_mbid=facts.mbid,
        group_mbid=facts.mbid,
        title=facts.title,
        artist=one.group.artist_credit,
        year=facts.first_release_date[:4],
        kind=kind_of(one.group),
        track_count=0,
        weight=0.0,
        recommended=False,
        state="omitted",
        reason=one.code,
    )


def _state(*, taken: bool, held: bool) -> Literal["wanted", "held", "omitted"]:
    if not taken:
        return "omitted"
    return "held" if held else "wanted"


def _reason(chosen: str, *, taken: bool, held: bool) -> str:
    if not taken:
        return BEYOND_LIMIT
    return HELD if held else chosen
