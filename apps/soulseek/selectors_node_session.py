"""What the node reads of the session's rows."""

from __future__ import annotations

from apps.domain.contracts.soulseek_session import IntentWork, SessionKept
from apps.soulseek.models import SoulseekIntent, SoulseekSession


def session_intent() -> IntentWork:
    """What people want; without a row: online."""
    row = SoulseekIntent.objects.first()
    return IntentWork(online=row.online, away=row.away, generation=row.generation) if row is not None else IntentWork()


def session_kept() -> SessionKept:
    """What the session before this one left."""
    row = SoulseekSession.objects.first()
    if row is None:
        return SessionKept()
    return SessionKept(
        search_starts=tuple(float(at) for at in row.search_starts),
        last_ticket=row.last_ticket,
        wishlist_interval_s=row.wishlist_interval_s,
        excluded=tuple(str(one) for one in row.excluded),
    )
