"""/healthz/live: the process answers. /healthz/ready: what it needs is there. For supervisors, containers and load balancers; no sign-in."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from apps.nodelink.health import CheckState, health_checks


@require_safe
def live(_request: HttpRequest) -> JsonResponse:
    """200 as long as this process answers at all; looks at nothing else."""
    return JsonResponse({"state": "ok"})


@require_safe
def ready(_request: HttpRequest) -> JsonResponse:
    """200 when every check is well, else 503; each check with its state."""
    checks = health_checks()
    well = all(check.state is CheckState.OK for check in checks if check.needed)
    body = {
        "state": CheckState.OK if well else CheckState.FAILED,
        "checks": {check.name: {"state": check.state, "code": check.code, "value": check.value} for check in checks},
    }
    return JsonResponse(body, status=200 if well else 503)
