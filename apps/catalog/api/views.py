"""Artists, labels and release groups over HTTP: what is known of them, their lists, and asking MusicBrainz again."""

from __future__ import annotations

import uuid
from typing import TypeVar, cast

from django.db.models import Model, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from apps.catalog.api.serializers import (
    ArtistOut,
    GraphOut,
    GroupFactsOut,
    GroupPageOut,
    GroupQueryIn,
    GroupRowOut,
    LabelFactsOut,
    ReleasePageOut,
    ReleaseRowOut,
)
from apps.catalog.selectors_graph import (
    Known,
    artist_detail,
    counts_by_type,
    graph_state,
    group_detail,
    group_state,
    known_of,
    label_detail,
    label_state,
)
from apps.catalog.selectors_pages import (
    GROUP_ORDER,
    RELEASE_ORDER,
    group_releases_query,
    groups_query,
    label_releases_query,
    release_counts,
)
from apps.catalog.services_walk import artist_graph_ask, group_graph_ask, label_graph_ask
from apps.common.api_base import REFUSALS, ApiView, PageQuery, page_body, query_of
from apps.common.pagination import Page, keyset_page
from apps.domain.catalog.graph import ArtistDetail, GroupDetail, LabelDetail
from apps.domain.catalog.walks import GraphState

M = TypeVar("M", bound=Model)

ENTITY_FIELDS = ("mbid", "name", "kind", "country", "disambiguation", "aliases", "tags", "relations")


class Artist(ApiView):
    """What is known of an artist."""

    @extend_schema(operation_id="catalog_artist", responses={200: ArtistOut, **REFUSALS})
    def get(self, request: Request, mbid: uuid.UUID) -> Response:
        """From the catalog alone; 404 for whom nobody asked for. `refresh` asks MusicBrainz."""
        state, detail = graph_state(mbid), artist_detail(mbid)
        if detail is None and state.state == "missing":
            raise NotFound
        known = known_of("artist", state.mbid)
        detail = detail or ArtistDetail(mbid=state.mbid, name="")
        own = {name: getattr(detail, name) for name in (*ENTITY_FIELDS, "sort_name", "begin", "end")}
        counts = [
            {"type": kind, "groups": groups, "releases": releases}
            for kind, (groups, releases) in counts_by_type(state.mbid).items()
        ]
        return Response(ArtistOut({**own, **_source(state, known), "by_type": counts}).data)


class ArtistGroups(ApiView):
    """An artist's release groups."""

    @extend_schema(
        operation_id="catalog_artist_groups", parameters=[GroupQueryIn], responses={200: GroupPageOut, **REFUSALS}
    )
    def get(self, request: Request, mbid: uuid.UUID) -> Response:
        """The newest first."""
        query = query_of(request, GroupQueryIn)
        page = keyset_page(
            groups_query(mbid, primary_type=str(query.get("type", ""))),
            order=GROUP_ORDER,
            cursor=cast("str | None", query.get("cursor")),
            limit=cast("int", query["limit"]),
        )
        counts = release_counts([row.mbid for row in page.items])
        items = [{**_group_row(row), "releases": counts.get(row.mbid, 0)} for row in page.items]
        return Response(page_body(cast("Page[object]", page), GroupRowOut(items, many=True).data))


class ArtistRefresh(ApiView):
    """Asking for an artist again."""

    @extend_schema(operation_id="catalog_artist_refresh", request=None, responses={202: GraphOut, **REFUSALS})
    def post(self, request: Request, mbid: uuid.UUID) -> Response:
        """The artist, all groups and all releases, within MusicBrainz' limit; the graph tells how far it is."""
        return Response(GraphOut(artist_graph_ask(mbid, refresh=True)).data, status=202)


class Label(ApiView):
    """What is known of a label."""

    @extend_schema(operation_id="catalog_label", responses={200: LabelFactsOut, **REFUSALS})
    def get(self, request: Request, mbid: uuid.UUID) -> Response:
        """From the catalog alone; 404 for what nobody asked for."""
        state, detail = label_state(mbid), label_detail(mbid)
        if detail is None and state.state == "missing":
            raise NotFound
        detail = detail or LabelDetail(mbid=state.mbid, name="")
        own = {name: getattr(detail, name) for name in (*ENTITY_FIELDS, "label_code")}
        return Response(LabelFactsOut({**own, **_source(state, known_of("label", state.mbid))}).data)


class LabelReleases(ApiView):
    """A label's releases."""

    @extend_schema(
        operation_id="catalog_label_releases", parameters=[PageQuery], responses={200: ReleasePageOut, **REFUSALS}
    )
    def get(self, request: Request, mbid: uuid.UUID) -> Response:
        """The newest first."""
        return _releases(request, label_releases_query(mbid))


class LabelRefresh(ApiView):
    """Asking for a label again."""

    @extend_schema(operation_id="catalog_label_refresh", request=None, responses={202: GraphOut, **REFUSALS})
    def post(self, request: Request, mbid: uuid.UUID) -> Response:
        """The label and all its releases."""
        return Response(GraphOut(label_graph_ask(mbid, refresh=True)).data, status=202)


class Group(ApiView):
    """What is known of a release group."""

    @extend_schema(operation_id="catalog_release_group", responses={200: GroupFactsOut, **REFUSALS})
    def get(self, request: Request, mbid: uuid.UUID) -> Response:
        """From the catalog alone; 404 for what nobody asked for."""
        state, detail = group_state(mbid), group_detail(mbid)
        if detail is None and state.state == "missing":
            raise NotFound
        return Response(GroupFactsOut({**_group(detail), **_source(state, known_of("release_group", state.mbid))}).data)


class GroupReleases(ApiView):
    """A release group's releases."""

    @extend_schema(
        operation_id="catalog_release_group_releases",
        parameters=[PageQuery],
        responses={200: ReleasePageOut, **REFUSALS},
    )
    def get(self, request: Request, mbid: uuid.UUID) -> Response:
        """The newest first."""
        return _releases(request, group_releases_query(mbid))


class GroupRefresh(ApiView):
    """Asking for a release group again."""

    @extend_schema(operation_id="catalog_release_group_refresh", request=None, responses={202: GraphOut, **REFUSALS})
    def post(self, request: Request, mbid: uuid.UUID) -> Response:
        """The group and all its releases."""
        return Response(GraphOut(group_graph_ask(mbid, refresh=True)).data, status=202)


def _source(state: GraphState, known: Known | None) -> dict[str, object]:
    return {"mbid": state.mbid, "graph": state, "known": known or Known(source="musicbrainz", fetched_at=None)}


def _group(detail: GroupDetail | None) -> dict[str, object]:
    if detail is None:
        names = ("title", "primary_type", "first_release_date", "artist_credit", "disambiguation")
        return {**dict.fromkeys(names, ""), "secondary_types": (), "tags": (), "relations": ()}
    facts = detail.facts
    return {
        "title": facts.title,
        "primary_type": facts.primary_type,
        "secondary_types": facts.secondary_types,
        "first_release_date": facts.first_release_date,
        "artist_credit": detail.artist_credit,
        "disambiguation": detail.disambiguation,
        "tags": detail.tags,
        "relations": detail.relations,
    }


def _group_row(row: object) -> dict[str, object]:
    names = (
        "mbid",
        "title",
        "primary_type",
        "secondary_types",
        "first_release_date",
        "artist_credit",
        "disambiguation",
    )
    return {name: getattr(row, name) for name in names}


def _releases(request: Request, rows: QuerySet[M]) -> Response:
    query = query_of(request, PageQuery)
    page = keyset_page(
        rows,
        order=RELEASE_ORDER,
        cursor=cast("str | None", query.get("cursor")),
        limit=cast("int", query["limit"]),
    )
    return Response(page_body(cast("Page[object]", page), ReleaseRowOut(page.items, many=True).data))
