"""What neighbours say that they hold, over HTTP."""

from __future__ import annotations

from typing import cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, PageQuery, page_body, query_of
from apps.common.pagination import keyset_page
from apps.mesh.selectors_adverts import AVAILABLE_ORDER, available_query, available_rows, available_totals


class AvailableOut(serializers.Serializer[object]):
    """A recording that neighbours say they hold: a claim, proven only when it is fetched."""

    recording_mbid = serializers.UUIDField()
    title = serializers.CharField(help_text="Empty when the catalogue does not know the recording.")
    artist = serializers.CharField()
    release = serializers.CharField(help_text="One release that it is on.")
    peers = serializers.IntegerField(help_text="How many say so.")
    payloads = serializers.IntegerField(help_text="Different encodes among them.")
    profiles = serializers.ListField(child=serializers.CharField())
    heard_at = serializers.DateTimeField(help_text="When the last of them said so.")


class AvailableTotalsOut(serializers.Serializer[object]):
    """Over everybody."""

    peers = serializers.IntegerField()
    recordings = serializers.IntegerField()
    variants = serializers.IntegerField()


class AvailablePageOut(serializers.Serializer[object]):
    """A page of recordings."""

    items = AvailableOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    totals = AvailableTotalsOut()


class Available(ApiView):
    """Recordings that neighbours announce and seed."""

    @extend_schema(operation_id="mesh_available", parameters=[PageQuery], responses={200: AvailablePageOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """One page, the recordings heard of last first."""
        query = query_of(request, PageQuery)
        cursor = cast("str | None", query.get("cursor"))
        page = keyset_page(available_query(), order=AVAILABLE_ORDER, cursor=cursor, limit=cast("int", query["limit"]))
        body = page_body(page, AvailableOut(available_rows(page.items), many=True).data)
        return Response({**body, "totals": AvailableTotalsOut(available_totals()).data})
