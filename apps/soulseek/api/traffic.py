"""What was given and taken, over HTTP."""

from __future__ import annotations

from django.conf import settings
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, query_of
from apps.domain.soulseek.traffic_windows import DEFAULT_WINDOW, WINDOWS
from apps.soulseek.selectors_traffic import contribution_view, traffic_view
from apps.soulseek.traffic_told import contribution_told, traffic_told


class WindowQuery(serializers.Serializer[object]):
    """Which rolling window."""

    window = serializers.ChoiceField(choices=list(WINDOWS), required=False, default=DEFAULT_WINDOW)


class TrafficQuery(WindowQuery):
    """And which job, when it is one."""

    job = serializers.UUIDField(required=False, help_text="Tell what this job took.")


class TrafficBytesOut(serializers.Serializer[object]):
    """Four volumes."""

    overlay_upload_bytes = serializers.IntegerField()
    overlay_download_bytes = serializers.IntegerField()
    soulseek_upload_bytes = serializers.IntegerField()
    soulseek_download_bytes = serializers.IntegerField()


class JobBytesOut(serializers.Serializer[object]):
    """What one job took."""

    job = serializers.UUIDField()
    overlay_bytes = serializers.IntegerField()
    soulseek_bytes = serializers.IntegerField()


class TrafficOut(serializers.Serializer[object]):
    """Current and rolling totals."""

    window = serializers.CharField()
    traffic = TrafficBytesOut(help_text="Of that window.")
    windows = serializers.DictField(child=TrafficBytesOut())
    all_time = TrafficBytesOut()
    since_start = TrafficBytesOut(allow_null=True, help_text="Of the running node; null: none runs.")
    started_at = serializers.DateTimeField(allow_null=True)
    jobs = JobBytesOut(many=True)


class ContributionRatiosOut(serializers.Serializer[object]):
    """Null: nothing to divide by."""

    upload_download = serializers.FloatField(allow_null=True)
    soulseek_upload_download = serializers.FloatField(allow_null=True)
    overlay_upload_download = serializers.FloatField(allow_null=True)
    overlay_to_soulseek_upload = serializers.FloatField(allow_null=True)


class FairnessRuleOut(serializers.Serializer[object]):
    """One rule and how it stands."""

    rule = serializers.CharField()
    ratio = serializers.FloatField(allow_null=True, help_text="Of the day's volume: GiB used.")
    limit = serializers.FloatField()
    status = serializers.ChoiceField(choices=["none", "green", "yellow", "red"])
    does = serializers.CharField()


class FairnessGovernorOut(serializers.Serializer[object]):
    """What is held back now."""

    code = serializers.CharField()
    message = serializers.CharField()
    params = serializers.DictField()
    share = serializers.FloatField(help_text="Of the mesh's usual downloads, 0..1.")
    prefer_soulseek = serializers.BooleanField()
    prefer_soulseek_uploads = serializers.BooleanField()
    down_bytes_per_second = serializers.IntegerField(allow_null=True)
    jobs_slowed = serializers.IntegerField()


class FairnessActionOut(serializers.Serializer[object]):
    """One thing that the governor did."""

    at = serializers.DateTimeField()
    rule = serializers.CharField()
    action = serializers.CharField()
    share = serializers.FloatField()
    job = serializers.UUIDField(allow_null=True)
    params = serializers.DictField()
    message = serializers.CharField()


class TrafficDayOut(TrafficBytesOut):
    """One day of the calendar."""

    day = serializers.DateField()


class ContributionOut(serializers.Serializer[object]):
    """One window, told in full; rules are judged by seven days."""

    window = serializers.CharField()
    mode = serializers.CharField()
    traffic = TrafficBytesOut()
    ratios = ContributionRatiosOut()
    words = serializers.ListField(child=serializers.CharField())
    status = serializers.ChoiceField(choices=["none", "green", "yellow", "red"])
    generous = serializers.BooleanField()
    rules = FairnessRuleOut(many=True)
    governor = FairnessGovernorOut()
    days = TrafficDayOut(many=True)
    actions = FairnessActionOut(many=True)


class TrafficStats(ApiView):
    """Bytes of both planes."""

    @extend_schema(operation_id="stats_traffic", parameters=[TrafficQuery], responses={200: TrafficOut, **REFUSALS})
    def get(self, request: Request) -> Response:
        """Every rolling window, of all time, and since the node's start."""
        query = query_of(request, TrafficQuery)
        return Response(traffic_told(traffic_view(), window=str(query["window"]), job=str(query.get("job") or "")))


class ContributionStats(ApiView):
    """The figures of the Contribution page."""

    @extend_schema(
        operation_id="stats_contribution", parameters=[WindowQuery], responses={200: ContributionOut, **REFUSALS}
    )
    def get(self, request: Request) -> Response:
        """One window."""
        window = str(query_of(request, WindowQuery)["window"])
        view = contribution_view(window=window, rules=settings.FAIRNESS, mode=settings.CONFIG.mode)
        return Response(contribution_told(view))


urlpatterns = [
    path("stats/traffic", TrafficStats.as_view(), name="api-stats-traffic"),
    path("stats/contribution", ContributionStats.as_view(), name="api-stats-contribution"),
]
