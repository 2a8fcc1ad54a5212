"""The edition solver: of all editions of an album, which one do the offers on hand make best, and what is the cheapest change that completes it?

An **offer** is a set of tracks that lie together: what the library holds, a folder somewhere, what a peer advertises. For each edition one offer is the
**base** (matched whole, by assignment over tracks: `edition.match_release`); tracks that it lacks are **taken** from other offers, by a second
assignment over what is missing. The cost of such a plan is the base's distance, where a missing track that can be taken costs TAKEN and what its pair
differs instead of MISSING, and a track that is not held yet FETCHED. Every part of it is a penalty with a name, a weight and numbers; they add up to the cost.

**Strict mode** is for a release that a person named: it alone is judged, and a pair that is another recording, another version or of another length is
refused: that track is missing then. What would be nearer is told, and not taken.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from apps.domain.errors import Param
from apps.domain.matching.assign import MISSING, assign, pair_cost
from apps.domain.matching.distance import (
    GRACE_COST,
    WEIGHTS,
    Matrix,
    Penalty,
    Weights,
    pair_penalties,
    pair_terms,
)
from apps.domain.matching.edition import MARGIN, Change, ReleaseMatch, TrackPair, match_release, same_tracklist
from apps.domain.matching.values import OfferedSet, OfferedTrack, TargetRelease, TargetTrack

TAKEN: Final = 0.25
"""Cost of a track from another offer than the base, beside what it differs: another rip, maybe another master. A missing one costs 0.9."""
FETCHED: Final = 0.04
"""Cost of a track that is not held: enough to settle ties for what is here, less than any misspelt title."""
TAKE_AT: Final = 0.25
"""A pair's distance up to which a lone track of another offer is believed to be it; its album says nothing for it."""
NOT_IT: Final = 0.5
"""Amount of a recording's penalty from which on who listened says: another one."""
MAX_OFFERS: Final = 60
MAX_EDITIONS: Final = 250
BASES: Final = 4
"""Offers tried as the base of an edition with what others add: the nearest by themselves."""
MAX_PLANS: Final = 40


class OfferKind(StrEnum):
    """Where an offer is."""

    HELD = "held"
    """in the library: nothing has to be fetched"""
    FOLDER = "folder"
    """a folder that somebody shares"""
    PEER = "peer"
    """what a peer of the mesh advertises, track by track"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Tracks that lie together. `key` is the caller's name of it; it orders what is otherwise equal."""

    key: str
    kind: OfferKind
    set: OfferedSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A track of the edition that another offer than the base has."""

    target: TargetTrack
    offer: str
    offered: OfferedTrack
    distance: float
    penalties: tuple[Penalty, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionPlan:
    """How an edition would be made of the offers. `penalties`: dearest first, they add up to `cost`. `refused`: pairs that strict mode does not take."""

    release: TargetRelease
    base: str
    match: ReleaseMatch
    taken: tuple[Taken, ...]
    missing: tuple[TargetTrack, ...]
    refused: tuple[TrackPair, ...]
    to_fetch: int
    cost: float
    penalties: tuple[Penalty, ...]
    change: Change

    @property
    def complete(self) -> bool:
        """Every track is held or on offer, and nothing is too much."""
        return not self.missing and not self.match.extra and not self.refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """The plans, best first. Codes: `solved`, `equal_tracklist` and `editions_alike` (`alike` of them lie as near), `no_offers`, `no_editions`;
    of strict mode `strict_complete`, `strict_incomplete`, `strict_unknown`. `nearer`: editions that strict mode passed over though they lie nearer."""

    code: str
    params: dict[str, Param]
    plans: tuple[EditionPlan, ...] = ()
    nearer: tuple[EditionPlan, ...] = ()

    @property
    def best(self) -> EditionPlan | None:
        """The edition it is."""
        return self.plans[0] if self.plans else None


def solve(
    offers: Iterable[Offer],
    editions: Iterable[TargetRelease],
    *,
    strict: uuid.UUID | None = None,
    weights: Weights = WEIGHTS,
) -> Solution:
    """See the module. `strict`: the named release. At most MAX_OFFERS offers (held ones first) and MAX_EDITIONS editions are looked at."""
    usable = sorted(
        (one for one in offers if one.set.tracks), key=lambda one: (one.kind is not OfferKind.HELD, one.key)
    )
    known = sorted({one.mbid: one for one in editions if one.tracks}.values(), key=lambda one: str(one.mbid))
    some, named = usable[:MAX_OFFERS], known[:MAX_EDITIONS]
    if strict is not None:
        target = next((one for one in known if one.mbid == strict), None)
        return _strict(some, named, target, strict=strict, weights=weights)
    if not named:
        return Solution(code="no_editions", params={})
    if not some:
        return Solution(code="no_offers", params={"editions": len(named)})
    plans = _ranked(_plan(some, one, weights=weights) for one in named)
    best = plans[0]
    told = _told(best)
    alike = [one for one in plans[1:] if one.cost - best.cost < MARGIN]
    if not alike:
        return Solution(code="solved", params=told, plans=plans)
    same = all(same_tracklist(best.release, one.release) for one in alike)
    code = "equal_tracklist" if same else "editions_alike"
    return Solution(code=code, params={**told, "alike": len(alike)}, plans=plans)


def _strict(
    offers: Sequence[Offer],
    editions: Sequence[TargetRelease],
    target: TargetRelease | None,
    *,
    strict: uuid.UUID,
    weights: Weights,
) -> Solution:
    if target is None:
        return Solution(code="strict_unknown", params={"release": str(strict)})
    if not offers:
        return Solution(code="no_offers", params={"editions": len(editions)})
    plan = _plan(offers, target, weights=weights, strict=True)
    others = _ranked(_plan(offers, one, weights=weights) for one in editions if one.mbid != strict)
    nearer = tuple(one for one in others if one.cost < plan.cost)
    code = "strict_complete" if plan.complete else "strict_incomplete"
    return Solution(
        code=code,
        params={**_told(plan), "refused": len(plan.refused), "nearer": len(nearer)},
        plans=(plan,),
        nearer=nearer,
    )


def _told(plan: EditionPlan) -> dict[str, Param]:
    return {
        "tracks": len(plan.match.pairs) + len(plan.taken),
        "of": len(plan.release.tracks),
        "extra": len(plan.match.extra),
        "cost": round(plan.cost, 4),
    }


def _ranked(plans: Iterable[EditionPlan]) -> tuple[EditionPlan, ...]:
    return tuple(sorted(plans, key=_order)[:MAX_PLANS])


def _order(plan: EditionPlan) -> tuple[float, bool, str, str]:
    """Equal ones by official status, date and id, as editions are ranked."""
    release = plan.release
    return (round(plan.cost, 9), release.status not in {"Official", ""}, release.date or "9999", str(release.mbid))


def _plan(offers: Sequence[Offer], release: TargetRelease, *, weights: Weights, strict: bool = False) -> EditionPlan:
    """The cheapest plan for one edition."""
    bases: list[tuple[ReleaseMatch, tuple[TrackPair, ...], Offer]] = []
    for offer in offers:
        match = match_release(offer.set, release, weights=weights)
        refused: tuple[TrackPair, ...] = ()
        if strict:
            match, refused = _only_it(offer.set, release, match, weights=weights)
        bases.append((match, refused, offer))
    # What lies nearest by itself; what is held is always tried.
    bases.sort(key=lambda one: (round(one[0].distance, 9), one[2].kind is not OfferKind.HELD, one[2].key))
    tried = [*bases[:BASES], *(one for one in bases[BASES:] if one[2].kind is OfferKind.HELD)]
    plans = [
        _filled(match, refused, offer, [one for one in offers if one is not offer], weights=weights, strict=strict)
        for match, refused, offer in tried
    ]
    return min(plans, key=lambda one: (round(one.cost, 9), one.to_fetch, one.base))


def _filled(
    match: ReleaseMatch,
    refused: tuple[TrackPair, ...],
    base: Offer,
    others: Sequence[Offer],
    *,
    weights: Weights,
    strict: bool,
) -> EditionPlan:
    """A base with what others add to it."""
    taken = _taken(match.missing, others, weights=weights, strict=strict)
    filled = {(one.target.disc, one.target.position) for one in taken}
    missing = tuple(one for one in match.missing if (one.disc, one.position) not in filled)
    held = {one.key for one in others if one.kind is OfferKind.HELD}
    fetched = sum(1 for one in taken if one.offer not in held)
    if base.kind is not OfferKind.HELD:
        fetched += len(match.pairs)
    # The weight of one track within the whole: the same as in the base's own penalties.
    count = max(len(match.pairs) + len(match.extra), len(match.release.tracks), 1)
    share = _share(match, count)
    penalties = [one for one in match.penalties if one.code != "missing_tracks"]
    if missing:
        weight = share * len(missing)
        penalties.append(Penalty(code="missing_tracks", amount=MISSING, weight=weight, params={"count": len(missing)}))
    if taken:
        amounts = [TAKEN + float(pair_cost(_one(one.distance))[0, 0]) for one in taken]
        penalties.append(
            Penalty(
                code="taken_tracks",
                amount=min(MISSING, sum(amounts) / len(amounts)),
                weight=share * len(taken),
                params={"count": len(taken), "sources": len({one.offer for one in taken})},
            )
        )
    if fetched:
        penalties.append(Penalty(code="to_fetch", amount=FETCHED, weight=share * fetched, params={"count": fetched}))
    if refused:
        params: dict[str, Param] = {"count": len(refused)}
        penalties.append(Penalty(code="refused_tracks", amount=0.0, weight=0.0, params=params))
    ordered = tuple(sorted(penalties, key=lambda one: (-one.cost, one.code)))
    return EditionPlan(
        release=match.release,
        base=base.key,
        match=match,
        taken=taken,
        missing=missing,
        refused=refused,
        to_fetch=fetched,
        cost=sum(one.cost for one in ordered),
        penalties=ordered,
        change=_change(match, taken, missing, refused),
    )


def _share(match: ReleaseMatch, count: int) -> float:
    """What one track of `count` weighs in the base's distance."""
    for one in match.penalties:
        number = one.params.get("count")
        if one.code in {"missing_tracks", "extra_tracks", "track_differences"} and isinstance(number, int) and number:
            return one.weight / number
    return 1.0 / count


def _taken(
    missing: Sequence[TargetTrack], others: Sequence[Offer], *, weights: Weights, strict: bool
) -> tuple[Taken, ...]:
    """Missing tracks that other offers have, by assignment over all of them; where two have it alike, the held one, then the first by key."""
    rows = [(offer, track) for offer in others for track in offer.set.tracks]
    if not rows or not missing:
        return ()
    # An offer's own numbers say nothing of this edition's places.
    tracks = [dataclasses.replace(track, disc=0, track=0, disc_tracks=0) for _, track in rows]
    terms = pair_terms(tracks, missing, weights=weights)
    found = []
    for row, column in assign(terms.cost):
        distance = float(terms.cost[row, column])
        penalties = pair_penalties(terms, row, column, offered=tracks[row], target=missing[column])
        if distance > TAKE_AT or (strict and _other(penalties)):
            continue
        found.append(
            Taken(
                target=missing[column],
                offer=rows[row][0].key,
                offered=rows[row][1],
                distance=distance,
                penalties=penalties,
            )
        )
    return tuple(sorted(found, key=lambda one: (one.target.disc, one.target.position)))


def _only_it(
    offered: OfferedSet, release: TargetRelease, match: ReleaseMatch, *, weights: Weights
) -> tuple[ReleaseMatch, tuple[TrackPair, ...]]:
    """The match without pairs that are another recording, version or length; and those pairs."""
    refused = tuple(pair for pair in match.pairs if _other(pair.penalties))
    if not refused:
        return match, ()
    gone = {pair.offered.key for pair in refused}
    rest = dataclasses.replace(offered, tracks=tuple(one for one in offered.tracks if one.key not in gone))
    again = match_release(rest, release, weights=weights)
    further = tuple(pair for pair in again.pairs if _other(pair.penalties))
    if further:  # what took the place of a refused one is none either
        again, more = _only_it(rest, release, again, weights=weights)
        return again, (*refused, *more)
    return again, refused


def _other(penalties: Sequence[Penalty]) -> bool:
    for one in penalties:
        if one.code == "recording" and one.amount >= NOT_IT:
            return True
        if one.code == "duration" and one.amount > GRACE_COST:
            return True
        if one.code == "title_version":
            return True
    return False


def _change(
    match: ReleaseMatch, taken: Sequence[Taken], missing: Sequence[TargetTrack], refused: Sequence[TrackPair]
) -> Change:
    """The least that would complete it. Tracks come first, names last."""
    if refused and not missing:
        return Change(code="replace_track", params={"count": len(refused)})
    if taken and missing:
        params: dict[str, Param] = {"count": len(taken), "missing": len(missing)}
        return Change(code="take_some", params=params)
    if taken:
        return Change(code="take_missing", params={"count": len(taken), "sources": len({one.offer for one in taken})})
    return match.cheapest_change


def _one(distance: float) -> Matrix:
    return np.array([[distance]])
