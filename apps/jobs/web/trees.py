"""The releases of a job of jobs as lines: what is fetched, with its child's progress; what is held; what is left out, and why."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.template.loader import render_to_string
from django.utils.translation import gettext_lazy as lazy

from apps.common.pagination import Page
from apps.common.sentences import Sentence, Words, sentence
from apps.common.web.looks import Look
from apps.domain.jobs.tree import TREE_KINDS
from apps.jobs.selectors import JobTree
from apps.jobs.selectors_list import JobFilter, job_page, jobs_of, tree_planned
from apps.jobs.selectors_tree import PlannedView, planned_page
from apps.jobs.web.lines import JobLine, job_lines
from apps.nodelink.web.frame import Rights

PLANNED_LOOKS: Mapping[str, Look] = {
    "wanted": Look(lazy("Waiting"), "clock", "idle"),
    "held": Look(lazy("Held"), "check", "ok"),
    "omitted": Look(lazy("Left out"), "stop", "idle"),
}
TABS: Sequence[tuple[str, Words]] = (
    ("", lazy("All")),
    ("wanted", lazy("Fetched")),
    ("held", lazy("Held")),
    ("omitted", lazy("Left out")),
)
UNFOLDED = 25
"""Releases under a job in the list; its own page shows more at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLine:
    """A release of a job of jobs. `child` fetches it; None: nothing does (yet)."""

    key: uuid.UUID
    title: str
    artist: str
    year: str
    kind: str
    track_count: int
    recommended: bool
    look: Look
    says: Sentence
    chosen: Sentence
    """Why this edition; empty where `says` tells why there is none."""
    child: JobLine | None
    other_id: uuid.UUID | None = None
    """The job of another tree that fetches or fetched it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Releases:
    """A stretch of a job's releases."""

    job_id: uuid.UUID
    page: Page[object]
    lines: tuple[PlannedLine, ...]


def releases_of(job_id: uuid.UUID, *, state: str = "", cursor: str | None = None, limit: int = 50) -> Releases:
    """A page of what the job looked at; of one that was imported without its plan, of its children. Six queries at most. Raises CursorInvalid."""
    if not tree_planned(job_id):
        children = job_page(JobFilter(parent=job_id), cursor=cursor, limit=limit, counted=False)
        found: Page[object] = Page((), children.next_cursor, children.previous_cursor)
        return Releases(job_id=job_id, page=found, lines=tuple(_of_child(line) for line in job_lines(children.items)))
    page = planned_page(job_id, state=state, cursor=cursor, limit=limit)
    rows = jobs_of([view.child_id for view in page.items if view.child_id is not None])
    by_id = {line.row.id: line for line in job_lines(rows)}
    lines = tuple(_line(view, by_id.get(view.child_id) if view.child_id else None) for view in page.items)
    return Releases(job_id=job_id, page=Page(page.items, page.next_cursor, page.previous_cursor), lines=lines)


def release_parts(releases: Releases, *, rights: Rights, inside: bool) -> dict[str, object]:
    """Each line as HTML by its element's id. `inside`: below its job in the list."""
    context = {"rights": rights, "inside": inside}
    return {
        f"planned-{line.key}": render_to_string("jobs/_planned.html", {**context, "planned": line})
        for line in releases.lines
    }


def is_tree(tree: JobTree) -> bool:
    """It has releases and no tracks of its own."""
    return tree.kind in TREE_KINDS


def _line(view: PlannedView, child: JobLine | None) -> PlannedLine:
    said = sentence(view.reason)
    fetched = view.state == "wanted"
    return PlannedLine(
        key=view.release_mbid,
        title=view.title,
        artist=view.artist,
        year=view.year,
        kind=view.kind,
        track_count=view.track_count,
        recommended=view.recommended,
        look=child.look if child else PLANNED_LOOKS[view.state],
        says=(child.says if child else said if view.other_id else sentence("child_not_made")) if fetched else said,
        chosen=said if fetched and not view.other_id else Sentence(""),
        child=child,
        other_id=view.other_id,
    )


def _of_child(line: JobLine) -> PlannedLine:
    row = line.row
    return PlannedLine(
        key=row.target_mbid,
        title=row.title,
        artist=row.artist,
        year=row.year,
        kind="",
        track_count=line.tracks,
        recommended=False,
        look=line.look,
        says=line.says,
        chosen=Sentence(""),
        child=line,
    )
