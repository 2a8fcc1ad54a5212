"""The library's panel of the System page, which that page asks for: its own layer knows nothing of libraries."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.remediation.selectors_success import success_metrics


@require_GET
@page_role(Role.VIEWER)
def system_library(request: HttpRequest) -> HttpResponse:
    """The panel."""
    return render(request, "system/_library.html", {"success": success_metrics()})
