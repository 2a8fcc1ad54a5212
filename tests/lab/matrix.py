"""Many runs: scenarios × seeds × policies, in several processes, and what they come to."""

from __future__ import annotations

import hashlib
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from tests.lab.dht import DhtOutcome
from tests.lab.extras import run_extra
from tests.lab.hostile import HostileOutcome
from tests.lab.measure import Measured, measure
from tests.lab.plan import plan_of
from tests.lab.policies import POLICIES
from tests.lab.recording import Recording
from tests.lab.scenario import Scenario
from tests.lab.scenarios import SCENARIOS
from tests.lab.world import World

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Task:
    """One run to do."""

    scenario: str
    seed: int
    policy: str


def run_task(task: Task) -> Measured:
    """Draw, run, measure."""
    return measure(plan_of(SCENARIOS[task.scenario], task.seed), task.policy)


def run_matrix(
    scenarios: Sequence[Scenario],
    *,
    seeds: Iterable[int],
    policies: Sequence[str],
    jobs: int,
    say: Say,
    extras: Sequence[str] = (),
) -> tuple[list[Measured], list[DhtOutcome | HostileOutcome]]:
    """All runs, in a fixed order, and those of the extras (with the first seed). Progress goes to `say`, one line for each scenario."""
    drawn = list(seeds)
    tasks = [Task(one.name, seed, policy) for one in scenarios for seed in drawn for policy in policies]
    last = {task.scenario: index for index, task in enumerate(tasks)}
    found: list[Measured] = []
    others: list[DhtOutcome | HostileOutcome] = []
    with _pool(jobs) as pool:
        pending = [pool.submit(run_extra, name, drawn[0]) for name in extras]
        for index, measured in enumerate(pool.map(run_task, tasks)):
            found.append(measured)
            if measured.violation:
                say(f"{measured.scenario} seed {measured.seed} {measured.policy}: {measured.violation}")
            if last[measured.scenario] == index:
                say(line_of([one for one in found if one.scenario == measured.scenario]))
        for name, future in zip(extras, pending, strict=True):
            others.append(future.result())
            say(f"{name}: done")
    return found, others


def _pool(jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def line_of(runs: list[Measured]) -> str:
    """Progress: medians per policy."""
    policies = list(dict.fromkeys(one.policy for one in runs))
    cells = [
        f"{policy} {statistics.median([one.ratio for one in runs if one.policy == policy]):.3f}" for policy in policies
    ]
    return f"{runs[0].scenario}: {', '.join(cells)}"


def log_digest(task: Task, write: Callable[[str], None] | None = None) -> str:
    """SHA-256 of a run's event log; each line also goes to `write`."""
    digest = hashlib.sha256()

    def log(line: str) -> None:
        digest.update(line.encode() + b"\n")
        if write is not None:
            write(line)

    measure(plan_of(SCENARIOS[task.scenario], task.seed), task.policy, log=log)
    return digest.hexdigest()


def recorded(task: Task) -> bytes:
    """The session trace of a run's first downloader."""
    recording = Recording()
    World(plan_of(SCENARIOS[task.scenario], task.seed), POLICIES[task.policy], recording=recording).run()
    return recording.data()
