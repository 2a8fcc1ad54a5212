"""One decode for everything, on real files: against ffmpeg's own meters, and on the odd files of the fixtures."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from apps.domain.audio.fingerprint import same_recording
from tests.workers.gateways.sound import RATE, convert, tune, write
from workers.gateways import chromaprint, decoders, ffmpeg
from workers.gateways.analysis import AnalysisWish, FileAnalysis, analyse_file
from workers.gateways.audio import DecodeFailed, decode_test
from workers.gateways.chromaprint import fingerprint_file
from workers.gateways.decoders import BlockHook
from workers.gateways.files import FilesError

FIXTURES = Path(__file__).parents[4] / "shared" / "fixtures" / "audio"
needs_ffmpeg = pytest.mark.skipif(not ffmpeg.candidates(), reason="no ffmpeg here, not even imageio-ffmpeg's")


def ebur128(path: Path) -> tuple[float, float, float]:
    """(LUFS, LU, dBTP) as ffmpeg measures them."""
    told = subprocess.run(
        [ffmpeg.candidates()[0], "-nostdin", "-hide_banner", "-i", str(path), "-af", "ebur128=peak=true", "-f", "null", "-"],
        capture_output=True, text=True, check=True, timeout=60,
    ).stderr  # fmt: skip
    summary = told[told.rindex("Summary:") :]
    found = [
        re.search(pattern, summary)
        for pattern in (r"I:\s+(-?[\d.]+) LUFS", r"LRA:\s+([\d.]+) LU", r"Peak:\s+(-?[\d.]+|-?inf) dBFS")
    ]
    loudness, spread, peak = (float(one[1]) if one else float("nan") for one in found)
    return loudness, spread, peak


def music(seconds: float, *, channels: int = 2, rate: int = RATE, loud: float = 1.0) -> np.ndarray:
    """A tune that swells, with noise as of cymbals."""
    chance = np.random.default_rng(7)
    sound = tune(seconds * rate / RATE, seed=3, channels=channels)[: int(seconds * rate)]
    swell = 0.2 + 0.8 * np.abs(np.sin(np.arange(len(sound)) / rate / 3))
    return np.clip(loud * (sound + 0.03 * chance.standard_normal(sound.shape)) * swell[:, None], -1, 1)


CASES: dict[str, tuple[str, int, int, str | None, float]] = {
    "16-bit": ("a.flac", 44_100, 2, "PCM_16", 1.0),
    "24-bit-96k": ("a.flac", 96_000, 2, "PCM_24", 0.8),
    "192k": ("a.wav", 192_000, 2, "PCM_24", 0.8),
    "mono-8k": ("a.wav", 8000, 1, "PCM_16", 1.0),
    "8-bit": ("a.wav", 22_050, 1, "PCM_U8", 1.0),
    "clipped": ("a.flac", 44_100, 2, "PCM_16", 6.0),
    "float": ("a.wav", 48_000, 2, "FLOAT", 1.0),
    "surround": ("a.flac", 48_000, 6, "PCM_16", 1.0),
    "mp3": ("a.mp3", 44_100, 2, None, 1.0),
    "vorbis": ("a.ogg", 44_100, 2, None, 1.0),
}


@needs_ffmpeg
@pytest.mark.parametrize(("name", "rate", "channels", "subtype", "loud"), CASES.values(), ids=CASES)
def test_loudness_and_true_peak_are_those_of_ffmpeg(
    tmp_path: Path, name: str, rate: int, channels: int, subtype: str | None, loud: float
) -> None:
    path = tmp_path / name
    sound = music(12, channels=channels, rate=rate, loud=loud)
    if channels == 6:
        sound = sound * np.array([0.5, 0.4, 1.0, 0.9, 0.7, 0.6])
    soundfile.write(str(path), sound, rate, subtype=subtype)
    found = analyse_file(path).sound
    assert found is not None
    loudness, spread, peak = ebur128(path)
    assert found.loudness_lufs == pytest.approx(loudness, abs=0.1)
    assert found.loudness_range_lu == pytest.approx(spread, abs=0.5), "12 s are few windows; EBU's own cases are exact"
    assert found.true_peak_dbtp == pytest.approx(peak, abs=0.25)
    assert (found.clipped_ppm > 10_000) == (loud > 2)


@needs_ffmpeg
@pytest.mark.parametrize(
    "codec", [("vorbis", "s.ogg", "libvorbis"), ("opus", "s.opus", "libopus"), ("aac", "s.m4a", "aac")]
)
def test_surround_of_every_codec_weighs_the_same_channels(tmp_path: Path, codec: tuple[str, str, str]) -> None:
    name, target, encoder = codec
    if (
        encoder
        not in subprocess.run(
            [ffmpeg.candidates()[-1], "-hide_banner", "-encoders"], capture_output=True, text=True, check=False
        ).stdout
    ):
        pytest.skip(f"this ffmpeg has no {name} encoder")
    sound = np.zeros((5 * 48_000, 6))
    sound[:, 3] = 0.8 * np.sin(np.arange(len(sound)) * 2 * np.pi * 60 / 48_000)  # the LFE alone is loud
    sound[:, 2] = 0.05 * np.sin(np.arange(len(sound)) * 2 * np.pi * 1000 / 48_000)
    soundfile.write(str(tmp_path / "s.wav"), sound, 48_000)
    path = convert(
        tmp_path / "s.wav", tmp_path / target, "-af", "channelmap=channel_layout=5.1", "-c:a", encoder, "-b:a", "384k", "-ar", "48000"
    )  # fmt: skip
    found = analyse_file(path).sound
    assert found is not None
    assert found.loudness_lufs == pytest.approx(-29.0, abs=1.0), "a centre of -26 dBFS peak; the LFE does not count"


@pytest.fixture(scope="module")
def tune_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("tune") / "a.flac", 20.0)


def test_one_decode_says_what_three_did(tune_file: Path) -> None:
    both = analyse_file(tune_file)
    assert both.decoded == decode_test(tune_file)
    alone = fingerprint_file(tune_file)
    assert both.print is not None and both.print_code == ""
    assert (both.print.compressed, both.print.duration_ms) == (alone.compressed, alone.duration_ms)
    assert both.sound is not None and both.sound.encoder.startswith("reference libFLAC")
    json.dumps(both.sound.evidence(), allow_nan=False)


def test_a_file_is_decoded_once(tune_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    real = decoders.form_of
    monkeypatch.setattr(decoders, "form_of", lambda sound: decoded.append(1) or real(sound))
    if chromaprint.stream_printer(RATE, 2) is None:
        pytest.skip("without libchromaprint the fingerprint's child decodes for itself")
    analyse_file(tune_file)
    assert decoded == [1]


def test_only_what_is_wished_is_made(tune_file: Path) -> None:
    nothing = analyse_file(tune_file, wish=AnalysisWish(fingerprint=False, sound=False))
    assert (nothing.print, nothing.print_code, nothing.sound) == (None, "", None)
    assert analyse_file(tune_file, wish=AnalysisWish(fingerprint=False)).print is None


def test_without_libchromaprint_a_child_makes_the_fingerprint(tune_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    best = analyse_file(tune_file)
    monkeypatch.setattr(chromaprint, "_library", lambda: None)
    other = analyse_file(tune_file)
    if other.print is None:
        assert other.print_code == "fingerprint_tool_missing"
        pytest.skip("neither fpcalc nor an ffmpeg that makes fingerprints")
    assert other.print.tool in ("fpcalc", "ffmpeg")
    assert best.print is not None and same_recording(best.print.items, other.print.items).verdict == "same"


def test_a_sound_too_short_for_a_fingerprint_is_analysed_all_the_same(tmp_path: Path) -> None:
    found = analyse_file(write(tmp_path / "a.flac", 0.5))
    assert (found.print, found.print_code) == (None, "fingerprint_failed")
    assert found.sound is not None and found.sound.sample_peak_dbfs is not None


@needs_ffmpeg
@pytest.mark.parametrize("name", ["a.mp3", "a.m4a", "a.ogg", "a.opus", "a.wv", "a.aiff"])
def test_every_container_agrees_on_the_loudness(tune_file: Path, tmp_path: Path, name: str) -> None:
    known = analyse_file(tune_file).sound
    found = analyse_file(convert(tune_file, tmp_path / name)).sound
    assert known is not None and found is not None
    assert found.loudness_lufs == pytest.approx(known.loudness_lufs, abs=0.6), "lossy ones lose a little"
    assert (found.effective_bits is None) == (name not in ("a.wv", "a.aiff"))
    assert found.encoder or name == "a.aiff"


def test_float_files_may_be_louder_than_full_scale(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(str(path), 4 * tune(3.0), RATE, subtype="FLOAT")
    found = analyse_file(path).sound
    assert found is not None and found.sample_peak_dbfs is not None
    assert found.sample_peak_dbfs > 2


def test_float_files_with_garbage_in_them_are_measured(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    sound = tune(3.0).astype(np.float32)
    sound[1000:1010] = np.nan
    sound[5000] = np.inf
    soundfile.write(str(path), sound, RATE, subtype="FLOAT")
    found = analyse_file(path)
    assert found.sound is not None and found.sound.loudness_lufs is not None
    assert found.sound.measures.garbage == 22
    json.dumps(found.sound.evidence(), allow_nan=False)


@needs_ffmpeg
def test_a_second_decoder_starts_the_meters_anew(tmp_path: Path) -> None:
    stereo = write(tmp_path / "a.wav", 3.0)
    one = convert(stereo, tmp_path / "1.mp3", "-b:a", "128k", "-write_xing", "0", "-id3v2_version", "0")
    two = convert(stereo, tmp_path / "2.mp3", "-b:a", "128k", "-ac", "1", "-write_xing", "0", "-id3v2_version", "0")
    path = tmp_path / "mixed.mp3"
    path.write_bytes(one.read_bytes() + two.read_bytes())  # libmpg123 gives up where stereo becomes mono
    heard: list[int] = []

    def listen() -> BlockHook:
        heard.append(0)

        def hook(block: object, _rate: int) -> None:
            heard[-1] += len(block)  # type: ignore[arg-type]

        return hook

    decoded = decode_test(path, listener=listen)
    assert len(heard) == 2 and heard[-1] == decoded.total_samples
    found = analyse_file(path)
    assert found.sound is not None and found.decoded.total_samples == decoded.total_samples


# --- odd files -----------------------------------------------------------------------------------------------------------------------


def odd_files() -> Iterator[Path]:
    return (path for path in sorted(FIXTURES.rglob("*")) if path.is_file() and path.name != "index.json")


@pytest.mark.skipif(
    not FIXTURES.is_dir(), reason="the odd files lie beside the project: ../shared/fixtures/audio is absent"
)
@pytest.mark.parametrize(
    ("every", "at_least"), [(6, 81), pytest.param(1, 487, marks=pytest.mark.long)], ids=["a sixth of them", "all"]
)
def test_odd_files_are_analysed_or_refused_with_a_code(every: int, at_least: int) -> None:
    analysed: list[FileAnalysis] = []
    refused: dict[str, int] = {}
    for path in list(odd_files())[::every]:
        try:
            found = analyse_file(path)
        except (DecodeFailed, FilesError) as error:
            refused[error.code] = refused.get(error.code, 0) + 1
            continue
        assert found.sound is not None, path
        json.dumps(found.sound.evidence(), allow_nan=False)
        assert len(found.sound.encoder) <= 80
        if found.sound.loudness_lufs is not None:
            assert -71 < found.sound.loudness_lufs < 6, path
        analysed.append(found)
    assert len(analysed) + sum(refused.values()) >= at_least
    assert len(analysed) > at_least * 0.4, refused
