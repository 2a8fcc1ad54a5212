"""Giving back: how the bytes of both planes relate, and what is done when we take more than is fair. Pure; `now` is monotonic seconds.

The governor turns overlay downloads down in steps and up again only once a ratio is clearly better than its limit, so that it does not flap around it. It
never stops a download: a node that may take nothing can give nothing either. Below the grace volume it says nothing: a new node has had no time to share.
In mesh mode only the overlay's own ratio counts, as there is no Soulseek to be fair to (DESIGN §9). Ratios are of seven rolling days. The day's volume is no
ratio: once it is used up, the overlay is left a trickle in both directions until enough of it is a day old.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from apps.domain.errors import Param
from apps.domain.soulseek.guardrails import GuardrailSettings, RescueFacts, may_rescue

GIB: Final = 1 << 30
GRACE_BYTES: Final = 2 * GIB
DAY_BYTES: Final = 50 * GIB
TRICKLE_BYTES_S: Final = 32 * 1024
"""Bytes a second that are always left: of what is turned down, and in each direction once the day's volume is used up."""
STEPS: Final = (1.0, 0.75, 0.5, 0.25, 0.1)
"""Shares of the usual overlay download intensity (peers at once, bandwidth)."""
STEP_S: Final = 60.0
"""Between two steps down; a step up takes twice as long."""
CLEARLY: Final = 1.1
"""A ratio is well again from so many times its limit on."""
BORDERLINE: Final = 1.3
"""Nearer to its limit than this it is shown in yellow."""
DAY_RULE: Final = "overlay_day_gib"
STARVED_RULE: Final = "max_overlay_to_soulseek_upload_ratio"
JOB_RULE: Final = "enforce_per_job"
CAP_RULE: Final = "overlay_bandwidth_cap"
CAP_CODE: Final = "fairness_overlay_bandwidth_cap"
FIRST_CODE: Final = "fairness_soulseek_first"
"""Of a want that Soulseek is giving while it is preferred."""
ASKED_CODE: Final = "fairness_soulseek_asked"
"""Of a want that is just being looked or waited for on Soulseek, while it is preferred."""
_SLOWED_FOR: Final = frozenset({"rescue_ratio_reached"})
_JOB_CODES: Final[Mapping[str, str]] = {
    "rescue_origin_not_attempted": "fairness_job_not_attempted",
    "rescue_overlay_only_unproven": "fairness_job_alone",
    "rescue_overlay_only_forbidden": "fairness_job_alone",
}
_SOULSEEK_IS_OWED: Final = frozenset({STARVED_RULE, "min_soulseek_contribution"})
_CODES: Final[Mapping[str, str]] = {
    "min_overlay_upload_download_ratio": "fairness_min_overlay_upload_download_ratio",
    STARVED_RULE: "fairness_max_overlay_to_soulseek_upload_ratio",
    "min_soulseek_contribution": "fairness_min_soulseek_contribution",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Bytes of a window, of one job or of all."""

    overlay_up: int = 0
    overlay_down: int = 0
    soulseek_up: int = 0
    soulseek_down: int = 0

    @property
    def total(self) -> int:
        """All four."""
        return self.overlay_up + self.overlay_down + self.soulseek_up + self.soulseek_down


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessRules:
    """`fairness`. None: the rule is off."""

    min_overlay_upload_download_ratio: float | None = 0.5
    max_overlay_to_soulseek_upload_ratio: float | None = 2.0
    """the overlay's upload against Soulseek's: whoever gives all to the mesh starves the network it came from"""
    min_soulseek_contribution: float | None = None
    """least Soulseek upload per overlay download: whoever lives off the mesh feeds the network it came from"""
    overlay_bandwidth_cap: int | None = None
    """KiB/s of overlay downloads, always"""
    overlay_day_bytes: int | None = DAY_BYTES
    """over the overlay in 24 rolling hours, both directions"""
    grace_bytes: int = GRACE_BYTES
    enforce_per_job: bool = False
    generous: bool = False
    """uploads have no limit but the bandwidth's, and nothing is turned down for taking much"""

    @classmethod
    def none(cls) -> FairnessRules:
        """No rule at all: of nodes that nobody configured."""
        return cls(
            min_overlay_upload_download_ratio=None, max_overlay_to_soulseek_upload_ratio=None, overlay_day_bytes=None
        )


class Colour(StrEnum):
    """How a ratio is shown. `none`: too little traffic to say."""

    NONE = "none"
    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleState:
    """One rule's figure. `ratio` None: nothing was taken, so nothing is owed; infinite: nothing was given. `margin` 1 = exactly at the limit, more is better.

    Of the day's volume, `ratio` is what was used of it, in GiB, and `limit` what there is.
    """

    rule: str
    ratio: float | None
    limit: float
    margin: float
    colour: Colour

    @property
    def violated(self) -> bool:
        """Beyond the limit."""
        return self.colour is Colour.RED


def rule_states(
    traffic: Traffic, rules: FairnessRules, *, mode: str = "hybrid", day: Traffic | None = None
) -> tuple[RuleState, ...]:
    """Every rule that counts in this mode, with its figure. `traffic` of seven days, `day` of 24 hours (None: that rule is left out)."""
    if mode == "legacy":
        return ()
    found = []
    quiet = traffic.total < rules.grace_bytes
    if rules.min_overlay_upload_download_ratio is not None:
        found.append(
            _at_least(
                "min_overlay_upload_download_ratio",
                traffic.overlay_up,
                traffic.overlay_down,
                rules.min_overlay_upload_download_ratio,
                quiet=quiet,
            )
        )
    if mode != "mesh" and rules.max_overlay_to_soulseek_upload_ratio is not None:
        found.append(
            _at_least(
                STARVED_RULE,
                traffic.soulseek_up,
                traffic.overlay_up,
                1 / rules.max_overlay_to_soulseek_upload_ratio,
                quiet=quiet,
                inverse=True,
            )
        )
    if mode != "mesh" and rules.min_soulseek_contribution is not None:
        found.append(
            _at_least(
                "min_soulseek_contribution",
                traffic.soulseek_up,
                traffic.overlay_down,
                rules.min_soulseek_contribution,
                quiet=quiet,
            )
        )
    if day is not None and rules.overlay_day_bytes:
        used = day.overlay_up + day.overlay_down
        margin = rules.overlay_day_bytes / used if used else float("inf")
        colour = Colour.RED if margin <= 1 else Colour.YELLOW if margin < BORDERLINE else Colour.GREEN
        found.append(
            RuleState(
                rule=DAY_RULE, ratio=used / GIB, limit=rules.overlay_day_bytes / GIB, margin=margin, colour=colour
            )
        )
    return tuple(found)


def _at_least(rule: str, given: int, taken: int, limit: float, *, quiet: bool, inverse: bool = False) -> RuleState:
    """`given` per `taken` should reach `limit`. `inverse`: people know the rule the other way round (taken per given, at most)."""
    margin = given / (limit * taken) if taken else float("inf")
    colour = Colour.NONE if quiet else Colour.GREEN
    if not quiet and margin < 1:
        colour = Colour.RED
    elif not quiet and margin < BORDERLINE:
        colour = Colour.YELLOW
    if inverse:
        ratio = taken / given if given else (None if not taken else float("inf"))
        return RuleState(rule=rule, ratio=ratio, limit=1 / limit, margin=margin, colour=colour)
    return RuleState(rule=rule, ratio=given / taken if taken else None, limit=limit, margin=margin, colour=colour)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fairness:
    """What is done. `intensity` 0.1…1 of overlay downloads; `code` and `params` say which rule and why, for the log and the page."""

    intensity: float = 1.0
    prefer_soulseek: bool = False
    prefer_soulseek_uploads: bool = False
    refuses: bool = False
    """of a job: nothing more of it begins over the overlay"""
    trickle: bool = False
    """the day's volume is used up: TRICKLE_BYTES_S in each direction of the overlay"""
    rule: str = ""
    code: str = "fairness_fine"
    params: dict[str, Param] = field(default_factory=dict)


class FairnessGovernor:
    """See the module. One per node; jobs have none of their own, `job_fairness` judges one on the spot.

    `share`: the intensity that was left when the process before ended; it goes on from there.
    """

    def __init__(self, rules: FairnessRules, *, share: float = 1.0) -> None:
        self.rules: Final = rules
        self._step = next((step for step, left in enumerate(STEPS) if left <= share), len(STEPS) - 1)
        self._moved_at: float | None = None
        self._trickle = False

    def look(self, traffic: Traffic, *, now: float, mode: str = "hybrid", day: Traffic | None = None) -> Fairness:
        """What is done now. Call it every few seconds; a step takes STEP_S however often it is called."""
        if self.rules.generous or mode == "legacy":
            self._step, self._trickle = 0, False
            return Fairness(code="fairness_generous" if self.rules.generous else "fairness_fine")
        states = rule_states(traffic, self.rules, mode=mode, day=day)
        volume = next((one for one in states if one.rule == DAY_RULE), None)
        self._trickle = volume is not None and volume.margin <= (CLEARLY if self._trickle else 1)
        ratios = [one for one in states if one is not volume]
        violated = [one for one in ratios if one.violated]
        well = all(one.colour is Colour.NONE or one.margin >= CLEARLY for one in ratios)
        since = None if self._moved_at is None else now - self._moved_at
        if violated and self._step < len(STEPS) - 1 and (since is None or since >= STEP_S):
            self._step, self._moved_at = self._step + 1, now
        elif not violated and well and self._step and (since is None or since >= 2 * STEP_S):
            self._step, self._moved_at = self._step - 1, now
        if volume is not None and self._trickle:
            return self._used_up(volume, mode=mode)
        return self._told(ratios, violated, mode=mode)

    def _told(self, states: Sequence[RuleState], violated: Sequence[RuleState], *, mode: str) -> Fairness:
        worst = min(violated or states, key=lambda one: one.margin, default=None)
        if not self._step and not violated:
            return Fairness()
        if worst is None:  # its rule was switched off meanwhile
            return Fairness(
                intensity=STEPS[self._step],
                code="fairness_released",
                params={"percent": round(STEPS[self._step] * 100)},
            )
        starved = any(one.rule in _SOULSEEK_IS_OWED for one in violated)
        return Fairness(
            intensity=STEPS[self._step],
            prefer_soulseek=mode != "mesh" and bool(self._step),
            prefer_soulseek_uploads=mode != "mesh" and starved,
            rule=worst.rule,
            code=_code_of(worst) if violated else "fairness_recovering",
            params={
                "rule": worst.rule,
                "ratio": shown(worst.ratio),
                "limit": round(worst.limit, 2),
                "percent": round(STEPS[self._step] * 100),
            },
        )

    def _used_up(self, volume: RuleState, *, mode: str) -> Fairness:
        return Fairness(
            intensity=STEPS[-1],
            prefer_soulseek=mode != "mesh",
            prefer_soulseek_uploads=mode != "mesh",
            trickle=True,
            rule=volume.rule,
            code="fairness_overlay_day_gib",
            params={
                "rule": volume.rule,
                "used_gib": shown(volume.ratio),
                "limit": round(volume.limit, 2),
                "kib_s": TRICKLE_BYTES_S // 1024,
            },
        )


def _code_of(state: RuleState) -> str:
    if state.rule == STARVED_RULE and state.ratio == float("inf"):
        return "fairness_nothing_on_soulseek"
    return _CODES[state.rule]


def shown(ratio: float | None) -> float | None:
    """A ratio for words and JSON, which know no infinity."""
    return None if ratio is None else round(min(ratio, 999_999.0), 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts:
    """What is known of a job. `attempted`: it was looked for on Soulseek; `alive`: Soulseek brings something of it now, and well; `provable`: a fingerprint can
    confirm what arrives."""

    traffic: Traffic
    attempted: bool = False
    alive: bool = False
    provable: bool = False


def job_fairness(facts: JobFacts, rules: FairnessRules, guardrails: GuardrailSettings, *, mode: str) -> Fairness:
    """`enforce_per_job`: the rescues' guardrails for a whole job, once it took an eighth of the grace volume. No steps, no memory: a job is short.

    What is beyond the ratio while Soulseek is alive (or can't be proven) goes on more slowly. What Soulseek was never asked for, what comes from the mesh alone
    without proof, and with `strict` what is beyond the ratio at all, is refused: nothing more of the job begins over the mesh, and what runs goes on slowly.
    """
    traffic = facts.traffic
    if not rules.enforce_per_job or rules.generous or mode != "hybrid" or traffic.total < rules.grace_bytes // 8:
        return Fairness()
    ruling = may_rescue(
        RescueFacts(
            mode=mode,
            origin_attempted=facts.attempted or traffic.soulseek_down > 0,
            origin_seen=True,  # a search counts (DESIGN 9)
            origin_alive=facts.alive,
            provable=facts.provable,
            overlay_bytes=traffic.overlay_down,
            soulseek_bytes=traffic.soulseek_down,
            already_rescued=True,
        ),
        guardrails,
    )
    if ruling.allowed or not traffic.overlay_down:
        return Fairness()
    refuses = guardrails.strict or ruling.code not in _SLOWED_FOR
    return Fairness(
        intensity=STEPS[3],
        prefer_soulseek=True,
        refuses=refuses,
        rule=JOB_RULE,
        code=_JOB_CODES.get(ruling.code, "fairness_job_refused" if refuses else "fairness_job"),
        params={
            "rule": JOB_RULE,
            "ratio": shown(traffic.overlay_down / max(1, traffic.soulseek_down)),
            "limit": guardrails.max_overlay_to_soulseek_ratio,
            "percent": round(STEPS[3] * 100),
        },
    )
