"""Task: write the manifests of jobs that changed; and let imported jobs begin, now that the library was read.

Bounded by time; what is left waits for the next run. A job stays due until its file is on disk as the row is: a writer that is killed anywhere, a full disk
or a folder that may not be written cost nothing but time, and the System page and the jobs page say so meanwhile.
"""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from celery import shared_task

from apps.common.dispatch import TaskName
from apps.domain.errors import DomainError
from apps.domain.jobs.job_manifest import JobManifest
from apps.jobs.manifest_trouble import trouble_clear, trouble_note
from apps.jobs.selectors_manifest import manifests_due, manifests_of
from apps.jobs.services_import import imports_begin, imports_waiting
from apps.jobs.services_manifest import manifest_written, manifests_take
from apps.library.selectors_ready import library_reading
from apps.library.services_scan import scan_create
from slskdn_site.config import Config, data_dir, load_config
from workers.gateways.files import FilesError
from workers.gateways.manifests import Checkpoint, ManifestFolder

log = logging.getLogger(__name__)

BUDGET_S = 20.0
BATCH = 100
UNREADABLE_RETRY = timedelta(minutes=10)
"""A row that can't be told as a manifest (made by a newer version) is tried again so much later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What one run did. `code`: why the folder could not be written."""

    files: int = 0
    code: str = ""


@shared_task(name=TaskName.WRITE_MANIFESTS.value)
def write_manifests() -> None:
    """See the module. Nothing is written while jobs.manifests.enabled is false; jobs stay due."""
    config = load_config()
    begin_imported(clock=time.monotonic)
    if config.jobs.manifests.enabled:
        write_due(manifests_folder(config), clock=time.monotonic)


def begin_imported(*, clock: Callable[[], float], budget_s: float = BUDGET_S) -> int:
    """Let imported jobs begin if the library was read; a folder that nobody ever asked to be walked is. Returns how many began."""
    if not imports_waiting():
        return 0
    reading = library_reading()
    for root_id in reading.unasked:
        scan_create(root_id, origin="schedule")
    until, begun = clock() + budget_s, 0
    while clock() < until and (some := imports_begin(reading)):
        begun += some
    if begun:
        log.info("imported jobs begin: jobs=%s", begun)
    return begun


def manifests_folder(config: Config) -> Path:
    """`jobs.manifests.path`; a relative one is below the data folder."""
    return data_dir() / Path(config.jobs.manifests.path).expanduser()


def _pass(_step: str) -> None:
    return


def write_due(
    folder: Path, *, clock: Callable[[], float], budget_s: float = BUDGET_S, checkpoint: Checkpoint = _pass
) -> Written:
    """Write what is due into `folder`, until nothing is or the time is used up. Nothing while another process writes there."""
    until, files = clock() + budget_s, 0
    due = manifests_due(limit=BATCH)
    if not due:
        return Written()
    try:
        with ManifestFolder(folder, checkpoint=checkpoint) as held:
            while held.held and due and clock() < until:
                files += _batch(held, due, checkpoint)
                due = manifests_due(limit=BATCH)
    except FilesError as error:
        log.warning("manifests can't be written: folder=%s code=%s", folder, error.code)
        trouble_note(code=error.code, folder=str(folder))
        return Written(files=files, code=error.code)
    if files:
        trouble_clear()
        log.info("manifests written: files=%s", files)
    return Written(files=files)


def _batch(folder: ManifestFolder, due: list[uuid.UUID], checkpoint: Checkpoint) -> int:
    stamp = writers_stamp(datetime.now(tz=UTC))
    manifests_take(due, stamp=stamp)
    checkpoint("taken")
    try:
        told = manifests_of(due)
    except (DomainError, ValueError):
        told = [one for job in due for one in _alone(job, stamp)]
    for manifest in told:
        folder.put(manifest)
        checkpoint("put")
        manifest_written(manifest.job_id, stamp=stamp)
    return len(told)


def _alone(job_id: uuid.UUID, stamp: datetime) -> list[JobManifest]:
    try:
        return manifests_of([job_id])
    except (DomainError, ValueError) as error:
        log.error("job can't be told as a manifest: job=%s error=%s", job_id, error)
        manifests_take([job_id], stamp=stamp + UNREADABLE_RETRY)
        return []


def writers_stamp(now: datetime) -> datetime:
    """A moment before `now`, so that it is due at once, with microseconds that no mark has: SQLite's clock gives whole milliseconds, and Postgres would
    have to hit the very microsecond."""
    before = now - timedelta(milliseconds=10)
    return before.replace(microsecond=before.microsecond // 1000 * 1000 + random.randrange(1, 1000))  # noqa: S311
