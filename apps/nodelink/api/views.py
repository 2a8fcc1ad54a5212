"""How the daemon is, over HTTP."""

from __future__ import annotations

import platform

import django
from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView
from apps.nodelink.health import health_checks
from apps.nodelink.selectors_scheduler import scheduler_glance
from apps.nodelink.selectors_status import backlog, node_glance


class CheckOut(serializers.Serializer[object]):
    """One check."""

    name = serializers.CharField()
    state = serializers.CharField(help_text="ok or failed.")
    code = serializers.CharField()
    value = serializers.CharField()


class NodeOut(serializers.Serializer[object]):
    """The node's last sign of life."""

    presence = serializers.CharField(help_text="alive, silent or absent.")
    peer_id = serializers.CharField()
    version = serializers.CharField()
    started_at = serializers.DateTimeField(allow_null=True)
    beat_at = serializers.DateTimeField(allow_null=True)
    links = serializers.IntegerField()
    dht_nodes = serializers.IntegerField()
    down_bps = serializers.IntegerField()
    up_bps = serializers.IntegerField()


class BacklogOut(serializers.Serializer[object]):
    """Rows that wait."""

    events = serializers.IntegerField()


class SchedulerOut(serializers.Serializer[object]):
    """The swarm scheduler since the node's start."""

    mode = serializers.CharField()
    cost_based = serializers.BooleanField()
    decisions = serializers.IntegerField()
    moves = serializers.IntegerField()
    races = serializers.IntegerField()
    rebalances = serializers.IntegerField()
    rebalances_per_hour = serializers.FloatField()
    duplicate_bytes = serializers.IntegerField()
    bad_bytes = serializers.IntegerField()
    parted_bytes = serializers.IntegerField()
    violations = serializers.DictField(child=serializers.IntegerField(), help_text="Invariants that did not hold.")
    cost_variance = serializers.FloatField(help_text="Of the peers' costs in the transfer looked at last.")
    speed_up = serializers.FloatField(help_text="Estimated speed divided by that of random assignment; 0: not known.")
    peers = serializers.DictField(child=serializers.IntegerField(), help_text="In the node's mind, by standing.")


class SystemOut(serializers.Serializer[object]):
    """How the daemon is."""

    mode = serializers.CharField()
    versions = serializers.DictField(child=serializers.CharField())
    checks = CheckOut(many=True)
    node = NodeOut()
    backlog = BacklogOut()
    scheduler = SchedulerOut(allow_null=True)


def versions() -> dict[str, str]:
    """What runs here."""
    return {"slskdn": settings.SLSKDN_VERSION, "python": platform.python_version(), "django": django.get_version()}


class SystemStatus(ApiView):
    """Health, versions, the node."""

    @extend_schema(operation_id="system_status", responses={200: SystemOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """Everything at a glance."""
        node = node_glance()
        body = {
            "mode": settings.CONFIG.mode,
            "versions": versions(),
            "checks": health_checks(),
            "node": node,
            "backlog": backlog(),
            "scheduler": scheduler_glance(node),
        }
        return Response(SystemOut(body).data)
