"""The session's series at /metrics, and how late the node's event loop is."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from apps.domain.soulseek.session import Health
from apps.nodelink.selectors_status import NodeGlance
from apps.soulseek.selectors_session import session_glance


def session_metrics(node: NodeGlance) -> Iterator[Metric]:
    """Gauges from rows and from the node's last heartbeat; two queries."""
    session = session_glance(node)
    health = GaugeMetricFamily("slskdn_soulseek_health", "1 for the health of the session.", labels=["health"])
    for one in Health:
        health.add_metric([one.value], 1.0 if session.health == one else 0.0)
    yield health
    for name, text, value in (
        ("online", "1 when logged in at the Soulseek server.", float(session.online)),
        ("searches_in_window", "Searches sent within the budget's window.", session.budget.used),
        ("searches_allowed", "Searches that the budget allows in its window.", session.budget.most),
        ("searches_waiting", "Searches that wait for the budget.", session.budget.waiting),
        ("searches_running", "Searches whose answers are collected.", session.budget.running),
        ("shared_files", "Files shared on Soulseek.", session.shared_files),
        ("uploads_running", "Uploads to Soulseek users.", session.uploads_running),
        ("uploads_waiting", "Uploads that wait in the queue.", session.uploads_waiting),
    ):
        yield GaugeMetricFamily(f"slskdn_soulseek_{name}", text, value=value)
    yield GaugeMetricFamily(
        "slskdn_node_loop_delay_p99_seconds",
        "Lateness of the node's event loop, 99th percentile of five minutes.",
        value=node.loop_p99_ms / 1000,
    )
