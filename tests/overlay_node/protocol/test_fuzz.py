"""Every run replays the kept corpus and fuzzes on from it for a while; long runs are `./slskdn lab fuzz --seconds N`."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlay_node.protocol.connection import Connection
from overlay_node.protocol.messages import MbidQuery
from slskdn_site.cli.main import main
from tests.overlay_node.protocol import fuzzing
from tests.overlay_node.protocol.fuzzing import (
    OPENED,
    SERVER,
    Coverage,
    Finding,
    Mutator,
    check_cuts,
    corpus,
    first_cases,
    fuzz,
    greeting,
    run_case,
    sample_frames,
    split_frames,
    zipped_frames,
)
from tests.overlay_node.protocol.pair import SAMPLES


def test_the_corpus_is_kept_and_reaches_far_into_the_core() -> None:
    coverage = Coverage()
    for _, case in corpus():
        coverage.of(lambda begin, case=case: run_case(case, begin=begin))
    names = {edge[0].co_qualname if hasattr(edge[0], "co_qualname") else edge[0].co_name for edge in coverage.edges}
    assert len(corpus()) >= 50
    assert len(coverage.edges) >= 700
    assert {"read_bundle", "inflate"} <= names


@pytest.mark.parametrize("name", [name for name, _ in corpus()])
def test_a_kept_case_raises_nothing_but_remote_errors_however_it_is_cut(name: str) -> None:
    case = dict(corpus())[name]
    run_case(case)
    check_cuts(case)


def test_fuzzing_on_from_the_corpus_finds_nothing() -> None:
    cases = [case for _, case in corpus()] + first_cases()
    session = fuzz(cases, seed=1, more=lambda executions: executions < len(cases) + 400)
    assert session.findings == []
    assert session.executions == len(cases) + 400


def test_the_loop_is_the_same_for_the_same_seed() -> None:
    one, two = (fuzz(first_cases()[:20], seed=5, more=lambda executions: executions < 120) for _ in range(2))
    assert (one.kept, one.edges) == (two.kept, two.edges)


def test_the_loop_finds_new_ground_and_a_planted_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """A core that trips over one message in an open connection is found out from cases that do not hold it."""
    handle = Connection._handle_message

    def trips(self: Connection, frame: fuzzing.Any) -> None:
        if isinstance(frame.message, MbidQuery) and frame.message.preferred_profile:
            raise KeyError("planted")
        handle(self, frame)

    monkeypatch.setattr(Connection, "_handle_message", trips)
    begun = [bytes((OPENED | SERVER, 3, 0, 0)) + sample_frames()[2]]
    session = fuzz(begun, seed=2, more=lambda executions: executions < 600)
    assert session.kept
    assert any("KeyError" in what for _, what in session.findings)


def test_a_stream_that_means_something_else_when_cut_elsewhere_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    receive = Connection.receive_data

    def forgetful(self: Connection, data: bytes, now: float) -> None:
        if len(data) != 1:
            receive(self, data, now)

    monkeypatch.setattr(fuzzing, "greeting", lambda: b"")
    monkeypatch.setattr(Connection, "receive_data", forgetful)
    with pytest.raises(Finding):
        check_cuts(bytes((0, 1, 0, 0)) + b"\xff\xff\xff\xff")


@pytest.mark.parametrize("flags", [OPENED, OPENED | SERVER], ids=["client", "server"])
@pytest.mark.parametrize("index", range(len(SAMPLES)), ids=lambda index: SAMPLES[index].TYPE)
def test_every_type_means_the_same_wherever_it_is_cut_in_two(index: int, flags: int) -> None:
    frame = sample_frames()[index]
    case = bytes((flags, 0, 0, 0)) + frame
    whole = run_case(case, cut=lambda left: left)
    for at in range(1, len(frame)):
        halves = iter((at, len(frame)))
        cut = run_case(case, cut=lambda _left, halves=halves: next(halves))
        assert (cut.code, cut.events) == (whole.code, whole.events), at


MOVES = st.tuples(
    st.integers(0, 255),  # which sample
    st.integers(0, 2**16),  # which mutation
    st.integers(0, 9),  # how often it is repeated
)


@given(
    flags=st.sampled_from((0, OPENED, SERVER, OPENED | SERVER)),
    step=st.integers(0, 255),
    moves=st.lists(MOVES, max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_no_sequence_of_frames_whole_or_mutated_makes_the_core_fail(
    flags: int, step: int, moves: list[tuple[int, int, int]]
) -> None:
    samples = sample_frames() + zipped_frames()
    stream = b"" if flags & OPENED else greeting()
    for which, seed, times in moves:
        frame = samples[which % len(samples)]
        if seed % 3:
            frame = Mutator(random.Random(seed)).mutate(bytes(4) + frame, bytes(4) + samples[seed % len(samples)])[4:]
        stream += frame * (times + 1)
    run_case(bytes((flags, step, step, 0)) + stream)


def test_mutants_stay_small_and_frames_survive_being_split() -> None:
    mutator = Mutator(random.Random(3))
    case = bytes(4) + b"".join(sample_frames())
    assert b"".join(split_frames(case[4:])) == case[4:]
    assert len(split_frames(case[4:])) == len(sample_frames())
    for _ in range(200):
        assert len(mutator.mutate(case, case)) <= fuzzing.MAX_CASE_BYTES


def test_the_command_fuzzes_and_tells_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "fuzz", "--seconds", "0", "--seed", "3"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["findings"] == []
    assert report["executions"] >= len(corpus())
