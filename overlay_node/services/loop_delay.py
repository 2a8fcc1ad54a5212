"""How late the reactor is: a heartbeat of 50 ms and its delays over the last five minutes. What stalls it shows here, whoever does it.

The Soulseek plane shares the loop with the mesh; where its stalls push the 99th percentile over `TOO_LATE_MS`, it should have a process of its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

BEAT_S: Final = 0.05
SAMPLES: Final = 6000
TOO_LATE_MS: Final = 25.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """Milliseconds by which the beats of the last five minutes came late."""

    p50_ms: float = 0.0
    p99_ms: float = 0.0
    most_ms: float = 0.0
    samples: int = 0


class LoopDelay:
    """See the module."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock: Final = clock
        self._late_s: deque[float] = deque(maxlen=SAMPLES)

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due = self._clock() + BEAT_S
            await asyncio.sleep(BEAT_S)
            self._late_s.append(max(0.0, self._clock() - due))

    def delays(self) -> Delays:
        """As of now."""
        late = sorted(self._late_s)
        if not late:
            return Delays()
        return Delays(
            p50_ms=round(late[len(late) // 2] * 1000, 2),
            p99_ms=round(late[min(len(late) - 1, len(late) * 99 // 100)] * 1000, 2),
            most_ms=round(late[-1] * 1000, 2),
            samples=len(late),
        )
