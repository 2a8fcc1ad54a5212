"""When a second payload is fetched beside the first, and when one gives way."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from apps.domain.jobs.constraints import Constraints
from overlay_node.swarm.choice import Candidate, PayloadClaim, PayloadKey, candidates_of
from overlay_node.swarm.race import (
    HOLD_S,
    SETTLED_S,
    SLOWER,
    SLOWER_FLOOR_S,
    STALLED_S,
    WINDOW_S,
    GiveWay,
    HoldFallback,
    Lap,
    Pace,
    Race,
    RaceStep,
    ReleaseFallback,
    StartFallback,
)

FLAC, MP3 = "flac-16-44100-2", "mp3-320-44100-2"
MB = 1_000_000


def lap(root: str = "one", **changes: object) -> Lap:
    given: dict[str, object] = {
        "transfer": uuid.uuid5(uuid.NAMESPACE_OID, root),
        "key": PayloadKey("flac", root.encode().ljust(32)),
        "profile": FLAC,
        "held_bytes": 10 * MB,
        "left_bytes": 20 * MB,
        "speed_bps": 1.0 * MB,
        "stalled_s": 0.0,
        "running_s": 60.0,
    }
    return Lap(**{**given, **changes})  # type: ignore[arg-type]


def other(root: str = "two", profile: str = FLAC, *, speed_bps: float = 2.0 * MB, size: int = 30 * MB) -> Candidate:
    claim = PayloadClaim(
        peer=f"peer of {root}",
        group="g",
        key=PayloadKey(profile.partition("-")[0], root.encode().ljust(32)),
        profile=profile,
        payload_bytes=size,
        reputation=1.0,
        speed_bps=speed_bps,
    )
    found, _ = candidates_of([claim], constraints=Constraints(), denied=frozenset())
    return found[0]


@dataclass
class Looks:
    """Looks every second, with what stays the same between them."""

    race: Race
    now: float = 0.0

    def look(
        self, *, primary: Lap, fallback: Lap | None = None, others: tuple[Candidate, ...] = (), **options: bool
    ) -> RaceStep:
        self.now += 1.0
        limited = options.get("limited", False)
        return self.race.step(primary=primary, fallback=fallback, others=others, limited=limited, now=self.now)

    def during(self, seconds: float, **facts: object) -> list[RaceStep]:
        return [step for _ in range(int(seconds)) if (step := self.look(**facts)) is not None]  # type: ignore[arg-type]


def looks() -> Looks:
    return Looks(Race())


STALLED = lap(stalled_s=STALLED_S, speed_bps=0.0)


def test_a_primary_that_flows_well_needs_no_fallback() -> None:
    assert looks().during(600, primary=lap(), others=(other(),)) == []


def test_a_stalled_primary_gets_a_fallback_of_its_own_profile_before_any_other() -> None:
    alike, better = other("alike"), other("mp3", MP3)
    assert looks().look(primary=STALLED, others=(better, alike)) == StartFallback(alike, stalled=True)
    assert looks().look(primary=STALLED, others=(better,)) == StartFallback(better, stalled=True)
    assert looks().look(primary=STALLED) is None


def test_a_slow_primary_gets_one_after_it_was_slow_for_a_while_and_only_of_its_profile() -> None:
    slow = lap(speed_bps=0.05 * MB)
    watched = looks()
    assert watched.during(HOLD_S, primary=slow, others=(other(),)) == []
    assert watched.look(primary=slow, others=(other(),)) == StartFallback(other(), stalled=False)
    assert looks().during(600, primary=slow, others=(other("m", MP3),)) == []


def test_a_hiccup_starts_nothing() -> None:
    watched = looks()
    slow = lap(speed_bps=0.05 * MB)
    for _ in range(20):
        assert watched.during(HOLD_S - 1, primary=slow, others=(other(),)) == []
        assert watched.look(primary=lap(), others=(other(),)) is None


def test_a_young_transfer_and_one_under_our_own_limit_are_not_called_slow() -> None:
    slow = lap(speed_bps=0.05 * MB)
    young = replace(slow, running_s=SETTLED_S - 1)
    assert looks().during(600, primary=young, others=(other(),)) == []
    assert looks().during(600, primary=slow, others=(other(),), limited=True) == []
    assert looks().look(primary=STALLED, others=(other(),), limited=True) is not None


def test_another_payload_that_would_be_only_a_little_faster_is_left_alone() -> None:
    whole_s = other().terms.expected_s
    just = lap(left_bytes=int((SLOWER * whole_s + SLOWER_FLOOR_S) * MB), speed_bps=1.0 * MB)
    assert looks().during(600, primary=just, others=(other(),)) == []


def test_the_fallback_is_held_when_the_primary_runs_far_ahead_and_released_when_it_stalls_again() -> None:
    fast, slow = lap(), lap("two", speed_bps=0.01 * MB)
    watched = looks()
    assert watched.during(HOLD_S, primary=fast, fallback=slow) == []
    assert watched.look(primary=fast, fallback=slow) == HoldFallback()
    held = replace(slow, held=True)
    assert watched.during(100, primary=fast, fallback=held) == []
    assert watched.look(primary=STALLED, fallback=held) == ReleaseFallback()


def test_when_both_stall_the_one_with_less_gives_way_to_a_third_and_without_one_both_stay() -> None:
    little = lap("two", held_bytes=1, stalled_s=STALLED_S)
    assert looks().look(primary=STALLED, fallback=little, others=(other("three"),)) == GiveWay(little.transfer)
    much = replace(little, held_bytes=20 * MB)
    assert looks().look(primary=STALLED, fallback=much, others=(other("three"),)) == GiveWay(STALLED.transfer)
    assert looks().during(600, primary=STALLED, fallback=little) == []


def test_fewer_bytes_are_no_progress_and_more_are_and_what_an_earlier_run_left_is_none() -> None:
    pace = Pace(started_at=0.0, progressed_at=0.0)
    pace.note(10, 1.0)
    pace.note(5, 2.0)
    assert pace.progressed_at == 0.0
    pace.note(6, 3.0)
    assert pace.progressed_at == 3.0


def test_a_peer_that_brings_a_leaf_now_and_then_has_the_rate_of_a_long_window_not_of_a_moment() -> None:
    leaf, every_s = 262_144, 13
    pace = Pace(started_at=0.0, progressed_at=0.0)
    for second in range(400):
        pace.note(5 * leaf + leaf * (second // every_s), float(second))
        if second >= 2 * WINDOW_S:
            assert 0.4 < pace.rate_bps(float(second)) / (leaf / every_s) < 1.6
    for second in range(400, 400 + 2 * int(WINDOW_S) + 1):  # and one that stops is seen to
        pace.note(5 * leaf + leaf * (399 // every_s), float(second))
    assert pace.rate_bps(440.0) == 0.0


LAPS = st.builds(
    lap,
    held_bytes=st.integers(0, 30 * MB),
    left_bytes=st.integers(0, 30 * MB),
    speed_bps=st.floats(0, 1e8),
    stalled_s=st.floats(0, 100),
    running_s=st.floats(0, 1000),
)


@given(
    sequence=st.lists(
        st.tuples(LAPS, st.none() | LAPS, st.booleans(), st.lists(st.sampled_from("abc"), unique=True)), max_size=40
    ),
    limited=st.booleans(),
)
def test_whatever_happens_a_step_fits_what_there_is(
    sequence: list[tuple[Lap, Lap | None, bool, list[str]]], limited: bool
) -> None:
    watched = looks()
    for primary, beside, held, names in sequence:
        fallback = replace(beside, transfer=uuid.UUID(int=2), held=held) if beside is not None else None
        others = tuple(other(name) for name in names)
        step = watched.look(primary=primary, fallback=fallback, others=others, limited=limited)
        match step:
            case StartFallback(candidate=candidate):
                assert fallback is None
                assert candidate in others
            case GiveWay(transfer=transfer):
                assert fallback is not None
                assert others
                assert transfer in {primary.transfer, fallback.transfer}
                assert min(primary.stalled_s, fallback.stalled_s) >= STALLED_S
            case HoldFallback():
                assert fallback is not None
                assert not fallback.held
                assert primary.stalled_s < STALLED_S
            case ReleaseFallback():
                assert fallback is not None
                assert fallback.held
