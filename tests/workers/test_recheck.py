"""Files placed as unconfirmed are looked at again: confirmed, found to be another recording, or looked at later once more."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models import F
from django.utils import timezone

from apps.domain.errors import DomainError
from apps.jobs.models import JobTrack
from apps.jobs.services_recheck import recheck_claim, recheck_confirmed, recheck_later, rechecks_due
from apps.library.models import AudioFile, AudioVariant
from apps.transfers.models import PayloadDenial, Transfer
from tests.workers.assembled import OTHER, Names, assemble, recording_id, running_job, track_of
from workers.gateways.errors import Permanent, Transient
from workers.recheck import recheck_batch
from workers.verification import Verifier

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def track(tmp_path: Path) -> JobTrack:
    """A completed track whose file nobody could confirm, and the node has taken note."""
    library = tmp_path / "library"
    library.mkdir()
    job = running_job(tracks=1)
    transfer = assemble(job, tmp_path)
    Verifier(
        acoustid=None, fingerprinting=True, require_fingerprint=False, library_root=lambda: library, template="{title}.{ext}"
    ).verify(transfer.id)  # fmt: skip
    Transfer.objects.filter(id=transfer.id).update(state="accepted")
    found = track_of(job)
    assert (found.state, found.verification, found.code) == ("completed", "unconfirmed", "acoustid_disabled")
    return found


def time_has_come() -> None:
    past = timezone.now() - timedelta(seconds=1)
    JobTrack.objects.exclude(next_step_at=None).update(next_step_at=past)


def test_nothing_is_looked_at_before_its_time(track: JobTrack) -> None:
    service = Names((recording_id(1),))
    recheck_batch(service)
    assert service.asked == 0
    assert recheck_claim(track.id, lease_s=60) is None


def test_a_file_that_acoustid_knows_by_now_is_confirmed_once(track: JobTrack) -> None:
    time_has_come()
    service = Names((recording_id(1),))
    recheck_batch(service)
    recheck_batch(service)
    track.refresh_from_db()
    assert (track.state, track.verification, track.code) == ("completed", "fingerprint", "")
    assert (track.next_step_at, track.lease_until, service.asked) == (None, None, 1)
    variant = AudioVariant.objects.get()
    assert variant.verified and variant.recording_source == "fingerprint"


@pytest.mark.parametrize("had_print", [True, False])
def test_a_file_that_turns_out_to_be_another_recording_stays_and_is_denied(track: JobTrack, had_print: bool) -> None:
    if not had_print:  # placed while there was no Chromaprint: the file itself is read
        AudioVariant.objects.update(fingerprint=b"")
    time_has_come()
    recheck_batch(Names((OTHER,)))
    track.refresh_from_db()
    assert (track.state, track.verification, track.code) == ("completed", "unconfirmed", "placed_wrong_recording")
    assert track.params["title"] == "Named" and track.next_step_at is None
    assert Path(track.placed_path).exists()
    variant = AudioVariant.objects.get()
    assert (variant.recording_mbid, variant.verified) == (OTHER, True)  # offered as what it is
    assert bytes(variant.fingerprint)
    denial = PayloadDenial.objects.get()
    assert (denial.recording_mbid, denial.code) == (recording_id(1), "wrong_recording")


def test_without_a_word_the_next_look_comes_ever_later(track: JobTrack) -> None:
    waits = []
    for _ in range(7):
        time_has_come()
        recheck_batch(Names())
        track.refresh_from_db()
        assert track.next_step_at is not None
        waits.append(round((track.next_step_at - timezone.now()) / timedelta(days=1)))
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    assert (track.code, track.verification) == ("acoustid_no_result", "unconfirmed")


def test_an_acoustid_that_is_away_costs_nobody_their_turn(track: JobTrack) -> None:
    time_has_come()
    before = track.params
    recheck_batch(Names(error=Transient("Away.", code="acoustid_unavailable")))
    track.refresh_from_db()
    assert (track.lease_until, track.params) == (None, before)
    assert rechecks_due(limit=10) == [track.id]


@pytest.mark.parametrize(
    ("error", "code"),
    [(Permanent("No.", code="acoustid_refused"), "acoustid_refused"), (DomainError("What?"), "unexpected")],
)
def test_a_file_that_can_not_be_asked_about_holds_up_nobody(track: JobTrack, error: DomainError, code: str) -> None:
    time_has_come()
    recheck_batch(Names(error=error))
    track.refresh_from_db()
    assert (track.lease_until, track.code) == (None, code)
    assert rechecks_due(limit=10) == []


def test_a_worker_that_lost_its_lease_changes_nothing(track: JobTrack) -> None:
    time_has_come()
    slow = recheck_claim(track.id, lease_s=60)
    assert slow is not None
    assert recheck_claim(track.id, lease_s=60) is None  # in somebody's hands
    JobTrack.objects.filter(id=track.id).update(attempt=F("attempt") + 1)  # taken over
    assert not recheck_confirmed(slow, fingerprint=b"x", params={})
    assert not recheck_later(slow, code="acoustid_no_result")
    assert not AudioVariant.objects.get().verified


def test_files_that_are_gone_are_not_looked_for(track: JobTrack) -> None:
    time_has_come()
    AudioFile.objects.update(missing_since=timezone.now())
    assert rechecks_due(limit=10) == []
    assert recheck_claim(uuid.uuid4(), lease_s=60) is None
