"""What stands in the frame of every page: connection state, speeds, and who is signed in. One query, and only when a page shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.functional import SimpleLazyObject

from apps.common.permissions import role_of_request
from apps.common.roles import Role, role_at_least
from apps.nodelink.selectors_status import NodeGlance, node_glance


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Mode and node, as the top bar shows them."""

    mode: str
    mesh_enabled: bool
    node: NodeGlance


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What the person at the page may do; pages leave out what they may not."""

    operate: bool
    administer: bool


def frame_of_now() -> Frame:
    """Read it."""
    return Frame(mode=settings.CONFIG.mode, mesh_enabled=settings.CONFIG.mesh.enabled, node=node_glance())


def rights_of(request: HttpRequest) -> Rights:
    """The rights of whoever makes the request."""
    role = role_of_request(request)
    return Rights(operate=role_at_least(role, Role.OPERATOR), administer=role_at_least(role, Role.ADMIN))


def frame(request: HttpRequest) -> Mapping[str, object]:
    """Context processor: `frame` and `rights`, both lazy."""
    if not hasattr(request, "user"):
        return {}
    return {
        "frame": SimpleLazyObject(frame_of_now),
        "rights": SimpleLazyObject(lambda: rights_of(request)),
    }


def frame_parts() -> dict[str, object]:
    """The frame's part of a live page."""
    return {"frame-status": render_to_string("frame/status.html", {"frame": frame_of_now()})}
