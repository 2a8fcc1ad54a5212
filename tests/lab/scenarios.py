"""The catalogue: each scenario in a few lines."""

from __future__ import annotations

from tests.lab.scenario import Between, Group, Kind, Scenario, exactly, mb

SCENARIOS: dict[str, Scenario] = {
    one.name: one
    for one in (
        Scenario(
            name="steady-equal",
            kind=Kind.STEADY,
            about="six peers alike",
            files=mb(30),
            groups=(Group(count=6, mb_s=exactly(2.0), rtt_ms=exactly(40)),),
        ),
        Scenario(
            name="steady-mixed",
            kind=Kind.STEADY,
            about="eight peers, a spread of ten in speed",
            files=mb(60),
            groups=(Group(count=8, mb_s=Between(0.5, 5.0)),),
        ),
        Scenario(
            name="album",
            kind=Kind.STEADY,
            about="ten tracks of 30 MB at once",
            files=mb(*[30.0] * 10),
            groups=(Group(count=8, mb_s=Between(1.0, 10.0)),),
        ),
    )
}
