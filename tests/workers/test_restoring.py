"""After the loss of the database: manifests bring every job back, the library is read, and nothing that lies there is wanted again."""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command

from apps.catalog.services import release_store
from apps.domain.jobs.job_manifest import manifest_yaml, read_manifests
from apps.domain.jobs.lifecycle import JobState, TrackState
from apps.domain.jobs.manifest import release_manifest
from apps.jobs.models import Job, JobTrack
from apps.jobs.selectors_manifest import jobs_all, manifest_of
from apps.jobs.services import job_create, job_pause
from apps.jobs.services_import import WAITS_FOR_LIBRARY, Outcome, jobs_import
from apps.jobs.services_resolve import job_resolved, resolve_claim
from apps.library.models import AudioFile, LibraryScan
from apps.library.services_scan import roots_sync, scans_read_finish
from apps.transfers.models import Want
from tests.workers.assembled import Names, assemble, recording_id, release_facts, running_job, track_of
from workers.gateways.analysis import AnalysisWish
from workers.manifests import begin_imported, write_due
from workers.read_files import read_batch
from workers.restoring import restore_folder
from workers.scan_library import walk_slice
from workers.verification import Verifier

pytestmark = pytest.mark.django_db(transaction=True)

QUICK = AnalysisWish(fingerprint=False, sound=False)


def clock() -> Callable[[], float]:
    ticks = itertools.count()
    return lambda: next(ticks) / 1000


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    return folder


def placed(job: Job, position: int, *, library: Path, tmp_path: Path) -> Path:
    """A track's file is assembled, verified, tagged and placed by the real worker."""
    transfer = assemble(job, tmp_path, position=position)
    Verifier(
        acoustid=Names(recordings=(recording_id(position),)),
        fingerprinting=True,
        require_fingerprint=False,
        library_root=lambda: library,
        template="{albumartist}/{album} ({year})/{disc_track} {title}.{ext}",
    ).verify(transfer.id)
    track = track_of(job, position)
    assert track.state == TrackState.COMPLETED, (track.state, track.code)
    return Path(track.placed_path)


def resolved(job_id: uuid.UUID) -> Job:
    """As the worker does when MusicBrainz has answered."""
    facts = release_facts(tracks=3)
    release_store(facts)
    claim = resolve_claim(job_id, lease_s=60)
    assert claim is not None
    assert job_resolved(claim, manifest=release_manifest(facts, constraints=claim.constraints, asked_for=facts.mbid))
    return Job.objects.get(id=job_id)


def all_jobs() -> dict[uuid.UUID, str]:
    return {one: manifest_yaml(manifest_of(one)) for one in jobs_all()}


def scanned() -> None:
    begin_imported(clock=clock())  # asks for the walk of a folder that nobody asked for
    for scan in LibraryScan.objects.filter(state="queued"):
        walk_slice(scan.id)
    scans_read_finish()


def test_everything_comes_back_and_nothing_that_is_held_is_wanted(library: Path, tmp_path: Path) -> None:
    jobs = tmp_path / "jobs"
    # Two of three tracks are here; another job is done; a tree has children in several states; one is paused.
    begun = running_job(tracks=3, target_dir="Kept here")
    files = {placed(begun, position, library=library, tmp_path=tmp_path) for position in (1, 2)}
    done = resolved(
        job_create(
            kind="mb_release", target_mbid=uuid.UUID(int=0x3000), constraints={"tracks": [{"medium": 1, "position": 1}]}
        ).id
    )
    assert done.state == JobState.COMPLETED
    tree = job_create(kind="discography", target_mbid=uuid.uuid4(), selection={"profile": "extended"}).id
    children = [job_create(kind="mb_release", target_mbid=uuid.uuid4(), parent_id=tree).id for _ in range(3)]
    paused = job_create(kind="recording", target_mbid=uuid.uuid4()).id
    job_pause(paused)
    write_due(jobs, clock=clock())
    before = all_jobs()

    call_command("flush", interactive=False, verbosity=0)
    assert not Job.objects.exists()
    assert not AudioFile.objects.exists()
    roots_sync([(library, True)])
    report = restore_folder(jobs)
    assert (report.count(Outcome.MADE), report.failed) == (7, ())
    assert all_jobs().keys() == before.keys()
    assert manifest_yaml(manifest_of(done.id)) == before[done.id]
    assert manifest_yaml(manifest_of(tree)) == before[tree]
    assert set(Job.objects.filter(parent_id=tree).values_list("id", flat=True)) == set(children)

    # The library was not read yet: nothing begins, whatever is asked.
    waiting = Job.objects.get(id=begun.id)
    assert (waiting.state, waiting.code) == (JobState.PENDING, WAITS_FOR_LIBRARY)
    assert resolve_claim(begun.id, lease_s=60) is None
    scanned()
    assert begin_imported(clock=clock()) == 0, "found, not read"
    assert resolve_claim(begun.id, lease_s=60) is None
    read_batch(wish=QUICK)
    scans_read_finish()
    assert begin_imported(clock=clock()) == 7

    resolved(begun.id)
    tracks = list(JobTrack.objects.filter(job_id=begun.id).order_by("position"))
    assert [(one.state, one.code) for one in tracks] == [
        (TrackState.COMPLETED, "already_held"),
        (TrackState.COMPLETED, "already_held"),
        (TrackState.WANTED, ""),
    ]
    assert {Path(one.placed_path) for one in tracks[:2]} == files
    assert [want.recording_mbid for want in Want.objects.all()] == [recording_id(3)]
    assert Job.objects.get(id=begun.id).constraints["target_dir"] == "Kept here"
    (track,) = JobTrack.objects.filter(job_id=done.id)
    assert (track.state, Path(track.placed_path) in files) == (TrackState.COMPLETED, True)
    assert Job.objects.get(id=paused).state == JobState.PAUSED

    # Written once more the files say what they said, and a second restore makes nothing.
    write_due(jobs, clock=clock())
    again = restore_folder(jobs)
    assert (again.count(Outcome.MADE), again.count(Outcome.KEPT), again.failed) == (0, 7, ())


def test_a_restore_that_was_killed_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        job_create(kind="mb_release", target_mbid=uuid.uuid4())
    tree = job_create(kind="label_crate", target_mbid=uuid.uuid4()).id
    job_create(kind="mb_release", target_mbid=uuid.uuid4(), parent_id=tree)
    write_due(tmp_path / "jobs", clock=clock())
    before = all_jobs()
    call_command("flush", interactive=False, verbosity=0)
    monkeypatch.setattr("workers.restoring.BATCH", 2)
    calls = itertools.count()

    def killed(*args: object, **given: object) -> object:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return jobs_import(*args, **given)  # type: ignore[arg-type]

    monkeypatch.setattr("workers.restoring.jobs_import", killed)
    with pytest.raises(KeyboardInterrupt):
        restore_folder(tmp_path / "jobs")
    assert 0 < Job.objects.count() < 7
    report = restore_folder(tmp_path / "jobs")
    assert Job.objects.count() == 7
    assert report.count(Outcome.KEPT) > 0
    assert all_jobs().keys() == before.keys()


def test_of_two_copies_of_a_job_the_newer_one_counts_and_broken_files_are_told(tmp_path: Path) -> None:
    job = job_create(kind="mb_release", target_mbid=uuid.uuid4()).id
    text = manifest_yaml(manifest_of(job))
    Job.objects.all().delete()
    folder = tmp_path / "jobs"
    (folder / "completed").mkdir(parents=True)
    (folder / "active").mkdir()
    old, new = folder / "completed" / "x.yaml", folder / "active" / "x.yaml"
    old.write_text(text.replace("state: pending", "state: failed"))
    new.write_text(text)
    os.utime(old, (1, 1))
    (folder / "torn.yaml").write_text(text[:90])
    (folder / "bomb.yaml").write_text("a: &a [*a, *a]\n")
    (folder / "deep.yml").write_text("[" * 5000)
    (folder / "tag.yaml").write_text("!!python/object/apply:os.system [true]\n")
    (folder / "huge.yaml").write_bytes(b"#" * (10 * 1024 * 1024 + 1))
    (folder / ".hidden.yaml").write_text("not looked at")
    (folder / "notes.txt").write_text("not looked at")
    report = restore_folder(folder)
    assert report.files == 7
    assert {Path(one.file).name: one.code for one in report.failed} == {
        "x.yaml": "manifest_id_repeated",
        "torn.yaml": report.failed[[Path(one.file).name for one in report.failed].index("torn.yaml")].code,
        "bomb.yaml": "manifest_alias",
        "deep.yml": "manifest_too_deep",
        "tag.yaml": "manifest_tag",
        "huge.yaml": "manifest_too_large",
    }
    assert all(one.code.startswith("manifest_") for one in report.failed)
    assert Job.objects.get().state == JobState.PENDING


def test_a_tree_of_which_one_child_can_not_be_kept_comes_back_when_that_is_mended(tmp_path: Path) -> None:
    tree = job_create(kind="discography", target_mbid=uuid.uuid4()).id
    child = job_create(kind="mb_release", target_mbid=uuid.uuid4(), parent_id=tree).id
    other = job_create(kind="mb_release", target_mbid=uuid.uuid4()).id
    write_due(tmp_path, clock=clock())
    Job.objects.all().delete()
    (path,) = tmp_path.rglob(f"mb_release-{child}.yaml")
    text = path.read_text()
    path.write_text(text.replace("use_overlay: true", "use_overlay: false"))
    report = restore_folder(tmp_path)
    assert [one.code for one in report.failed] == ["constraint_unavailable"]
    assert report.failed[0].file == str(path)
    assert [job.id for job in Job.objects.all()] == [other]
    path.write_text(text)
    assert restore_folder(tmp_path).failed == ()
    assert Job.objects.get(id=child).parent_id == tree
    assert read_manifests(path.read_bytes())[0].parent == tree
