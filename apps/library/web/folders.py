"""Pages of folders: which release each is, and one of them with every penalty in words."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Final

from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from apps.common.names import release_names
from apps.common.pagination import CursorInvalid, keyset_page
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.text import searched
from apps.library.match_view import folder_view
from apps.library.match_words import STATE_WORDS, decision_says, state_chip
from apps.library.selectors_match import FOLDER_ORDER, folder_counts, folder_one, folder_query, mbid
from apps.library.services_match import FolderRefused, folder_again, folder_choose, folder_ignore, folder_refuse

ABOUT_RELEASE: Final = frozenset({"choose", "refuse"})


@require_GET
@page_role(Role.VIEWER)
def folders(request: HttpRequest) -> HttpResponse:
    """Folders, newest first; filter by state and path."""
    text, state = searched(request.GET.get("q", "")), request.GET.get("show", "")
    try:
        page = keyset_page(folder_query(state=state, words=text), order=FOLDER_ORDER, cursor=request.GET.get("cursor"))
    except CursorInvalid:
        return redirect("library-folders")
    names = release_names({row.release_mbid for row in page.items if row.release_mbid is not None})
    lines = [
        {
            "row": row,
            "chip": state_chip(row.state),
            "says": decision_says(row.code, row.params),
            "release": names.get(row.release_mbid) if row.release_mbid is not None else None,
        }
        for row in page.items
    ]
    counts = folder_counts()
    tabs = [(state_, STATE_WORDS[state_], counts.get(state_, 0)) for state_ in STATE_WORDS]
    context = {"page": page, "lines": lines, "text": text, "state": state, "tabs": tabs, "all": sum(counts.values())}
    return render(request, "library/folders.html", context)


@require_GET
@page_role(Role.VIEWER)
def folder(request: HttpRequest, match_id: int) -> HttpResponse:
    """One folder."""
    row = folder_one(match_id)
    if row is None:
        raise Http404
    return render(request, "library/folder.html", {"folder": folder_view(row)})


@require_POST
@page_role(Role.OPERATOR)
def act(request: HttpRequest, match_id: int, name: str) -> HttpResponse:
    """Choose or refuse a release (`mbid`), ignore the folder, or look again."""
    by = request.user if isinstance(request.user, User) else None
    release = mbid(request.POST.get("mbid", "").strip().lower())
    deeds = _deeds(match_id, release, by)
    if name not in deeds or (name in ABOUT_RELEASE and release is None):
        raise Http404
    try:
        deeds[name]()
    except FolderRefused as error:
        raise Http404 from error
    return redirect("library-folder", match_id=match_id)


def _deeds(match_id: int, release: uuid.UUID | None, by: User | None) -> Mapping[str, Callable[[], None]]:
    deeds: dict[str, Callable[[], None]] = {
        "ignore": lambda: folder_ignore(match_id, by=by),
        "again": lambda: folder_again(match_id),
    }
    if release is not None:
        deeds["choose"] = lambda: folder_choose(match_id, release_mbid=release, by=by)
        deeds["refuse"] = lambda: folder_refuse(match_id, release_mbid=release, by=by)
    return deeds
