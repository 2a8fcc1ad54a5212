"""A codec out of nothing but a family's analysis filters: they are orthonormal (paraunitary), so their transpose is the synthesis."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from apps.domain.audio.filterbanks import SHAPES, Family, filters

Floats = npt.NDArray[np.float64]


def coded(sound: Floats, family: Family, *, coarseness: float) -> Floats:
    """`sound` (frames, channels) with its coefficients rounded to multiples of `coarseness` × the level of their band of 16; 0: not rounded.

    The frame grid starts at the first sample. Samples near both ends are not reconstructed.
    """
    shape = SHAPES[family]
    rows = filters(family, np.arange(shape.hop))
    out = np.zeros_like(sound)
    frames = (len(sound) - shape.length) // shape.hop + 1
    for channel in range(sound.shape[1]):
        windows = np.lib.stride_tricks.sliding_window_view(sound[:, channel], shape.length)[:: shape.hop][:frames]
        lines = windows @ rows.T
        if coarseness:
            bands = lines.reshape(frames, -1, 16)
            step = coarseness * np.sqrt((bands**2).mean(axis=2, keepdims=True)) + 1e-9
            lines = (np.round(bands / step) * step).reshape(frames, shape.hop)
        pieces = lines @ rows
        for at in range(frames):
            out[at * shape.hop : at * shape.hop + shape.length, channel] += pieces[at]
    return out


def in_steps(sound: Floats) -> npt.NDArray[np.int16]:
    """Full scale 1 to 16 bits, undithered."""
    steps: npt.NDArray[np.int16] = np.clip(np.round(sound * 32_767), -32_768, 32_767).astype(np.int16)
    return steps
