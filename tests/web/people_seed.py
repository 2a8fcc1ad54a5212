"""Fills a database with messages, rooms and users: `python -m tests.web.people_seed COUNT`, in the data folder of SLSKDN_DATA. 0: nothing."""

from __future__ import annotations

import os
import sys
from datetime import timedelta

SHARE = {
    "Music\\Björk\\1995 - Post": [
        (f"{number:02} A track of some length.flac", 30_000_000 + number) for number in range(1, 12)
    ],
    "Music\\Björk\\1997 - Homogenic": [("01 Hunter.flac", 29_000_000)],
    "Music\\日本\\音楽": [("01 曲.flac", 12_000_000)],
}


def fill(count: int) -> None:
    """`count` messages, lines and rooms at most."""
    from django.utils import timezone

    from apps.domain.contracts.node_work import Heartbeat
    from apps.domain.contracts.soulseek_session import SessionReport
    from apps.domain.soulseek.session import Health, Phase
    from apps.nodelink.models import NodeHeartbeat
    from apps.nodelink.services import heartbeat_record
    from apps.soulseek.services_node_session import session_record
    from tests.apps.soulseek.people_rows import GIF, HOSTILE, came, known, listed, room, share_of, went

    now = timezone.now()
    heartbeat_record(Heartbeat(peer_id="me", boot_id="b", started_at=now, version="1", report={"acting": "hybrid"}))
    NodeHeartbeat.objects.update(
        beat_at=now + timedelta(days=1)
    )  # on a busy machine the tests take longer than a beat holds
    session_record(SessionReport(phase=Phase.ONLINE, health=Health.HEALTHY, username="alice"), [])
    if not count:
        return
    known("bob", status="online", description="I collect Icelandic records. " + HOSTILE, picture=GIF)
    share_of("bob", SHARE)
    came(
        "bob",
        "Hi! I saw you share the 1995 pressing of Post. Is that the Japanese one?",
        server_id=1,
        at=now - timedelta(days=1, minutes=9),
    )
    went(
        "bob",
        "Yes, with the bonus track. Help yourself, the queue is short tonight.",
        at=now - timedelta(days=1, minutes=5),
    )
    came("bob", "Wonderful, thank you", server_id=2, at=now - timedelta(days=1, minutes=4))
    came("bob", HOSTILE, server_id=3, at=now - timedelta(minutes=30), while_away=True)
    came("bob", "https://example.org/" + "x" * 300, server_id=4, at=now - timedelta(minutes=29))
    went("bob", "Got it.", at=now - timedelta(minutes=3))
    users = [("alice", "online"), ("bob", "away"), ("troll", "offline"), ("日本の音楽", "online")]
    lines = [("bob", "Evening everybody"), ("alice", "Hello bob"), ("日本の音楽", "こんばんは"), ("bob", HOSTILE)]
    room("Indie & Vinyl", users=users, lines=lines)
    listed({"Indie & Vinyl": 412, "museek": 220, "ελληνικά": 12})
    if count == 1:
        return
    for number in range(min(count, 70)):
        came(f"listener {number}", "x" * 200 if number % 9 == 0 else "Thanks for the upload!", server_id=100 + number)
        known(f"listener {number}", status=("online", "away", "offline")[number % 3])
    for number in range(150):
        went("bob", f"Line {number}", at=now - timedelta(seconds=170 - number))
    room(
        "busy",
        users=[(f"user{number}", "online") for number in range(300)],
        lines=[(f"user{number % 7}", f"line {number}") for number in range(400)],
    )
    listed({f"room {number}": number for number in range(count)} | {"Indie & Vinyl": 412})


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slskdn_site.settings")
    import django

    django.setup()
    fill(int(sys.argv[1]))
