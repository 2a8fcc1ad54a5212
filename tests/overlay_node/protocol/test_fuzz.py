"""Every run replays the kept corpus and fuzzes on from it for a while; long runs are `./slskdn lab fuzz --seconds N`."""

from __future__ import annotations

import random

import pytest

from overlay_node.protocol.connection import Connection
from overlay_node.protocol.messages import MbidQuery
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
    run_case,
    sample_frames,
    split_frames,
)


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


def test_mutants_stay_small_and_frames_survive_being_split() -> None:
    mutator = Mutator(random.Random(3))
    case = bytes(4) + b"".join(sample_frames())
    assert b"".join(split_frames(case[4:])) == case[4:]
    assert len(split_frames(case[4:])) == len(sample_frames())
    for _ in range(200):
        assert len(mutator.mutate(case, case)) <= fuzzing.MAX_CASE_BYTES
