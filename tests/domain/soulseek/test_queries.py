"""The ladder of queries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.soulseek.budget import search_key
from apps.domain.soulseek.queries import (
    MAX_STEPS,
    WantedRecording,
    WantedRelease,
    main_artist,
    recording_ladder,
    release_ladder,
    without_versions,
)


def words(ladder: tuple[object, ...]) -> list[tuple[str, str]]:
    return [(one.words, one.why) for one in ladder]  # type: ignore[attr-defined]


def test_an_album_is_asked_for_by_artist_and_title_first_and_by_less_and_less_then() -> None:
    wanted = WantedRelease(
        artist="The Björk & Friends",
        title="Début (Deluxe Edition)",
        aliases=("ビョーク",),
        year="1993",
        tracks=("Human Behaviour - Live", "Venus as a Boy"),
    )
    assert words(release_ladder(wanted)) == [
        ("The Björk Friends Début", "artist_album"),
        ("Björk Début", "main_artist"),
        ("Björk Début Deluxe Edition", "artist_album_plain"),
        ("ビョーク Début", "alias"),
        ("Bjork Debut", "ascii"),
        ("Début 1993", "album_year"),
        ("Björk Human Behaviour", "artist_track"),
        ("Björk Venus as a Boy", "artist_track"),
    ]


def test_a_compilation_of_various_artists_is_asked_for_by_its_title() -> None:
    assert words(release_ladder(WantedRelease(artist="Various Artists", title="Trip to Nowhere", year="1999"))) == [
        ("Trip to Nowhere", "artist_album"),
        ("Trip to Nowhere 1999", "album_year"),
    ]


def test_a_recording_is_also_asked_for_by_its_album() -> None:
    wanted = WantedRecording(artist="Low feat. Someone", title="Half-Light [Remix]", albums=("C'mon",))
    assert words(recording_ladder(wanted)) == [
        ("Low feat Someone Half Light", "artist_track"),
        ("Low Half Light", "main_artist"),
        ("Low C mon", "artist_album"),
        ("C mon Half Light", "track_album"),
    ]


def test_steps_with_a_phrase_that_the_server_does_not_relay_are_left_out() -> None:
    wanted = WantedRelease(artist="Some Label Band", title="Night Bus", year="2001")
    assert [one.why for one in release_ladder(wanted, excluded=["label band", "night"])] == []
    assert [one.why for one in release_ladder(wanted, excluded=["Label  BAND!"])] == ["album_year", "album"]
    assert len(release_ladder(wanted, excluded=["abel"])) == len(release_ladder(wanted))


@pytest.mark.parametrize(
    ("title", "short"),
    [
        ("Song (Live at Home)", "Song"),
        ("Song - 2011 Remaster", "Song"),
        ("Song feat. Guest", "Song"),
        ("(What's the Story) Morning Glory?", "Morning Glory?"),
        ("(Untitled)", "(Untitled)"),
        ("Cut - Up", "Cut - Up"),
    ],
)
def test_versions_are_taken_out_of_titles(title: str, short: str) -> None:
    assert without_versions(title) == short


@pytest.mark.parametrize(
    ("artist", "main"),
    [("The The", "The"), ("Simon & Garfunkel", "Simon"), ("A", "A"), ("Crosby, Stills & Nash", "Crosby"), ("La", "La")],
)
def test_of_several_artists_the_first_is_kept(artist: str, main: str) -> None:
    assert main_artist(artist) == main


@given(st.text(max_size=60), st.text(max_size=60), st.lists(st.text(max_size=20), max_size=4), st.text(max_size=4))
def test_whatever_the_names_every_step_can_be_searched_for_and_is_another_one(
    artist: str, title: str, aliases: list[str], year: str
) -> None:
    ladder = release_ladder(
        WantedRelease(artist=artist, title=title, aliases=tuple(aliases), year=year, tracks=(title,))
    )
    assert len(ladder) <= MAX_STEPS
    keys = {search_key(one.words) for one in ladder}
    assert len(keys) == len(ladder)
    assert all("-" not in one.words for one in ladder)
