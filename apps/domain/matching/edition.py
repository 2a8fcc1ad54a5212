"""Which edition is it? Several releases compared with one offered set, ranked, decided, and every figure explained.

Distance of a set from a release: the tracks' mean cost (pairs, missing, extra; `assign`) weighs `Weights.tracks`, the facts of the album weigh what they
do, and all is divided by the sum of the weights that both sides have something to say to. `fit` is the same without the missing tracks: what is
there, however much it is of the whole.

Decision. The best is `matched` if it fits, enough of it is there, and the runner-up lies MARGIN behind. Editions nearer than that are a question for a
person; if their tracklists are the same it says so (`equal_tracklist`): then any will do, and only the sleeve differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from apps.domain.errors import Param
from apps.domain.matching.assign import EXTRA, MISSING, assign, pair_cost
from apps.domain.matching.distance import (
    WEIGHTS,
    Penalty,
    Weights,
    pair_penalties,
    pair_terms,
    release_penalties,
)
from apps.domain.matching.states import FolderState
from apps.domain.matching.values import OfferedSet, OfferedTrack, TargetRelease, TargetTrack
from apps.domain.matching.words import text_distance

MATCH_VERSION: Final = 1
"""Of weights and rules: a folder that an older version decided is looked at again."""
FITS: Final = 0.16
"""A set that fits better is that release. Of the fixtures' noisy folders the right release is at 0.00–0.12, other albums of the artist from 0.30 on."""
MAYBE: Final = 0.35
"""Up to here it is worth a person's question."""
MARGIN: Final = 0.012
"""The runner-up must be so much farther away: one missing track of twenty, or another barcode."""
ALBUM_NAMED: Final = 0.25
"""The album's name is that of the release, misspelt at most."""
SAME_LENGTH_MS: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackPair:
    """An offered track and the track it is. `distance` 0..1, of its penalties."""

    offered: OfferedTrack
    target: TargetTrack
    distance: float
    penalties: tuple[Penalty, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The least that would make the set and the release one: nothing, get_missing, remove_extra, replace_track, retag, renumber."""

    code: str
    params: dict[str, Param]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseMatch:
    """How well an offered set is a release. `penalties`: dearest first, of tracks and album together; their costs add up to `distance` (before it is
    cut at 1)."""

    release: TargetRelease
    distance: float
    fit: float
    pairs: tuple[TrackPair, ...]
    missing: tuple[TargetTrack, ...]
    extra: tuple[OfferedTrack, ...]
    penalties: tuple[Penalty, ...]
    cheapest_change: Change

    @property
    def coverage(self) -> float:
        """Share of the release's tracks that are there."""
        return len(self.pairs) / max(1, len(self.release.tracks))


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchDecision:
    """What became of a set. `alike`: the releases that nothing tells from the best."""

    state: FolderState
    code: str
    params: dict[str, Param]
    best: ReleaseMatch | None = None
    alike: tuple[ReleaseMatch, ...] = ()


def match_release(offered: OfferedSet, release: TargetRelease, *, weights: Weights = WEIGHTS) -> ReleaseMatch:
    """Compare an offered set with one release."""
    tracks = sorted(offered.tracks, key=lambda one: (one.disc, one.track, one.title, one.duration_ms or 0, one.key))
    targets = sorted(release.tracks, key=lambda one: (one.disc, one.position))
    terms = pair_terms(tracks, targets, weights=weights)
    chosen = assign(terms.cost)
    pairs = tuple(
        TrackPair(
            offered=tracks[row],
            target=targets[column],
            distance=float(terms.cost[row, column]),
            penalties=pair_penalties(terms, row, column, offered=tracks[row], target=targets[column]),
        )
        for row, column in chosen
    )
    rows, columns = {row for row, _ in chosen}, {column for _, column in chosen}
    missing = tuple(one for column, one in enumerate(targets) if column not in columns)
    extra = tuple(one for row, one in enumerate(tracks) if row not in rows)
    costs = [float(pair_cost(terms.cost[row : row + 1, column : column + 1])[0, 0]) for row, column in chosen]
    facts, facts_weight = release_penalties(offered, release, weights=weights)
    whole = weights.tracks + facts_weight
    count = max(len(tracks), len(targets), 1)
    track_cost = sum(costs) + MISSING * len(missing) + EXTRA * len(extra)
    beside = sum(one.cost for one in facts)
    there = min(1.0, (sum(costs) + EXTRA * len(extra)) / max(1, len(tracks)))
    empty = not tracks or not targets
    penalties = _penalties(pairs, costs, missing, extra, facts, share=weights.tracks / whole, count=count, whole=whole)
    return ReleaseMatch(
        release=release,
        distance=1.0 if empty else (weights.tracks * min(1.0, track_cost / count) + beside) / whole,
        fit=1.0 if empty else (weights.tracks * there + beside) / whole,
        pairs=tuple(sorted(pairs, key=lambda one: (one.target.disc, one.target.position))),
        missing=missing,
        extra=extra,
        penalties=penalties,
        cheapest_change=_change(pairs, missing, extra),
    )


def rank(
    offered: OfferedSet, releases: Iterable[TargetRelease], *, weights: Weights = WEIGHTS
) -> tuple[ReleaseMatch, ...]:
    """Every release once, the nearest first; equal ones by official status, date and id."""
    once = {release.mbid: release for release in releases}
    found = [match_release(offered, release, weights=weights) for release in once.values()]
    return tuple(sorted(found, key=_order))


def _order(match: ReleaseMatch) -> tuple[float, bool, str, str]:
    release = match.release
    return (
        round(match.distance, 9),
        release.status not in {"Official", ""},
        release.date or "9999",
        str(release.mbid),
    )


def decide(ranked: Sequence[ReleaseMatch], *, offered: OfferedSet) -> MatchDecision:
    """See the module. `ranked` as `rank` gives it."""
    if not offered.tracks:
        return MatchDecision(state=FolderState.UNMATCHED, code="no_tracks", params={})
    if not ranked:
        return MatchDecision(state=FolderState.UNMATCHED, code="no_candidates", params={})
    best = ranked[0]
    told: dict[str, Param] = {
        "distance": round(best.distance, 4),
        "tracks": len(best.pairs),
        "of": len(best.release.tracks),
        "extra": len(best.extra),
    }
    if not best.pairs or best.fit > MAYBE:
        return MatchDecision(state=FolderState.UNMATCHED, code="nothing_fits", params=told, best=best)
    if best.fit > FITS:
        return MatchDecision(state=FolderState.AMBIGUOUS, code="fits_badly", params=told, best=best)
    if not _enough(best, offered):
        return MatchDecision(state=FolderState.UNMATCHED, code="loose_tracks", params=told, best=best)
    alike = tuple(one for one in ranked[1:] if one.distance - best.distance < MARGIN and one.fit <= FITS)
    if not alike:
        code = "complete" if not best.missing and not best.extra else "partly"
        return MatchDecision(state=FolderState.MATCHED, code=code, params=told, best=best)
    told |= {"alike": len(alike)}
    if all(same_tracklist(best.release, one.release) for one in alike):
        code = "equal_tracklist"
    elif all(one.release.group_mbid == best.release.group_mbid is not None for one in alike):
        code = "editions_alike"
    else:
        code = "releases_alike"
    return MatchDecision(state=FolderState.AMBIGUOUS, code=code, params=told, best=best, alike=alike)


def same_tracklist(one: TargetRelease, other: TargetRelease) -> bool:
    """The same tracks in the same order on the same discs; recordings decide where both name them, else titles and lengths."""
    if len(one.tracks) != len(other.tracks):
        return False
    pairs = zip(
        sorted(one.tracks, key=lambda track: (track.disc, track.position)),
        sorted(other.tracks, key=lambda track: (track.disc, track.position)),
        strict=True,
    )
    return all(_same_track(first, second) for first, second in pairs)


def _same_track(one: TargetTrack, other: TargetTrack) -> bool:
    if (one.disc, one.position) != (other.disc, other.position):
        return False
    if one.length_ms and other.length_ms and abs(one.length_ms - other.length_ms) > SAME_LENGTH_MS:
        return False
    same = one.recording_mbid is not None and one.recording_mbid == other.recording_mbid
    return same or text_distance(one.title, other.title) <= 0.1


def _enough(match: ReleaseMatch, offered: OfferedSet) -> bool:
    """Is what is there enough to name the album? Half of it, or some of it under the album's own name, or under its id."""
    if offered.release_mbid == match.release.mbid or match.coverage >= 0.5:
        return True
    return bool(offered.album) and text_distance(offered.album, match.release.title) <= ALBUM_NAMED


def _penalties(
    pairs: Sequence[TrackPair],
    costs: Sequence[float],
    missing: Sequence[TargetTrack],
    extra: Sequence[OfferedTrack],
    facts: Sequence[Penalty],
    *,
    share: float,
    count: int,
    whole: float,
) -> tuple[Penalty, ...]:
    one = share / count
    found = [
        Penalty(code=each.code, amount=each.amount, weight=each.weight / whole, params=each.params) for each in facts
    ]
    if missing:
        params: dict[str, Param] = {"count": len(missing)}
        found.append(Penalty(code="missing_tracks", amount=MISSING, weight=one * len(missing), params=params))
    if extra:
        found.append(Penalty(code="extra_tracks", amount=EXTRA, weight=one * len(extra), params={"count": len(extra)}))
    unlike = [cost for cost in costs if cost > 0]
    if unlike:
        worst = max(pairs, key=lambda each: each.distance)
        found.append(
            Penalty(
                code="track_differences",
                amount=sum(unlike) / len(unlike),
                weight=one * len(unlike),
                params={"count": len(unlike), "disc": worst.target.disc, "track": worst.target.position},
            )
        )
    return tuple(sorted(found, key=lambda each: (-each.cost, each.code)))


def _change(pairs: Sequence[TrackPair], missing: Sequence[TargetTrack], extra: Sequence[OfferedTrack]) -> Change:
    if missing:
        return Change(code="get_missing", params={"count": len(missing), "extra": len(extra)})
    if extra:
        return Change(code="remove_extra", params={"count": len(extra)})
    codes = [{penalty.code for penalty in pair.penalties if penalty.amount > 0.1} for pair in pairs]
    for wanted, code in (
        ({"recording", "duration"}, "replace_track"),
        ({"title", "title_version", "artist", "file_name"}, "retag"),
        ({"position"}, "renumber"),
    ):
        if hit := sum(1 for each in codes if each & wanted):
            return Change(code=code, params={"count": hit})
    return Change(code="nothing", params={})
