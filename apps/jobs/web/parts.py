"""The moving parts of job pages as HTML by element id: the same templates that made the page make its patches."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.template.loader import render_to_string

from apps.common.pagination import Page
from apps.common.text import searched
from apps.domain.jobs.lifecycle import JobState
from apps.jobs.selectors import JobRow, JobTree, job_tree
from apps.jobs.selectors_list import job_page
from apps.jobs.web.lines import (
    JOB_LOOKS,
    JobLine,
    job_lines,
    job_says,
    track_line,
    tree_actions,
    tree_bar,
    tree_disc,
    tree_sum,
    wishes,
)
from apps.nodelink.web.frame import Rights, frame_parts

GROUPS: Mapping[str, Sequence[JobState]] = {
    "open": (JobState.PENDING, JobState.RESOLVING, JobState.RUNNING, JobState.PAUSED),
    "attention": (JobState.FAILED, JobState.PARTIAL),
    "done": (JobState.COMPLETED,),
    "cancelled": (JobState.CANCELLED,),
}
"""Filters of the list: what is arriving, what needs a decision, what is here, what was called off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """The list a page shows, as its address says."""

    group: str = ""
    text: str = ""
    cursor: str | None = None

    @classmethod
    def of(cls, params: Mapping[str, str]) -> ListQuery:
        """From a query string; unknown words are ignored."""
        group = params.get("show", "")
        return cls(
            group=group if group in GROUPS else "",
            text=searched(params.get("q", "")),
            cursor=params.get("cursor") or None,
        )


def list_page(query: ListQuery) -> tuple[Page[JobRow], list[JobLine]]:
    """The page and its lines; three queries however many jobs there are. Raises CursorInvalid."""
    page = job_page(states=GROUPS.get(query.group, ()), text=query.text, cursor=query.cursor)
    return page, job_lines(page.items)


def list_parts(query: ListQuery, *, rights: Rights) -> Mapping[str, object]:
    """Rows of the list, newest first, and the frame."""
    _page, lines = list_page(query)
    rows = {
        f"job-{line.row.id}": render_to_string("jobs/_row.html", {"line": line, "rights": rights}) for line in lines
    }
    return {**frame_parts(), **rows}


def tree_context(tree: JobTree) -> dict[str, object]:
    """What the head of a job page needs."""
    return {
        "look": JOB_LOOKS[tree.state],
        "says": job_says(tree.state, tree.code, tree.params),
        "segments": tree_bar(tree),
        "wishes": wishes(tree.constraints),
        "job": tree,
        "disc_parts": tree_disc(tree),
        "actions": tree_actions(tree),
        "sum": tree_sum(tree),
        "sources": len({source.peer for track in tree.tracks for source in track.sources if source.verified_bytes}),
        "bad_leaves": sum(source.bad_leaves for track in tree.tracks for source in track.sources),
    }


def tree_parts(job_id: uuid.UUID, *, rights: Rights) -> Mapping[str, object]:
    """Head and tracks of a job page, and the frame."""
    tree = job_tree(job_id)
    if tree is None:
        return frame_parts()
    head = render_to_string("jobs/_head.html", {**tree_context(tree), "rights": rights})
    return {**frame_parts(), "job-head": head, **track_parts(tree)}


def track_parts(tree: JobTree) -> dict[str, object]:
    """Tracks in order, with a heading before each medium of a set."""
    parts: dict[str, object] = {}
    several = len({track.medium for track in tree.tracks}) > 1
    medium = 0
    for track in tree.tracks:
        if several and track.medium != medium:
            medium = track.medium
            parts[f"medium-{medium}"] = render_to_string("jobs/_medium.html", {"medium": medium})
        parts[f"track-{track.id}"] = render_to_string("jobs/_track.html", {"line": track_line(track), "job": tree})
    if not parts:
        parts["tracks-empty"] = render_to_string("jobs/_no_tracks.html", {"job": tree})
    return parts
