"""The voices and drums of the synthesiser: one note in, one mono sample array out. Pure numpy, no state but caches.

Pitched voices read a band-limited single-cycle table (a bright one and a dull one, cross-faded over the note), which is several times
faster than summing partials for every sample. Noise comes from fixed seeds, so a note is the same array every time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

Mono = NDArray[np.float32]
_Wave = NDArray[np.float64]

RATE_HZ = 44_100
_TABLE = 8_192
# Partials stop here: above it they would only cost bits, and Chromaprint listens below 3.5 kHz.
_CEILING_HZ = 15_000.0


@dataclass(frozen=True, slots=True)
class Voice:
    """`bright`/`dull`: amplitude of partial k (from 1) at the start and the end of a note; times in seconds; `decay_s` 0 = sustained."""

    bright: Callable[[int], float]
    dull: Callable[[int], float]
    attack_s: float
    release_s: float
    decay_s: float = 0.0
    fade_s: float = 0.4
    vibrato_hz: float = 0.0
    vibrato: float = 0.0
    detune: float = 0.0
    breath: float = 0.0
    gain: float = 1.0


def _odd(k: int) -> float:
    return 1.0 / k if k % 2 else 0.0


def _drawbars(k: int) -> float:
    return {1: 0.9, 2: 0.7, 3: 0.55, 4: 0.35, 6: 0.2, 8: 0.25}.get(k, 0.0)


VOICES: dict[str, Voice] = {
    "flute": Voice(
        lambda k: k**-2.6, lambda k: k**-3.0, 0.05, 0.09, vibrato_hz=5.2, vibrato=0.004, breath=0.03, gain=1.1
    ),
    "epiano": Voice(
        lambda k: 1.0 / k**1.6 + (0.5 if k == 7 else 0.0),
        lambda k: k**-3.2,
        0.004,
        0.12,
        decay_s=1.3,
        fade_s=0.35,
        gain=1.0,
    ),
    "pluck": Voice(lambda k: k**-1.0, lambda k: k**-2.6, 0.002, 0.05, decay_s=0.28, fade_s=0.12, gain=0.9),
    "harp": Voice(lambda k: k**-1.3, lambda k: k**-3.0, 0.003, 0.25, decay_s=0.8, fade_s=0.3, gain=1.0),
    "pad": Voice(lambda k: k**-1.4, lambda k: k**-1.9, 0.35, 0.5, detune=0.005, fade_s=2.0, gain=0.7),
    "strings": Voice(
        lambda k: k**-1.2, lambda k: k**-1.5, 0.14, 0.3, vibrato_hz=5.6, vibrato=0.003, detune=0.003, gain=0.6
    ),
    "organ": Voice(_drawbars, _drawbars, 0.008, 0.05, vibrato_hz=6.4, vibrato=0.0015, gain=0.55),
    "reed": Voice(
        lambda k: _odd(k) * 1.2 if k < 12 else 0.0,
        _odd,
        0.03,
        0.08,
        vibrato_hz=4.8,
        vibrato=0.003,
        breath=0.015,
        gain=0.75,
    ),
    "square": Voice(_odd, _odd, 0.003, 0.03, vibrato_hz=6.0, vibrato=0.002, gain=0.5),
    "saw": Voice(lambda k: k**-1.0, lambda k: k**-1.7, 0.006, 0.08, fade_s=0.3, detune=0.004, gain=0.55),
    "brass": Voice(
        lambda k: k**-1.9,
        lambda k: k**-1.1 if k < 14 else 0.0,
        0.06,
        0.12,
        fade_s=0.18,
        vibrato_hz=5.0,
        vibrato=0.002,
        gain=0.6,
    ),
    "bell": Voice(
        lambda k: {1: 0.8, 3: 0.5, 5: 0.25, 8: 0.35, 11: 0.2}.get(k, 0.0),
        lambda k: k**-4.0,
        0.002,
        0.6,
        decay_s=1.6,
        fade_s=0.5,
        gain=0.8,
    ),
    "round": Voice(lambda k: k**-1.8, lambda k: k**-3.0, 0.006, 0.06, decay_s=0.9, fade_s=0.2, gain=1.5),
    "pulse": Voice(
        lambda k: abs(np.sin(np.pi * k * 0.3)) / k, lambda k: k**-2.4, 0.004, 0.04, decay_s=0.6, fade_s=0.15, gain=1.3
    ),
    "sub": Voice(lambda k: k**-2.6, lambda k: k**-4.0, 0.02, 0.15, decay_s=2.5, gain=1.7),
}


@lru_cache(maxsize=512)
def _table(name: str, *, bright: bool, partials: int) -> _Wave:
    """One cycle of a voice with `partials` partials, peak 1."""
    voice = VOICES[name]
    amplitude = voice.bright if bright else voice.dull
    spectrum = np.zeros(_TABLE // 2 + 1, dtype=np.complex128)
    # Quadratic phases keep the peak low, so that bright voices are not a click per cycle.
    for k in range(1, partials + 1):
        spectrum[k] = amplitude(k) * np.exp(1j * (0.37 * k * k)) * -1j
    wave = np.fft.irfft(spectrum, _TABLE)
    return np.asarray(wave / np.max(np.abs(wave)), dtype=np.float64)


def _envelope(voice: Voice, frames: int, held: int) -> _Wave:
    t = np.arange(frames, dtype=np.float64)
    level = np.minimum(t / (voice.attack_s * RATE_HZ), 1.0)
    if voice.decay_s:
        level *= np.exp(t * (-1.0 / (voice.decay_s * RATE_HZ)))
    release = np.clip((frames - t) / max(1, frames - held), 0.0, 1.0)
    return np.asarray(level * release, dtype=np.float64)


@lru_cache(maxsize=2048)
def note(name: str, midi: int, held_frames: int) -> Mono:
    """One note of a voice at concert pitch, held for `held_frames` and then released. Float32, |x| about `gain` at most; do not write to it."""
    voice = VOICES[name]
    frequency = 440.0 * 2.0 ** ((midi - 69) / 12.0)
    partials = max(1, min(40, int(_CEILING_HZ / frequency)))
    frames = held_frames + int(voice.release_s * RATE_HZ)
    t = np.arange(frames, dtype=np.float64)
    dull = _table(name, bright=False, partials=partials)
    bright = _table(name, bright=True, partials=partials)
    fade = np.exp(t * (-1.0 / (voice.fade_s * RATE_HZ)))
    out = np.zeros(frames, dtype=np.float64)
    for cents in (-voice.detune, voice.detune) if voice.detune else (0.0,):
        phase = t * (frequency * (1.0 + cents) / RATE_HZ * _TABLE)
        if voice.vibrato:
            depth = voice.vibrato * frequency / voice.vibrato_hz / (2 * np.pi) * _TABLE
            phase += depth * np.sin(t * (2 * np.pi * voice.vibrato_hz / RATE_HZ))
        index = phase.astype(np.int64) & (_TABLE - 1)
        low = dull[index]
        out += low + fade * (bright[index] - low)
    if voice.detune:
        out *= 0.5
    if voice.breath:
        out += voice.breath * _noise(frames, seed=midi)
    out *= _envelope(voice, frames, held_frames) * voice.gain
    return _frozen(out)


def _frozen(samples: _Wave) -> Mono:
    # Rounded, so that the last bit of a vendor's sine never decides a sample of the album.
    mono = np.round(samples, 7).astype(np.float32)
    mono.setflags(write=False)
    return mono


def _noise(frames: int, *, seed: int) -> _Wave:
    """White noise in [-1, 1) from integers alone: PCG64's stream is fixed, its distributions are not promised."""
    raw = np.random.PCG64(seed).random_raw(frames)
    return (raw >> np.uint64(11)).astype(np.float64) * (2.0 / (1 << 53)) - 1.0


def _highpassed(noise: _Wave, times: int) -> _Wave:
    for _ in range(times):
        noise = np.diff(noise, prepend=0.0) * 0.6
    return noise


@cache
def drum(name: str) -> Mono:
    """One stroke of a drum. Float32, peak about 1; do not write to it. Raises KeyError for an unknown name."""
    seconds, build = _DRUMS[name]
    frames = int(seconds * RATE_HZ)
    t = np.arange(frames, dtype=np.float64) / RATE_HZ
    return _frozen(build(t) * np.clip((seconds - t) / 0.01, 0.0, 1.0))


def _kick(t: _Wave) -> _Wave:
    phase = 2 * np.pi * (48.0 * t + (170.0 - 48.0) * 0.035 * (1 - np.exp(-t / 0.035)))
    return np.asarray(np.sin(phase) * np.exp(-t / 0.16), dtype=np.float64)


def _snare(t: _Wave) -> _Wave:
    body = np.sin(2 * np.pi * 186 * t) * np.exp(-t / 0.06) * 0.5
    return np.asarray(body + _highpassed(_noise(len(t), seed=11), 1) * np.exp(-t / 0.09) * 0.8, dtype=np.float64)


def _clap(t: _Wave) -> _Wave:
    bursts = np.asarray(
        sum(np.where(t >= at, np.exp(-(t - at) / 0.011), 0.0) for at in (0.0, 0.012, 0.025)), dtype=np.float64
    )
    return np.asarray(
        _highpassed(_noise(len(t), seed=12), 1) * (bursts * 0.5 + np.exp(-t / 0.09) * 0.3), dtype=np.float64
    )


def _hat(t: _Wave) -> _Wave:
    return np.asarray(_highpassed(_noise(len(t), seed=13), 3) * np.exp(-t / 0.022), dtype=np.float64)


def _shaker(t: _Wave) -> _Wave:
    return np.asarray(
        _highpassed(_noise(len(t), seed=14), 2) * np.minimum(t / 0.02, 1.0) * np.exp(-t / 0.03) * 0.7, dtype=np.float64
    )


def _ride(t: _Wave) -> _Wave:
    ring = sum(np.sin(2 * np.pi * f * t) for f in (3127.0, 4211.0, 5493.0, 7019.0, 8837.0))
    return np.asarray(
        (ring * 0.07 + _highpassed(_noise(len(t), seed=15), 2) * 0.25) * np.exp(-t / 0.25), dtype=np.float64
    )


def _rim(t: _Wave) -> _Wave:
    return np.asarray(
        (np.sin(2 * np.pi * 1730 * t) + np.sin(2 * np.pi * 812 * t)) * 0.5 * np.exp(-t / 0.012), dtype=np.float64
    )


def _tom(t: _Wave) -> _Wave:
    phase = 2 * np.pi * (92.0 * t + 60.0 * 0.05 * (1 - np.exp(-t / 0.05)))
    return np.asarray(np.sin(phase) * np.exp(-t / 0.22), dtype=np.float64)


_DRUMS: dict[str, tuple[float, Callable[[_Wave], _Wave]]] = {
    "kick": (0.6, _kick),
    "snare": (0.35, _snare),
    "clap": (0.35, _clap),
    "hat": (0.12, _hat),
    "shaker": (0.16, _shaker),
    "ride": (0.9, _ride),
    "rim": (0.08, _rim),
    "tom": (0.8, _tom),
}
