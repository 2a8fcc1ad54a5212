"""Names of tags, and what is written under them."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from apps.domain.library.tags import (
    KEPT,
    MP4_ATOMS,
    NAMES,
    AudioTags,
    gain_of_r128,
    plain,
    r128,
    said_names,
    says_already,
    texts_of,
    written_names,
)

ONE = AudioTags(title="T", artist="A", label=("L",), track=3, compilation=True, replaygain_track_gain="-3.10 dB")


def test_every_field_has_names_and_no_name_belongs_to_two_fields() -> None:
    assert {one.name for one in fields(AudioTags)} | {"original_year", "r128_track_gain", "r128_album_gain"} == set(
        NAMES
    )
    for kind in ("vorbis", "ape", "asf", "mp4", "id3"):
        spelt = [one.lower() for names in NAMES.values() for one in dict.fromkeys(getattr(names, kind))]
        lowered = [one for one in spelt if one not in ("txxx:artists", "txxx:originalyear")]  # both cases occur in ID3
        assert len(lowered) == len(set(lowered)), kind
    assert {names.mp4[0] for names in NAMES.values() if names.mp4} >= MP4_ATOMS


def test_a_publisher_is_a_label_only_where_that_is_the_labels_name() -> None:
    assert written_names("asf")["publisher"] == "label"
    assert "publisher" not in written_names("vorbis")
    assert "publisher" not in written_names("ape")
    assert "publisher" in said_names("label")


@pytest.mark.parametrize(
    ("key", "same"),
    [("MUSICBRAINZ_TRACKID", "MusicBrainz/Track Id"), ("Album Artist", "WM/AlbumArtist"), ("CatalogNumber", "catalognumber")],
)  # fmt: skip
def test_spellings_of_one_name_are_one(key: str, same: str) -> None:
    assert plain(key) == plain(same)


def test_texts_hold_no_nul_no_half_surrogate_and_have_an_end() -> None:
    made = texts_of(
        AudioTags(title="a\0b", artist="\ud800", album="x" * 9000, artists=("", "B"), original_date="1959-08")
    )
    assert made == {
        "title": ("ab",), "artist": ("?",), "album": ("x" * 4096,), "artists": ("B",), "original_date": ("1959-08",), "original_year": ("1959",),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("gain", "fixed"), [("-3.10 dB", -2074), ("+5 dB", 0), ("0.00 dB", -1280), ("-999 dB", -32768), ("loud", None), ("", None)]
)  # fmt: skip
def test_opus_gains_are_five_decibels_lower_in_fixed_point(gain: str, fixed: int | None) -> None:
    assert r128(gain) == fixed


def test_opus_gets_gains_of_its_own_and_no_peaks() -> None:
    made = texts_of(replace(ONE, replaygain_track_peak="0.9"), opus=True)
    assert made["r128_track_gain"] == ("-2074",)
    assert not any(one.startswith("replaygain") for one in made)
    assert (gain_of_r128("-2074"), gain_of_r128("x"), gain_of_r128("999999")) == ("-3.10 dB", "", "")


def test_nothing_is_to_be_written_if_every_field_says_it_or_may_stay() -> None:
    assert says_already(ONE, ONE)
    assert says_already(replace(ONE, label=("L", "another of the person's")), ONE)
    for kept in KEPT & {one.name for one in fields(AudioTags)}:
        assert says_already(ONE, replace(ONE, **{kept: getattr(AudioTags(), kept)}))
    assert not says_already(replace(ONE, album="extra"), ONE)
    assert not says_already(ONE, replace(ONE, title="U"))
    assert not says_already(ONE, replace(ONE, label=("L", "M")))
