"""A job's swarm: who is asked for what, at which cost, and what the living node says to it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sentences import Sentence, sentence, source_sentence
from apps.common.web.looks import Look
from apps.jobs.selectors_swarm import SwarmSource, SwarmTrack, job_swarm
from apps.jobs.swarm_words import peer_facts, transfer_facts
from apps.jobs.web.lines import MAX_SEGMENTS, SOURCE_LOOKS
from apps.peers.web.looks import MetricsLook, metrics_look


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmSourceLine:
    """A peer in a transfer."""

    swarm: SwarmSource
    tone: str
    """its colour in the bar"""
    look: Look
    metrics: MetricsLook | None
    mib_s: float | None
    says: Sentence
    now: Sequence[str]
    """the node's word on it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmTrackLine:
    """A transfer and everybody in it."""

    swarm: SwarmTrack
    segments: Sequence[Mapping[str, object]]
    sources: Sequence[SwarmSourceLine]
    facts: Sequence[tuple[str, str]]
    """the node's word on the whole transfer"""
    says: Sentence
    """why it has none"""


@require_GET
@page_role(Role.VIEWER)
def swarm(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """Transfers under way first. The node is asked while the page is made; it answers within a second or is left out."""
    found = job_swarm(job_id)
    if found is None:
        raise Http404
    lines = [_track(one) for one in found.tracks]
    context = {
        "job": found.job,
        "swarm": found,
        "live": [one for one in lines if one.swarm.live],
        "done": [one for one in lines if not one.swarm.live],
    }
    return render(request, "jobs/swarm.html", context)


def _track(one: SwarmTrack) -> SwarmTrackLine:
    sources = [_source(source, place) for place, source in enumerate(one.sources)]
    return SwarmTrackLine(
        swarm=one,
        segments=[{"tone": line.tone, "value": line.swarm.source.verified_bytes} for line in sources],
        sources=sources,
        facts=transfer_facts(one.explanation),
        says=sentence(one.code),
    )


def _source(one: SwarmSource, place: int) -> SwarmSourceLine:
    state = one.source.state
    return SwarmSourceLine(
        swarm=one,
        tone=f"s{min(place, MAX_SEGMENTS - 1)}",
        look=SOURCE_LOOKS.get(state) or Look(state.capitalize(), "dot", "idle"),
        metrics=metrics_look(one.peer) if one.peer is not None else None,
        mib_s=one.mib_s,
        says=source_sentence(one.source.code),
        now=peer_facts(one.now),
    )
