"""What the scheduler's modes mean in numbers: one frozen value each. Pure.

The modes differ in how early a peer is believed to be slow, how much is asked ahead, and how readily the end game pays bytes for time. None of
them changes what is believed: every leaf is verified alone in each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from apps.domain.swarm.settings import SchedulerMode


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeParameters:
    """Parameters of one mode. Tuned in the lab (`./slskdn lab run`), on links of 0.2 to 20 MB/s and delays of 10 to 200 ms."""

    memory_s: float
    """time constant of the rates: shorter follows changes, longer does not fall for bursts"""
    cushion_s: float
    """what is asked ahead beyond the delay: covers jitter and the time until an answer is acted upon"""
    audit_leaves: int
    """most leaves in flight with a near peer that has not delivered a verified one yet"""
    slack: float
    """a peer gets a leaf when it would be there by the common end, stretched by this share of the time left"""
    move_gain: float
    """share of the time left that must be won by taking a leaf, not begun yet, away from its owner"""
    race_gain: float
    """likewise for asking a second peer for a leaf that is on its way"""
    gain_floor_s: float
    """least gain, whatever the share says: estimates are not better than this"""
    probe_after_s: float
    """a peer that was held back for so long is given one leaf in small pieces: it may have recovered"""


MODES: Final[Mapping[SchedulerMode, ModeParameters]] = MappingProxyType(
    {
        SchedulerMode.CONSERVATIVE: ModeParameters(
            memory_s=3.0,
            cushion_s=0.10,
            audit_leaves=2,
            slack=0.15,
            move_gain=0.15,
            race_gain=0.5,
            gain_floor_s=0.15,
            probe_after_s=4.0,
        ),
        SchedulerMode.BALANCED: ModeParameters(
            memory_s=1.5,
            cushion_s=0.10,
            audit_leaves=2,
            slack=0.03,
            move_gain=0.05,
            race_gain=0.2,
            gain_floor_s=0.04,
            probe_after_s=2.0,
        ),
        SchedulerMode.AGGRESSIVE: ModeParameters(
            memory_s=0.8,
            cushion_s=0.15,
            audit_leaves=3,
            slack=0.0,
            move_gain=0.02,
            race_gain=0.1,
            gain_floor_s=0.02,
            probe_after_s=1.0,
        ),
    }
)
