"""One error body for everything the API refuses: `{code, message, params, retryable}`.

Owns the mapping from errors to HTTP statuses. The sentences live in `sentences`; a DomainError brings its own as the fallback.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from rest_framework import exceptions, serializers
from rest_framework.response import Response
from rest_framework.views import exception_handler, set_rollback

from apps.common.sentences import Params, message_of
from apps.domain.errors import DomainError

STATUS_OF_CODE: Mapping[str, int] = {
    "idempotency_conflict": 409,
    "seed_limit_reached": 409,
    "manifest_id_taken": 409,
    "manifest_too_large": 413,
    "rate_limits_full": 409,
    "job_ended": 409,
    "scan_state": 409,
    "job_not_retryable": 409,
    "job_unknown": 404,
    "disk_full": 507,
    "trace_off": 404,
    "trace_none": 404,
    "trace_expired": 404,
    "trace_track_unknown": 404,
    "trace_newer": 409,
    "issue_unknown": 404,
    "issue_move_refused": 409,
    "identity_move_refused": 409,
    "identity_changed": 409,
    "doctor_scan_unknown": 404,
    "doctor_scan_refused": 409,
    "remediation_unknown": 404,
    "remediation_state": 409,
    "remediation_nothing_to_undo": 409,
    "trash_unknown": 404,
    "webhook_unknown": 404,
    "webhook_delivery_unknown": 404,
    "webhooks_full": 409,
    "trash_state": 409,
    "renaming_state": 409,
    "rename_nothing": 409,
    "trash_purged": 409,
    "root_not_writable": 409,
    "upload_over": 409,
    "user_rule_there": 409,
    "user_rules_full": 409,
    "share_rules_full": 409,
    "share_root_unknown": 404,
    "room_unknown": 404,
    "find_unknown": 404,
    "search_unknown": 404,
    "search_id_taken": 409,
    "searches_full": 503,
    "offer_gone": 409,
    "hunt_unknown": 404,
    "hunt_over": 409,
    "hunt_held": 409,
    "hunt_not_of_words": 409,
    "hunt_nothing_to_look_for": 409,
    "candidate_unknown": 409,
    "candidate_nothing_open": 409,
    "wishes_full": 409,
    "finds_full": 429,
    "editions_unknown": 404,
    "target_unknown": 404,
    "target_nothing_missing": 409,
    "target_tracks_unknown": 409,
}
"""Codes whose status does not follow from their ending (see `status_of`)."""

_ENDINGS: Mapping[str, int] = {
    "_not_found": 404,
    "_conflict": 409,
    "_not_allowed": 409,
    "_forbidden": 403,
}
UNAVAILABLE = 503


class ErrorBody(serializers.Serializer[object]):
    """The body of every refusal."""

    code = serializers.CharField(help_text="Stable, lower_snake_case.")
    message = serializers.CharField(help_text="A sentence for a person.")
    params = serializers.DictField(help_text="The values the sentence speaks of.")
    retryable = serializers.BooleanField(help_text="True: the same request may succeed later, unchanged.")


def error_body(
    code: str, *, params: Params | None = None, fallback: str = "", retryable: bool = False
) -> dict[str, object]:
    """The body for `code`."""
    given = dict(params or {})
    return {
        "code": code,
        "message": message_of(code, given, fallback=fallback),
        "params": given,
        "retryable": retryable,
    }


def error_response(code: str, *, status: int, params: Params | None = None, retryable: bool = False) -> JsonResponse:
    """The same outside DRF (streams, 404 and 500 below /api/)."""
    return JsonResponse(error_body(code, params=params, retryable=retryable), status=status)


def status_of(error: DomainError) -> int:
    """HTTP status of a DomainError: by its code, by the code's ending, 503 when it is worth retrying, else 400."""
    if error.code in STATUS_OF_CODE:
        return STATUS_OF_CODE[error.code]
    for ending, status in _ENDINGS.items():
        if error.code.endswith(ending):
            return status
    return UNAVAILABLE if error.retryable else 400


def handle(error: Exception, context: dict[str, object]) -> Response | None:
    """DRF's EXCEPTION_HANDLER. None (a bug of ours) goes on to Django, which logs it and answers by `server_error`."""
    if isinstance(error, DomainError):
        set_rollback()
        body = error_body(error.code, params=error.params, fallback=error.sentence, retryable=error.retryable)
        return Response(body, status=status_of(error))
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    response = exception_handler(error, context)
    if response is None or not isinstance(error, exceptions.APIException):
        return None
    code, params, retryable = _described(error)
    response.data = error_body(code, params=params, fallback=_first_text(error.detail), retryable=retryable)
    return response


def _described(error: exceptions.APIException) -> tuple[str, dict[str, object], bool]:
    match error:
        case exceptions.ValidationError():
            return "invalid", {"fields": _flat(error.detail)}, False
        case exceptions.Throttled():
            return "rate_limited", {"retry_after_s": math.ceil(getattr(error, "wait", None) or 1)}, True
        case exceptions.ParseError():
            return "malformed", {}, False
        case exceptions.NotAuthenticated():
            return "not_authenticated", {}, False
        case exceptions.NotFound():
            return "not_found", {}, False
        case exceptions.MethodNotAllowed():
            return "method_not_allowed", {}, False
        case exceptions.UnsupportedMediaType():
            return "unsupported_media_type", {}, False
        case _:
            codes = error.get_codes()
            return (codes if isinstance(codes, str) else error.default_code), {}, False


def _flat(detail: object, path: str = "") -> dict[str, str]:
    """DRF's nested details as {"tracks.0.position": "first sentence"}."""
    if isinstance(detail, Mapping):
        parts = [_flat(item, f"{path}.{key}" if path else str(key)) for key, item in detail.items()]
    elif isinstance(detail, list) and any(isinstance(item, Mapping | list) for item in detail):
        parts = [_flat(item, f"{path}.{index}") for index, item in enumerate(detail) if item]
    else:
        return {path or "body": _first_text(detail)}
    return {key: text for part in parts for key, text in part.items()}


def _first_text(detail: object) -> str:
    while isinstance(detail, Mapping | list) and detail:
        detail = next(iter(detail.values())) if isinstance(detail, Mapping) else detail[0]
    return str(detail) if detail else ""


def is_api(request: HttpRequest) -> bool:
    """True where a program asks: such addresses answer JSON also when they fail."""
    return request.path.startswith(("/api/", "/healthz/", "/metrics"))


def api_not_found(request: HttpRequest) -> HttpResponse:
    """404 below /api/ for addresses that no view has."""
    return error_response("not_found", status=404, params={"path": request.path[:200]})
