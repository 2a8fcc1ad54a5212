"""What the scheduler says of itself: to people (the heartbeat's report), to Prometheus, and about one transfer (the control socket's `swarm`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from apps.domain.swarm.settings import SchedulerSettings
from overlay_node.services.peer_book import BookFacts
from overlay_node.swarm.explain import Explanation, SchedulingTotals


def scheduler_report(totals: SchedulingTotals, book: BookFacts, settings: SchedulerSettings) -> dict[str, object]:
    """The part `scheduler` of the node's report; all keys always present. Counters are since the start."""
    return {
        "mode": settings.mode.value,
        "cost_based": settings.cost_based,
        "decisions": totals.decisions,
        "moves": totals.moves,
        "races": totals.races,
        "rebalances": totals.rebalances,
        "duplicate_bytes": totals.duplicate_bytes,
        "bad_bytes": totals.bad_bytes,
        "parted_bytes": totals.parted_bytes,
        "violations": dict(totals.violations_by_name()),
        "cost_variance": _short(totals.cost_variance),
        "speed_up": _short(totals.speed_up),
        "peers": {"known": book.known, **{band.value: count for band, count in book.bands.items()}},
        "reputation": {"lowest": _short(book.lowest), "median": _short(book.median)},
    }


def scheduler_metrics(totals: SchedulingTotals, book: BookFacts) -> dict[str, float]:
    """Prometheus names and numbers: counters since the start (`_total`) and gauges."""
    return {
        "slskdn_node_scheduler_decisions_total": totals.decisions,
        "slskdn_node_scheduler_moves_total": totals.moves,
        "slskdn_node_scheduler_races_total": totals.races,
        "slskdn_node_scheduler_rebalances_total": totals.rebalances,
        "slskdn_node_scheduler_duplicate_bytes_total": totals.duplicate_bytes,
        "slskdn_node_scheduler_bad_bytes_total": totals.bad_bytes,
        "slskdn_node_scheduler_parted_bytes_total": totals.parted_bytes,
        "slskdn_node_scheduler_cost_variance": totals.cost_variance,
        "slskdn_node_scheduler_speed_up_over_random": totals.speed_up,
        "slskdn_node_scheduler_violations_total": sum(totals.violations_by_name().values()),
        **{f"slskdn_node_scheduler_violations_{name}_total": n for name, n in totals.violations_by_name().items()},
        "slskdn_node_peers_known": book.known,
        **{f"slskdn_node_peers_{band.value}": count for band, count in book.bands.items()},
        "slskdn_node_reputation_lowest": book.lowest,
        "slskdn_node_reputation_median": book.median,
        "slskdn_node_peer_cost_variance": book.cost_variance,
    }


def explanation_answer(told: Explanation) -> dict[str, object]:
    """An explanation as the control socket sends it: names are those of the value, times in seconds, numbers short."""
    answer = {name: _told(value) for name, value in _fields(told).items() if name != "peers"}
    return {**answer, "peers": [_peer(_fields(one)) for one in told.peers]}


def _peer(fields: Mapping[str, object]) -> dict[str, object]:
    cost = fields["cost"]
    total = getattr(cost, "total", 0.0)
    return {**{name: _told(value) for name, value in fields.items() if name != "cost"}, "cost": _short(total)}


def _fields(value: Explanation | object) -> dict[str, object]:
    return {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}  # type: ignore[arg-type]


def _told(value: object) -> object:
    return _short(value) if isinstance(value, float) else value


def _short(value: float) -> float:
    """Three digits after the point: a report is for people, and a row every five seconds."""
    return round(value, 3)
