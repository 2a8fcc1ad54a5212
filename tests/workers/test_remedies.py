"""Mending real files: each fix, each undo, killed at every step, and failures that leave everything as it was."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import mutagen.flac
import pytest
from django.utils import timezone

from apps.domain.errors import DomainError
from apps.domain.library.issues import IssueState, IssueType
from apps.domain.library.paths import PathKey
from apps.jobs.models import Job, JobTrack
from apps.jobs.services import job_cancel
from apps.library.models import AudioFile, AudioVariant, LibraryIssue, LibraryRoot, TrashedFile
from apps.library.services import root_record
from apps.library.services_issues import issues_decide, issues_move
from apps.library.services_read import read_record
from apps.remediation.models import Remediation
from apps.remediation.selectors import remediations_due
from tests.workers.assembled import flac, recording_id
from tests.workers.conftest import Killed, kill_at
from tests.workers.gateways import sound
from tests.workers.mending import RELEASE, Home, fix, fix_one, issue, state_of, time_passes
from workers.gateways.analysis import AnalysisWish
from workers.gateways.files import identify
from workers.gateways.tags import AudioTags, read_tags
from workers.reading import read_music

pytestmark = pytest.mark.django_db(transaction=True)

OLD = "Mine/album/1. a song.mp3"
NEW = "Mine/album/1. a song.flac"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(folder=tmp_path)


def lossy(home: Home) -> Path:
    made = home.folder / "lossy.mp3"
    return made if made.exists() else sound.convert(flac(), made, "-b:a", "128k")


def transcode(home: Home) -> tuple[int, int]:
    """(file, issue) of a poor file with a companion."""
    file_id = home.own(OLD, lossy(home), quality=0.3)
    home.own("Mine/album/2. another.flac", flac(2), position=2, quality=0.9)
    return file_id, issue(IssueType.SUSPECTED_TRANSCODE, file_id=file_id)


def score(job_id: uuid.UUID | None, value: float | None = 0.95, *, suspect: bool = False, position: int = 1) -> None:
    """What the analysis says of the fetched file."""
    assert job_id is not None
    track = JobTrack.objects.get(job_id=job_id, position=position)
    assert track.audio_file is not None
    assert track.audio_file.variant_id is not None
    AudioVariant.objects.filter(id=track.audio_file.variant_id).update(quality_score=value, transcode_suspect=suspect)


# --- a better variant ----------------------------------------------------------------------------------------------------------------


def test_a_better_file_takes_the_old_ones_name_and_undo_brings_the_old_one_back_byte_for_byte(home: Home) -> None:
    file_id, issue_id = transcode(home)
    before, row = home.digest(OLD), AudioFile.objects.values().get(id=file_id)
    made = fix_one(issue_id)
    assert (made.action, made.state, state_of(issue_id)) == ("better_variant", "waiting", ("fixing", "fix_begun"))
    job = Job.objects.get()
    assert (job.origin, job.constraints["better_than"], job.constraints["download_mode"]) == (
        "doctor",
        0.3,
        "no-transcodes",
    )
    assert job.constraints["tracks"] == [{"medium": 1, "position": 1}]
    assert home.step(made.id).state == "waiting"
    home.fetch(made.job_id, flac())
    score(made.job_id)
    assert home.names() == [NEW, OLD, "Mine/album/2. another.flac"]  # placed beside it, by its name
    assert [one.id for one in remediations_due()] == [made.id]
    done = home.step(made.id)
    assert (done.state, done.code, state_of(issue_id)) == ("done", "fixed_replaced", ("resolved", "fixed_replaced"))
    assert home.names() == [NEW, "Mine/album/2. another.flac"]
    assert home.names(root=home.library) == []
    assert TrashedFile.objects.get().state == "trashed"
    new = AudioFile.objects.get(id=done.new_file_id or 0)
    assert (bytes(new.rel_path), new.missing_since) == (os.fsencode(NEW), None)
    assert JobTrack.objects.get().placed_path == str(home.music / NEW)
    undone = home.undo(made.id)
    assert (undone.state, state_of(issue_id)[0]) == ("undone", "detected")
    assert home.names() == [OLD, "Mine/album/2. another.flac"]
    assert home.digest(OLD) == before
    assert AudioFile.objects.values().get(id=file_id) | {"inode": 0} == row | {"inode": 0}
    assert TrashedFile.objects.get(reason="undone").state == "trashed"  # the new one can be had back
    assert fix_one(issue_id).id != made.id  # and it can be mended again


def test_a_better_file_of_the_same_kind_takes_the_very_name(home: Home) -> None:
    poor = sound.write(home.folder / "poor.flac", 20, seed=9)
    file_id = home.own("Mine/1.flac", poor, quality=0.3)
    issue_id = issue(IssueType.NON_CANONICAL_VARIANT, file_id=file_id)
    before = home.digest("Mine/1.flac")
    made = fix_one(issue_id)
    home.fetch(made.job_id, flac())
    score(made.job_id)
    assert home.names() == ["Mine/1 (2).flac", "Mine/1.flac"]
    assert home.step(made.id).state == "done"
    assert home.names() == ["Mine/1.flac"]
    assert identify(home.music / "Mine/1.flac").root == identify(flac()).root
    kept = home.undo(made.id, keep_new=True)
    assert kept.state == "undone"
    assert home.names() == ["Mine/1 (2).flac", "Mine/1.flac"]
    assert home.digest("Mine/1.flac") == before
    assert identify(home.music / "Mine/1 (2).flac").root == identify(flac()).root
    assert AudioFile.objects.get(id=kept.new_file_id or 0).display == "Mine/1 (2).flac"


REPLACE_STEPS = [
    "claimed", "placing", "compared", "planned", "hashed", "written", "checked", "renamed", "moved", "trashed", "finished",
]  # fmt: skip


@pytest.mark.parametrize("step", REPLACE_STEPS)
def test_killed_in_the_middle_of_an_exchange_the_next_worker_finishes_it(home: Home, step: str) -> None:
    _, issue_id = transcode(home)
    made = fix_one(issue_id)
    home.fetch(made.job_id, flac())
    score(made.job_id)
    before = {name: home.digest(name) for name in home.names()}
    with pytest.raises(Killed):
        home.step(made.id, kill_at(step))
    held = [path for path in home.music.rglob("*") if path.is_file()]
    assert len(held) == 3  # nothing is ever gone
    time_passes()
    home.step(made.id)
    done = Remediation.objects.get(id=made.id)
    assert (done.state, state_of(issue_id)[0]) == ("done", "resolved")
    assert home.names() == [NEW, "Mine/album/2. another.flac"]
    assert home.undo(made.id).state == "undone"
    assert home.digest(OLD) == before[OLD]


@pytest.mark.parametrize("step", ["noted", "renamed_new", "recorded_new"])
def test_killed_while_the_new_file_takes_the_name_the_next_worker_finishes_it(home: Home, step: str) -> None:
    poor = sound.write(home.folder / "poor.flac", 20, seed=9)
    file_id = home.own("1.flac", poor, quality=0.3)
    issue_id = issue(IssueType.SUSPECTED_TRANSCODE, file_id=file_id)
    made = fix_one(issue_id)
    home.fetch(made.job_id, flac())
    score(made.job_id)
    with pytest.raises(Killed):
        home.step(made.id, kill_at(step))
    time_passes()
    assert home.step(made.id).state == "done"
    assert home.names() == ["1.flac"]
    assert identify(home.music / "1.flac").root == identify(flac()).root
    assert AudioFile.objects.get(missing_since=None).display == "1.flac"


@pytest.mark.parametrize("step", ["claimed", "hashed", "renamed", "new_away", "found", "put", "old_back", "finished"])
def test_killed_while_it_is_taken_back_the_next_worker_finishes_it(home: Home, step: str) -> None:
    _, issue_id = transcode(home)
    before = home.digest(OLD)
    made = fix_one(issue_id)
    home.fetch(made.job_id, flac())
    score(made.job_id)
    home.step(made.id)
    with pytest.raises(Killed):
        home.undo(made.id, checkpoint=kill_at(step))
    time_passes()
    home.step(made.id)
    assert Remediation.objects.get(id=made.id).state == "undone"
    assert home.names() == [OLD, "Mine/album/2. another.flac"]
    assert home.digest(OLD) == before
    assert state_of(issue_id)[0] == "detected"


def test_replace_existing_off_leaves_the_old_file_and_undo_takes_the_new_one_away(home: Home) -> None:
    _, issue_id = transcode(home)
    made = fix_one(issue_id, replace=False)
    home.fetch(made.job_id, flac())
    score(made.job_id)
    done = home.step(made.id)
    assert (done.state, done.code) == ("done", "fixed_beside")
    assert home.names() == [NEW, OLD, "Mine/album/2. another.flac"]
    assert not TrashedFile.objects.exists()
    assert home.undo(made.id).state == "undone"
    assert home.names() == [OLD, "Mine/album/2. another.flac"]


def test_with_the_better_file_beside_it_the_issue_stays_settled_until_that_file_goes(home: Home) -> None:
    file_id, issue_id = transcode(home)
    made = fix_one(issue_id, replace=False)
    home.fetch(made.job_id, flac())
    score(made.job_id)
    done = home.step(made.id)
    assert issue(IssueType.SUSPECTED_TRANSCODE, file_id=file_id) == issue_id  # the doctor looks again
    assert state_of(issue_id) == ("resolved", "fixed_beside")
    AudioFile.objects.filter(id=done.new_file_id or 0).update(missing_since=timezone.now())
    issue(IssueType.SUSPECTED_TRANSCODE, file_id=file_id)
    assert state_of(issue_id)[0] == "detected"


def test_backup_before_replace_off_keeps_the_old_file_until_the_new_one_is_proven(home: Home) -> None:
    _, issue_id = transcode(home)
    made = fix_one(issue_id, backup=False)
    home.fetch(made.job_id, flac())
    score(made.job_id)
    home.step(made.id)
    row = TrashedFile.objects.get()
    assert (row.state, row.keep_until_proven, row.replaced_by_id) == (
        "trashed",
        True,
        Remediation.objects.get().new_file_id,
    )


@pytest.mark.parametrize(
    ("value", "suspect", "code"), [(0.2, False, "fix_not_better"), (0.9, True, "fix_also_suspect")]
)
def test_a_file_that_is_no_better_goes_and_the_old_one_was_never_touched(
    home: Home, value: float, code: str, *, suspect: bool
) -> None:
    _, issue_id = transcode(home)
    before = home.digest(OLD)
    made = fix_one(issue_id)
    home.fetch(made.job_id, flac())
    score(made.job_id, value, suspect=suspect)
    failed = home.step(made.id)
    assert (failed.state, failed.code, state_of(issue_id)) == ("failed", code, ("failed", code))
    assert home.names() == [OLD, "Mine/album/2. another.flac"]
    assert home.digest(OLD) == before


def test_an_old_file_that_somebody_changed_meanwhile_is_left_alone(home: Home) -> None:
    _, issue_id = transcode(home)
    made = fix_one(issue_id)
    home.fetch(made.job_id, flac())
    score(made.job_id)
    (home.music / OLD).write_bytes(b"a person's own better file")
    failed = home.step(made.id)
    assert (failed.state, failed.code) == ("failed", "file_changed")
    assert (home.music / OLD).read_bytes() == b"a person's own better file"
    assert home.names() == [OLD, "Mine/album/2. another.flac"]


def test_a_new_file_that_rotted_on_disk_replaces_nothing(home: Home) -> None:
    _, issue_id = transcode(home)
    before = home.digest(OLD)
    made = fix_one(issue_id)
    home.fetch(made.job_id, flac())
    score(made.job_id)
    path = home.music / NEW
    path.write_bytes(path.read_bytes()[:-1000])
    failed = home.step(made.id)
    assert (failed.state, failed.code) == ("failed", "fix_new_file_changed")
    assert home.digest(OLD) == before


def test_a_job_that_is_cancelled_fails_or_goes_is_told_on_the_issue(home: Home) -> None:
    file_id, first = transcode(home)
    made = fix_one(first)
    home.resolved(made.job_id)
    job_cancel(made.job_id)  # type: ignore[arg-type]
    assert [one.id for one in remediations_due()] == [made.id]
    assert home.step(made.id).state == "failed"
    assert state_of(first) == ("failed", "fix_job_cancelled")
    again = fix_one(first)
    assert again.id != made.id
    Job.objects.filter(remediations=again.id).delete()
    assert [one.id for one in remediations_due()] == [again.id]
    home.step(again.id)
    assert state_of(first) == ("failed", "fix_job_gone")
    third = fix_one(first)
    JobTrack.objects.filter(job=home.resolved(third.job_id)).update(state="failed", code="disk_full")
    Job.objects.filter(remediations=third.id).update(state="failed", code="tracks_failed")
    home.step(third.id)
    assert state_of(first) == ("failed", "disk_full")
    assert AudioFile.objects.get(id=file_id).missing_since is None


def test_the_job_goes_on_while_it_is_paused_and_asking_twice_is_one_fix(home: Home) -> None:
    _, issue_id = transcode(home)
    made = fix_one(issue_id)
    (again,) = fix(issue_id)
    assert (again.remediation, again.job, again.created) == (made.id, made.job_id, False)
    assert Job.objects.count() == 1
    assert issues_decide([issue_id], to=IssueState.RESOLVED, by="olga") == ()  # it is remediation's while it is mended
    assert remediations_due() == []


def test_a_folder_that_is_only_read_is_refused_and_with_replacing_off_the_file_goes_to_the_library(home: Home) -> None:
    _, issue_id = transcode(home)
    LibraryRoot.objects.filter(path=str(home.music)).update(writable=False)
    (refused,) = fix(issue_id)
    assert (refused.remediation, refused.code) == (None, "root_not_writable")
    assert state_of(issue_id)[0] == "detected"
    made = fix_one(issue_id, replace=False)
    home.fetch(made.job_id, flac())
    score(made.job_id)
    assert home.step(made.id).code == "fixed_beside"
    assert home.names() == [OLD, "Mine/album/2. another.flac"]
    assert home.names(root=home.library) == ["The Testers/First Album (2019)/01 Song 1.flac"]


def test_what_is_purged_cannot_be_taken_back(home: Home) -> None:
    _, issue_id = transcode(home)
    made = fix_one(issue_id)
    home.fetch(made.job_id, flac())
    score(made.job_id)
    home.step(made.id)
    TrashedFile.objects.update(state="purged")
    with pytest.raises(DomainError) as caught:
        home.undo(made.id)
    assert caught.value.code == "trash_purged"


def test_an_undo_whose_place_was_taken_leaves_the_fix_standing_and_says_so(home: Home) -> None:
    _, issue_id = transcode(home)
    made = fix_one(issue_id)
    home.fetch(made.job_id, flac())
    score(made.job_id)
    home.step(made.id)
    (home.music / OLD).write_bytes(b"somebody's")
    stands = home.undo(made.id)
    assert (stands.state, stands.code, state_of(issue_id)[0]) == ("done", "trash_name_taken", "resolved")
    assert home.names() == [NEW, OLD, "Mine/album/2. another.flac"]
    assert (home.music / OLD).read_bytes() == b"somebody's"
    (home.music / OLD).unlink()
    assert home.undo(made.id).state == "undone"


# --- a broken file, missing tracks ----------------------------------------------------------------------------------------------------


def test_a_broken_file_is_replaced_and_comes_back_broken_when_it_is_undone(home: Home) -> None:
    file_id = home.own("Mine/1.flac", flac(), quality=None)
    path = home.music / "Mine/1.flac"
    path.write_bytes(path.read_bytes()[:-50_000])
    status = path.stat()
    AudioFile.objects.filter(id=file_id).update(
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        inode=status.st_ino,
        read_state="unreadable",
        variant=None,
    )
    before = home.digest("Mine/1.flac")
    issue_id = issue(IssueType.CORRUPTED_FILE, code="decode_failed", file_id=file_id)
    made = fix_one(issue_id)
    assert (made.action, Job.objects.get().constraints["download_mode"]) == ("replace_corrupt", "any")
    home.fetch(made.job_id, flac())
    assert home.step(made.id).code == "fixed_replaced"
    assert home.names() == ["Mine/1.flac"]
    assert identify(path).root == identify(flac()).root
    assert home.undo(made.id).state == "undone"
    assert home.digest("Mine/1.flac") == before


def test_missing_tracks_of_a_release_share_one_job_for_exactly_those_and_land_beside_the_album(home: Home) -> None:
    home.own("Mine/album/1.flac", flac())
    ids = [issue(IssueType.MISSING_TRACK, position=position) for position in (2, 3)]
    outcomes = fix(*ids)
    (job,) = Job.objects.all()
    assert {one.job for one in outcomes} == {job.id}
    assert [ref["position"] for ref in job.constraints["tracks"]] == [2, 3]
    home.fetch(job.id, flac(2), position=2)
    by_issue = {one.issue: one.remediation for one in outcomes}
    assert [one.id for one in remediations_due()] == [by_issue[ids[0]]]  # each follows its own track
    first = home.step(by_issue[ids[0]])  # type: ignore[arg-type]
    assert (first.state, state_of(ids[0]), state_of(ids[1])[0]) == ("done", ("resolved", "fixed_fetched"), "fixing")
    assert home.names() == ["Mine/album/01 Song 1.flac".replace("01 Song 1", "02 Song 2"), "Mine/album/1.flac"]
    home.fetch(job.id, flac(3), position=3)
    assert home.step(by_issue[ids[1]]).state == "done"  # type: ignore[arg-type]
    assert home.undo(by_issue[ids[0]]).state == "undone"  # type: ignore[arg-type]
    assert home.names() == ["Mine/album/03 Song 3.flac", "Mine/album/1.flac"]
    assert (state_of(ids[0])[0], state_of(ids[1])[0]) == ("detected", "resolved")


def test_missing_tracks_join_a_job_that_fetches_them_already(home: Home) -> None:
    home.own("Mine/album/1.flac", flac())
    two, three = (issue(IssueType.MISSING_TRACK, position=position) for position in (2, 3))
    first = fix_one(two)
    home.resolved(first.job_id)
    Remediation.objects.update(state="failed")
    issues_move([two], to=IssueState.FAILED)
    again, other = fix(two, three)
    assert again.job == first.job_id
    assert other.job != first.job_id
    assert Job.objects.count() == 2


# --- copies --------------------------------------------------------------------------------------------------------------------------


def copies(home: Home) -> tuple[int, list[int]]:
    ids = [home.own(name, flac(), quality=0.9) for name in ("keep.flac", "b/copy.flac", "c/copy.flac")]
    made = issue(
        IssueType.DUPLICATE_VARIANT,
        code="duplicate_payload",
        file_id=ids[-1],
        keep=ids[0],
        files=[str(one) for one in ids],
    )
    return made, ids


@pytest.mark.parametrize("step", ["", "compared", "planned", "trashed", "finished"])
def test_copies_go_to_the_trash_and_come_back(home: Home, step: str) -> None:
    issue_id, _ = copies(home)
    before = {name: home.digest(name) for name in home.names()}
    made = fix_one(issue_id)
    if step:
        with pytest.raises(Killed):
            home.step(made.id, kill_at(step))
        time_passes()
    home.step(made.id)
    done = Remediation.objects.get(id=made.id)
    assert (done.state, done.code) == ("done", "fixed_duplicates")
    assert home.names() == ["keep.flac"]
    assert TrashedFile.objects.filter(state="trashed").count() == 2
    assert home.undo(made.id).state == "undone"
    assert {name: home.digest(name) for name in home.names()} == before


def test_copies_stay_if_the_one_to_keep_is_not_whole(home: Home) -> None:
    issue_id, _ = copies(home)
    (home.music / "keep.flac").write_bytes(b"rubbish")
    made = fix_one(issue_id)
    failed = home.step(made.id)
    assert (failed.state, failed.code) == ("failed", "fix_new_file_changed")
    assert len(home.names()) == 3


def test_if_one_copy_was_changed_all_stay(home: Home) -> None:
    issue_id, _ = copies(home)
    (home.music / "c/copy.flac").write_bytes(b"something else")
    failed = home.step(fix_one(issue_id).id)
    assert (failed.state, failed.code) == ("failed", "file_changed")
    assert len(home.names()) == 3
    assert not TrashedFile.objects.filter(state="trashed").exists()


# --- tags ----------------------------------------------------------------------------------------------------------------------------


def wrong_tags(home: Home) -> tuple[int, int]:
    tags = AudioTags(
        title="Somethin",
        artist="Nobody",
        recording_mbid=str(recording_id(1)),
        release_mbid=str(RELEASE),
        track=1,
        disc=1,
    )
    file_id = home.own("Mine/1.flac", flac(), tags=tags)
    return file_id, issue(IssueType.TAGS_WRONG, code="tags_contradict", file_id=file_id)


@pytest.mark.parametrize("step", ["", "planned", "kept", "trashed", "tagged", "swapped", "finished"])
def test_wrong_tags_are_written_anew_and_undo_brings_the_old_bytes_back(home: Home, step: str) -> None:
    file_id, issue_id = wrong_tags(home)
    path, before = home.music / "Mine/1.flac", home.digest("Mine/1.flac")
    made = fix_one(issue_id)
    if step:
        with pytest.raises(Killed):
            home.step(made.id, kill_at(step))
        time_passes()
    home.step(made.id)
    done = Remediation.objects.get(id=made.id)
    assert (done.state, done.code, state_of(issue_id)[0]) == ("done", "fixed_retagged", "resolved")
    tags = read_tags(path)
    assert (tags.title, tags.artist, tags.album, tags.tracks) == ("Song 1", "The Testers", "First Album", 3)
    assert identify(path).root == identify(flac()).root
    assert path.stat().st_mode & 0o777 == 0o640
    assert home.names() == ["Mine/1.flac"]
    row = AudioFile.objects.get(id=file_id)
    assert (row.title, row.album, row.missing_since) == ("Song 1", "First Album", None)
    undone = home.undo(made.id)
    assert undone.state == "undone"
    assert home.digest("Mine/1.flac") == before
    assert AudioFile.objects.get(id=file_id).title == "Somethin"
    assert home.names() == ["Mine/1.flac"]


def test_what_musicbrainz_does_not_say_stays_in_tags_that_are_mended(home: Home) -> None:
    tags = AudioTags(
        title="Somethin", recording_mbid=str(recording_id(1)), release_mbid=str(RELEASE), track=1, disc=1, barcode="5012345678900", country="GB"
    )  # fmt: skip
    file_id = home.own("Mine/1.flac", flac(), tags=tags)
    audio = mutagen.flac.FLAC(home.music / "Mine/1.flac")
    audio["genre"], audio["comment"] = ["Rock", "Live"], ["from my uncle"]
    audio.save()
    key = PathKey(root_id=root_record(home.music), relative=b"Mine/1.flac")
    read_record(key, read_music(home.music / "Mine/1.flac", wish=AnalysisWish(fingerprint=False, sound=False)))
    AudioVariant.objects.update(loudness_lufs=-10.5, true_peak_dbtp=0.0)
    home.step(fix_one(issue(IssueType.TAGS_WRONG, code="tags_contradict", file_id=file_id)).id)
    mended = read_tags(home.music / "Mine/1.flac")
    assert (mended.title, mended.barcode, mended.country) == ("Song 1", "5012345678900", "GB")
    assert (mended.replaygain_track_gain, mended.replaygain_track_peak) == ("-7.50 dB", "1.000000")
    kept = mutagen.flac.FLAC(home.music / "Mine/1.flac")
    assert (kept["genre"], kept["comment"]) == (["Rock", "Live"], ["from my uncle"])
    row = AudioFile.objects.get(id=file_id)
    assert (row.tags["barcode"], row.tags["country"]) == ("5012345678900", "GB")


@pytest.mark.parametrize("step", ["kept_new", "swapped", "emptied", "finished"])
def test_killed_while_tags_are_taken_back_the_next_worker_finishes(home: Home, step: str) -> None:
    _, issue_id = wrong_tags(home)
    before = home.digest("Mine/1.flac")
    made = fix_one(issue_id)
    home.step(made.id)
    with pytest.raises(Killed):
        home.undo(made.id, checkpoint=kill_at(step))
    time_passes()
    home.step(made.id)
    assert Remediation.objects.get(id=made.id).state == "undone"
    assert home.digest("Mine/1.flac") == before


def test_a_file_edited_meanwhile_keeps_its_edit(home: Home) -> None:
    _, issue_id = wrong_tags(home)
    made = fix_one(issue_id)
    path = home.music / "Mine/1.flac"

    def edit(step: str) -> None:
        if step == "tagged":
            path.write_bytes(b"edited by a person")

    failed = home.step(made.id, edit)
    assert (failed.state, failed.code) == ("failed", "file_changed")
    assert path.read_bytes() == b"edited by a person"
    assert home.names() == ["Mine/1.flac"]


# --- nothing can be done by itself -----------------------------------------------------------------------------------------------------


def test_what_cannot_be_mended_by_itself_has_a_reason(home: Home) -> None:
    file_id, issue_id = transcode(home)
    LibraryIssue.objects.filter(id=issue_id).update(recording_mbid=None, release_mbid=None)
    unknown, nothing_there = fix(issue_id, 10**9)
    assert (unknown.remediation, unknown.code) == (None, "fix_recording_unknown")
    assert (nothing_there.remediation, nothing_there.code) == (None, "issue_unknown")
    issues_decide([issue_id], to=IssueState.IGNORED, by="olga")
    (ignored,) = fix(issue_id)
    assert (ignored.code, ignored.params) == ("fix_not_in_state", {"state": "ignored"})
    assert not Remediation.objects.exists()
    assert AudioFile.objects.get(id=file_id).missing_since is None
