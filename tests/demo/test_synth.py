from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile
from mutagen.flac import FLAC
from mutagen.mp3 import MP3, BitrateMode

from apps.domain.audio.fingerprint import decode, is_low_entropy, same_recording
from apps.domain.audio.payload import file_root, find_span_in_bytes
from slskdn_site.demo import instruments
from slskdn_site.demo.album import SAMPLE_RATE_HZ, SIZES, Size, album
from slskdn_site.demo.audio_files import write_retagged_twin
from slskdn_site.demo.chromaprint import measure
from slskdn_site.demo.synth import AlbumFile, render


def root_of(path: Path) -> bytes:
    data = path.read_bytes()
    root, _leaves = file_root(lambda offset, size: data[offset : offset + size], find_span_in_bytes(data))
    return root


def flac_frames(path: Path) -> bytes:
    data = path.read_bytes()
    at, last = 4, False
    while not last:
        last = bool(data[at] & 0x80)
        at += 4 + int.from_bytes(data[at + 1 : at + 4], "big")
    return data[at:]


def mp3_frames(path: Path) -> bytes:
    data = path.read_bytes()
    if data[:3] == b"ID3":
        size = sum((byte & 0x7F) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
        data = data[10 + size :]
    return data[:-128] if data[-128:-125] == b"TAG" else data


@pytest.mark.parametrize("size", SIZES)
def test_the_album_has_eight_tracks_of_fitting_length_and_ids_of_their_own(size: Size) -> None:
    facts = album(size)
    low, high = (120, 240) if size == "full" else (20, 40)
    assert [track.position for track in facts.tracks] == list(range(1, 9))
    assert all(low <= track.length_ms / 1000 <= high for track in (*facts.tracks, facts.stand_in))
    assert [track.position for track in facts.tracks if track.mp3_only] == [6]
    assert any("/" in track.title and '"' in track.title for track in facts.tracks)


def test_no_id_is_used_twice_over_both_editions() -> None:
    ids = [
        mbid
        for size in SIZES
        for track in (*album(size).tracks, album(size).stand_in)
        for mbid in (track.recording_mbid, track.track_mbid)
    ]
    ids += [album(size).release_mbid for size in SIZES] + [album("full").release_group_mbid, album("full").artist_mbid]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("size", SIZES)
def test_the_stand_in_lasts_about_as_long_as_the_track_it_is_offered_for(size: Size) -> None:
    facts = album(size)
    assert abs(facts.stand_in.length_ms - facts.track(5).length_ms) < 3000


def test_a_track_is_the_same_samples_every_time() -> None:
    track = album("small").track(3)
    first = render(track, "small")
    instruments.note.cache_clear()
    instruments.drum.cache_clear()
    instruments._table.cache_clear()
    second = render(track, "small")
    assert first.shape == (track.frames, 2)
    assert first.dtype == np.int16
    assert np.array_equal(first, second)


def test_a_track_of_the_other_edition_is_refused() -> None:
    with pytest.raises(ValueError, match="not of the full edition"):
        render(album("small").track(1), "full")


def test_every_piece_is_loud_stereo_and_not_clipped(small_files: tuple[AlbumFile, ...]) -> None:
    for made in small_files:
        samples, rate = soundfile.read(made.path, dtype="float32")
        assert rate == SAMPLE_RATE_HZ
        assert samples.shape == (made.track.frames, 2)
        assert 0.1 < float(np.sqrt(np.mean(samples**2))) < 0.4
        assert 0.5 < float(np.max(np.abs(samples))) < 0.99
        assert not np.array_equal(samples[:, 0], samples[:, 1])


def test_no_two_pieces_sound_alike_to_chromaprint(small_files: tuple[AlbumFile, ...]) -> None:
    prints = {made.track.position: decode(measure(made.path).fingerprint)[0] for made in small_files}
    assert not any(is_low_entropy(items) for items in prints.values())
    for (one, first), (two, second) in itertools.combinations(prints.items(), 2):
        comparison = same_recording(first, second)
        assert comparison.verdict == "different", (one, two)
        assert comparison.ber > 0.3, (one, two)


def test_flac_files_hold_exactly_what_was_rendered_and_picards_tags(small_files: tuple[AlbumFile, ...]) -> None:
    facts = album("small")
    made = small_files[2]
    samples, _rate = soundfile.read(made.path, dtype="int16")
    assert np.array_equal(samples, render(made.track, "small"))
    tags = FLAC(made.path)
    assert tags["title"] == ['Neap/Spring, or "The Long Ebb"']
    assert tags["musicbrainz_trackid"] == [made.track.recording_mbid]
    assert tags["musicbrainz_releasetrackid"] == [made.track.track_mbid]
    assert tags["musicbrainz_albumid"] == [facts.release_mbid]
    assert tags["musicbrainz_artistid"] == [facts.artist_mbid]
    assert (tags.info.sample_rate, tags.info.channels, tags.info.bits_per_sample) == (44_100, 2, 16)


def test_the_mp3_is_constant_320_and_sounds_like_what_was_rendered(small_files: tuple[AlbumFile, ...]) -> None:
    made = small_files[5]
    mp3 = MP3(made.path)
    assert mp3.info.bitrate == 320_000
    assert mp3.info.bitrate_mode == BitrateMode.CBR
    assert mp3.tags["UFID:http://musicbrainz.org"].data.decode() == made.track.recording_mbid
    assert mp3.tags["TXXX:MusicBrainz Album Id"].text == [album("small").release_mbid]
    heard, _rate = soundfile.read(made.path, dtype="float32")
    wanted = render(made.track, "small")
    for side in (0, 1):
        assert np.corrcoef(heard[:, side], wanted[:, side])[0, 1] > 0.99


@pytest.mark.parametrize(("index", "suffix", "frames"), [(0, ".flac", flac_frames), (5, ".mp3", mp3_frames)])
def test_a_retagged_twin_has_other_tags_and_the_same_audio_bytes(
    small_files: tuple[AlbumFile, ...], tmp_path: Path, index: int, suffix: str, frames: object
) -> None:
    source = small_files[index].path
    twin = write_retagged_twin(source, tmp_path / f"renamed{suffix}")
    assert callable(frames)
    assert frames(twin) == frames(source)
    assert root_of(twin) == root_of(source)
    assert twin.read_bytes() != source.read_bytes()
    recording = small_files[index].track.recording_mbid
    if suffix == ".flac":
        tags = FLAC(twin)
        assert tags["title"] == [small_files[index].track.title.upper()]
        assert tags["musicbrainz_trackid"] == [recording]
        assert len(tags.pictures) == 1
    else:
        mp3 = MP3(twin)
        assert mp3.tags["UFID:http://musicbrainz.org"].data.decode() == recording
        assert str(mp3.tags["TIT2"]) == small_files[index].track.title.upper()
        assert twin.read_bytes()[-128:-125] == b"TAG"


def test_the_twin_of_a_twin_still_has_the_same_audio(small_files: tuple[AlbumFile, ...], tmp_path: Path) -> None:
    first = write_retagged_twin(small_files[0].path, tmp_path / "one.flac")
    second = write_retagged_twin(first, tmp_path / "two.flac")
    assert root_of(second) == root_of(small_files[0].path)


def test_a_container_without_twins_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "voice.ogg"
    source.write_bytes(b"OggS")
    with pytest.raises(ValueError, match="no twin"):
        write_retagged_twin(source, tmp_path / "copy.ogg")
