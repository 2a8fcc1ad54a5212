"""A small labelled corpus out of pip packages alone: numpy makes the pieces, imageio-ffmpeg's encoders the lossy files. Same manifest as a big one.

`python -m tests.sound_corpus DIR` writes one to look at.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
import soundfile

Floats = npt.NDArray[np.float64]
SECONDS = 6
LOSSY = {
    "mp3_192": ("mp3", ("-c:a", "libmp3lame", "-b:a", "192k")),
    "mp3_320": ("mp3", ("-c:a", "libmp3lame", "-b:a", "320k")),
    "aac_256": ("m4a", ("-c:a", "aac", "-b:a", "256k")),
    "vorbis_q6": ("ogg", ("-c:a", "libvorbis", "-q:a", "6")),
    "opus_128": ("opus", ("-c:a", "libopus", "-b:a", "128k")),
}


def piece(seed: int, *, rate: int = 44_100, seconds: float = SECONDS) -> Floats:
    """Stereo, full scale 1: plucked strings over cymbal-like noise, a different tune for each seed, sound up to the Nyquist frequency."""
    rng = np.random.default_rng(seed)
    length = int(rate * seconds)
    sound = np.zeros((length, 2))
    at = 0.0
    while at < seconds:
        pitch = 110.0 * 2 ** (int(rng.integers(0, 30)) / 12)
        time = np.arange(min(int(rate * 1.5), length - int(at * rate))) / rate
        tone = np.zeros(len(time))
        for harmonic in range(1, int(min(60, 0.48 * rate / pitch))):
            swing = rng.uniform(0, 2 * np.pi)
            tone += np.sin(2 * np.pi * pitch * harmonic * time + swing) / harmonic * np.exp(-time * (1 + harmonic / 6))
        hiss = np.diff(rng.standard_normal(len(time)), prepend=0.0) * np.exp(-time * rng.uniform(6, 20))
        pan = rng.uniform(0.2, 0.8)
        start = int(at * rate)
        sound[start : start + len(time)] += np.outer(0.3 * tone + 0.1 * hiss, (1 - pan, pan))
        at += float(rng.choice((0.15, 0.3, 0.45)))
    sound += 0.002 * rng.standard_normal(sound.shape)
    scaled: Floats = 0.7 * sound / np.abs(sound).max()
    return scaled


def lowpassed(sound: Floats, *, rate: int, hz: float) -> Floats:
    """A brickwall: everything above `hz` taken out of the spectrum."""
    spectrum = np.fft.rfft(sound, axis=0)
    spectrum[int(hz / rate * len(sound)) :] = 0
    filtered: Floats = np.fft.irfft(spectrum, len(sound), axis=0)
    return filtered


def resampled(sound: Floats, *, rate: int, to: int) -> Floats:
    """Band-limited, over the whole length at once."""
    length = len(sound) * to // rate
    spectrum = np.fft.rfft(sound, axis=0)
    moved = np.zeros((length // 2 + 1, sound.shape[1]), dtype=np.complex128)
    shared = min(len(moved), len(spectrum))
    moved[:shared] = spectrum[:shared]
    return np.fft.irfft(moved, length, axis=0) * to / rate


def quantised(sound: Floats, *, bits: int, seed: int = 0, dither: bool = True) -> npt.NDArray[np.int32]:
    """Integers of `bits` in the upper part of 32, with triangular dither."""
    rng = np.random.default_rng(seed)
    steps = sound * (2 ** (bits - 1) - 1)
    if dither:
        steps = steps + rng.random(sound.shape) - rng.random(sound.shape)
    limit = 2 ** (bits - 1)
    whole = np.clip(np.round(steps), -limit, limit - 1).astype(np.int64)
    shifted: npt.NDArray[np.int32] = np.left_shift(whole, 32 - bits).astype(np.int32)
    return shifted


def ffmpeg(*arguments: str | Path) -> None:
    """Run the wheel's ffmpeg; raises CalledProcessError."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y"]
    subprocess.run([*command, *map(str, arguments)], check=True, stdin=subprocess.DEVNULL, timeout=60)


@dataclass(slots=True)
class Writer:
    """Writes files and remembers their lines."""

    folder: Path
    name: str
    lines: list[dict[str, str]]

    def note(self, path: Path, label: str, cls: str, **more: str) -> Path:
        relative = str(path.relative_to(self.folder))
        self.lines.append(
            {"piece": self.name, "variant": path.stem, "file": relative, "label": label, "cls": cls} | more
        )
        return path

    def flac(self, variant: str, samples: npt.NDArray[np.int32], *, rate: int, bits: int) -> Path:
        path = self.folder / self.name / f"{variant}.flac"
        soundfile.write(path, samples, rate, subtype=f"PCM_{bits}")
        return path


def write_corpus(folder: Path, *, seeds: tuple[int, ...] = (1, 2)) -> Path:
    """Make the corpus; 21 files a piece. Returns the folder."""
    lines: list[dict[str, str]] = []
    for seed in seeds:
        writer = Writer(folder, f"piece_{seed}", lines)
        (folder / writer.name).mkdir(parents=True)
        _genuine(writer, piece(seed), seed)
        _lossy(writer)
    (folder / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return folder


def _genuine(writer: Writer, sound: Floats, seed: int) -> None:
    base = quantised(sound, bits=16, seed=seed)
    writer.note(writer.flac("base", base, rate=44_100, bits=16), "genuine", "neg_plain")
    mono = np.repeat(sound.mean(axis=1, keepdims=True), 2, axis=1)
    hard = {
        "neg_brick16": lowpassed(sound, rate=44_100, hz=16_000),
        "neg_mono": mono,
        "neg_clipped": np.clip(2.5 * sound, -1, 1),
    }
    for variant, changed in hard.items():
        samples = quantised(changed, bits=16, seed=seed)
        writer.note(writer.flac(variant, samples, rate=44_100, bits=16), "genuine", "neg_hard")
    deep = quantised(sound, bits=24, seed=seed)
    writer.note(writer.flac("true24", deep, rate=44_100, bits=24), "genuine", "bd_genuine", bitdepth="genuine")
    writer.note(writer.flac("pad24", base, rate=44_100, bits=24), "genuine", "bd_padded", bitdepth="fake")
    moved = quantised(base / 2**31 * 0.891, bits=24, dither=False)
    writer.note(writer.flac("gain24", moved, rate=44_100, bits=24), "genuine", "bd_gain", bitdepth="fake")
    high = quantised(piece(seed, rate=96_000), bits=24, seed=seed)
    writer.note(writer.flac("hr_96_24", high, rate=96_000, bits=24), "genuine", "hr_genuine", hires="genuine")
    up = quantised(resampled(base / 2**31 * 0.95, rate=44_100, to=96_000), bits=24, seed=seed)
    writer.note(writer.flac("up96", up, rate=96_000, bits=24), "genuine", "hr_up96", hires="upsampled")


def _lossy(writer: Writer) -> None:
    place = writer.folder / writer.name
    source = place / "base.flac"
    for codec, (extension, options) in LOSSY.items():
        coded = place / f"{codec}.{extension}"
        ffmpeg("-i", source, *options, coded)
        writer.note(coded, "lossy", f"lossy_{codec}", codec=codec)
        back = place / f"t_{codec}.flac"
        ffmpeg("-i", coded, "-af", "asetpts=N/SR/TB", "-ar", "44100", "-sample_fmt", "s16", back)
        writer.note(back, "transcode", f"t_{codec}", codec=codec)
    upscale = place / "up_mp3_192_320.mp3"
    ffmpeg("-i", place / "mp3_192.mp3", *LOSSY["mp3_320"][1], upscale)
    writer.note(upscale, "upscale", "up_mp3", codec="mp3_192>320")
    coded, rate = soundfile.read(place / "t_mp3_320.flac", always_2d=True)
    lifted = quantised(resampled(coded * 0.9, rate=rate, to=48_000), bits=16)
    path = writer.flac("t_mp3_320_r48", lifted, rate=48_000, bits=16)
    writer.note(path, "transcode", "t_mp3_320_r48", codec="mp3_320")


if __name__ == "__main__":
    print(write_corpus(Path(sys.argv[1])))
