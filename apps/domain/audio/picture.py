"""The picture of a file's evidence as plain shapes: its average spectrum, and the dip that a lossy codec's grid leaves. Pure.

One drawing, two painters: the page writes the shapes as SVG in the page's colours, the command line as PNG. Coordinates are pixels of a box WIDTH × HEIGHT
with the origin at the top left; the plotting area lies inside the margins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 640
HEIGHT: Final = 220
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 34
FLOOR_DB: Final = -120.0
"""Below is dither: nothing to see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A line across and its label."""

    at: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An upright line with a word: a cut-off, the dip. `left`: the word stands to its left, where there is more room."""

    x: float
    label: str
    left: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One drawing. `line` is the curve; `area` the same, closed along the bottom."""

    name: str
    title: str
    line: tuple[tuple[float, float], ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...] = ()
    x_label: str = ""
    y_label: str = ""
    bar: float | None = None
    """y of the threshold, if there is one"""

    @property
    def area(self) -> tuple[tuple[float, float], ...]:
        """For filling."""
        low = float(HEIGHT - BOTTOM)
        return ((self.line[0][0], low), *self.line, (self.line[-1][0], low)) if self.line else ()

    @property
    def points(self) -> str:
        """The curve as SVG's `points`."""
        return _points(self.line)

    @property
    def area_points(self) -> str:
        """The area as SVG's `points`."""
        return _points(self.area)


def charts_of(
    curves: Mapping[str, object],
    *,
    rate_hz: int,
    bandwidth_hz: int | None = None,
    evidence: Mapping[str, object] | None = None,
) -> tuple[Chart, ...]:
    """Every drawing that the stored curves allow; what is missing or malformed is left out."""
    found = [
        spectrum_chart(curves.get("spectrum"), rate_hz=rate_hz, bandwidth_hz=bandwidth_hz),
        notch_chart(curves.get("transcode"), evidence=evidence or {}),
    ]
    return tuple(one for one in found if one is not None)


def spectrum_chart(curve: object, *, rate_hz: int, bandwidth_hz: int | None) -> Chart | None:
    """Level (dB) by frequency (Hz), with the measured upper edge."""
    if not isinstance(curve, Mapping):
        return None
    levels, step = _numbers(curve.get("levels_db")), curve.get("step_hz")
    if len(levels) < 2 or not isinstance(step, int | float) or step <= 0:
        return None
    top_hz = max(rate_hz / 2, step * len(levels)) if rate_hz else step * len(levels)
    high = 10.0 * math.ceil(max(levels) / 10)
    low = max(FLOOR_DB, 10.0 * math.floor(min(levels) / 10))
    high = max(high, low + 10)

    def x(hertz: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(hertz / top_hz, 1.0)

    def y(level: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (min(max(level, low), high) - low) / (high - low))

    khz = 5 if top_hz <= 30_000 else 10 if top_hz <= 60_000 else 20
    marks: tuple[Mark, ...] = ()
    if bandwidth_hz:
        at = x(bandwidth_hz)
        marks = (Mark(x=_r(at), label=f"{bandwidth_hz / 1000:.1f} kHz", left=at > WIDTH / 2),)
    return Chart(
        name="spectrum",
        title="Average spectrum",
        line=tuple((_r(x((at + 0.5) * step)), _r(y(level))) for at, level in enumerate(levels)),
        x_ticks=tuple(Tick(at=_r(x(1000 * one)), label=str(one)) for one in range(0, int(top_hz // 1000) + 1, khz)),
        y_ticks=tuple(
            Tick(at=_r(y(one)), label=f"{one:.0f}") for one in _steps(low, high, 20 if high - low > 60 else 10)
        ),
        marks=marks,
        x_label="kHz",
        y_label="dB",
    )


def notch_chart(curve: object, *, evidence: Mapping[str, object]) -> Chart | None:
    """Depth of the dip around its deepest offset, in deviations; where it rises above the bar, a codec's grid was found."""
    if not isinstance(curve, Mapping):
        return None
    offsets, depths = _numbers(curve.get("notch_offset")), _numbers(curve.get("notch_depth"))
    if len(offsets) < 2 or len(offsets) != len(depths):
        return None
    bar = evidence.get("bar")
    bar = float(bar) if isinstance(bar, int | float) and not isinstance(bar, bool) and math.isfinite(bar) else None
    high = max(*depths, (bar or 0) * 1.25, 1.0)
    low = min(0.0, *depths)
    first, last = offsets[0], offsets[-1]

    def x(offset: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (offset - first) / (last - first)

    def y(depth: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (depth - low) / (high - low))

    deepest = max(range(len(depths)), key=lambda at: depths[at])
    middle = offsets[deepest]
    family = evidence.get("family")
    at = x(middle)
    found = bar is not None and depths[deepest] >= bar
    step = max(1.0, float(10 ** math.floor(math.log10(high))))
    return Chart(
        name="notch",
        title="Codec grid",
        line=tuple((_r(x(one)), _r(y(depth))) for one, depth in zip(offsets, depths, strict=True)),
        x_ticks=tuple(
            Tick(at=_r(x(one)), label=f"{one - middle:+.0f}" if one != middle else "0")
            for one in (first, (first + middle) / 2, middle, (middle + last) / 2, last)
            if first <= one <= last
        ),
        y_ticks=tuple(
            Tick(at=_r(y(one)), label=f"{one:.0f}") for one in _steps(0, high, step if high / step > 2 else step / 2)
        ),
        marks=(Mark(x=_r(at), label=str(family).upper() if family else "", left=at > WIDTH / 2),)
        if found and family
        else (),
        x_label="samples from the deepest offset",
        y_label="deviations",
        bar=_r(y(bar)) if bar is not None else None,
    )


def _steps(low: float, high: float, step: float) -> list[float]:
    first = math.ceil(low / step)
    return [one * step for one in range(first, math.floor(high / step) + 1)]


def _numbers(value: object) -> list[float]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return []
    good = [float(one) for one in value if isinstance(one, int | float) and math.isfinite(one)]
    return good if len(good) == len(value) else []


def _points(line: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in line)


def _r(value: float) -> float:
    return round(value, 1)
