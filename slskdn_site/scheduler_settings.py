"""The configured swarm scheduler as the domain's value: for the node, and for pages and commands that tell what a peer costs."""

from __future__ import annotations

from apps.domain.swarm.cost import CostWeights
from apps.domain.swarm.settings import SchedulerMode, SchedulerSettings
from slskdn_site.config import Config


def scheduler_settings(config: Config) -> SchedulerSettings:
    """Of a configuration, which was validated."""
    keys = config.multi_source.swarm_scheduler
    weights = keys.cost_function
    return SchedulerSettings(
        cost_based=weights.enabled,
        weights=CostWeights(
            throughput=weights.throughput_weight,
            error_rate=weights.error_rate_weight,
            timeout_rate=weights.timeout_rate_weight,
            rtt=weights.rtt_weight,
            reputation=weights.reputation_weight,
        ),
        mode=SchedulerMode(keys.mode),
        rebalance=keys.rebalance_enabled,
        rebalance_interval_s=keys.rebalance_interval_seconds,
        rebalance_chunks=keys.rebalance_chunks,
        min_reputation=keys.min_reputation,
        quarantined_as_last_resort=keys.use_quarantined_as_last_resort,
    )
