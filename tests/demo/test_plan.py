from __future__ import annotations

from pathlib import Path

import pytest

from slskdn_site.demo.plan import CORRUPT_EVERY, NeighbourPlan, OfferedTrack, Plan, Trigger, Who, plan_of, wrong_place

RELEASE = "00000000-0000-4000-8000-000000000001"
LIE = Path("lie.flac")


def tracks(count: int) -> list[OfferedTrack]:
    return [
        OfferedTrack(medium=1, position=number, recording_mbid=f"recording-{number}", files=(Path(f"{number}.flac"),))
        for number in range(1, count + 1)
    ]


def plan(offered: list[OfferedTrack]) -> Plan:
    return plan_of(offered, release_mbid=RELEASE, stand_in=LIE)


def neighbour(one: Plan, who: Who) -> NeighbourPlan:
    return next(found for found in one.neighbours if found.who is who)


def holders(one: Plan, recording: str, *, lies: bool = False) -> set[str]:
    return {
        found.who
        for found in one.neighbours
        for offer in found.offers
        if offer.recording_mbid == recording and (offer.source == LIE) is lies
    }


def test_of_eight_tracks_six_are_with_everybody_and_two_arrive_the_hard_way() -> None:
    made = plan(tracks(8))
    for number in (1, 2, 3, 4, 6, 8):
        assert holders(made, f"recording-{number}") == {Who.FAST, Who.SLOW, Who.TWINS}
    assert holders(made, "recording-5") == set()
    assert holders(made, "recording-5", lies=True) == {Who.TWINS}
    assert holders(made, "recording-7") == {Who.CORRUPT}
    assert [(late.offer.recording_mbid, late.trigger) for late in made.late] == [
        ("recording-5", Trigger.REJECTED),
        ("recording-7", Trigger.BAD_LEAVES),
    ]


def test_of_two_tracks_one_is_lied_about_and_the_other_is_at_first_with_the_corrupter_alone() -> None:
    made = plan(tracks(2))
    assert (holders(made, "recording-2"), holders(made, "recording-2", lies=True)) == (set(), {Who.TWINS})
    assert holders(made, "recording-1") == {Who.CORRUPT}
    assert {late.offer.recording_mbid: late.trigger for late in made.late} == {
        "recording-2": Trigger.REJECTED,
        "recording-1": Trigger.BAD_LEAVES,
    }


def test_a_single_track_is_lied_about_and_comes_late() -> None:
    made = plan(tracks(1))
    assert (holders(made, "recording-1"), holders(made, "recording-1", lies=True)) == (set(), {Who.TWINS})
    assert [late.trigger for late in made.late] == [Trigger.REJECTED]


def test_no_track_makes_no_demonstration() -> None:
    with pytest.raises(ValueError, match="needs a track"):
        plan([])


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 30])
def test_every_recording_is_offered_truly_at_some_time_under_its_own_place(count: int) -> None:
    offered = tracks(count)
    made = plan(offered)
    true = [offer for one in made.neighbours for offer in one.offers if offer.source != LIE]
    true += [late.offer for late in made.late]
    assert {(o.recording_mbid, o.position, o.source) for o in true} == {
        (track.recording_mbid, track.position, track.files[0]) for track in offered
    }
    assert {offer.release_mbid for offer in true} == {RELEASE}


def test_the_lie_stands_under_the_place_that_wrong_place_names() -> None:
    for count in (1, 2, 5, 8):
        (lie,) = [offer for one in plan(tracks(count)).neighbours for offer in one.offers if offer.source == LIE]
        assert lie.recording_mbid == tracks(count)[wrong_place(count)].recording_mbid


def test_each_file_of_a_held_back_track_is_held_back() -> None:
    offered = tracks(8)
    offered[4] = OfferedTrack(medium=1, position=5, recording_mbid="recording-5", files=(Path("5.flac"), Path("5.mp3")))
    made = plan(offered)
    assert [late.offer.source.suffix for late in made.late if late.trigger is Trigger.REJECTED] == [".flac", ".mp3"]
    assert holders(made, "recording-5") == set()


def test_a_held_back_recording_that_stands_twice_on_the_release_is_with_nobody_under_either_number() -> None:
    offered = tracks(8)
    offered[7] = OfferedTrack(medium=2, position=1, recording_mbid="recording-5", files=(Path("5.flac"),))
    assert holders(plan(offered), "recording-5") == set()


def test_a_release_of_one_recording_twice_has_no_track_that_only_the_corrupter_has() -> None:
    twice = [OfferedTrack(medium=disc, position=1, recording_mbid="r", files=(Path("r.flac"),)) for disc in (1, 2)]
    assert [late.trigger for late in plan(twice).late] == [Trigger.REJECTED]


def test_the_neighbours_differ_in_manners_and_address() -> None:
    made = plan(tracks(8))
    assert [one.who for one in made.neighbours] == list(Who)
    assert len({one.host for one in made.neighbours}) == 4
    assert [bool(one.upload_kbps) for one in made.neighbours] == [False, True, False, False]
    assert [one.corrupt_every for one in made.neighbours] == [0, 0, 0, CORRUPT_EVERY]
    for one in made.neighbours:
        twins = {offer.twin for offer in one.offers if offer.source != LIE}
        assert twins == {one.who is Who.TWINS}
