"""Pages of webhooks: who is told, and the log of every telling. For admins: an address may hold somebody's token."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_GET, require_POST

from apps.common.pagination import CursorInvalid
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sentences import message_of
from apps.common.web.looks import Look
from apps.domain.errors import DomainError
from apps.domain.jobs.webhooks import MAX_TRIES, TEST_EVENT, DeliveryState, Event
from apps.jobs import services_webhooks as services
from apps.jobs.selectors_webhooks import DeliveryView, WebhookView, delivery_page, webhook_list, webhook_one

EVENTS = [event.value for event in Event]
DELIVERY_LOOKS: Mapping[DeliveryState, Look] = {
    DeliveryState.WAITING: Look(lazy("Waiting"), "clock", "info"),
    DeliveryState.DELIVERED: Look(lazy("Delivered"), "check", "ok"),
    DeliveryState.DEAD: Look(lazy("Given up"), "cross", "bad"),
}
HOOK_ON = Look(lazy("On"), "check", "ok")
HOOK_OFF = Look(lazy("Off"), "stop", "idle")
HOOK_AWAY = Look(lazy("Receiver away"), "warning", "warn")


@dataclass(frozen=True, slots=True, kw_only=True)
class HookLine:
    """A hook in the list."""

    hook: WebhookView
    look: Look


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryLine:
    """A line of the log."""

    view: DeliveryView
    look: Look


def _line(hook: WebhookView) -> HookLine:
    look = HOOK_OFF if not hook.enabled else HOOK_AWAY if hook.failures else HOOK_ON
    return HookLine(hook=hook, look=look)


@require_GET
@page_role(Role.ADMIN)
def webhooks(request: HttpRequest) -> HttpResponse:
    """All hooks, and the form for another one."""
    context = {"lines": [_line(hook) for hook in webhook_list()], "events": EVENTS, "draft": {}}
    return render(request, "jobs/webhooks.html", context)


@require_POST
@page_role(Role.ADMIN)
def webhook_add(request: HttpRequest) -> HttpResponse:
    """The hook's secret is on the answer's page and nowhere else."""
    post = request.POST
    person = request.user if isinstance(request.user, User) else None
    url, name, events = post.get("url", ""), post.get("name", ""), post.getlist("events")
    try:
        made = services.webhook_add(url, name=name, events=events, created_by=person)
    except DomainError as error:
        messages.error(request, message_of(error.code, error.params, fallback=error.sentence))
        context = {"lines": [_line(hook) for hook in webhook_list()], "events": EVENTS, "draft": {}}
        context["draft"] = {"url": url, "name": name, "events": events}
        return render(request, "jobs/webhooks.html", context, status=400)
    return _page(request, made.id, secret=made.secret, status=201)


@require_GET
@page_role(Role.ADMIN)
def webhook(request: HttpRequest, hook_id: uuid.UUID) -> HttpResponse:
    """One hook and its log."""
    return _page(request, hook_id)


@require_POST
@page_role(Role.ADMIN)
def webhook_act(request: HttpRequest, hook_id: uuid.UUID, name: str) -> HttpResponse:
    """Change, switch, test, renew the secret, remove."""
    if name == "secret":
        try:
            made = services.webhook_secret_renew(hook_id)
        except services.WebhookUnknown as error:
            raise Http404 from error
        return _page(request, hook_id, secret=made.secret)
    act = _ACTS.get(name)
    if act is None:
        raise Http404
    try:
        messages.success(request, act(request, hook_id))
    except services.WebhookUnknown as error:
        raise Http404 from error
    except DomainError as error:
        messages.error(request, message_of(error.code, error.params, fallback=error.sentence))
    return redirect("webhooks") if name == "remove" else redirect("webhook", hook_id=hook_id)


@require_POST
@page_role(Role.ADMIN)
def delivery_again(request: HttpRequest, hook_id: uuid.UUID, delivery_id: int) -> HttpResponse:
    """Send a line of the log again."""
    try:
        services.delivery_again(delivery_id)
    except services.WebhookUnknown as error:
        raise Http404 from error
    messages.success(request, _("It is sent again under the same event id."))
    return redirect("webhook", hook_id=hook_id)


def _page(request: HttpRequest, hook_id: uuid.UUID, *, secret: str = "", status: int = 200) -> HttpResponse:
    hook = webhook_one(hook_id)
    if hook is None:
        raise Http404
    state, event = request.GET.get("show", ""), request.GET.get("event", "")
    state = state if state in [known.value for known in DeliveryState] else ""
    event = event if event in [*EVENTS, TEST_EVENT] else ""
    try:
        job = uuid.UUID(request.GET.get("job", ""))
    except ValueError:
        job = None
    try:
        page = delivery_page(hook_id, state=state, event=event, job_id=job, cursor=request.GET.get("cursor") or None)
    except CursorInvalid:
        return redirect("webhook", hook_id=hook_id)
    context = {
        "line": _line(hook),
        "secret": secret,
        "page": page,
        "lines": [DeliveryLine(view=view, look=DELIVERY_LOOKS[view.state]) for view in page.items],
        "tabs": [("", _("All")), *((known.value, DELIVERY_LOOKS[known].label) for known in DeliveryState)],
        "show": state,
        "event": event,
        "job": job,
        "events": EVENTS,
        "log_events": [*EVENTS, TEST_EVENT],
        "max_tries": MAX_TRIES,
        "back": reverse("webhook", args=[hook_id]),
    }
    return render(request, "jobs/webhook.html", context, status=status)


def _change(request: HttpRequest, hook_id: uuid.UUID) -> str:
    post = request.POST
    events = post.getlist("events")
    services.webhook_change(hook_id, url=post.get("url", ""), name=post.get("name", ""), events=events)
    return _("Changed.")


def _on(_request: HttpRequest, hook_id: uuid.UUID) -> str:
    services.webhook_change(hook_id, enabled=True)
    return _("It is told of everything from now on.")


def _off(_request: HttpRequest, hook_id: uuid.UUID) -> str:
    services.webhook_change(hook_id, enabled=False)
    return _("It is told of nothing until it is switched on again.")


def _test(_request: HttpRequest, hook_id: uuid.UUID) -> str:
    services.webhook_test(hook_id)
    return _("A test is on its way; the log tells how it went.")


def _remove(_request: HttpRequest, hook_id: uuid.UUID) -> str:
    services.webhook_remove(hook_id)
    return _("The webhook and its log are gone.")


_ACTS: Mapping[str, Callable[[HttpRequest, uuid.UUID], str]] = {
    "change": _change,
    "on": _on,
    "off": _off,
    "test": _test,
    "remove": _remove,
}
