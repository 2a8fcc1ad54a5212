"""Paints a file's charts as PNG, with Pillow and its built-in font."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from apps.domain.audio.picture import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart

SCALE: Final = 2
"""Pixels per unit of the drawing: sharp on today's screens."""
HEAD: Final = 64
"""Units above the first chart for the title and the verdict."""
TITLE: Final = 26
"""Units above every chart."""
PAPER, INK, SOFT, LINE, CURVE, FILL, BAD = (
    "#fffefc", "#1c2024", "#4d545c", "#dcd9d1", "#11828a", "#d7eaea", "#ab2219",
)  # fmt: skip


def picture_write(path: Path, charts: Sequence[Chart], *, title: str, verdict: str) -> None:
    """One PNG with all charts below each other. Text is drawn as it is; what the font lacks shows as boxes. Raises OSError."""
    height = HEAD + max(1, len(charts)) * (HEIGHT + TITLE)
    image = Image.new("RGB", (WIDTH * SCALE, height * SCALE), PAPER)
    draw = ImageDraw.Draw(image)
    big, small = ImageFont.load_default(15 * SCALE), ImageFont.load_default(11 * SCALE)
    draw.text((LEFT * SCALE, 12 * SCALE), _fit(draw, title, big), fill=INK, font=big)
    draw.text((LEFT * SCALE, 36 * SCALE), _fit(draw, verdict, small), fill=SOFT, font=small)
    for number, chart in enumerate(charts):
        _chart(draw, chart, top=HEAD + number * (HEIGHT + TITLE), font=small)
    if not charts:
        draw.text((LEFT * SCALE, HEAD * SCALE), "Not analysed yet: there is nothing to draw.", fill=SOFT, font=small)
    image.save(path, format="PNG", optimize=True)


def _chart(
    draw: ImageDraw.ImageDraw, chart: Chart, *, top: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont
) -> None:
    below = top + TITLE

    def at(x: float, y: float) -> tuple[float, float]:
        return x * SCALE, (below + y) * SCALE

    units = f"{chart.title} ({chart.y_label} by {chart.x_label})"
    draw.text((LEFT * SCALE, (top + 4) * SCALE), units, fill=INK, font=font)
    for tick in chart.y_ticks:
        draw.line([at(LEFT, tick.at), at(WIDTH - RIGHT, tick.at)], fill=LINE, width=SCALE // 2)
        draw.text(at(LEFT - 6, tick.at), tick.label, fill=SOFT, font=font, anchor="rm")
    for tick in chart.x_ticks:
        draw.text(at(tick.at, HEIGHT - BOTTOM + 6), tick.label, fill=SOFT, font=font, anchor="ma")
    draw.polygon([at(x, y) for x, y in chart.area], fill=FILL)
    draw.line([at(x, y) for x, y in chart.line], fill=CURVE, width=round(1.5 * SCALE), joint="curve")
    if chart.bar is not None:
        draw.line([at(LEFT, chart.bar), at(WIDTH - RIGHT, chart.bar)], fill=BAD, width=SCALE)
    for mark in chart.marks:
        draw.line([at(mark.x, TOP), at(mark.x, HEIGHT - BOTTOM)], fill=BAD, width=SCALE)
        offset, anchor = (-5, "ra") if mark.left else (5, "la")
        draw.text(at(mark.x + offset, TOP + 2), mark.label, fill=BAD, font=font, anchor=anchor)


def _fit(draw: ImageDraw.ImageDraw, text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    """As much of a line as fits."""
    room = (WIDTH - LEFT - RIGHT) * SCALE
    plain = "".join(one for one in text if one.isprintable())
    while plain and draw.textlength(plain, font=font) > room:
        plain = plain[:-2] + "…" if len(plain) > 2 else ""
    return plain
