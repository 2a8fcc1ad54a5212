"""Roles at the doors of API and pages."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from apps.common.roles import Principal, Role, role_at_least, role_of_user

if TYPE_CHECKING:
    from rest_framework.views import APIView  # it imports this module, by its settings

P = ParamSpec("P")
_ROLE_KEY = "slskdn.role"  # in request.META, where no header can be named so
PageView = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def role_of_request(request: HttpRequest) -> Role | None:
    """The signed-in person's role, read once a request."""
    if _ROLE_KEY not in request.META:
        request.META[_ROLE_KEY] = role_of_user(request.user)
    role: Role | None = request.META[_ROLE_KEY]
    return role


class RoleRequired(BasePermission):
    """Reading needs `viewer`, writing `operator`; a view may say otherwise by `read_role` and `write_role`."""

    message = "Your role does not allow this."
    code = "role_required"

    def has_permission(self, request: Request, view: APIView) -> bool:
        reading = request.method in SAFE_METHODS
        needed: Role = (
            getattr(view, "read_role", Role.VIEWER) if reading else getattr(view, "write_role", Role.OPERATOR)
        )
        role = request.auth.role if isinstance(request.auth, Principal) else role_of_user(request.user)
        return role_at_least(role, needed)


def page_role(role: Role) -> Callable[[PageView[P]], PageView[P]]:
    """Only people with at least `role` see the page: others sign in first, or get 403 when they have."""

    def decorate(view: PageView[P]) -> PageView[P]:
        @functools.wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not role_at_least(role_of_request(request), role):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return decorate
