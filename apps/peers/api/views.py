"""Peers over HTTP. Reputation is local: this is for people who run this node, never for other nodes."""

from __future__ import annotations

from typing import cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, PageQuery, page_body, query_of
from apps.common.pagination import keyset_page
from apps.peers.selectors_list import PEER_ORDER, peer_query, peer_rows


class PeerQueryIn(PageQuery):
    """Filters."""

    text = serializers.CharField(required=False, max_length=200, help_text="Beginning of a peer's key.")
    faulty = serializers.BooleanField(required=False, default=False)


class PeerOut(serializers.Serializer[object]):
    """One peer."""

    plane = serializers.CharField()
    key = serializers.CharField()
    agent = serializers.CharField()
    first_seen = serializers.DateTimeField()
    last_seen = serializers.DateTimeField(allow_null=True)
    down_bytes = serializers.IntegerField()
    up_bytes = serializers.IntegerField()
    bad_leaves = serializers.IntegerField()
    wrong_claims = serializers.IntegerField()
    violations = serializers.IntegerField()
    banned_until = serializers.DateTimeField(allow_null=True)


class PeerPageOut(serializers.Serializer[object]):
    """A page of peers."""

    items = PeerOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class Peers(ApiView):
    """Whom this node met."""

    @extend_schema(operation_id="peer_list", parameters=[PeerQueryIn], responses={200: PeerPageOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """One page, newest acquaintance first."""
        query = query_of(request, PeerQueryIn)
        rows = peer_query(text=str(query.get("text", "")), faulty=bool(query["faulty"]))
        cursor = cast("str | None", query.get("cursor"))
        page = keyset_page(rows, order=PEER_ORDER, cursor=cursor, limit=cast("int", query["limit"]))
        return Response(page_body(page, PeerOut(peer_rows(page.items), many=True).data))
