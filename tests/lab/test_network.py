"""The network: what it carries when, how flows share, what delay, jitter and loss do."""

from __future__ import annotations

import random

import pytest

from tests.lab.events import EventQueue
from tests.lab.loss import MSS_BYTES, Line, lossy_line
from tests.lab.nat import Nat, accepts, meeting
from tests.lab.network import Flow, Network
from tests.lab.profile import FOREVER, Profile

FREE = Line(Profile.constant(1e12))


class Net:
    """Pipes and flows by number, and what arrived when."""

    def __init__(self) -> None:
        self.queue = EventQueue()
        self.network = Network(self.queue)
        self.arrived: dict[Flow, list[tuple[float, int]]] = {}

    def pipe(self, rate: float | Profile):
        return self.network.pipe("", rate if isinstance(rate, Profile) else Profile.constant(rate))

    def flow(self, up, down, *, line: Line = FREE, delay: float = 0.0, jitter: float = 0.0) -> Flow:
        flow = self.network.flow(up=up, down=down, line=line, delay_s=delay, jitter_s=jitter, random=random.Random(1))
        self.arrived[flow] = []
        flow.on_segment = lambda views: self.arrived[flow].append((self.queue.now, sum(map(len, views))))
        return flow

    def done(self, flow: Flow) -> float:
        return self.arrived[flow][-1][0]

    def bytes(self, flow: Flow) -> int:
        return sum(count for _, count in self.arrived[flow])


def test_a_lone_flow_gets_the_lowest_of_its_capacities() -> None:
    for up, down, line in [(1e6, 9e6, 9e6), (9e6, 1e6, 9e6), (9e6, 9e6, 1e6)]:
        net = Net()
        flow = net.flow(net.pipe(up), net.pipe(down), line=Line(Profile.constant(line)), delay=0.25)
        flow.write(bytes(2_000_000))
        net.queue.run(until=100)
        assert net.bytes(flow) == 2_000_000
        assert net.done(flow) == pytest.approx(2.25, abs=1e-6)


def test_a_shared_downlink_is_divided_max_min_fair() -> None:
    net = Net()
    down = net.pipe(10e6)
    slow, middle, fast = (net.flow(net.pipe(rate), down) for rate in (1e6, 4e6, 100e6))
    for flow in (slow, middle, fast):
        flow.write(bytes(20_000_000))
    net.queue.run(until=1.0)
    assert [flow.rate for flow in (slow, middle, fast)] == [pytest.approx(rate) for rate in (1e6, 4e6, 5e6)]


def test_an_uplink_is_shared_too_and_what_one_leaves_the_other_takes() -> None:
    net = Net()
    up = net.pipe(4e6)
    one, other = net.flow(up, net.pipe(1e6)), net.flow(up, net.pipe(100e6))
    one.write(bytes(1_000_000))
    other.write(bytes(9_000_000))
    net.queue.run(until=0.5)
    assert (one.rate, other.rate) == (pytest.approx(1e6), pytest.approx(3e6))
    net.queue.run(until=100)
    assert net.done(one) == pytest.approx(1.0, abs=0.01)
    assert net.done(other) == pytest.approx(1.0 + 6e6 / 4e6, abs=0.02)


def test_nobody_gets_more_than_there_is_whoever_comes_and_goes() -> None:
    draw = random.Random(5)
    net = Net()
    downs, ups = (
        [net.pipe(draw.uniform(1e6, 5e6)) for _ in range(3)],
        [net.pipe(draw.uniform(1e6, 5e6)) for _ in range(4)],
    )
    flows = [net.flow(up, down) for up in ups for down in downs]
    for _ in range(60):
        draw.choice(flows).write(bytes(draw.randrange(1, 600_000)))
        net.queue.run(until=net.queue.now + draw.random() / 3)
        for pipe in (*ups, *downs):
            assert sum(flow.rate for flow in pipe.flows) <= pipe.capacity * (1 + 1e-9)
        for (
            flow
        ) in flows:  # max-min: whoever could do with more is held by a full pipe in which nobody has more than he
            if flow.pending:
                assert any(
                    pipe.spare <= pipe.capacity * 1e-6 and flow.rate >= max(one.rate for one in pipe.flows) * (1 - 1e-6)
                    for pipe in (flow.up, flow.down)
                )


def test_a_capacity_that_changes_is_followed_in_the_middle_of_a_segment() -> None:
    net = Net()
    up = net.pipe(Profile.steps([(0.0, 1e6), (1.0, 0.0), (3.0, 2e6)]))
    flow = net.flow(up, net.pipe(1e9))
    flow.write(bytes(3_000_000))
    net.queue.run(until=100)
    assert net.done(flow) == pytest.approx(4.0, abs=1e-6)


def test_a_short_message_arrives_after_its_delay_and_disturbs_nobody() -> None:
    net = Net()
    up, down = net.pipe(1e6), net.pipe(1e6)
    short, bulk = net.flow(up, down, delay=0.1), net.flow(up, net.pipe(1e6))
    bulk.write(bytes(1_000_000))
    short.write(bytes(200))
    net.queue.run(until=10)
    assert net.done(short) == pytest.approx(0.1 + 200 / 1e6)
    assert net.done(bulk) == pytest.approx(1.0, abs=1e-6)


def test_jitter_delays_and_never_reorders() -> None:
    net = Net()
    flow = net.flow(net.pipe(1e6), net.pipe(1e9), delay=0.1, jitter=0.3)
    flow.write(bytes(1_000_000))
    net.queue.run(until=10)
    times = [time for time, _ in net.arrived[flow]]
    assert times == sorted(times)
    assert 1.1 <= times[-1] <= 1.4
    assert len(set(times)) > 3


def test_a_flow_that_is_cut_brings_nothing_more_and_frees_its_share() -> None:
    net = Net()
    down = net.pipe(2e6)
    one, other = net.flow(net.pipe(9e6), down, delay=0.5), net.flow(net.pipe(9e6), down)
    one.write(bytes(9_000_000))
    other.write(bytes(9_000_000))
    net.queue.run(until=1.0)
    one.cut()
    had = net.bytes(one)
    net.queue.run(until=2.0)
    assert net.bytes(one) == had
    assert other.rate == pytest.approx(2e6)


def test_the_sender_is_told_when_there_is_room_and_goes_on_without_a_pause() -> None:
    net = Net()
    flow = net.flow(net.pipe(1e6), net.pipe(1e9))
    more = iter([bytes(100_000)] * 9)
    flow.on_drained = lambda: None if (piece := next(more, None)) is None else flow.write(piece)
    flow.write(bytes(100_000))
    net.queue.run(until=10)
    assert net.bytes(flow) == 1_000_000
    assert net.done(flow) == pytest.approx(1.0, abs=1e-6)


# ---- loss


def test_loss_saws_at_the_rate_about_as_the_theory_says() -> None:
    rtt, loss = 0.05, 0.01
    line = lossy_line(20e6, rtt_s=rtt, loss=loss, random=random.Random(3))
    mean = line.bandwidth.carried(5.0, 205.0) / 200
    # additive increase, cut to 0.7: sqrt((1 + 0.7) / (2 (1 - 0.7))) = 1.68 packets x MSS / (RTT sqrt(p))
    expected = 1.68 * MSS_BYTES / (rtt * loss**0.5)
    assert 0.7 * expected <= mean <= 1.3 * expected


def test_less_loss_is_faster_and_none_is_the_line_itself() -> None:
    rates = [
        lossy_line(5e6, rtt_s=0.03, loss=loss, random=random.Random(3)).bandwidth.carried(0, 100)
        for loss in (0.03, 0.003, 0.0)
    ]
    assert rates[0] < rates[1] < rates[2] == 500e6


def test_what_is_lost_holds_up_what_follows() -> None:
    net = Net()
    line = Line(Profile.constant(1e6), holds=((0.5, 0.9),))
    flow = net.flow(net.pipe(1e6), net.pipe(1e9), line=line, delay=0.1)
    flow.write(bytes(1_000_000))
    net.queue.run(until=10)
    assert not [time for time, _ in net.arrived[flow] if 0.6 + 1e-9 < time < 1.0]
    assert net.done(flow) == pytest.approx(1.1, abs=1e-6)


# ---- profiles


@pytest.mark.parametrize("seed", range(10))
def test_a_profile_inverts_its_own_integral(seed: int) -> None:
    draw = random.Random(seed)
    profile = Profile.steps(
        [(0.0, draw.uniform(0, 9)), *((draw.uniform(0.1, 20), draw.choice([0, draw.uniform(0, 9)])) for _ in range(6))]
    )
    for _ in range(20):
        start, amount = draw.uniform(0, 25), draw.uniform(0.1, 60)
        when = profile.when(start, amount)
        if when < FOREVER:
            assert profile.carried(start, when) == pytest.approx(amount)
            assert profile.carried(start, when - 1e-3) < amount
        else:
            assert profile.carried(start, 1e6) < amount


# ---- NAT


def test_who_can_be_dialled() -> None:
    expected = {
        Nat.NONE: (True, True, True, True),
        Nat.ENDPOINT_INDEPENDENT: (True, True, False, False),
        Nat.ADDRESS_RESTRICTED: (False, True, False, False),
        Nat.SYMMETRIC: (False, False, False, False),
        Nat.DOUBLE: (False, False, False, False),
    }
    for nat, answers in expected.items():
        found = tuple(
            accepts(nat, contacted=contacted, fresh=fresh) for fresh in (True, False) for contacted in (False, True)
        )
        assert found == answers, nat


def test_who_meets_whom_and_when() -> None:
    def meet(downloader: Nat, peer: Nat, stale: float = 0.0):
        return meeting(downloader, peer, stale=stale, random=random.Random(1))

    assert meet(Nat.SYMMETRIC, Nat.NONE).after_s == 0
    assert meet(Nat.NONE, Nat.ENDPOINT_INDEPENDENT).after_s == 0
    assert meet(Nat.NONE, Nat.ENDPOINT_INDEPENDENT, stale=1.0).after_s > 10
    assert meet(Nat.NONE, Nat.SYMMETRIC).peer_dials
    assert meet(Nat.SYMMETRIC, Nat.SYMMETRIC) is None
    assert meet(Nat.ADDRESS_RESTRICTED, Nat.ADDRESS_RESTRICTED) is None
