"""Who broke the protocol how often, and how long we stay away from them. Pure: the time is passed in.

Three violations ban a peer for 300 s, each further ban lasts twice as long, a day at most. New keys are free, so the group of its address is
charged too, with more patience; the group of an address that is not public is not (it is our own network, or a test).
"""

from __future__ import annotations

from dataclasses import dataclass

from overlay_node.protocol import limits


@dataclass(slots=True)
class _Record:
    violations: int = 0
    bans: int = 0
    until: float = float("-inf")


class Offences:
    """Violations and bans by subject: at most MAX_KNOWN_OFFENDERS, the one charged longest ago is forgotten first."""

    def __init__(self) -> None:
        self._records: dict[str, _Record] = {}

    def charge(self, subject: str, now: float, *, patience: int = limits.VIOLATIONS_BEFORE_BAN) -> bool:
        """One more violation; the one that reaches `patience` brings a ban. True when it did."""
        record = self._records.pop(subject, None) or _Record()
        while len(self._records) >= limits.MAX_KNOWN_OFFENDERS:
            del self._records[next(iter(self._records))]
        self._records[subject] = record
        record.violations += 1
        if record.violations < patience:
            return False
        record.violations = 0
        record.until = now + min(limits.MAX_BAN_S, limits.BAN_S * 2.0 ** min(record.bans, 16))
        record.bans += 1
        return True

    def restore(self, subject: str, until: float) -> None:
        """A ban of an earlier run goes on until then."""
        self._records[subject] = _Record(bans=1, until=until)

    def banned_for_s(self, subject: str, now: float) -> float:
        """Seconds that the subject's ban still lasts; 0.0 = not banned."""
        record = self._records.get(subject)
        return max(0.0, record.until - now) if record is not None else 0.0
