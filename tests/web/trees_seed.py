"""Fills a database with jobs of jobs and webhooks for the pages to show: `python -m tests.web.trees_seed COUNT`, in the data folder of SLSKDN_DATA.

With 0 nothing; else one discography of COUNT releases in every state, with what is held and left out, a crate, and a webhook with COUNT lines of log.
Nothing here is random.
"""

from __future__ import annotations

import hashlib
import os
import sys
import uuid
from datetime import timedelta

CYCLE = ("running", "completed", "partial", "pending", "failed", "paused", "completed", "cancelled", "resolving")
CODES = {
    "pending": ("waits_for_turn", {}),
    "partial": ("tracks_failed", {"failed": 1, "total": 4}),
    "failed": ("release_not_found", {}),
    "cancelled": ("cancelled_by_person", {}),
}
TITLES = (
    "Bleach",
    "Nevermind",
    "In Utero",
    "MTV Unplugged in New York",
    "Ágætis byrjun",
    "三日月ロック",
    "A title that goes on and on, as long as anybody would ever write one on the back of a box set of forty-two discs with a booklet (deluxe edition)",
    "safe\u202egnp.exe <b>bold</b>",
)


def mbid(*parts: object) -> uuid.UUID:
    """A stable id."""
    return uuid.UUID(bytes=hashlib.sha256(repr(parts).encode()).digest()[:16], version=4)


def fill(count: int) -> None:
    """In one transaction, for speed."""
    from django.db import transaction

    if count:
        with transaction.atomic():
            _tree("discography", "Nirvana", "Nirvana", count)
            if count > 1:
                _tree("label_crate", "Ubiktune", "", 3, state="partial", code="releases_failed")
                _tree("discography", "", "Kasabian", 0, state="pending", code="graph_walking")
            _hook(count)


def _tree(kind: str, title: str, artist: str, count: int, *, state: str = "running", code: str = "") -> None:
    from django.utils import timezone

    from apps.jobs.models import Job, JobTrack, PlannedRelease

    now = timezone.now()
    params = {"graph_walking": {"taken": 200, "total": 431}, "releases_failed": {"failed": 2, "total": 3}}.get(code, {})
    parent = Job.objects.create(
        id=mbid(kind, title, artist), kind=kind, target_mbid=mbid("target", title, artist), title=title, artist=artist,
        state=state, code=code, params=params, next_step_at=now + timedelta(minutes=2) if state == "pending" else None,
    )  # fmt: skip
    for at in range(count):
        name, shown = TITLES[at % len(TITLES)], CYCLE[at % len(CYCLE)]
        said, words = CODES.get(shown, ("", {}))
        child = Job.objects.create(
            id=mbid(title, at), kind="mb_release", target_mbid=mbid("release", title, at), parent=parent, title=name, artist=artist, year="1991",
            state=shown, code=said, params=words, release_mbid=None if shown in {"pending", "resolving"} else mbid("release", title, at),
            created_at=now,
        )  # fmt: skip
        if shown not in {"pending", "resolving"} and at < 60:
            for position in range(1, 5):
                done = shown == "completed" or position < 3
                JobTrack.objects.create(
                    job=child, position=position, title=f"Song {position}", recording_mbid=mbid(title, at, position),
                    state="completed" if done else "failed" if shown in {"partial", "failed"} else "wanted",
                )  # fmt: skip
        _planned(parent, at * 2, child.target_mbid, name, "wanted", "edition_standard", child)
        if at % 4 == 0:
            _planned(parent, at * 2 + 1, mbid("held", title, at), f"{name} (held)", "held", "held_in_full")
        if at % 4 == 2:
            _planned(parent, at * 2 + 1, mbid("out", title, at), f"{name} (live)", "omitted", "type_excluded")
    assert PlannedRelease.objects.filter(job=parent).count() >= count


def _planned(
    parent: object, at: int, release: uuid.UUID, title: str, state: str, reason: str, child: object = None
) -> None:
    from apps.jobs.models import PlannedRelease

    PlannedRelease.objects.create(
        job=parent, position=at, release_mbid=release, title=title, artist="Nirvana", year="1991", kind="Album", track_count=4, state=state,
        reason=reason, child=child,
    )  # fmt: skip


def _hook(count: int) -> None:
    from django.utils import timezone

    from apps.domain.jobs.webhooks import Event
    from apps.jobs.models_webhooks import Webhook, WebhookDelivery

    away = {"code": "webhook_timeout", "params": {"seconds": 10}}
    hook = Webhook.objects.create(
        id=mbid("hook"), url="http://nas.local:8123/api/webhook/x", name="Home <b>Assistant</b>", failures=3, **away,
        next_step_at=timezone.now() + timedelta(minutes=5),
    )  # fmt: skip
    Webhook.objects.create(id=mbid("hook", 2), url="https://example.org/hook", events=["job.failed"], enabled=False)
    events = [event.value for event in Event]
    for at in range(count):
        state = ("delivered", "waiting", "dead")[at % 3]
        WebhookDelivery.objects.create(
            hook=hook, event_id=mbid("event", at), event=events[at % len(events)], job_id=mbid("Nirvana", at), body='{"version":1,"event":"…"}',
            state=state, tries=1 + at % 3, status=None if state == "waiting" else 200 if state == "delivered" else 500,
            code={"waiting": "webhook_timeout", "dead": "webhook_answered"}.get(state, ""), params={"seconds": 10, "status": 500},
            answer="thanks" if state == "delivered" else "", next_step_at=timezone.now() + timedelta(minutes=1) if state == "waiting" else None,
            history=[{"at": "2026-01-01T12:00:00+00:00", "status": 200, "code": "", "ms": 12}],
        )  # fmt: skip


def main() -> None:
    """Fill the data folder named by SLSKDN_DATA."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "slskdn_site.settings"
    import django

    django.setup()
    fill(int(sys.argv[1]))


if __name__ == "__main__":
    main()
