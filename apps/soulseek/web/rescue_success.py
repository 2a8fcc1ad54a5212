"""The rescues' panel of the System page, which that page asks for: its own layer knows nothing of Soulseek."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.domain.soulseek.rescue_success import RATIO_BOUNDS
from apps.soulseek.selectors_rescue_success import rescues_success
from apps.soulseek.web.rescues import TROUBLES


@require_GET
@page_role(Role.VIEWER)
def system_rescue(request: HttpRequest) -> HttpResponse:
    """The panel."""
    told = rescues_success()
    context = {
        "rescue": told,
        "outcomes": dict(told.outcomes),
        "ratios": _ratio_words(told.ratios),
        "troubles": [f"{TROUBLES.get(trouble, trouble)}: {round(100 * share)} %" for trouble, share in told.rescued_of],
    }
    return render(request, "system/_rescue.html", context)


def _ratio_words(counts: Sequence[int]) -> list[str]:
    """`≤ 0.5×: 3`, for buckets that hold something."""
    names = [*(f"≤ {one:g}×" for one in RATIO_BOUNDS), _("more")]
    return [f"{name}: {count}" for name, count in zip(names, counts, strict=True) if count]


urlpatterns = [path("system/rescue", system_rescue, name="system-rescue")]
