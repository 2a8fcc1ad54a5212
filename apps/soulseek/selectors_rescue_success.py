"""S4's success metrics of rescues, from the newest rows."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.utils import timezone

from apps.domain.soulseek.rescue_success import RescueFact, RescueSuccess, rescue_success
from apps.domain.soulseek.states import RescueState
from apps.soulseek.models import Rescue

SAMPLE: Final = 1000
"""The newest rescues that figures are taken over."""
WINDOW: Final = timedelta(days=90)


def rescues_success() -> RescueSuccess:
    """One query over a bounded sample."""
    rows = Rescue.objects.filter(started_at__gte=timezone.now() - WINDOW).order_by("-started_at", "id")[:SAMPLE]
    newest = rows.values_list(
        "download_id", "trouble", "state", "overlay_bytes", "soulseek_bytes", "trouble_at", "first_byte_at"
    )
    return rescue_success(
        RescueFact(
            download_id=download,
            trouble=trouble,
            state=RescueState(state),
            overlay_bytes=overlay,
            soulseek_bytes=soulseek,
            first_byte_s=max(0.0, (first_byte - trouble_at).total_seconds()) if first_byte else None,
        )
        for download, trouble, state, overlay, soulseek, trouble_at, first_byte in reversed(newest)
    )
