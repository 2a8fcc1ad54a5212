"""Rows for the Soulseek page: `python -m tests.web.soulseek_session_seed COUNT`. 0: the node never ran; 1: healthy; more: unavailable, with so many events."""

from __future__ import annotations

import sys
from datetime import timedelta

HOSTILE = "inno\u202ecent\u202c\u0007 <script>alert(1)</script>\nand a line that goes on " + "and on " * 60


def fill(count: int) -> None:
    """See the module."""
    from django.utils import timezone

    from apps.domain.contracts.node_work import Heartbeat
    from apps.domain.contracts.soulseek_session import SessionHappening, SessionReport
    from apps.domain.soulseek.session import Health, Phase
    from apps.nodelink.models import NodeHeartbeat
    from apps.nodelink.services import heartbeat_record
    from apps.soulseek.services_node_session import session_record
    from apps.soulseek.web.session import EVENT_LOOKS

    if not count:
        return
    now = timezone.now()
    healthy = count == 1
    told = {"health": "healthy", "code": ""} if healthy else {"health": "unavailable", "code": "soulseek_kicked"}
    heartbeat_record(
        Heartbeat(
            peer_id="me",
            boot_id="b",
            started_at=now,
            version="1",
            report={"acting": "hybrid", "soulseek": told, "loop": {"p99_ms": 1.5}},
        )
    )
    NodeHeartbeat.objects.update(
        beat_at=now + timedelta(days=1)
    )  # on a busy machine the tests take longer than a beat holds
    kinds = list(EVENT_LOOKS)
    happenings = [
        SessionHappening(kind="server_said", params={"text": HOSTILE}, at=now)
        if number % 5 == 0
        else SessionHappening(
            kind=kinds[number % len(kinds)], code="soulseek_kicked", at=now - timedelta(minutes=number)
        )
        for number in range(count)
    ]
    report = (
        SessionReport(
            phase=Phase.ONLINE,
            health=Health.HEALTHY,
            username="alice",
            server="127.0.0.1:2242",
            address="192.0.2.7",
            listening_port=50300,
            since=now,
            shared_files=51_234,
            shared_folders=4_321,
            searches_waiting=3,
            next_search_at=now + timedelta(seconds=40),
            search_starts=tuple(now.timestamp() - at for at in range(12)),
            privileged_s=86_400,
        )
        if healthy
        else SessionReport(
            phase=Phase.STOPPED,
            health=Health.UNAVAILABLE,
            code="soulseek_kicked",
            username=HOSTILE[:100],
            excluded=tuple(f"phrase {number} {HOSTILE[:60]}" for number in range(30)),
        )
    )
    session_record(report, happenings)


if __name__ == "__main__":
    import os

    os.environ["DJANGO_SETTINGS_MODULE"] = "slskdn_site.settings"
    import django

    django.setup()
    fill(int(sys.argv[1]))
