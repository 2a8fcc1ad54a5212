"""Bytes per day as drawn figures: uploads above the line, downloads below it, each stacked by plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from apps.common.templatetags.slskdn import size
from apps.domain.soulseek.traffic_windows import DayTraffic

WIDTH: Final = 720
HEIGHT: Final = 190
LEFT: Final = 112
BOTTOM: Final = 20
TOP: Final = 8
GAP: Final = 0.16
"""Of a day's width, on each side of its bar."""


@dataclass(frozen=True, slots=True)
class Block:
    """One rectangle."""

    y: float
    height: float
    tone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DayBar:
    """One day."""

    x: float
    width: float
    blocks: tuple[Block, ...]
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficChart:
    """Figures ready to draw. Both halves have one scale, so that giving and taking can be compared by eye."""

    bars: tuple[DayBar, ...]
    middle: float
    top_says: str
    first: date
    last: date
    label: str
    quiet: bool
    """not a byte in all these days"""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    base: int = HEIGHT - BOTTOM
    upper: int = TOP


def traffic_chart(days: Sequence[DayTraffic]) -> TrafficChart:
    """At least one day."""
    most = max(max(_up(one), _down(one)) for one in days)
    step = (WIDTH - LEFT) / len(days)
    half = (HEIGHT - BOTTOM - TOP) / 2
    middle = TOP + half
    bars = []
    for index, one in enumerate(days):
        traffic = one.traffic
        scale = half / most if most else 0.0
        blocks, up_y, down_y = [], middle, middle
        for count, tone in ((traffic.soulseek_up, "soulseek"), (traffic.overlay_up, "overlay")):
            height = round(count * scale, 2)
            up_y -= height
            blocks.append(Block(round(up_y, 2), height, tone))
        for count, tone in ((traffic.soulseek_down, "soulseek"), (traffic.overlay_down, "overlay")):
            height = round(count * scale, 2)
            blocks.append(Block(round(down_y, 2), height, tone))
            down_y += height
        bars.append(
            DayBar(
                x=round(LEFT + (index + GAP) * step, 2),
                width=round(step * (1 - 2 * GAP), 2),
                blocks=tuple(block for block in blocks if block.height > 0),
                says=_(
                    "%(day)s: uploaded %(soulseek_up)s on Soulseek and %(overlay_up)s on the mesh, "
                    "downloaded %(soulseek_down)s and %(overlay_down)s"
                )
                % {
                    "day": date_format(one.day, "j M"),
                    "soulseek_up": size(traffic.soulseek_up),
                    "overlay_up": size(traffic.overlay_up),
                    "soulseek_down": size(traffic.soulseek_down),
                    "overlay_down": size(traffic.overlay_down),
                },
            )
        )
    up, down = sum(_up(one) for one in days), sum(_down(one) for one in days)
    return TrafficChart(
        bars=tuple(bars),
        middle=middle,
        top_says=size(most),
        first=days[0].day,
        last=days[-1].day,
        label=_("%(n)s days: %(up)s uploaded, %(down)s downloaded")
        % {"n": len(days), "up": size(up), "down": size(down)},
        quiet=most == 0,
    )


def _up(one: DayTraffic) -> int:
    return one.traffic.soulseek_up + one.traffic.overlay_up


def _down(one: DayTraffic) -> int:
    return one.traffic.soulseek_down + one.traffic.overlay_down
