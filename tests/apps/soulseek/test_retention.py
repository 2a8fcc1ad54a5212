"""What is forgotten of downloads, hunts and outcomes, and what stays: the same rows on both databases."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from apps.domain.soulseek.answers import path_digest
from apps.domain.soulseek.states import DOWNLOAD_ENDS, FOR_GOOD, HuntState, Outcome, RescueState
from apps.soulseek import services_download_ends, services_retention
from apps.soulseek.models import Batch, Candidate, Download, DownloadProgress, Hunt, Rescue, SourceOutcome
from apps.soulseek.services_download_ends import downloads_forget
from apps.soulseek.services_retention import hunts_forget, outcomes_forget

pytestmark = pytest.mark.django_db
NOW = timezone.now()
DAY = timedelta(days=1)
LIMIT = NOW - 90 * DAY
OLD, YOUNG = LIMIT - DAY, LIMIT + DAY


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several steps also for a handful of rows."""
    monkeypatch.setattr(services_retention, "STEP", 2)
    monkeypatch.setattr(services_download_ends, "FORGOTTEN", 2)


def hunt(state: HuntState, at: datetime, *, job: bool, candidates: int = 3) -> Hunt:
    row = Hunt.objects.create(job_id=uuid.uuid4() if job else None, words="" if job else "words", state=state)
    Candidate.objects.bulk_create(
        Candidate(hunt=row, rank=rank, user=f"user {rank}", score=1.0, found_at=at) for rank in range(candidates)
    )
    Hunt.objects.filter(id=row.id).update(updated_at=at)
    return row


def test_hunts_of_words_go_and_those_of_jobs_stay_without_their_candidates() -> None:
    kept = [
        hunt(HuntState.WISHING, OLD, job=False),
        hunt(HuntState.PAUSED, OLD, job=True),
        hunt(HuntState.DONE, YOUNG, job=False),
    ]
    of_job = hunt(HuntState.CANCELLED, OLD, job=True)
    for _ in range(3):
        hunt(HuntState.DONE, OLD, job=False)
    assert hunts_forget(ended_before=LIMIT) == (3, 12)
    assert set(Hunt.objects.all()) == {*kept, of_job}
    assert {row.hunt_id for row in Candidate.objects.all()} == {row.id for row in kept}
    assert hunts_forget(ended_before=LIMIT) == (0, 0)


def test_one_call_stops_after_so_many_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services_retention, "MOST", 4)
    hunt(HuntState.DONE, OLD, job=False, candidates=7)
    assert hunts_forget(ended_before=LIMIT) == (0, 4)
    assert hunts_forget(ended_before=LIMIT) == (1, 3)


def test_what_failed_for_good_is_remembered_and_the_rest_once_it_bars_nobody() -> None:
    def outcome(what: Outcome, at: datetime, again_at: datetime | None = None) -> None:
        SourceOutcome.objects.create(
            user="bob", path_digest=path_digest(f"{what} {at}"), outcome=what, at=at, again_at=again_at
        )

    for what in Outcome:
        outcome(what, OLD)
        outcome(what, YOUNG)
    outcome(Outcome.TIMED_OUT, OLD - DAY, NOW + DAY)  # it still rests
    outcome(Outcome.TIMED_OUT, OLD - DAY, NOW - DAY)
    lasting = FOR_GOOD - {Outcome.BANNED}
    assert outcomes_forget(before=LIMIT, now=NOW) == len(Outcome) - len(lasting) + 1
    old = SourceOutcome.objects.filter(at__lt=LIMIT)
    assert {row.outcome for row in old.filter(again_at=None)} == lasting
    assert old.exclude(again_at=None).get().again_at == NOW + DAY
    assert SourceOutcome.objects.filter(at__gte=LIMIT).count() == len(Outcome)


def test_a_batch_goes_with_its_files_their_progress_and_rescues() -> None:
    def batch(ended: datetime | None) -> Batch:
        row = Batch.objects.create(user="bob", ended_at=ended)
        for number in range(2):
            download = Download.objects.create(
                batch=row, user="bob", remote_path=f"{row.id}\\{number}", size_bytes=1, live=ended is None
            )
            DownloadProgress.objects.create(download=download, state=min(DOWNLOAD_ENDS))
            Rescue.objects.create(
                download=download, trouble="slow", trouble_at=OLD, started_at=OLD, state=RescueState.REFUSED, code="x"
            )
        return row

    kept = [batch(None), batch(YOUNG)]
    for _ in range(5):
        batch(OLD)
    assert downloads_forget(ended_before=LIMIT) == 5
    assert set(Batch.objects.all()) == set(kept)
    assert Download.objects.count() == DownloadProgress.objects.count() == Rescue.objects.count() == 4
