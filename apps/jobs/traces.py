"""A job's trace with the names of its tracks: for pages, API and terminal. Reads only."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.utils import timezone

from apps.common.sentences import sentence
from apps.common.text import display_text
from apps.domain.errors import DomainError
from apps.domain.jobs.lifecycle import JOB_ENDED, JobState
from apps.domain.swarm.trace_columns import trace_columns
from apps.domain.swarm.trace_lines import NO_TRACK, Trace
from apps.domain.swarm.trace_sentences import finding_params
from apps.domain.swarm.trace_summary import Finding, Summary, TraceSummary, trace_summary
from apps.jobs.models import Job, JobTrack
from apps.jobs.services import JobUnknown
from apps.transfers.traces import (
    group_last_active,
    oldest_trace_at,
    trace_of,
    traces_count,
    tracing_state,
)


class TraceMissing(DomainError):
    """There is nothing to show; the code says why."""

    default_code = "trace_none"


class TrackUnknown(DomainError):
    """The trace has nothing of this track."""

    default_code = "trace_track_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedTrack:
    """A track that something was fetched for, as a person knows it."""

    recording: uuid.UUID
    medium: int = 1
    position: int = 0
    """0: the job has no such track any more, or never had"""
    title: str = ""

    @property
    def label(self) -> str:
        """What it is called."""
        if not self.position:
            return self.title or str(self.recording)[:8]
        number = f"{self.medium}-{self.position:02}" if self.medium > 1 else f"{self.position:02}"
        return f"{number} {display_text(self.title, limit=120)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTrace:
    """A trace, and whose."""

    job: uuid.UUID
    title: str
    artist: str
    running: bool
    """the job has not ended"""
    trace: Trace
    tracks: Mapping[uuid.UUID, TracedTrack]
    """by recording MBID"""

    def track(self, recording: uuid.UUID) -> TracedTrack:
        """Also for one that the job no longer has."""
        return self.tracks.get(recording) or TracedTrack(recording=recording)

    def summary(self) -> TraceSummary:
        """See `trace_summary`."""
        return trace_summary(self.trace, now=timezone.now() if self.running else None)

    def columns(self) -> dict[str, object]:
        """See `trace_columns`, with the tracks' names."""
        columns = trace_columns(self.trace, self.summary().whole.stalls)
        found = {context.track: None for context in self.trace.contexts.values()}
        columns["tracks"] = [
            {"id": str(recording), "label": self.track(recording).label}
            for recording in sorted(found, key=lambda one: (self.track(one).medium, self.track(one).position, one))
        ]
        return columns


def job_trace(job_id: uuid.UUID) -> JobTrace:
    """The trace of a job, or of a want that no job asked for.

    Raises JobUnknown, TraceMissing (`trace_off`, `trace_none`, `trace_expired`), TraceNewer, TraceUnreadable.
    """
    job = Job.objects.filter(id=job_id).values("title", "artist", "state").first()
    trace = trace_of(job_id)
    if trace is None:
        if job is None:
            raise JobUnknown("There is no such job.", job=str(job_id))
        raise _missing(job_id)
    rows = JobTrack.objects.filter(job_id=job_id).values_list("recording_mbid", "medium_position", "position", "title")
    return JobTrace(
        job=job_id,
        title=job["title"] if job else "",
        artist=job["artist"] if job else "",
        running=job is not None and JobState(job["state"]) not in JOB_ENDED,
        trace=trace,
        tracks={
            recording: TracedTrack(recording=recording, medium=medium, position=position, title=title)
            for recording, medium, position, title in rows
        },
    )


def track_of(found: JobTrace, text: str) -> uuid.UUID:
    """The recording that `text` names: its MBID, the beginning of it, or `[DISC-]NUMBER`. Raises TrackUnknown."""
    traced = {context.track for context in found.trace.contexts.values()} - {NO_TRACK}
    text = text.strip().lower()
    disc, _, number = text.rpartition("-")
    if number.isdecimal() and (not disc or disc.isdecimal()) and len(number) <= 4:
        place = (int(disc or 1), int(number))
        matches = [one.recording for one in found.tracks.values() if (one.medium, one.position) == place]
    else:
        matches = [one for one in sorted(traced, key=str) if str(one).startswith(text)] if len(text) >= 4 else []
    if len(matches) != 1 or matches[0] not in traced:
        raise TrackUnknown("Nothing was fetched for this track while tracing was on.", track=text[:60])
    return matches[0]


def summary_of_track(found: JobTrace, recording: uuid.UUID) -> Summary:
    """One track of the summary. Raises TrackUnknown."""
    for track in found.summary().tracks:
        if track.track == recording:
            return track
    raise TrackUnknown("Nothing was fetched for this track while tracing was on.", track=str(recording))


def finding_words(finding: Finding) -> str:
    """A finding for a person."""
    return str(sentence(finding.code, finding_params(finding.params)))


def findings_with_tracks(found: JobTrace, findings: Iterable[Finding]) -> list[tuple[Finding, str, str]]:
    """Findings with their sentence and the track they are about ("" where it is the job)."""
    return [(one, finding_words(one), found.track(one.track).label if one.track else "") for one in findings]


def _missing(job_id: uuid.UUID) -> TraceMissing:
    state, active = tracing_state(), group_last_active(job_id)
    if active is not None:
        age = timezone.now() - active
        crowded = traces_count() >= state.limits.jobs and (oldest_trace_at() or active) > active
        if age.days >= state.limits.days or crowded:
            return TraceMissing(
                "The trace of this job is deleted.",
                code="trace_expired",
                jobs=state.limits.jobs,
                days=state.limits.days,
            )
    if not state.enabled:
        return TraceMissing("This job has no trace, and tracing is off (swarm.tracing.enabled).", code="trace_off")
    return TraceMissing("This job has no trace: nothing was fetched for it while tracing was on.")
