"""A job with a catalog, and payloads that have just been assembled for it: what the node leaves for a worker."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
import uuid
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from apps.catalog.services import release_store
from apps.domain.catalog.release import ArtistFacts, GroupFacts, MediumFacts, RecordingFacts, ReleaseFacts, TrackFacts
from apps.domain.contracts.events import TransferAssembled
from apps.domain.errors import DomainError
from apps.domain.jobs.manifest import release_manifest
from apps.jobs.models import Job, JobTrack
from apps.jobs.services import job_create
from apps.jobs.services_events import node_events_consume
from apps.jobs.services_resolve import job_resolved, resolve_claim
from apps.nodelink.services import event_record
from apps.transfers.models import Transfer
from tests.workers.gateways import sound
from workers.gateways.acoustid import AcoustidMatch
from workers.gateways.files import identify

SECONDS = 20
ARTIST = uuid.UUID(int=0xA)
OTHER = uuid.UUID(int=0xBAD)


def recording_id(position: int) -> uuid.UUID:
    return uuid.UUID(int=0x1000 + position)


def release_facts(*, tracks: int = 2, titles: dict[int, str] | None = None) -> ReleaseFacts:
    artists = (ArtistFacts(mbid=ARTIST, name="The Testers"),)
    listed = tuple(
        TrackFacts(
            mbid=uuid.UUID(int=0x2000 + position),
            position=position,
            number=str(position),
            title=(titles or {}).get(position, f"Song {position}"),
            artist_credit="The Testers",
            length_ms=SECONDS * 1000,
            recording=RecordingFacts(
                mbid=recording_id(position), title=f"Song {position}", artist_credit="The Testers", artists=artists,
                length_ms=SECONDS * 1000, isrcs=("QZES52000001",),
            ),
        )
        for position in range(1, tracks + 1)
    )  # fmt: skip
    return ReleaseFacts(
        mbid=uuid.UUID(int=0x3000),
        title="First Album",
        artist_credit="The Testers",
        artists=artists,
        group=GroupFacts(mbid=uuid.UUID(int=0x4000), title="First Album", primary_type="Album"),
        date="2019-05-01",
        media=(MediumFacts(position=1, title="", format="CD", tracks=listed),),
    )


def running_job(*, tracks: int = 2, titles: dict[int, str] | None = None, **wishes: object) -> Job:
    """A resolved job."""
    facts = release_facts(tracks=tracks, titles=titles)
    release_store(facts)
    job_id = job_create(kind="mb_release", target_mbid=facts.mbid, constraints=wishes).id
    claim = resolve_claim(job_id, lease_s=60)
    assert claim is not None
    assert job_resolved(claim, manifest=release_manifest(facts, constraints=claim.constraints, asked_for=facts.mbid))
    return Job.objects.get(id=job_id)


@functools.cache
def flac(seed: int = 1) -> Path:
    """SECONDS of sound, made once a run; never changed by anybody."""
    return sound.write(_sounds() / f"{seed}.flac", SECONDS, seed=seed)


@functools.cache
def _sounds() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="slskdn-sounds-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def track_of(job: Job, position: int = 1) -> JobTrack:
    return JobTrack.objects.select_related("want").get(job=job, position=position)


def assemble(
    job: Job, folder: Path, *, position: int = 1, source: Path | None = None, profile: str = "flac-16-44100-2"
) -> Transfer:
    """What the node does when the last leaf is in: file, row, event; and the event is consumed."""
    source = source or flac(position)
    found = identify(source)
    track = track_of(job, position)
    transfer = Transfer.objects.create(
        want=track.want, payload_format=found.span.format.value, payload_root=found.root, profile=profile,
        payload_bytes=found.span.length, leaf_bytes=262144, preamble_bytes=len(found.span.preamble),
        verified_bytes=found.span.length, state="assembled",
    )  # fmt: skip
    partial = folder / "partial" / str(transfer.id)
    partial.mkdir(parents=True)
    path = partial / f"audio{source.suffix}"
    path.write_bytes(found.span.preamble + source.read_bytes()[found.span.offset : found.span.end])
    Transfer.objects.filter(id=transfer.id).update(path=str(path))
    event_record(TransferAssembled(transfer_id=transfer.id, want_id=transfer.want_id))
    node_events_consume()
    transfer.refresh_from_db()
    return transfer


def due(job: Job) -> None:
    """As if the time had come and the lease of whoever died had run out."""
    past = timezone.now() - timedelta(seconds=5)
    JobTrack.objects.filter(job=job, next_step_at__isnull=False).update(next_step_at=past)
    JobTrack.objects.filter(job=job, lease_until__isnull=False).update(lease_until=past)


@dataclass
class Names:
    """An AcoustID that names these recordings, or fails like this."""

    recordings: tuple[uuid.UUID, ...] = ()
    error: DomainError | None = None
    asked: int = 0

    def lookup(self, fingerprint: str, *, duration_s: int) -> tuple[AcoustidMatch, ...]:
        assert fingerprint.startswith("AQ") and duration_s > 0
        self.asked += 1
        if self.error is not None:
            raise self.error
        return tuple(
            AcoustidMatch(recording_mbid=mbid, score=0.97, acoustid="x", title="Named", artist="Somebody")
            for mbid in self.recordings
        )
