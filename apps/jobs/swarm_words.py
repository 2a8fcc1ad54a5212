"""The node's explanation of a transfer (overlay_node.swarm.explain) in words with units, for the page and the terminal.

What the node tells comes over a socket and is not trusted to have any shape: what is missing or odd is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from apps.common.sentences import sentence
from apps.common.templatetags.slskdn import size, span, speed
from apps.common.text import display_text

Told = Mapping[str, object]

ROLES: Final[Mapping[str, Promise]] = {
    "works": lazy("working"),
    "waits": lazy("waiting"),
    "paused": lazy("paused: it said it is busy"),
    "cold": lazy("first answers awaited"),
    "quarantined": lazy("only for what nobody else has"),
    "barred": lazy("not asked: too little trusted"),
    "negotiating": lazy("asked what it holds"),
}
IDLE: Final[Mapping[str, Promise]] = {
    "nothing_free": lazy("nothing is left to ask of it"),
    "held_back_too_slow": lazy("the others will be done before it could bring another part"),
    "cold": lazy("its first answer is waited for before it gets more"),
    "window_full": lazy("it has enough to do"),
    "paused": lazy("it said it is busy"),
    "quarantined": lazy("others hold what is missing"),
    "budget_spent": lazy("the rate limit is reached"),
}


def transfer_facts(told: Told) -> list[tuple[str, str]]:
    """(what, how much) of a whole transfer."""
    lines: list[tuple[str, str]] = []
    leaves, held = _number(told, "leaves"), _number(told, "held")
    if leaves:
        flying, free = _number(told, "in_flight") or 0, _number(told, "free") or 0
        counts = {"held": f"{held or 0:.0f}", "all": f"{leaves:.0f}", "flying": f"{flying:.0f}", "free": f"{free:.0f}"}
        lines.append(
            (_("Leaves"), _("%(held)s of %(all)s here, %(flying)s on their way, %(free)s asked of nobody yet") % counts)
        )
    if (finish := _number(told, "finish_in_s")) is not None:
        lines.append((_("Estimated end"), _("in %(span)s") % {"span": _seconds(finish)}))
    if (gain := _number(told, "random_speed_up")) is not None:
        lines.append((_("Against random"), _("%(n)s times as fast") % {"n": f"{gain:.1f}"}))
    if (ranked := told.get("urgent_to")) and isinstance(ranked, list):
        first = [display_text(one, limit=16) for one in ranked[:3] if isinstance(one, str)]
        lines.append((_("Urgent parts go to"), ", ".join(first) + (" …" if len(ranked) > len(first) else "")))
    if waiting := _text(told, "waiting"):
        lines.append((_("Waits"), str(sentence(waiting))))
    return lines


def peer_facts(told: Told) -> list[str]:
    """Phrases on one peer, in the order of interest."""
    said: list[str] = []
    if role := _text(told, "role"):
        said.append(str(ROLES.get(role, role.replace("_", " "))))
    if flying := _number(told, "in_flight_bytes"):
        said.append(_("asked for %(size)s") % {"size": size(flying)})
        if (idle := _number(told, "idle_in_s")) is not None:
            said.append(_("done with it in %(span)s") % {"span": _seconds(idle)})
    elif role == "waits" and (more := _number(told, "next_leaf_in_s")) is not None:
        said.append(_("would need %(span)s for a part") % {"span": _seconds(more)})
    if (late := _number(told, "late_s")) is not None and late > 0.1:
        said.append(_("%(span)s late") % {"span": _seconds(late)})
    if (pace := _number(told, "rate_bps")) and told.get("rate_known") is True:
        said.append(_("reckoned with at %(speed)s") % {"speed": speed(pace)})
    if because := _text(told, "idle_because"):
        said.append(str(IDLE.get(because, because.replace("_", " "))))
    return said


def _seconds(value: float) -> str:
    """Short times exactly, long ones in words."""
    return f"{max(value, 0.0):.1f} s" if value < 10 else span(value)


def _number(told: Told, key: str) -> float | None:
    value = told.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        return None
    return float(value)


def _text(told: Told, key: str) -> str:
    value = told.get(key)
    return display_text(value, limit=60) if isinstance(value, str) else ""
