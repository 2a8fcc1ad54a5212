"""Rows for `./slskdn bench jobs`: jobs of every state, single and in trees of every size (one has a thousand children), with tracks, wants, transfers and what
was planned; and a log of webhooks. Shaped unkindly: what filters look for is rare or lies at the end, the largest tree is the newest."""

from __future__ import annotations

import contextlib
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, TypeVar

from django.db import connection, models, transaction

from apps.domain.jobs.lifecycle import JobState, TrackState, TransferState, WantDesired, WantPhase
from apps.domain.jobs.webhooks import DeliveryState, Event
from apps.jobs.models import Job, JobKind, JobTrack, PlannedRelease, PlannedState
from apps.jobs.models_webhooks import Webhook, WebhookDelivery
from apps.peers.models import Peer
from apps.transfers.models import Transfer, TransferSource, Want, WantProgress

M = TypeVar("M", bound=models.Model)

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHAPES: Final = ((1000, 1), (500, 1), (200, 10), (50, 40), (20, 55))
"""Children of a tree, and how many trees have so many, of 10,000 jobs; of fewer jobs proportionally fewer children."""
WHOLE: Final = 10_000
FILL: Final = 2
"""Rises when other rows are made, here or in `jobs_world`: what was kept is filled anew."""
CYCLE: Final = (
    JobState.COMPLETED, JobState.COMPLETED, JobState.RUNNING, JobState.COMPLETED, JobState.PARTIAL, JobState.PENDING, JobState.COMPLETED,
    JobState.FAILED, JobState.PAUSED, JobState.COMPLETED, JobState.CANCELLED, JobState.RUNNING, JobState.RESOLVING,
)  # fmt: skip
"""Prime in length, so that no other cycle below falls in step with it."""
UNRESOLVED: Final = frozenset({JobState.PENDING, JobState.RESOLVING})
CODES: Final = {
    JobState.PENDING: "waits_for_turn",
    JobState.PARTIAL: "tracks_failed",
    JobState.FAILED: "release_not_found",
    JobState.CANCELLED: "cancelled_by_person",
}
TRACKS: Final = {
    JobState.COMPLETED: (TrackState.COMPLETED,),
    JobState.RUNNING: (TrackState.COMPLETED, TrackState.DOWNLOADING, TrackState.WANTED),
    JobState.PAUSED: (TrackState.COMPLETED, TrackState.WANTED),
    JobState.PARTIAL: (TrackState.COMPLETED, TrackState.FAILED),
    JobState.FAILED: (TrackState.FAILED,),
    JobState.CANCELLED: (TrackState.CANCELLED, TrackState.COMPLETED),
}
BESIDE: Final = 3
"""Of so many planned releases one more is held or left out."""
DELIVERIES: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What the requests need to know of what was made."""

    largest: uuid.UUID
    """the tree of most children"""
    middle: uuid.UUID
    """the next largest one"""
    child: uuid.UUID
    single: uuid.UUID
    """a running job of its own"""
    hook: uuid.UUID


def fill(*, jobs: int, tracks: int) -> Filled:
    """Fill an empty database."""
    made = list(_jobs(jobs))
    with _own_moments():
        many(Job, made)
    Job.objects.filter(state=JobState.PENDING, parent=None).update(next_step_at=NOW)
    resolved = [
        job for job in made if job.kind in (JobKind.MB_RELEASE, JobKind.RECORDING) and job.state not in UNRESOLVED
    ]
    each, more = divmod(tracks, len(resolved))
    rows = [row for at, job in enumerate(resolved) for row in _tracks(job, each + (at < more))]
    many(Want, (row.want for row in rows if row.want is not None))
    many(JobTrack, rows)
    many(WantProgress, _progress(rows))
    transfers = list(_transfers(rows))
    many(Transfer, transfers)
    many(TransferSource, _sources(transfers))
    many(PlannedRelease, _planned(made))
    hook = _log(made)
    trees = [job for job in made if job.kind == JobKind.DISCOGRAPHY]
    alone = [job for job in resolved if job.parent_id is None and job.state == JobState.RUNNING]
    child = next(job for job in resolved if job.parent_id == trees[-1].id)
    sizes = Counter(job.parent_id for job in made if job.parent_id is not None)
    middle = sizes.most_common(2)[-1][0]
    return Filled(largest=trees[-1].id, middle=middle, child=child.id, single=alone[0].id, hook=hook)


def settle() -> None:
    """Statistics for the planner, as a database that has run for a while has them."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def artist(index: int) -> str:
    """Of the job with this number; four digits, each of them once or a few times."""
    return f"Artist {index % 4000:04}"


def _jobs(count: int) -> Iterator[Job]:
    """Trees among single jobs, small ones first; the largest is the newest of all."""
    trees = [size for size, times in reversed(SHAPES) for _ in range(times)]
    scale = min(1.0, count / WHOLE)
    sizes = [max(1, round(size * scale)) for size in trees]
    while sizes and sum(sizes) + len(sizes) > count * 2 // 3:
        sizes.pop(0)
    singles = count - sum(sizes) - len(sizes)
    number = 0
    for at, size in enumerate(sizes):
        for _ in range(singles * at // len(sizes), singles * (at + 1) // len(sizes)):
            yield _job(number)
            number += 1
        state = JobState.RUNNING if at % 3 or at == len(sizes) - 1 else CYCLE[at % len(CYCLE)]
        tree = _job(
            number, kind=JobKind.DISCOGRAPHY if at % 2 or at == len(sizes) - 1 else JobKind.LABEL_CRATE, state=state
        )
        yield tree
        number += 1
        for _ in range(size):
            yield _job(number, parent=tree)
            number += 1


def _job(number: int, *, kind: JobKind | None = None, state: JobState | None = None, parent: Job | None = None) -> Job:
    shown = state or CYCLE[number % len(CYCLE)]
    ended = shown in (JobState.COMPLETED, JobState.PARTIAL, JobState.FAILED, JobState.CANCELLED)
    at = NOW + timedelta(seconds=number)
    return Job(
        id=made_id(1, number),
        kind=kind or (JobKind.RECORDING if number % 11 == 0 and parent is None else JobKind.MB_RELEASE),
        target_mbid=made_id(2, number),
        release_mbid=None if shown in UNRESOLVED else made_id(2, number),
        parent=parent,
        state=shown,
        code="" if kind else CODES.get(shown, ""),
        params={"failed": 1, "total": 12} if shown is JobState.PARTIAL else {},
        title=f"Album {number:06} of many words",
        artist=artist(number),
        year=str(1960 + number % 60),
        origin="doctor" if number % 17 == 0 and parent is None else "person",
        created_at=at,
        started_at=at,
        ended_at=at if ended else None,
    )


def _tracks(job: Job, count: int) -> Iterator[JobTrack]:
    states = TRACKS[JobState(job.state)]
    for position in range(1, count + 1):
        state = states[position % len(states)]
        key = job.id.int + (position << 64)
        live = state in (TrackState.WANTED, TrackState.DOWNLOADING)
        want = Want(
            id=uuid.UUID(int=key ^ 0x77),
            recording_mbid=uuid.UUID(int=key ^ 0x55),
            desired=WantDesired.ACTIVE if live else WantDesired.SATISFIED,
        )
        yield JobTrack(
            id=uuid.UUID(int=key ^ 0x33),
            job=job,
            position=position,
            number=str(position),
            title=f"Track {position} of {job.title}",
            artist=job.artist,
            recording_mbid=want.recording_mbid,
            length_ms=200_000 + position,
            want=want,
            state=state,
            code="no_source" if state is TrackState.FAILED else "",
        )


def _progress(rows: Iterable[JobTrack]) -> Iterator[WantProgress]:
    for row in rows:
        if row.state in (TrackState.WANTED, TrackState.DOWNLOADING):
            phase = WantPhase.FETCHING if row.state == TrackState.DOWNLOADING else WantPhase.NO_SOURCE
            yield WantProgress(want=row.want, phase=phase, since=NOW)


def _transfers(rows: Iterable[JobTrack]) -> Iterator[Transfer]:
    size = 30 << 20
    for at, row in enumerate(rows):
        if row.state not in (TrackState.COMPLETED, TrackState.DOWNLOADING):
            continue
        done = row.state == TrackState.COMPLETED
        yield Transfer(
            id=uuid.UUID(int=row.id.int ^ 0x99),
            want=row.want,
            payload_format="flac",
            payload_root=row.id.bytes * 2,
            profile="flac-16-44100-2",
            payload_bytes=size,
            leaf_bytes=262_144,
            verified_bytes=size if done else size * (at % 100) // 100,
            speed_bps=0 if done else 500_000,
            state=TransferState.ACCEPTED if done else TransferState.FETCHING,
        )


def _sources(transfers: Sequence[Transfer]) -> Iterator[TransferSource]:
    """Two peers give to each transfer that is on its way, and gave to every third that has ended."""
    peers = [Peer.objects.create(plane="overlay", key=f"bench{at}", last_seen=NOW) for at in range(5)]
    for at, transfer in enumerate(transfers):
        if transfer.state == TransferState.FETCHING or at % 3 == 0:
            for peer in (peers[at % 5], peers[(at + 1) % 5]):
                yield TransferSource(
                    transfer=transfer,
                    peer=peer,
                    payload_root=transfer.payload_root,
                    verified_bytes=transfer.verified_bytes // 2,
                )


def _planned(jobs: Sequence[Job]) -> Iterator[PlannedRelease]:
    positions: dict[uuid.UUID, int] = {}
    for child in jobs:
        if child.parent is None:
            continue
        at = positions.get(child.parent.id, 0)
        for extra in (False, True) if at % BESIDE == 0 else (False,):
            held = at % 2 == 0
            yield PlannedRelease(
                job=child.parent,
                position=at,
                release_mbid=uuid.UUID(int=child.target_mbid.int ^ (0x1111 if extra else 0)),
                title=child.title,
                artist=child.artist,
                year=child.year,
                kind="Album",
                track_count=12,
                weight=1.0 / (1 + at),
                state=(PlannedState.HELD if held else PlannedState.OMITTED) if extra else PlannedState.WANTED,
                reason=("held_in_full" if held else "type_excluded") if extra else "edition_standard",
                child=None if extra else child,
            )
            at += 1
        positions[child.parent.id] = at


def _log(jobs: Sequence[Job]) -> uuid.UUID:
    hook = Webhook.objects.create(url="http://127.0.0.1:9/", name="bench")
    events = [event.value for event in Event]
    count = min(DELIVERIES, 2 * len(jobs))
    states = (DeliveryState.DELIVERED, DeliveryState.DELIVERED, DeliveryState.DELIVERED, DeliveryState.DEAD)
    many(
        WebhookDelivery,
        (
            WebhookDelivery(
                hook=hook,
                event_id=made_id(5, at),
                event=events[at % len(events)],
                job_id=jobs[at % len(jobs)].id,
                body='{"version":1}',
                state=DeliveryState.WAITING if at > count - 100 else states[at % len(states)],
                tries=1,
                status=200,
                ended_at=NOW,
            )
            for at in range(count)
        ),
    )
    return hook.id


def made_id(kind: int, number: int) -> uuid.UUID:
    """A UUIDv7 that rises with the number; `kind` keeps those of different rows apart."""
    millis = int(NOW.timestamp() * 1000) + number
    return uuid.UUID(int=(millis << 80) | (0x7 << 76) | (kind << 64) | (0x2 << 62) | number)


def many(model: type[M], rows: Iterable[M], *, batch: int = 2000) -> None:
    """Write them, a batch in a transaction."""
    left = iter(rows)
    while some := list(islice(left, batch)):
        with transaction.atomic():
            model._default_manager.bulk_create(some, batch_size=batch)


@contextlib.contextmanager
def _own_moments() -> Iterator[None]:
    """Rows keep the `created_at` that they are given: Django writes the present into it otherwise, and all jobs would be equally new."""
    field = Job._meta.get_field("created_at")
    assert isinstance(field, models.DateTimeField)
    field.auto_now_add = False
    try:
        yield
    finally:
        field.auto_now_add = True
