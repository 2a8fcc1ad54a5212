"""Search results as values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apps.domain.matching.edition import match_release
from apps.domain.matching.values import TargetRelease, TargetTrack
from apps.domain.soulseek.results import SharedFile, by_folder, offered_set, profile_told, shared_file
from tests.domain.soulseek.facts import RELEASE


def file(path: str, **more: object) -> SharedFile:
    return SharedFile(path=path, size=30_000_000, **more)  # type: ignore[arg-type]


def test_attributes_that_nobody_can_mean_are_not_told_and_files_that_nobody_can_mean_are_left_out() -> None:
    one = shared_file(r"a\b.flac", 5, {0: 0, 1: 200, 2: 0, 4: 44100, 5: 16, 77: 1})
    assert one is not None
    assert (one.bitrate_kbps, one.length_s, one.rate, one.bits, one.vbr) == (None, 200, 44100, 16, False)
    assert shared_file("", 5, {}) is None
    assert shared_file("a\\", 5, {}) is None
    assert shared_file("a\\b\0.flac", 5, {}) is None
    assert shared_file("a\\b.flac", 0, {}) is None


def test_profiles_are_those_that_the_attributes_tell() -> None:
    assert str(profile_told(file(r"m\a.flac", rate=96000, bits=24))) == "flac-24-96000-2"
    assert str(profile_told(file(r"m\a.FLAC"))) == "flac-16-44100-2"
    assert str(profile_told(file(r"m\a.mp3", bitrate_kbps=320))) == "mp3-320-44100-2"
    assert str(profile_told(file(r"m\a.mp3", bitrate_kbps=238, vbr=True))) == "mp3-v0-44100-2"
    assert str(profile_told(file(r"m\a.m4a", bitrate_kbps=900))) == "alac-16-44100-2"
    assert profile_told(file(r"m\cover.jpg")) is None
    assert profile_told(file(r"m\a.mp3")) is None
    assert str(profile_told(file(r"m\a.mp3", length_s=937))) == "mp3-256-44100-2"


def test_folders_of_discs_are_one_album() -> None:
    paths = [
        r"s\A\X\CD1\01 a.flac",
        r"s\A\X\CD2\01 b.flac",
        r"s\A\X\cover.jpg",
        r"s\A\Y (Disc 1)\01.mp3",
        r"s\A\Y (Disc 2)\01.mp3",
    ]
    found = by_folder(file(path) for path in paths)
    assert {folder: len(some) for folder, some in found.items()} == {r"s\A\X": 3, r"s\A\Y": 2}
    offered = offered_set(found[r"s\A\X"], folder=r"s\A\X")
    assert [(one.disc, one.track) for one in offered.tracks] == [(1, 1), (2, 1)]
    assert offered.discs == 2
    both = offered_set(found[r"s\A\Y"], folder=r"s\A\Y")
    assert [one.disc for one in both.tracks] == [1, 2]


def test_folder_names_tell_artist_album_and_year() -> None:
    def told(folder: str) -> tuple[str, str, str]:
        one = offered_set([], folder=folder)
        return one.artist, one.album, one.year

    assert told(r"@@ab\Music\The Band\1989 - First Things [FLAC]") == ("The Band", "First Things", "1989")
    assert told(r"@@ab\Music\The Band - First Things (1989) {CAT 1}") == ("The Band", "First Things", "1989")
    assert told(r"Music\The_Band\First_Things") == ("The Band", "First Things", "")
    assert told(r"1984") == ("", "", "1984") or told(r"1984")[1] == "1984"


def test_numbers_before_titles_are_positions() -> None:
    def placed(name: str) -> tuple[int, int, str]:
        (one,) = offered_set([file(rf"m\x\{name}")], folder=r"m\x").tracks
        return one.disc, one.track, one.file_words

    assert placed("03 - Third.flac") == (0, 3, "Third")
    assert placed("03. The_Third.flac") == (0, 3, "The Third")
    assert placed("2-05 Fifth.flac") == (2, 5, "Fifth")
    assert placed("205 Fifth.flac") == (2, 5, "Fifth")
    assert placed("A2 Second.flac") == (0, 0, "Second")
    assert placed("99 Luftballons.flac")[2] == "Luftballons"
    assert placed("Third.flac") == (0, 0, "Third")


def test_a_folder_as_people_name_it_is_matched_to_its_release() -> None:
    names = ["01 - Winter Garden.mp3", "02 - Second Song (Live).mp3", "03 - Third, and Last.mp3"]
    files = [
        file(rf"Music\Some Artist\2001 - An Album\{name}", length_s=length, bitrate_kbps=320)
        for name, length in zip(names, (181, 200, 240), strict=True)
    ]
    match = match_release(offered_set(files, folder=r"Music\Some Artist\2001 - An Album"), RELEASE)
    assert [pair.target.position for pair in match.pairs] == [1, 2, 3]
    assert match.fit < 0.15
    stranger = TargetRelease(
        mbid=RELEASE.mbid,
        title="Else",
        tracks=tuple(TargetTrack(disc=1, position=at, title=f"Nothing {at}", length_ms=90_000) for at in (1, 2, 3)),
    )
    assert match_release(offered_set(files, folder=r"Music\Some Artist\2001 - An Album"), stranger).fit > 0.4


@given(
    st.text(min_size=1, max_size=80),
    st.integers(-5, 1 << 45),
    st.dictionaries(st.integers(0, 9), st.integers(-(1 << 31), 1 << 32)),
)
def test_nothing_that_a_peer_sends_raises(path: str, size: int, attributes: dict[int, int]) -> None:
    one = shared_file(path, size, attributes)
    if one is not None:
        profile_told(one)
        for folder, files in by_folder([one]).items():
            offered_set(files, folder=folder)
