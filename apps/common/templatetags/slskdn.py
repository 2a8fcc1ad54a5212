"""How values look on pages: names, sizes, speeds, times, icons, and the disc that shows an album's progress."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.common import sentences, text

register = template.Library()

NUMBER_GAP = "\u202f"  # narrow no-break space between a number and its unit


@register.filter
def plain(value: object) -> str:
    """Foreign text for attributes and titles: harmless, not isolated."""
    return text.display_text(value)


@register.filter
def name(value: object) -> SafeString:
    """Foreign text for the page: harmless, and isolated so that its direction moves nothing around it."""
    return format_html("<bdi>{}</bdi>", text.display_text(value))


@register.filter
def short_id(value: object) -> str:
    """The first eight characters of an id, for a place where the whole is a copy button away."""
    return str(value)[:8]


@register.filter
def size(value: float | None) -> str:
    """Bytes with a binary unit, three significant digits: `3.41 MiB`."""
    amount = float(value or 0)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1000 or unit == "TiB":
            return f"{_digits(amount) if unit != 'B' else f'{amount:.0f}'}{NUMBER_GAP}{unit}"
        amount /= 1024
    return ""


@register.filter
def speed(value: float | None) -> str:
    """Bytes per second, as `size` says them."""
    return f"{size(value)}/s"


@register.filter
def playtime(value: int | None) -> str:
    """Milliseconds as `m:ss` or `h:mm:ss`; a dash when unknown."""
    if not value:
        return "–"
    minutes, seconds = divmod(round(value / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


@register.filter
def span(value: float | None) -> str:
    """Seconds in words of one or two units: `45 s`, `3 min`, `2 h 10 min`."""
    if value is None or not math.isfinite(value):
        return "–"
    seconds = int(value)
    if seconds < 90:
        return _("%(n)s s") % {"n": seconds}
    minutes = round(seconds / 60)
    if minutes < 90:
        return _("%(n)s min") % {"n": minutes}
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return _("%(h)s h %(m)s min") % {"h": hours, "m": minutes} if minutes else _("%(h)s h") % {"h": hours}
    return ngettext("%(n)s day", "%(n)s days", hours // 24) % {"n": hours // 24}


@register.filter
def percent(part: float | None, whole: float | None) -> int:
    """Whole percents, 0…100, rounded down so that 100 means all."""
    return min(100, max(0, math.floor(100 * (part or 0) / whole))) if whole else 0


@register.simple_tag
def percent_of(share: float) -> str:
    """A share of 0…1 in percent: with a decimal near both ends, so that little is told from nothing and most from all."""
    digits = 1 if 0 < share < 0.1 or 0.9 < share < 1 else 0
    return f"{100 * share:.{digits}f}{NUMBER_GAP}%"


@register.filter
def when(moment: datetime | None) -> SafeString:
    """A relative time that knows its exact one; `times.js` keeps it fresh and shows the exact one in the browser's zone."""
    if moment is None:
        return format_html('<span class="faint">{}</span>', _("never"))
    seconds = (timezone.now() - moment).total_seconds()
    words = (
        _("in %(span)s") % {"span": span(-seconds)}
        if seconds < -1
        else _("%(span)s ago") % {"span": span(max(seconds, 0))}
    )
    exact = moment.strftime("%Y-%m-%d %H:%M:%S UTC")
    return format_html('<time datetime="{}" title="{}" data-when>{}</time>', moment.isoformat(), exact, words)


@register.filter
def says(code: str, params: Mapping[str, object] | None = None) -> sentences.Sentence:
    """The sentence of a code."""
    return sentences.sentence(code, params or {})


@register.simple_tag
def icon(icon_name: str, label: str = "") -> SafeString:
    """An icon of the sprite; hidden from screen readers unless it has a label of its own."""
    href = f"{static('icons.svg')}#{icon_name}"
    if label:
        return format_html('<svg class="icon" role="img" aria-label="{}"><use href="{}"></use></svg>', label, href)
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}"></use></svg>', href)


DISC_GAP = 0.035  # of a turn, at most, between two tracks on the disc
DISC_MAX_ARCS = 40  # beyond that, single tracks are too thin to see: one arc for the whole


@register.simple_tag
def disc(tracks: Iterable[Mapping[str, object]], *, label: str = "") -> SafeString:
    """An album as a record: one arc a track, drawn as far as the track has come, in the colour of its state.

    `tracks` are mappings with `tone` (ok, bad, warn, overlay, idle) and `share` 0…1.
    """
    parts = list(tracks) or [{"tone": "idle", "share": 0.0}]
    if len(parts) > DISC_MAX_ARCS:
        share = sum(_share(part) for part in parts) / len(parts)
        tone = "ok" if all(part["tone"] == "ok" for part in parts) else "overlay"
        parts = [{"tone": tone, "share": share}]
    radius, turn = 15.0, 2 * math.pi * 15.0
    gap = min(DISC_GAP, 0.25 / len(parts)) if len(parts) > 1 else 0.0
    arcs = []
    for index, part in enumerate(parts):
        room = (1 / len(parts) - gap) * turn
        offset = -(index / len(parts) + gap / 2) * turn
        arcs.append(("track", room, turn, offset, "rest"))
        if (done := room * _share(part)) > 0:
            arcs.append(("done", done, turn, offset, str(part["tone"])))
    drawn = format_html_join(
        "",
        '<circle class="arc {} tone-{}" cx="20" cy="20" r="{}" stroke-dasharray="{} {}" stroke-dashoffset="{}"></circle>',
        (
            (kind, tone, radius, f"{room:.3f}", f"{whole:.3f}", f"{offset:.3f}")
            for kind, room, whole, offset, tone in arcs
        ),
    )
    role = format_html('role="img" aria-label="{}"', label) if label else SafeString('aria-hidden="true"')
    return format_html(
        '<svg class="disc" viewBox="0 0 40 40" {}><circle class="vinyl" cx="20" cy="20" r="11.5"></circle>'
        '<circle class="groove" cx="20" cy="20" r="9"></circle><circle class="groove" cx="20" cy="20" r="6.8"></circle>'
        '<circle class="hole" cx="20" cy="20" r="3.4"></circle>{}</svg>',
        role,
        drawn,
    )


@register.simple_tag
def bar(segments: Iterable[Mapping[str, object]], total: float, *, label: str = "") -> SafeString:
    """A progress bar stacked by source: `segments` are mappings with `value` and `tone`, summing to at most `total`."""
    drawn, at = [], 0.0
    for segment in segments:
        width = max(0.0, 100 * float(str(segment["value"])) / total) if total else 0.0
        drawn.append((str(segment["tone"]), f"{at:.3f}", f"{min(width, 100 - at):.3f}"))
        at = min(100.0, at + width)
    rects = format_html_join("", '<rect class="fill-{}" x="{}" y="0" width="{}" height="4"></rect>', drawn)
    return format_html(
        '<svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" role="progressbar" aria-label="{}" aria-valuemin="0" '
        'aria-valuemax="100" aria-valuenow="{}">{}</svg>',
        label or _("Progress"),
        math.floor(at),
        rects,
    )


@register.simple_tag(takes_context=True)
def query(context: Mapping[str, object], **changes: object) -> str:
    """This page's query string with some parts changed; an empty value removes its part. Cursors do not survive a change of filter."""
    request = context["request"]
    params = request.GET.copy()  # type: ignore[attr-defined]
    if "cursor" not in changes:
        params.pop("cursor", None)
    for key, value in changes.items():
        if value in (None, ""):
            params.pop(key, None)
        else:
            params[key] = str(value)
    encoded = params.urlencode()
    return f"?{encoded}" if encoded else "?"


def _digits(amount: float) -> str:
    if amount < 10:
        return f"{amount:.2f}"
    return f"{amount:.1f}" if amount < 100 else f"{amount:.0f}"


def _share(part: Mapping[str, object]) -> float:
    return min(1.0, max(0.0, float(str(part["share"]))))
