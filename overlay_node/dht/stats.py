"""What a node counts. Monotone counters since its start, and gauges of the moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DhtStats:
    """A snapshot. Keys of the mappings are stable lower_snake_case words."""

    nodes: Mapping[str, int]
    """Nodes in the tables, by family (`v4`, `v6`): all have answered at least once."""
    good_nodes: Mapping[str, int]
    waiting_nodes: Mapping[str, int]
    """Nodes in the replacement caches."""
    rtt_ms: Mapping[str, float]
    stored_keys: int
    stored_peers: int
    in_flight: int
    active_calls: int
    waiting_calls: int
    datagrams_in: int
    datagrams_out: int
    bytes_in: int
    bytes_out: int
    queries_in: Mapping[str, int]
    """By method; unknown ones together as `unknown`."""
    queries_out: int
    answers_in: int
    answers_under_another_id: int
    """Of those: by nodes that have changed their id since we heard of them."""
    refusals_in: int
    timeouts: int
    dropped: Mapping[str, int]
    """Datagrams not acted on, by reason."""
