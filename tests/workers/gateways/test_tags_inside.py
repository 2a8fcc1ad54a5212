"""Tags inside the payload: written only when asked for, read back under Picard's names, the sound proven, whatever is a person's kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import mutagen
import mutagen.apev2
import mutagen.asf
import mutagen.mp4
import mutagen.oggopus
import mutagen.wave
import pytest

from apps.domain.audio.sound import sound_digest
from apps.domain.errors import DomainError
from apps.domain.library.tags import NAMES, TagsError
from tests.workers.gateways.sound import convert, write
from tests.workers.gateways.test_tags import FIXTURES, OURS, A
from workers.gateways import ffmpeg, tags
from workers.gateways.audio import decode_test
from workers.gateways.files import identify, reading
from workers.gateways.tags import AudioTags, read_tags, write_tags

needs_ffmpeg = pytest.mark.skipif(not ffmpeg.candidates(), reason="no ffmpeg here, not even imageio-ffmpeg's")
WHOLE = replace(
    OURS,
    artists=("Miles Davis", "Bill Evans"), original_date="1959-08-01", media="CD", script="Latn", status="official", types=("album", "live"),
    compilation=True, replaygain_track_gain="-3.10 dB", replaygain_track_peak="0.912345", replaygain_album_gain="-2.10 dB",
    replaygain_album_peak="0.990000", acoustid_fingerprint="A" * 9000, label=("Columbia", "CBS"), catalog_number=("CL 1355", "CS 8163"),
)  # fmt: skip
KINDS = {
    "m4a": ["-c:a", "aac"], "alac.m4a": ["-c:a", "alac"], "ogg": ["-c:a", "libvorbis"], "opus": ["-c:a", "libopus"], "oga": ["-c:a", "flac"], "wav": [],
    "aiff": [], "wv": ["-c:a", "wavpack"], "wma": ["-c:a", "wmav2"],
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A real file of a kind, with a title and a comment of a person's."""
    folder = tmp_path_factory.mktemp("kinds")
    source = write(folder / "source.wav", 0.5)

    def of(kind: str) -> Path:
        path = folder / f"a.{kind}"
        if not path.exists():
            convert(source, path, *KINDS[kind], "-metadata", "title=Old", "-metadata", "comment=from my uncle")
        return path

    return of


def heard(path: Path) -> bytes:
    with reading(path) as (read_at, size):
        return sound_digest(read_at, size).digest


def copied(source: Path, folder: Path) -> Path:
    path = folder / source.name
    path.write_bytes(source.read_bytes())
    return path


@needs_ffmpeg
@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_written_and_read_back_and_the_sound_is_the_same(
    made: Callable[[str], Path], tmp_path: Path, kind: str
) -> None:
    path = copied(made(kind), tmp_path)
    before, root, decoded = heard(path), identify(path).root, decode_test(path)
    written = write_tags(path, WHOLE, expected_root=root, inside_root=True)
    said, wanted = read_tags(path), WHOLE
    if kind == "opus":  # gains of its own, and no peaks
        wanted = replace(WHOLE, replaygain_track_peak="", replaygain_album_peak="")
    assert {one.name: getattr(said, one.name) for one in fields(AudioTags)} == {
        one.name: getattr(wanted, one.name) for one in fields(AudioTags)
    }
    assert heard(path) == before
    assert written.root == identify(path).root != root
    assert written.decoded is not None
    assert (written.decoded.total_samples, written.decoded.rate) == (decoded.total_samples, decoded.rate)
    assert b"from my uncle" in path.read_bytes().replace(b"\0", b"")
    once = path.read_bytes()
    write_tags(path, WHOLE, expected_root=written.root, inside_root=True)
    assert path.read_bytes() == once
    write_tags(path, AudioTags(title="Only this"), expected_root=written.root, inside_root=True)
    left = read_tags(path)
    assert (left.title, left.artist, left.label, left.track, left.release_mbid) == ("Only this", "", (), 0, "")
    assert left.replaygain_track_gain == "-3.10 dB"  # nothing of ours to put in its place
    assert heard(path) == before
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@needs_ffmpeg
@pytest.mark.parametrize("kind", KINDS)
def test_unless_it_is_asked_for_such_a_file_stays_as_it_is(
    made: Callable[[str], Path], tmp_path: Path, kind: str
) -> None:
    path = copied(made(kind), tmp_path)
    with pytest.raises(TagsError) as caught:
        write_tags(path, WHOLE, expected_root=identify(path).root)
    assert (caught.value.code, caught.value.params["reason"]) == ("tags_not_writable", "inside_root")
    assert path.read_bytes() == made(kind).read_bytes()


@needs_ffmpeg
def test_tags_stand_under_picards_names(made: Callable[[str], Path], tmp_path: Path) -> None:
    paths = {kind: copied(made(kind), tmp_path) for kind in ("m4a", "opus", "wav", "wv", "wma")}
    for path in paths.values():
        write_tags(path, WHOLE, expected_root=identify(path).root, inside_root=True)
    mp4 = mutagen.mp4.MP4(paths["m4a"])
    assert mp4["----:com.apple.iTunes:MusicBrainz Track Id"] == [A.encode()]
    assert (mp4["trkn"], mp4["disk"], mp4["cpil"], mp4["aART"]) == ([(3, 5)], [(1, 2)], True, [OURS.albumartist])
    assert mp4["----:com.apple.iTunes:CATALOGNUMBER"] == [b"CL 1355", b"CS 8163"]
    opus = mutagen.oggopus.OggOpus(paths["opus"])
    assert (opus["r128_track_gain"], opus["r128_album_gain"]) == ([str(round(-8.1 * 256))], [str(round(-7.1 * 256))])
    assert "replaygain_track_gain" not in opus
    assert (opus["musicbrainz_trackid"], opus["tracktotal"], opus["releasetype"]) == ([A], ["5"], ["album", "live"])
    wave = mutagen.wave.WAVE(paths["wav"])
    assert wave["UFID:http://musicbrainz.org"].data == A.encode()
    assert (wave["TRCK"].text, wave["TMED"].text, wave["TCMP"].text) == (["3/5"], ["CD"], ["1"])
    ape = mutagen.apev2.APEv2(paths["wv"])
    assert (str(ape["Track"]), str(ape["MUSICBRAINZ_TRACKID"]), list(ape["Label"])) == ("3/5", A, ["Columbia", "CBS"])
    asf = mutagen.asf.ASF(paths["wma"])
    assert str(asf["MusicBrainz/Track Id"][0]) == A
    assert [str(one) for one in asf["WM/Publisher"]] == ["Columbia", "CBS"]
    assert (str(asf["WM/PartOfSet"][0]), asf["WM/IsCompilation"][0].value) == ("1/2", True)
    assert {one for one in NAMES if not NAMES[one].vorbis} == set()


@needs_ffmpeg
def test_a_writer_that_would_change_the_sound_is_caught(
    made: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = copied(made("wav"), tmp_path)

    def clumsy(source: Path, target: Path, *_: object) -> None:
        data = bytearray(source.read_bytes())
        data[-100] ^= 1
        target.write_bytes(data)

    monkeypatch.setattr(tags, "rewrite", clumsy)
    with pytest.raises(TagsError) as caught:
        write_tags(path, WHOLE, expected_root=identify(path).root, inside_root=True)
    assert caught.value.code == "payload_changed"
    assert path.read_bytes() == made("wav").read_bytes()
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@needs_ffmpeg
@pytest.mark.parametrize("kind", KINDS)
def test_files_that_were_cut_off_or_broken_are_left_alone_with_our_own_error(
    made: Callable[[str], Path], tmp_path: Path, kind: str
) -> None:
    whole = made(kind).read_bytes()
    path = tmp_path / f"broken.{kind}"
    huge = [whole[:at] + b"\xff\xff\xff\xff" + whole[at + 4 :] for at in (4, 16, 24, 40)]
    for raw in [whole[: len(whole) // 3], whole[:20], whole[:-7], *huge, whole[:4] * 4000]:
        path.write_bytes(raw)
        before = heard_or_none(path)
        try:
            write_tags(path, WHOLE, expected_root=identify(path).root, inside_root=True)
        except DomainError as error:
            assert error.code in ("tags_not_writable", "tags_unreadable", "payload_changed")
            assert path.read_bytes() == raw
        else:
            assert heard_or_none(path) == before is not None


def heard_or_none(path: Path) -> bytes | None:
    try:
        return heard(path)
    except DomainError:
        return None


@pytest.mark.long
@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the recorded odd files are not beside this checkout")
def test_odd_files_from_the_wild_get_tags_with_the_same_sound_or_stay_as_they_are(tmp_path: Path) -> None:
    written = 0
    listed = [one for one in sorted(FIXTURES.rglob("*")) if one.is_file() and one.suffix != ".json"]
    assert len(listed) == 487
    for path in listed:
        copy = tmp_path / f"copy{path.suffix}"
        copy.write_bytes(path.read_bytes())
        before, sound = identify(copy), heard_or_none(copy)
        try:
            after = write_tags(copy, WHOLE, expected_root=before.root, inside_root=True)
        except DomainError as error:
            assert error.code in ("tags_not_writable", "tags_unreadable"), (path, error.code)
            assert copy.read_bytes() == path.read_bytes()
        else:
            written += 1
            same = before.root == identify(copy).root if after.decoded is None else sound == heard_or_none(copy)
            assert same, path
            assert read_tags(copy).recording_mbid == A, path
        copy.unlink()
    assert written > 300
