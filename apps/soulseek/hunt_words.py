"""What hunts and candidates say to a person, for page, API and command alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.common.sentences import sentence
from apps.domain.soulseek.states import HuntState
from apps.soulseek.selectors_hunts import CandidateView, HuntView


def hunt_says(hunt: HuntView) -> str:
    """How it stands, and what comes next."""
    params = dict(hunt.params)
    if isinstance(params.get("why"), str):
        params["why"] = str(sentence(str(params["why"]), {}))
    code = hunt.code or ("hunt_begins" if hunt.state is HuntState.SEARCHING else "")
    return str(sentence(code, params)) if code else ""


def reasons(candidate: CandidateView) -> list[str]:
    """Why it stands where it does: each term of its score in words."""
    return [str(sentence(str(term["code"]), _params(term))) for term in candidate.terms]


def refused_says(candidate: CandidateView) -> str:
    """Why it may not be asked; "" if it may."""
    return str(sentence(candidate.refused, {})) if candidate.refused else ""


def missing_says(candidate: CandidateView) -> str:
    """Tracks that it lacks."""
    return ", ".join(f"{one['position']}. {one['title']}" for one in candidate.missing[:20])


def _params(term: Mapping[str, Any]) -> Mapping[str, Any]:
    return term.get("params") or {}
