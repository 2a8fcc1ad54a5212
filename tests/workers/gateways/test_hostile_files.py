"""Files that were made, or cut, or broken so that reading them costs too much or passes for whole: refused with a reason, within bounds."""

from __future__ import annotations

import struct
from pathlib import Path

import mutagen.mp4
import numpy as np
import pytest
import soundfile

from tests.workers.gateways.sound import RATE, convert, write
from workers.gateways import decoders, ffmpeg
from workers.gateways.audio import DecodeFailed, decode_test
from workers.gateways.decoders import BlockHook
from workers.gateways.tagfile import MAX_TAG_BYTES, TooMuchRead, tag_file
from workers.gateways.tags import TagsError, read_tags

needs_ffmpeg = pytest.mark.skipif(not ffmpeg.candidates(), reason="no ffmpeg on this machine")


def wav_head(*, channels: int, data_bytes: int, rate: int = RATE, bits: int = 16) -> bytes:
    width = channels * bits // 8
    return (
        b"RIFF"
        + struct.pack("<I", 36 + data_bytes)
        + b"WAVEfmt "
        + struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * width, width, bits)
        + b"data"
        + struct.pack("<I", data_bytes)
    )


def id3(size: int) -> bytes:
    return b"ID3\x03\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def never(*_: object) -> BlockHook:
    raise AssertionError("nothing of this may be decoded")


@pytest.mark.parametrize("channels", [33, 1024])
def test_more_channels_than_anything_has_are_refused_before_a_block_is_decoded(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "a.wav"
    data = bytes(2 * channels * 1000)
    path.write_bytes(wav_head(channels=channels, data_bytes=len(data)) + data)
    with pytest.raises(DecodeFailed) as refused:
        decode_test(path, listener=never)
    assert refused.value.code == "codec_unsupported"


@pytest.mark.parametrize("name", ["a.flac", "a.wav", "a.ogg", "a.mp3"])
def test_a_decode_ends_at_its_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = write(tmp_path / name, 5.0)
    monkeypatch.setattr(decoders, "_DECODE_TIMEOUT_S", -1.0)
    with pytest.raises(DecodeFailed) as refused:
        decode_test(path)
    assert (refused.value.code, refused.value.retryable) == ("decode_timeout", True)


def test_of_huge_tags_little_is_read_and_the_sound_is_measured_all_the_same(tmp_path: Path) -> None:
    sound = write(tmp_path / "plain.mp3", 3.0).read_bytes()
    plain = decode_test(tmp_path / "plain.mp3")
    path, size = tmp_path / "a.mp3", (1 << 28) - 1
    with path.open("wb") as out:
        out.write(id3(size) + b"APIC" + struct.pack(">I", size - 10) + b"\0\0\0image/png\0\3\0")
        out.seek(10 + size)
        out.write(sound)
    with pytest.raises(TagsError):
        read_tags(path)
    with tag_file(path) as file, pytest.raises(TooMuchRead):
        file.read(MAX_TAG_BYTES + 1)
    huge = decode_test(path)
    assert abs(huge.bitrate_bps - plain.bitrate_bps) < plain.bitrate_bps // 20, "tags are no sound"


def test_tags_are_read_of_regular_files_only(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "a.mp3")
    with pytest.raises(TagsError):
        read_tags(tmp_path / "a.mp3")


@needs_ffmpeg
def test_a_cover_makes_no_other_bit_rate(tmp_path: Path) -> None:
    path = convert(write(tmp_path / "a.wav", 5.0), tmp_path / "a.m4a", "-c:a", "aac", "-b:a", "128k")
    plain = decode_test(path)
    tagged = mutagen.mp4.MP4(str(path))
    tagged["covr"] = [mutagen.mp4.MP4Cover(bytes(1 << 20), mutagen.mp4.MP4Cover.FORMAT_JPEG)]
    tagged.save()
    covered = decode_test(path)
    assert str(covered.profile) == str(plain.profile)
    assert abs(covered.bitrate_bps - plain.bitrate_bps) < plain.bitrate_bps // 20


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.w64", "rf64.wav", "a.ogg", "a.opus"])
def test_what_was_cut_short_is_not_taken_for_whole(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    form = {"w64": "W64", "rf64": "RF64", "opus": "OGG"}.get(path.stem if path.stem == "rf64" else path.suffix[1:])
    sound = np.random.default_rng(1).uniform(-0.5, 0.5, size=(48_000, 2))
    soundfile.write(str(path), sound, 48_000, format=form, subtype="OPUS" if name == "a.opus" else None)
    assert decode_test(path).total_samples == 48_000
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    with pytest.raises(DecodeFailed) as refused:
        decode_test(path)
    assert (refused.value.code, refused.value.params["reason"]) == ("decode_failed", "cut_short")


def test_a_wav_from_a_pipe_states_no_length_and_is_read_to_its_end(tmp_path: Path) -> None:
    data = np.random.default_rng(1).integers(-9000, 9000, size=20_000, dtype="<i2").tobytes()
    for stated in (0xFFFFFFFF - 36, 0x7FFFFFFF - 36, 0x7FFFF000):
        head = wav_head(channels=2, data_bytes=stated)
        (tmp_path / "a.wav").write_bytes(head + data)
        assert decode_test(tmp_path / "a.wav").total_samples == 10_000


@pytest.mark.parametrize("name", ["a.ogg", "a.opus", "a.wv", "a.tta"])
def test_damage_that_decoders_pass_over_in_silence_is_found_by_checksums(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name in ("a.wv", "a.tta"):
        if not ffmpeg.candidates():
            pytest.skip("no ffmpeg on this machine")
        convert(write(tmp_path / "source.wav", 5.0), path)
    else:
        sound = np.random.default_rng(1).uniform(-0.5, 0.5, size=(96_000, 2))
        soundfile.write(str(path), sound, 48_000, format="OGG", subtype="OPUS" if name == "a.opus" else None)
    decode_test(path)
    damaged = bytearray(path.read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 500] = np.random.default_rng(2).bytes(500)
    path.write_bytes(damaged)
    with pytest.raises(DecodeFailed) as refused:
        decode_test(path)
    assert refused.value.code == "decode_failed"


def test_an_ogg_stream_that_lacks_its_last_page_or_has_a_tag_behind_it_is_sound_all_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ogg", 3.0)
    whole = path.read_bytes()
    last = whole.rindex(b"OggS")
    path.write_bytes(whole[:last])
    assert decode_test(path).total_samples > RATE
    path.write_bytes(whole + b"TAG" + bytes(125))
    assert decode_test(path).total_samples == 3 * RATE


@needs_ffmpeg
def test_a_decoders_reason_names_no_folder(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"nothing" * 1000)
    with pytest.raises(DecodeFailed) as refused:
        decode_test(tmp_path / "a.mp3")
    assert str(tmp_path) not in str(refused.value.params)
