"""The catalogue: each scenario in a few lines. Rates are those of home and server lines: 0.1 to 20 MB/s."""

from __future__ import annotations

from tests.lab.nat import Nat
from tests.lab.personality import BOASTER, BURSTY, HALF_LIAR, LIAR, QUEUE_FOREVER, Personality
from tests.lab.scenario import Between, Fault, Group, Kind, Scenario, exactly, mb

STEADY, CHURN, FAULT = Kind.STEADY, Kind.CHURN, Kind.FAULT

_ALL = (
    Scenario(
        name="steady-equal",
        kind=STEADY,
        about="six peers alike",
        files=mb(30),
        groups=(Group(count=6, mb_s=exactly(2.0), rtt_ms=exactly(40)),),
    ),
    Scenario(
        name="steady-mixed",
        kind=STEADY,
        about="eight peers, a spread of ten in speed",
        files=mb(30),
        groups=(Group(count=8, mb_s=Between(0.5, 5.0)),),
    ),
    Scenario(
        name="steady-small",
        kind=STEADY,
        about="a small file from five middling peers",
        files=mb(8),
        groups=(Group(count=5, mb_s=Between(0.3, 2.0)),),
    ),
    Scenario(
        name="steady-one-fast",
        kind=STEADY,
        about="one fast peer among ten slow ones",
        files=mb(60),
        groups=(Group(count=1, mb_s=exactly(12.0)), Group(count=10, mb_s=Between(0.2, 0.6))),
    ),
    Scenario(
        name="long-fat",
        kind=STEADY,
        about="quick peers far away",
        files=mb(60),
        groups=(Group(count=4, mb_s=Between(4.0, 10.0), rtt_ms=Between(150, 300), jitter_ms=10),),
    ),
    Scenario(
        name="home-uplinks",
        kind=STEADY,
        about="twenty home lines of 1 to 5 Mbit/s",
        files=mb(30),
        groups=(Group(count=20, mb_s=Between(0.125, 0.625), rtt_ms=Between(20, 120), jitter_ms=5),),
    ),
    Scenario(
        name="downlink-bound",
        kind=STEADY,
        about="more peers than our downlink can take",
        files=mb(60),
        groups=(Group(count=10, mb_s=Between(1.0, 4.0)),),
        down_mb_s=6.0,
    ),
    Scenario(
        name="limited",
        kind=STEADY,
        about="a limit of 3 MB/s that a person set, and peers that could give more",
        files=mb(30),
        groups=(Group(count=6, mb_s=Between(0.5, 3.0)),),
        limit_mb_s=3.0,
    ),
    Scenario(
        name="partial-holders",
        kind=STEADY,
        about="one whole copy, nine peers with 60 % each",
        files=mb(30),
        groups=(Group(count=1, mb_s=exactly(0.8)), Group(count=9, mb_s=Between(0.4, 2.0), holds=0.6)),
    ),
    Scenario(
        name="album",
        kind=STEADY,
        about="ten tracks of 30 MB at once",
        files=mb(*[30.0] * 10),
        groups=(Group(count=8, mb_s=Between(1.0, 10.0)),),
    ),
    Scenario(
        name="crowd",
        kind=CHURN,
        about="four downloaders at once that pass on what they have: nothing, if all fetch in the same order",
        files=mb(30),
        groups=(Group(count=4, mb_s=Between(1.0, 3.0)),),
        downloaders=4,
        up_mb_s=1.25,
    ),
    Scenario(
        name="churn-leavers",
        kind=CHURN,
        about="half of the peers leave",
        files=mb(30),
        groups=(
            Group(count=5, mb_s=Between(0.2, 2.5)),
            Group(count=5, mb_s=Between(0.2, 2.5), personality=Personality("leaver", leaves_s=(0.5, 4.0))),
        ),
    ),
    Scenario(
        name="churn-joiners",
        kind=CHURN,
        about="two peers from the start, eight that join",
        files=mb(8),
        groups=(
            Group(count=2, mb_s=Between(0.2, 2.0)),
            Group(count=8, mb_s=Between(0.2, 2.5), personality=Personality("joiner", joins_s=(0.2, 3.0))),
        ),
    ),
    Scenario(
        name="flappers",
        kind=CHURN,
        about="peers that come and go all the time",
        files=mb(8),
        groups=(
            Group(count=3, mb_s=Between(0.2, 2.0)),
            Group(count=6, mb_s=Between(0.2, 2.5), personality=Personality("flapper", flaps_s=(2.0, 0.8))),
        ),
    ),
    Scenario(
        name="throttlers",
        kind=CHURN,
        about="half of the peers drop to a tenth of their speed",
        files=mb(30),
        groups=(
            Group(count=5, mb_s=Between(0.2, 2.0)),
            Group(count=5, mb_s=Between(0.5, 2.5), personality=Personality("throttler", throttles_s=(0.5, 4.0))),
        ),
    ),
    Scenario(
        name="bursty",
        kind=CHURN,
        about="peers in bursts",
        files=mb(30),
        groups=(Group(count=8, mb_s=Between(0.5, 3.0), personality=BURSTY),),
    ),
    Scenario(
        name="lossy",
        kind=CHURN,
        about="lines that lose up to 2 % of their packets",
        files=mb(30),
        groups=(
            Group(count=6, mb_s=Between(1.0, 4.0), loss=0.002, jitter_ms=10),
            Group(count=4, mb_s=Between(1.0, 4.0), rtt_ms=Between(60, 150), loss=0.02, jitter_ms=20),
        ),
    ),
    Scenario(
        name="nat-mix",
        kind=CHURN,
        about="NATs of all kinds: some come late, some never",
        files=mb(8),
        groups=(
            Group(count=3, mb_s=Between(0.2, 2.0)),
            Group(count=3, mb_s=Between(0.2, 2.0), nat=Nat.ENDPOINT_INDEPENDENT, stale=0.5),
            Group(count=3, mb_s=Between(0.2, 2.0), nat=Nat.ADDRESS_RESTRICTED, stale=0.5),
            Group(count=2, mb_s=Between(0.2, 2.0), nat=Nat.SYMMETRIC),
            Group(count=1, mb_s=Between(0.2, 2.0), nat=Nat.DOUBLE),
        ),
    ),
    Scenario(
        name="liars",
        kind=FAULT,
        about="three liars among eight peers",
        files=mb(8),
        groups=(Group(count=5, mb_s=Between(0.2, 2.5)), Group(count=3, mb_s=Between(1.0, 4.0), personality=LIAR)),
    ),
    Scenario(
        name="half-liars",
        kind=FAULT,
        about="two peers that corrupt three leaves of ten: what they brought before is fetched again",
        files=mb(30),
        groups=(Group(count=6, mb_s=Between(0.2, 2.5)), Group(count=2, mb_s=Between(1.0, 4.0), personality=HALF_LIAR)),
    ),
    Scenario(
        name="freezers",
        kind=FAULT,
        about="a third of the peers stop answering and stay linked",
        files=mb(30),
        groups=(
            Group(count=6, mb_s=Between(0.2, 2.5)),
            Group(count=3, mb_s=Between(1.0, 4.0), personality=Personality("freezer", freezes_s=(0.3, 3.0))),
        ),
    ),
    Scenario(
        name="queue-forever",
        kind=FAULT,
        about="peers that say rate_limited for ever, and one that boasts",
        files=mb(30),
        groups=(
            Group(count=5, mb_s=Between(0.2, 2.5)),
            Group(count=3, mb_s=exactly(5.0), personality=QUEUE_FOREVER),
            Group(count=1, mb_s=exactly(1.0), personality=BOASTER, holds=0.3),
        ),
    ),
    Scenario(
        name="cut-off",
        kind=FAULT,
        about="a partition of seconds that nobody is told of",
        files=mb(30),
        groups=(
            Group(count=5, mb_s=Between(0.2, 2.5)),
            Group(count=4, mb_s=Between(0.5, 4.0), personality=Personality("cut-off", cut_off_s=(0.5, 4.0, 4.0))),
        ),
    ),
    Scenario(
        name="mishaps",
        kind=FAULT,
        about="links break, a leaf can't be written",
        files=mb(30),
        groups=(Group(count=8, mb_s=Between(0.2, 2.5)),),
        faults=(Fault.DISCONNECT, Fault.DISCONNECT, Fault.DISCONNECT, Fault.STORAGE_ERROR, Fault.STORAGE_ERROR),
    ),
)

SCENARIOS: dict[str, Scenario] = {one.name: one for one in _ALL}
