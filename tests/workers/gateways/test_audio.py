"""The decode test, on real files and on lies about them."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import mutagen.flac
import numpy as np
import pytest
import soundfile

from apps.domain.audio import mpeg
from apps.domain.audio.payload import PayloadFormat, find_span_in_bytes, parse_streaminfo
from apps.domain.audio.profile import Codec, QualityKind
from apps.domain.audio.variant import VariantFacts
from apps.domain.errors import DomainError
from tests.domain.audio import bits
from tests.workers.gateways.sound import RATE, convert, write
from workers.gateways import decoders, ffmpeg, files
from workers.gateways.audio import DecodeFailed, decode_test, variant_facts
from workers.gateways.files import FilesError, identify

FIXTURES = Path(__file__).parents[4] / "shared" / "fixtures" / "audio"
needs_ffmpeg = pytest.mark.skipif(not ffmpeg.candidates(), reason="no ffmpeg here, not even imageio-ffmpeg's")


def measure(path: Path) -> VariantFacts:
    """What an import keeps of a file."""
    identity = identify(path)
    return variant_facts(identity, decode_test(path, span=identity.span))


@pytest.mark.parametrize(("subtype", "depth"), [("PCM_16", 16), ("PCM_24", 24), ("PCM_S8", 8)])
@pytest.mark.parametrize("channels", [1, 2])
def test_flac_is_counted_and_its_md5_computed_from_the_sound(
    tmp_path: Path, subtype: str, depth: int, channels: int
) -> None:
    path = write(tmp_path / "a.flac", 1.3, subtype=subtype, channels=channels)
    facts = decode_test(path)
    info = parse_streaminfo(find_span_in_bytes(path.read_bytes()).preamble)
    assert str(facts.profile) == f"flac-{depth}-44100-{channels}"
    assert (facts.total_samples, facts.bits, facts.channels) == (int(1.3 * RATE), depth, channels)
    assert facts.pcm_md5 == info.md5
    assert facts.md5_checked
    assert facts.min_block == facts.max_block == info.max_block
    assert facts.duration_ms == 1300
    assert "libFLAC" in facts.vendor


def test_the_md5_is_that_of_the_interleaved_pcm(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", 0.5)
    samples, _ = soundfile.read(str(path), dtype="int16")
    assert decode_test(path).pcm_md5 == hashlib.md5(samples.astype("<i2").tobytes()).digest()


def lie(offset: int, new: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data[:offset] + new + data[offset + len(new) :]


LIES = {
    "md5": (lie(8 + 18, b"\x01" * 16), "pcm_md5_mismatch"),
    "sample-count": (lie(8 + 14, (9999).to_bytes(4, "big")), "sample_count_mismatch"),
    "block-size": (lie(8, (1024).to_bytes(2, "big") * 2), "preamble_mismatch"),
    "rate": (lie(8 + 10, (48_000 >> 4).to_bytes(2, "big")), "preamble_mismatch"),
    "md5-absent-but-count-wrong": (
        lambda data: lie(8 + 18, bytes(16))(lie(8 + 14, (9999).to_bytes(4, "big"))(data)),
        "sample_count_mismatch",
    ),
}


@pytest.mark.parametrize(("change", "code"), LIES.values(), ids=LIES)
def test_a_wrong_preamble_with_right_frames_does_not_pass(
    tmp_path: Path, change: Callable[[bytes], bytes], code: str
) -> None:
    path = write(tmp_path / "a.flac", 0.5)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DecodeFailed) as caught:
        decode_test(path)
    assert caught.value.code == code


def test_no_single_bit_of_streaminfo_can_be_altered_unnoticed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", 0.3)
    data = path.read_bytes()
    offset = find_span_in_bytes(data).offset
    for bit in range(34 * 8):
        changed = bytearray(data)
        changed[8 + bit // 8] ^= 1 << bit % 8
        span = find_span_in_bytes(bytes(changed))
        if span.format is PayloadFormat.FILE:
            continue  # no FLAC any more: another identity altogether
        assert span.offset == offset
        path.write_bytes(changed)
        with pytest.raises(DecodeFailed):
            decode_test(path, span=span)


def test_a_preamble_of_other_music_does_not_pass(tmp_path: Path) -> None:
    mine, other = write(tmp_path / "a.flac", 0.5, seed=1), write(tmp_path / "b.flac", 0.5, seed=2)
    mine.write_bytes(other.read_bytes()[:42] + mine.read_bytes()[42:])
    with pytest.raises(DecodeFailed):
        decode_test(mine)


def test_an_absent_md5_passes_and_says_that_it_was_not_checked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", 0.5)
    before = decode_test(path)
    path.write_bytes(lie(8 + 18, bytes(16))(path.read_bytes()))
    facts = decode_test(path)
    assert not facts.md5_checked
    assert facts.pcm_md5 == before.pcm_md5


@needs_ffmpeg
def test_flac_of_unknown_length_is_decoded_to_its_end(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", 0.5)
    path.write_bytes(lie(8 + 14, bytes(4))(path.read_bytes()))
    assert decode_test(path).total_samples == RATE // 2


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[: len(data) * 2 // 3], lambda data: lie(len(data) // 2, b"\0" * 64)(data)],
    ids=["cut", "zeros"],
)
def test_damaged_flac_does_not_pass(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = write(tmp_path / "a.flac", 1.0)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DecodeFailed):
        decode_test(path)


def test_tags_around_flac_do_not_disturb_the_test(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", 0.5)
    plain = measure(path)
    path.write_bytes(bits.id3v2(b"x") + path.read_bytes() + bits.ape(b"y") + bits.id3v1())
    tagged = measure(path)
    assert (tagged.payload_root, tagged.pcm_md5, tagged.total_samples) == (
        plain.payload_root,
        plain.pcm_md5,
        plain.total_samples,
    )
    assert tagged.payload_offset == plain.payload_offset + 11
    assert (tagged.payload_bytes, tagged.profile) == (plain.payload_bytes, plain.profile)


def test_retagging_by_another_program_makes_a_twin(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", 0.5)
    plain = measure(path)
    audio_file = mutagen.flac.FLAC(path)
    picture = mutagen.flac.Picture()
    picture.data = bytes(300_000)
    audio_file.add_picture(picture)
    audio_file["title"] = "renamed"
    audio_file.save()
    twin = measure(path)
    assert twin.payload_offset > 300_000
    assert (twin.payload_root, twin.preamble, twin.pcm_md5) == (plain.payload_root, plain.preamble, plain.pcm_md5)


def test_a_disk_error_is_not_blamed_on_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.flac", 3.0)
    span = identify(path).span
    real = os.pread

    def pread(descriptor: int, length: int, offset: int) -> bytes:
        if offset > span.length // 2:
            raise OSError(errno.EIO, "bad sector")
        return real(descriptor, length, offset)

    monkeypatch.setattr(files.os, "pread", pread)
    with pytest.raises(FilesError) as caught:
        decode_test(path, span=span)
    assert caught.value.code == "disk_error"


def test_mp3_is_measured_frame_by_frame(tmp_path: Path) -> None:
    facts = measure(write(tmp_path / "a.mp3", 2.0))
    assert (facts.container, facts.payload_format, facts.bits, facts.pcm_md5) == ("mp3", PayloadFormat.MP3, 0, None)
    assert abs(facts.total_samples - 2 * RATE) < 5 * 1152
    assert facts.profile.codec is Codec.MP3


@needs_ffmpeg
@pytest.mark.parametrize(
    ("options", "profile"),
    [
        (("-b:a", "320k"), "mp3-320-44100-2"),
        (("-b:a", "128k", "-write_xing", "0"), "mp3-128-44100-2"),
        (("-b:a", "64k", "-ar", "22050", "-ac", "1"), "mp3-64-22050-1"),
    ],
)
def test_lames_settings_are_recognised(tmp_path: Path, options: tuple[str, ...], profile: str) -> None:
    path = convert(write(tmp_path / "a.wav", 2.0), tmp_path / "a.mp3", "-c:a", "libmp3lame", *options)
    assert str(decode_test(path).profile) == profile


@needs_ffmpeg
def test_vbr_is_told_from_its_frames_whatever_its_average(tmp_path: Path) -> None:
    path = convert(write(tmp_path / "a.wav", 2.0), tmp_path / "a.mp3", "-c:a", "libmp3lame", "-q:a", "0")
    assert decode_test(path).profile.kind is QualityKind.LAME_V


def test_a_lame_tag_names_the_preset(tmp_path: Path) -> None:
    # libsndfile writes VBR by LAME, tag included.
    path = write(tmp_path / "a.mp3", 2.0)
    facts = decode_test(path)
    stated = mpeg.read_information(find_span_in_bytes(path.read_bytes()).preamble)
    assert stated is not None
    assert facts.vendor.startswith("LAME")
    assert facts.profile.kind is QualityKind.LAME_V
    assert facts.profile.quality == stated.lame_v


@needs_ffmpeg
def test_copying_the_stream_by_ffmpeg_makes_a_twin(tmp_path: Path) -> None:
    path = convert(write(tmp_path / "a.wav", 2.0), tmp_path / "a.mp3", "-c:a", "libmp3lame", "-b:a", "192k")
    twin = convert(path, tmp_path / "b.mp3", "-c", "copy", "-metadata", "title=another")
    mine, other = measure(path), measure(twin)
    assert path.read_bytes() != twin.read_bytes()
    assert (mine.payload_root, mine.total_samples, mine.profile) == (
        other.payload_root,
        other.total_samples,
        other.profile,
    )


def test_a_lying_information_frame_does_not_change_what_is_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp3", 2.0)
    honest = decode_test(path)
    data = path.read_bytes()
    span = find_span_in_bytes(data)
    liar = bytearray(span.preamble or bits.information_frame("info"))
    at = max(liar.find(b"Info"), liar.find(b"Xing"))
    liar[at + 4 : at + 12] = (1).to_bytes(4, "big") + (2).to_bytes(4, "big")
    path.write_bytes(bytes(liar) + data[span.offset :])
    assert decode_test(path).total_samples == honest.total_samples


@pytest.mark.parametrize(
    ("name", "subtype", "profile"),
    [("a.wav", "PCM_24", "pcm-24-44100-2"), ("a.ogg", "VORBIS", None), ("a.aiff", "PCM_16", "pcm-16-44100-2")],
)
def test_other_containers_are_decoded_whole(tmp_path: Path, name: str, subtype: str, profile: str | None) -> None:
    facts = measure(write(tmp_path / name, 1.0, subtype=subtype))
    assert (facts.payload_format, facts.payload_offset, facts.total_samples) == (PayloadFormat.FILE, 0, RATE)
    assert profile is None or str(facts.profile) == profile


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "options", "profile"),
    [
        ("a.m4a", ("-c:a", "aac", "-b:a", "128k"), "aac"),
        ("b.m4a", ("-c:a", "alac"), "alac-16-44100-2"),
        ("a.wv", ("-c:a", "wavpack"), "wavpack-16-44100-2"),
    ],
)
def test_what_libsndfile_cannot_read_goes_through_ffmpeg(
    tmp_path: Path, name: str, options: tuple[str, ...], profile: str
) -> None:
    facts = measure(convert(write(tmp_path / "a.wav", 1.0), tmp_path / name, *options))
    assert str(facts.profile).startswith(profile)
    assert abs(facts.total_samples - RATE) < 3000


def test_without_any_ffmpeg_such_a_file_says_which_tool_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.m4a"
    path.write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    monkeypatch.setattr(ffmpeg, "candidates", list)
    with pytest.raises(DecodeFailed) as caught:
        decode_test(path)
    assert (caught.value.code, caught.value.retryable) == ("decode_tool_missing", True)


@pytest.mark.parametrize("content", [b"", b"not sound", bits.flac(), b"RIFF\x04\0\0\0WAVE"])
def test_what_is_no_sound_does_not_pass(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    with pytest.raises(DecodeFailed):
        decode_test(path)


def test_more_sound_than_six_hours_is_not_decoded_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "MAX_SECONDS", 1)
    with pytest.raises(DecodeFailed) as caught:
        decode_test(write(tmp_path / "a.flac", 3.0))
    assert caught.value.code == "too_long"


def test_a_listener_hears_every_sample_once(tmp_path: Path) -> None:
    heard: list[np.ndarray] = []
    facts = decode_test(write(tmp_path / "a.flac", 2.0), listener=lambda: lambda block, rate: heard.append(block))
    assert sum(len(block) for block in heard) == facts.total_samples


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the recorded odd files are not beside this checkout")
def test_odd_files_pass_or_fail_with_a_code() -> None:
    # Those that libsndfile takes: the ffmpeg children of all 487 files would take 15 s.
    outcomes = set()
    for path in sorted(FIXTURES.rglob("*")):
        if (
            path.suffix in (".flac", ".mp3", ".wav", ".ogg")
            and path.stat().st_size < 100_000
            and find_span_in_bytes(path.read_bytes()).format != "file"
        ):
            try:
                outcomes.add(str(decode_test(path).profile))
            except DomainError as error:
                outcomes.add(error.code)
    assert "flac-16-44100-2" in outcomes
    assert "decode_failed" in outcomes
