"""Downloads and batches over HTTP, and their addresses below /api/."""

from __future__ import annotations

import uuid
from typing import cast

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, PageQuery, body_of, page_body, person_of, query_of
from apps.common.api_errors import ErrorBody
from apps.common.sentences import message_of
from apps.domain.contracts.soulseek_downloads import FileAsked
from apps.soulseek.api.rescues import RescueOut
from apps.soulseek.download_actions import BATCH_ACTIONS, DOWNLOAD_ACTIONS
from apps.soulseek.selectors_download import (
    BatchView,
    DownloadView,
    batch_find,
    batches_view,
    download_find,
    download_page,
    queue_page,
    underperforming,
)
from apps.soulseek.services_download import (
    MAX_AT_ONCE,
    MAX_FILES,
    MAX_PRIORITY,
    Spot,
    batch_create,
    download_priority,
    download_reorder,
)


class DownloadOut(serializers.Serializer[object]):
    """A download."""

    id = serializers.UUIDField()
    batch_id = serializers.UUIDField()
    job_id = serializers.UUIDField(allow_null=True)
    recording_mbid = serializers.UUIDField(allow_null=True)
    external = serializers.BooleanField(help_text="True: delivered raw below the downloads folder.")
    user = serializers.CharField()
    remote_path = serializers.CharField(help_text="As its owner tells it.")
    name = serializers.CharField()
    state = serializers.CharField(
        help_text="waiting, asked, queued, connecting, receiving, interrupted, paused, whole; or an end: succeeded, enough, rejected, refused, "
        "timed_out, cancelled, errored, aborted."
    )
    desired = serializers.CharField(help_text="active, paused or cancelled.")
    code = serializers.CharField(help_text="Why; empty when there is nothing to say.")
    says = serializers.SerializerMethodField(help_text="The code in words.")
    live = serializers.BooleanField()
    priority = serializers.IntegerField(help_text="0…10, 10 first.")
    position = serializers.IntegerField(allow_null=True, help_text="In this node's queue, from 1.")
    place = serializers.IntegerField(allow_null=True, help_text="In the sharer's queue.")
    size_bytes = serializers.IntegerField(help_text="0: not told.")
    bytes_have = serializers.IntegerField()
    speed_bps = serializers.IntegerField(help_text="Bytes a second.")
    attempts = serializers.IntegerField()
    trouble = serializers.CharField(help_text="queued_too_long, queue_stands, too_slow, stalled; empty: it does well.")
    trouble_says = serializers.SerializerMethodField()
    trouble_since = serializers.DateTimeField(allow_null=True)
    eta_low_s = serializers.IntegerField(
        allow_null=True, help_text="Seconds from now, with eta_high_s an 80 % interval."
    )
    eta_high_s = serializers.IntegerField(allow_null=True)
    next_try_at = serializers.DateTimeField(allow_null=True)
    asked_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    path = serializers.CharField(help_text="Of an external download that is here.")
    transfer_id = serializers.UUIDField(allow_null=True)
    rescue = RescueOut(
        allow_null=True,
        help_text="The newest one: what the mesh gives to it, or why it is not let help; null: there was none.",
    )

    def get_says(self, row: DownloadView) -> str:
        """The code in words."""
        return message_of(row.code, row.params, fallback=row.code) if row.code else ""

    def get_trouble_says(self, row: DownloadView) -> str:
        """Likewise."""
        return message_of(row.trouble, row.params, fallback=row.trouble) if row.trouble else ""


class DownloadListOut(serializers.Serializer[object]):
    """A page of downloads, in the queue's order."""

    items = DownloadOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class UnderperformingOut(serializers.Serializer[object]):
    """Downloads that do badly."""

    items = DownloadOut(many=True)


class BatchOut(serializers.Serializer[object]):
    """Files that were asked for together."""

    id = serializers.UUIDField()
    title = serializers.CharField()
    user = serializers.CharField()
    folder = serializers.CharField()
    origin = serializers.CharField()
    job_id = serializers.UUIDField(allow_null=True)
    hunt_id = serializers.UUIDField(allow_null=True)
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    files = serializers.IntegerField()
    done = serializers.IntegerField()
    failed = serializers.IntegerField()
    size_bytes = serializers.IntegerField()
    bytes_have = serializers.IntegerField()
    speed_bps = serializers.IntegerField()


class BatchListOut(serializers.Serializer[object]):
    """A page of batches, newest first."""

    items = BatchOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class BatchWholeOut(BatchOut):
    """A batch with its downloads (the newest of each file; at most 2,000)."""

    downloads = DownloadOut(many=True, source="rows")


class DownloadQuery(PageQuery):
    """Which downloads."""

    show = serializers.ChoiceField(["live", "ended", "all"], required=False, default="all")
    user = serializers.CharField(required=False, default="", max_length=120)
    batch = serializers.UUIDField(required=False, default=None)
    job = serializers.UUIDField(required=False, default=None)


class BatchQuery(PageQuery):
    """Which batches."""

    show = serializers.ChoiceField(["open", "ended", "all"], required=False, default="all")
    q = serializers.CharField(required=False, default="", max_length=200)


class FileIn(serializers.Serializer[object]):
    """A file of a user."""

    path = serializers.CharField(max_length=4000, trim_whitespace=False, help_text="As its owner tells it.")
    size_bytes = serializers.IntegerField(required=False, default=0, min_value=0, max_value=2**53)


class BatchIn(serializers.Serializer[object]):
    """Files of one user, delivered raw below the downloads folder."""

    user = serializers.CharField(max_length=120)
    files = serializers.ListField(child=FileIn(), min_length=1, max_length=MAX_FILES)
    title = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)
    folder = serializers.CharField(required=False, default="", allow_blank=True, max_length=2000)
    priority = serializers.IntegerField(required=False, default=5, min_value=0, max_value=MAX_PRIORITY)


class IdsIn(serializers.Serializer[object]):
    """Of what."""

    ids = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=MAX_AT_ONCE)


class PriorityIn(IdsIn):
    """How urgent."""

    priority = serializers.IntegerField(min_value=0, max_value=MAX_PRIORITY)


class OrderIn(IdsIn):
    """Where to."""

    to = serializers.ChoiceField([spot.value for spot in Spot])
    before = serializers.UUIDField(required=False, default=None, help_text="With to=before: which one.")


class ChangedOut(serializers.Serializer[object]):
    """How many downloads changed; what stood so already did not."""

    changed = serializers.IntegerField()


def _ids(body: dict[str, object]) -> list[uuid.UUID]:
    return cast("list[uuid.UUID]", body["ids"])


class DownloadList(ApiView):
    """Downloads."""

    @extend_schema(
        operation_id="download_list", parameters=[DownloadQuery], responses={200: DownloadListOut, **REFUSALS}
    )
    def get(self, request: Request) -> Response:
        """In the queue's order."""
        query = query_of(request, DownloadQuery)
        page = download_page(
            show=str(query["show"]),
            user=str(query["user"]),
            batch_id=cast("uuid.UUID | None", query["batch"]),
            job_id=cast("uuid.UUID | None", query["job"]),
            cursor=cast("str | None", query.get("cursor")),
            limit=cast("int", query["limit"]),
        )
        return Response(page_body(page, DownloadOut(page.items, many=True).data))


class DownloadOne(ApiView):
    """One download."""

    @extend_schema(operation_id="download_get", responses={200: DownloadOut, **REFUSALS})
    def get(self, request: Request, download_id: uuid.UUID) -> Response:
        """How it stands."""
        row = download_find(download_id)
        if row is None:
            raise NotFound
        return Response(DownloadOut(row).data)


class DownloadAct(ApiView):
    """One act on several downloads."""

    @extend_schema(operation_id="download_act", request=IdsIn, responses={200: ChangedOut, 409: ErrorBody, **REFUSALS})
    def post(self, request: Request, name: str) -> Response:
        """pause, resume, cancel, retry, top, bottom, forget; may be repeated."""
        act = DOWNLOAD_ACTIONS.get(name)
        if act is None:
            raise NotFound
        return Response({"changed": act(_ids(body_of(request, IdsIn)))})


class DownloadPriority(ApiView):
    """How urgent downloads are."""

    @extend_schema(operation_id="download_priority", request=PriorityIn, responses={200: ChangedOut, **REFUSALS})
    def post(self, request: Request) -> Response:
        """10 first."""
        body = body_of(request, PriorityIn)
        return Response({"changed": download_priority(_ids(body), cast("int", body["priority"]))})


class DownloadOrder(ApiView):
    """Where downloads stand in this node's queue."""

    @extend_schema(operation_id="download_order", request=OrderIn, responses={200: ChangedOut, **REFUSALS})
    def post(self, request: Request) -> Response:
        """To the top, the bottom, or before another one, in the order given."""
        body = body_of(request, OrderIn)
        before = cast("uuid.UUID | None", body["before"])
        return Response({"changed": download_reorder(_ids(body), Spot(str(body["to"])), before=before)})


class BatchList(ApiView):
    """Batches."""

    @extend_schema(operation_id="batch_list", parameters=[BatchQuery], responses={200: BatchListOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """Newest first."""
        query = query_of(request, BatchQuery)
        page = queue_page(show=str(query["show"]), text=str(query["q"]), cursor=cast("str | None", query.get("cursor")))
        items = BatchOut(batches_view(page.items, rows_shown=0), many=True).data
        return Response(page_body(page, items))

    @extend_schema(operation_id="batch_create", request=BatchIn, responses={201: BatchWholeOut, **REFUSALS})
    def post(self, request: Request) -> Response:
        """Ask a user for files. What is under way from them already stays in its batch; when all is, that batch is the answer."""
        body = body_of(request, BatchIn)
        files = cast("list[dict[str, object]]", body["files"])
        batch_id = batch_create(
            user=str(body["user"]),
            folder=str(body["folder"]),
            files=[FileAsked(path=str(one["path"]), size_bytes=cast("int", one["size_bytes"])) for one in files],
            title=str(body["title"]),
            priority=cast("int", body["priority"]),
            requested_by=person_of(request),
        )
        return Response(BatchWholeOut(_batch(batch_id)).data, status=201)


class BatchOne(ApiView):
    """One batch."""

    @extend_schema(operation_id="batch_get", responses={200: BatchWholeOut, **REFUSALS})
    def get(self, request: Request, batch_id: uuid.UUID) -> Response:
        """With its downloads."""
        return Response(BatchWholeOut(_batch(batch_id)).data)


class BatchAct(ApiView):
    """One act on several batches."""

    @extend_schema(operation_id="batch_act", request=IdsIn, responses={200: ChangedOut, 409: ErrorBody, **REFUSALS})
    def post(self, request: Request, name: str) -> Response:
        """pause, resume, cancel, retry, top, bottom; may be repeated."""
        act = BATCH_ACTIONS.get(name)
        if act is None:
            raise NotFound
        return Response({"changed": act(_ids(body_of(request, IdsIn)))})


class Underperforming(ApiView):
    """What does badly, and why."""

    @extend_schema(operation_id="transfer_underperforming", responses={200: UnderperformingOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """The longest so first."""
        return Response({"items": DownloadOut(underperforming(), many=True).data})


def _batch(batch_id: uuid.UUID) -> BatchView:
    row = batch_find(batch_id)
    if row is None:
        raise NotFound
    return batches_view([row], rows_shown=MAX_FILES)[0]


urlpatterns = [
    path("soulseek/downloads", DownloadList.as_view(), name="api-downloads"),
    path("soulseek/downloads/priority", DownloadPriority.as_view(), name="api-download-priority"),
    path("soulseek/downloads/order", DownloadOrder.as_view(), name="api-download-order"),
    path("soulseek/downloads/<uuid:download_id>", DownloadOne.as_view(), name="api-download"),
    path("soulseek/downloads/<slug:name>", DownloadAct.as_view(), name="api-download-act"),
    path("soulseek/batches", BatchList.as_view(), name="api-batches"),
    path("soulseek/batches/<uuid:batch_id>", BatchOne.as_view(), name="api-batch"),
    path("soulseek/batches/<slug:name>", BatchAct.as_view(), name="api-batch-act"),
    path("transfers/underperforming", Underperforming.as_view(), name="api-underperforming"),
]
