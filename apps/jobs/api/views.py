"""Jobs over HTTP: ask, list, look, steer."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import cast

from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, body_of, page_body, person_of, query_of
from apps.common.api_errors import ErrorBody
from apps.common.text import searched
from apps.domain.jobs.lifecycle import JobState
from apps.jobs import selectors, services
from apps.jobs.actions import ACTIONS
from apps.jobs.api.serializers import (
    JobPageOut,
    JobQueryIn,
    JobRowOut,
    JobTreeOut,
    RecordingJobIn,
    ReleaseJobIn,
)
from apps.jobs.selectors_list import JobFilter, job_exists, job_page

IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, description="Posting twice with one key makes one job."
)


def tree_or_unknown(job_id: uuid.UUID) -> selectors.JobTree:
    """The job's tree. Raises JobUnknown."""
    tree = selectors.job_tree(job_id)
    if tree is None:
        raise services.JobUnknown("There is no such job.", job=str(job_id))
    return tree


def _ask(request: Request, *, kind: str, mbid: str, constraints: Mapping[str, object]) -> Response:
    made = services.job_create(
        kind=kind,
        target_mbid=mbid,
        constraints=constraints,
        requested_by=person_of(request),
        idempotency_key=request.headers.get("Idempotency-Key"),
    )
    body = JobTreeOut(tree_or_unknown(made.id)).data
    return Response(body, status=202, headers={"Location": reverse("api-job", args=[made.id])})


class ReleaseJobs(ApiView):
    """Ask for a release."""

    @extend_schema(
        operation_id="job_create_mb_release",
        request=ReleaseJobIn,
        parameters=[IDEMPOTENCY],
        responses={202: JobTreeOut, 409: ErrorBody, **REFUSALS},
    )
    def post(self, request: Request) -> Response:
        """202: the job was taken (or was there already, by its idempotency key)."""
        body = body_of(request, ReleaseJobIn)
        constraints = {**cast("dict[str, object]", body["constraints"])}
        if body.get("tracks"):
            constraints["tracks"] = [dict(track) for track in cast("list[dict[str, int]]", body["tracks"])]
        return _ask(request, kind="mb_release", mbid=str(body["mb_release_id"]), constraints=constraints)


class RecordingJobs(ApiView):
    """Ask for one recording."""

    @extend_schema(
        operation_id="job_create_recording",
        request=RecordingJobIn,
        parameters=[IDEMPOTENCY],
        responses={202: JobTreeOut, 409: ErrorBody, **REFUSALS},
    )
    def post(self, request: Request) -> Response:
        """202: the job was taken (or was there already, by its idempotency key)."""
        body = body_of(request, RecordingJobIn)
        constraints = cast("dict[str, object]", body["constraints"])
        return _ask(request, kind="recording", mbid=str(body["mb_recording_id"]), constraints=constraints)


def _listed(request: Request, *, parent: uuid.UUID | None = None) -> Response:
    query = query_of(request, JobQueryIn)
    asked = parent or cast("uuid.UUID | None", query.get("parent"))
    wanted = JobFilter(
        states=frozenset(JobState(state) for state in cast("list[str]", query.get("state", []))),
        kinds=frozenset(cast("list[str]", query.get("kind", []))),
        origin=str(query.get("origin", "")),
        person=str(query.get("person", "")),
        reason=str(query.get("code", "")),
        text=searched(str(query.get("text", ""))),
        parent=asked,
        children=bool(query.get("children", False)),
    )
    page = job_page(wanted, cursor=cast("str | None", query.get("cursor")), limit=cast("int", query["limit"]))
    return Response(page_body(page, JobRowOut(page.items, many=True).data))


def _known(job_id: uuid.UUID) -> None:
    if not job_exists(job_id):
        raise services.JobUnknown("There is no such job.", job=str(job_id))


class Jobs(ApiView):
    """All jobs, newest first."""

    @extend_schema(operation_id="job_list", parameters=[JobQueryIn], responses={200: JobPageOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """One page. Children of discographies and crates are left out unless `children` or `parent` asks for them."""
        return _listed(request)


class JobChildren(ApiView):
    """The children of a job of jobs."""

    @extend_schema(operation_id="job_children", parameters=[JobQueryIn], responses={200: JobPageOut, **REFUSALS})
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        """One page, newest first; the filters of the list hold here too."""
        _known(job_id)
        return _listed(request, parent=job_id)


class OneJob(ApiView):
    """One job with everything below it."""

    @extend_schema(operation_id="job_get", responses={200: JobTreeOut, **REFUSALS})
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        """The full tree."""
        return Response(JobTreeOut(tree_or_unknown(job_id)).data)


class JobAction(ApiView):
    """Pause, resume, cancel or retry."""

    action_name: str = ""

    @extend_schema(request=None, responses={200: JobTreeOut, 409: ErrorBody, **REFUSALS})
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        """Answers with the job as it is then. Doing what is already so changes nothing."""
        ACTIONS[self.action_name](job_id)
        return Response(JobTreeOut(tree_or_unknown(job_id)).data)
