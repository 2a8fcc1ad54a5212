"""Pages and bodies for what goes wrong: programs get the API's error body, people a page in the frame."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from apps.common.api_errors import error_response, is_api


def _error(request: HttpRequest, *, code: str, status: int) -> HttpResponse:
    if is_api(request):
        return error_response(code, status=status)
    return render(request, "error.html", {"code": code, "status": status}, status=status)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404."""
    return _error(request, code="not_found", status=404)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: signed in, but not allowed."""
    return _error(request, code="role_required", status=403)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400: refused before any view, for example a host name that is not allowed."""
    return error_response("malformed_request", status=400)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: a form without its token, usually an old tab."""
    return _error(request, code="form_expired", status=403)


def server_error(request: HttpRequest) -> HttpResponse:
    """500. The page needs no database: that may be what broke."""
    if is_api(request):
        return error_response("server_error", status=500)
    return render(request, "500.html", status=500)
