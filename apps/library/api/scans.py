"""Scans over HTTP: begin, list, watch, pause, resume, cancel; and the library's folders."""

from __future__ import annotations

import os
import uuid
from typing import cast

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, PageQuery, body_of, page_body, query_of
from apps.common.api_errors import ErrorBody
from apps.common.pagination import Page, keyset_page
from apps.common.sentences import sentence
from apps.library.scan_actions import SCAN_ACTIONS, scan_begin
from apps.library.selectors import root_list
from apps.library.selectors_scan import SCAN_ORDER, ScanView, scan_query, scan_view, views_of


class ScanQueryIn(PageQuery):
    """Filters."""

    live = serializers.BooleanField(required=False, allow_null=True, default=None, help_text="Not ended yet.")


class ScanIn(serializers.Serializer[object]):
    """What to scan: a folder of the library or one inside it; none: every folder that is scanned."""

    path = serializers.CharField(required=False, default="", allow_blank=True, max_length=4096)
    believe = serializers.BooleanField(
        required=False, default=False, help_text="An empty folder is what is meant: its files were deleted."
    )


class ScanProgressOut(serializers.Serializer[object]):
    """How far it is; null where nobody can know yet."""

    done = serializers.IntegerField()
    total = serializers.IntegerField(allow_null=True)
    share = serializers.FloatField(allow_null=True)
    files_per_s = serializers.FloatField(allow_null=True)
    bytes_per_s = serializers.FloatField(allow_null=True)
    eta_s = serializers.FloatField(allow_null=True)


class ScanOut(serializers.Serializer[object]):
    """A scan."""

    id = serializers.UUIDField()
    folder = serializers.CharField(source="root", help_text="The library's folder.")
    below = serializers.CharField()
    state = serializers.CharField()
    code = serializers.CharField()
    params = serializers.JSONField()
    message = serializers.SerializerMethodField()
    origin = serializers.CharField()
    seen = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    added = serializers.IntegerField()
    changed = serializers.IntegerField()
    missing = serializers.IntegerField()
    refused = serializers.IntegerField(help_text="Names and folders that can't be walked; `troubles` tells the first.")
    read = serializers.IntegerField()
    unreadable = serializers.IntegerField()
    bytes_seen = serializers.IntegerField()
    bytes_read = serializers.IntegerField()
    troubles = serializers.JSONField()
    progress = ScanProgressOut()
    created_at = serializers.DateTimeField()
    walked_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    next_step_at = serializers.DateTimeField(allow_null=True)

    def get_message(self, view: ScanView) -> str:
        """The code as a sentence."""
        return str(sentence(view.code, view.params)) if view.code else ""


class ScanPageOut(serializers.Serializer[object]):
    """A page of scans."""

    items = ScanOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class RootOut(serializers.Serializer[object]):
    """A folder of the library."""

    id = serializers.IntegerField()
    path = serializers.CharField()
    writable = serializers.BooleanField()
    scanned = serializers.BooleanField()
    state_code = serializers.CharField(help_text="Why it can't be read now.")
    last_scan_at = serializers.DateTimeField(allow_null=True)
    files = serializers.IntegerField()
    missing = serializers.IntegerField()
    size_bytes = serializers.IntegerField()


class Scans(ApiView):
    """Scans, newest first."""

    @extend_schema(operation_id="library_scan_list", parameters=[ScanQueryIn], responses={200: ScanPageOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """One page."""
        query = query_of(request, ScanQueryIn)
        cursor, limit = cast("str | None", query.get("cursor")), cast("int", query["limit"])
        rows = scan_query(live=cast("bool | None", query.get("live")))
        page = keyset_page(rows, order=SCAN_ORDER, cursor=cursor, limit=limit)
        views = views_of(page.items)
        shown: Page[object] = Page(items=views, next_cursor=page.next_cursor, previous_cursor=page.previous_cursor)
        return Response(page_body(shown, ScanOut(views, many=True).data))

    @extend_schema(
        operation_id="library_scan_create",
        request=ScanIn,
        responses={202: ScanOut(many=True), 400: ErrorBody, **REFUSALS},
    )
    def post(self, request: Request) -> Response:
        """Begin; of a folder that is being scanned already, that scan."""
        given = body_of(request, ScanIn)
        views = scan_begin(os.fsencode(str(given["path"])), believe=bool(given["believe"]))
        return Response(ScanOut(views, many=True).data, status=202)


class OneScan(ApiView):
    """One scan."""

    @extend_schema(operation_id="library_scan_show", responses={200: ScanOut, **REFUSALS})
    def get(self, request: Request, scan_id: uuid.UUID) -> Response:
        """With progress."""
        view = scan_view(scan_id)
        if view is None:
            raise Http404
        return Response(ScanOut(view).data)


class ScanAct(ApiView):
    """Pause, resume, cancel."""

    @extend_schema(operation_id="library_scan_act", request=None, responses={200: ScanOut, 409: ErrorBody, **REFUSALS})
    def post(self, request: Request, scan_id: uuid.UUID, name: str) -> Response:
        """The scan as it is then."""
        if name not in SCAN_ACTIONS or scan_view(scan_id) is None:
            raise Http404
        return Response(ScanOut(SCAN_ACTIONS[name](scan_id)).data)


class Roots(ApiView):
    """The library's folders."""

    @extend_schema(operation_id="library_root_list", responses={200: RootOut(many=True), **REFUSALS})
    def get(self, request: Request) -> Response:
        """All of them: there are few."""
        return Response(RootOut(root_list(), many=True).data)
