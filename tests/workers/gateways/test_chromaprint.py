"""Fingerprints of files, by whichever way this machine has."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from apps.domain.audio.fingerprint import FingerprintError, decode, same_recording
from tests.workers.gateways.sound import RATE, convert, write
from tests.workers.gateways.sound import tune as tune_of
from workers.gateways import chromaprint, ffmpeg
from workers.gateways.chromaprint import FingerprintFailed, fingerprint_file, parse_fpcalc

FIXTURES = Path(__file__).parents[4] / "shared" / "fixtures" / "audio"


@pytest.fixture(scope="module")
def tune(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("tune") / "a.flac", 20.0)


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Every way but the one a test puts back is gone."""
    monkeypatch.setattr(chromaprint, "_library", lambda: None)
    monkeypatch.setattr(chromaprint.shutil, "which", lambda name: None)
    monkeypatch.setattr(ffmpeg, "candidates", list)
    return monkeypatch


def fpcalc(folder: Path, *, code: int, output: str) -> str:
    program = folder / "fpcalc"
    program.write_text(f"#!/bin/sh\ncat <<'EOT'\n{output}\nEOT\nexit {code}\n")
    program.chmod(0o755)
    return str(program)


def test_a_file_has_a_fingerprint_a_duration_and_a_text(tune: Path) -> None:
    made = fingerprint_file(tune)
    assert made.duration_ms == 20_000
    assert 130 < len(made.items) < 165
    assert np.array_equal(decode(made.compressed)[0], made.items)


@pytest.mark.skipif(not ffmpeg.candidates(), reason="no ffmpeg here, not even imageio-ffmpeg's")
def test_the_way_of_a_fresh_machine_gives_the_same_music(tune: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    best = fingerprint_file(tune)
    monkeypatch.setattr(chromaprint, "_library", lambda: None)
    monkeypatch.setattr(chromaprint.shutil, "which", lambda name: None)
    by_ffmpeg = fingerprint_file(tune)
    assert (by_ffmpeg.tool, by_ffmpeg.duration_ms) == ("ffmpeg", 20_000)
    compared = same_recording(best.items, by_ffmpeg.items)
    assert compared.verdict == "same"
    assert compared.ber < 0.01


@pytest.mark.skipif(not ffmpeg.candidates(), reason="no ffmpeg here, not even imageio-ffmpeg's")
def test_encodings_of_one_tune_agree_and_other_tunes_do_not(tune: Path, tmp_path: Path) -> None:
    mp3 = fingerprint_file(convert(tune, tmp_path / "a.mp3", "-b:a", "128k"))
    m4a = fingerprint_file(convert(tune, tmp_path / "a.m4a", "-c:a", "aac"))
    other = fingerprint_file(write(tmp_path / "b.flac", 20.0, seed=2))
    mine = fingerprint_file(tune)
    assert same_recording(mine.items, mp3.items).verdict == "same"
    assert same_recording(mine.items, m4a.items).verdict == "same"
    assert same_recording(mine.items, other.items).verdict == "different"


def test_vbr_without_an_information_frame_is_heard_to_its_end(tune: Path, tmp_path: Path) -> None:
    path = convert(tune, tmp_path / "a.mp3", "-q:a", "4", "-write_xing", "0")
    made = fingerprint_file(path)
    assert abs(made.duration_ms - 20_000) < 150
    assert same_recording(made.items, fingerprint_file(tune).items).overlap > 130


def test_only_the_first_120_seconds_count(tmp_path: Path) -> None:
    made = fingerprint_file(write(tmp_path / "a.wav", 125.0, channels=1))
    assert made.duration_ms == 125_000
    assert 940 < len(made.items) < 955


@pytest.mark.parametrize("code", [0, 3])
def test_fpcalc_that_complains_but_prints_has_succeeded(
    tune: Path, tmp_path: Path, only: pytest.MonkeyPatch, code: int
) -> None:
    program = fpcalc(tmp_path, code=code, output=json.dumps({"duration": 12.34, "fingerprint": [1, 2, 4294967295]}))
    only.setattr(chromaprint.shutil, "which", lambda name: program)
    made = fingerprint_file(tune)
    assert (made.tool, made.duration_ms, made.items.tolist()) == ("fpcalc", 12_340, [1, 2, 0xFFFFFFFF])


@pytest.mark.parametrize(
    ("code", "output"),
    [(2, "{}"), (3, ""), (0, "ERROR"), (0, '{"duration": 1, "fingerprint": []}'), (0, '{"duration": 1}')],
)
def test_fpcalc_without_a_fingerprint_has_failed(
    tune: Path, tmp_path: Path, only: pytest.MonkeyPatch, code: int, output: str
) -> None:
    program = fpcalc(tmp_path, code=code, output=output)
    only.setattr(chromaprint.shutil, "which", lambda name: program)
    with pytest.raises(FingerprintFailed) as caught:
        fingerprint_file(tune)
    assert caught.value.code == "fingerprint_failed"


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"[]",
        b"null",
        b'{"duration":"x","fingerprint":[1]}',
        b'{"duration":1,"fingerprint":["1"]}',
        b'{"duration":1,"fingerprint":[4294967296]}',
    ],
)
def test_strange_words_of_fpcalc_are_an_error(output: bytes) -> None:
    with pytest.raises(FingerprintError):
        parse_fpcalc(output)


def test_a_machine_without_any_way_says_so(tune: Path, only: pytest.MonkeyPatch) -> None:
    with pytest.raises(FingerprintFailed) as caught:
        fingerprint_file(tune)
    assert caught.value.code == "fingerprint_tool_missing"


@pytest.mark.parametrize("content", [b"", b"no sound at all"])
def test_what_is_no_sound_has_no_fingerprint(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(content)
    with pytest.raises(FingerprintFailed):
        fingerprint_file(path)


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the recorded odd files are not beside this checkout")
@pytest.mark.parametrize("name", ["lidarr/nin.flac", "lidarr/nin.mp3"])
def test_a_real_recording_matches_what_fpcalc_once_said_of_it(name: str) -> None:
    recorded = next(
        entry for entry in json.loads((FIXTURES / "index.json").read_text()) if entry["file"] == f"audio/{name}"
    )
    made = fingerprint_file(FIXTURES / name)
    assert same_recording(made.items, decode(recorded["fpcalc"]["fingerprint"])[0]).verdict == "same"
    assert abs(made.duration_ms / 1000 - recorded["fpcalc"]["duration"]) < 1


@pytest.mark.parametrize("rate", [88_200, 96_000, 176_400, 192_000, 768_000])
def test_high_rates_are_thinned_out_before_and_give_the_same_print(tmp_path: Path, rate: int) -> None:
    if chromaprint.stream_printer(RATE, 2) is None:
        pytest.skip("no libchromaprint on this machine")
    from scipy import signal

    sound = tune_of(15.0)
    soundfile.write(str(tmp_path / "a.wav"), sound, RATE)
    plain = fingerprint_file(tmp_path / "a.wav")
    high = signal.resample_poly(sound, rate // 100, RATE // 100, axis=0)
    printer = chromaprint.stream_printer(rate, 2)
    assert printer is not None and chromaprint.thinned_by(rate) > 1
    samples = (np.clip(high, -1, 1) * 32_767).astype(np.int16)
    for at in range(0, len(samples), 10_007):  # no multiple of what becomes one
        printer.feed(samples[at : at + 10_007])
    made = printer.finish(duration_ms=15_000)
    assert abs(len(made.items) - len(plain.items)) <= 1
    both = min(len(made.items), len(plain.items))
    errors = np.bitwise_count(made.items[:both] ^ plain.items[:both]).sum() / (32 * both)
    assert errors < 0.01


def test_only_rates_that_halve_above_44100_are_thinned() -> None:
    thinned = {rate: chromaprint.thinned_by(rate) for rate in (8000, 44_100, 48_000, 64_000, 88_200, 96_001, 192_000)}
    assert thinned == {8000: 1, 44_100: 1, 48_000: 1, 64_000: 1, 88_200: 2, 96_001: 1, 192_000: 4}
