"""Is this file's sound good enough for the job that fetched it? Asked after the download, of what was measured; nothing is looked up here. Pure.

Three wishes of a job look at the sound: `no-transcodes` and `canonical` take nothing that is suspected to be a transcode, `canonical` besides nothing
below the canonical variant's profile, and `better_than` nothing that does not beat what is held. Each refusal has its own code. A wish that can't be
judged (too little signal) is not held against the file: only evidence refuses.
"""

from __future__ import annotations

from dataclasses import dataclass

from apps.domain.audio.profile import CodecProfile, ProfileError, parse_profile, preference_key
from apps.domain.audio.quality import QualityFacts, quality_score
from apps.domain.errors import Param
from apps.domain.jobs.constraints import Constraints


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundRefusal:
    """Why the file is not placed: transcode_suspected, below_canonical, not_better."""

    code: str
    params: dict[str, Param]


def sound_matters(wishes: Constraints) -> bool:
    """True when the job can't be judged without an analysis of the sound."""
    return wishes.download_mode != "any" or wishes.quality_floor is not None


def judge_sound(facts: QualityFacts, *, profile: CodecProfile, wishes: Constraints) -> SoundRefusal | None:
    """None: the job takes it."""
    if wishes.download_mode != "any" and facts.suspect:
        return SoundRefusal(code="transcode_suspected", params={"verdict": facts.verdict})
    if wishes.download_mode == "canonical" and wishes.target_profile is not None:
        target = _target(wishes.target_profile)
        if target is not None and preference_key(profile) < preference_key(target):
            return SoundRefusal(
                code="below_canonical", params={"profile": str(profile), "target": wishes.target_profile}
            )
    floor = wishes.quality_floor
    if floor is not None:
        score = quality_score(facts).score
        if score < floor:
            params: dict[str, Param] = {"score": score, "floor": floor, "held": wishes.better_than}
            return SoundRefusal(code="not_better", params=params)
    return None


def _target(text: str) -> CodecProfile | None:
    try:
        return parse_profile(text)
    except ProfileError:
        return None
