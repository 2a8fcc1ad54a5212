"""What a rescue may do, as rules with a mode in them: Soulseek stays the origin while it is alive (DESIGN §9). Each refusal has a code. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from apps.domain.errors import Param

GRACE_BYTES: Final = 8 << 20
"""A ratio of bytes says nothing before this many came over the mesh."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardrailSettings:
    """`transfers.rescue_mode.guardrails`."""

    require_soulseek_origin: bool = True
    max_overlay_to_soulseek_ratio: float = 2.0
    max_concurrent_rescue_jobs: int = 5
    allow_overlay_only_if_verified_by_fingerprint: bool = True
    strict: bool = False
    """the ratio also binds when the origin is dead or stalled"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RescueFacts:
    """What is known of a transfer that wants help.

    `mode`: legacy, hybrid or mesh. `origin_attempted`: a search for it was made, or a transfer was asked for. `origin_seen`: the recording was seen in some
    search result or transfer, ever. `origin_alive`: a Soulseek stream gives bytes now, above the floor. `provable`: a fingerprint of the recording is known
    or can be asked for, so that what arrives can be confirmed.
    """

    mode: str = "hybrid"
    origin_attempted: bool = False
    origin_seen: bool = False
    origin_alive: bool = False
    provable: bool = False
    overlay_bytes: int = 0
    soulseek_bytes: int = 0
    rescues_running: int = 0
    already_rescued: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """May it? `code` says why not, or under which condition; the caller records refusals."""

    allowed: bool
    code: str
    params: dict[str, Param]


def may_rescue(facts: RescueFacts, rules: GuardrailSettings) -> Ruling:
    """May the mesh begin, or go on, to fill what a Soulseek transfer leaves open?"""
    if facts.mode == "legacy":
        return _no("rescue_not_in_legacy")
    if facts.mode == "mesh":  # there is no Soulseek to be fair to
        return _yes("rescue_mesh_mode")
    if not facts.already_rescued and facts.rescues_running >= rules.max_concurrent_rescue_jobs:
        return _no("rescue_too_many", running=facts.rescues_running, most=rules.max_concurrent_rescue_jobs)
    if rules.require_soulseek_origin:
        if not facts.origin_attempted:
            return _no("rescue_origin_not_attempted")
        if not facts.origin_seen:
            return _no("rescue_never_on_soulseek")
    if (
        not facts.origin_alive
        and facts.soulseek_bytes == 0
        and not (rules.allow_overlay_only_if_verified_by_fingerprint and facts.provable)
    ):
        return _no("rescue_overlay_only_unproven" if not facts.provable else "rescue_overlay_only_forbidden")
    ratio_binds = facts.origin_alive or rules.strict or not facts.provable
    most = rules.max_overlay_to_soulseek_ratio
    if ratio_binds and facts.overlay_bytes > max(float(GRACE_BYTES), most * facts.soulseek_bytes):
        return _ratio_reached(facts, rules)
    return _yes("rescue_allowed" if facts.origin_alive else "rescue_origin_dead")


def may_ask_for_more(facts: RescueFacts, rules: GuardrailSettings) -> Ruling:
    """As `may_rescue`, to the byte: a rescue that is exactly at its ratio may ask for nothing, and says so instead of looking as if it helped."""
    ruling = may_rescue(facts, rules)
    return _ratio_reached(facts, rules) if ruling.allowed and overlay_budget_bytes(facts, rules) == 0 else ruling


def overlay_budget_bytes(facts: RescueFacts, rules: GuardrailSettings) -> int | None:
    """How many more bytes the mesh may give before the ratio binds; None: as many as it likes."""
    if facts.mode == "mesh" or (not facts.origin_alive and not rules.strict and facts.provable):
        return None
    allowed = max(float(GRACE_BYTES), rules.max_overlay_to_soulseek_ratio * facts.soulseek_bytes)
    return max(0, int(allowed) - facts.overlay_bytes)


def _ratio_reached(facts: RescueFacts, rules: GuardrailSettings) -> Ruling:
    ratio = round(facts.overlay_bytes / max(1, facts.soulseek_bytes), 2)
    return _no("rescue_ratio_reached", ratio=min(ratio, 999_999.0), most=rules.max_overlay_to_soulseek_ratio)


def _no(code: str, **params: Param) -> Ruling:
    return Ruling(allowed=False, code=code, params=params)


def _yes(code: str) -> Ruling:
    return Ruling(allowed=True, code=code, params={})
