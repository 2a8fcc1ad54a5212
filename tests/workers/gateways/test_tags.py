"""Tags: everybody's are read, only ours are written, and the sound stays as it is."""

from __future__ import annotations

from dataclasses import replace
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
from workers.filing import with_loudness
from workers.gateways import ffmpeg, tags
from workers.gateways.analysis import AnalysisWish, analyse_file
from workers.gateways.audio import decode_test
from workers.gateways.files import identify
from workers.gateways.tags import AudioTags, TagsError, read_tags, write_tags

FIXTURES = Path(__file__).parents[4] / "shared" / "fixtures" / "audio"
A, B, C, D, E, F = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "abcdef")
OURS = AudioTags(
    title="Blue in Green", artist="Miles Davis", albumartist="Miles Davis & friends", album="Kind of Blue", date="1959-08-17", track=3, tracks=5, disc=1,
    discs=2, recording_mbid=A, track_mbid=B, release_mbid=C, release_group_mbid=D, artist_mbids=(E, F), albumartist_mbids=(E,), acoustid_id=F,
    label=("Columbia",), catalog_number=("CL 1355",), barcode="074646493526", country="US", isrcs=("USSM15900115",),
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
    assert (comments["barcode"], comments["releasecountry"]) == (["074646493526"], ["US"])
    frames = mutagen.id3.ID3(mp3)
    assert frames["UFID:http://musicbrainz.org"].data == A.encode()
    assert frames["TXXX:MusicBrainz Release Track Id"].text == [B]
    assert frames["TXXX:MusicBrainz Album Id"].text == [C]
    assert frames["TRCK"].text == ["3/5"]
    assert frames["TXXX:BARCODE"].text == ["074646493526"]
    assert frames["TXXX:MusicBrainz Album Release Country"].text == ["US"]


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


PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


def test_a_persons_comments_pictures_and_blocks_stay_in_a_flac_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", 0.5)
    audio = mutagen.flac.FLAC(path)
    audio["title"], audio["album artist"], audio["year"], audio["publisher"] = (
        ["Old"],
        ["Old"],
        ["1901"],
        ["Someone else"],
    )
    audio["genre"], audio["mood"], audio["replaygain_track_gain"] = ["Jazz", "Modal"], ["late"], ["-3.10 dB"]
    audio["label"] = ["Columbia", "CBS"]
    image = mutagen.flac.Picture()
    image.data, image.type, image.mime = PICTURE, 3, "image/png"
    audio.add_picture(image)
    audio.save()
    name = b"of the person"
    raw, chain = path.read_bytes(), identify(path).span.offset
    application = b"\x02" + (4 + len(name)).to_bytes(3, "big") + b"test" + name
    path.write_bytes(bits.id3v2(b"person's own") + raw[:42] + application + raw[42:] + b"TAG" + b"v" * 125)
    assert chain > 0
    before = identify(path)
    write_tags(path, OURS, expected_root=before.root)
    assert read_tags(path) == replace(OURS, replaygain_track_gain="-3.10 dB", label=("Columbia", "CBS"))
    kept = mutagen.flac.FLAC(path)
    assert kept.tags is not None
    assert (kept["genre"], kept["mood"], kept["replaygain_track_gain"]) == (["Jazz", "Modal"], ["late"], ["-3.10 dB"])
    assert (kept["publisher"], kept["label"]) == (["Someone else"], ["Columbia", "CBS"])
    assert "album artist" not in kept
    assert "year" not in kept
    assert [each.data for each in kept.pictures] == [PICTURE]
    written = path.read_bytes()
    assert application in written
    assert written.startswith(bits.id3v2(b"person's own"))
    assert written.endswith(b"TAG" + b"v" * 125)
    assert identify(path).root == before.root
    decode_test(path)


@pytest.mark.parametrize("version", [3, 4])
def test_a_persons_frames_and_pictures_stay_in_an_mp3_file(tmp_path: Path, version: int) -> None:
    path = write(tmp_path / "a.mp3", 0.5)
    frames = mutagen.id3.ID3()
    frames.add(mutagen.id3.TIT2(encoding=1, text=["Old"]))
    frames.add(mutagen.id3.TXXX(encoding=1, desc="MUSICBRAINZ_TRACKID", text=[B]))
    frames.add(mutagen.id3.TXXX(encoding=1, desc="mood", text=["late"]))
    frames.add(mutagen.id3.TCON(encoding=1, text=["Jazz", "Modal"]))
    frames.add(mutagen.id3.COMM(encoding=1, lang="eng", desc="", text=["from my uncle"]))
    frames.add(mutagen.id3.POPM(email="me", rating=200, count=7))
    frames.add(mutagen.id3.PRIV(owner="player", data=b"\0\1\2"))
    frames.add(mutagen.id3.APIC(encoding=0, mime="image/png", type=3, desc="front", data=PICTURE))
    frames.add(mutagen.id3.APIC(encoding=0, mime="image/png", type=4, desc="back", data=PICTURE[::-1]))
    frames.unknown_frames.append(b"XYZW" + bytes([0, 0, 0, 5, 0, 0]) + b"own!!")
    frames._unknown_v2_version = version
    frames.save(path, v2_version=version, v1=0)
    path.write_bytes(
        path.read_bytes() + b"TAG" + b"Old".ljust(90, b"\0") + b"1901" + b"from my uncle".ljust(30, b"\0") + b"\x08"
    )
    before = identify(path)
    write_tags(path, OURS, expected_root=before.root)
    assert read_tags(path) == OURS
    kept = mutagen.id3.ID3(path, load_v1=False)
    assert kept["TXXX:mood"].text == ["late"]
    assert kept["TCON"].genres == ["Jazz", "Modal"] if version == 4 else "Jazz" in str(kept["TCON"])
    assert kept["COMM::eng"].text == ["from my uncle"]
    assert (kept["POPM:me"].rating, kept["PRIV:player:\0\1\2"].data) == (200, b"\0\1\2")
    assert [each.data for each in kept.getall("APIC")] == [PICTURE, PICTURE[::-1]]
    assert kept.unknown_frames == [b"XYZW" + bytes([0, 0, 0, 5, 0, 0]) + b"own!!"]
    assert "TXXX:MUSICBRAINZ_TRACKID" not in kept
    older = path.read_bytes()[-128:]
    assert older[:33].rstrip(b"\0") == b"TAGBlue in Green"
    assert older[93:] == b"1959" + b"from my uncle".ljust(29, b"\0") + b"\x03\x08"
    assert identify(path).root == before.root
    decode_test(path)


@pytest.mark.parametrize("name", ["a.flac", "a.mp3"])
def test_tags_that_could_not_be_kept_are_not_written_over(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, 0.5)
    raw = path.read_bytes()
    if name == "a.flac":
        path.write_bytes(
            raw[:4] + b"\0" + raw[5:42] + b"\x84\0\0\x04\xff\xff\xff\x7f" + raw[identify(path).span.offset :]
        )
    else:
        path.write_bytes(b"ID3\x09\0\0\0\0\0\x0a" + b"future tag" + raw[identify(path).span.offset :])
    before = path.read_bytes()
    with pytest.raises(TagsError) as caught:
        write_tags(path, OURS, expected_root=identify(path).root)
    assert caught.value.code == "tags_unreadable"
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["a.flac", "a.mp3"])
def test_replaygain_is_written_from_measured_loudness_and_stays_where_nothing_was_measured(
    tmp_path: Path, name: str
) -> None:
    path = write(tmp_path / name, 4)
    sound = analyse_file(path, span=identify(path).span, wish=AnalysisWish(fingerprint=False, sound=True)).sound
    assert sound is not None
    assert sound.loudness_lufs is not None
    assert sound.true_peak_dbtp is not None
    loud = with_loudness(OURS, lufs=sound.loudness_lufs, true_peak_dbtp=sound.true_peak_dbtp)
    write_tags(path, loud, expected_root=identify(path).root)
    write_tags(path, OURS, expected_root=identify(path).root)
    said = read_tags(path)
    assert said == loud
    number, unit = said.replaygain_track_gain.split()
    assert unit == "dB"
    assert float(number) + sound.loudness_lufs == pytest.approx(-18, abs=0.01)
    assert float(said.replaygain_track_peak) == pytest.approx(10 ** (sound.true_peak_dbtp / 20), abs=1e-5)
    assert with_loudness(OURS, lufs=None, true_peak_dbtp=None) == OURS
    again = replace(loud, replaygain_track_gain="1.00 dB")
    write_tags(path, again, expected_root=identify(path).root)
    assert read_tags(path) == again


@pytest.mark.parametrize("name", ["a.flac", "a.mp3"])
def test_a_field_that_is_right_already_keeps_its_further_values(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, 0.5)
    root = identify(path).root
    write_tags(path, AudioTags(title="T"), expected_root=root)
    if name == "a.flac":
        audio = mutagen.flac.FLAC(path)
        audio["artist"] = ["One", "Two"]
        audio.save()
    else:
        frames = mutagen.id3.ID3(path)
        frames.add(mutagen.id3.TPE1(encoding=3, text=["One", "Two"]))
        frames.save(path)
    write_tags(path, AudioTags(title="T", artist="One"), expected_root=root)
    said = mutagen.flac.FLAC(path)["artist"] if name == "a.flac" else mutagen.id3.ID3(path)["TPE1"].text
    assert said == ["One", "Two"]
    write_tags(path, AudioTags(title="T", artist="Other"), expected_root=root)
    assert read_tags(path) == AudioTags(title="T", artist="Other")


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
    monkeypatch.setattr(tags, "flac_head", lambda read_at, span, wanted, **_: span.preamble + b"?")
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


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the recorded odd files are not beside this checkout")
def test_odd_files_from_the_wild_are_written_or_left_alone(tmp_path: Path) -> None:
    written = 0
    for path in sorted(FIXTURES.rglob("*")):
        if not path.is_file() or path.suffix == ".json":
            continue
        copy = tmp_path / "copy"
        copy.write_bytes(path.read_bytes())
        before = identify(copy)
        try:
            write_tags(copy, OURS, expected_root=before.root)
        except TagsError as error:
            assert error.code in ("tags_not_writable", "tags_unreadable"), (path.name, error.code)
            assert copy.read_bytes() == path.read_bytes()
        else:
            written += 1
            assert identify(copy).root == before.root
    assert written > 20
