"""Tokens, intake, patience, transactions: the node's small organs, one by one."""

from __future__ import annotations

import os
import random

from hypothesis import given
from hypothesis import strategies as st

from overlay_node.dht.addresses import Endpoint
from overlay_node.dht.intake import MAX_TRACKED_SOURCES, Intake, Rate
from overlay_node.dht.rtt import MAX_HARD_S, MAX_SOFT_S, MIN_HARD_S, MIN_SOFT_S, Patience, RttEstimator
from overlay_node.dht.tokens import ROTATE_S, TokenJar
from overlay_node.dht.transactions import Transactions
from tests.overlay_node.dht.unhurried import unhurried

HERE = Endpoint.parse("192.0.2.1", 1000)
THERE = Endpoint.parse("192.0.2.2", 1000)


def test_a_token_is_good_for_its_address_whatever_the_port_and_for_no_other() -> None:
    jar = TokenJar(0.0, os.urandom)
    token = jar.issue(HERE, 1.0)
    assert jar.accepts(token, Endpoint(HERE.packed, 9), 2.0)
    assert not jar.accepts(token, THERE, 2.0)
    assert not jar.accepts(b"", HERE, 2.0)
    assert not jar.accepts(token[:-1], HERE, 2.0)


def test_a_token_outlives_one_change_of_secret_but_not_two() -> None:
    jar = TokenJar(0.0, os.urandom)
    token = jar.issue(HERE, ROTATE_S - 1)
    assert jar.accepts(token, HERE, ROTATE_S + 1)
    assert not jar.accepts(token, HERE, 2 * ROTATE_S + 2)


def test_after_a_long_silence_no_old_token_is_good() -> None:
    jar = TokenJar(0.0, os.urandom)
    token = jar.issue(HERE, 1.0)
    assert not jar.accepts(token, HERE, 10 * ROTATE_S)


def test_one_source_over_its_rate_is_refused_and_another_is_not() -> None:
    intake = Intake(Rate(1.0, 3.0), None, 0.0)
    assert [intake.admits(HERE, 0.0) for _ in range(5)] == [True, True, True, False, False]
    assert intake.admits(THERE, 0.0)
    assert intake.admits(HERE, 1.1)
    assert not intake.admits(HERE, 1.1)


def test_an_ipv6_host_cannot_escape_its_rate_within_its_64() -> None:
    intake = Intake(Rate(1.0, 2.0), None, 0.0)
    admitted = [intake.admits(Endpoint.parse(f"2600::{n:x}", 1), 0.0) for n in range(1, 6)]
    assert admitted == [True, True, False, False, False]


def test_all_sources_together_have_a_limit_too() -> None:
    intake = Intake(None, Rate(1.0, 4.0), 0.0)
    assert sum(intake.admits(Endpoint.parse(f"192.0.2.{n}", 1), 0.0) for n in range(20)) == 4


def test_the_memory_of_sources_is_bounded() -> None:
    intake = Intake(Rate(1.0, 1.0), None, 0.0)
    for number in range(MAX_TRACKED_SOURCES + 10):
        intake.admits(Endpoint(number.to_bytes(4, "big"), 1), 0.0)
    assert len(intake._sources) == MAX_TRACKED_SOURCES


@unhurried
@given(st.lists(st.floats(0, 100), max_size=40), st.none() | st.floats(0, 100))
def test_patience_stays_within_its_bounds_whatever_was_measured(samples: list[float], node_rtt_s: float | None) -> None:
    estimator = RttEstimator()
    for sample in samples:
        estimator.sample(sample)
    patience = estimator.patience(node_rtt_s)
    assert MIN_SOFT_S <= patience.soft_s <= MAX_SOFT_S
    assert max(MIN_HARD_S, patience.soft_s) <= patience.hard_s <= MAX_HARD_S


def test_patience_follows_the_network_and_the_slow_node() -> None:
    estimator = RttEstimator()
    for _ in range(50):
        estimator.sample(0.1)
    assert estimator.patience().soft_s < 0.3
    assert estimator.patience(0.6).soft_s >= 1.2


def opened(transactions: Transactions[str], purpose: str, now: float) -> bytes:
    transaction_id = transactions.fresh_id()
    transactions.open(
        transaction_id,
        endpoint=HERE,
        expected_id=None,
        datagram=b"?",
        purpose=purpose,
        now=now,
        patience=Patience(1.0, 4.0),
    )
    return transaction_id


def test_a_question_is_repeated_once_and_then_fails() -> None:
    transactions: Transactions[str] = Transactions(random.Random(1).randbytes)
    opened(transactions, "a", 0.0)
    assert transactions.next_timer() == 1.0
    assert transactions.due(0.9) == ([], [])
    stalled, failed = transactions.due(1.0)
    assert ([t.purpose for t in stalled], failed) == (["a"], [])
    assert transactions.next_timer() == 4.0
    stalled, failed = transactions.due(4.0)
    assert (stalled, [t.purpose for t in failed]) == ([], ["a"])
    assert len(transactions) == 0
    assert not transactions.expects(HERE)
    assert transactions.next_timer() is None


def test_an_answer_counts_only_from_the_endpoint_asked_and_only_once() -> None:
    transactions: Transactions[str] = Transactions(random.Random(1).randbytes)
    transaction_id = opened(transactions, "a", 0.0)
    assert transactions.expects(HERE)
    assert transactions.close(transaction_id, THERE) is None
    assert transactions.close(b"none", HERE) is None
    closed = transactions.close(transaction_id, HERE)
    assert closed is not None
    assert closed.purpose == "a"
    assert transactions.close(transaction_id, HERE) is None
    assert transactions.due(100.0) == ([], [])
