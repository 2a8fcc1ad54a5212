"""Jobs of jobs over HTTP: ask for a discography or a label crate, and what they planned."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import cast

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, PageQuery, body_of, page_body, person_of, query_of
from apps.common.api_errors import ErrorBody
from apps.domain.catalog.discography import Profile
from apps.domain.catalog.identity import label_name_id
from apps.domain.jobs.plan import PLANNED_STATES
from apps.domain.jobs.selection import MAX_RELEASES
from apps.jobs import services
from apps.jobs.api.serializers import STATES, ConstraintsField, JobTreeOut
from apps.jobs.api.views import IDEMPOTENCY, tree_or_unknown
from apps.jobs.refusals import JobRefused
from apps.jobs.selectors_tree import planned_page
from apps.jobs.services_tree import is_tree


class DiscographyFiltersIn(serializers.Serializer[object]):
    """What a discography takes. What is left out stands for what is configured (`discography.core`)."""

    profile = serializers.ChoiceField(choices=[one.value for one in Profile], default=Profile.CORE.value)
    exclude_compilations = serializers.BooleanField(required=False, allow_null=True, default=None)
    exclude_live = serializers.BooleanField(required=False, allow_null=True, default=None)
    secondary_types = serializers.ListField(
        child=serializers.CharField(max_length=40),
        required=False,
        default=list,
        help_text="Secondary types of MusicBrainz that count as core besides, such as soundtrack.",
    )
    countries = serializers.ListField(
        child=serializers.CharField(max_length=4),
        required=False,
        default=list,
        help_text="Preferred countries of editions, the best first (ISO 3166-1, XW, XE).",
    )
    only_countries = serializers.BooleanField(required=False, default=False)
    first_editions = serializers.BooleanField(
        required=False, default=False, help_text="Of each group its first edition."
    )
    official_only = serializers.BooleanField(required=False, default=True)
    limit_releases = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, max_value=MAX_RELEASES
    )


class DiscographyJobIn(DiscographyFiltersIn):
    """An artist's discography."""

    mb_artist_id = serializers.CharField(max_length=60, help_text="Artist MBID.")
    constraints = ConstraintsField(required=False, default=dict)


class LabelCrateJobIn(serializers.Serializer[object]):
    """A label's crate: by its MBID, or by its name."""

    label_id = serializers.CharField(max_length=60, required=False, help_text="Label MBID.")
    label_name = serializers.CharField(max_length=1000, required=False)
    limit_releases = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, max_value=MAX_RELEASES
    )
    studio_only = serializers.BooleanField(required=False, default=False, help_text="Studio albums only.")
    countries = serializers.ListField(child=serializers.CharField(max_length=4), required=False, default=list)
    only_countries = serializers.BooleanField(required=False, default=False)
    first_editions = serializers.BooleanField(required=False, default=False)
    official_only = serializers.BooleanField(required=False, default=True)
    constraints = ConstraintsField(required=False, default=dict)


class PlannedQueryIn(PageQuery):
    """Filters of a plan."""

    state = serializers.ChoiceField(choices=PLANNED_STATES, required=False)


class PlannedOut(serializers.Serializer[object]):
    """A release that was looked at: wanted (a child fetches it), held already, or omitted."""

    position = serializers.IntegerField()
    release_mbid = serializers.UUIDField(help_text="Of a group that was left out as a whole: the group's.")
    group_mbid = serializers.UUIDField(allow_null=True)
    title = serializers.CharField()
    artist = serializers.CharField()
    year = serializers.CharField()
    kind = serializers.CharField()
    track_count = serializers.IntegerField()
    weight = serializers.FloatField(help_text="0…1: how central it is.")
    recommended = serializers.BooleanField()
    state = serializers.ChoiceField(choices=PLANNED_STATES)
    reason = serializers.CharField()
    message = serializers.CharField(source="sentence")
    other_job_id = serializers.UUIDField(
        source="other_id", allow_null=True, help_text="A job of another tree that fetches, or fetched, this release."
    )
    job_id = serializers.UUIDField(source="child_id", allow_null=True)
    job_state = serializers.ChoiceField(source="child_state", choices=["", *STATES])
    job_message = serializers.CharField(source="child_sentence")


class PlannedPageOut(serializers.Serializer[object]):
    """A page of the plan."""

    items = PlannedOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class DiscographyJobs(ApiView):
    """Ask for a discography."""

    @extend_schema(
        operation_id="job_create_discography",
        request=DiscographyJobIn,
        parameters=[IDEMPOTENCY],
        responses={202: JobTreeOut, 409: ErrorBody, **REFUSALS},
    )
    def post(self, request: Request) -> Response:
        """202: the job was taken (or was there already, by its idempotency key). Its releases follow: `/api/jobs/{id}/releases`."""
        body = body_of(request, DiscographyJobIn)
        return _ask(request, body, kind="discography", target=str(body.pop("mb_artist_id")))


class LabelCrateJobs(ApiView):
    """Ask for a label's crate."""

    @extend_schema(
        operation_id="job_create_label_crate",
        request=LabelCrateJobIn,
        parameters=[IDEMPOTENCY],
        responses={202: JobTreeOut, 409: ErrorBody, **REFUSALS},
    )
    def post(self, request: Request) -> Response:
        """202: the job was taken. One of `label_id` and `label_name` is needed."""
        body = body_of(request, LabelCrateJobIn)
        label_id, name = str(body.pop("label_id", "")), str(body.pop("label_name", ""))
        if bool(label_id) == bool(name):
            raise JobRefused("Name the label by label_id or by label_name.", code="label_missing")
        if label_id:
            return _ask(request, body, kind="label_crate", target=label_id)
        return _ask(request, body, kind="label_crate", target=label_name_id(name), source="name", ref=name)


class Planned(ApiView):
    """What a job of jobs planned."""

    @extend_schema(
        operation_id="job_releases", parameters=[PlannedQueryIn], responses={200: PlannedPageOut, **REFUSALS}
    )
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        """One page, in the order of fetching. Empty for jobs that are for one release or recording."""
        query = query_of(request, PlannedQueryIn)
        if not is_tree(job_id):
            tree_or_unknown(job_id)
        page = planned_page(
            job_id,
            state=str(query.get("state", "")),
            cursor=cast("str | None", query.get("cursor")),
            limit=cast("int", query["limit"]),
        )
        return Response(page_body(page, PlannedOut(page.items, many=True).data))


def _ask(
    request: Request,
    body: Mapping[str, object],
    *,
    kind: str,
    target: uuid.UUID | str,
    source: str = "musicbrainz",
    ref: str = "",
) -> Response:
    made = services.job_create(
        kind=kind,
        target_mbid=target,
        target_source=source,
        target_ref=ref,
        constraints=cast("dict[str, object]", body["constraints"]),
        selection={key: value for key, value in body.items() if key != "constraints"},
        requested_by=person_of(request),
        idempotency_key=request.headers.get("Idempotency-Key"),
    )
    answer = JobTreeOut(tree_or_unknown(made.id)).data
    return Response(answer, status=202, headers={"Location": reverse("api-job", args=[made.id])})
