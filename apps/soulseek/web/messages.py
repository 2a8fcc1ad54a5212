"""Private messages: who wrote, and one conversation, live."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib import messages
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

import apps.soulseek.name_paths  # noqa: F401  (the converter)
from apps.common.pagination import CursorInvalid
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sentences import Sentence, sentence
from apps.common.sse import stream_response
from apps.domain.errors import DomainError
from apps.domain.soulseek.people import MAX_SAID, user_name
from apps.nodelink.web.frame import frame_parts
from apps.soulseek.selectors_people import conversation_page, message_page, user_view
from apps.soulseek.selectors_session import session_glance
from apps.soulseek.services_people import conversation_close, conversation_delete, conversation_read, message_send
from apps.soulseek.templatetags.people import UNREAD_KEY
from apps.soulseek.web.people_looks import chat, is_htmx, operates, person, status_look


def _list(open_name: str = "", cursor: str | None = None) -> dict[str, object]:
    page = conversation_page(cursor=cursor)
    rows = [(row, status_look(row.status)) for row in page.items]
    return {"conversations": rows, "page": page, "open": open_name}


def _log(name: str, cursor: str | None = None) -> dict[str, object]:
    page = message_page(name, cursor=cursor)
    return {"said": chat(page.items), "older": page.next_cursor, "cursor": cursor or ""}


def _head(name: str) -> dict[str, object]:
    user = user_view(name)
    return {"user": user, "look": status_look(user.status), "online": session_glance().online}


def _chat(
    name: str, cursor: str | None = None, *, draft: str = "", refusal: Sentence | None = None
) -> dict[str, object]:
    found = {**_log(name, cursor), **_head(name), "name": name, "most": MAX_SAID}
    return {**found, "draft": draft, "refusal": refusal}


@require_GET
@page_role(Role.VIEWER)
def conversations(request: HttpRequest) -> HttpResponse:
    """Who wrote; with `?user=` the way to one of them."""
    if wanted := request.GET.get("user", "").strip():
        try:
            return redirect("soulseek-chat", name=user_name(wanted))
        except DomainError as error:
            messages.error(request, str(sentence(error.code, error.params)))
    try:
        context = _list(cursor=request.GET.get("cursor"))
    except CursorInvalid:
        return redirect("soulseek-messages")
    return render(request, "soulseek/messages.html", context)


@require_GET
@page_role(Role.VIEWER)
def conversation(request: HttpRequest, name: str) -> HttpResponse:
    """One conversation, the newest at the bottom. Who may answer has read what is shown."""
    _known(name)
    if operates(request):
        _read(name)
    try:
        context = {**_list(name), **_chat(name, request.GET.get("cursor"))}
    except CursorInvalid:
        return redirect("soulseek-chat", name=name)
    return render(request, "soulseek/chat.html", context)


@require_POST
@page_role(Role.OPERATOR)
def message_new(request: HttpRequest, name: str) -> HttpResponse:
    """Send; what could not be sent stays in the field, with why."""
    _known(name)
    text, refusal = request.POST.get("text", ""), None
    try:
        message_send(name, text=text, by=person(request))
        text = ""
    except DomainError as error:
        refusal = sentence(error.code, error.params)
    cache.delete(UNREAD_KEY)
    if is_htmx(request):
        return render(request, "soulseek/_chat.html", _chat(name, draft=text, refusal=refusal))
    if refusal is not None:
        return render(request, "soulseek/chat.html", {**_list(name), **_chat(name, draft=text, refusal=refusal)})
    return redirect("soulseek-chat", name=name)


@require_POST
@page_role(Role.OPERATOR)
def conversation_hide(request: HttpRequest, name: str) -> HttpResponse:
    """Out of the list."""
    conversation_close(name)
    cache.delete(UNREAD_KEY)
    messages.success(request, _("Closed. It comes back when something new comes."))
    return redirect("soulseek-messages")


@require_POST
@page_role(Role.OPERATOR)
def conversation_drop(request: HttpRequest, name: str) -> HttpResponse:
    """Every message of it, for good."""
    count = conversation_delete(name)
    cache.delete(UNREAD_KEY)
    if count:
        words = ngettext("%(n)s message was deleted.", "%(n)s messages were deleted.", count) % {"n": count}
        messages.success(request, words)
    return redirect("soulseek-messages")


@require_GET
@page_role(Role.VIEWER)
def live_messages(request: HttpRequest) -> HttpResponseBase:
    """The list."""
    return stream_response(lambda: {**frame_parts(), **_list_part()})


@require_GET
@page_role(Role.VIEWER)
def live_chat(request: HttpRequest, name: str) -> HttpResponseBase:
    """One conversation and the list. Only a visible page listens, so what comes meanwhile was read."""
    _known(name)
    reads = operates(request)
    return stream_response(lambda: chat_parts(name, reads=reads))


def chat_parts(name: str, *, reads: bool) -> Mapping[str, object]:
    """Patches of a conversation's page."""
    if reads:
        _read(name)
    context = {**_log(name), **_head(name), "name": name}
    return {
        **frame_parts(),
        **_list_part(name),
        "chat-log": render_to_string("soulseek/_chat_log.html", context),
        "chat-head": render_to_string("soulseek/_chat_head.html", context),
    }


def _list_part(name: str = "") -> dict[str, object]:
    return {"conversations": render_to_string("soulseek/_conversations.html", _list(name))}


def _read(name: str) -> None:
    if conversation_read(name):
        cache.delete(UNREAD_KEY)


def _known(name: str) -> None:
    try:
        user_name(name)
    except DomainError as error:
        raise Http404 from error


urlpatterns = [
    path("soulseek/messages", conversations, name="soulseek-messages"),
    path("soulseek/messages/<name:name>", conversation, name="soulseek-chat"),
    path("soulseek/messages/<name:name>/send", message_new, name="soulseek-chat-send"),
    path("soulseek/messages/<name:name>/close", conversation_hide, name="soulseek-chat-close"),
    path("soulseek/messages/<name:name>/delete", conversation_drop, name="soulseek-chat-delete"),
    path("live/soulseek/messages", live_messages, name="live-soulseek-messages"),
    path("live/soulseek/messages/<name:name>", live_chat, name="live-soulseek-chat"),
]
