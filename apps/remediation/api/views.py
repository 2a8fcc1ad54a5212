"""Fixes and the trash over HTTP."""

from __future__ import annotations

import uuid
from typing import cast

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, body_of, page_body, person_of, query_of
from apps.common.api_errors import ErrorBody
from apps.domain.library.remedy import RemedyState
from apps.domain.library.trash import TrashState
from apps.library.selectors_trash import SHOWN, TrashView, trash_list, trash_one, trash_sum
from apps.library.services_trash import TrashRefused, trash_purge_ask, trash_restore_ask
from apps.remediation.api import serializers as io
from apps.remediation.policy import configured_policy, keep_days
from apps.remediation.selectors import RemediationView, remediation_list, remediation_one
from apps.remediation.services import FixPolicy, RemediationRefused, issues_fix, remedy_undo_ask


class Fix(ApiView):
    """Mending issues."""

    @extend_schema(operation_id="library_health_fix", request=io.FixIn, responses={202: io.FixesOut, **REFUSALS})
    def post(self, request: Request) -> Response:
        """Begin to mend issues. Asking again while a fix is under way gives the same fix; missing tracks of one release share one job."""
        body = body_of(request, io.FixIn)
        given, policy = cast("dict[str, bool]", body.get("options", {})), configured_policy()
        outcomes = issues_fix(
            cast("list[int]", body["ids"]),
            policy=FixPolicy(
                replace_existing=given.get("replace_existing", policy.replace_existing),
                backup_before_replace=given.get("backup_before_replace", policy.backup_before_replace),
            ),
            requested_by=person_of(request),
        )
        return Response({"items": io.FixOutcomeOut(outcomes, many=True).data}, status=202)


class Remediations(ApiView):
    """Attempts to mend issues."""

    @extend_schema(
        operation_id="library_health_remediation_list",
        parameters=[io.RemediationQueryIn],
        responses={200: io.RemediationPageOut, **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """One page, newest first."""
        query = query_of(request, io.RemediationQueryIn)
        page = remediation_list(
            states=[RemedyState(one) for one in cast("list[str]", query.get("state", []))],
            issue_id=cast("int | None", query.get("issue")),
            job_id=cast("uuid.UUID | None", query.get("job")),
            cursor=cast("str | None", query.get("cursor")),
            limit=cast("int", query["limit"]),
        )
        return Response(page_body(page, io.RemediationOut(page.items, many=True).data))


class OneRemediation(ApiView):
    """One attempt."""

    @extend_schema(operation_id="library_health_remediation_get", responses={200: io.RemediationOut, **REFUSALS})
    def get(self, request: Request, remediation_id: uuid.UUID) -> Response:
        """How far it is."""
        return Response(io.RemediationOut(_remediation(remediation_id)).data)


class Undo(ApiView):
    """Taking a fix back."""

    @extend_schema(
        operation_id="library_health_remediation_undo",
        request=io.UndoIn,
        responses={202: io.RemediationOut, 409: ErrorBody, **REFUSALS},
    )
    def post(self, request: Request, remediation_id: uuid.UUID) -> Response:
        """What the fix changed becomes as it was, byte for byte, and its issue is open again. A worker does it."""
        body = body_of(request, io.UndoIn)
        remedy_undo_ask(remediation_id, keep_new=bool(body["keep_new"]))
        return Response(io.RemediationOut(_remediation(remediation_id)).data, status=202)


class Trash(ApiView):
    """The trash."""

    @extend_schema(
        operation_id="library_trash_list", parameters=[io.TrashQueryIn], responses={200: io.TrashPageOut, **REFUSALS}
    )
    def get(self, request: Request) -> Response:
        """One page, newest first."""
        query = query_of(request, io.TrashQueryIn)
        named = [TrashState(one) for one in cast("list[str]", query.get("state", []))]
        page = trash_list(
            states=named or SHOWN,
            keep_days=keep_days(),
            cursor=cast("str | None", query.get("cursor")),
            limit=cast("int", query["limit"]),
        )
        held = trash_sum()
        body = page_body(page, io.TrashOut(page.items, many=True).data)
        return Response({**body, "files": held.files, "size_bytes": held.size_bytes})


class OneTrashed(ApiView):
    """One trashed file."""

    @extend_schema(operation_id="library_trash_get", responses={200: io.TrashOut, **REFUSALS})
    def get(self, request: Request, trash_id: uuid.UUID) -> Response:
        """Where it was, why it is there, how long it is kept."""
        return Response(io.TrashOut(_trashed(trash_id)).data)


class Restore(ApiView):
    """Putting a file back."""

    @extend_schema(
        operation_id="library_trash_restore",
        request=io.RestoreIn,
        responses={202: io.TrashOut, 409: ErrorBody, **REFUSALS},
    )
    def post(self, request: Request, trash_id: uuid.UUID) -> Response:
        """A worker puts it back where it was, byte for byte; if its name is taken it stays, with the code `name_taken`."""
        body = body_of(request, io.RestoreIn)
        trash_restore_ask(trash_id, numbered=bool(body["numbered"]))
        return Response(io.TrashOut(_trashed(trash_id)).data, status=202)


class Purge(ApiView):
    """Deleting for good."""

    @extend_schema(operation_id="library_trash_purge", request=io.PurgeIn, responses={202: io.PurgedOut, **REFUSALS})
    def post(self, request: Request) -> Response:
        """There is no way back. Those that are not in the trash are passed over."""
        body = body_of(request, io.PurgeIn)
        return Response({"purging": trash_purge_ask(cast("list[uuid.UUID]", body["ids"]))}, status=202)


def _remediation(remediation_id: uuid.UUID) -> RemediationView:
    found = remediation_one(remediation_id)
    if found is None:
        raise RemediationRefused("There is no such fix.", code="remediation_unknown")
    return found


def _trashed(trash_id: uuid.UUID) -> TrashView:
    found = trash_one(trash_id, keep_days=keep_days())
    if found is None:
        raise TrashRefused("Nothing of this id is in the trash.", code="trash_unknown")
    return found
