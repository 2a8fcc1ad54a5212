"""The mesh: is the node there, what does it announce, what is seeded."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.common.pagination import keyset_page
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sentences import message_of
from apps.common.sse import stream_response
from apps.domain.errors import DomainError
from apps.mesh.selectors_adverts import AVAILABLE_ORDER, available_query, available_rows, available_totals
from apps.mesh.selectors_list import announcement_list, claims_by_verdict, seed_list
from apps.mesh.services import release_seed, release_unseed
from apps.nodelink.selectors_status import node_glance
from apps.nodelink.web.frame import frame_parts

AVAILABLE_SHOWN = 12


def _context() -> dict[str, object]:
    config = settings.CONFIG
    page = keyset_page(available_query(), order=AVAILABLE_ORDER, limit=AVAILABLE_SHOWN)
    return {
        "node": node_glance(),
        "config": config,
        "announcements": announcement_list(),
        "claims": claims_by_verdict(),
        "available": available_rows(page.items),
        "available_more": page.next_cursor is not None,
        "available_totals": available_totals(),
    }


def _parts() -> Mapping[str, object]:
    context = _context()
    return {
        **frame_parts(),
        "mesh-status": render_to_string("mesh/_status.html", context),
        "mesh-available": render_to_string("mesh/_available.html", context),
        "mesh-announced": render_to_string("mesh/_announced.html", context),
    }


@require_GET
@page_role(Role.VIEWER)
def mesh(request: HttpRequest) -> HttpResponse:
    """Everything at a glance."""
    return render(request, "mesh/mesh.html", {**_context(), "seeds": seed_list()})


@require_GET
@page_role(Role.VIEWER)
def live_mesh(request: HttpRequest) -> HttpResponseBase:
    """Patches of status and announcements."""
    return stream_response(_parts)


@require_POST
@page_role(Role.OPERATOR)
def seed(request: HttpRequest) -> HttpResponse:
    """Seed one more release."""
    person = request.user if isinstance(request.user, User) else None
    try:
        added = release_seed(uuid.UUID(request.POST.get("mbid", "").strip()), requested_by=person)
        messages.success(request, _("Seeded from now on.") if added else _("It was seeded already."))
    except ValueError:
        messages.error(request, message_of("mbid_invalid", {}))
    except DomainError as error:
        messages.error(request, message_of(error.code, error.params, fallback=error.sentence))
    return redirect("mesh")


@require_POST
@page_role(Role.OPERATOR)
def unseed(request: HttpRequest, release_mbid: uuid.UUID) -> HttpResponse:
    """Seed a release no longer."""
    if release_unseed(release_mbid):
        messages.success(request, _("No longer seeded; its files stay."))
    return redirect("mesh")
