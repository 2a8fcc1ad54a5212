"""Labels over HTTP: as the mesh shows them, else as MusicBrainz lists them. Local figures: nothing of them is ever sent to peers."""

from __future__ import annotations

import uuid
from typing import cast

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.catalog.services_walk import label_graph_ask
from apps.common.api_base import REFUSALS, ApiView, PageQuery, body_of, page_body, query_of
from apps.common.pagination import keyset_page
from apps.common.text import searched
from apps.jobs.refusals import JobRefused
from apps.jobs.selectors_labels import MAX_SHOWN, label_view
from apps.mesh.selectors_labels import LABEL_ORDER, label_query, label_rows, label_totals


class LabelQueryIn(PageQuery):
    """Filters of the list."""

    search = serializers.CharField(required=False, max_length=200, help_text="Words of the name; case and marks aside.")
    min_releases = serializers.IntegerField(required=False, default=0, min_value=0, max_value=1_000_000)


class LabelOut(serializers.Serializer[object]):
    """A label and what peers were heard to have of it."""

    key = serializers.UUIDField(help_text="Its MBID, or an id made of its name where no MBID is known.")
    label_mbid = serializers.UUIDField(allow_null=True)
    name = serializers.CharField()
    releases = serializers.IntegerField()
    artists = serializers.IntegerField()
    peers = serializers.IntegerField()
    popularity = serializers.FloatField(
        help_text="Peers that have it, each by the root of how many of its releases it has; halves in seven days."
    )
    heard_at = serializers.DateTimeField(allow_null=True)


class LabelTotalsOut(serializers.Serializer[object]):
    """Over all labels."""

    labels = serializers.IntegerField()
    releases = serializers.IntegerField()
    peers = serializers.IntegerField()


class LabelPageOut(serializers.Serializer[object]):
    """A page of labels."""

    items = LabelOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    totals = LabelTotalsOut()


class LabelReleasesIn(serializers.Serializer[object]):
    """What is shown of one label."""

    limit = serializers.IntegerField(required=False, default=50, min_value=1, max_value=MAX_SHOWN)
    codec = serializers.CharField(
        required=False, max_length=20, default="", help_text="Only what a peer has in it: flac, mp3, …, or lossless."
    )
    studio_only = serializers.BooleanField(required=False, default=False, help_text="Studio albums only.")


class LabelReleaseOut(serializers.Serializer[object]):
    """A release of a label."""

    release_mbid = serializers.UUIDField()
    title = serializers.CharField()
    artist = serializers.CharField()
    year = serializers.CharField()
    kind = serializers.CharField(help_text="Types of its group; empty where MusicBrainz was not asked.")
    tracks = serializers.IntegerField()
    peers = serializers.IntegerField(help_text="0: nobody was heard to have it.")
    popularity = serializers.FloatField()
    quality = serializers.FloatField(allow_null=True, help_text="0…1, the best that a peer states.")
    profiles = serializers.ListField(child=serializers.CharField())
    heard_at = serializers.DateTimeField(allow_null=True)


class LabelGraphOut(serializers.Serializer[object]):
    """How far MusicBrainz' list of the label is read."""

    state = serializers.CharField(help_text="missing, walking, ready or failed.")
    releases_taken = serializers.IntegerField()
    releases_total = serializers.IntegerField(allow_null=True)
    code = serializers.CharField()
    fetched_at = serializers.DateTimeField(allow_null=True)


class NamesakeOut(serializers.Serializer[object]):
    """A label of this name in MusicBrainz."""

    mbid = serializers.UUIDField()
    name = serializers.CharField()


class OneLabelOut(serializers.Serializer[object]):
    """A label with its first releases."""

    key = serializers.UUIDField()
    label_mbid = serializers.UUIDField(allow_null=True)
    name = serializers.CharField()
    releases_from = serializers.ChoiceField(
        source="source",
        choices=["mesh", "musicbrainz", "nothing"],
        help_text="musicbrainz: the mesh knows nothing of it; nothing: MusicBrainz was not asked either.",
    )
    figures = LabelOut(allow_null=True)
    releases = LabelReleaseOut(many=True)
    total = serializers.IntegerField()
    graph = LabelGraphOut(allow_null=True)
    namesakes = NamesakeOut(many=True)


class LabelAskIn(serializers.Serializer[object]):
    """How to ask."""

    refresh = serializers.BooleanField(required=False, default=False, help_text="Also when the list is fresh.")


class Labels(ApiView):
    """Labels that the mesh shows."""

    @extend_schema(operation_id="mesh_label_list", parameters=[LabelQueryIn], responses={200: LabelPageOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """One page, the most popular first."""
        query = query_of(request, LabelQueryIn)
        rows = label_query(
            search=searched(str(query.get("search", ""))), min_releases=cast("int", query["min_releases"])
        )
        cursor = cast("str | None", query.get("cursor"))
        page = keyset_page(rows, order=LABEL_ORDER, cursor=cursor, limit=cast("int", query["limit"]))
        body = page_body(page, LabelOut(label_rows(page.items), many=True).data)
        return Response({**body, "totals": LabelTotalsOut(label_totals()).data})


class OneLabel(ApiView):
    """One label."""

    @extend_schema(operation_id="mesh_label", parameters=[LabelReleasesIn], responses={200: OneLabelOut, **REFUSALS})
    def get(self, request: Request, key: uuid.UUID) -> Response:
        """Its releases as a crate takes them; `POST /api/jobs/label-crate` makes the crate."""
        query = query_of(request, LabelReleasesIn)
        found = label_view(
            key,
            limit=cast("int", query["limit"]),
            codec=str(query["codec"]).lower(),
            studio_only=bool(query["studio_only"]),
        )
        return Response(OneLabelOut(found).data)


class LabelAsk(ApiView):
    """MusicBrainz' list of a label."""

    @extend_schema(operation_id="mesh_label_ask", request=LabelAskIn, responses={202: LabelGraphOut, **REFUSALS})
    def post(self, request: Request, key: uuid.UUID) -> Response:
        """Have it read; 202 with how far it is. Raises `label_missing` for a label of which only the name is known."""
        body = body_of(request, LabelAskIn)
        found = label_view(key, limit=1)
        if found.label_mbid is None:
            raise JobRefused("Only the name of this label is known.", code="label_missing")
        return Response(
            LabelGraphOut(label_graph_ask(found.label_mbid, refresh=bool(body["refresh"]))).data, status=202
        )


urlpatterns = [
    path("mesh/labels", Labels.as_view(), name="api-mesh-labels"),
    path("mesh/labels/<uuid:key>", OneLabel.as_view(), name="api-mesh-label"),
    path("mesh/labels/<uuid:key>/ask", LabelAsk.as_view(), name="api-mesh-label-ask"),
]
