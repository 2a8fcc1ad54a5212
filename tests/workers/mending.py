"""An album in a person's own folder, issues about it, and what fetches and verifies for a fix: for the tests of remedies."""

from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from apps.catalog.services import release_store
from apps.domain.jobs.manifest import release_manifest
from apps.domain.library.issues import Finding, IssueSeverity, IssueType
from apps.domain.library.paths import PathKey
from apps.jobs.models import Job
from apps.jobs.services_resolve import job_resolved, resolve_claim
from apps.library.models import AudioFile, AudioVariant, LibraryIssue, TrashedFile
from apps.library.services import root_record
from apps.library.services_issues import issues_record
from apps.library.services_read import read_record
from apps.remediation.models import Remediation
from apps.remediation.services import FixOutcome, FixPolicy, issues_fix, remedy_undo_ask
from apps.transfers.models import Transfer
from tests.workers.assembled import Names, assemble, recording_id, release_facts
from workers.gateways.analysis import AnalysisWish
from workers.gateways.files import identify
from workers.gateways.musicbrainz import MusicbrainzPort
from workers.gateways.tags import AudioTags, write_tags
from workers.reading import read_music
from workers.remedies import Remedier
from workers.remedy_files import Checkpoint, nothing
from workers.retagging import Retagger
from workers.verification import Verifier

RELEASE = release_facts(tracks=3).mbid
WHEN_NS = 1_555_555_555_000_000_001


def _nobody() -> MusicbrainzPort:
    raise AssertionError("everything asked for is in the catalog")


@dataclass
class Home:
    """A person's folder, the default library folder, and everything that mends."""

    folder: Path
    music: Path = field(init=False)
    library: Path = field(init=False)

    def __post_init__(self) -> None:
        self.music, self.library = self.folder / "music", self.folder / "library"
        self.music.mkdir()
        self.library.mkdir()
        root_record(self.music, writable=True)
        release_store(release_facts(tracks=3))

    def own(
        self, name: str, source: Path, *, position: int = 1, quality: float | None = None, tags: AudioTags | None = None
    ) -> int:
        """A file of the person's, known to the library."""
        path = self.music / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.read_bytes())
        said = tags or AudioTags(
            title=f"song {position}",
            recording_mbid=str(recording_id(position)),
            release_mbid=str(RELEASE),
            track=position,
            disc=1,
        )
        write_tags(path, said, expected_root=identify(path).root)
        path.chmod(0o640)
        os.utime(path, ns=(WHEN_NS, WHEN_NS))
        key = PathKey(root_id=root_record(self.music), relative=os.fsencode(name))
        read = read_music(path, wish=AnalysisWish(fingerprint=False, sound=False))
        recorded = read_record(key, read)
        AudioVariant.objects.filter(id=recorded.variant_id).update(quality_score=quality)
        return recorded.file_id

    def names(self, *, root: Path | None = None) -> list[str]:
        """Everything in a folder but the trash."""
        base = root or self.music
        found = (str(path.relative_to(base)) for path in base.rglob("*") if path.is_file())
        return sorted(one for one in found if not one.startswith(".slskdn-trash"))

    def digest(self, name: str) -> tuple[bytes, int, int]:
        path = self.music / name
        status = path.stat()
        return hashlib.sha256(path.read_bytes()).digest(), status.st_mtime_ns, status.st_mode & 0o777

    def fetch(
        self,
        job_id: uuid.UUID | None,
        source: Path,
        *,
        position: int = 1,
        profile: str = "flac-16-44100-2",
        checkpoint: Checkpoint = nothing,
    ) -> None:
        """The node fetched it, the worker verified it."""
        job = self.resolved(job_id)
        assemble(job, self.folder / f"node-{position}-{job.id}", position=position, source=source, profile=profile)
        self.verified(position=position, checkpoint=checkpoint)

    def verified(self, *, position: int = 1, checkpoint: Checkpoint = nothing) -> None:
        """The worker verifies what was assembled last."""
        transfer = Transfer.objects.latest("id")
        Verifier(
            acoustid=Names(recordings=(recording_id(position),)),
            fingerprinting=True,
            require_fingerprint=False,
            library_root=lambda: self.library,
            template="{albumartist}/{album} ({year})/{disc_track} {title}.{ext}",
            analysing=False,
        ).verify(transfer.id, checkpoint=checkpoint)

    def resolved(self, job_id: uuid.UUID | None) -> Job:
        assert job_id is not None
        job = Job.objects.get(id=job_id)
        if job.state == "pending":
            claim = resolve_claim(job.id, lease_s=60)
            assert claim is not None
            manifest = release_manifest(release_facts(tracks=3), constraints=claim.constraints, asked_for=RELEASE)
            assert job_resolved(claim, manifest=manifest)
        job.refresh_from_db()
        return job

    def step(self, remediation_id: uuid.UUID, checkpoint: Checkpoint = nothing) -> Remediation:
        Remedier(retagger=Retagger(musicbrainz=_nobody)).step(remediation_id, checkpoint=checkpoint)
        return Remediation.objects.get(id=remediation_id)

    def undo(
        self, remediation_id: uuid.UUID, *, keep_new: bool = False, checkpoint: Checkpoint = nothing
    ) -> Remediation:
        remedy_undo_ask(remediation_id, keep_new=keep_new)
        return self.step(remediation_id, checkpoint)


def issue(kind: IssueType, *, code: str = "x", file_id: int | None = None, position: int = 1, **params: object) -> int:
    """As the doctor records it."""
    release = params.pop("release", RELEASE)
    finding = Finding(
        type=kind,
        severity=IssueSeverity.HIGH,
        subject=(str(file_id), position),
        code=code,
        params=params,  # type: ignore[arg-type]
        file_id=file_id,
        variant_id=AudioFile.objects.get(id=file_id).variant_id if file_id else None,
        release_mbid=release,  # type: ignore[arg-type]
        recording_mbid=recording_id(position),
        medium_position=1,
        track_position=position,
        artist="The Testers",
        album="First Album",
        title=f"Song {position}",
    )
    issues_record([finding])
    return LibraryIssue.objects.get(subject=finding.key).id


def fix(*ids: int, replace: bool = True, backup: bool = True) -> tuple[FixOutcome, ...]:
    return issues_fix(ids, policy=FixPolicy(replace_existing=replace, backup_before_replace=backup))


def fix_one(issue_id: int, *, replace: bool = True, backup: bool = True) -> Remediation:
    (outcome,) = fix(issue_id, replace=replace, backup=backup)
    assert outcome.remediation is not None, outcome
    return Remediation.objects.get(id=outcome.remediation)


def state_of(issue_id: int) -> tuple[str, str]:
    row = LibraryIssue.objects.get(id=issue_id)
    return row.state, row.outcome_code


def time_passes() -> None:
    """Leases of whoever died run out, waits are over."""
    past = timezone.now() - timedelta(seconds=5)
    for rows in (Remediation.objects, TrashedFile.objects):
        rows.filter(lease_until__isnull=False).update(lease_until=past)
        rows.filter(next_step_at__isnull=False).update(next_step_at=past)
