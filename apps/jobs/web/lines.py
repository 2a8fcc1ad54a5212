"""Jobs and tracks as pages show them: words, tones and icons of states, what can be done, bytes and speeds of a whole list in few queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext

from apps.common.sentences import Sentence, sentence, source_sentence
from apps.common.text import display_text
from apps.common.web.looks import Look
from apps.domain.jobs.lifecycle import JOB_MOVES, JobState, TrackState, WantPhase
from apps.jobs.selectors import JobTree, RejectedView, RunnerUpView, SourceView, TrackView
from apps.jobs.selectors_list import JobRow, TrackProgress, track_progress
from apps.jobs.selectors_tree import TreeFigures

JOB_LOOKS: Mapping[JobState, Look] = {
    JobState.PENDING: Look(lazy("Waiting"), "clock", "idle"),
    JobState.RESOLVING: Look(lazy("Resolving"), "search", "info"),
    JobState.RUNNING: Look(lazy("Arriving"), "down", "overlay"),
    JobState.PAUSED: Look(lazy("Paused"), "pause", "warn"),
    JobState.COMPLETED: Look(lazy("Here"), "check", "ok"),
    JobState.PARTIAL: Look(lazy("Partly here"), "partial", "warn"),
    JobState.FAILED: Look(lazy("Failed"), "cross", "bad"),
    JobState.CANCELLED: Look(lazy("Cancelled"), "stop", "idle"),
}
TRACK_LOOKS: Mapping[TrackState, Look] = {
    TrackState.WANTED: Look(lazy("Waiting"), "clock", "idle"),
    TrackState.DOWNLOADING: Look(lazy("Arriving"), "down", "overlay"),
    TrackState.VERIFYING: Look(lazy("Verifying"), "ear", "info"),
    TrackState.COMPLETED: Look(lazy("Verified"), "check", "ok"),
    TrackState.FAILED: Look(lazy("Failed"), "cross", "bad"),
    TrackState.CANCELLED: Look(lazy("Cancelled"), "stop", "idle"),
}
PHASE_LOOKS: Mapping[WantPhase, Look] = {
    WantPhase.SEEKING: Look(lazy("Looking"), "search", "info"),
    WantPhase.NO_SOURCE: Look(lazy("No source"), "search", "warn"),
    WantPhase.PAUSED: Look(lazy("Paused"), "pause", "warn"),
    WantPhase.BLOCKED: Look(lazy("Blocked"), "warning", "warn"),
}
UNCONFIRMED = Look(lazy("Unconfirmed"), "check", "warn")
SOURCE_LOOKS: Mapping[str, Look] = {
    "new": Look(lazy("Greeting"), "clock", "idle"),
    "negotiating": Look(lazy("Asking"), "clock", "info"),
    "ready": Look(lazy("Ready"), "clock", "idle"),
    "requesting": Look(lazy("Sending"), "down", "overlay"),
    "draining": Look(lazy("Ending"), "down", "idle"),
    "verifying": Look(lazy("Sending"), "down", "overlay"),
    "completed": Look(lazy("Done"), "check", "ok"),
    "aborted": Look(lazy("Dropped"), "cross", "bad"),
}
"""By the downloader's states of `overlay_node.protocol`, as source rows hold them."""
MAX_ARCS = 40  # of a disc; more are drawn as one (DISC_MAX_ARCS)
MAX_SEGMENTS = 6  # tones of a stacked bar; further sources share the last


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """What a person can do to a job now."""

    pause: bool
    resume: bool
    cancel: bool
    retry: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """Bytes of a job over its chosen payloads; `expected_bytes` guesses the whole where some tracks have none yet."""

    payload_bytes: int
    verified_bytes: int
    expected_bytes: float
    speed_bps: int

    @property
    def eta_s(self) -> float | None:
        """Seconds to go for the whole at this speed."""
        left = self.expected_bytes - self.verified_bytes
        return left / self.speed_bps if self.speed_bps > 0 and left > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLine:
    """One job in the list."""

    row: JobRow
    look: Look
    says: Sentence
    tracks: int
    completed: int
    disc: tuple[Mapping[str, object], ...]
    sum: Sum
    bar: tuple[Mapping[str, object], ...]
    bar_total: float
    actions: Actions
    figures: TreeFigures | None = None
    """of a job of jobs"""

    @property
    def label(self) -> str:
        """What the bar says to those who don't see it."""
        return _("Progress of %(title)s") % {"title": display_text(self.row.title, limit=120)}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLine:
    """One peer under a track."""

    view: SourceView
    look: Look
    says: Sentence
    tone: str

    @property
    def percent(self) -> int:
        """Share of the file's bytes."""
        return round(100 * self.view.share)


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedLine:
    """A refused payload under a track."""

    view: RejectedView
    says: Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedLine:
    """A payload that was not chosen, under a track."""

    view: RunnerUpView
    says: Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackLine:
    """One track of the tree."""

    view: TrackView
    look: Look
    says: Sentence
    segments: tuple[Mapping[str, object], ...]
    sources: tuple[SourceLine, ...]
    rejected: tuple[RejectedLine, ...]
    open: bool
    chosen: str = ""
    """why its payload was taken; "" when there was no choice to make"""
    passed: tuple[PassedLine, ...] = ()

    @property
    def label(self) -> str:
        """What the bar says to those who don't see it."""
        return _("Progress of %(title)s") % {"title": display_text(self.view.title, limit=120)}


class ChoiceLines(TypedDict, total=False):
    """The parts of a TrackLine that tell of the choice."""

    chosen: str
    passed: tuple[PassedLine, ...]


def job_lines(rows: Sequence[JobRow]) -> list[JobLine]:
    """The lines of a page: two queries for all of them."""
    tracks = track_progress([row.id for row in rows if row.figures is None])
    return [_tree_line(row, row.figures) if row.figures else _line(row, tracks[row.id]) for row in rows]


def _tree_line(row: JobRow, figures: TreeFigures) -> JobLine:
    """A job of jobs: its bar is stacked by what became of its releases' tracks."""
    return JobLine(
        row=row,
        look=JOB_LOOKS[row.state],
        says=job_says(row.state, row.code, row.params),
        tracks=figures.tracks_total,
        completed=figures.tracks_completed,
        disc=releases_disc(figures, row.state),
        sum=Sum(payload_bytes=0, verified_bytes=0, expected_bytes=0.0, speed_bps=0),
        bar=figures_bar(figures),
        bar_total=float(figures.tracks_total),
        actions=actions_of(row.state, unfinished=figures.releases_failed > 0),
        figures=figures,
    )


def figures_bar(figures: TreeFigures) -> tuple[Mapping[str, object], ...]:
    """Tracks that are here, and those that failed; the rest of the bar is on its way."""
    return (
        {"value": figures.tracks_completed, "tone": "ok"},
        {"value": figures.tracks_failed, "tone": "bad"},
    )


def releases_disc(figures: TreeFigures, state: JobState) -> tuple[Mapping[str, object], ...]:
    """An arc a release, in the order here, failed, under way, waiting; of many releases each arc stands for several."""
    total = figures.releases_total
    if not total:
        return ({"tone": JOB_LOOKS[state].tone, "share": 0.0},)
    arcs = min(total, MAX_ARCS)
    waiting = total - figures.releases_completed - figures.releases_failed - figures.releases_running
    kinds: list[tuple[int, Mapping[str, object]]] = [
        (figures.releases_completed, {"tone": "ok", "share": 1.0}),
        (figures.releases_failed, {"tone": "bad", "share": 1.0}),
        (figures.releases_running, {"tone": "overlay", "share": 0.5}),
        (max(0, waiting), {"tone": "idle", "share": 0.0}),
    ]
    drawn: list[Mapping[str, object]] = []
    reached = 0
    for count, part in kinds:
        reached += count
        drawn += [part] * (round(arcs * reached / total) - len(drawn))
    return tuple(drawn)


def _line(row: JobRow, tracks: Sequence[TrackProgress]) -> JobLine:
    payload, verified = sum(one.payload_bytes for one in tracks), sum(one.verified_bytes for one in tracks)
    expected = expected_bytes(payload, known=sum(one.chosen for one in tracks), tracks=len(tracks))
    unfinished = any(one.state in {TrackState.FAILED, TrackState.CANCELLED} for one in tracks)
    return JobLine(
        row=row,
        look=JOB_LOOKS[row.state],
        says=job_says(row.state, row.code, row.params),
        tracks=len(tracks),
        completed=sum(one.state is TrackState.COMPLETED for one in tracks),
        disc=tuple(arc(one.state, share=one.share) for one in tracks)
        or ({"tone": JOB_LOOKS[row.state].tone, "share": 0.0},),
        sum=Sum(
            payload_bytes=payload,
            verified_bytes=verified,
            expected_bytes=expected,
            speed_bps=sum(one.speed_bps for one in tracks),
        ),
        bar=({"value": verified, "tone": "ok" if row.state is JobState.COMPLETED else "overlay"},),
        bar_total=expected,
        actions=actions_of(row.state, unfinished=unfinished),
    )


def expected_bytes(payload_bytes: int, *, known: int, tracks: int) -> float:
    """Bytes of a whole job, when only `known` of its tracks have a payload yet: the others are taken to be as large on average."""
    return payload_bytes * tracks / known if known else 0.0


def arc(state: TrackState, *, share: float) -> Mapping[str, object]:
    """A track on the disc: ended tracks are drawn whole, others as far as they are."""
    whole = state in {TrackState.COMPLETED, TrackState.FAILED}
    return {"tone": TRACK_LOOKS[state].tone, "share": 1.0 if whole else share}


def actions_of(state: JobState, *, unfinished: bool) -> Actions:
    """What the state table allows. `unfinished`: some track failed or was cancelled."""
    targets = JOB_MOVES[state]
    return Actions(
        pause=JobState.PAUSED in targets,
        resume=state is JobState.PAUSED,
        cancel=JobState.CANCELLED in targets,
        retry=state in {JobState.FAILED, JobState.CANCELLED, JobState.PARTIAL}
        or (state is JobState.RUNNING and unfinished),
    )


def job_says(state: JobState, code: str, params: Mapping[str, object]) -> Sentence:
    """Why it is so: the job's code, else what its state means where that is not plain."""
    if code:
        return sentence(code, params)
    quiet = {JobState.PENDING: "pending", JobState.RESOLVING: "resolving", JobState.PAUSED: "paused"}
    return sentence(quiet.get(state, ""))


def tree_disc(tree: JobTree) -> Sequence[Mapping[str, object]]:
    """The disc of a job page."""
    if tree.figures:
        return releases_disc(tree.figures, tree.state)
    return [arc(track.state, share=_share(track)) for track in tree.tracks] or [{"tone": "idle", "share": 0.0}]


def tree_actions(tree: JobTree) -> Actions:
    """What can be done with it."""
    ended_badly = {TrackState.FAILED, TrackState.CANCELLED}
    unfinished = any(track.state in ended_badly for track in tree.tracks)
    return actions_of(tree.state, unfinished=unfinished or bool(tree.figures and tree.figures.releases_failed))


def tree_sum(tree: JobTree) -> Sum:
    """Bytes and speed of it."""
    known = sum(track.transfer is not None for track in tree.tracks)
    return Sum(
        payload_bytes=tree.payload_bytes,
        verified_bytes=tree.verified_bytes,
        expected_bytes=expected_bytes(tree.payload_bytes, known=known, tracks=len(tree.tracks)),
        speed_bps=tree.speed_bps,
    )


def tree_bar(tree: JobTree) -> Sequence[Mapping[str, object]]:
    """Segments by source over all tracks: the largest givers apart, the rest as one. Of a job of jobs: what became of its tracks."""
    if tree.figures:
        return figures_bar(tree.figures)
    given: dict[str, int] = {}
    for track in tree.tracks:
        for source in track.sources:
            given[source.peer] = given.get(source.peer, 0) + source.verified_bytes
    largest = sorted(given.values(), reverse=True)
    parts = [*largest[: MAX_SEGMENTS - 1], sum(largest[MAX_SEGMENTS - 1 :])]
    return [{"value": value, "tone": f"s{index}"} for index, value in enumerate(parts)]


def wishes(constraints: Mapping[str, object]) -> list[str]:
    """Constraints that differ from what every job has, in words."""
    tracks, limit = constraints.get("tracks"), constraints.get("overlay_bandwidth_kbps")
    lossy = constraints.get("max_lossy_tracks_per_album")
    said = [
        _("lossless only") if constraints.get("allow_lossy") is False else "",
        {"canonical": _("canonical variant only"), "no-transcodes": _("no transcodes")}.get(
            str(constraints.get("download_mode")), ""
        ),
        _("original master preferred") if constraints.get("original_master") else "",
        _("fetched although held") if constraints.get("redownload") else "",
        _("from Soulseek only") if constraints.get("use_overlay") is False else "",
        _("better than %(quality)s") % {"quality": constraints["better_than"]}
        if constraints.get("better_than") is not None
        else "",
        ngettext("%(n)s track of it", "%(n)s tracks of it", len(tracks)) % {"n": len(tracks)}
        if isinstance(tracks, list | tuple) and tracks
        else "",
        _("at most %(n)s lossy") % {"n": lossy} if lossy is not None else "",
        _("at most %(n)s KiB/s") % {"n": limit} if limit else "",
        _("into %(folder)s") % {"folder": display_text(constraints["target_dir"], limit=120)}
        if constraints.get("target_dir")
        else "",
    ]
    return [words for words in said if words]


def track_line(track: TrackView) -> TrackLine:
    """A track of the tree."""
    total = track.transfer.payload_bytes if track.transfer else 0
    tones = {source.peer: f"s{min(index, MAX_SEGMENTS - 1)}" for index, source in enumerate(track.sources)}
    segments = tuple(
        {"value": source.verified_bytes, "tone": tones[source.peer]}
        for source in track.sources
        if source.verified_bytes
    )
    return TrackLine(
        view=track,
        look=_track_look(track),
        says=_track_says(track),
        segments=segments if total else (),
        sources=tuple(
            SourceLine(
                view=source,
                look=SOURCE_LOOKS.get(source.state, Look(source.state.replace("_", " ").capitalize(), "dot", "idle")),
                says=source_sentence(source.code),
                tone=tones[source.peer],
            )
            for source in track.sources
        ),
        rejected=tuple(RejectedLine(view=one, says=sentence(one.code, one.params)) for one in track.rejected),
        open=track.state in {TrackState.DOWNLOADING, TrackState.VERIFYING} or bool(track.rejected),
        **_choice_lines(track),
    )


def _choice_lines(track: TrackView) -> ChoiceLines:
    choice = track.transfer.choice if track.transfer else None
    if choice is None or not choice.others:
        return {}
    return {
        "chosen": sentence(f"chosen_{choice.term}", {"ours": choice.ours, "theirs": choice.theirs}).what,
        "passed": tuple(
            PassedLine(view=one, says=sentence(f"passed_{one.term}", {"ours": one.ours, "theirs": one.theirs}))
            for one in choice.runners_up
        ),
    }


LIKE_LOOKS: Mapping[str, Look] = {
    "duration": Look(lazy("Held, by length only"), "check", "info"),
    "consensus": Look(lazy("Held, by consensus"), "check", "info"),
}


def _track_look(track: TrackView) -> Look:
    if track.state is TrackState.COMPLETED and track.verification == "unconfirmed":
        return UNCONFIRMED
    if track.state is TrackState.COMPLETED and track.verification in LIKE_LOOKS:
        return LIKE_LOOKS[track.verification]
    if track.state in {TrackState.WANTED, TrackState.DOWNLOADING} and track.progress:
        return PHASE_LOOKS.get(track.progress.phase, TRACK_LOOKS[track.state])
    return TRACK_LOOKS[track.state]


def _track_says(track: TrackView) -> Sentence:
    if track.code:
        return sentence(track.code, track.params)
    if track.state is TrackState.COMPLETED or not track.progress:
        return Sentence("")
    if track.progress.code:
        return sentence(track.progress.code, track.progress.params)
    quiet = {WantPhase.SEEKING, WantPhase.NO_SOURCE, WantPhase.PAUSED, WantPhase.BLOCKED}
    return sentence(track.progress.phase.value) if track.progress.phase in quiet else Sentence("")


def _share(track: TrackView) -> float:
    return (
        track.transfer.verified_bytes / track.transfer.payload_bytes
        if track.transfer and track.transfer.payload_bytes
        else 0.0
    )
