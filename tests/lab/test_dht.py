"""The DHT after a massacre, small here; `./slskdn lab run --scenario dht` does it with 1000 nodes."""

from __future__ import annotations

from tests.lab.dht import run_dht


def test_a_dht_of_which_30_percent_die_still_answers() -> None:
    outcome = run_dht(7, nodes=70, killed=21, keys=20, lookups=60)
    assert (outcome.nodes, outcome.killed) == (70, 21)
    assert outcome.answered >= 0.97
    assert outcome.slowest_s < 30
