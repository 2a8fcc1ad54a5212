"""What every answer carries: a strict Content-Security-Policy and its companions. And a count of requests for /metrics.

Pages need no exception. Only the API's documentation (Swagger UI writes style elements and shows data: images) gets a wider style rule.
"""

from __future__ import annotations

import time

from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin
from prometheus_client import CollectorRegistry, Counter, Histogram

HTTP_METRICS = CollectorRegistry()
"""Counted in this process since it started; rows are the source of everything else at /metrics."""

_REQUESTS = Counter("slskdn_http_requests", "Requests answered.", ["method", "route", "status"], registry=HTTP_METRICS)
_SECONDS = Histogram(
    "slskdn_http_request_seconds",
    "Time until the answer began, in seconds.",
    ["route"],
    buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=HTTP_METRICS,
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_POLICY = {
    "default-src": "'self'",
    "img-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
_DOCS_PATH = "/api/docs"


def content_security_policy(path: str) -> str:
    """The policy for an address."""
    policy = _POLICY | ({"style-src": "'self' 'unsafe-inline'"} if path.startswith(_DOCS_PATH) else {})
    return "; ".join(f"{directive} {sources}" for directive, sources in policy.items())


class SecurityHeadersMiddleware(MiddlewareMixin):
    """Sets what a view did not set itself."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Called by Django for each answer, also for errors."""
        headers = response.headers
        headers.setdefault("Content-Security-Policy", content_security_policy(request.path))
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        headers.setdefault("Cache-Control", "private, no-cache")
        return response


class RequestMetricsMiddleware(MiddlewareMixin):
    """Counts answers by route (never by address: ids would make endless series)."""

    def process_request(self, request: HttpRequest) -> None:
        """Note when the request arrived."""
        request.META["slskdn.started"] = time.monotonic()

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Count it."""
        route = request.resolver_match.route if request.resolver_match else "(none)"
        method = request.method if request.method in _METHODS else "OTHER"
        _REQUESTS.labels(method=method, route=route, status=str(response.status_code)).inc()
        _SECONDS.labels(route=route).observe(time.monotonic() - request.META["slskdn.started"])
        return response
