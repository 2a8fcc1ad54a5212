"""What people want of the session: the only writer of `SoulseekIntent`. The node obeys within a moment of the doorbell, else within seconds."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.common.doorbell import NODE_CHANNEL, WEB_CHANNEL, ring
from apps.soulseek.models import SoulseekIntent
from apps.soulseek.models.session import ONLY


def session_connect(*, user: AbstractBaseUser | None = None) -> None:
    """Connect, and connect again where it stands: with the password as it is now, and whatever held it back forgotten."""
    _intend(user, online=True, again=True)


def session_disconnect(*, user: AbstractBaseUser | None = None) -> None:
    """End the session and all connections with other users; nothing connects until somebody wants it."""
    _intend(user, online=False)


def session_away(*, away: bool, user: AbstractBaseUser | None = None) -> None:
    """Be shown to others as away, or not."""
    _intend(user, away=away)


def _intend(
    user: AbstractBaseUser | None, *, online: bool | None = None, away: bool | None = None, again: bool = False
) -> None:
    changes: dict[str, object] = {"set_by_id": user.pk if user is not None else None, "updated_at": timezone.now()}
    if online is not None:
        changes["online"] = online
    if away is not None:
        changes["away"] = away
    if again:
        changes["generation"] = F("generation") + 1
    with transaction.atomic():
        SoulseekIntent.objects.get_or_create(id=ONLY)
        SoulseekIntent.objects.filter(id=ONLY).update(**changes)
        ring(NODE_CHANNEL, "soulseek_intent")
        ring(WEB_CHANNEL, "soulseek_session")
