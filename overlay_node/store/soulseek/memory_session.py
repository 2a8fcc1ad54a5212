"""The session's rows in memory. Passes the same contract tests as `session`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from apps.domain.contracts.soulseek_session import IntentWork, SessionHappening, SessionKept, SessionReport


@dataclass(slots=True)
class MemorySessionRows:
    """See `overlay_node.soulseek.ports.SessionRows`. `wanted` is the control plane's to change; `reports` counts writes of the row."""

    wanted: IntentWork = field(default_factory=IntentWork)
    report: SessionReport | None = None
    happenings: list[SessionHappening] = field(default_factory=list)
    reports: int = 0

    async def intent(self) -> IntentWork:
        """What people want."""
        return self.wanted

    async def kept(self) -> SessionKept:
        """What the session before this one left."""
        if self.report is None:
            return SessionKept()
        return SessionKept(
            search_starts=self.report.search_starts,
            last_ticket=self.report.last_ticket,
            wishlist_interval_s=self.report.wishlist_interval_s,
            excluded=self.report.excluded,
        )

    async def record(self, report: SessionReport | None, happenings: Sequence[SessionHappening]) -> None:
        """How it stands, and what happened."""
        if report is not None:
            self.report = report
            self.reports += 1
        self.happenings.extend(happenings)
