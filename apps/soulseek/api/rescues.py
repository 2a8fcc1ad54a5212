"""Rescues over HTTP: downloads that the mesh helped, or was not let help, and why."""

from __future__ import annotations

import uuid
from typing import cast

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, PageQuery, page_body, query_of
from apps.common.sentences import message_of
from apps.domain.soulseek.states import RescueState
from apps.soulseek.selectors_rescues import RescueView, rescue_page


class RescueOut(serializers.Serializer[object]):
    """A rescue of one download."""

    id = serializers.UUIDField()
    download_id = serializers.UUIDField()
    batch_id = serializers.UUIDField()
    job_id = serializers.UUIDField(allow_null=True)
    recording_mbid = serializers.UUIDField(allow_null=True)
    transfer_id = serializers.UUIDField(allow_null=True, help_text="What the mesh fills.")
    user = serializers.CharField(help_text="Whose file it is.")
    name = serializers.CharField()
    trouble = serializers.CharField(help_text="What set it off: queued_too_long, queue_stands, too_slow, stalled.")
    trouble_at = serializers.DateTimeField()
    state = serializers.CharField(
        help_text="looking, active, recovered, finished, refused, no_source, ended; refused: `code` names the guardrail."
    )
    code = serializers.CharField()
    params = serializers.DictField()
    says = serializers.SerializerMethodField(help_text="The code in words.")
    overlay_bytes = serializers.IntegerField(help_text="Of the file, from the mesh.")
    soulseek_bytes = serializers.IntegerField(help_text="Of the file, from Soulseek.")
    share = serializers.FloatField(allow_null=True, help_text="The mesh's part of the bytes, 0..1.")
    overlay_bps = serializers.IntegerField(help_text="Bytes a second now.")
    soulseek_bps = serializers.IntegerField()
    peers = serializers.IntegerField(help_text="On the mesh, now.")
    started_at = serializers.DateTimeField()
    first_byte_at = serializers.DateTimeField(allow_null=True, help_text="Of the mesh.")
    ended_at = serializers.DateTimeField(allow_null=True)

    def get_says(self, row: RescueView) -> str:
        """The code in words."""
        return message_of(row.code, row.params, fallback=row.code) if row.code else ""


class RescueSumOut(serializers.Serializer[object]):
    """The rescues of a job, or of all jobs below it, together."""

    live = serializers.IntegerField(help_text="Downloads for which help is looked for or given.")
    active = serializers.IntegerField(help_text="Of those, for which the mesh gives.")
    refused = serializers.IntegerField(help_text="Downloads that the mesh may not help now.")
    finished = serializers.IntegerField(help_text="Downloads that came whole with the mesh's help.")
    overlay_bytes = serializers.IntegerField(help_text="From the mesh, in files whose rescue is live.")
    soulseek_bytes = serializers.IntegerField(help_text="Likewise from Soulseek.")
    share = serializers.FloatField(allow_null=True, help_text="The mesh's part of those bytes, 0..1.")
    overlay_bps = serializers.IntegerField(help_text="Bytes a second now.")
    soulseek_bps = serializers.IntegerField()


class RescueListOut(serializers.Serializer[object]):
    """A page of rescues, newest first."""

    items = RescueOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class RescueQuery(PageQuery):
    """Which rescues."""

    state = serializers.ChoiceField(["live", *(one.value for one in RescueState)], required=False, default="")
    job = serializers.UUIDField(required=False, default=None)
    download = serializers.UUIDField(required=False, default=None)


class RescueList(ApiView):
    """Downloads that the mesh helped."""

    @extend_schema(
        operation_id="rescues_list",
        summary="List rescues: what the mesh gave to downloads that did badly, and why it was not let help.",
        parameters=[RescueQuery],
        responses={200: RescueListOut, **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """A page of the list."""
        asked = query_of(request, RescueQuery)
        page = rescue_page(
            state=str(asked["state"]),
            job_id=cast("uuid.UUID | None", asked["job"]),
            download_id=cast("uuid.UUID | None", asked["download"]),
            cursor=cast("str | None", asked.get("cursor")),
            limit=cast("int", asked["limit"]),
        )
        return Response(page_body(page, RescueOut(page.items, many=True).data))


urlpatterns = [path("rescues", RescueList.as_view(), name="api-rescues")]
