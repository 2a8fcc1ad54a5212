"""Users of Soulseek: what is known of one, their files, what was exchanged, rules about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

import apps.soulseek.name_paths  # noqa: F401  (the converter)
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sentences import sentence
from apps.common.sse import stream_response
from apps.common.text import searched
from apps.domain.errors import DomainError
from apps.domain.soulseek.people import user_name
from apps.nodelink.web.frame import frame_parts, rights_of
from apps.soulseek.picture import picture_response
from apps.soulseek.selectors_browse import asking, browse_page
from apps.soulseek.selectors_people import buddies, user_history, user_picture, user_view, users_recent
from apps.soulseek.services_people import files_download, user_browse, user_look
from apps.soulseek.services_sharing import rule_add, rule_remove
from apps.soulseek.web.people_looks import person, status_look

EFFECTS = ("buddy", "ignore", "ban")


def _checked(name: str) -> str:
    try:
        return user_name(name)
    except DomainError as error:
        raise Http404 from error


def _user(name: str) -> dict[str, object]:
    user = user_view(name)
    return {
        "name": name,
        "user": user,
        "look": status_look(user.status),
        "asked": asking("soulseek_user", name),
        "browsed": asking("soulseek_browse", name),
        "history": user_history(name),
        "effects": {rule.effect: rule for rule in user.rules},
    }


@require_GET
@page_role(Role.VIEWER)
def users(request: HttpRequest) -> HttpResponse:
    """Of whom something was heard; with `?user=` the way to one, known or not."""
    if wanted := request.GET.get("user", "").strip():
        try:
            return redirect("soulseek-user", name=user_name(wanted))
        except DomainError as error:
            messages.error(request, str(sentence(error.code, error.params)))
    return render(request, "soulseek/users.html", _users(request))


def _users(request: HttpRequest) -> dict[str, object]:
    text, show = searched(request.GET.get("q", "")), request.GET.get("show", "")
    found = buddies(text=text) if show == "buddies" else users_recent(text=text)
    rows = [(row, status_look(row.status)) for row in found]
    return {"rows": rows, "text": text, "show": "buddies" if show == "buddies" else ""}


@require_GET
@page_role(Role.VIEWER)
def live_users(request: HttpRequest) -> HttpResponseBase:
    """Who comes and goes."""
    return stream_response(lambda: users_parts(request))


def users_parts(request: HttpRequest) -> Mapping[str, object]:
    """Patches of the list as this request looks at it."""
    return {**frame_parts(), "users-list": render_to_string("soulseek/_users_list.html", _users(request))}


@require_GET
@page_role(Role.VIEWER)
def user(request: HttpRequest, name: str) -> HttpResponse:
    """One user."""
    return render(request, "soulseek/user.html", _user(_checked(name)))


@require_POST
@page_role(Role.OPERATOR)
def user_ask(request: HttpRequest, name: str) -> HttpResponse:
    """Ask them."""
    user_look(_checked(name), by=person(request))
    messages.success(request, _("They are asked; the answer appears here."))
    return redirect("soulseek-user", name=name)


@require_POST
@page_role(Role.OPERATOR)
def user_rule(request: HttpRequest, name: str) -> HttpResponse:
    """A rule about exactly this user, or none of its kind any more."""
    _checked(name)
    effect, note = request.POST.get("effect", ""), request.POST.get("note", "")
    try:
        if effect in EFFECTS:
            rule_add(effect=effect, match="user", pattern=name, note=note, replace=True)
        for rule in user_view(name).rules:
            if effect == f"no-{rule.effect}":
                rule_remove(rule.pk)
        messages.success(request, _("Noted."))
    except DomainError as error:
        messages.error(request, str(sentence(error.code, error.params)))
    return redirect("soulseek-user", name=name)


@require_GET
@page_role(Role.VIEWER)
def picture(request: HttpRequest, name: str) -> HttpResponse:
    """Their picture."""
    found = user_picture(name)
    if found is None:
        raise Http404
    return picture_response(*found)


def _files_context(request: HttpRequest, name: str) -> dict[str, object]:
    page = browse_page(
        name,
        folder=request.GET.get("folder", "")[:4000],
        text=searched(request.GET.get("q", "")),
        cursor=request.GET.get("cursor", "")[:4100],
    )
    return {"name": name, "page": page, "request": request, "rights": rights_of(request)}


@require_GET
@page_role(Role.VIEWER)
def files(request: HttpRequest, name: str) -> HttpResponse:
    """Their list of files: a folder of the tree, or what a filter finds."""
    context = _files_context(request, _checked(name))
    context |= {"browsed": asking("soulseek_browse", name), "user": user_view(name)}
    return render(request, "soulseek/files.html", context)


@require_POST
@page_role(Role.OPERATOR)
def files_ask(request: HttpRequest, name: str) -> HttpResponse:
    """Ask for the list."""
    user_browse(_checked(name), by=person(request))
    return redirect("soulseek-files", name=name)


@require_POST
@page_role(Role.OPERATOR)
def files_take(request: HttpRequest, name: str) -> HttpResponse:
    """Download chosen files, a folder, or everything below it."""
    folder, how = request.POST.get("folder", "")[:4000], request.POST.get("how", "chosen")
    names = request.POST.getlist("file") if how == "chosen" else None
    try:
        _batch, count = files_download(
            _checked(name), folder=folder, names=names, deep=how == "deep", by=person(request)
        )
        said = ngettext("%(n)s file is in the queue.", "%(n)s files are in the queue.", count) % {"n": count}
        messages.success(request, said)
    except DomainError as error:
        messages.error(request, str(sentence(error.code, error.params)))
    back = reverse("soulseek-files", kwargs={"name": name})
    return redirect(f"{back}?{urlencode({'folder': folder})}")


@require_GET
@page_role(Role.VIEWER)
def live_user(request: HttpRequest, name: str) -> HttpResponseBase:
    """What is known, as it comes."""
    _checked(name)
    return stream_response(lambda: user_parts(name))


def user_parts(name: str) -> Mapping[str, object]:
    """Patches of a user's page."""
    context = _user(name)
    return {
        **frame_parts(),
        "user-known": render_to_string("soulseek/_user_known.html", context),
        "user-history": render_to_string("soulseek/_user_history.html", context),
    }


@require_GET
@page_role(Role.VIEWER)
def live_files(request: HttpRequest, name: str) -> HttpResponseBase:
    """How asking for the list stands, and the list once it is another one."""
    return stream_response(files_snapshot(request, _checked(name)))


def files_snapshot(request: HttpRequest, name: str) -> Callable[[], Mapping[str, object]]:
    """Patches of the list's page as this request looks at it. The list itself is opened again only when another one came."""
    opened: tuple[object, str] | None = None

    def parts() -> Mapping[str, object]:
        nonlocal opened
        view = user_view(name)
        if opened is None or opened[0] != view.share_at:
            opened = view.share_at, render_to_string("soulseek/_files_list.html", _files_context(request, name))
        context = {"name": name, "browsed": asking("soulseek_browse", name), "user": view}
        state = render_to_string("soulseek/_files_state.html", context)
        return {**frame_parts(), "files-state": state, "list": opened[1]}

    return parts


urlpatterns = [
    path("soulseek/users", users, name="soulseek-users"),
    path("soulseek/users/<name:name>", user, name="soulseek-user"),
    path("soulseek/users/<name:name>/look", user_ask, name="soulseek-user-look"),
    path("soulseek/users/<name:name>/rule", user_rule, name="soulseek-user-rule"),
    path("soulseek/users/<name:name>/picture", picture, name="soulseek-user-picture"),
    path("soulseek/users/<name:name>/files", files, name="soulseek-files"),
    path("soulseek/users/<name:name>/files/browse", files_ask, name="soulseek-files-browse"),
    path("soulseek/users/<name:name>/files/download", files_take, name="soulseek-files-download"),
    path("live/soulseek/users", live_users, name="live-soulseek-users"),
    path("live/soulseek/users/<name:name>", live_user, name="live-soulseek-user"),
    path("live/soulseek/users/<name:name>/files", live_files, name="live-soulseek-files"),
]
