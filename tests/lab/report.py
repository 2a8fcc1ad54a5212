"""What the matrix comes to: one entry for each scenario, the bars, the table and the JSON."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from apps.domain.audio.payload import LEAF_BYTES
from tests.lab.bars import Bar, at_least, at_most
from tests.lab.matrix import percentile
from tests.lab.measure import Measured
from tests.lab.policies import BASELINES
from tests.lab.scenario import Kind
from tests.lab.scenarios import SCENARIOS

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"


def scenario_entries(runs: Sequence[Measured], policy: str) -> list[dict[str, Json]]:
    """`scenarios[]` of the JSON, for the policy under test."""
    entries: list[dict[str, Json]] = []
    for name in dict.fromkeys(one.scenario for one in runs):
        mine = [one for one in runs if one.scenario == name and one.policy == policy]
        ratios = [one.ratio for one in mine]
        others: dict[str, Json] = {}
        for baseline in BASELINES:
            theirs = [one.ratio for one in runs if one.scenario == name and one.policy == baseline]
            if theirs and baseline != policy:
                others[baseline] = _number(statistics.median(theirs))
        entries.append(
            {
                "name": name,
                "kind": SCENARIOS[name].kind.value,
                "seeds": len(mine),
                "ratio_median": _number(statistics.median(ratios)),
                "ratio_p95": _number(percentile(ratios, 0.95)),
                "waste": round(statistics.fmean(one.waste for one in mine), 5),
                "parted": round(statistics.fmean(one.parted for one in mine), 5),
                "fairness": round(statistics.fmean(one.fairness for one in mine), 4),
                "baselines": others,
            }
        )
    return entries


def bars_of(runs: Sequence[Measured], policy: str) -> list[Bar]:
    """Each bar that these runs can speak of."""
    entries = scenario_entries(runs, policy)
    mine = [one for one in runs if one.policy == policy]
    bars: list[Bar] = []
    for kind in Kind:
        of_kind = [entry for entry in entries if entry["kind"] == kind.value]
        median, p95 = (1.05, 1.15) if kind is Kind.STEADY else (1.35, 1.35)
        if of_kind:
            bars.append(
                at_most(f"{kind.value}: median of completion / bound", median, _values(of_kind, "ratio_median"))
            )
            bars.append(
                at_most(f"{kind.value}: 95th percentile of completion / bound", p95, _values(of_kind, "ratio_p95"))
            )
    margins = _margins(entries)
    if margins:
        bars.append(at_most("completion / that of the best baseline", 1.05, margins))
    if len(margins) >= 10:
        better = sum(margin <= 0.98 for margin in margins.values())
        share = {f"{better} of {len(margins)}": better / len(margins)}
        bars.append(at_least("share of scenarios at least 2 % better than every baseline", 0.6, share))
    broken = [one for one in runs if one.violation]
    stuck = [one for one in mine if not one.completed]
    bars += [
        at_most(
            "waste (without what is parted from) / the larger of 2 % and one leaf per peer",
            1.0,
            {_place(one): one.waste_bytes / _allowed(one) for one in mine},
        ),
        at_most("wall seconds of one seed", 3.0, {_place(one): one.wall_s for one in mine}),
        at_most("runs in which an invariant did not hold", 0.0, {_first(broken): float(len(broken))}),
        at_most("runs that did not complete", 0.0, {_first(stuck): float(len(stuck))}),
    ]
    return bars


def _place(one: Measured) -> str:
    return f"{one.scenario} seed {one.seed}"


def _first(runs: Sequence[Measured]) -> str:
    return f"{_place(runs[0])} {runs[0].policy}" if runs else "none"


def bar_entries(bars: Sequence[Bar]) -> list[dict[str, Json]]:
    """`bars[]` of the JSON."""
    return [
        {"bar": one.name, "limit": one.limit, "value": _number(one.value), "where": one.where, "holds": one.holds}
        for one in bars
    ]


def notes_of(runs: Sequence[Measured], policy: str) -> list[str]:
    """What a bar leaves out, with what it would be with it."""
    mine = [one for one in runs if one.policy == policy and one.parted_bytes]
    if not mine:
        return []
    worst = max(mine, key=lambda one: one.vain_bytes / _allowed(one))
    over = sum(one.vain_bytes > _allowed(one) for one in mine)
    note = (
        "parted = good leaves fetched again because their sender proved corrupt later; no schedule can know of that before, so the bar on waste leaves"
        f" them out. With them the worst seed is at {worst.vain_bytes / _allowed(worst):.2f} of what the bar allows ({_place(worst)}),"
        f" and {over} of the {len(mine)} seeds in which a peer was parted from are above it."
    )
    return [note]


def wall_per_seed(runs: Sequence[Measured], policy: str) -> float:
    """Mean wall seconds of one run of the policy."""
    return round(statistics.fmean(one.wall_s for one in runs if one.policy == policy), 3)


def table(entries: Sequence[Mapping[str, Json]], bars: Sequence[Bar], notes: Sequence[str] = ()) -> str:
    """For a person."""
    baselines = list(dict.fromkeys(name for entry in entries for name in _mapping(entry["baselines"])))
    head = f"{'scenario':<24} {'kind':<7} {'seeds':>5} {'median':>7} {'p95':>7} {'waste':>7} {'parted':>7} {'fair':>6}"
    lines = []
    if entries:
        legend = (
            "completion time / bound; waste = duplicate and bad bytes / payload; parted = good leaves of corrupt peers, fetched again;"
            " fair = Jain's index"
        )
        lines.append(legend)
        lines.append(head + "".join(f" {name[:14]:>14}" for name in baselines))
    lines += [_row(entry, baselines) for entry in entries]
    for one in bars:
        mark, value = "holds" if one.holds else "FAILS", _cell(_number(one.value), 1)
        lines.append(f"{mark}  {one.name}: {value} (bar {one.limit:g}; worst: {one.where})")
    return "\n".join([*lines, *(f"note   {note}" for note in notes)])


def _row(entry: Mapping[str, Json], baselines: Sequence[str]) -> str:
    fairness, others = entry["fairness"], _mapping(entry["baselines"])
    cells = [_cell(entry[key]) for key in ("ratio_median", "ratio_p95", "waste", "parted")]
    row = f"{entry['name']:<24} {entry['kind']:<7} {entry['seeds']:>5} {' '.join(cells)} {_cell(fairness, 6)}"
    return row + "".join(f" {_cell(others.get(name), 14)}" for name in baselines)


def _margins(entries: Sequence[Mapping[str, Json]]) -> dict[str, float]:
    found = {}
    for entry in entries:
        others = [value for value in _mapping(entry["baselines"]).values() if isinstance(value, float)]
        mine = entry["ratio_median"]
        if others:
            found[str(entry["name"])] = (mine if isinstance(mine, float) else float("inf")) / min(others)
    return found


def _allowed(one: Measured) -> float:
    """Bytes that may be wasted: the larger of 2 % and one leaf per peer and downloader."""
    scenario = SCENARIOS[one.scenario]
    peers = sum(group.count for group in scenario.groups)
    return max(0.02 * scenario.payload_bytes, peers * LEAF_BYTES) * scenario.downloaders


def _values(entries: Sequence[Mapping[str, Json]], key: str) -> dict[str, float]:
    found = {}
    for entry in entries:
        value = entry[key]
        found[str(entry["name"])] = value if isinstance(value, float) else float("inf")
    return found


def _number(value: float) -> float | None:
    """JSON has no infinity: null = never."""
    return round(value, 4) if value != float("inf") else None


def _mapping(value: Json) -> Mapping[str, Json]:
    assert isinstance(value, Mapping)
    return value


def _cell(value: Json, width: int = 7) -> str:
    return f"{value:>{width}.3f}" if isinstance(value, int | float) else f"{'never':>{width}}"
