"""The scheduler as a person sets it, as the node gets it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from apps.domain.swarm.cost import CostWeights
from apps.domain.swarm.settings import SchedulerMode, SchedulerSettings
from slskdn_site.config import Config
from slskdn_site.scheduler_settings import scheduler_settings


def test_what_nobody_set_is_the_domains_own_default() -> None:
    assert scheduler_settings(Config()) == SchedulerSettings()


def test_every_key_reaches_the_value() -> None:
    keys = {
        "cost_function": {
            "enabled": False,
            "throughput_weight": 2,
            "error_rate_weight": 3,
            "timeout_rate_weight": 4,
            "rtt_weight": 5,
            "reputation_weight": 6,
        },
        "mode": "aggressive",
        "rebalance_enabled": False,
        "rebalance_interval_seconds": 7,
        "rebalance_chunks": 8,
        "min_reputation": 0.1,
        "use_quarantined_as_last_resort": False,
    }
    settings = scheduler_settings(Config.model_validate({"multi_source": {"swarm_scheduler": keys}}))
    assert settings == SchedulerSettings(
        cost_based=False,
        weights=CostWeights(throughput=2, error_rate=3, timeout_rate=4, rtt=5, reputation=6),
        mode=SchedulerMode.AGGRESSIVE,
        rebalance=False,
        rebalance_interval_s=7,
        rebalance_chunks=8,
        min_reputation=0.1,
        quarantined_as_last_resort=False,
    )


@pytest.mark.parametrize(
    ("key", "value"), [("min_reputation", 1.5), ("rebalance_chunks", 0), ("rebalance_interval_seconds", float("nan"))]
)
def test_values_that_make_no_sense_stop_the_start(key: str, value: float) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate({"multi_source": {"swarm_scheduler": {key: value}}})
