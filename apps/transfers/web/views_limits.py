"""Uploads: what other nodes fetch from this one, and how fast anything may go."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sentences import message_of
from apps.common.sse import stream_response
from apps.domain.errors import DomainError
from apps.domain.swarm.limits import LimitInvalid
from apps.nodelink.web.frame import frame_parts
from apps.transfers.selectors_limits import rate_limit_defaults, rate_limit_list, uploads_now
from apps.transfers.services_limits import rate_limit_clear, rate_limit_set


def _parts() -> Mapping[str, object]:
    return {**frame_parts(), "uploads": render_to_string("transfers/_uploads.html", {"view": uploads_now()})}


@require_GET
@page_role(Role.VIEWER)
def uploads(request: HttpRequest) -> HttpResponse:
    """Everything at a glance."""
    context = {"view": uploads_now(), "limits": rate_limit_list(), "defaults": rate_limit_defaults()}
    return render(request, "transfers/uploads.html", context)


@require_GET
@page_role(Role.VIEWER)
def live_uploads(request: HttpRequest) -> HttpResponseBase:
    """Patches of what is served."""
    return stream_response(_parts)


@require_POST
@page_role(Role.OPERATOR)
def limit(request: HttpRequest) -> HttpResponse:
    """Set a limit."""
    person = request.user if isinstance(request.user, User) else None
    scope, key, direction = _limit_of(request)
    try:
        rate_limit_set(scope, key, direction, kbps=_kbps(request), set_by=person)
        messages.success(request, _("The limit holds from now on."))
    except DomainError as error:
        messages.error(request, message_of(error.code, error.params, fallback=error.sentence))
    return redirect("uploads")


@require_POST
@page_role(Role.OPERATOR)
def limit_clear(request: HttpRequest) -> HttpResponse:
    """Back to what is configured."""
    try:
        if rate_limit_clear(*_limit_of(request)):
            messages.success(request, _("What is configured holds again."))
    except DomainError as error:
        messages.error(request, message_of(error.code, error.params, fallback=error.sentence))
    return redirect("uploads")


def _limit_of(request: HttpRequest) -> tuple[str, str, str]:
    scope = request.POST.get("scope", "")
    key = "" if scope == "global" else request.POST.get("key", "").strip()
    return scope, key, request.POST.get("direction", "")


def _kbps(request: HttpRequest) -> int:
    text = request.POST.get("kbps", "").strip()
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise LimitInvalid("A limit is a number of KiB/s.", field="kbps")
    return int(text)
