"""Small real sound files, made on the spot."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from workers.gateways import ffmpeg

RATE = 44_100


def tune(seconds: float, *, seed: int = 1, channels: int = 2) -> npt.NDArray[np.float64]:
    """A wandering melody with a little noise: rich enough for fingerprints, quick to make. Shape (frames, channels), within ±0.5."""
    chance = np.random.default_rng(seed)
    notes = 220 * 2 ** (chance.integers(0, 24, size=int(seconds * 4) + 1) / 12)
    frames = int(seconds * RATE)
    pitch = np.repeat(notes, RATE // 4 + 1)[:frames]
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    mono = (
        0.2 * np.sin(phase)
        + 0.1 * np.sin(2.01 * phase)
        + 0.05 * np.sin(5.03 * phase)
        + 0.01 * chance.standard_normal(frames)
    )
    return np.repeat(mono[:, None], channels, axis=1)


def write(path: Path, seconds: float = 1.0, *, seed: int = 1, channels: int = 2, subtype: str | None = None) -> Path:
    """FLAC, WAV, Ogg or MP3 by the name's ending."""
    soundfile.write(str(path), tune(seconds, seed=seed, channels=channels), RATE, subtype=subtype)
    return path


def convert(source: Path, target: Path, *options: str) -> Path:
    """By the bundled ffmpeg."""
    executable = ffmpeg.candidates()[-1]
    subprocess.run(
        [executable, "-nostdin", "-v", "error", "-y", "-i", str(source), *options, str(target)], check=True, timeout=60
    )
    return target
