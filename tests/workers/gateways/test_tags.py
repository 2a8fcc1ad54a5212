"""Tags: everybody's are read, only ours are written, and the sound stays as it is."""

from __future__ import annotations

from pathlib import Path

import mutagen
import mutagen.flac
import mutagen.id3
import mutagen.mp4
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.domain.audio import bits
from tests.workers.gateways.sound import convert, write
from workers.gateways import ffmpeg, tags
from workers.gateways.audio import decode_test
from workers.gateways.files import identify
from workers.gateways.tags import AudioTags, TagsError, read_tags, write_tags

FIXTURES = Path(__file__).parents[4] / "shared" / "fixtures" / "audio"
A, B, C, D, E, F = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "abcdef")
OURS = AudioTags(
    title="Blue in Green", artist="Miles Davis", albumartist="Miles Davis & friends", album="Kind of Blue", date="1959-08-17", track=3, tracks=5, disc=1,
    discs=2, recording_mbid=A, track_mbid=B, release_mbid=C, release_group_mbid=D, artist_mbids=(E, F), albumartist_mbids=(E,), acoustid_id=F,
    label="Columbia", catalog_number="CL 1355", isrcs=("USSM15900115",),
)  # fmt: skip


@pytest.mark.parametrize("name", ["a.flac", "a.mp3"])
def test_what_is_written_is_read_back_and_the_sound_is_untouched(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, 0.5)
    before = identify(path)
    write_tags(path, OURS, expected_root=before.root)
    assert read_tags(path) == OURS
    assert identify(path).root == before.root
    assert identify(path).span.preamble == before.span.preamble
    decode_test(path)
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.flac", "a.mp3"])
def test_writing_twice_leaves_only_the_second(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, 0.5)
    root = identify(path).root
    write_tags(path, OURS, expected_root=root)
    write_tags(path, AudioTags(title="Only this"), expected_root=root)
    assert read_tags(path) == AudioTags(title="Only this")
    assert b"Columbia" not in path.read_bytes()


def test_tags_are_found_under_picards_names(tmp_path: Path) -> None:
    flac, mp3 = write(tmp_path / "a.flac", 0.5), write(tmp_path / "a.mp3", 0.5)
    for path in (flac, mp3):
        write_tags(path, OURS, expected_root=identify(path).root)
    comments = mutagen.flac.FLAC(flac)
    assert comments["musicbrainz_trackid"] == [A]
    assert comments["musicbrainz_releasetrackid"] == [B]
    assert comments["musicbrainz_artistid"] == [E, F]
    assert comments["tracktotal"] == ["5"]
    frames = mutagen.id3.ID3(mp3)
    assert frames["UFID:http://musicbrainz.org"].data == A.encode()
    assert frames["TXXX:MusicBrainz Release Track Id"].text == [B]
    assert frames["TXXX:MusicBrainz Album Id"].text == [C]
    assert frames["TRCK"].text == ["3/5"]


@pytest.mark.skipif(not ffmpeg.candidates(), reason="no ffmpeg here, not even imageio-ffmpeg's")
def test_mp4_freeform_tags_are_read(tmp_path: Path) -> None:
    path = convert(write(tmp_path / "a.wav", 0.5), tmp_path / "a.m4a", "-c:a", "aac")
    audio = mutagen.mp4.MP4(path)
    audio["\xa9nam"], audio["\xa9ART"], audio["aART"], audio["\xa9alb"], audio["\xa9day"] = (
        ["T"],
        ["A"],
        ["AA"],
        ["B"],
        ["1999-01-02T00:00:00Z"],
    )
    audio["trkn"], audio["disk"] = [(3, 12)], [(1, 2)]
    audio["----:com.apple.iTunes:MusicBrainz Track Id"] = [A.upper().encode()]
    audio["----:com.apple.iTunes:MusicBrainz Artist Id"] = [E.encode(), F.encode()]
    audio.save()
    assert read_tags(path) == AudioTags(
        title="T",
        artist="A",
        albumartist="AA",
        album="B",
        date="1999-01-02",
        track=3,
        tracks=12,
        disc=1,
        discs=2,
        recording_mbid=A,
        artist_mbids=(E, F),
    )


def test_older_spellings_are_understood(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp3", 0.5)
    frames = mutagen.id3.ID3()
    frames.add(mutagen.id3.TXXX(encoding=1, desc="MUSICBRAINZ_TRACKID", text=[A.upper()]))
    frames.add(mutagen.id3.TXXX(encoding=1, desc="MusicBrainz Artist Id", text=[f"{E}/{F}"]))
    frames.add(mutagen.id3.TPE1(encoding=1, text=["One\0Two"]))
    frames.add(mutagen.id3.TYER(encoding=0, text=["1959"]))
    frames.save(path, v2_version=3)
    found = read_tags(path)
    assert (found.recording_mbid, found.artist_mbids, found.date) == (A, (E, F), "1959")
    assert found.artist.startswith("One")


def test_what_is_no_mbid_is_dropped_and_long_text_is_cut(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", 0.5)
    audio = mutagen.flac.FLAC(path)
    audio["musicbrainz_trackid"], audio["title"], audio["tracknumber"], audio["isrc"] = (
        ["../../etc"],
        ["x" * 100_000],
        ["A1"],
        ["i"] * 1000,
    )
    audio.save()
    found = read_tags(path)
    assert (found.recording_mbid, found.track, len(found.title), len(found.isrcs)) == ("", 0, 4096, 32)


def test_a_file_without_tags_has_empty_ones_and_no_sound_is_an_error(tmp_path: Path) -> None:
    assert read_tags(write(tmp_path / "a.wav", 0.2)) == AudioTags()
    for content in (b"", b"no sound", bits.id3v2(b"TIT2\xff\xff\xff\xff\xff\xff"), bits.flac()[:30]):
        (tmp_path / "b.mp3").write_bytes(content)
        with pytest.raises(TagsError) as caught:
            read_tags(tmp_path / "b.mp3")
        assert caught.value.code == "tags_unreadable"
    with pytest.raises(TagsError):
        read_tags(tmp_path / "absent.flac")


def test_a_format_that_is_payload_throughout_is_not_tagged(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ogg", 0.5)
    before = path.read_bytes()
    with pytest.raises(TagsError) as caught:
        write_tags(path, OURS, expected_root=identify(path).root)
    assert caught.value.code == "tags_not_writable"
    assert path.read_bytes() == before


def test_a_file_with_another_payload_than_expected_is_not_touched(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", 0.5)
    before = path.read_bytes()
    with pytest.raises(TagsError) as caught:
        write_tags(path, OURS, expected_root=bytes(32))
    assert caught.value.code == "payload_changed"
    assert path.read_bytes() == before


def test_a_writer_that_would_change_the_sound_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.flac", 0.5)
    before, root = path.read_bytes(), identify(path).root
    monkeypatch.setattr(tags, "_flac_head", lambda preamble, _: preamble + b"?")
    with pytest.raises(TagsError) as caught:
        write_tags(path, OURS, expected_root=root)
    assert caught.value.code == "payload_changed"
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["a.flac"]


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, bytes]]:
    folder = tmp_path_factory.mktemp("sounds")
    paths = [write(folder / name, 0.2) for name in ("a.flac", "a.mp3")]
    return [(path, identify(path).root) for path in paths]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(title=st.text(max_size=200), artist=st.text(max_size=5000), track=st.integers(0, 9999))
def test_any_text_can_be_written_without_changing_the_sound(
    sounds: list[tuple[Path, bytes]], title: str, artist: str, track: int
) -> None:
    for path, root in sounds:
        write_tags(path, AudioTags(title=title, artist=artist, track=track), expected_root=root)
        assert identify(path).root == root
        assert read_tags(path).track == track


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the recorded odd files are not beside this checkout")
def test_odd_files_from_the_wild_are_read_or_refused_with_our_own_error() -> None:
    read = refused = 0
    for path in sorted(FIXTURES.rglob("*")):
        if path.is_file() and path.suffix != ".json":
            try:
                read_tags(path)
                read += 1
            except TagsError:
                refused += 1
    assert read > 400
    assert refused > 10
