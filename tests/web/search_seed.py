"""Searches, a hunt and wishes for the browser tests: `python -m tests.web.search_seed COUNT` fills the data folder that SLSKDN_DATA names."""

from __future__ import annotations

import os
import sys
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.domain.contracts.soulseek_search import AnswerReport

OVER = uuid.UUID(int=0x5EA1)
WAITING = uuid.UUID(int=0x5EA2)
EMPTY = uuid.UUID(int=0x5EA3)
HUNT = uuid.UUID(int=0x4A17)
JOB = uuid.UUID(int=0x10B)
HOSTILE = "<img src=x onerror=alert(1)>"


def answers(count: int) -> list[AnswerReport]:
    """`count` users with an album each: lossless, lossy, locked, busy, with hostile names and long ones."""
    from django.utils import timezone

    from apps.domain.contracts.soulseek_search import AnswerReport
    from apps.domain.soulseek.results import SharedFile

    found = []
    for n in range(count):
        codec = ("flac", "mp3", "flac", "ogg")[n % 4]
        title = (
            HOSTILE,
            "1999 - Niedrigwasser [FLAC]",
            "An Album (Anhaltendes Niedrigwasser, oder: Was die Flut zurückließ)",
            "三日月ロック",
        )[n % 4]
        folder = rf"@@share{n}\music\Ada Lovelace Ensemble\{title}"
        files = [
            SharedFile(
                path=rf"{folder}\{track:02} - Song {track} {'x' * (n % 5) * 9}.{codec}",
                size=21_000_000 + track * 1_000 + n,
                length_s=200 + track,
                bitrate_kbps=None if codec == "flac" else (192, 320)[n % 2],
                vbr=n % 8 == 1,
                rate=44_100,
                bits=16 if codec == "flac" else None,
            )
            for track in range(1, 10 + n % 4)
        ]
        files.append(SharedFile(path=rf"{folder}\cover.jpg", size=120_000))
        found.append(
            AnswerReport(
                search_id=OVER, user=HOSTILE if n == 3 else f"sharer {n}", files=tuple(files), received_at=timezone.now(),
                locked=n % 3, free_slot=n % 2 == 0, queue=n % 30, speed_bps=100_000 * (n % 12),
            )
        )  # fmt: skip
    return found


def fill(count: int) -> None:
    """A search with `count` answers, one that waits, one that nobody answered; a hunt with candidates; `count` wishes."""
    from django.db import transaction
    from django.utils import timezone

    from apps.domain.contracts.soulseek_search import SearchReport
    from apps.domain.jobs.constraints import Constraints
    from apps.domain.soulseek.budget import Urgency
    from apps.domain.soulseek.hunting import HuntPolicy, HuntTarget, HuntTrack
    from apps.domain.soulseek.states import SearchState
    from apps.jobs.models import Job
    from apps.soulseek.models import Hunt, Search
    from apps.soulseek.services_hunt_step import hunt_claim, hunt_round
    from apps.soulseek.services_node_searches import searches_record
    from apps.soulseek.services_search import search_ask
    from workers.hunting import step

    if not count:
        return
    now = timezone.now()
    for search_id, words in (
        (OVER, "ada lovelace niedrigwasser"),
        (WAITING, "something that waits"),
        (EMPTY, "nobody has this"),
    ):
        search_ask(words, search_id=search_id, urgency=Urgency.PERSON)
    found = answers(min(count, 500))
    with transaction.atomic():
        searches_record(
            [
                SearchReport(search_id=OVER, state=SearchState.OVER, answers_in=OVER, started_at=now, ended_at=now, users=len(found), files=sum(len(one.files) for one in found), truncated=count > 500),
                SearchReport(search_id=WAITING, state=SearchState.QUEUED, ahead=17, due_at=now),
                SearchReport(search_id=EMPTY, state=SearchState.OVER, answers_in=EMPTY, started_at=now, ended_at=now),
            ],
            found,
        )  # fmt: skip
    job = Job.objects.create(id=JOB, kind="mb_release", target_mbid=uuid.UUID(int=9), title="Niedrigwasser", artist="Ada Lovelace Ensemble", state="running")  # fmt: skip
    tracks = tuple(HuntTrack(recording=uuid.UUID(int=100 + at), title=f"Song {at}", position=at, length_ms=(200 + at) * 1000) for at in range(1, 12))  # fmt: skip
    target = HuntTarget(
        kind="release", artist="Ada Lovelace Ensemble", title="Niedrigwasser", year="1999", tracks=tracks, enriched=True
    )
    Hunt.objects.create(id=HUNT, job_id=job.id, title="Ada Lovelace Ensemble – Niedrigwasser", target=target.to_json(), constraints=Constraints().to_json(), auto_download=False, next_step_at=now)  # fmt: skip
    claim = hunt_claim(HUNT, lease_s=60)
    assert claim is not None
    assert hunt_round(claim) is not None
    Hunt.objects.filter(id=HUNT).update(lease_until=None)
    hunted = search_ask("Ada Lovelace Ensemble Niedrigwasser", origin="job", hunt_id=HUNT).id
    with transaction.atomic():
        searches_record([SearchReport(search_id=hunted, state=SearchState.OVER, answers_in=OVER, started_at=now, ended_at=now, users=len(found))], [])  # fmt: skip
    step(HUNT, policy=HuntPolicy())
    Hunt.objects.bulk_create(
        Hunt(
            words=f"wish number {n}", title=HOSTILE if n == 2 else f"wish number {n}", target={"kind": "words", "words": f"wish number {n}"},
            state=("wishing", "searching", "fetching", "done")[n % 4], code=("hunt_nothing_found", "", "hunt_fetches_rest", "hunt_got_all")[n % 4],
            params={"files": 3}, auto_download=bool(n % 2), searched_at=now, next_step_at=now, origin="wishlist",
        )
        for n in range(count)
    )  # fmt: skip
    Search.objects.bulk_create(
        Search(query=f"older search {n}", origin=("person", "job", "wishlist", "v0")[n % 4])
        for n in range(min(count, 300))
    )


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slskdn_site.settings")
    import django

    django.setup()
    fill(int(sys.argv[1]))
