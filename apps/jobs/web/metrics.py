"""/metrics for Prometheus: open to this machine, and to API keys from elsewhere."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from apps.common.api_errors import error_response
from apps.common.auth import ApiKeyRefused, client_address, is_loopback, request_principal
from apps.common.middleware import HTTP_METRICS
from apps.jobs.metrics import RowCollector

ROW_METRICS = CollectorRegistry()
ROW_METRICS.register(RowCollector())


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Rows first, then what this process counted."""
    if not is_loopback(client_address(request)):
        try:
            allowed = request_principal(request) is not None
        except ApiKeyRefused:
            allowed = False
        if not allowed:
            return error_response("not_authenticated", status=401)
    return HttpResponse(generate_latest(ROW_METRICS) + generate_latest(HTTP_METRICS), content_type=CONTENT_TYPE_LATEST)
