"""System: is everything well, which versions run, which keys exist, what is set and what it means."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST
from pydantic import BaseModel

from apps.common.permissions import page_role, role_of_request
from apps.common.roles import Role
from apps.common.selectors import ApiKeyRow, api_key_list
from apps.common.sentences import message_of
from apps.common.services import api_key_create, api_key_revoke
from apps.common.sse import stream_response
from apps.domain.errors import DomainError
from apps.nodelink.api.views import versions
from apps.nodelink.health import health_checks
from apps.nodelink.selectors_scheduler import scheduler_glance
from apps.nodelink.selectors_status import backlog, node_glance
from apps.nodelink.web.frame import frame_parts


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRow:
    """A key of slskdn.yml, its value now, what it means. Secrets are told as set or not set."""

    key: str
    value: str
    changed: bool
    description: str


SECRET_KEYS = frozenset({"database.url", "redis.url", "integration.acoustid.client_id"})


def setting_rows(config: BaseModel, prefix: str = "") -> Iterator[SettingRow]:
    """Every setting, in the order of the schema."""
    for name, field in type(config).model_fields.items():
        key, value = f"{prefix}{name}", getattr(config, name)
        if isinstance(value, BaseModel):
            yield from setting_rows(value, f"{key}.")
            continue
        changed = value != field.get_default(call_default_factory=True)
        extra = field.json_schema_extra
        hidden = bool(value) and (key in SECRET_KEYS or (isinstance(extra, dict) and bool(extra.get("secret"))))
        text = _("set") if hidden else ", ".join(value) if isinstance(value, list) else str(value)
        yield SettingRow(key=key, value=text, changed=changed, description=field.description or "")


def _keys_of(request: HttpRequest) -> list[ApiKeyRow]:
    everyone = role_of_request(request) is Role.ADMIN
    return api_key_list(None if everyone or not isinstance(request.user, User) else request.user)


def _page(request: HttpRequest, **extra: object) -> HttpResponse:
    context = {
        "checks": health_checks(),
        "backlog": backlog(),
        "scheduler": scheduler_glance(node_glance()),
        "versions": versions(),
        "keys": _keys_of(request),
        "roles": Role,
        "settings_rows": list(setting_rows(settings.CONFIG)),
        "data_dir": settings.DATA_DIR,
    }
    return render(request, "system/system.html", {**context, **extra})


@require_GET
@page_role(Role.VIEWER)
def system(request: HttpRequest) -> HttpResponse:
    """Everything at a glance."""
    return _page(request)


@require_GET
@page_role(Role.VIEWER)
def live_frame(request: HttpRequest) -> HttpResponseBase:
    """Patches of the frame alone, for pages that hold nothing else that moves."""
    return stream_response(frame_parts)


@require_GET
@page_role(Role.VIEWER)
def live_system(request: HttpRequest) -> HttpResponseBase:
    """Patches of the health checks and the scheduler's numbers."""
    return stream_response(_parts)


def _parts() -> Mapping[str, object]:
    context = {"checks": health_checks(), "backlog": backlog(), "scheduler": scheduler_glance(node_glance())}
    return {
        **frame_parts(),
        "system-health": render_to_string("system/_health.html", context),
        "system-scheduler": render_to_string("system/_scheduler.html", context),
    }


@require_POST
@page_role(Role.OPERATOR)
def key_create(request: HttpRequest) -> HttpResponse:
    """A new API key of the person; its token is on the answer's page and nowhere else, ever."""
    post, user = request.POST, request.user
    assert isinstance(user, User)  # page_role let only people in
    role = Role(post["role"]) if post.get("role") in Role.values else Role.VIEWER
    try:
        row, token = api_key_create(user, name=post.get("name", ""), role=role, cidrs=post.get("cidrs", "").split())
    except DomainError as error:
        messages.error(request, message_of(error.code, error.params, fallback=error.sentence))
        return redirect("system")
    return _page(request, made=row, token=token)


@require_POST
@page_role(Role.OPERATOR)
def key_revoke(request: HttpRequest, key_id: uuid.UUID) -> HttpResponse:
    """Switch one of the person's keys off (an admin: anybody's)."""
    if key_id in {key.id for key in _keys_of(request)}:
        api_key_revoke(key_id)
        messages.success(request, _("The key no longer opens anything."))
    return redirect("system")
