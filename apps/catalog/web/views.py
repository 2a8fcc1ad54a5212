"""Facts of an artist, a label, a release group: who they are, what they made, where that comes from, and a button that asks again."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from apps.catalog.selectors_graph import (
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
from apps.common.pagination import CursorInvalid, keyset_page
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sse import stream_response
from apps.domain.catalog.graph import format_words
from apps.domain.catalog.relations import Relation
from apps.domain.catalog.walks import GraphState
from apps.nodelink.web.frame import frame_parts


@dataclass(frozen=True, slots=True)
class _Kind:
    page: str
    state: Callable[[uuid.UUID], GraphState]
    ask: Callable[..., GraphState]
    subject: str


KINDS: Final[Mapping[str, _Kind]] = {
    "artists": _Kind("catalog-artist", graph_state, artist_graph_ask, "artist"),
    "labels": _Kind("catalog-label", label_state, label_graph_ask, "label"),
    "release-groups": _Kind("catalog-group", group_state, group_graph_ask, "release_group"),
}
ENTITY_PAGES: Final = {"artist": "catalog-artist", "label": "catalog-label", "release_group": "catalog-group"}
RELATIONS_SHOWN: Final = 200


@require_GET
@page_role(Role.VIEWER)
def artist(request: HttpRequest, mbid: uuid.UUID) -> HttpResponse:
    """An artist with counts by type and a page of release groups."""
    state, kind = graph_state(mbid), request.GET.get("type", "")[:40]
    if state.mbid != mbid:
        return redirect("catalog-artist", mbid=state.mbid)
    try:
        page = keyset_page(groups_query(mbid, primary_type=kind), order=GROUP_ORDER, cursor=request.GET.get("cursor"))
    except CursorInvalid:
        return redirect("catalog-artist", mbid=mbid)
    counts = release_counts([row.mbid for row in page.items])
    by_type = [(one, groups, releases) for one, (groups, releases) in counts_by_type(mbid).items()]
    primary = sorted({one.split(" + ")[0] for one, _, _ in by_type})
    detail = artist_detail(mbid)
    context = {
        **_head("artists", state),
        "detail": detail,
        "by_type": by_type,
        "types": primary,
        "type": kind,
        "page": page,
        "lines": [{"row": row, "releases": counts.get(row.mbid, 0)} for row in page.items],
        **_relations(detail.relations if detail else ()),
    }
    return render(request, "catalog/artist.html", context)


@require_GET
@page_role(Role.VIEWER)
def label(request: HttpRequest, mbid: uuid.UUID) -> HttpResponse:
    """A label with a page of releases."""
    state = label_state(mbid)
    if state.mbid != mbid:
        return redirect("catalog-label", mbid=state.mbid)
    try:
        page = keyset_page(label_releases_query(mbid), order=RELEASE_ORDER, cursor=request.GET.get("cursor"))
    except CursorInvalid:
        return redirect("catalog-label", mbid=mbid)
    detail = label_detail(mbid)
    context = {
        **_head("labels", state),
        "detail": detail,
        "page": page,
        "lines": [{"row": row, "format": format_words(row.formats)} for row in page.items],
        "with_artist": True,
        **_relations(detail.relations if detail else ()),
    }
    return render(request, "catalog/label.html", context)


@require_GET
@page_role(Role.VIEWER)
def group(request: HttpRequest, mbid: uuid.UUID) -> HttpResponse:
    """A release group with its editions."""
    state = group_state(mbid)
    if state.mbid != mbid:
        return redirect("catalog-group", mbid=state.mbid)
    try:
        page = keyset_page(group_releases_query(mbid), order=RELEASE_ORDER, cursor=request.GET.get("cursor"))
    except CursorInvalid:
        return redirect("catalog-group", mbid=mbid)
    detail = group_detail(mbid)
    context = {
        **_head("release-groups", state),
        "detail": detail,
        "page": page,
        "lines": [{"row": row, "format": format_words(row.formats)} for row in page.items],
        **_relations(detail.relations if detail else ()),
    }
    return render(request, "catalog/group.html", context)


@require_POST
@page_role(Role.OPERATOR)
def refresh(request: HttpRequest, kind: str, mbid: uuid.UUID) -> HttpResponse:
    """Ask MusicBrainz again; the page shows how far it is."""
    if kind not in KINDS:
        raise Http404
    state = KINDS[kind].ask(mbid, refresh=True)
    return redirect(KINDS[kind].page, mbid=state.mbid)


@require_GET
@page_role(Role.VIEWER)
def live(request: HttpRequest, kind: str, mbid: uuid.UUID) -> HttpResponseBase:
    """Patches of how far reading is."""
    if kind not in KINDS:
        raise Http404

    def parts() -> Mapping[str, object]:
        head = _head(kind, KINDS[kind].state(mbid))
        return {**frame_parts(), "graph": render_to_string("catalog/_graph.html", head)}

    return stream_response(parts)


def _head(kind: str, state: GraphState) -> dict[str, object]:
    """What a page's head needs. `taken` and `total`: of groups and releases together; `total` None: not told yet."""
    totals = [one for one in (state.groups_total, state.releases_total) if one is not None]
    expected = 2 if kind == "artists" else 1
    return {
        "kind": kind,
        "state": state,
        "mbid": state.mbid,
        "here": reverse(KINDS[kind].page, kwargs={"mbid": state.mbid}),
        "known": known_of(KINDS[kind].subject, state.mbid),
        "taken": state.groups_taken + state.releases_taken,
        "total": sum(totals) if len(totals) == expected else None,
    }


def _relations(relations: tuple[Relation, ...]) -> dict[str, object]:
    """Relations to entities (with a page of their own where there is one) and addresses, apart."""
    entities = [(one, ENTITY_PAGES.get(one.target_kind, "")) for one in relations if one.mbid is not None]
    addresses = [one for one in relations if one.address.startswith(("https://", "http://"))]
    return {
        "related": entities[:RELATIONS_SHOWN],
        "addresses": addresses[:RELATIONS_SHOWN],
        "more_relations": max(0, len(entities) - RELATIONS_SHOWN) + max(0, len(addresses) - RELATIONS_SHOWN),
    }
