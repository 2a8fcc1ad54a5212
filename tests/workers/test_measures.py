"""The success metrics: counted in the background, shown by /metrics, the System page and the doctor's report."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.domain.library.detect import Thresholds
from apps.jobs.models import Job, JobTrack
from apps.library.models import AudioVariant, DoctorScan, LibraryIssue, LibraryMeasure
from apps.library.services_doctor import doctor_scan_create
from apps.library.services_measures import quality_measure, quality_measure_due
from apps.remediation.models import Remediation
from apps.remediation.selectors_success import success_metrics
from slskdn_site.cli import main as cli
from tests.apps.library.doctor_rows import album, file
from workers.doctor_scan import look

pytestmark = pytest.mark.django_db


def looked() -> DoctorScan:
    scan_id, _ = doctor_scan_create()
    assert look(scan_id, thresholds=Thresholds())
    return DoctorScan.objects.get(id=scan_id)


def test_nothing_is_said_of_an_empty_library() -> None:
    found = success_metrics()
    assert (found.tracks, found.issues_per_1000, found.suspects_per_1000, found.fix_success, found.canonical_picks) == (
        None,
    ) * 5
    assert found.quality_buckets == (0,) * 10


def test_qualities_and_suspects_are_counted_of_what_is_here() -> None:
    one, two, three, four = album(1)
    AudioVariant.objects.filter(id=one.variant_id).update(quality_score=0.05, transcode_suspect=True)
    AudioVariant.objects.filter(id=two.variant_id).update(quality_score=1.0)
    AudioVariant.objects.filter(id=three.variant_id).update(quality_score=None, transcode_suspect=None)
    file(2, 1, missing_since=timezone.now())
    now = timezone.now()
    assert quality_measure_due(now=now)
    quality_measure(now=now)
    found = success_metrics()
    assert found.quality_buckets == (1, 0, 0, 0, 0, 0, 0, 0, 0, 2)
    assert (found.suspects, found.suspects_per_1000, found.quality_mean) == (1, 333.3, 0.667)
    assert four.id


def test_figures_are_counted_again_only_after_a_change_and_a_while() -> None:
    assert not quality_measure_due(now=timezone.now())
    album(1)
    now = timezone.now()
    quality_measure(now=now)
    assert not quality_measure_due(now=now + timedelta(hours=1))
    AudioVariant.objects.update(analysed_at=now + timedelta(minutes=1))
    assert not quality_measure_due(now=now + timedelta(minutes=9))
    assert quality_measure_due(now=now + timedelta(minutes=10))


def test_issues_are_related_to_the_tracks_of_the_last_full_look() -> None:
    one, *_ = album(1)
    AudioVariant.objects.filter(id=one.variant_id).update(transcode_suspect=True)
    looked()
    found = success_metrics()
    assert (found.tracks, found.issues_per_1000) == (4, 250.0)


def test_fixes_that_worked_are_a_share_of_those_that_ended_and_take_a_median_time() -> None:
    one, *_ = album(1)
    AudioVariant.objects.filter(id=one.variant_id).update(transcode_suspect=True)
    looked()
    issue = LibraryIssue.objects.get()
    for state, seconds in [("done", 10), ("done", 30), ("done", 50), ("failed", 1), ("undone", 1)]:
        row = Remediation.objects.create(issue=issue, action="better_variant", state=state)
        Remediation.objects.filter(id=row.id).update(ended_at=row.created_at + timedelta(seconds=seconds))
    found = success_metrics()
    assert (found.fixes_done, found.fixes_failed, found.fix_success, found.fix_median_s) == (3, 1, 0.75, 30.0)


def test_a_pick_is_canonical_when_it_is_the_best_that_is_known() -> None:
    one, two, *_ = album(1)
    assert two.variant is not None and one.variant is not None
    worse = file(1, 2, name="worse.mp3", variant={"quality_score": 0.3})
    job = Job.objects.create(kind="mb_release", target_mbid=uuid.uuid4())
    for position, held in enumerate([one.variant, worse.variant], 1):
        JobTrack.objects.create(
            job=job, position=position, title="x", recording_mbid=held.recording_mbid, state="completed", payload_root=bytes(held.payload_root)
        )  # fmt: skip
    found = success_metrics()
    assert (found.picks, found.canonical_picks) == (2, 0.5)


def test_prometheus_gets_every_figure_without_counting_files_or_variants() -> None:
    one, *_ = album(1)
    AudioVariant.objects.filter(id=one.variant_id).update(transcode_suspect=True)
    looked()
    quality_measure(now=datetime.now(UTC))
    with CaptureQueriesContext(connection) as context:
        answer = Client().get("/metrics")
    body = answer.content.decode()
    assert 'slskdn_library_issues{severity="high",state="detected",type="suspected_transcode"} 1.0' in body
    assert "slskdn_library_issues_per_1000_tracks 250.0" in body
    assert "slskdn_library_suspects_per_1000_tracks 250.0" in body
    assert 'slskdn_library_quality_bucket{le="+Inf"} 4.0' in body
    assert not [
        one for one in context.captured_queries if "library_audiovariant" in one["sql"] and "COUNT" in one["sql"]
    ]


def test_the_system_page_shows_them() -> None:
    person = User.objects.create_user("vera", password="x")
    person.groups.add(Group.objects.get(name="viewer"))
    client = Client()
    client.force_login(person)
    assert "system-library" in client.get("/system").content.decode()
    album(1)
    quality_measure(now=timezone.now())
    assert "0.95" in client.get("/system/library").content.decode()


def test_the_command_line_looks_reports_lists_and_decides(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slskdn_site.cli.main.django_setup", lambda: None)
    one, *_ = album(1)
    AudioVariant.objects.filter(id=one.variant_id).update(transcode_suspect=True, transcode_verdict="mp3_origin")

    def run(*argv: str) -> tuple[int, str]:
        status = cli.main(["doctor", *argv])
        return status, capsys.readouterr().out

    status, out = run("scan", "--json")
    assert status == 0
    assert json.loads(out)["types"]["suspected_transcode"] == 1
    issue = LibraryIssue.objects.get()
    assert f"{issue.id}" in run("issues", "--type", "suspected_transcode")[1]
    assert run("issues", "--type", "nonsense")[0] == 2
    assert json.loads(run("issues", "--json")[1])["code"] == "transcode_mp3_origin"
    assert "went through MP3" in run("show", str(issue.id))[1]
    assert run("show", "999")[0] == 1
    assert run("ignore", str(issue.id))[0] == 0
    assert LibraryIssue.objects.get().state == "ignored"
    assert run("ignore", str(issue.id))[0] == 1
    assert run("reopen", str(issue.id))[0] == 0
    assert "1 open issues, 250.0 per 1000 tracks" in run("report")[1]
    body = json.loads(run("report", "--json")[1])
    assert body["success"]["issues_per_1000"] == 250.0
    assert run("resolve", str(issue.id))[0] == 0
    assert run("scan", "--changed", "--queue")[0] == 0
    assert LibraryMeasure.objects.count() == 0
