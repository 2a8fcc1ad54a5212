"""The number of questions beside the rail's entry."""

from __future__ import annotations

from typing import Final

from django import template
from django.core.cache import cache

from apps.library.selectors_identity import COUNTED, review_count

register = template.Library()

KEPT_S: Final = 15
"""Every page shows it; nobody needs it to the second."""
_KEY: Final = "library-review-count"


@register.simple_tag
def review_waiting() -> str:
    """How many questions wait for a person: "" for none, "1000+" where counting stops."""
    waiting = cache.get(_KEY)
    if waiting is None:
        waiting = review_count()
        cache.set(_KEY, waiting, KEPT_S)
    return "" if not waiting else f"{COUNTED}+" if waiting >= COUNTED else str(waiting)
