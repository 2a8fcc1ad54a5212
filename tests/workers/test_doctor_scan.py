"""The doctor's looks: what they find in rows, twice the same, killed in the middle, of what changed, and with a disk that is away."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.domain.library.detect import Thresholds
from apps.domain.library.issues import IssueState
from apps.library.models import (
    AudioFile,
    AudioVariant,
    DoctorScan,
    FolderMatch,
    IssueCount,
    LibraryIssue,
    LibraryRoot,
    VariantEvidence,
)
from apps.library.services_doctor import (
    DoctorScanRefused,
    doctor_scan_cancel,
    doctor_scan_claim,
    doctor_scan_create,
    doctor_scan_due,
    doctor_scan_pause,
    doctor_scan_resume,
    doctor_scans_waiting,
    doctor_slice_record,
)
from apps.library.services_issues import issues_move
from tests.apps.library.doctor_rows import album, file, mbid, recording_of, release, root
from workers import doctor_scan

pytestmark = pytest.mark.django_db
T = Thresholds()


def look(thresholds: Thresholds = T) -> DoctorScan:
    scan_id, _ = doctor_scan_create()
    for _ in range(100):
        if doctor_scan.look(scan_id, thresholds=thresholds, run_s=0):
            break
    row = DoctorScan.objects.get(id=scan_id)
    assert row.state == "completed"
    return row


def found(**filters: object) -> dict[str, int]:
    return dict(Counter(LibraryIssue.objects.filter(**filters).values_list("type", flat=True)))


def found_codes(**filters: object) -> list[str]:
    return sorted(LibraryIssue.objects.filter(**filters).values_list("code", flat=True))


def break_everything() -> None:
    """One thing of each type."""
    one, two, three, four = album(1)
    AudioVariant.objects.filter(id=one.variant_id).update(transcode_suspect=True, transcode_verdict="mp3_origin")
    VariantEvidence.objects.create(
        variant_id=one.variant_id, verdicts={"transcode": {"score": 2.5, "evidence": {"notch_hz": 16000, "deep": {}}}}
    )
    AudioFile.objects.filter(id=two.id).update(
        read_state="unreadable", read_code="decode_failed", read_params={"reason": "lost sync"}
    )
    four.delete()
    five, six = album(2, tracks=2)
    AudioVariant.objects.filter(id=five.variant_id).update(duration_ms=150_000)
    AudioFile.objects.filter(id=six.id).update(tags={**six.tags, "title": "Nothing alike", "recording_mbid": ""})
    seven, _ = album(3, tracks=2)
    AudioVariant.objects.filter(id=seven.variant_id).update(recording_mbid=mbid(999), quality_score=0.5)
    recording = recording_of(9, 99)
    AudioVariant.objects.filter(id=seven.variant_id).update(recording_mbid=recording.mbid)
    AudioFile.objects.filter(id=seven.id).update(
        tags={**seven.tags, "recording_mbid": str(recording.mbid), "title": recording.title}
    )
    eight, _ = album(4, tracks=2)
    file(4, 1, name="Ada/4/copy.flac")
    file(
        1, 3, name="Hits/x.mp3", release_mbid=None, within=root("/other"), tags={"release_mbid": ""},
        variant={"quality_score": 0.4, "lossless": False},
    )  # fmt: skip
    assert three.id
    assert eight.id


EXPECTED = {
    "suspected_transcode": 1,
    "corrupted_file": 1,
    "missing_track": 1,
    "wrong_duration": 1,
    "tags_wrong": 1,
    "track_not_in_release": 1,
    "duplicate_variant": 1,
    "non_canonical_variant": 1,
}


def test_a_library_without_faults_has_no_issues() -> None:
    album(1)
    album(2)
    row = look()
    assert found() == {}
    assert (row.files, row.found, row.done) == (8, 0, row.expected)


def test_an_empty_library_is_looked_at_in_no_time() -> None:
    assert look().files == 0


def test_each_fault_is_found_once_with_its_evidence() -> None:
    break_everything()
    row = look()
    assert found() == EXPECTED
    suspect = LibraryIssue.objects.get(type="suspected_transcode")
    assert (suspect.code, suspect.severity) == ("transcode_mp3_origin", "high")
    assert suspect.params == {"profile": "flac-16-44100-2", "score": 2.5, "notch_hz": 16000}
    broken = LibraryIssue.objects.get(type="corrupted_file")
    assert (broken.code, broken.params, broken.severity) == ("decode_failed", {"reason": "lost sync"}, "critical")
    missing = LibraryIssue.objects.get(type="missing_track")
    assert (missing.release_mbid, missing.track_position, missing.title) == (mbid(1), 4, "Song 104")
    assert row.added == row.found == LibraryIssue.objects.count()


def test_a_second_look_finds_the_same_rows_and_a_third_after_mending_resolves_them() -> None:
    break_everything()
    look()
    before = set(LibraryIssue.objects.values_list("id", "type", "state", "changed_at"))
    again = look()
    assert set(LibraryIssue.objects.values_list("id", "type", "state", "changed_at")) == before
    assert (again.added, again.resolved) == (0, 0)
    AudioVariant.objects.update(transcode_suspect=False, duration_ms=200_000)
    AudioFile.objects.update(read_state="read")
    mended = look()
    assert mended.resolved >= 3
    assert not LibraryIssue.objects.filter(
        type__in=["suspected_transcode", "corrupted_file", "wrong_duration"], open=True
    ).exists()


def test_a_better_variant_under_another_root_is_told() -> None:
    album(1)
    file(
        1, 1, name="x.mp3", release_mbid=None, within=root("/other"),
        variant={"quality_score": 0.4, "lossless": False}, tags={"release_mbid": ""},
    )  # fmt: skip
    look()
    (issue,) = LibraryIssue.objects.all()
    assert (issue.type, issue.code, issue.params["better_score"]) == (
        "non_canonical_variant",
        "better_in_library",
        0.95,
    )
    look(Thresholds(quality_gap_for_upgrade=0.6))
    assert found(open=True) == {}


def test_a_copy_is_found_under_its_release_and_goes_when_it_goes() -> None:
    album(1)
    copy = file(1, 1, name="Ada/1/again.flac", variant={"quality_score": 0.7})
    look()
    (issue,) = LibraryIssue.objects.all()
    assert (issue.type, issue.file_id) == ("duplicate_variant", copy.id)
    AudioFile.objects.filter(id=copy.id).update(missing_since=timezone.now())
    look()
    assert found(open=True) == {}


def test_the_same_payload_twice_is_a_copy_though_nobody_knows_what_it_is() -> None:
    bare = {"recording_mbid": None, "verified": False, "quality_score": None}
    one = file(1, 1, name="a.flac", release_mbid=None, variant=bare, tags={"recording_mbid": "", "release_mbid": ""})
    file(1, 1, name="b.flac", release_mbid=None, variant={"id": one.variant_id}, tags={"release_mbid": ""})
    look()
    assert found_codes() == ["duplicate_payload"]


def test_files_of_a_disk_that_is_away_keep_their_issues_and_are_not_missing_tracks() -> None:
    break_everything()
    look()
    before = set(LibraryIssue.objects.values_list("id", "state"))
    LibraryRoot.objects.update(state_code="root_missing")
    row = look()
    assert row.held_back == AudioFile.objects.count()
    assert set(LibraryIssue.objects.values_list("id", "state")) == before


def test_issues_of_files_whose_rows_are_gone_are_resolved() -> None:
    one, *_ = album(1)
    AudioVariant.objects.filter(id=one.variant_id).update(transcode_suspect=True)
    look()
    one.delete()
    look()
    assert found(open=True) == {"missing_track": 1}
    assert LibraryIssue.objects.get(type="suspected_transcode").state == "resolved"


def test_a_release_is_incomplete_by_its_folders_match_though_no_tag_says_so() -> None:
    release(1)
    for position in (1, 2):
        one = file(
            1, position, release_mbid=None, tags={"release_mbid": "", "recording_mbid": str(mbid(100 + position))}
        )
    FolderMatch.objects.create(
        root=one.root,
        folder=b"Ada/1",
        folder_hash=one.folder_hash,
        display="Ada/1",
        state="matched",
        release_mbid=mbid(1),
    )
    look(Thresholds(missing_tracks_min_share=1.0))
    assert sorted(LibraryIssue.objects.filter(type="missing_track").values_list("track_position", flat=True)) == [3, 4]


def test_a_file_that_can_not_be_read_is_not_a_missing_track_as_well() -> None:
    one, *_ = album(1)
    AudioFile.objects.filter(id=one.id).update(
        variant=None, tags={}, track_position=None, medium_position=None, release_mbid=None,
        read_state="unreadable", read_code="decode_failed", display="Ada/1/01 Song.flac",
    )  # fmt: skip
    FolderMatch.objects.create(
        root=one.root,
        folder=b"Ada/1",
        folder_hash=one.folder_hash,
        display="Ada/1",
        state="matched",
        release_mbid=mbid(1),
    )
    look()
    assert found() == {"corrupted_file": 1}


def test_a_file_whose_tags_name_no_release_is_no_missing_track_beside_the_others_of_its_album() -> None:
    one, *_ = album(1)
    AudioFile.objects.filter(id=one.id).update(tags={}, track_position=None, medium_position=None, release_mbid=None)
    look()
    assert "missing_track" not in found()


def test_ignored_issues_stay_ignored_by_every_look() -> None:
    break_everything()
    look()
    for issue in LibraryIssue.objects.all():
        issues_move([issue.id], to=IssueState.IGNORED)
    assert look().added == 0
    AudioFile.objects.all().delete()
    look()
    assert set(LibraryIssue.objects.values_list("state", flat=True)) == {"ignored"}


def test_a_look_that_was_killed_after_any_slice_goes_on_behind_its_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    break_everything()
    monkeypatch.setattr(doctor_scan, "FILES", 2)
    monkeypatch.setattr(doctor_scan, "VARIANTS", 2)
    monkeypatch.setattr(doctor_scan, "RELEASES", 1)
    look()
    whole = set(LibraryIssue.objects.values_list("subject", "code"))
    LibraryIssue.objects.all().delete()
    IssueCount.objects.all().delete()
    scan_id, _ = doctor_scan_create()
    record = doctor_scan.doctor_slice_record
    slices = 0

    class Killed(BaseException):
        pass

    def dies(claim, done):
        nonlocal slices
        if slices % 2:
            slices += 1
            raise Killed
        slices += 1
        return record(claim, done)

    monkeypatch.setattr(doctor_scan, "doctor_slice_record", dies)
    for _ in range(200):
        try:
            if doctor_scan.look(scan_id, thresholds=T):
                break
        except Killed:
            DoctorScan.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    row = DoctorScan.objects.get(id=scan_id)
    assert row.state == "completed"
    assert slices > 10
    assert set(LibraryIssue.objects.values_list("subject", "code")) == whole


def test_a_worker_that_lost_its_look_writes_nothing() -> None:
    break_everything()
    scan_id, _ = doctor_scan_create()
    claim = doctor_scan_claim(scan_id)
    assert claim is not None
    assert doctor_scan_claim(scan_id) is None
    DoctorScan.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert doctor_scan_claim(scan_id) is not None
    assert doctor_slice_record(claim, doctor_scan._slice(claim, T)) is False
    assert LibraryIssue.objects.count() == 0


def test_a_paused_look_stops_goes_on_and_can_be_cancelled() -> None:
    album(1)
    scan_id, new = doctor_scan_create()
    assert new
    assert doctor_scan_create() == (scan_id, False)
    doctor_scan_pause(scan_id)
    assert doctor_scan.look(scan_id, thresholds=T) is True
    assert DoctorScan.objects.get().state == "paused"
    doctor_scan_resume(scan_id)
    assert doctor_scan.look(scan_id, thresholds=T) is True
    assert DoctorScan.objects.get().state == "completed"
    with pytest.raises(DoctorScanRefused):
        doctor_scan_cancel(scan_id)


def test_a_row_that_breaks_a_rule_fails_the_look_with_its_code_after_some_tries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    album(1)

    def broken(*_args: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(doctor_scan, "file_findings", broken)
    scan_id, _ = doctor_scan_create()
    for _ in range(5):
        DoctorScan.objects.update(lease_until=None)
        doctor_scan.look(scan_id, thresholds=T)
    row = DoctorScan.objects.get()
    assert (row.state, row.code) == ("failed", "unexpected")


def test_a_look_nobody_works_on_is_found_by_the_net() -> None:
    scan_id, _ = doctor_scan_create()
    assert doctor_scans_waiting() == ()
    DoctorScan.objects.update(updated_at=timezone.now() - timedelta(minutes=1))
    assert doctor_scans_waiting() == (scan_id,)


def due(now_in: timedelta = timedelta(minutes=2), *, auto: bool = False) -> DoctorScan | None:
    made = doctor_scan_due(auto=auto, interval=timedelta(hours=1), now=timezone.now() + now_in)
    return DoctorScan.objects.get(id=made) if made else None


def test_what_changed_is_looked_at_by_itself_once_it_has_settled() -> None:
    assert due() is None
    album(1)
    assert due(timedelta(0)) is not None  # never looked at: nothing to wait for
    DoctorScan.objects.all().delete()
    look()
    DoctorScan.objects.update(started_at=timezone.now() - timedelta(minutes=5))
    AudioFile.objects.update(read_at=timezone.now())
    assert due(timedelta(seconds=30)) is None
    made = due()
    assert made is not None
    assert (made.kind, made.origin) == ("changed", "change")
    assert due() is None, "one is under way"


def test_a_look_at_what_changed_finds_and_resolves_only_there() -> None:
    one, *_ = album(1)
    other, *_ = album(2)
    look()
    hour_ago = timezone.now() - timedelta(hours=1)
    DoctorScan.objects.update(started_at=hour_ago + timedelta(minutes=30))
    AudioFile.objects.update(read_at=hour_ago)
    AudioVariant.objects.update(analysed_at=hour_ago)
    AudioVariant.objects.filter(id=other.variant_id).update(transcode_suspect=True)  # nobody was told
    AudioVariant.objects.filter(id=one.variant_id).update(transcode_suspect=True, analysed_at=timezone.now())
    made = due()
    assert made is not None
    assert doctor_scan.look(made.id, thresholds=T) is True
    assert list(LibraryIssue.objects.values_list("file_id", flat=True)) == [one.id]
    row = DoctorScan.objects.get(id=made.id)
    assert (row.state, row.files, row.params) == ("completed", 1, {})
    AudioVariant.objects.filter(id=one.variant_id).update(transcode_suspect=False, analysed_at=timezone.now())
    made = due(timedelta(minutes=20))
    assert made is not None
    doctor_scan.look(made.id, thresholds=T)
    assert found(open=True) == {}


def test_a_file_that_vanished_makes_its_track_missing_at_the_next_look_at_what_changed() -> None:
    one, *_ = album(1)
    look()
    AudioFile.objects.filter(id=one.id).update(missing_since=timezone.now())
    made = due()
    assert made is not None
    doctor_scan.look(made.id, thresholds=T)
    assert found(open=True) == {"missing_track": 1}


def test_too_much_that_changed_is_a_look_at_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    album(1)
    look()
    DoctorScan.objects.update(started_at=timezone.now() - timedelta(hours=1))
    monkeypatch.setattr("apps.library.selectors_doctor_due.MAX_CHANGED", 2)
    made = due()
    assert made is not None
    doctor_scan.look(made.id, thresholds=T)
    row = DoctorScan.objects.get(id=made.id)
    assert (row.kind, row.state, row.files) == ("full", "completed", 4)


def test_full_looks_come_by_schedule_only_when_switched_on() -> None:
    album(1)
    look()
    AudioFile.objects.update(read_at=timezone.now() - timedelta(days=1))
    AudioVariant.objects.update(analysed_at=timezone.now() - timedelta(days=1))
    assert due(timedelta(hours=2)) is None
    made = due(timedelta(hours=2), auto=True)
    assert made is not None
    assert (made.kind, made.origin) == ("full", "schedule")


def test_queries_of_a_slice_do_not_grow_with_its_files() -> None:
    def queries_for(number: int) -> int:
        DoctorScan.objects.all().delete()
        scan_id, _ = doctor_scan_create()
        claim = doctor_scan_claim(scan_id)
        assert claim is not None
        with CaptureQueriesContext(
            connection,
        ) as context:
            doctor_scan._slice(claim, T)
        assert number
        return len(context)

    album(1)
    few = queries_for(4)
    for number in range(2, 12):
        album(number)
    assert queries_for(44) == few


def test_ids_of_looks_are_uuids() -> None:
    assert isinstance(doctor_scan_create()[0], uuid.UUID)
