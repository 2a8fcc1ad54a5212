"""Which traces go: those beyond a count, an age, a size; whole ones, the longest silent first, never the newest."""

from __future__ import annotations

import uuid
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from apps.domain.swarm.trace_retention import TraceFile, TraceLimits, traces_to_forget
from tests.domain.swarm.traces import START

MIB = 1 << 20


def trace(number: int, *, days_ago: float, mib: float = 1, parts: int = 1) -> list[TraceFile]:
    name = str(uuid.UUID(int=number))
    at = START - timedelta(days=days_ago)
    names = [f"{name}.jsonl", f"{name}.1.jsonl"][:parts]
    return [
        TraceFile(
            name=one, size_bytes=int(mib * MIB / parts), changed_at=at - timedelta(days=40 * (one != f"{name}.jsonl"))
        )
        for one in names
    ]


def forgotten(files: list[TraceFile], **limits: int) -> set[int]:
    found = traces_to_forget(files, TraceLimits(**limits), now=START)
    return {uuid.UUID(name.split(".")[0]).int for name in found}


def test_too_many_too_old_and_too_much_go_and_the_rest_stays() -> None:
    files = [file for number in range(5) for file in trace(number, days_ago=number)]
    assert forgotten(files, jobs=3) == {3, 4}
    assert forgotten(files, days=2) == {3, 4}
    assert forgotten(files, total_mb=3) == {3, 4}
    assert forgotten(files) == set()


def test_both_parts_go_together_and_the_newest_one_tells_the_age() -> None:
    files = trace(1, days_ago=3, parts=2) + trace(2, days_ago=1, parts=2)
    assert forgotten(files) == set()
    assert len(traces_to_forget(files, TraceLimits(jobs=1), now=START)) == 2


def test_one_trace_larger_than_all_may_be_stays() -> None:
    assert forgotten(trace(1, days_ago=0, mib=9) + trace(2, days_ago=1, mib=1), total_mb=5) == {2}


def test_other_files_are_not_touched() -> None:
    strange = [
        TraceFile(name=name, size_bytes=9, changed_at=START - timedelta(days=999)) for name in ("notes.txt", "x.jsonl")
    ]
    assert traces_to_forget(strange, TraceLimits(jobs=1), now=START) == []


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.floats(0, 60), st.floats(0, 9), st.integers(1, 2)),
        unique_by=lambda one: one[0],
    ),
    st.integers(1, 10),
    st.integers(1, 40),
    st.integers(1, 20),
)
def test_what_stays_is_within_the_limits_and_a_second_sweep_finds_nothing(
    made: list[tuple[int, float, float, int]], jobs: int, days: int, total_mb: int
) -> None:
    files = [file for number, ago, mib, parts in made for file in trace(number, days_ago=ago, mib=mib, parts=parts)]
    limits = TraceLimits(jobs=jobs, days=days, total_mb=total_mb)
    gone = set(traces_to_forget(files, limits, now=START))
    kept = [file for file in files if file.name not in gone]
    traces = {file.name.split(".")[0] for file in kept}
    assert len(traces) <= jobs
    assert len(traces) == 1 or sum(file.size_bytes for file in kept) <= total_mb * MIB
    assert traces_to_forget(kept, limits, now=START) == []
