"""Peers: whom this node met, what they gave, what was wrong."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from apps.common.pagination import CursorInvalid, keyset_page
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.text import searched
from apps.peers.selectors_list import PEER_ORDER, peer_query, peer_rows


@require_GET
@page_role(Role.VIEWER)
def peers(request: HttpRequest) -> HttpResponse:
    """Newest acquaintance first."""
    text, faulty = searched(request.GET.get("q", "")), request.GET.get("show") == "faulty"
    try:
        page = keyset_page(peer_query(text=text, faulty=faulty), order=PEER_ORDER, cursor=request.GET.get("cursor"))
    except CursorInvalid:
        return redirect("peers")
    context = {"page": page, "peers": peer_rows(page.items), "text": text, "faulty": faulty}
    return render(request, "peers/list.html", context)
