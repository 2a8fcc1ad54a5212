"""The library: what is on disk here."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from apps.common.pagination import CursorInvalid, keyset_page
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.text import searched
from apps.library.selectors_list import FILE_ORDER, file_query


@require_GET
@page_role(Role.VIEWER)
def files(request: HttpRequest) -> HttpResponse:
    """Files, newest first."""
    text, unverified = searched(request.GET.get("q", "")), request.GET.get("show") == "unconfirmed"
    rows = file_query(text=text, unverified=unverified)
    try:
        page = keyset_page(rows, order=FILE_ORDER, cursor=request.GET.get("cursor"))
    except CursorInvalid:
        return redirect("library")
    return render(request, "library/list.html", {"page": page, "text": text, "unverified": unverified})
