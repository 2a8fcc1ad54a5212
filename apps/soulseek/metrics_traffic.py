"""Series of traffic and fairness for /metrics."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from prometheus_client.core import GaugeMetricFamily, Metric

from apps.domain.soulseek.fairness import shown
from apps.nodelink.selectors_status import NodeGlance
from apps.soulseek.selectors_traffic import actions_counted, job_totals, traffic_figures


def traffic_metrics(node: NodeGlance) -> Iterator[Metric]:
    """Rolling windows, ratios, how the rules stand, what the governor did. Three queries."""
    view = traffic_figures(node, rules=settings.FAIRNESS, mode=settings.CONFIG.mode)
    family = GaugeMetricFamily(
        "slskdn_traffic_window_bytes", "Bytes in rolling windows.", labels=["plane", "direction", "window"]
    )
    for window, traffic in view.windows.items():
        family.add_metric(["overlay", "up", window], traffic.overlay_up)
        family.add_metric(["overlay", "down", window], traffic.overlay_down)
        family.add_metric(["soulseek", "up", window], traffic.soulseek_up)
        family.add_metric(["soulseek", "down", window], traffic.soulseek_down)
    yield family
    jobs = GaugeMetricFamily("slskdn_job_traffic_bytes", "Bytes that jobs took, all of them.", labels=["plane"])
    totals = job_totals()
    for plane in ("overlay", "soulseek"):
        jobs.add_metric([plane], totals.get(plane, 0))
    yield jobs
    rules = GaugeMetricFamily(
        "slskdn_fairness_ratio", "Figure of each rule that counts; of the day's volume GiB used.", labels=["rule"]
    )
    limits = GaugeMetricFamily("slskdn_fairness_limit", "Limit of each rule that counts.", labels=["rule"])
    broken = GaugeMetricFamily("slskdn_fairness_violated", "1 where a rule is broken.", labels=["rule"])
    for state in view.states:
        if (ratio := shown(state.ratio)) is not None:
            rules.add_metric([state.rule], ratio)
        limits.add_metric([state.rule], state.limit)
        broken.add_metric([state.rule], float(state.violated))
    yield from (rules, limits, broken)
    yield GaugeMetricFamily(
        "slskdn_fairness_share", "Share of the mesh's usual downloads that is left.", value=view.share
    )
    acted = GaugeMetricFamily(
        "slskdn_fairness_actions", "What the governor did, as far as it is kept.", labels=["rule", "action"]
    )
    for rule, action, count in actions_counted():
        acted.add_metric([rule, action], count)
    yield acted
