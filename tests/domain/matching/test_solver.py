"""The edition solver: held and offered tracks make an edition, every cost is named, a named release is taken by its word."""

from __future__ import annotations

import dataclasses
import json
import uuid
from pathlib import Path

import pytest

from apps.domain.catalog.fields import MetadataGarbled
from apps.domain.catalog.release import read_release
from apps.domain.matching.solver import Offer, OfferKind, Solution, solve
from apps.domain.matching.targets import target_of
from apps.domain.matching.values import OfferedSet, OfferedTrack, RecordingVote, TargetRelease, TargetTrack
from tests.domain.matching.noise import folder_of

RECORDED = "shared/fixtures/musicbrainz/world/releases.json"
WORLD = next((one / RECORDED for one in Path(__file__).resolve().parents if (one / RECORDED).exists()), Path(RECORDED))
TITLES = ("Drain You", "Lithium", "Polly", "Breed", "Lounge Act", "On a Plain", "Stay Away", "Come as You Are")


def track(number: int, *, title: str = "", length_ms: int = 0) -> TargetTrack:
    return TargetTrack(
        disc=1,
        position=number,
        title=title or TITLES[number - 1],
        artist="Nirvana",
        length_ms=length_ms or 180_000 + 7_000 * number,
        recording_mbid=uuid.UUID(int=number),
    )


def edition(name: str, count: int, **more: object) -> TargetRelease:
    return TargetRelease(
        mbid=uuid.uuid5(uuid.NAMESPACE_URL, name),
        title="Nevermind",
        artist="Nirvana",
        status="Official",
        date="1991",
        tracks=tuple(track(n) for n in range(1, count + 1)),
        **more,  # type: ignore[arg-type]
    )


SHORT, LONG = edition("short", 6), edition("long", 8, country="JP")


def some(release: TargetRelease, *numbers: int, album: bool = True) -> OfferedSet:
    whole = folder_of(release, tags="album" if album else "none")
    return dataclasses.replace(whole, tracks=tuple(whole.tracks[n - 1] for n in numbers))


def held(offered: OfferedSet) -> Offer:
    return Offer(key="held", kind=OfferKind.HELD, set=offered)


def folder(key: str, offered: OfferedSet) -> Offer:
    return Offer(key=key, kind=OfferKind.FOLDER, set=offered)


def costs_add_up(solution: Solution) -> None:
    for plan in solution.plans:
        assert plan.cost == pytest.approx(sum(one.cost for one in plan.penalties))
        assert all(one.amount >= 0 and one.weight >= 0 for one in plan.penalties)


def test_what_is_held_whole_costs_nothing() -> None:
    solution = solve([held(some(SHORT, 1, 2, 3, 4, 5, 6))], [LONG, SHORT])
    best = solution.best
    assert best is not None
    assert (solution.code, best.release.mbid, best.cost, best.to_fetch) == ("solved", SHORT.mbid, 0.0, 0)
    assert best.complete
    assert best.change.code == "nothing"
    costs_add_up(solution)


def test_missing_tracks_are_taken_from_a_folder_that_has_them() -> None:
    solution = solve([held(some(SHORT, 1, 2, 3, 4)), folder("a", some(SHORT, 5, 6))], [SHORT])
    best = solution.best
    assert best is not None
    assert best.base == "held"
    assert [(one.target.position, one.offer) for one in best.taken] == [(5, "a"), (6, "a")]
    assert (best.change.code, best.change.params) == ("take_missing", {"count": 2, "sources": 1})
    assert best.complete
    assert best.to_fetch == 2
    costs_add_up(solution)


def test_what_nobody_has_stays_missing_and_is_told() -> None:
    solution = solve([held(some(SHORT, 1, 2, 3)), folder("a", some(SHORT, 5))], [SHORT])
    best = solution.best
    assert best is not None
    assert [one.position for one in best.missing] == [4, 6]
    assert (best.change.code, best.change.params) == ("take_some", {"count": 1, "missing": 2})
    assert {"missing_tracks", "taken_tracks", "to_fetch"} <= {one.code for one in best.penalties}
    costs_add_up(solution)


def test_bonus_tracks_make_it_the_longer_edition() -> None:
    solution = solve([held(some(LONG, *range(1, 9)))], [SHORT, LONG])
    best = solution.best
    assert best is not None
    assert best.release.mbid == LONG.mbid


def test_what_is_held_goes_before_an_equal_folder() -> None:
    offered = some(SHORT, 1, 2, 3, 4, 5, 6)
    best = solve([folder("a", offered), held(offered)], [SHORT]).best
    assert best is not None
    assert (best.base, best.to_fetch) == ("held", 0)


def test_equal_track_lists_are_a_question() -> None:
    twin = dataclasses.replace(SHORT, mbid=uuid.uuid5(uuid.NAMESPACE_URL, "twin"), country="DE")
    solution = solve([held(some(SHORT, 1, 2, 3, 4, 5, 6))], [SHORT, twin])
    assert (solution.code, solution.params["alike"]) == ("equal_tracklist", 1)


def test_strict_mode_judges_the_named_release_and_tells_what_is_nearer() -> None:
    offers = [held(some(SHORT, 1, 2, 3, 4, 5, 6))]
    solution = solve(offers, [SHORT, LONG], strict=LONG.mbid)
    assert solution.code == "strict_incomplete"
    assert [one.release.mbid for one in solution.plans] == [LONG.mbid]
    assert [one.release.mbid for one in solution.nearer] == [SHORT.mbid]
    assert [one.position for one in solution.plans[0].missing] == [7, 8]
    assert solve(offers, [SHORT, LONG], strict=SHORT.mbid).code == "strict_complete"
    assert solve(offers, [LONG], strict=SHORT.mbid).code == "strict_unknown"


@pytest.mark.parametrize(
    "spoilt",
    [
        {"recordings": (RecordingVote(mbid=uuid.UUID(int=99)),)},
        {"title": "Lithium (live)"},
        {"duration_ms": 300_000},
    ],
)
def test_strict_mode_refuses_another_recording_version_or_length(spoilt: dict[str, object]) -> None:
    offered = some(SHORT, 1, 2, 3, 4, 5, 6)
    tracks = list(offered.tracks)
    tracks[1] = dataclasses.replace(tracks[1], **spoilt)  # type: ignore[arg-type]
    wrong = dataclasses.replace(offered, tracks=tuple(tracks))
    plan = solve([held(wrong)], [SHORT], strict=SHORT.mbid).plans[0]
    assert [one.target.position for one in plan.refused] == [2]
    assert [one.position for one in plan.missing] == [2]
    mended = solve([held(wrong), folder("a", some(SHORT, 2))], [SHORT], strict=SHORT.mbid).plans[0]
    assert [one.target.position for one in mended.taken] == [2]
    assert mended.change.code == "take_missing" or mended.change.code == "replace_track"


def test_a_loose_track_that_is_no_near_one_is_not_taken() -> None:
    stranger = OfferedSet(tracks=(OfferedTrack(key="x", title="Something Else", duration_ms=181_000),))
    best = solve([held(some(SHORT, 1, 2, 3, 4, 5)), folder("a", stranger)], [SHORT]).best
    assert best is not None
    assert not best.taken


def test_nothing_offered_and_nothing_known_are_said() -> None:
    assert solve([], [SHORT]).code == "no_offers"
    assert solve([held(some(SHORT, 1))], []).code == "no_editions"
    assert solve([], [SHORT]).best is None


def test_the_order_of_what_is_given_changes_nothing() -> None:
    offers = [held(some(SHORT, 1, 2, 3)), folder("b", some(LONG, 4, 5, 7)), folder("a", some(SHORT, 4, 6))]
    assert solve(offers, [SHORT, LONG]) == solve(list(reversed(offers)), [LONG, SHORT])


def test_recorded_editions_of_one_album_are_solved_from_halves_of_a_folder() -> None:
    """Real editions (Nirvana's and others'): a folder of each, torn in two, is put together again as that edition or one with its track list."""
    if not WORLD.exists():
        pytest.skip("the recorded releases are not here")
    groups: dict[uuid.UUID, list[TargetRelease]] = {}
    for value in json.loads(WORLD.read_text("utf-8")).values():
        try:
            release = target_of(read_release(value))
        except MetadataGarbled:
            continue
        if release.group_mbid is not None and len(release.tracks) > 3:
            groups.setdefault(release.group_mbid, []).append(release)
    several = {mbid: some for mbid, some in groups.items() if len(some) > 1}
    assert several, "the fixtures hold groups with several editions"
    right = asked = 0
    wrong: list[str] = []
    for editions in several.values():
        for release in editions:
            whole = folder_of(release, tags="full")
            half = len(whole.tracks) // 2
            offers = [
                held(dataclasses.replace(whole, tracks=whole.tracks[: half + 1])),
                folder("rest", dataclasses.replace(whole, tracks=whole.tracks[half + 1 :])),
            ]
            solution = solve(offers, editions)
            costs_add_up(solution)
            best = solution.best
            assert best is not None
            near = [one.release.mbid for one in solution.plans if one.cost - best.cost < 0.012]
            if best.release.mbid == release.mbid:
                right += 1
            elif release.mbid in near:
                asked += 1
            else:
                wrong.append(f"{release.title} {release.mbid} {release.date} as {best.release.mbid} {solution.code}")
            strict = solve(offers, editions, strict=release.mbid)
            assert strict.code == "strict_complete", (release.title, strict.params)
    assert right + asked >= 0.95 * (right + asked + len(wrong)), wrong
