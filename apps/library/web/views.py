"""The library: what is on disk here."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_GET

from apps.common.pagination import CursorInvalid
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.text import searched
from apps.library.selectors_list import SHOWS, file_page
from apps.library.web.scans_page import panel_context

TABS: Final = (
    ("", lazy("Newest")),
    ("name", lazy("By name")),
    ("unconfirmed", lazy("Unconfirmed")),
    ("suspect", lazy("Suspected transcodes")),
    ("unreadable", lazy("Unreadable")),
    ("waiting", lazy("Not read yet")),
    ("missing", lazy("Missing")),
)
"""Values of `show` and what they are called."""


@require_GET
@page_role(Role.VIEWER)
def files(request: HttpRequest) -> HttpResponse:
    """Files by filter, a page at a time."""
    text, show = searched(request.GET.get("q", "")), request.GET.get("show", "")
    show = show if show in SHOWS else ""
    try:
        page = file_page(text=text, show=show, cursor=request.GET.get("cursor"))
    except CursorInvalid:
        return redirect("library")
    context = {"page": page, "text": text, "show": show, "tabs": TABS, **panel_context()}
    return render(request, "library/list.html", context)
