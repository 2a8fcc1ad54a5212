"""Jobs of jobs: what their state is, told by their children's; who gets the next turn; and which constraints a tree passes on. Pure.

A child waits for its turn until fewer than `jobs.max_open_children` of its siblings are under way. It waits as `pending` without a time while its
tracklist was never fetched, and as `paused` with the code `waits_for_turn` when it has tracks already (it failed before and is tried again). A child
that a person paused has another code, and no turn finds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from apps.domain.errors import Param
from apps.domain.jobs.constraints import Constraints, ConstraintsInvalid
from apps.domain.jobs.lifecycle import JOB_ENDED, JobState
from apps.domain.jobs.selection import Selection, SelectionInvalid

JOB_KINDS: Final = ("mb_release", "recording", "discography", "label_crate")
TREE_KINDS: Final = frozenset({"discography", "label_crate"})
"""Kinds of jobs whose children fetch; they have no tracks of their own."""
WAITS_FOR_TURN: Final = "waits_for_turn"
PAUSED_WITH_TREE: Final = "paused_with_tree"
CANCELLED_WITH_TREE: Final = "cancelled_with_tree"
ASKED_AGAIN: Final = "asked_again"
"""A person retries an expansion that failed: a graph that could not be read is read anew."""
LISTS_WALKING: Final = frozenset({"graph_walking", "editions_walking"})
"""An expansion waits for lists of MusicBrainz that are being read."""
CHILDREN_PAUSED: Final = "children_paused"
TREE_CODES: Final = frozenset({WAITS_FOR_TURN, PAUSED_WITH_TREE, CANCELLED_WITH_TREE})
"""Codes that a tree writes on its children; they mean nothing once a child goes on."""
OF_CRATES: Final = ("label_name", "studio_only")
OF_DISCOGRAPHIES: Final = ("profile", "exclude_compilations", "exclude_live", "secondary_types")
OF_ONE_RELEASE: Final = ("tracks", "better_than", "target_profile")
"""Constraints that speak of one release's tracks or of one file, and so of no tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeOutcome:
    """The state of a tree that was expanded, with the code and params that say why."""

    state: JobState
    code: str = ""
    params: Mapping[str, Param] = field(default_factory=dict)


def tree_outcome(
    children: Mapping[JobState, int], *, held: int = 0, waiting: int = 0, elsewhere: int = 0, elsewhere_paused: int = 0
) -> TreeOutcome:
    """The state of an expanded tree, told by how many of its children are in which state.

    `held`: releases that it needed not fetch; they count as done. `waiting`: paused children that only wait for their turn.
    `elsewhere`: releases that a job outside of the tree is on its way to; `elsewhere_paused` of these are paused.
    """
    total = sum(children.values())
    completed, partial = children.get(JobState.COMPLETED, 0), children.get(JobState.PARTIAL, 0)
    ended = sum(children.get(state, 0) for state in JOB_ENDED)
    if ended < total or elsewhere:
        paused = children.get(JobState.PAUSED, 0) - waiting + elsewhere_paused
        if paused == total - ended + elsewhere:
            return TreeOutcome(state=JobState.RUNNING, code=CHILDREN_PAUSED, params={"paused": paused})
        return TreeOutcome(state=JobState.RUNNING)
    if total == 0:
        if held:
            return TreeOutcome(state=JobState.COMPLETED, code="all_releases_held", params={"releases": held})
        return TreeOutcome(state=JobState.FAILED, code="nothing_planned")
    if completed == total:
        return TreeOutcome(state=JobState.COMPLETED)
    words: Mapping[str, Param] = {"failed": total - completed, "total": total}
    if completed or partial or held:
        return TreeOutcome(state=JobState.PARTIAL, code="releases_failed", params=words)
    if children.get(JobState.CANCELLED, 0) == total:
        return TreeOutcome(state=JobState.CANCELLED, code="releases_cancelled", params={"total": total})
    return TreeOutcome(state=JobState.FAILED, code="releases_failed", params=words)


def turns_free(*, under_way: int, max_open: int) -> int:
    """How many waiting children may start."""
    return max(0, max_open - under_way)


def refuse_for_tree(wishes: Constraints) -> None:
    """Refuse constraints that no tree can pass on. Raises ConstraintsInvalid."""
    plain = Constraints()
    for key in OF_ONE_RELEASE:
        if getattr(wishes, key) != getattr(plain, key):
            raise ConstraintsInvalid(f"{key} speaks of one release; a job for many has no use for it.", key=key)


def refuse_for_kind(selection: Selection, *, kind: str) -> None:
    """Refuse a selection of the other kind of tree. Raises SelectionInvalid."""
    plain = Selection()
    others = OF_CRATES if kind == "discography" else OF_DISCOGRAPHIES
    for key in others:
        if getattr(selection, key) != getattr(plain, key):
            raise SelectionInvalid(f"{key} is not of a {kind.replace('_', ' ')}.", key=key)
