"""What a node gave and took, in figures and in words: informational only, the governor decides (`fairness`). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from apps.domain.errors import Param
from apps.domain.soulseek.fairness import DAY_RULE, STARVED_RULE, Colour, RuleState, Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratios:
    """How the four volumes relate. None: nothing to divide by."""

    total: float | None
    """uploaded per downloaded, both planes"""
    soulseek: float | None
    overlay: float | None
    overlay_to_soulseek_upload: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A code and what is filled into its words."""

    code: str
    params: Mapping[str, Param] = field(default_factory=dict)


RULE_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "min_overlay_upload_download_ratio": (
        "Give to the mesh what you take",
        "Uploads on the mesh per download on it, in seven days.",
    ),
    STARVED_RULE: ("Don't starve Soulseek", "Uploads on the mesh per upload on Soulseek, in seven days."),
    "min_soulseek_contribution": (
        "Give to Soulseek too",
        "Uploads on Soulseek per download on the mesh, in seven days.",
    ),
    DAY_RULE: ("A day's volume of the mesh", "GiB over the mesh in 24 hours, both directions."),
    "overlay_bandwidth_cap": ("Speed of the mesh", "The most that mesh downloads may run at."),
    "enforce_per_job": ("Each job for itself", "Bytes that one job takes from the mesh per byte from Soulseek."),
}
"""Name and meaning of each rule."""
RULE_DOES: Final[Mapping[str, str]] = {
    "min_overlay_upload_download_ratio": "Mesh downloads are turned down step by step, to a tenth at most, and Soulseek is preferred.",
    STARVED_RULE: "Mesh downloads are turned down step by step, and uploads to Soulseek go first.",
    "min_soulseek_contribution": "Mesh downloads are turned down step by step, and uploads to Soulseek go first.",
    DAY_RULE: "The mesh is left a trickle in both directions until less was moved.",
    "overlay_bandwidth_cap": "It holds always.",
    "enforce_per_job": "The job's mesh downloads run at a quarter, and Soulseek is preferred for it; without a search there, or without proof, nothing more of it begins on the mesh.",
}
"""What is done when a rule is broken."""
COLOUR_WORDS: Final[Mapping[Colour, str]] = {
    Colour.NONE: "Too little traffic to say",
    Colour.GREEN: "Healthy",
    Colour.YELLOW: "Borderline",
    Colour.RED: "Violated",
}


def ratios(traffic: Traffic) -> Ratios:
    """Of a window."""
    return Ratios(
        total=_per(traffic.overlay_up + traffic.soulseek_up, traffic.overlay_down + traffic.soulseek_down),
        soulseek=_per(traffic.soulseek_up, traffic.soulseek_down),
        overlay=_per(traffic.overlay_up, traffic.overlay_down),
        overlay_to_soulseek_upload=_per(traffic.overlay_up, traffic.soulseek_up),
    )


def overall(states: Sequence[RuleState]) -> Colour:
    """The worst of all rules that say something. A day's volume that is not used up yet is no merit."""
    found = {one.colour for one in states if one.rule != DAY_RULE or one.colour is not Colour.GREEN}
    return next((colour for colour in (Colour.RED, Colour.YELLOW, Colour.GREEN) if colour in found), Colour.NONE)


def said(traffic: Traffic) -> tuple[Said, ...]:
    """The window in plain words: at most one sentence a plane, and how the two relate. Nothing passed: that."""
    if not traffic.total:
        return (Said(code="contribution_nothing"),)
    found = []
    planes = (
        ("soulseek", traffic.soulseek_up, traffic.soulseek_down),
        ("overlay", traffic.overlay_up, traffic.overlay_down),
    )
    for plane, up, down in planes:
        if up and down:
            more = up >= down
            code = _MORE_UP[plane] if more else _MORE_DOWN[plane]
            found.append(Said(code=code, params={"ratio": _rounded(up / down if more else down / up)}))
        elif up or down:
            found.append(Said(code=_ONLY_UP[plane] if up else _ONLY_DOWN[plane]))
    if traffic.overlay_up and traffic.soulseek_up:
        ratio = _rounded(traffic.overlay_up / traffic.soulseek_up)
        found.append(Said(code="contribution_overlay_usage", params={"ratio": ratio}))
    return tuple(found)


_MORE_UP: Final = {"soulseek": "contribution_soulseek_more_up", "overlay": "contribution_overlay_more_up"}
_MORE_DOWN: Final = {"soulseek": "contribution_soulseek_more_down", "overlay": "contribution_overlay_more_down"}
_ONLY_UP: Final = {"soulseek": "contribution_soulseek_only_up", "overlay": "contribution_overlay_only_up"}
_ONLY_DOWN: Final = {"soulseek": "contribution_soulseek_only_down", "overlay": "contribution_overlay_only_down"}


def _per(given: int, taken: int) -> float | None:
    return round(given / taken, 3) if taken else None


def _rounded(ratio: float) -> float:
    """As people say it: 2.3, 14, 2300."""
    return round(ratio, 2) if ratio < 1 else round(ratio, 1) if ratio < 10 else float(round(ratio))
