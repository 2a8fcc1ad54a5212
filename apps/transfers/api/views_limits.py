"""Rate limits and uploads over HTTP."""

from __future__ import annotations

from typing import cast

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, body_of, person_of
from apps.common.api_errors import ErrorBody
from apps.domain.swarm.limits import MAX_KBPS
from apps.transfers.selectors_limits import rate_limit_defaults, rate_limit_list, uploads_now
from apps.transfers.services_limits import rate_limit_clear, rate_limit_set


class LimitOut(serializers.Serializer[object]):
    """A limit."""

    scope = serializers.CharField(help_text="global, peer or job.")
    key = serializers.CharField(
        help_text="The peer's or job's id; empty for global, and for the default of every peer."
    )
    direction = serializers.CharField(help_text="up or down, seen from this node.")
    kbps = serializers.IntegerField(help_text="KiB/s; 0 = none.")
    set_by = serializers.CharField(help_text="Empty: configured.")
    set_at = serializers.DateTimeField(allow_null=True)


class LimitListOut(serializers.Serializer[object]):
    """All limits: those that people set win over the defaults."""

    items = LimitOut(many=True)
    defaults = LimitOut(many=True)


class LimitIn(serializers.Serializer[object]):
    """How fast."""

    kbps = serializers.IntegerField(min_value=0, max_value=MAX_KBPS, help_text="KiB/s; 0 = none.")


class UploadOut(serializers.Serializer[object]):
    """A transfer that is served now."""

    peer = serializers.CharField()
    transfer = serializers.CharField(help_text="The peer's name of it.")
    payload_root = serializers.CharField()
    state = serializers.CharField(help_text="pending, serving or throttled.")
    sent_bytes = serializers.IntegerField()
    queued = serializers.IntegerField(help_text="Its requests that wait.")
    peer_bps = serializers.IntegerField(help_text="Bytes a second to its peer.")


class UploadsOut(serializers.Serializer[object]):
    """What is served, as of the node's last heartbeat."""

    alive = serializers.BooleanField()
    beat_at = serializers.DateTimeField(allow_null=True)
    slots = serializers.IntegerField(help_text="Most peers served at once.")
    served = serializers.IntegerField(help_text="Peers that hold a slot.")
    waiting = serializers.IntegerField(help_text="Peers in the line for one.")
    queued = serializers.IntegerField(help_text="Requests accepted and not begun.")
    rate_bps = serializers.IntegerField()
    uploads = UploadOut(many=True)


def _limits() -> dict[str, object]:
    return {
        "items": LimitOut(rate_limit_list(), many=True).data,
        "defaults": LimitOut(rate_limit_defaults(), many=True).data,
    }


class Limits(ApiView):
    """All rate limits."""

    @extend_schema(operation_id="transfer_limit_list", responses={200: LimitListOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """What is set, and what is configured."""
        return Response(_limits())


class OneLimit(ApiView):
    """One rate limit. A global one has no key in its address."""

    @extend_schema(
        operation_id="transfer_limit_set",
        request=LimitIn,
        responses={201: LimitListOut, 200: LimitListOut, 409: ErrorBody, **REFUSALS},
    )
    def put(self, request: Request, scope: str, direction: str, key: str = "") -> Response:
        """201 when it is new; in force within a second."""
        kbps = cast("int", body_of(request, LimitIn)["kbps"])
        created = rate_limit_set(scope, key, direction, kbps=kbps, set_by=person_of(request))
        return Response(_limits(), status=201 if created else 200)

    @extend_schema(operation_id="transfer_limit_clear", responses={204: None, **REFUSALS})
    def delete(self, request: Request, scope: str, direction: str, key: str = "") -> Response:
        """What is configured holds again."""
        if not rate_limit_clear(scope, key, direction):
            raise NotFound
        return Response(status=204)


@extend_schema_view(
    put=extend_schema(operation_id="transfer_limit_set_global"),
    delete=extend_schema(operation_id="transfer_limit_clear_global"),
)
class GlobalLimit(OneLimit):
    """A rate limit of the whole node: in the interface's description an operation of its own."""


class Uploads(ApiView):
    """What other nodes fetch from this one."""

    @extend_schema(operation_id="transfer_uploads", responses={200: UploadsOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """As of the last heartbeat."""
        return Response(UploadsOut(uploads_now()).data)
