"""Measures Chromaprint fingerprints for the demonstration's answers, through the ffmpeg of the `imageio-ffmpeg` wheel.

The demonstration stands beside the platform, as AcoustID's server stands beside a client: it needs no running platform to measure.
What a fingerprint is and when two are one recording is said once, in `apps.domain.audio.fingerprint`.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import mutagen

# AcoustID's clients fingerprint the first two minutes.
MEASURED_SECONDS = 120
# Two minutes of audio decode in a quarter of a second; a slow disk may take its time.
_PATIENCE_SECONDS = 120


class NoFingerprintError(ValueError):
    """The file has no audio that a fingerprint could be taken from; the message says why."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A compressed fingerprint (URL-safe base64, as AcoustID takes it) and the file's whole duration in seconds."""

    fingerprint: str
    duration_s: float


def measure(path: Path) -> Measured:
    """Fingerprint the first 120 s of an audio file. Raises NoFingerprintError when it can't be decoded."""
    # "file:" keeps a name like "concat:a.flac" from being taken for one of ffmpeg's protocols.
    source = ["-nostdin", "-i", f"file:{path}", "-map", "0:a:0", "-t", str(MEASURED_SECONDS)]
    sink = ["-f", "chromaprint", "-fp_format", "base64", "-"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *source, *sink]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise NoFingerprintError("no fingerprint: decoding took too long") from error
    text = done.stdout.decode("ascii", "replace").strip()
    if done.returncode != 0 or not text:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise NoFingerprintError(f"no fingerprint: {said[-1] if said else 'no audio'}")
    try:
        info = mutagen.File(path)
    except mutagen.MutagenError as error:
        raise NoFingerprintError(f"unreadable container: {error}") from error
    length = float(info.info.length) if info is not None and info.info is not None else 0.0
    if length <= 0:
        raise NoFingerprintError("the file states no duration")
    return Measured(text, length)
