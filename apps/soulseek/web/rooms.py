"""Rooms: those we are in, the server's list, and one room, live."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

import apps.soulseek.name_paths  # noqa: F401  (the converter)
from apps.common.pagination import CursorInvalid
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sentences import Sentence, sentence
from apps.common.sse import stream_response
from apps.common.text import display_text, searched
from apps.domain.errors import DomainError
from apps.domain.soulseek.people import MAX_SAID
from apps.nodelink.web.frame import frame_parts
from apps.soulseek.selectors_people import (
    RoomRow,
    RoomUnknown,
    line_page,
    room_find,
    room_list,
    room_members,
    rooms_joined,
)
from apps.soulseek.selectors_session import session_glance
from apps.soulseek.services_people import room_join, room_leave, room_read, room_say, rooms_refresh
from apps.soulseek.web.people_looks import chat, is_htmx, operates, person, status_look


def _found(name: str) -> RoomRow:
    try:
        return room_find(name)
    except RoomUnknown as error:
        raise Http404 from error


def _room(
    name: str, cursor: str | None = None, *, draft: str = "", refusal: Sentence | None = None
) -> dict[str, object]:
    page = line_page(name, cursor=cursor)
    return {
        "room": _found(name),
        "name": name,
        "said": chat(page.items),
        "older": page.next_cursor,
        "cursor": cursor or "",
        "members": [(one, status_look(one.status)) for one in room_members(name)],
        "joined": rooms_joined(),
        "online": session_glance().online,
        "most": MAX_SAID,
        "draft": draft,
        "refusal": refusal,
    }


@require_GET
@page_role(Role.VIEWER)
def rooms(request: HttpRequest) -> HttpResponse:
    """Rooms we want to be in, and the server's list."""
    text = searched(request.GET.get("q", ""))
    try:
        page = room_list(text=text, cursor=request.GET.get("cursor"))
    except CursorInvalid:
        return redirect("soulseek-rooms")
    return render(request, "soulseek/rooms.html", {"joined": rooms_joined(), "page": page, "text": text})


@require_GET
@page_role(Role.VIEWER)
def room(request: HttpRequest, name: str) -> HttpResponse:
    """One room, the newest line at the bottom."""
    if operates(request):
        room_read(name)
    try:
        return render(request, "soulseek/room.html", _room(name, request.GET.get("cursor")))
    except CursorInvalid:
        return redirect("soulseek-room", name=name)


@require_POST
@page_role(Role.OPERATOR)
def room_enter(request: HttpRequest) -> HttpResponse:
    """Join."""
    try:
        name = room_join(request.POST.get("name", ""))
    except DomainError as error:
        messages.error(request, str(sentence(error.code, error.params)))
        return redirect("soulseek-rooms")
    return redirect("soulseek-room", name=name)


@require_POST
@page_role(Role.OPERATOR)
def room_exit(request: HttpRequest, name: str) -> HttpResponse:
    """Leave."""
    room_leave(name)
    messages.success(request, _("Left %(name)s.") % {"name": display_text(name)})
    return redirect("soulseek-rooms")


@require_POST
@page_role(Role.OPERATOR)
def line_new(request: HttpRequest, name: str) -> HttpResponse:
    """Say a line; what was not said stays in the field, with why."""
    _found(name)
    text, refusal = request.POST.get("text", ""), None
    try:
        room_say(name, text=text, by=person(request))
        text = ""
    except DomainError as error:
        refusal = sentence(error.code, error.params)
    if is_htmx(request):
        return render(request, "soulseek/_room.html", _room(name, draft=text, refusal=refusal))
    if refusal is not None:
        return render(request, "soulseek/room.html", _room(name, draft=text, refusal=refusal))
    return redirect("soulseek-room", name=name)


@require_POST
@page_role(Role.OPERATOR)
def list_refresh(request: HttpRequest) -> HttpResponse:
    """The server's list, anew."""
    try:
        messages.success(request, _("The server has %(n)s rooms.") % {"n": rooms_refresh(by=person(request))})
    except DomainError as error:
        messages.error(request, str(sentence(error.code, error.params)))
    return redirect("soulseek-rooms")


@require_GET
@page_role(Role.VIEWER)
def live_rooms(request: HttpRequest) -> HttpResponseBase:
    """Rooms we want to be in."""
    return stream_response(
        lambda: {
            **frame_parts(),
            "rooms-joined": render_to_string("soulseek/_rooms_joined.html", {"joined": rooms_joined()}),
        }
    )


@require_GET
@page_role(Role.VIEWER)
def live_room(request: HttpRequest, name: str) -> HttpResponseBase:
    """One room. Only a visible page listens, so what comes meanwhile was read."""
    _found(name)
    reads = operates(request)
    return stream_response(lambda: room_parts(name, reads=reads))


def room_parts(name: str, *, reads: bool) -> Mapping[str, object]:
    """Patches of a room's page."""
    if reads:
        room_read(name)
    context = _room(name)
    return {
        **frame_parts(),
        "chat-log": render_to_string("soulseek/_chat_log.html", context),
        "room-head": render_to_string("soulseek/_room_head.html", context),
        "room-members": render_to_string("soulseek/_room_members.html", context),
        "rooms-side": render_to_string("soulseek/_rooms_side.html", context),
    }


urlpatterns = [
    path("soulseek/rooms", rooms, name="soulseek-rooms"),
    path("soulseek/rooms-join", room_enter, name="soulseek-room-join"),
    path("soulseek/rooms-list", list_refresh, name="soulseek-rooms-refresh"),
    path("soulseek/rooms/<name:name>", room, name="soulseek-room"),
    path("soulseek/rooms/<name:name>/say", line_new, name="soulseek-room-say"),
    path("soulseek/rooms/<name:name>/leave", room_exit, name="soulseek-room-leave"),
    path("live/soulseek/rooms", live_rooms, name="live-soulseek-rooms"),
    path("live/soulseek/rooms/<name:name>", live_room, name="live-soulseek-room"),
]
