"""Bringing jobs back from a folder of manifests after the loss of the database. Each tree comes back as a whole or not at all; a file that can't be read
holds up nobody else. Repeated or killed and repeated it makes nothing twice: a job that is here stands for its manifest."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from apps.common.sentences import message_of
from apps.domain.jobs.job_manifest import JobManifest, ManifestInvalid, read_manifests
from apps.jobs.services_import import ImportedJob, Outcome, jobs_import
from workers.gateways.manifests import ManifestFile, manifest_file, manifest_paths

log = logging.getLogger(__name__)

BATCH = 200
"""Jobs without a tree that come back in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRestored:
    """A file or a job of it that did not come back."""

    file: str
    line: int | None
    code: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """What came back from `files` files."""

    files: int
    jobs: tuple[ImportedJob, ...]
    failed: tuple[NotRestored, ...]

    def count(self, outcome: Outcome) -> int:
        """How many jobs of that outcome."""
        return sum(1 for one in self.jobs if one.outcome is outcome)


def restore_folder(folder: Path, *, dry_run: bool = False) -> RestoreReport:
    """Bring back every job below `folder` (or in the one file that it is). Raises FilesError if it can't be read at all."""
    files, failed = 0, list[NotRestored]()
    found: dict[uuid.UUID, JobManifest] = {}
    # The newest first: of two copies of one job it tells how far it was.
    for path in manifest_paths(folder):
        files += 1
        for manifest in _read(manifest_file(path), failed):
            _take(manifest, found, failed)
    jobs: list[ImportedJob] = []
    for some in _sets(found.values()):
        jobs += _import(some, failed, dry_run=dry_run)
    log.info("jobs restored: files=%s jobs=%s failed=%s", files, len(jobs), len(failed))
    return RestoreReport(files=files, jobs=tuple(jobs), failed=tuple(failed))


def _read(file: ManifestFile, failed: list[NotRestored]) -> tuple[JobManifest, ...]:
    if file.code:
        sentence = message_of(file.code, {"path": str(file.path)})
        failed.append(NotRestored(file=str(file.path), line=None, code=file.code, sentence=sentence))
        return ()
    try:
        return read_manifests(file.data, file=str(file.path))
    except ManifestInvalid as error:
        failed.append(_not(error))
        return ()


def _take(manifest: JobManifest, found: dict[uuid.UUID, JobManifest], failed: list[NotRestored]) -> None:
    known = found.setdefault(manifest.job_id, manifest)
    if known is not manifest:
        error = ManifestInvalid(
            f"A newer copy of this job is in {known.file}.",
            code="manifest_id_repeated",
            line=manifest.line,
            file=manifest.file,
        )
        failed.append(_not(error))


def _sets(manifests: Iterable[JobManifest]) -> Iterator[list[JobManifest]]:
    """Each tree with the children that have files of their own; then the others, some at a time."""
    trees: dict[uuid.UUID, list[JobManifest]] = {}
    alone: list[JobManifest] = []
    # Children were made in the order of their plan, and ids rise.
    for manifest in sorted(manifests, key=lambda one: (one.created_at, one.job_id)):
        if manifest.parent is not None:
            trees.setdefault(manifest.parent, []).append(manifest)
        else:
            alone.append(manifest)
    singles: list[JobManifest] = []
    for manifest in alone:
        children = trees.pop(manifest.job_id, [])
        inside = {child.job_id for child in manifest.children}
        if children or inside:
            yield [manifest, *(child for child in children if child.job_id not in inside)]
        else:
            singles.append(manifest)
    singles += [child for children in trees.values() for child in children]
    for at in range(0, len(singles), BATCH):
        yield singles[at : at + BATCH]


def _import(manifests: Sequence[JobManifest], failed: list[NotRestored], *, dry_run: bool) -> tuple[ImportedJob, ...]:
    try:
        return jobs_import(manifests, allow_duplicate_id=True, restored=True, dry_run=dry_run).jobs
    except ManifestInvalid as error:
        whole = any(one.children or one.parent is not None for one in manifests)
        if len(manifests) == 1 or whole:
            failed.append(_not(error))
            return ()
        return tuple(job for one in manifests for job in _import([one], failed, dry_run=dry_run))


def _not(error: ManifestInvalid) -> NotRestored:
    line = error.params.get("line")
    return NotRestored(
        file=str(error.params.get("file", "")),
        line=line if isinstance(line, int) else None,
        code=error.code,
        sentence=error.sentence,
    )
