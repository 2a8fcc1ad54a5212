"""The scheduler's series at /metrics: the living node's counters as its heartbeat tells them, and peers by reputation from rows."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from prometheus_client.core import GaugeMetricFamily, Metric

from apps.nodelink.selectors_scheduler import SchedulerGlance, scheduler_glance
from apps.nodelink.selectors_status import NodeGlance
from apps.peers.selectors_metrics import standing_summary


def scheduler_metrics(node: NodeGlance) -> Iterator[Metric]:
    """Gauges: the node's counters begin anew with it, and rows can be deleted. Three queries."""
    chosen = settings.SWARM_SCHEDULER
    summary = standing_summary(weights=chosen.weights, min_reputation=chosen.min_reputation)
    bands = GaugeMetricFamily("slskdn_peers_by_standing", "Peers by band of reputation.", labels=["standing"])
    for standing, count in summary.bands.items():
        bands.add_metric([standing.value], count)
    yield bands
    if summary.lowest is not None and summary.median is not None:
        yield GaugeMetricFamily("slskdn_peer_reputation_lowest", "Lowest reputation (0..1).", value=summary.lowest)
        yield GaugeMetricFamily("slskdn_peer_reputation_median", "Median reputation (0..1).", value=summary.median)
    yield GaugeMetricFamily(
        "slskdn_peer_cost_variance", "Variance of the costs of the last active peers.", value=summary.cost_variance
    )
    if (glance := scheduler_glance(node)) is not None:
        yield from _node(glance)


def _node(glance: SchedulerGlance) -> Iterator[Metric]:
    for name, text, value in (
        ("decisions", "Orders carried out since the node's start.", glance.decisions),
        ("moves", "Requests taken from a peer that would have been late.", glance.moves),
        ("races", "Parts asked of a second peer as well.", glance.races),
        ("rebalances", "Times work was distributed anew.", glance.rebalances),
        ("rebalances_per_hour", "Rebalances divided by the node's uptime.", glance.rebalances_per_hour),
        ("duplicate_bytes", "Bytes that came although they were here already.", glance.duplicate_bytes),
        ("bad_bytes", "Bytes that did not verify.", glance.bad_bytes),
        ("parted_bytes", "Bytes fetched again because their sender proved corrupt.", glance.parted_bytes),
        ("cost_variance", "Variance of the peers' costs in the transfer looked at last.", glance.cost_variance),
        (
            "speed_up_over_random",
            "Estimated speed divided by that of random assignment; 0 = not known.",
            glance.speed_up,
        ),
    ):
        yield GaugeMetricFamily(f"slskdn_scheduler_{name}", text, value=value)
    violations = GaugeMetricFamily(
        "slskdn_scheduler_invariant_violations", "Invariants that did not hold.", labels=["invariant"]
    )
    for name, count in sorted(glance.violations.items()):
        violations.add_metric([name], count)
    yield violations
