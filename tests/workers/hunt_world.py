"""A job with a hunt, and users who answer its questions: what the node writes is written by the node's own services."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from apps.domain.contracts.soulseek_search import AnswerReport, SearchReport
from apps.domain.jobs.manifest import release_manifest
from apps.domain.soulseek.hunting import HuntPolicy
from apps.domain.soulseek.results import SharedFile
from apps.domain.soulseek.states import DownloadState, Outcome, SearchState
from apps.jobs.models import Job
from apps.jobs.services import job_create
from apps.jobs.services_resolve import job_resolved, resolve_claim
from apps.soulseek.models import Download, DownloadProgress, Hunt, Search
from apps.soulseek.selectors_node_searches import searches_open
from apps.soulseek.services_hunt import hunt_wake, outcome_record
from apps.soulseek.services_node_searches import searches_record
from tests.workers.assembled import SECONDS, release_facts
from workers.hunting import step

POLICY = HuntPolicy()
Offered = tuple[str, tuple[SharedFile, ...], dict[str, object]]


def hunted_job(*, tracks: int = 3, policy: HuntPolicy = POLICY, **wishes: object) -> tuple[Job, Hunt]:
    facts = release_facts(tracks=tracks)
    job_id = job_create(kind="mb_release", target_mbid=facts.mbid, constraints=wishes).id
    claim = resolve_claim(job_id, lease_s=60)
    assert claim is not None
    manifest = release_manifest(facts, constraints=claim.constraints, asked_for=facts.mbid)
    assert job_resolved(claim, manifest=manifest, hunting=policy)
    return Job.objects.get(id=job_id), Hunt.objects.get(job_id=job_id)


def folder_files(
    *positions: int, folder: str = r"music\The Testers\2019 - First Album", codec: str = "flac", length_s: int = SECONDS
) -> tuple[SharedFile, ...]:
    return tuple(
        SharedFile(
            path=rf"{folder}\{at:02} - Song {at}.{codec}",
            size=2_000_000 + at,
            length_s=length_s,
            bitrate_kbps=None if codec == "flac" else 192,
            rate=44_100,
            bits=16 if codec == "flac" else None,
        )
        for at in positions
    )


def offer(user: str, files: Sequence[SharedFile], **more: object) -> Offered:
    return user, tuple(files), {"free_slot": True, "speed_bps": 500_000, **more}


def answered(*offers: Offered) -> list[str]:
    """The node sends every search that waits, and these users answer each; the words that were asked."""
    asked = []
    for work in searches_open().searches:
        if work.withdrawn:
            continue
        asked.append(work.query)
        now = timezone.now()
        answers = [
            AnswerReport(search_id=work.id, user=user, files=files, received_at=now, **more)  # type: ignore[arg-type]
            for user, files, more in offers
        ]
        report = SearchReport(
            search_id=work.id,
            state=SearchState.OVER,
            answers_in=work.id,
            started_at=now,
            ended_at=now,
            users=len(answers),
            files=sum(len(one.files) for one in answers),
        )
        with transaction.atomic():
            searches_record([report], answers)
    return asked


def stepped(hunt: Hunt, policy: HuntPolicy = POLICY) -> Hunt:
    step(hunt.id, policy=policy)
    hunt.refresh_from_db()
    return hunt


def ended(hunt: Hunt, state: DownloadState, outcome: Outcome | None = None, *, user: str = "") -> int:
    """Live downloads of the hunt end; what came of them is noted as whoever takes ends in does."""
    rows = Download.objects.filter(batch__hunt_id=hunt.id, live=True)
    if user:
        rows = rows.filter(user=user)
    count = 0
    for row in rows:
        now = timezone.now()
        DownloadProgress.objects.update_or_create(
            download=row, defaults={"state": state, "ended_at": now, "taken_at": now}
        )
        Download.objects.filter(id=row.id).update(live=False, ended_at=now)
        if outcome is not None:
            outcome_record(
                user=row.user,
                remote_path=row.remote_path,
                outcome=outcome,
                recording_mbid=row.recording_mbid,
                hunt_id=hunt.id,
            )
        count += 1
    hunt_wake(hunt.id)
    return count


def waiting(hunt: Hunt) -> list[str]:
    return list(
        Search.objects.filter(hunt=hunt, progress=None, withdrawn_at=None)
        .order_by("created_at")
        .values_list("query", flat=True)
    )


def asked_of(hunt: Hunt) -> dict[str, list[int]]:
    """Whom we ask for which tracks (their file's number)."""
    found: dict[str, list[int]] = {}
    for user, path in (
        Download.objects.filter(batch__hunt=hunt).order_by("order", "remote_path").values_list("user", "remote_path")
    ):
        found.setdefault(user, []).append(int(path.rpartition("\\")[2][:2]))
    return found
