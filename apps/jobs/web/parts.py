"""The moving parts of job pages as HTML by element id: the same templates that made the page make its patches."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext_lazy as lazy

from apps.common.pagination import Page
from apps.common.sentences import Words, sentence
from apps.common.text import searched
from apps.domain.jobs.lifecycle import JobState, TrackState
from apps.jobs.selectors import JobTree, job_tree
from apps.jobs.selectors_list import JobFilter, JobRow, job_page, people_asking, reasons_shown
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
from apps.jobs.web.trees import UNFOLDED, Releases, is_tree, release_parts, releases_of
from apps.nodelink.web.frame import Rights, frame_parts
from apps.soulseek.selectors_download import streams_of_wants
from apps.soulseek.web.downloads import line_of as download_line

GROUPS: Mapping[str, Sequence[JobState]] = {
    "open": (JobState.PENDING, JobState.RESOLVING, JobState.RUNNING, JobState.PAUSED),
    "attention": (JobState.FAILED, JobState.PARTIAL),
    "done": (JobState.COMPLETED,),
    "cancelled": (JobState.CANCELLED,),
}
"""Filters of the list: what is arriving, what needs a decision, what is here, what was called off."""
KINDS: Mapping[str, Words] = {
    "mb_release": lazy("Releases"),
    "recording": lazy("Recordings"),
    "discography": lazy("Discographies"),
    "label_crate": lazy("Label crates"),
}
KIND_WORDS: Mapping[str, Words] = {
    "mb_release": lazy("Release"),
    "recording": lazy("Recording"),
    "discography": lazy("Discography"),
    "label_crate": lazy("Label crate"),
}
ORIGINS: Mapping[str, Words] = {
    "person": lazy("By a person"),
    "doctor": lazy("By the doctor"),
    "job": lazy("By a job"),
    "wishlist": lazy("By the wishlist"),
    "v0": lazy("By slskd's API"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """The list a page shows, as its address says. `open`: the job of jobs that is unfolded, `at`: where in its releases."""

    group: str = ""
    text: str = ""
    cursor: str | None = None
    kind: str = ""
    origin: str = ""
    person: str = ""
    reason: str = ""
    open: uuid.UUID | None = None
    at: str | None = None

    @classmethod
    def of(cls, params: Mapping[str, str]) -> ListQuery:
        """From a query string; unknown words are ignored."""
        group, kind, origin = params.get("show", ""), params.get("kind", ""), params.get("origin", "")
        try:
            unfolded = uuid.UUID(params.get("open", ""))
        except ValueError:
            unfolded = None
        return cls(
            group=group if group in GROUPS else "",
            text=searched(params.get("q", "")),
            cursor=params.get("cursor") or None,
            kind=kind if kind in KINDS else "",
            origin=origin if origin in ORIGINS else "",
            person=searched(params.get("person", "")),
            reason=searched(params.get("reason", ""))[:60],
            open=unfolded,
            at=params.get("at") or None,
        )

    @property
    def narrowed(self) -> bool:
        """Something is left out of the list."""
        return any((self.group, self.text, self.kind, self.origin, self.person, self.reason))

    @property
    def folded(self) -> str:
        """The address of this page with nothing unfolded."""
        given = {
            "show": self.group,
            "kind": self.kind,
            "origin": self.origin,
            "person": self.person,
            "reason": self.reason,
            "q": self.text,
            "cursor": self.cursor or "",
        }
        words = urlencode({key: value for key, value in given.items() if value})
        return f"{reverse('arriving')}?{words}" if words else reverse("arriving")

    @property
    def opening(self) -> str:
        """The same, to be followed by the id of the job that is unfolded."""
        folded = self.folded
        return f"{folded}{'&' if '?' in folded else '?'}open="

    @property
    def filter(self) -> JobFilter:
        """As the selectors want it."""
        return JobFilter(
            states=frozenset(GROUPS.get(self.group, ())),
            kinds=frozenset({self.kind} if self.kind else ()),
            origin=self.origin,
            person=self.person,
            text=self.text,
            reason=self.reason,
        )


def list_page(query: ListQuery) -> tuple[Page[JobRow], list[JobLine]]:
    """The page and its lines; a fixed number of queries however many jobs there are. Raises CursorInvalid."""
    page = job_page(query.filter, cursor=query.cursor, counted=False)
    return page, job_lines(page.items)


def unfolded(query: ListQuery, page: Page[JobRow]) -> Releases | None:
    """The releases of the job that is unfolded on this page. Raises CursorInvalid."""
    if query.open is None or all(row.id != query.open or row.figures is None for row in page.items):
        return None
    return releases_of(query.open, cursor=query.at, limit=UNFOLDED)


def list_parts(query: ListQuery, *, rights: Rights) -> Mapping[str, object]:
    """Rows of the list, newest first, with the releases of the one that is unfolded, and the frame."""
    page, lines = list_page(query)
    releases = unfolded(query, page)
    rows: dict[str, object] = {}
    for line in lines:
        context = {"line": line, "rights": rights, "releases": releases, "query": query}
        rows[f"job-{line.row.id}"] = render_to_string("jobs/_row.html", context)
        if releases is not None and releases.job_id == line.row.id:
            rows |= release_parts(releases, rights=rights, inside=True)
    return {**frame_parts(), **rows}


def list_choices() -> dict[str, object]:
    """What the filters offer; two queries."""
    reasons = [(code, reason_words(code), count) for code, count in reasons_shown()]
    return {"kinds": KINDS.items(), "origins": ORIGINS.items(), "people": people_asking(), "reasons": reasons}


def reason_words(code: str) -> str:
    """A code in a few words, where its sentence has figures that differ from job to job."""
    words = sentence(code).what
    return code.replace("_", " ").capitalize() if "{" in words or len(words) > 60 else words


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
        "kind_word": KIND_WORDS.get(tree.kind, tree.kind),
        "rescue": tree.rescue,
        "bad_leaves": sum(source.bad_leaves for track in tree.tracks for source in track.sources),
    }


def tree_parts(job_id: uuid.UUID, *, rights: Rights, show: str = "", cursor: str | None = None) -> Mapping[str, object]:
    """Head and tracks (or, of a job of jobs, a page of its releases) of a job page, and the frame."""
    tree = job_tree(job_id)
    if tree is None:
        return frame_parts()
    head = render_to_string("jobs/_head.html", {**tree_context(tree), "rights": rights})
    if is_tree(tree):
        rows = release_parts(releases_of(job_id, state=show, cursor=cursor), rights=rights, inside=False)
        return {**frame_parts(), "job-head": head, **rows}
    return {**frame_parts(), "job-head": head, **track_parts(tree)}


def track_parts(tree: JobTree) -> dict[str, object]:
    """Tracks in order, with a heading before each medium of a set."""
    parts: dict[str, object] = {}
    several = len({track.medium for track in tree.tracks}) > 1
    medium = 0
    streams = streams_of_wants([track.want_id for track in tree.tracks if track.want_id is not None])
    for track in tree.tracks:
        if several and track.medium != medium:
            medium = track.medium
            parts[f"medium-{medium}"] = render_to_string("jobs/_medium.html", {"medium": medium})
        stream = streams.get(track.want_id) if track.want_id is not None else None
        shown = stream is not None and (stream.live or track.state is not TrackState.COMPLETED)
        context = {
            "line": track_line(track),
            "job": tree,
            "stream": download_line(stream) if stream and shown else None,
        }
        parts[f"track-{track.id}"] = render_to_string("jobs/_track.html", context)
    if not parts:
        parts["tracks-empty"] = render_to_string("jobs/_no_tracks.html", {"job": tree})
    return parts
