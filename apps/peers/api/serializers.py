"""Shapes of metrics, costs and reputations over HTTP."""

from __future__ import annotations

from collections.abc import Mapping

from rest_framework import serializers

from apps.domain.peers.reputation import Reputation
from apps.domain.swarm.cost import Cost
from apps.peers.selectors_metrics import MetricsRow
from apps.peers.words import reason_sentence, reasons_in_words


class CostOut(serializers.Serializer[object]):
    """What a MiB costs, term by term (weighted; lower is better)."""

    total = serializers.FloatField()
    throughput = serializers.FloatField()
    error = serializers.FloatField()
    timeout = serializers.FloatField()
    rtt = serializers.FloatField()
    reputation = serializers.FloatField()
    assumed = serializers.BooleanField(help_text="True: its speed is not known, a plain guess stands for it.")


class StatsOut(serializers.Serializer[object]):
    """How a peer performs."""

    peer = serializers.CharField()
    rtt_ms = serializers.FloatField(allow_null=True, help_text="Time to the first byte of an answer.")
    throughput_bps = serializers.FloatField(allow_null=True, help_text="Bytes per second while asked.")
    throughput_deviation = serializers.FloatField(
        allow_null=True, help_text="Standard deviation of the throughput, divided by it."
    )
    error_rate = serializers.FloatField(help_text="0..1, moving average over outcomes.")
    timeout_rate = serializers.FloatField()
    cancellation_rate = serializers.FloatField()
    cost = CostOut()
    reputation = serializers.FloatField()
    standing = serializers.CharField(help_text="preferred, neutral, down_weighted or quarantined.")
    active_at = serializers.DateTimeField(help_text="When it last did something for us.")


class CountersOut(serializers.Serializer[object]):
    """What a peer did lately: counters that halve every seven days."""

    successful = serializers.FloatField()
    corrupt = serializers.FloatField()
    timeouts = serializers.FloatField()
    cancelled_by_peer = serializers.FloatField()
    not_delivered = serializers.FloatField()
    wrong_claims = serializers.FloatField()
    busy = serializers.FloatField()
    verified_bytes = serializers.IntegerField()
    failed = serializers.DictField(child=serializers.FloatField(), help_text="By reason.")


class MetricsOut(StatsOut):
    """Rates and counters."""

    counters = CountersOut()


class ReasonOut(serializers.Serializer[object]):
    """One reason."""

    code = serializers.CharField()
    params = serializers.DictField(child=serializers.FloatField())
    message = serializers.CharField()


class TermsOut(serializers.Serializer[object]):
    """What was taken off 1."""

    timeouts = serializers.FloatField()
    corruption = serializers.FloatField()
    failures = serializers.FloatField()
    outcomes = serializers.FloatField(help_text="Observations it rests on.")
    kept = serializers.FloatField(help_text="0..1: what is left of the distance from 0.5 after the idle time.")


class ReputationOut(serializers.Serializer[object]):
    """How far a peer is trusted, and why."""

    peer = serializers.CharField()
    score = serializers.FloatField(help_text="0..1; 0.5 is neutral.")
    standing = serializers.CharField()
    summary = serializers.CharField(help_text="Short, such as: high timeouts, low throughput.")
    reasons = ReasonOut(many=True)
    terms = TermsOut()


class MetricsPageOut(serializers.Serializer[object]):
    """A page of metrics."""

    items = MetricsOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class StatsPageOut(serializers.Serializer[object]):
    """A page of performance."""

    items = StatsOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class ReputationPageOut(serializers.Serializer[object]):
    """A page of reputations."""

    items = ReputationOut(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


def cost_body(cost: Cost) -> dict[str, object]:
    """Rounded to what means something."""
    terms = {name: round(value, 4) for name, value in cost.terms().items()}
    return {"total": round(cost.total, 4), **terms, "assumed": cost.assumed}


def stats_body(row: MetricsRow) -> dict[str, object]:
    """Of one peer."""
    metrics = row.metrics
    speed = metrics.throughput_bps
    return {
        "peer": row.key,
        "rtt_ms": None if metrics.rtt_s is None else round(1000 * metrics.rtt_s, 1),
        "throughput_bps": None if speed is None else round(speed),
        "throughput_deviation": None if metrics.speed_deviation is None else round(metrics.speed_deviation, 3),
        "error_rate": round(metrics.error_rate, 4),
        "timeout_rate": round(metrics.timeout_rate, 4),
        "cancellation_rate": round(metrics.cancellation_rate, 4),
        "cost": cost_body(row.cost),
        "reputation": round(row.reputation.score, 3),
        "standing": row.standing.value,
        "active_at": row.active_at,
    }


def metrics_body(row: MetricsRow) -> dict[str, object]:
    """Of one peer, with counters."""
    metrics = row.metrics
    counters: dict[str, object] = {name: round(getattr(metrics, name), 2) for name in _COUNTERS}
    counters["verified_bytes"] = round(metrics.verified_bytes)
    counters["failed"] = {code: round(count, 2) for code, count in metrics.failed}
    return {**stats_body(row), "counters": counters}


def reputation_body(row: MetricsRow) -> dict[str, object]:
    """Score, standing, reasons in words."""
    found: Reputation = row.reputation
    terms = found.terms
    numbers: Mapping[str, float] = {
        "timeouts": terms.timeouts,
        "corruption": terms.corruption,
        "failures": terms.failures,
        "outcomes": terms.outcomes,
        "kept": terms.kept,
    }
    return {
        "peer": row.key,
        "score": round(found.score, 3),
        "standing": row.standing.value,
        "summary": reasons_in_words(found),
        "reasons": [
            {"code": given.code.value, "params": dict(given.params), "message": str(reason_sentence(given))}
            for given in found.reasons
        ],
        "terms": {name: round(value, 4) for name, value in numbers.items()},
    }


_COUNTERS = (
    "successful",
    "corrupt",
    "timeouts",
    "cancelled_by_peer",
    "not_delivered",
    "wrong_claims",
    "busy",
)
