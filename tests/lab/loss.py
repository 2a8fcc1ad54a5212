"""Packet loss as TCP feels it: the rate saws, and each loss holds up what follows until it was sent again.

Additive increase, multiplicative decrease over the bytes between losses (the model behind Mathis et al., The macroscopic behavior of the TCP
congestion avoidance algorithm, 1997), drawn before the run, so that the bound can know it. Congestion windows are a little kinder than Reno's
(a cut to 0.7, RFC 9438's CUBIC). One loss in ten is not seen by duplicate acknowledgements and costs a retransmission timeout.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tests.lab.personality import HORIZON_S
from tests.lab.profile import Profile

MSS_BYTES = 1448
CUT = 0.7
TIMEOUT_SHARE = 0.1
MIN_TIMEOUT_S = 0.2
STEP_S = 0.1
START_PACKETS = 10
"""initial window (RFC 6928), if the line has room for it"""


@dataclass(frozen=True, slots=True)
class Line:
    """One direction of a link."""

    bandwidth: Profile
    """bytes a second"""
    holds: tuple[tuple[float, float], ...] = ()
    """what is sent within [from, to) arrives no earlier than a delay after `to`; ascending"""


def lossy_line(bandwidth: float, *, rtt_s: float, loss: float, random: Random) -> Line:
    """A line of `bandwidth` bytes a second that loses a share of its packets."""
    if loss <= 0:
        return Line(Profile.constant(bandwidth))
    most = max(bandwidth * rtt_s, 2.0 * MSS_BYTES)
    window = max(most / 2, min(most, START_PACKETS * MSS_BYTES))
    steps, holds, time = [], [], 0.0
    left = random.expovariate(loss / MSS_BYTES)
    step_s = max(rtt_s, STEP_S)
    while time < HORIZON_S:
        rate = min(bandwidth, window / rtt_s)
        steps.append((time, rate))
        sent = rate * step_s
        if sent < left:
            left -= sent
            time += step_s
            window = min(most, window + MSS_BYTES * step_s / rtt_s)
            continue
        time += max(left / rate, 1e-6)
        blind = random.random() < TIMEOUT_SHARE
        mended = time + (max(MIN_TIMEOUT_S, 2 * rtt_s) if blind else rtt_s)
        holds.append((time, mended))
        window = max(window * CUT, 2.0 * MSS_BYTES)
        left = random.expovariate(loss / MSS_BYTES)
    return Line(Profile.steps(steps), tuple(holds))
