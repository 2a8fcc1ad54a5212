"""What a hunt asks, when it has enough, whom it takes, how long it rests."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from apps.domain.jobs.constraints import Constraints
from apps.domain.soulseek.candidates import SharerResult
from apps.domain.soulseek.hunting import (
    AGAIN_AFTER,
    MAX_FOLDERS,
    HuntTarget,
    HuntTrack,
    again_after,
    choice,
    choice_of_rows,
    elsewhere,
    found_enough,
    ladder_of,
    plausible,
    weigh,
    wish_pause,
)
from apps.domain.soulseek.offers import Grouping, OfferFilter, OfferSort, offer_page, offers
from apps.domain.soulseek.results import SharedFile
from apps.domain.soulseek.states import FOR_GOOD, Outcome

TRACKS = tuple(
    HuntTrack(recording=uuid.UUID(int=at), title=f"Song Number {at}", position=at, length_ms=200_000, want=uuid.UUID(int=90 + at))
    for at in (1, 2, 3)
)  # fmt: skip
TARGET = HuntTarget(
    kind="release", artist="Some Artist", title="An Album", year="2001", tracks=TRACKS, aliases=("Alias",)
)


def folder(user: str, *positions: int, name: str = "Some Artist - An Album", **more: object) -> SharerResult:
    files = tuple(
        SharedFile(path=rf"m\{name}\{at:02} Song Number {at}.flac", size=20_000_000, length_s=200, rate=44_100, bits=16)
        for at in positions
    )
    return SharerResult(user=user, files=files, **{"free_slot": True, "speed_bps": 1_000_000, **more})  # type: ignore[arg-type]


def test_a_target_is_read_back_as_it_was_written_and_a_newer_one_refused() -> None:
    assert HuntTarget.from_json(TARGET.to_json()) == TARGET
    words = HuntTarget(kind="words", words="some words", enriched=True)
    assert HuntTarget.from_json(words.to_json()) == words
    with pytest.raises(ValueError, match="newer"):
        HuntTarget.from_json({**TARGET.to_json(), "version": 99})


def test_each_kind_has_its_own_ladder_and_excluded_words_are_not_asked() -> None:
    assert [one.why for one in ladder_of(TARGET)][:2] == ["artist_album", "alias"]
    recording = replace(TARGET, kind="recording", title="Song Number 1", albums=("An Album",))
    assert ladder_of(recording)[0].words == "Some Artist Song Number 1"
    words = HuntTarget(kind="words", words="some  words -live")
    assert [one.words for one in ladder_of(words)] == ["some words -live"]
    assert ladder_of(words, excluded=("Some Words",)) == ()
    assert ladder_of(HuntTarget(kind="words", words="a!")) == ()


def test_one_good_whole_folder_or_several_are_enough() -> None:
    assert found_enough(weigh(TARGET, [folder("a", 1, 2, 3)], wishes=Constraints(), spent={}), asked=1)
    slow = [folder(name, 1, 2, 3, free_slot=False, queue=90) for name in "abc"]
    assert not found_enough(weigh(TARGET, slow[:2], wishes=Constraints(), spent={}), asked=1)
    assert found_enough(weigh(TARGET, slow, wishes=Constraints(), spent={}), asked=1)
    assert not found_enough(weigh(TARGET, [folder("a", 1, 2)], wishes=Constraints(), spent={}), asked=9)


def test_two_users_who_have_it_together_are_enough_after_one_more_question() -> None:
    def enough(*offered: SharerResult, asked: int = 2) -> bool:
        return found_enough(weigh(TARGET, offered, wishes=Constraints(), spent={}), asked=asked)

    pair = folder("a", 1, 2), folder("b", 3, 2)
    assert enough(*pair)
    assert not enough(*pair, asked=1), "a whole folder may yet be found"
    assert not enough(folder("a", 1), folder("b", 2), folder("c", 3)), "three queues are too many to stop for"
    assert not enough(folder("a", 1, 2), folder("b", 3, free_slot=False, queue=40)), "one of them is far away"
    assert not enough(folder("a", 1, 2), folder("b", 2)), "a track is missing"


def test_the_best_is_taken_whole_and_what_it_lacks_from_others_each_track_once() -> None:
    found = weigh(TARGET, [folder("half", 1, 2), folder("other", 2, 3), folder("none")], wishes=Constraints(), spent={})
    parts = choice(found)
    asked = {
        found[part.candidate].user: [found[part.candidate].files[at].track.position for at in part.files]
        for part in parts
    }
    assert sorted(number for some in asked.values() for number in some) == [1, 2, 3]
    rows = [
        (
            one.user,
            one.score,
            one.refused,
            [{"disc": file.track.disc, "position": file.track.position} for file in one.files],
        )
        for one in found
    ]
    assert choice_of_rows(rows) == {part.candidate: part.files for part in parts}
    assert choice_of_rows([None, *rows[1:]]).keys() == {1}
    spent = {("half", file.path): "failed_before" for file in folder("half", 1, 2).files}
    again = weigh(TARGET, [folder("half", 1, 2)], wishes=Constraints(), spent=spent)
    assert choice(again) == ()
    assert again[0].refused == "failed_before"


def test_what_somebody_else_would_send_at_once_need_not_be_waited_for() -> None:
    offered = [
        folder("a", 1, 2, 3, speed_bps=9_000_000),
        folder("free", 2),
        folder("busy", 1, 2, free_slot=False, queue=9),
    ]
    found = weigh(TARGET, offered, wishes=Constraints(), spent={})
    (part,) = choice(found)
    assert found[part.candidate].user == "a"
    held = {found[part.candidate].files[place].track.position for place in elsewhere(found, part)}
    assert held == {2}
    spent = {("free", file.path): "rests" for file in folder("free", 2).files}
    again = weigh(TARGET, offered, wishes=Constraints(), spent=spent)
    assert elsewhere(again, choice(again)[0]) == frozenset()


def test_what_is_compared_is_bounded_and_the_likeliest_stay() -> None:
    many = [folder(f"user {at}", 1, name=f"Nothing {at}") for at in range(MAX_FOLDERS + 50)]
    kept = plausible([*many, folder("right", 1, 2, 3)], TARGET)
    assert len(kept) == MAX_FOLDERS
    assert "right" in {one.user for one in kept}


def test_a_wish_rests_ever_longer_but_not_for_ever_and_never_less_than_the_server_asks() -> None:
    pauses = [wish_pause(visit, interval_s=720).total_seconds() for visit in range(1, 9)]
    assert pauses[:4] == [720, 1440, 2880, 5760]
    assert max(pauses) == 6 * 3600
    assert wish_pause(1, interval_s=60) == timedelta(seconds=720)
    assert wish_pause(9, interval_s=50_000) == timedelta(seconds=50_000)


def test_every_end_of_a_source_says_how_long_it_rests() -> None:
    for outcome in Outcome:
        rest = again_after(outcome, times=1)
        assert (rest is None) == (outcome in FOR_GOOD or outcome is Outcome.SUCCEEDED)
        assert (outcome in AGAIN_AFTER) == (rest is not None)
    assert again_after(Outcome.REFUSED, times=3) == 4 * AGAIN_AFTER[Outcome.REFUSED]


def test_answers_are_grouped_filtered_and_paged_behind_a_key_that_stays_right() -> None:
    results = [(folder(f"user {at:02}", 1, 2, speed_bps=at * 1000, free_slot=at % 2 == 0), at % 3) for at in range(20)]
    found = offers(results, sort=OfferSort.SPEED)
    assert [one.speed_bps for one in found] == sorted((at * 1000 for at in range(20)), reverse=True)
    assert len(offers(results, keep=OfferFilter(free_slot=True))) == 10
    assert offers(results, keep=OfferFilter(words="song -album")) == ()
    assert all(len(one.files) == 1 for one in offers(results, keep=OfferFilter(words="02")))
    assert offers(results, keep=OfferFilter(lossless=True, min_bitrate_kbps=900)) == ()
    assert {one.folder for one in offers(results, by=Grouping.USER)} == {""}
    first = offer_page(found, sort=OfferSort.SPEED, cursor=None, limit=5)
    faster = offers([*results, (folder("new", 1, speed_bps=10**9), 0)], sort=OfferSort.SPEED)
    second = offer_page(faster, sort=OfferSort.SPEED, cursor=first.next, limit=5)
    assert [one.user for one in second.items] == [one.user for one in found[5:10]]
    with pytest.raises(ValueError, match="cursor"):
        offer_page(found, sort=OfferSort.SPEED, cursor="nonsense", limit=5)
