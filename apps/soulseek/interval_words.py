"""How long something will take, in words."""

from __future__ import annotations

from django.utils.translation import gettext as _


def interval_words(low: int | None, high: int | None) -> str:
    """`low`…`high` seconds, in the unit that fits; "": not known."""
    if low is None or high is None:
        return ""
    if high < 90:
        return _("%(low)s–%(high)s s") % {"low": low, "high": high}
    if high < 90 * 60:
        return _("%(low)s–%(high)s min") % {"low": low // 60, "high": -(-high // 60)}
    if high < 48 * 3600:
        return _("%(low)s–%(high)s h") % {"low": low // 3600, "high": -(-high // 3600)}
    return _("%(low)s–%(high)s days") % {"low": low // 86400, "high": -(-high // 86400)}
