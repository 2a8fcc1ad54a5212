"""How people of Soulseek look on pages: how many wrote, times of a chat."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django import template
from django.core.cache import cache
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.common.text import display_text
from apps.domain.soulseek.people import MAX_HEARD
from apps.soulseek.selectors_people import unread_people

register = template.Library()

KEPT_S: Final = 5
"""Every page shows it; the messages pages themselves are live."""
MAX_PARAGRAPHS: Final = 200
UNREAD_KEY: Final = "soulseek-unread-people"


@register.simple_tag
def messages_unread() -> str:
    """How many people wrote what nobody read yet; "" for none."""
    waiting = cache.get(UNREAD_KEY)
    if waiting is None:
        waiting = unread_people()
        cache.set(UNREAD_KEY, waiting, KEPT_S)
    return str(waiting) if waiting else ""


@register.filter
def spoken(value: object) -> str:
    """What somebody said: harmless, on one line, whole."""
    return display_text(value, limit=MAX_HEARD)


@register.filter
def paragraphs(value: object) -> list[str]:
    """Longer words of a stranger, line by line: harmless, empty lines left out, at most MAX_PARAGRAPHS."""
    lines = (display_text(line, limit=MAX_HEARD) for line in str(value or "").splitlines())
    return [line for line in lines if line][:MAX_PARAGRAPHS]


@register.filter
def clock(moment: datetime) -> SafeString:
    """A chat's time; `times.js` shows it in the browser's zone, with the exact moment as its title."""
    local = timezone.localtime(moment)
    exact = moment.strftime("%Y-%m-%d %H:%M:%S UTC")
    hour = local.strftime("%H:%M")
    return format_html('<time datetime="{}" title="{}" data-clock>{}</time>', moment.isoformat(), exact, hour)


@register.filter
def day(moment: datetime) -> str:
    """The day of a day line."""
    return date_format(timezone.localtime(moment), "l, j F Y")
