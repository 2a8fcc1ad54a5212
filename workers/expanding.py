"""Expanding a job of jobs: the graph of its artist or label → a plan → children. Every step may be repeated; the rows decide who may go on.

It waits while the graph is read (walks have tasks of their own), and gives itself back after SHARE_S of work, so that no task is long.
"""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from apps.catalog.selectors_graph import artist_detail, label_detail, label_releases, walks_of
from apps.catalog.selectors_labels import labels_named, same_name
from apps.catalog.services_walk import artist_graph_ask, label_graph_ask, walk_ask
from apps.domain.catalog.crate import crate
from apps.domain.catalog.discography import Discography, weight_of
from apps.domain.catalog.graph import LabelDetail, ReleaseBrief
from apps.domain.catalog.group_walks import NO_EDITION, group_walks
from apps.domain.catalog.walks import GraphState, WalkKind
from apps.domain.errors import Param
from apps.domain.jobs.backoff import retry_delay_s
from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.plan import PlanLine, crate_plan, discography_plan
from apps.domain.jobs.selection import Selection
from apps.domain.jobs.tree import ASKED_AGAIN
from apps.domain.library.canonical import CanonicalPolicy
from apps.jobs.selectors_discography import discography_known, filters_of
from apps.jobs.selectors_expand import held_in_full
from apps.jobs.services_expand import (
    BATCH,
    ExpandClaim,
    children_make,
    expand_claim,
    expand_done,
    expand_named,
    expand_pause,
    planned_known,
    planned_store,
)
from apps.jobs.services_resolve import resolve_failed, resolve_later, resolve_renew
from apps.library.selectors_held import releases_touched
from apps.mesh.selectors_labels import release_popularity
from workers.gateways.errors import Permanent, Transient
from workers.lease import LEASE_S, LeaseKeeper, LeaseLost

log = logging.getLogger(__name__)

SHARE_S = 45.0
"""After so long the job is given back and its next task goes on."""
WALKING_POLL_S, WALKING_POLL_MOST_S = 3.0, 15.0
"""How soon it is looked again whether the graph was read; ever less often while it is not."""

Checkpoint = Callable[[str], None]
"""Called after each step with its name; tests stop the work there."""


class LabelsFound(Protocol):
    """What is asked for a label's name. Raises Transient and Permanent."""

    def __call__(self, words: str) -> Sequence[LabelDetail]:
        """Labels by words, the likeliest first."""
        ...


class _Waits(Exception):
    """Lists are being read: `graph_walking` of the artist or label, `editions_walking` of release groups."""

    def __init__(self, code: str, params: Mapping[str, Param]) -> None:
        super().__init__(code)
        self.code, self.params = code, params


class _Unreadable(Exception):
    """The graph can't be read; why."""

    def __init__(self, code: str, params: Mapping[str, Param]) -> None:
        super().__init__(code)
        self.code, self.params = code, params


class _Given(Exception):
    """The time is up, or the job is somebody else's: nothing more is to be done here."""


def _pass(_step: str) -> None:
    return


def expand(
    job_id: uuid.UUID,
    *,
    labels_found: LabelsFound,
    policy: CanonicalPolicy = CanonicalPolicy(),  # noqa: B008  (frozen)
    clock: Callable[[], float] = time.monotonic,
    checkpoint: Checkpoint = _pass,
) -> None:
    """Expand a job that is due, as far as SHARE_S goes; nothing happens if it is not due, or somebody else has it."""
    claim = expand_claim(job_id, lease_s=LEASE_S)
    if claim is None:
        return
    checkpoint("claimed")
    until = clock() + SHARE_S
    with LeaseKeeper(lambda: resolve_renew(claim.own, lease_s=LEASE_S)) as lease:
        try:
            plan = _plan(claim, labels_found=labels_found, policy=policy)
            checkpoint("read")
            lease.check()
            _write(claim, plan, late=lambda: clock() >= until, checkpoint=checkpoint)
        except _Waits as wait:
            # Of groups the next ones are asked for when it is looked again: that stays as soon as a few of them take.
            looked = claim.own.tries if claim.own.code == wait.code == "graph_walking" else 0
            delay_s = min(WALKING_POLL_S + looked, WALKING_POLL_MOST_S)
            resolve_later(claim.own, code=wait.code, params=wait.params, delay_s=delay_s)
        except Transient as error:
            _again(claim, error.code, error.params, retry_after_s=error.retry_after_s)
        except (Permanent, _Unreadable) as error:
            log.info("job failed: job=%s code=%s", job_id, error.code)
            resolve_failed(claim.own, code=error.code, params=error.params)
        except (_Given, LeaseLost):
            log.info("expansion given back, taken over or stopped: job=%s", job_id)
        except Exception as error:
            log.exception("expanding failed unexpectedly: job=%s", job_id)
            _again(claim, "unexpected", {"error": type(error).__name__})
    checkpoint("finished")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """`says`: a code for as long as there is nothing else to say. `lacks`: code and params of what was missing in the list, which stays said."""

    lines: tuple[PlanLine, ...]
    says: str = ""
    lacks: tuple[str, Mapping[str, Param]] = ("", {})


def _plan(claim: ExpandClaim, *, labels_found: LabelsFound, policy: CanonicalPolicy) -> _Plan:
    wishes, selection = claim.own.constraints, claim.selection
    if claim.own.kind == "discography":
        graph = _ready(claim, artist_graph_ask)
        artist = artist_detail(graph.mbid)
        expand_named(claim, title=artist.name if artist else "")
        found = _with_editions(graph.mbid, selection)
        held = _held([pick.release for pick in found.picks], wishes, policy)
        lines = discography_plan(found, held=held, limit=selection.limit_releases)
        return _Plan(lines=lines, lacks=_lacks(graph))
    mbid = _label(claim, labels_found)
    graph = _ready(claim, label_graph_ask, mbid=mbid)
    label = label_detail(graph.mbid)
    name = label.name if label else claim.target_ref
    expand_named(claim, title=name)
    releases = label_releases(graph.mbid)
    popularity = release_popularity(graph.mbid, name)
    picks, omitted = crate(
        releases,
        popularity=popularity,
        filters=filters_of(selection),
        studio_only=selection.studio_only,
        held=releases_touched([one.mbid for one in releases]),
    )
    held = _held([pick.release for pick in picks], wishes, policy)
    lines = crate_plan(picks, omitted, held=held, limit=selection.limit_releases)
    return _Plan(lines=lines, says="" if popularity else "crate_from_musicbrainz", lacks=_lacks(graph))


def _with_editions(artist: uuid.UUID, selection: Selection) -> Discography:
    """The discography, once the lists of those groups were read of which no edition was known. Raises _Waits while they are not."""
    found = discography_known(artist, selection)
    bare = {one.group.facts.mbid: one.group for one in found.omitted if one.code == NO_EDITION}
    if not bare:
        return found
    known = walks_of(WalkKind.GROUP_RELEASES, [*bare, *(one.group.facts.mbid for one in found.picks)])
    # Those whose list gave an edition meanwhile still count among those that were asked for.
    read = [one.group for one in found.picks if (walk := known.get(one.group.facts.mbid)) and not walk.stale]
    ranked = sorted([*bare.values(), *read], key=lambda one: (-weight_of(one, ()), one.facts.mbid))
    walks = group_walks([one.facts.mbid for one in ranked], known)
    for mbid in walks.ask:
        walk_ask(WalkKind.GROUP_RELEASES, mbid)
    if not walks.over:
        raise _Waits("editions_walking", {"done": walks.done, "total": walks.total, "subject": str(artist)})
    found = discography_known(artist, selection)  # they may have ended after it was looked first
    left = [
        replace(one, code=walks.unread.get(one.group.facts.mbid, one.code)) if one.code == NO_EDITION else one
        for one in found.omitted
    ]
    return replace(found, omitted=tuple(left))


def _lacks(graph: GraphState) -> tuple[str, Mapping[str, Param]]:
    return ("", {}) if graph.whole else (graph.code, graph.params)


def _held(releases: Sequence[ReleaseBrief], wishes: Constraints, policy: CanonicalPolicy) -> frozenset[uuid.UUID]:
    counts = {one.mbid: one.track_count for one in releases}
    return held_in_full(counts, wishes=wishes, policy=policy)


def _ready(claim: ExpandClaim, ask: Callable[..., GraphState], *, mbid: uuid.UUID | None = None) -> GraphState:
    """The graph once it was read. Raises _Waits while it is not, _Unreadable when it can't be."""
    target = mbid or claim.own.target_mbid
    state = ask(target)
    if state.state == "failed" and claim.own.code == ASKED_AGAIN:
        state = ask(target, refresh=True)
    if state.state == "ready":
        return state
    if state.state == "failed":
        raise _Unreadable(state.code or "graph_unreadable", state.params)
    taken = state.groups_taken + state.releases_taken
    known = (state.groups_total or 0) + (state.releases_total or 0)
    raise _Waits(
        "graph_walking", {"taken": taken, "total": max(known, taken), "waits": state.code, "subject": str(state.mbid)}
    )


def _label(claim: ExpandClaim, labels_found: LabelsFound) -> uuid.UUID:
    """The label's MBID; of one that is known by its name, the only label of that name. Raises Permanent `label_unknown`, `label_ambiguous`."""
    if claim.target_source != "name":
        return claim.own.target_mbid
    name = claim.target_ref
    found = {one.mbid for one in labels_named(name)}
    if not found:
        found = {one.mbid for one in labels_found(name) if same_name(one.name, name)}
    if not found:
        raise Permanent("MusicBrainz knows no label of this name.", code="label_unknown", name=name[:200])
    if len(found) > 1:
        raise Permanent("Several labels have this name.", code="label_ambiguous", name=name[:200], count=len(found))
    return found.pop()


def _write(claim: ExpandClaim, plan: _Plan, *, late: Callable[[], bool], checkpoint: Checkpoint) -> None:
    lines = plan.lines
    releases, groups = planned_known(claim.own.job_id)
    fresh = [one for one in lines if one.release_mbid not in releases and one.group_mbid not in groups]
    for at in range(0, len(fresh), BATCH):
        if not planned_store(claim, fresh[at : at + BATCH]):
            raise _Given
        checkpoint(f"planned {at // BATCH}")
        if late():
            expand_pause(claim, done=min(at + BATCH, len(fresh)), total=len(lines))
            raise _Given
    made = batch = 0
    while count := children_make(claim):
        made += count
        checkpoint(f"children {batch}")
        batch += 1
        if late():
            expand_pause(claim, done=made, total=len(lines))
            raise _Given
    if count is None:
        raise _Given
    checkpoint("made")
    done = expand_done(claim, code=plan.says, lacks=plan.lacks)
    log.info("job expanded: job=%s lines=%s children=%s kept=%s", claim.own.job_id, len(lines), made, done)


def _again(claim: ExpandClaim, code: str, params: Mapping[str, Param], *, retry_after_s: float | None = None) -> None:
    """Wait and try again, or give up where the kind of failure is bounded."""
    tries = claim.own.tries + 1 if claim.own.code == code else 1
    jitter = random.random()  # noqa: S311  (spreads load, guards nothing)
    delay_s = retry_delay_s(code, tries=tries, jitter=jitter, retry_after_s=retry_after_s)
    if delay_s is None:
        resolve_failed(claim.own, code=code, params={**params, "tries": tries})
    else:
        resolve_later(claim.own, code=code, params=params, delay_s=delay_s)
