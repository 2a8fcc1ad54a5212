"""What the node reads of people's wishes: rooms to be in, users whose presence is watched."""

from __future__ import annotations

from apps.domain.soulseek.people import MAX_JOINED
from apps.domain.soulseek.user_rules import Effect, MatchBy
from apps.soulseek.models import Correspondent, Room, UserRule

MAX_WATCHED = 300


def rooms_wanted() -> tuple[str, ...]:
    """Rooms to be in, the ones wanted longest first."""
    return tuple(
        Room.objects.filter(joined=True).order_by("created_at", "name").values_list("name", flat=True)[:MAX_JOINED]
    )


def users_watched() -> tuple[str, ...]:
    """Buddies by name, then those with whom messages were exchanged last."""
    buddies = UserRule.objects.filter(effect=Effect.BUDDY, match=MatchBy.USER).order_by("id")
    names = [*buddies.values_list("pattern", flat=True)[:MAX_WATCHED]]
    names += Correspondent.objects.order_by("-last_id").values_list("user", flat=True)[:50]
    return tuple(dict.fromkeys(names))[:MAX_WATCHED]
