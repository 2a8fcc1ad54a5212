"""The files of jobs: written when a job changed, moved when it ended, the same after a kill at any point, and due until they are there."""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import transaction

from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.job_manifest import ManifestType, read_manifests
from apps.domain.jobs.lifecycle import JobState, TrackState
from apps.jobs.manifest_trouble import check_manifests, manifest_trouble, trouble_clear
from apps.jobs.models import Job, JobTrack
from apps.jobs.selectors_manifest import manifest_of, manifests_due, manifests_of
from apps.jobs.services import job_cancel, job_create, job_retry
from apps.jobs.services_manifest import manifest_mark, manifest_written, manifests_take
from apps.nodelink.health import CheckState
from slskdn_site.config import Config, Jobs, Manifests
from tests.workers.conftest import Killed, kill_at
from workers.gateways.files import FilesError
from workers.gateways.manifests import ManifestFolder, manifest_file, manifest_paths
from workers.manifests import manifests_folder, write_due, write_manifests, writers_stamp

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = ("taken", "moved", "staged", "written", "put")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    trouble_clear()
    yield tmp_path / "jobs"
    trouble_clear()


def clock() -> Callable[[], float]:
    ticks = itertools.count()
    return lambda: next(ticks) / 1000


def written(folder: Path) -> list[str]:
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != ".lock"
    )


def write(folder: Path, **given: object) -> int:
    return write_due(folder, clock=clock(), **given).files  # type: ignore[arg-type]


def made(**given: object) -> uuid.UUID:
    return job_create(kind="mb_release", target_mbid=uuid.uuid4(), **given).id  # type: ignore[arg-type]


def parent_with_children(count: int = 2) -> tuple[Job, list[Job]]:
    parent = Job.objects.create(kind="discography", target_mbid=uuid.uuid4(), selection={"profile": "core"})
    children = [Job.objects.create(kind="mb_release", target_mbid=uuid.uuid4(), parent=parent) for _ in range(count)]
    manifest_mark([parent.id, *(child.id for child in children)])
    return parent, children


def test_a_job_that_was_made_gets_its_file(folder: Path) -> None:
    job = made(constraints={"allow_lossy": False, "target_dir": "new"})
    assert write(folder) == 1
    assert written(folder) == [f"active/mb_release-{job}.yaml"]
    (read,) = read_manifests((folder / "active" / f"mb_release-{job}.yaml").read_bytes())
    assert (read.job_id, read.type, read.state) == (job, ManifestType.MB_RELEASE, "pending")
    assert read.constraints == Constraints(allow_lossy=False, target_dir="new")
    assert manifests_due(limit=9) == []
    assert write(folder) == 0


def test_it_moves_when_the_job_ends_and_back_when_it_is_tried_again(folder: Path) -> None:
    job = made()
    write(folder)
    job_cancel(job)
    write(folder)
    assert written(folder) == [f"completed/mb_release-{job}.yaml"]
    (read,) = read_manifests((folder / written(folder)[0]).read_bytes())
    assert read.state == "cancelled"
    assert read.completed_at is not None
    Job.objects.filter(id=job).update(code="")
    JobTrack.objects.create(job_id=job, position=1, title="a", recording_mbid=uuid.uuid4(), state=TrackState.CANCELLED)
    job_retry(job)
    write(folder)
    assert written(folder) == [f"active/mb_release-{job}.yaml"]


@pytest.mark.parametrize("kind", ["recording", "discography", "label_crate"])
def test_every_kind_of_job_has_a_file_from_its_beginning_and_where_it_ends(folder: Path, kind: str) -> None:
    job = job_create(kind=kind, target_mbid=uuid.uuid4()).id
    write(folder)
    assert written(folder) == [f"active/{kind}-{job}.yaml"]
    job_cancel(job)
    write(folder)
    assert written(folder) == [f"completed/{kind}-{job}.yaml"]
    (read,) = read_manifests((folder / written(folder)[0]).read_bytes())
    assert (read.job_id, read.type.value, read.state) == (job, kind, "cancelled")


def test_children_have_files_of_their_own_beside_their_parent(folder: Path) -> None:
    parent, (one, two) = parent_with_children()
    assert write(folder) == 3
    assert written(folder) == sorted(
        [
            f"active/discography-{parent.id}.yaml",
            *(f"active/{parent.id}/mb_release-{child.id}.yaml" for child in (one, two)),
        ]
    )
    (read,) = read_manifests((folder / "active" / str(parent.id) / f"mb_release-{one.id}.yaml").read_bytes())
    assert (read.parent, read.target) == (parent.id, one.target_mbid)
    Job.objects.update(state=JobState.COMPLETED)
    manifest_mark([parent.id, one.id, two.id])
    write(folder)
    assert all(name.startswith("completed/") for name in written(folder))
    assert not (folder / "active" / str(parent.id)).exists()


@pytest.mark.parametrize("step", STEPS)
def test_a_writer_killed_anywhere_leaves_one_whole_file_and_the_job_due(folder: Path, step: str) -> None:
    job = made()
    write(folder)
    before = (folder / written(folder)[0]).read_bytes()
    job_cancel(job)
    with pytest.raises(Killed):
        write(folder, checkpoint=kill_at(step))
    whole = [path for path in written(folder) if path.endswith(".yaml")]
    assert len(whole) == 1
    data = (folder / whole[0]).read_bytes()
    assert data == before or read_manifests(data)[0].state == "cancelled"
    assert write(folder) == 1
    assert written(folder) == [f"completed/mb_release-{job}.yaml"]
    assert read_manifests((folder / written(folder)[0]).read_bytes())[0].state == "cancelled"
    assert manifests_due(limit=9) == []


def test_a_mark_that_comes_while_the_file_is_written_stays(folder: Path) -> None:
    job = made()

    def meanwhile(step: str) -> None:
        if step == "written" and Job.objects.filter(id=job, year="").update(year="1999"):
            manifest_mark([job])

    assert write(folder, checkpoint=meanwhile) == 2
    (read,) = read_manifests((folder / written(folder)[0]).read_bytes())
    assert read.year == "1999"


def test_a_mark_in_the_very_millisecond_of_the_writers_stamp_is_another_one() -> None:
    job = made()
    now = datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)
    stamp = writers_stamp(now)
    assert stamp.microsecond % 1000 != 0
    assert stamp < now
    assert manifests_take([job], stamp=stamp) == 1
    Job.objects.filter(id=job).update(manifest_due_at=now)
    assert not manifest_written(job, stamp=stamp)
    assert manifests_due(limit=9) == [job]


def test_a_mark_is_taken_back_with_the_change_it_belongs_to(folder: Path) -> None:
    job = made()
    write(folder)
    with pytest.raises(RuntimeError), transaction.atomic():
        job_cancel(job)
        raise RuntimeError
    assert manifests_due(limit=9) == []


def test_only_one_process_writes_at_a_time(folder: Path) -> None:
    made()
    with ManifestFolder(folder) as mine:
        assert mine.held
        assert write(folder) == 0
    assert write(folder) == 1


def test_a_folder_that_can_not_be_written_keeps_jobs_due_and_says_so(folder: Path) -> None:
    job = made()
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file is in the way")
    done = write_due(folder, clock=clock())
    assert done.files == 0
    assert done.code
    assert manifests_due(limit=9) == [job]
    trouble = manifest_trouble()
    assert trouble is not None
    assert trouble.folder == str(folder)
    check = check_manifests()
    assert (check.state, check.code, check.needed) == (CheckState.FAILED, "manifests_unwritten", False)
    folder.unlink()
    assert write(folder) == 1
    assert manifest_trouble() is None
    assert check_manifests().state is CheckState.OK


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_leaves_the_old_file_and_the_job_due(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = made()
    write(folder)
    before = (folder / written(folder)[0]).read_bytes()
    Job.objects.filter(id=job).update(title="Now with a title")
    manifest_mark([job])
    real = os.open

    def full(path: os.PathLike[str] | str, flags: int, mode: int = 0o777, **given: int) -> int:
        return real("/dev/full", os.O_WRONLY) if str(path).endswith(".part") else real(path, flags, mode, **given)

    monkeypatch.setattr("workers.gateways.manifests.os.open", full)
    assert write_due(folder, clock=clock()).code == "disk_full"
    monkeypatch.undo()
    assert (folder / written(folder)[0]).read_bytes() == before
    assert manifests_due(limit=9) == [job]
    assert write(folder) == 1
    assert "Now with a title" in (folder / written(folder)[0]).read_text()


def test_a_row_that_a_newer_version_wrote_holds_nobody_up(folder: Path) -> None:
    bad, good = made(), made()
    Job.objects.filter(id=bad).update(constraints={"version": 99})
    assert write(folder) == 1
    assert written(folder) == [f"active/mb_release-{good}.yaml"]
    assert Job.objects.get(id=bad).manifest_due_at is not None


def test_a_fix_of_the_doctor_has_no_file(folder: Path) -> None:
    made(origin="doctor")
    assert write(folder) == 0


def test_the_time_is_bounded_and_what_is_left_stays_due(folder: Path) -> None:
    for _ in range(3):
        made()
    assert write_due(folder, clock=clock(), budget_s=0).files == 0
    assert len(manifests_due(limit=9)) == 3


@pytest.mark.parametrize("enabled", [False, True])
def test_switched_off_nothing_is_written_and_nothing_is_forgotten(
    folder: Path, enabled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = made()
    switched = Jobs(manifests=Manifests(enabled=enabled, path=str(folder)))
    monkeypatch.setattr("workers.manifests.load_config", lambda: Config(jobs=switched))
    write_manifests()
    assert written(folder) == ([f"active/mb_release-{job}.yaml"] if enabled else [])
    assert manifests_due(limit=9) == ([] if enabled else [job])


def test_a_relative_folder_is_below_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SLSKDN_DATA", str(tmp_path))
    assert manifests_folder(Config()) == tmp_path / "jobs"
    assert manifests_folder(Config(jobs=Jobs(manifests=Manifests(path="/elsewhere")))) == Path("/elsewhere")


def test_links_in_the_folder_are_not_followed(folder: Path, tmp_path: Path) -> None:
    job = made()
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (folder / "active").mkdir(parents=True)
    name = f"mb_release-{job}.yaml"
    (folder / "active" / f".{name}.part").symlink_to(outside)
    (folder / "active" / "x.yaml").symlink_to(outside)
    assert write(folder) == 1
    assert outside.read_text() == "mine"
    codes = {path.name: manifest_file(path).code for path in manifest_paths(folder)}
    assert codes[name] == ""
    assert codes["x.yaml"] != ""
    with pytest.raises(FilesError):
        manifest_paths(folder / "nothing here")


def test_many_jobs_are_told_in_two_queries(django_assert_num_queries: Callable[[int], object]) -> None:
    jobs = [made() for _ in range(5)]
    for job in jobs:
        JobTrack.objects.create(job_id=job, position=1, title="a", recording_mbid=uuid.uuid4())
    with django_assert_num_queries(2):  # type: ignore[attr-defined]
        told = manifests_of(jobs)
    assert [one.job_id for one in told] == jobs
    assert all(len(one.tracks) == 1 for one in told)


def test_an_export_of_a_tree_holds_its_children(folder: Path) -> None:
    parent, children = parent_with_children()
    exported = manifest_of(parent.id)
    assert [child.job_id for child in exported.children] == [child.id for child in children]
    assert {child.parent for child in exported.children} == {parent.id}
