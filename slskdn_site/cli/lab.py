"""`./slskdn lab …`: the deterministic simulation of `tests/lab`, for people who change the scheduler and for those who doubt it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

SUMMARY = (
    "Simulate swarms in virtual time: `lab run` measures the scheduler against the bound and against other policies."
)
MAX_SEEDS = 1000
MAX_JOBS = 64

HOW = """\
The real protocol, swarm and seeding cores of many nodes run in one process, in virtual time, over a simulated network. One seed decides everything:
the same seed gives the same event log, byte for byte.

  ./slskdn lab list                                               scenarios and policies
  ./slskdn lab run --scenario steady-mixed --seeds 20 --alone     the product's policy only: seconds; while you change it
  ./slskdn lab run --scenario steady-mixed,liars --seeds 5        beside the baselines
  ./slskdn lab run --scenario album --first-seed 7 --seeds 1 --alone --log /tmp/7.log
                                                                  one seed, its event log into a file
  ./slskdn lab run --scenario all --seeds 20 --json               the whole matrix with all bars: minutes
  ./slskdn lab replay DATA/traces/JOB.jsonl --policy product,rarest-first
                                                                  what another policy would have done on a recorded network

Numbers are completion time / bound (tests/lab/bound.py says which bound): 1.00 cannot be beaten but by splitting leaves, and then by a hair. Waste is
duplicate and bad bytes / payload; parted are good leaves that were fetched again because their sender proved corrupt later. Fairness is Jain's index (1 = all alike): over the speeds of downloaders where there are several, else over
what each peer gave of what it could have given. A run in which an invariant does not hold is named with its seed. Exit status 1 when a bar fails.
"""


def register(parser: argparse.ArgumentParser) -> None:
    """run, replay, fuzz, list."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = f"{SUMMARY}\n\n{HOW}"
    commands = parser.add_subparsers(dest="command", required=True, metavar="WHAT")
    run = commands.add_parser(
        "run", help="Run scenarios and print completion / bound, waste, fairness, baselines and bars."
    )
    run.add_argument(
        "--scenario", default="all", metavar="NAME", help="all, or names with commas between (default: all)"
    )
    run.add_argument("--seeds", type=int, default=20, metavar="N", help="seeds of each scenario (default: 20)")
    run.add_argument("--first-seed", type=int, default=0, metavar="N", help="the first of them (default: 0)")
    run.add_argument("--policy", default="product", metavar="NAME", help="the policy under test (default: product)")
    run.add_argument("--alone", action="store_true", help="without the baselines")
    run.add_argument("--jobs", type=int, default=2, metavar="N", help="processes (default: 2)")
    run.add_argument("--json", action="store_true", help="print one report as JSON; progress goes to standard error")
    run.add_argument(
        "--log", type=Path, metavar="FILE", help="also write the event log of the first scenario's first seed"
    )
    run.add_argument(
        "--trace", type=Path, metavar="FILE", help="also write that run's session trace, for `lab replay` and `debug`"
    )
    run.set_defaults(run=run_run)
    again = commands.add_parser(
        "replay",
        help="What another policy would have done on the network of a recorded trace.",
        description="Infers each peer's rate over time, delay, stays and bad leaves from a trace, and simulates policies on them.",
    )
    again.add_argument(
        "trace", type=Path, metavar="TRACE", help="a trace: DATA/traces/<job>.jsonl, or `lab run --trace`"
    )
    again.add_argument(
        "--policy", default="product", metavar="NAME", help="policies, commas between (default: product)"
    )
    again.add_argument("--json", action="store_true", help="print one report as JSON")
    again.set_defaults(run=run_replay)
    fuzz = commands.add_parser("fuzz", help="Fuzz the protocol core, guided by coverage, from the kept corpus on.")
    fuzz.add_argument("--seconds", type=float, default=60.0, metavar="N", help="how long (default: 60)")
    fuzz.add_argument(
        "--seed", type=int, default=1, metavar="N", help="the same seed tries the same things (default: 1)"
    )
    fuzz.add_argument(
        "--keep", action="store_true", help="keep what reaches new ground in tests/overlay_node/protocol/corpus"
    )
    fuzz.set_defaults(run=run_fuzz)
    listing = commands.add_parser("list", help="Scenarios and policies.")
    listing.set_defaults(run=run_list)


def run_run(args: argparse.Namespace) -> int:
    """Measure and print; status 1 when a bar fails."""
    from tests.lab.dht import DhtOutcome
    from tests.lab.extras import EXTRAS, bars_of_extra
    from tests.lab.matrix import Task, log_digest, recorded, run_matrix
    from tests.lab.policies import BASELINES, POLICIES
    from tests.lab.report import bar_entries, bars_of, notes_of, scenario_entries, table, wall_per_seed
    from tests.lab.scenarios import SCENARIOS

    names = [*SCENARIOS, *EXTRAS] if args.scenario == "all" else args.scenario.split(",")
    unknown = [name for name in names if name not in SCENARIOS and name not in EXTRAS]
    if unknown or args.policy not in POLICIES:
        print(f"slskdn: `lab list` has no {', '.join(unknown) or args.policy}.", file=sys.stderr)
        return 2
    if not 1 <= args.seeds <= MAX_SEEDS or not 1 <= args.jobs <= MAX_JOBS:
        print(f"slskdn: --seeds is 1 to {MAX_SEEDS}, --jobs 1 to {MAX_JOBS}.", file=sys.stderr)
        return 2
    scenarios = [SCENARIOS[name] for name in names if name in SCENARIOS]
    if args.log is not None and scenarios:
        with args.log.open("w", encoding="utf-8") as file:
            task = Task(scenarios[0].name, args.first_seed, args.policy)
            digest = log_digest(task, lambda line: print(line, file=file))
        print(f"{task.scenario} seed {task.seed}: event log {digest}", file=sys.stderr)
    if args.trace is not None and scenarios:
        args.trace.write_bytes(recorded(Task(scenarios[0].name, args.first_seed, args.policy)))
    baselines = () if args.alone else tuple(name for name in BASELINES if name != args.policy)
    runs, others = run_matrix(
        scenarios,
        seeds=range(args.first_seed, args.first_seed + args.seeds),
        policies=(args.policy, *baselines),
        jobs=args.jobs,
        say=lambda line: print(line, file=sys.stderr, flush=True),
        extras=[name for name in names if name in EXTRAS],
    )
    entries = scenario_entries(runs, args.policy)
    bars = bars_of(runs, args.policy) if runs else []
    bars += [bar for outcome in others for bar in bars_of_extra(outcome)]
    if args.json:
        dht = next((one for one in others if isinstance(one, DhtOutcome)), None)
        report = {
            "scenarios": entries,
            "dht": None if dht is None else {"nodes": dht.nodes, "killed": dht.killed, "answered": dht.answered},
            "bars": bar_entries(bars),
            "notes": notes_of(runs, args.policy),
            "wall_s_per_seed": wall_per_seed(runs, args.policy) if runs else None,
        }
        print(json.dumps(report, indent=2))
    else:
        print(table(entries, bars, notes_of(runs, args.policy)))
    return 0 if all(bar.holds for bar in bars) else 1


def run_replay(args: argparse.Namespace) -> int:
    """Infer, run, print."""
    from tests.lab.inference import infer
    from tests.lab.policies import POLICIES
    from tests.lab.replay import replay, replay_report, replay_table, trace_of

    names = args.policy.split(",")
    if unknown := [name for name in names if name not in POLICIES]:
        print(f"slskdn: `lab list` has no {', '.join(unknown)}.", file=sys.stderr)
        return 2
    inferred = infer(trace_of(args.trace))
    report = replay_report(inferred, {name: replay(inferred, name) for name in names})
    print(json.dumps(report, indent=2) if args.json else replay_table(report))
    return 0


def run_fuzz(args: argparse.Namespace) -> int:
    """Print what was tried and found, as JSON; status 1 when the core did what it must not do."""
    from tests.overlay_node.protocol.fuzzing import fuzz_for

    report = fuzz_for(max(0.0, args.seconds), seed=args.seed, keep=args.keep)
    print(json.dumps(report, indent=1))
    return 1 if report["findings"] else 0


def run_list(_args: argparse.Namespace) -> int:
    """Names and what they are."""
    from tests.lab.extras import EXTRAS
    from tests.lab.policies import POLICIES
    from tests.lab.scenarios import SCENARIOS

    for one in SCENARIOS.values():
        print(f"{one.name:<24} {one.kind.value:<7} {one.payload_bytes / 1e6:>4.0f} MB  {one.about}")
    for name, about in EXTRAS.items():
        print(f"{name:<24} {'-':<7} {'-':>7}  {about}")
    print()
    for policy in POLICIES.values():
        print(f"--policy {policy.name:<22} {policy.about}")
    return 0
