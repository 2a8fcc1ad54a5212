"""Traces of jobs over HTTP: events page by page, a summary, and columns for drawing."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import cast

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, query_of
from apps.common.api_errors import ErrorBody
from apps.common.pagination import CursorInvalid
from apps.domain.swarm.trace import TraceEvent
from apps.domain.swarm.trace_filter import TraceFilter, events_matching
from apps.domain.swarm.trace_summary import Finding, Summary
from apps.jobs.traces import JobTrace, finding_words, job_trace, summary_of_track, track_of
from apps.transfers.traces import TracingState, tracing_state

MAX_EVENTS = 1000
ANSWERS = {**REFUSALS, 409: ErrorBody}


class TraceQueryIn(serializers.Serializer[object]):
    """Filters: repeatable; an event must match one value of each kind that is given. Ids match by their beginning."""

    action = serializers.ListField(child=serializers.CharField(max_length=60), required=False, default=list)
    peer = serializers.ListField(child=serializers.CharField(max_length=200), required=False, default=list)
    track = serializers.ListField(
        child=serializers.CharField(max_length=60), required=False, default=list, help_text="Recording MBID."
    )
    transfer = serializers.ListField(child=serializers.CharField(max_length=60), required=False, default=list)
    source = serializers.ListField(  # type: ignore[assignment]  # the stubs' Field has a `source`
        child=serializers.ChoiceField(choices=["overlay", "soulseek"]), required=False, default=list
    )
    code = serializers.ListField(child=serializers.CharField(max_length=60), required=False, default=list)
    cursor = serializers.CharField(required=False, max_length=30, help_text="`next` of another page.")
    limit = serializers.IntegerField(required=False, default=200, min_value=1, max_value=MAX_EVENTS)


class TraceEventOut(serializers.Serializer[object]):
    """One event. Absent facts are null."""

    id = serializers.IntegerField(help_text="Grows along the trace; survives rotation.")
    at = serializers.DateTimeField(help_text="UTC, to the microsecond.")
    mono_s = serializers.FloatField(help_text="The node's monotonic seconds: exact differences within one run of it.")
    action = serializers.CharField()
    job = serializers.UUIDField()
    track = serializers.UUIDField(help_text="Recording MBID.")
    variant = serializers.CharField(help_text="Payload root, hex.")
    transfer = serializers.UUIDField()
    source = serializers.CharField()  # type: ignore[assignment]  # the stubs' Field has a `source`
    peer = serializers.CharField(allow_blank=True)
    leaf = serializers.IntegerField(allow_null=True)
    offset = serializers.IntegerField(allow_null=True)
    bytes = serializers.IntegerField()
    duration_ms = serializers.FloatField(allow_null=True)
    code = serializers.CharField(allow_blank=True)


class TracePageOut(serializers.Serializer[object]):
    """A page of events, the oldest first."""

    items = TraceEventOut(many=True)
    next = serializers.CharField(allow_null=True)
    unreadable = serializers.IntegerField(help_text="Lines of the trace that were skipped.")
    torn = serializers.BooleanField(help_text="The last line is incomplete: a crash, or the node is writing it.")


class FindingOut(serializers.Serializer[object]):
    """Something out of the ordinary."""

    code = serializers.CharField()
    params = serializers.DictField()
    message = serializers.SerializerMethodField()
    tone = serializers.ChoiceField(choices=["bad", "warn", "info"])
    at = serializers.DateTimeField(allow_null=True)
    peer = serializers.CharField(allow_blank=True)
    track = serializers.UUIDField(allow_null=True)

    @extend_schema_field(serializers.CharField)
    def get_message(self, finding: object) -> str:
        """In words."""
        assert isinstance(finding, Finding)
        return finding_words(finding)


class PeerShareOut(serializers.Serializer[object]):
    """What one peer gave; bytes unless the name says otherwise."""

    peer = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # the stubs' Field has a `source`
    verified = serializers.IntegerField()
    share = serializers.FloatField(help_text="0..1 of all verified bytes.")
    received = serializers.IntegerField()
    vain = serializers.IntegerField(help_text="Duplicates, and what came too late.")
    bad = serializers.IntegerField()
    bad_leaves = serializers.IntegerField()
    lost = serializers.IntegerField(help_text="Verified, and fetched again later.")
    requests = serializers.IntegerField()
    timeouts = serializers.IntegerField()
    refusals = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    left = serializers.IntegerField(help_text="Times it left by itself.")
    mean_ms = serializers.FloatField(allow_null=True, help_text="From request to the whole chunk.")
    first_at = serializers.DateTimeField(allow_null=True)
    last_at = serializers.DateTimeField(allow_null=True)


class PlaneShareOut(serializers.Serializer[object]):
    """What one plane gave."""

    source = serializers.CharField()  # type: ignore[assignment]  # the stubs' Field has a `source`
    verified = serializers.IntegerField()
    share = serializers.FloatField()


class TracedTransferOut(serializers.Serializer[object]):
    """One payload that was fetched."""

    id = serializers.UUIDField()
    variant = serializers.CharField()
    profile = serializers.CharField(allow_blank=True)
    payload = serializers.IntegerField()
    verified = serializers.IntegerField()
    outcome = serializers.CharField(allow_blank=True, help_text="completed, aborted; empty: neither was noted yet.")
    code = serializers.CharField(allow_blank=True)
    sessions = serializers.IntegerField()


class StallOut(serializers.Serializer[object]):
    """A time without a verified byte."""

    transfer = serializers.UUIDField()
    track = serializers.UUIDField()
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    seconds = serializers.FloatField()
    code = serializers.CharField(allow_blank=True)
    open = serializers.BooleanField(help_text="It had not ended when the trace was read.")


class CurveOut(serializers.Serializer[object]):
    """Verified bytes in bins of equal length."""

    start = serializers.DateTimeField(allow_null=True)
    bin_s = serializers.FloatField()
    bins = serializers.ListField(child=serializers.IntegerField())


class SummaryOut(serializers.Serializer[object]):
    """A track, or the whole job (track null)."""

    track = serializers.UUIDField(allow_null=True)
    payload = serializers.IntegerField(help_text="Bytes of all payloads fetched.")
    verified = serializers.IntegerField()
    held_before = serializers.IntegerField(help_text="Bytes that were there before the trace began.")
    received = serializers.IntegerField()
    vain = serializers.IntegerField()
    started_at = serializers.DateTimeField(allow_null=True)
    first_byte_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    last_at = serializers.DateTimeField(allow_null=True)
    seconds = serializers.FloatField(allow_null=True)
    rescues = serializers.IntegerField()
    decisions = serializers.DictField(child=serializers.IntegerField(), help_text="Scheduler decisions by reason.")
    peers = PeerShareOut(many=True)
    planes = PlaneShareOut(many=True)
    transfers = TracedTransferOut(many=True)
    stalls = StallOut(many=True)
    curve = CurveOut()
    findings = FindingOut(many=True)


class TracedTrackOut(serializers.Serializer[object]):
    """A summary with the track's name."""

    label = serializers.CharField()  # type: ignore[assignment]  # likewise
    summary = SummaryOut()


class TracingOut(serializers.Serializer[object]):
    """What is configured."""

    enabled = serializers.BooleanField()
    max_size_mb = serializers.IntegerField()
    retention_jobs = serializers.IntegerField(source="limits.jobs")
    retention_days = serializers.IntegerField(source="limits.days")
    retention_mb = serializers.IntegerField(source="limits.total_mb")


class TraceSummaryOut(serializers.Serializer[object]):
    """A job's trace in a page."""

    job = serializers.UUIDField()
    title = serializers.CharField(allow_blank=True)
    artist = serializers.CharField(allow_blank=True)
    events = serializers.IntegerField()
    tracing = TracingOut()
    whole = SummaryOut()
    tracks = TracedTrackOut(many=True)


class TraceColumnsOut(serializers.Serializer[object]):
    """Columns of equal length; times in ticks of `tick_ms` from `start` (seconds since 1970)."""

    tick_ms = serializers.FloatField()
    start = serializers.FloatField()
    end = serializers.IntegerField()
    peers = serializers.ListField(child=serializers.DictField(), help_text="{key, source}")
    tracks = serializers.ListField(child=serializers.DictField(), help_text="{id, label}")
    transfers = serializers.ListField(child=serializers.DictField(), help_text="{id, track, variant}")
    words = serializers.ListField(child=serializers.CharField(allow_blank=True))
    outcomes = serializers.ListField(child=serializers.CharField())
    chunks = serializers.DictField(
        child=serializers.ListField(child=serializers.IntegerField()),
        help_text="peer, transfer, start, end, leaf, offset, bytes, outcome, code (word), why (word)",
    )
    marks = serializers.DictField(
        child=serializers.ListField(child=serializers.IntegerField()),
        help_text="at, action (word), kind (word), peer (-1: none), transfer, code (word)",
    )
    stalls = serializers.ListField(child=serializers.DictField())
    quiet = serializers.ListField(child=serializers.ListField(child=serializers.IntegerField()))
    stall_s = serializers.FloatField()


def event_body(event_id: int, event: TraceEvent) -> dict[str, object]:
    """An event as the API and the command line tell it."""
    return {
        "id": event_id,
        "at": event.at.isoformat().replace("+00:00", "Z"),
        "mono_s": event.mono_s,
        "action": str(event.action),
        "job": str(event.context.job),
        "track": str(event.context.track),
        "variant": event.context.variant,
        "transfer": str(event.context.transfer),
        "source": event.source.value,
        "peer": event.peer,
        "leaf": event.leaf if event.leaf >= 0 else None,
        "offset": event.offset if event.offset >= 0 else None,
        "bytes": event.length,
        "duration_ms": event.duration_ms if event.duration_ms >= 0 else None,
        "code": event.code,
    }


def summary_body(summary: Summary) -> Mapping[str, object]:
    """A track's summary as the API and the command line tell it."""
    return cast("Mapping[str, object]", SummaryOut(summary).data)


def trace_body(found: JobTrace) -> Mapping[str, object]:
    """A job's summary as the API and the command line tell it."""
    summary = found.summary()
    tracks = [{"label": found.track(one.track).label, "summary": one} for one in summary.tracks if one.track]
    body: dict[str, object] = {
        "job": found.job,
        "title": found.title,
        "artist": found.artist,
        "events": summary.events,
        "tracing": tracing_state(),
        "whole": summary.whole,
        "tracks": tracks,
    }
    return cast("Mapping[str, object]", TraceSummaryOut(body).data)


def tracing_body(state: TracingState) -> Mapping[str, object]:
    """What is configured."""
    return cast("Mapping[str, object]", TracingOut(state).data)


class Trace(ApiView):
    """The events of a job's trace."""

    @extend_schema(operation_id="job_trace", parameters=[TraceQueryIn], responses={200: TracePageOut, **ANSWERS})
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        """One page, the oldest first. `next` is null where the trace ends for now."""
        query = query_of(request, TraceQueryIn)
        wanted = TraceFilter(**{key: frozenset(cast("Sequence[str]", query[key])) for key in _KEYS})
        limit, after = cast("int", query["limit"]), _after(cast("str | None", query.get("cursor")))
        found = job_trace(job_id)
        items: list[dict[str, object]] = []
        last = None
        for event_id, event in events_matching(found.trace, wanted, after=after):
            if len(items) == limit:
                last = items[-1]["id"]
                break
            items.append(event_body(event_id, event))
        body = {"items": items, "next": str(last) if last is not None else None}
        return Response({**body, "unreadable": found.trace.unreadable, "torn": found.trace.torn})


class TraceColumns(ApiView):
    """The trace for drawing."""

    @extend_schema(operation_id="job_trace_columns", responses={200: TraceColumnsOut, **ANSWERS})
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        """All requests with what became of them; about 50 bytes each."""
        return Response(job_trace(job_id).columns())


class TraceSummaryView(ApiView):
    """The trace in a page."""

    @extend_schema(operation_id="job_trace_summary", responses={200: TraceSummaryOut, **ANSWERS})
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        """The job and its tracks."""
        return Response(trace_body(job_trace(job_id)))


class TrackSummaryView(ApiView):
    """One track of it."""

    @extend_schema(operation_id="job_trace_track_summary", responses={200: SummaryOut, **ANSWERS})
    def get(self, request: Request, job_id: uuid.UUID, track: str) -> Response:
        """`track`: recording MBID, or `[DISC-]NUMBER`."""
        found = job_trace(job_id)
        return Response(summary_body(summary_of_track(found, track_of(found, track))))


class Tracing(ApiView):
    """Whether swarms are traced."""

    @extend_schema(operation_id="tracing", responses={200: TracingOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """`swarm.tracing` of the configuration; it is changed there, and read at the start."""
        return Response(tracing_body(tracing_state()))


_KEYS = ("action", "peer", "track", "transfer", "source", "code")


def _after(cursor: str | None) -> int:
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdecimal()):
        raise CursorInvalid("This cursor is not from this list.")
    return int(cursor)
