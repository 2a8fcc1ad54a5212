"""Which leaves matter more, and that a mode is one set of numbers."""

from __future__ import annotations

import pytest

from apps.domain.swarm.modes import MODES
from apps.domain.swarm.ranges import MAX_PRIORITY, Urgency, UrgentRange, end_of_file, priority_of
from apps.domain.swarm.settings import SchedulerMode


@pytest.mark.parametrize(
    ("leaf", "held", "retried", "urgent", "expected"),
    [
        (5, 0, False, (), (5, Urgency.NORMAL)),
        (5, 0, True, (), (6, Urgency.RETRY)),
        (0, 0, False, (), (8, Urgency.EDGE)),
        (9, 0, False, (), (8, Urgency.EDGE)),
        (5, 10, False, (), (7, Urgency.LAST_MISSING)),
        (9, 0, False, (end_of_file(10),), (10, Urgency.END_OF_FILE)),
        (3, 0, False, (UrgentRange(first=2, end=4, urgency=Urgency.PLAYBACK),), (8, Urgency.PLAYBACK)),
        (
            3,
            10,
            True,
            (
                UrgentRange(first=0, end=9, urgency=Urgency.PLAYBACK),
                UrgentRange(first=3, end=4, urgency=Urgency.RESCUE),
            ),
            (MAX_PRIORITY, Urgency.RESCUE),
        ),
    ],
)
def test_priorities_are_those_of_the_protocol_with_their_main_reason(
    leaf: int, held: int, retried: bool, urgent: tuple[UrgentRange, ...], expected: tuple[int, Urgency]
) -> None:
    assert priority_of(leaf, leaf_count=10, held_count=held, retried=retried, urgent=urgent) == expected


def test_a_range_holds_leaves_and_an_urgency_of_its_own() -> None:
    with pytest.raises(ValueError, match="at least one leaf"):
        UrgentRange(first=3, end=3, urgency=Urgency.USER)
    with pytest.raises(ValueError, match="at least one leaf"):
        UrgentRange(first=0, end=3, urgency=Urgency.NORMAL)
    assert end_of_file(1) == UrgentRange(first=0, end=1, urgency=Urgency.END_OF_FILE)


def test_every_mode_has_numbers_and_each_step_risks_more() -> None:
    assert set(MODES) == set(SchedulerMode)
    careful, usual, bold = (MODES[mode] for mode in SchedulerMode)
    for name in ("memory_s", "slack", "move_gain", "race_gain", "gain_floor_s", "probe_after_s"):
        assert getattr(careful, name) > getattr(usual, name) > getattr(bold, name)
    assert careful.audit_leaves <= usual.audit_leaves <= bold.audit_leaves
