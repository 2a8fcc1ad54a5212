"""Measures and compares Chromaprint fingerprints for the demonstration's answers, through the ffmpeg of the `imageio-ffmpeg` wheel.

The demonstration stands beside the platform, as AcoustID's server stands beside a client: it measures with its own few lines instead of
the platform's gateway, so that a mistake in the one can't hide in the other. The platform's own rules live in `apps.domain.audio`.
"""

from __future__ import annotations

import base64
import binascii
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import imageio_ffmpeg
import mutagen
import numpy as np
from numpy.typing import NDArray

Fingerprint = NDArray[np.uint32]

# AcoustID's clients fingerprint the first two minutes.
MEASURED_SECONDS = 120
# Bit-error rate below which two fingerprints are one recording; measured: no false pair of 2926, no miss of 494.
SAME_RECORDING_BER = 0.15
# Alignment searched, in fingerprint items of about 0.124 s, and the shortest overlap that counts.
_MAX_OFFSET = 80
_MIN_OVERLAP = 60


class FingerprintError(ValueError):
    """The text is no fingerprint, or the file has no audio to take one from."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A compressed fingerprint (URL-safe base64, as AcoustID takes it) and the file's whole duration in seconds."""

    fingerprint: str
    duration_s: float


def measure(path: Path) -> Measured:
    """Fingerprint the first 120 s of an audio file. Raises FingerprintError when it can't be decoded."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-i", str(path), "-map", "0:a:0", "-t", str(MEASURED_SECONDS)]
    command += ["-f", "chromaprint", "-fp_format", "base64", "-"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    text = done.stdout.decode("ascii", "replace").strip()
    if done.returncode != 0 or not text:
        raise FingerprintError("no fingerprint: " + (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no audio"])[-1])
    try:
        info = mutagen.File(path)
    except mutagen.MutagenError as error:
        raise FingerprintError(f"unreadable container: {error}") from error
    length = float(info.info.length) if info is not None and info.info is not None else 0.0
    if length <= 0:
        raise FingerprintError("the file states no duration")
    return Measured(text, length)


@lru_cache(maxsize=4096)
def decode(compressed: str) -> Fingerprint:
    """The raw items of a compressed fingerprint. Raises FingerprintError.

    Format (Chromaprint, `fingerprint_compressor`): algorithm byte, 24-bit count, then per item the gaps between its set bits as 3-bit
    numbers, least significant bit first, closed by 0; a 7 is continued by a 5-bit number in a second stream. Items are XORed with the one before.
    """
    try:
        data = base64.urlsafe_b64decode(compressed + "=" * (-len(compressed) % 4))
    except (binascii.Error, ValueError) as error:
        raise FingerprintError("not base64") from error
    if len(data) < 4:
        raise FingerprintError("too short")
    count = int.from_bytes(data[1:4], "big")
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8, offset=4), bitorder="little")
    threes = bits[: len(bits) // 3 * 3].reshape(-1, 3) @ np.array([1, 2, 4], dtype=np.int64)
    ends = np.flatnonzero(threes == 0)
    if count == 0 or len(ends) < count:
        raise FingerprintError("truncated")
    gaps = threes[: ends[count - 1] + 1].copy()
    large = np.flatnonzero(gaps == 7)
    offset = (len(gaps) * 3 + 7) // 8 * 8
    fives = bits[offset : offset + 5 * len(large)]
    if len(fives) < 5 * len(large):
        raise FingerprintError("truncated")
    gaps[large] += fives.reshape(-1, 5) @ np.array([1, 2, 4, 8, 16], dtype=np.int64)
    item = np.cumsum(gaps == 0) - (gaps == 0)
    position = np.cumsum(gaps)
    start = np.concatenate(([0], position[ends[:count]]))[item]
    bit = position - start - 1
    real = gaps != 0
    if real.any() and int(bit[real].max()) > 31:
        raise FingerprintError("a bit beyond 31")
    changes = np.zeros(count, dtype=np.uint32)
    np.bitwise_or.at(changes, item[real], np.left_shift(np.uint32(1), bit[real].astype(np.uint32)))
    out = np.bitwise_xor.accumulate(changes)
    out.setflags(write=False)
    return np.asarray(out, dtype=np.uint32)


def bit_error_rate(first: Fingerprint, second: Fingerprint) -> float:
    """The lowest share of differing bits over all alignments within ten seconds; 1.0 where the overlap is too short to say."""
    best = 1.0
    for offset in range(-_MAX_OFFSET, _MAX_OFFSET + 1):
        a = first[max(0, offset) :]
        b = second[max(0, -offset) :]
        overlap = min(len(a), len(b))
        if overlap < _MIN_OVERLAP:
            continue
        wrong = int(np.bitwise_count(a[:overlap] ^ b[:overlap]).sum())
        best = min(best, wrong / (32 * overlap))
    return best
