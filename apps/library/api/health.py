"""The Collection Doctor over HTTP: overview, issues, what a person decides, looks. Fixing is apps.remediation's, at the same addresses."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Mapping
from typing import cast

from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, PageQuery, body_of, page_body, person_of, query_of
from apps.common.api_errors import ErrorBody
from apps.common.pagination import MAX_INTEGER, keyset_page
from apps.common.sentences import sentence
from apps.common.text import searched
from apps.domain.library.issues import PERSON_MOVES, IssueSeverity, IssueState, IssueType
from apps.library.selectors_issues import (
    SCAN_ORDER,
    SHOWN_STATES,
    SORTS,
    HealthSummary,
    IssueFilter,
    Sort,
    health_summary,
    issue_one,
    issue_query,
    per_thousand,
    scan_one,
    scan_query,
    scan_views,
)
from apps.library.services_doctor import (
    DoctorScanUnknown,
    doctor_scan_cancel,
    doctor_scan_create,
    doctor_scan_pause,
    doctor_scan_resume,
)
from apps.library.services_issues import IssueMoveRefused, IssueUnknown, issues_decide

SCAN_ACTIONS: Mapping[str, Callable[[uuid.UUID], None]] = {
    "pause": doctor_scan_pause,
    "resume": doctor_scan_resume,
    "cancel": doctor_scan_cancel,
}
MAX_IDS = 200
"""Issues of one bulk request: a page of the list."""

DECISIONS = sorted(one.value for one in PERSON_MOVES)
"""States that a person may put an issue in."""


class IssueQueryIn(PageQuery):
    """Filters of the list."""

    state = serializers.ChoiceField(
        SHOWN_STATES, required=False, default="open", help_text="open: neither ignored nor resolved."
    )
    type = serializers.ChoiceField([one.value for one in IssueType], required=False)
    severity = serializers.ChoiceField([one.value for one in IssueSeverity], required=False)
    artist = serializers.CharField(required=False, max_length=200, help_text="The whole name, as issues have it.")
    release = serializers.UUIDField(required=False)
    file = serializers.IntegerField(required=False, min_value=1, max_value=MAX_INTEGER)
    text = serializers.CharField(
        required=False, max_length=200, help_text="How words of the artist's or album's name begin."
    )
    sort = serializers.ChoiceField(list(SORTS), required=False, default="worst")


class IssueOut(serializers.Serializer[object]):
    """One issue. `message` is made of `code` and `params`; `path` is text for people."""

    id = serializers.IntegerField()
    type = serializers.CharField()
    severity = serializers.CharField()
    state = serializers.CharField()
    code = serializers.CharField()
    params = serializers.JSONField()
    message = serializers.SerializerMethodField()
    artist = serializers.CharField()
    album = serializers.CharField()
    title = serializers.CharField()
    path = serializers.CharField()
    file_id = serializers.IntegerField(allow_null=True)
    variant_id = serializers.IntegerField(allow_null=True)
    release_mbid = serializers.UUIDField(allow_null=True)
    recording_mbid = serializers.UUIDField(allow_null=True)
    medium_position = serializers.IntegerField(allow_null=True)
    track_position = serializers.IntegerField(allow_null=True)
    outcome_code = serializers.CharField()
    outcome_params = serializers.JSONField()
    outcome = serializers.SerializerMethodField()
    found_by = serializers.UUIDField(allow_null=True, help_text="The look that saw it last.")
    detected_at = serializers.DateTimeField()
    seen_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()
    resolved_at = serializers.DateTimeField(allow_null=True)

    def get_message(self, row: object) -> str:
        """What is wrong, in words."""
        return sentence(row.code, row.params).what  # type: ignore[attr-defined]  # an issue's row

    def get_outcome(self, row: object) -> str:
        """What became of it, in words."""
        return str(sentence(row.outcome_code, row.outcome_params))  # type: ignore[attr-defined]


class IssuePageOut(serializers.Serializer[object]):
    """A page of issues."""

    items = IssueOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class IssueStateIn(serializers.Serializer[object]):
    """Where a person puts an issue."""

    state = serializers.ChoiceField(DECISIONS)


class IssuesStateIn(IssueStateIn):
    """The same for several."""

    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=MAX_INTEGER), min_length=1, max_length=MAX_IDS
    )


class IssuesMovedOut(serializers.Serializer[object]):
    """Which of them moved; the others are where that is not allowed, or being fixed."""

    moved = serializers.ListField(child=serializers.IntegerField())
    refused = serializers.ListField(child=serializers.IntegerField())


class TypeCountsOut(serializers.Serializer[object]):
    """Issues of one type."""

    type = serializers.CharField()
    open = serializers.IntegerField()
    fixing = serializers.IntegerField()
    failed = serializers.IntegerField()
    ignored = serializers.IntegerField()
    resolved = serializers.IntegerField()
    per_1000_tracks = serializers.FloatField(allow_null=True)
    by_severity = serializers.DictField(child=serializers.IntegerField())


class TrendDayOut(serializers.Serializer[object]):
    """One day."""

    day = serializers.DateField()
    detected = serializers.IntegerField()
    resolved = serializers.IntegerField()
    open = serializers.IntegerField()


class WorstOut(serializers.Serializer[object]):
    """Who carries many issues. `key`: value for the filters `artist` or `release`."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the base has an attribute of this name
    open = serializers.IntegerField()
    weight = serializers.IntegerField()


class DoctorScanOut(serializers.Serializer[object]):
    """One look of the doctor."""

    id = serializers.UUIDField(source="row.id")
    kind = serializers.CharField(source="row.kind")
    state = serializers.CharField(source="row.state")
    stage = serializers.CharField(source="row.stage")
    origin = serializers.CharField(source="row.origin")
    code = serializers.CharField(source="row.code")
    share = serializers.FloatField(source="progress.share")
    rows_per_s = serializers.FloatField(source="progress.per_s", allow_null=True)
    eta_s = serializers.FloatField(source="progress.eta_s", allow_null=True)
    expected = serializers.IntegerField(source="row.expected")
    done = serializers.IntegerField(source="row.done")
    files = serializers.IntegerField(source="row.files")
    found = serializers.IntegerField(source="row.found")
    added = serializers.IntegerField(source="row.added")
    resolved = serializers.IntegerField(source="row.resolved")
    held_back = serializers.IntegerField(source="row.held_back", help_text="Files whose folder is away.")
    created_at = serializers.DateTimeField(source="row.created_at")
    started_at = serializers.DateTimeField(source="row.started_at", allow_null=True)
    ended_at = serializers.DateTimeField(source="row.ended_at", allow_null=True)


class DoctorScanPageOut(serializers.Serializer[object]):
    """A page of looks."""

    items = DoctorScanOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class SummaryQueryIn(serializers.Serializer[object]):
    """How long the trend is."""

    days = serializers.IntegerField(required=False, default=30, min_value=1, max_value=90)


class HealthSummaryOut(serializers.Serializer[object]):
    """The overview. Ignored and resolved issues are counted by themselves."""

    open = serializers.IntegerField()
    ignored = serializers.IntegerField()
    resolved = serializers.IntegerField()
    tracks = serializers.IntegerField(allow_null=True)
    per_1000_tracks = serializers.FloatField(source="per_1000", allow_null=True)
    types = serializers.SerializerMethodField()
    trend = TrendDayOut(many=True)
    worst_artists = WorstOut(source="artists", many=True)
    worst_releases = WorstOut(source="releases", many=True)
    last_scan = DoctorScanOut(source="last", allow_null=True)

    @extend_schema_field(TypeCountsOut(many=True))
    def get_types(self, summary: HealthSummary) -> list[dict[str, object]]:
        """By type, each with its rate."""
        return [
            {**dataclasses.asdict(one), "per_1000_tracks": per_thousand(one.open, summary.tracks)}
            for one in summary.types
        ]


class Summary(ApiView):
    """The overview."""

    @extend_schema(
        operation_id="library_health_summary",
        parameters=[SummaryQueryIn],
        responses={200: HealthSummaryOut, **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """Counts by type, severity and state, the trend, who is worst off, the newest look. From rolled-up counts."""
        query = query_of(request, SummaryQueryIn)
        return Response(HealthSummaryOut(health_summary(now=timezone.now(), days=cast("int", query["days"]))).data)


class Issues(ApiView):
    """Issues."""

    @extend_schema(
        operation_id="library_health_issue_list", parameters=[IssueQueryIn], responses={200: IssuePageOut, **REFUSALS}
    )
    def get(self, request: Request) -> Response:
        """One page. Without `state` neither ignored nor resolved ones."""
        query = query_of(request, IssueQueryIn)
        wanted = IssueFilter(
            state=str(query["state"]),
            type=str(query.get("type", "")),
            severity=str(query.get("severity", "")),
            artist=str(query.get("artist", "")),
            release=cast("uuid.UUID | None", query.get("release")),
            file_id=cast("int | None", query.get("file")),
            text=searched(str(query.get("text", ""))),
            sort=cast("Sort", query["sort"]),
        )
        cursor, limit = cast("str | None", query.get("cursor")), cast("int", query["limit"])
        page = keyset_page(issue_query(wanted), order=wanted.order, cursor=cursor, limit=limit)
        return Response(page_body(page, IssueOut(page.items, many=True).data))


class IssuesState(ApiView):
    """Several issues at once."""

    @extend_schema(
        operation_id="library_health_issues_move", request=IssuesStateIn, responses={200: IssuesMovedOut, **REFUSALS}
    )
    def post(self, request: Request) -> Response:
        """Ignore, resolve, acknowledge or open again; those that may not are told in `refused`."""
        body = body_of(request, IssuesStateIn)
        ids = cast("list[int]", body["ids"])
        moved = issues_decide(ids, to=IssueState(str(body["state"])), by=_who(request))
        return Response({"moved": moved, "refused": sorted(set(ids) - set(moved))})


class OneIssue(ApiView):
    """One issue."""

    @extend_schema(operation_id="library_health_issue_get", responses={200: IssueOut, **REFUSALS})
    def get(self, request: Request, issue_id: int) -> Response:
        """The issue with its evidence."""
        return Response(_issue(issue_id))

    @extend_schema(
        operation_id="library_health_issue_move",
        request=IssueStateIn,
        responses={200: IssueOut, 409: ErrorBody, **REFUSALS},
    )
    def patch(self, request: Request, issue_id: int) -> Response:
        """Ignore, resolve, acknowledge or open again. 409: it is being fixed, or the move is not allowed."""
        body = body_of(request, IssueStateIn)
        before, to = _issue(issue_id), IssueState(str(body["state"]))
        if before["state"] != to.value and not issues_decide([issue_id], to=to, by=_who(request)):
            state = str(before["state"])
            raise IssueMoveRefused(f"An issue that is {state} can't become {to}.", state=state, to=to.value)
        return Response(_issue(issue_id))


class Scans(ApiView):
    """Looks of the doctor."""

    @extend_schema(
        operation_id="library_health_scan_list", parameters=[PageQuery], responses={200: DoctorScanPageOut, **REFUSALS}
    )
    def get(self, request: Request) -> Response:
        """One page, newest first."""
        query = query_of(request, PageQuery)
        cursor, limit = cast("str | None", query.get("cursor")), cast("int", query["limit"])
        page = keyset_page(scan_query(), order=SCAN_ORDER, cursor=cursor, limit=limit)
        views = scan_views(page.items, now=timezone.now())
        return Response(page_body(page, DoctorScanOut(views, many=True).data))

    @extend_schema(
        operation_id="library_health_scan", request=None, responses={202: DoctorScanOut, 409: ErrorBody, **REFUSALS}
    )
    def post(self, request: Request) -> Response:
        """Look at everything now. One that is under way is the one that was asked for."""
        scan_id, _new = doctor_scan_create()
        return Response(_scan(scan_id), status=202, headers={"Location": reverse("api-health-scan", args=[scan_id])})


class OneScan(ApiView):
    """One look."""

    @extend_schema(operation_id="library_health_scan_get", responses={200: DoctorScanOut, **REFUSALS})
    def get(self, request: Request, scan_id: uuid.UUID) -> Response:
        """How far it is."""
        return Response(_scan(scan_id))


class ScanAction(ApiView):
    """Pause, resume or cancel a look."""

    action_name: str = ""

    @extend_schema(request=None, responses={200: DoctorScanOut, 409: ErrorBody, **REFUSALS})
    def post(self, request: Request, scan_id: uuid.UUID) -> Response:
        """Answers with the look as it is then."""
        SCAN_ACTIONS[self.action_name](scan_id)
        return Response(_scan(scan_id))


def _who(request: Request) -> str:
    person = person_of(request)
    return person.username if person else "API"


def _issue(issue_id: int) -> dict[str, object]:
    row = issue_one(issue_id)
    if row is None:
        raise IssueUnknown("There is no such issue.", issue=issue_id)
    return dict(IssueOut(row).data)


def _scan(scan_id: uuid.UUID) -> dict[str, object]:
    found = scan_one(scan_id, now=timezone.now())
    if found is None:
        raise DoctorScanUnknown("There is no such look.")
    return dict(DoctorScanOut(found).data)
