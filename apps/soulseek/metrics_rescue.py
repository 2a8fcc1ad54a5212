"""Series of rescues for /metrics: S4's success metrics."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric

from apps.domain.soulseek.rescue_success import RATIO_BOUNDS, SECONDS_BOUNDS, cumulative
from apps.soulseek.selectors_rescue_success import rescues_success


def rescue_metrics() -> Iterator[Metric]:
    """Of the newest rescues; one query."""
    told = rescues_success()
    outcomes = GaugeMetricFamily(
        "slskdn_rescued_downloads",
        "Downloads that were to be rescued, by the best that came of it.",
        labels=["outcome"],
    )
    for outcome, count in told.outcomes:
        outcomes.add_metric([outcome], count)
    yield outcomes
    troubles = GaugeMetricFamily("slskdn_rescue_troubles", "What set rescues off.", labels=["trouble"])
    for trouble, count in told.troubles:
        troubles.add_metric([trouble], count)
    yield troubles
    yield GaugeMetricFamily("slskdn_rescues_running", "Rescues under way.", value=told.running)
    if told.rescued_share is not None:
        yield GaugeMetricFamily(
            "slskdn_rescue_success_ratio",
            "Share of troubled transfers that came whole with the mesh's help; those that recovered by themselves left out.",
            value=told.rescued_share,
        )
    shares = GaugeMetricFamily(
        "slskdn_rescue_trouble_success_ratio",
        "The same for each trouble: stalled, too_slow, queued_too_long, queue_stands.",
        labels=["trouble"],
    )
    for trouble, share in told.rescued_of:
        shares.add_metric([trouble], share)
    yield shares
    yield HistogramMetricFamily(
        "slskdn_rescue_overlay_to_soulseek_ratio",
        "Bytes of the mesh per byte of Soulseek in rescued files.",
        buckets=cumulative(told.ratios, RATIO_BOUNDS),
        sum_value=told.ratio_sum,
    )
    yield HistogramMetricFamily(
        "slskdn_rescue_wait_seconds",
        "From the trouble to the mesh's first byte.",
        buckets=cumulative(told.waits, SECONDS_BOUNDS),
        sum_value=told.wait_sum_s,
    )
