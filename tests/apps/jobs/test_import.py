"""Manifests become jobs: every kind, collisions, children and parents, all or nothing, and nothing begins before the library was read."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from apps.domain.catalog.identity import discogs_id, label_name_id
from apps.domain.jobs.constraints import Constraints, TrackRef
from apps.domain.jobs.job_manifest import (
    JobManifest,
    ManifestInvalid,
    ManifestTrack,
    ManifestType,
    TrackProgress,
    manifest_yaml,
    read_manifests,
    unlined,
)
from apps.domain.jobs.lifecycle import JobState, TrackState
from apps.domain.jobs.manifest import Manifest, PlannedTrack
from apps.domain.jobs.selection import Selection
from apps.jobs.models import Job, JobTrack, PlannedRelease, TargetSource
from apps.jobs.selectors_manifest import manifest_of
from apps.jobs.services import job_create, job_pause, job_resume, job_retry
from apps.jobs.services_import import (
    ADOPT,
    WAITS_FOR_LIBRARY,
    ImportReport,
    Outcome,
    imports_begin,
    imports_waiting,
    jobs_import,
)
from apps.jobs.services_resolve import job_resolved, resolve_claim
from apps.library.models import LibraryRoot
from apps.library.selectors_ready import LibraryReading, library_reading
from apps.library.services_canonical import variant_scored
from apps.transfers.models import Want
from tests.apps.library import canonical_rows as rows

pytestmark = pytest.mark.django_db(transaction=True)

AT = datetime(2026, 1, 31, 15, 30, tzinfo=UTC)
READ = LibraryReading(roots=1, unscanned=(), unasked=(), unread=0)
SONGS = [uuid.UUID(int=0x901), uuid.UUID(int=0x902)]


def tracks(*progress: TrackProgress) -> tuple[ManifestTrack, ...]:
    return tuple(
        ManifestTrack(medium=1, position=at + 1, title=f"Song {at + 1}", recording_mbid=SONGS[at], duration_ms=200_000, progress=one)
        for at, one in enumerate(progress)
    )  # fmt: skip


def release(**more: object) -> JobManifest:
    fields: dict[str, object] = {
        "job_id": uuid.uuid4(), "type": ManifestType.MB_RELEASE, "target": uuid.uuid4(), "title": "Album", "artist": "Ada", "year": "1999",
        "created_at": AT,
    }  # fmt: skip
    return JobManifest(**fields | more)  # type: ignore[arg-type]


def tree(*children: JobManifest, type_: ManifestType = ManifestType.DISCOGRAPHY, **more: object) -> JobManifest:
    made = release(type=type_, title="", selection=Selection(), **more)
    return dataclasses.replace(made, children=tuple(dataclasses.replace(one, parent=made.job_id) for one in children))


def come_back(*manifests: JobManifest, **given: object) -> ImportReport:
    """Through text, as files do."""
    text = "---\n".join(manifest_yaml(one) for one in manifests)
    return jobs_import(read_manifests(text), **given)  # type: ignore[arg-type]


def begin() -> int:
    total = 0
    while some := imports_begin(READ):
        total += some
    return total


def refused(manifests: Sequence[JobManifest], **given: object) -> ManifestInvalid:
    with pytest.raises(ManifestInvalid) as caught:
        come_back(*manifests, **given)
    assert not JobTrack.objects.exists()
    return caught.value


OPEN = release(
    constraints=Constraints(
        preferred_codecs=("flac",), allow_lossy=False, target_dir="new/here", overlay_bandwidth_kbps=300, prefer_canonical=True,
        tracks=(TrackRef(medium=1, position=2),),
    ),
    tracks=tracks(TrackProgress.COMPLETED, TrackProgress.IN_PROGRESS),
)  # fmt: skip


@pytest.mark.parametrize(
    "manifest",
    [
        OPEN,
        release(type=ManifestType.RECORDING, title="Loomer"),
        release(state="paused"),
        release(state="completed", completed_at=AT + timedelta(days=1), tracks=tracks(TrackProgress.COMPLETED)),
        release(state="partial", completed_at=AT, tracks=tracks(TrackProgress.COMPLETED, TrackProgress.FAILED)),
        release(state="failed", completed_at=AT),
        release(state="cancelled", completed_at=AT, tracks=tracks(TrackProgress.FAILED)),
        release(target=None, discogs_release_id=249504),
        release(type=ManifestType.LABEL_CRATE, target=None, title="4AD", selection=Selection(label_name="4AD", limit_releases=10)),
        tree(type_=ManifestType.LABEL_CRATE),
        tree(release(), release(state="paused")),
        tree(release(state="completed", completed_at=AT), state="completed", completed_at=AT),
    ],
    ids=lambda one: f"{one.type.value}-{one.state}-{len(one.children)}",
)  # fmt: skip
def test_a_job_comes_back_with_all_that_its_manifest_says(manifest: JobManifest) -> None:
    report = come_back(manifest)
    assert {one.outcome for one in report.jobs} == {Outcome.MADE}
    again = manifest_of(manifest.job_id)
    assert unlined(again) == manifest


def test_ids_that_only_discogs_or_a_name_give_are_derived() -> None:
    come_back(
        release(target=None, discogs_release_id=249504),
        release(type=ManifestType.LABEL_CRATE, target=None, selection=Selection(label_name="4AD")),
    )
    found = {job.target_source: (job.target_mbid, job.target_ref) for job in Job.objects.all()}
    assert found[TargetSource.DISCOGS] == (discogs_id("release", 249504), "249504")
    assert found[TargetSource.NAME] == (label_name_id("4ad"), "4AD")


def test_a_crate_that_knows_its_label_by_name_is_called_so_as_if_it_was_asked_for_here() -> None:
    nameless = release(type=ManifestType.LABEL_CRATE, target=None, title="", selection=Selection(label_name="4AD"))
    come_back(nameless)
    assert Job.objects.get().title == "4AD"


def test_an_open_job_waits_for_the_library_and_says_so() -> None:
    come_back(OPEN)
    job = Job.objects.get()
    assert (job.state, job.code, job.next_step_at) == (JobState.PENDING, WAITS_FOR_LIBRARY, None)
    assert resolve_claim(job.id, lease_s=60) is None
    assert imports_begin(LibraryReading(roots=1, unscanned=(1,), unasked=(), unread=0)) == 0
    assert imports_begin(LibraryReading(roots=1, unscanned=(), unasked=(), unread=1)) == 0
    assert imports_begin(LibraryReading(roots=0, unscanned=(), unasked=(), unread=0)) == 0
    assert begin() == 1
    job.refresh_from_db()
    assert (job.state, job.code) == (JobState.PENDING, "")
    assert resolve_claim(job.id, lease_s=60) is not None
    assert not imports_waiting()


def test_a_person_who_pauses_and_resumes_it_does_not_make_it_begin_sooner() -> None:
    come_back(OPEN)
    job_pause(OPEN.job_id)
    job_resume(OPEN.job_id)
    assert resolve_claim(OPEN.job_id, lease_s=60) is None
    begin()
    assert resolve_claim(OPEN.job_id, lease_s=60) is not None


def test_the_library_is_read_when_every_folder_was_walked_and_what_was_found_was_read() -> None:
    assert not library_reading().done
    root = LibraryRoot.objects.create(path="/music", scanned=True)
    LibraryRoot.objects.create(path="/elsewhere")
    assert library_reading().unasked == (root.id,)
    LibraryRoot.objects.filter(id=root.id).update(last_scan_at=timezone.now())
    assert library_reading().done
    made = rows.variant(1, recording=SONGS[0])
    file = rows.file(1, made, within=root)
    type(file).objects.filter(id=file.id).update(read_state="pending")
    assert not library_reading().done


def resolved(job_id: uuid.UUID) -> Job:
    claim = resolve_claim(job_id, lease_s=60)
    assert claim is not None
    planned = tuple(
        PlannedTrack(
            medium=1, position=at + 1, number=str(at + 1), title=f"Song {at + 1}", artist="Ada", recording_mbid=song, track_mbid=None,
            length_ms=200_000, release_mbids=(claim.target_mbid,),
        )
        for at, song in enumerate(SONGS)
    )  # fmt: skip
    assert job_resolved(
        claim,
        manifest=Manifest(title="Album", artist="Ada", year="1999", release_mbid=claim.target_mbid, tracks=planned),
    )
    return Job.objects.get(id=job_id)


def hold(number: int, song: uuid.UUID, profile: str) -> int:
    made = rows.variant(number, profile=profile, recording=song, verified=True)
    file = rows.file(number, made, within=rows.root())
    variant_scored(made.id)
    return file.id


def test_what_was_completed_and_is_held_is_not_wanted_again_however_poor_it_is() -> None:
    poor = [hold(at, song, "mp3-128-44100-2") for at, song in enumerate(SONGS)]
    come_back(release(job_id=OPEN.job_id, tracks=tracks(TrackProgress.COMPLETED, TrackProgress.PENDING)))
    begin()
    resolved(OPEN.job_id)
    first, second = JobTrack.objects.order_by("position")
    assert (first.state, first.audio_file_id, first.want) == (TrackState.COMPLETED, poor[0], None)
    assert second.state == TrackState.WANTED
    assert [want.recording_mbid for want in Want.objects.all()] == [SONGS[1]]
    assert Job.objects.get().imported_tracks == {}


def test_what_was_completed_and_is_gone_is_wanted_again() -> None:
    come_back(OPEN)
    begin()
    resolved(OPEN.job_id)
    assert Want.objects.count() == 2


def test_a_completed_job_is_completed_and_shows_the_files_that_are_there() -> None:
    file = hold(1, SONGS[0], "flac-16-44100-2")
    done = release(state="completed", completed_at=AT, tracks=tracks(TrackProgress.COMPLETED, TrackProgress.COMPLETED))
    come_back(done)
    begin()
    job = Job.objects.get()
    assert (job.state, job.ended_at, job.created_at) == (JobState.COMPLETED, AT, AT)
    first, second = JobTrack.objects.order_by("position")
    assert (first.audio_file_id, first.verification) == (file, "fingerprint")
    assert first.placed_path
    assert (second.state, second.audio_file_id) == (TrackState.COMPLETED, None)
    assert not Want.objects.exists()
    assert resolve_claim(job.id, lease_s=60) is None


@pytest.mark.parametrize("state", ["partial", "failed", "cancelled"])
def test_one_that_ended_badly_can_be_tried_again(state: str) -> None:
    hold(1, SONGS[0], "mp3-128-44100-2")
    come_back(release(job_id=OPEN.job_id, state=state, tracks=tracks(TrackProgress.COMPLETED, TrackProgress.FAILED)))
    assert begin() == 1
    assert Job.objects.get().code == "imported_partly"
    assert job_retry(OPEN.job_id) is JobState.PENDING
    resolved(OPEN.job_id)
    assert [want.recording_mbid for want in Want.objects.all()] == [SONGS[1]]


def test_an_id_that_is_taken_gives_a_new_job_that_names_the_old_one(alice: User) -> None:
    taken = job_create(kind="mb_release", target_mbid=uuid.uuid4()).id
    report = come_back(release(job_id=taken), requested_by=alice)
    (one,) = report.jobs
    assert (one.outcome, one.manifest_id) == (Outcome.RENAMED, taken)
    made = Job.objects.get(id=one.job_id)
    assert made.id != taken
    assert (made.imported_from, made.requested_by) == (taken, alice)
    assert Job.objects.count() == 2


def test_with_allow_duplicate_id_the_job_that_is_here_stands_for_it() -> None:
    manifest = release()
    come_back(manifest)
    report = come_back(manifest, allow_duplicate_id=True)
    assert [one.outcome for one in report.jobs] == [Outcome.KEPT]
    assert Job.objects.count() == 1
    other = refused([release(job_id=manifest.job_id)], allow_duplicate_id=True)
    assert (other.code, other.params["line"]) == ("manifest_id_taken", 1)


def test_children_of_a_tree_that_got_a_new_id_are_linked_to_it() -> None:
    manifest = tree(release(), release())
    come_back(manifest)
    report = come_back(manifest)
    assert [one.outcome for one in report.jobs] == [Outcome.RENAMED] * 3
    parent = Job.objects.get(imported_from=manifest.job_id)
    assert set(parent.children.values_list("imported_from", flat=True)) == {one.job_id for one in manifest.children}
    assert PlannedRelease.objects.filter(job=parent, child__isnull=False).count() == 2


def test_children_in_documents_and_files_of_their_own_find_their_parent_wherever_it_stands() -> None:
    manifest = tree(release(), release())
    alone = dataclasses.replace(manifest, children=())
    come_back(*manifest.children, alone)
    assert Job.objects.filter(parent_id=manifest.job_id).count() == 2
    later = release(parent=manifest.job_id)
    (one,) = come_back(later).jobs
    assert (one.parent_id, one.orphan) == (manifest.job_id, False)
    (one,) = come_back(release(parent=uuid.uuid4())).jobs
    assert (one.parent_id, one.orphan) == (None, True)


def test_a_tree_that_was_under_way_goes_on_with_its_children_and_is_not_planned_anew() -> None:
    manifest = tree(release(), release(), release(state="completed", completed_at=AT), state="running")
    come_back(manifest)
    parent = Job.objects.get(id=manifest.job_id)
    assert (parent.state, parent.code, parent.params) == (JobState.PENDING, WAITS_FOR_LIBRARY, {ADOPT: True})
    assert set(parent.children.exclude(state="completed").values_list("code", flat=True)) == {"waits_for_turn"}
    begin()
    parent.refresh_from_db()
    assert parent.state == JobState.RUNNING
    assert parent.expanded_at is not None
    assert parent.children.filter(state=JobState.PENDING, next_step_at__isnull=False).count() == 2


def test_a_tree_that_was_not_planned_yet_is_planned() -> None:
    come_back(tree(release(), state="resolving"))
    begin()
    parent = Job.objects.get(parent=None)
    assert (parent.state, parent.expanded_at) == (JobState.PENDING, None)
    assert parent.next_step_at is not None


def test_a_child_that_the_tree_made_anew_stands_for_the_one_that_comes_back() -> None:
    manifest = tree(release())
    come_back(dataclasses.replace(manifest, children=()))
    child = job_create(
        kind="mb_release", target_mbid=manifest.children[0].target or uuid.UUID(int=1), parent_id=manifest.job_id
    ).id
    report = come_back(manifest, allow_duplicate_id=True)
    assert [(one.outcome, one.job_id) for one in report.jobs] == [
        (Outcome.KEPT, manifest.job_id),
        (Outcome.KEPT, child),
    ]


def test_all_or_nothing() -> None:
    good, bad = release(), release(constraints=Constraints(use_overlay=False))
    error = refused([good, bad])
    assert error.code == "constraint_unavailable"
    assert error.params["line"] == manifest_yaml(good).count("\n") + 2
    assert Job.objects.count() == 0


def test_what_contradicts_itself_is_refused_with_its_line() -> None:
    one = release()
    assert refused([one, one]).code == "manifest_id_repeated"
    assert refused([tree(release(target=SONGS[0]), release(target=SONGS[0]))]).code == "manifest_child_twice"
    assert refused([tree(constraints=Constraints(tracks=(TrackRef(medium=1, position=1),)))]).code
    recording = release(type=ManifestType.RECORDING, parent=uuid.uuid4())
    assert refused([recording]).code == "manifest_child_type"
    assert Job.objects.count() == 0


def test_a_dry_run_tells_all_and_makes_nothing() -> None:
    manifest = tree(release(tracks=tracks(TrackProgress.COMPLETED, TrackProgress.PENDING)))
    report = come_back(manifest, dry_run=True)
    assert report.dry_run
    assert [(one.type, one.children, one.tracks, one.completed) for one in report.jobs] == [
        (ManifestType.DISCOGRAPHY, 1, 0, 0),
        (ManifestType.MB_RELEASE, 0, 2, 1),
    ]
    assert Job.objects.count() == 0


def test_who_asked_is_kept_where_that_person_is_here(alice: User) -> None:
    come_back(release(created_by="alice"), release(created_by="nobody"), restored=True)
    assert sorted(str(job.requested_by) for job in Job.objects.all()) == ["None", "alice"]


def test_many_jobs_take_few_queries(django_assert_max_num_queries: Callable[[int], object]) -> None:
    children = [release(tracks=tracks(TrackProgress.COMPLETED), state="completed", completed_at=AT) for _ in range(150)]
    manifests = read_manifests(manifest_yaml(tree(*children, state="completed", completed_at=AT)))
    with django_assert_max_num_queries(30):  # type: ignore[attr-defined]
        jobs_import(manifests)
    assert Job.objects.count() == 151
