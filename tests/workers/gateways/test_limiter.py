"""One rate for all processes, by the broker's clock, against a real Valkey."""

from __future__ import annotations

import subprocess
import sys
import uuid

import pytest
import redis

from slskdn_site.broker import redis_url
from tests.workers.conftest import limiter
from workers.gateways.errors import Transient
from workers.gateways.limiter import Limiter


def test_slots_are_an_interval_apart() -> None:
    slept: list[float] = []
    one = limiter(interval_ms=1050, sleep=slept.append)
    waits = [one.acquire() for _ in range(5)]
    assert waits[0] == 0
    for number, wait in enumerate(waits[1:], start=1):
        assert 1.05 * number - 1.0 < wait <= 1.05 * number
    assert slept == waits[1:]


def test_two_limiters_of_one_name_share_the_rate_and_two_names_do_not() -> None:
    name = uuid.uuid4().hex
    first, second = (limiter(name, interval_ms=5000, sleep=lambda _s: None) for _ in range(2))
    assert first.acquire() == 0
    assert second.acquire() > 4
    assert limiter(interval_ms=5000).acquire() == 0


def test_processes_share_the_rate() -> None:
    name = uuid.uuid4().hex
    program = (
        "import sys; from workers.gateways.limiter import Limiter\n"
        "one = Limiter(sys.argv[1], name=sys.argv[2], interval_ms=4000, max_wait_s=1000, sleep=lambda s: None)\n"
        "print(*[one.acquire() for _ in range(3)])"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, redis_url(), name], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    waits = sorted(float(word) for one in running for word in one.communicate()[0].split())
    # Six slots were given, and no two of them are the same one: the last is five intervals after the first.
    assert len(waits) == 6
    assert waits[-1] > 4 * 4.0 - 4.0


def test_a_queue_that_is_too_long_says_when_to_come_again_and_reserves_nothing() -> None:
    one = limiter(interval_ms=10_000, max_wait_s=5, sleep=lambda _s: None)
    one.acquire()
    for _ in range(3):
        with pytest.raises(Transient) as refused:
            one.acquire()
        assert refused.value.code == "rate_limited"
        assert refused.value.retry_after_s is not None
        assert 9 < refused.value.retry_after_s <= 10


def test_a_busy_service_holds_everybody_back() -> None:
    name = uuid.uuid4().hex
    limiter(name, interval_ms=10).push_back(60)
    with pytest.raises(Transient) as refused:
        limiter(name, interval_ms=10).acquire()
    assert refused.value.retry_after_s is not None
    assert 55 < refused.value.retry_after_s <= 60


def test_what_is_kept_goes_away_by_itself() -> None:
    name = uuid.uuid4().hex
    limiter(name, interval_ms=1050).acquire()
    lifetime = redis.Redis.from_url(redis_url()).pttl(f"slskdn:limit:{name}")
    assert isinstance(lifetime, int)
    assert 0 < lifetime <= 2050


def test_without_the_broker_nothing_is_asked() -> None:
    gone = Limiter("unix:///nonexistent/valkey.sock", name="x", interval_ms=1)
    with pytest.raises(Transient) as refused:
        gone.acquire()
    assert refused.value.code == "broker_unavailable"
    gone.push_back(1)
