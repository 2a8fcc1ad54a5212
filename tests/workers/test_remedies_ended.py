"""Fixes that end without mending: the person's file stays in its place, now and later."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from apps.common.sentences import message_of
from apps.domain.errors import DomainError
from apps.jobs.models import JobTrack
from apps.library.models import LibraryRoot, LibraryScan, TrashedFile
from apps.library.selectors_trash import trash_expired, trash_list, trash_proven
from apps.library.services_trash import trash_purge_ask
from apps.remediation.models import Remediation
from apps.remediation.services import remedy_undo_ask
from tests.workers.assembled import flac
from tests.workers.conftest import Killed, kill_at
from tests.workers.mending import Home, fix_one, time_passes
from tests.workers.test_remedies import NEW, OLD, copies, score, transcode
from workers.trash import trash_purge, trash_step

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(folder=tmp_path)


def test_if_the_very_old_file_is_what_came_it_stays_in_its_place(home: Home) -> None:
    file_id, issue_id = transcode(home)
    before = home.digest(OLD)
    made = fix_one(issue_id)
    home.fetch(made.job_id, flac())
    # Placing never doubles bytes that are there: a download that equals the old file ends in the old file's row.
    JobTrack.objects.update(audio_file_id=file_id)
    failed = home.step(made.id)
    assert (failed.state, failed.code) == ("failed", "fix_same_file")
    assert home.digest(OLD) == before
    assert not TrashedFile.objects.exists()


def out_of_patience(remediation_id: uuid.UUID) -> None:
    """The old file's way to the trash is in other hands, and the fix has asked four times already."""
    later = timezone.now() + timedelta(minutes=5)
    TrashedFile.objects.filter(next_step_at__isnull=False).update(next_step_at=later)
    Remediation.objects.filter(id=remediation_id).update(code="trash_busy", tries=4)


def test_a_fix_that_gives_up_calls_off_what_was_to_be_trashed(home: Home) -> None:
    _, issue_id = transcode(home)
    before = home.digest(OLD)
    made = fix_one(issue_id)
    home.fetch(made.job_id, flac())
    score(made.job_id)
    with pytest.raises(Killed):
        home.step(made.id, kill_at("planned"))
    time_passes()
    out_of_patience(made.id)
    failed = home.step(made.id)
    assert (failed.state, failed.code) == ("failed", "trash_busy")
    row = TrashedFile.objects.get(reason="replaced")
    assert (row.state, row.code) == ("failed", "trash_called_off")
    time_passes()
    trash_step(row.id)
    assert home.digest(OLD) == before
    assert home.names() == [OLD, "Mine/album/2. another.flac"]


def test_a_fix_never_gives_up_while_the_old_file_is_on_its_way_to_the_trash(home: Home) -> None:
    _, issue_id = transcode(home)
    made = fix_one(issue_id)
    home.fetch(made.job_id, flac())
    score(made.job_id)
    with pytest.raises(Killed):
        home.step(made.id, kill_at("written"))
    time_passes()
    out_of_patience(made.id)
    waiting = home.step(made.id)
    assert (waiting.state, waiting.code) == ("placing", "trash_busy")
    assert NEW in home.names()
    time_passes()
    assert home.step(made.id).state == "done"
    assert home.names() == [NEW, "Mine/album/2. another.flac"]


def test_of_several_copies_every_one_that_can_comes_back_and_the_others_are_told(home: Home) -> None:
    issue_id, _ = copies(home)
    before = {name: home.digest(name) for name in home.names()}
    made = fix_one(issue_id)
    assert home.step(made.id).state == "done"
    first = TrashedFile.objects.order_by("id").first()
    assert first is not None
    (home.music / first.display).parent.mkdir(exist_ok=True)
    (home.music / first.display).write_bytes(b"somebody's")
    stands = home.undo(made.id)
    assert (stands.state, stands.code) == ("done", "fix_copies_stay")
    assert stands.params["why"] == {"back": 1, "of": 2, "paths": first.display, "reason": "trash_name_taken"}
    assert str(first.display) in message_of(stands.code, stands.params["why"])
    (other,) = before.keys() - {first.display, "keep.flac"}
    assert home.digest(other) == before[other]
    (home.music / first.display).unlink()  # its place is free again: asked for anew, the rest comes back
    assert home.undo(made.id).state == "undone"
    assert {name: home.digest(name) for name in home.names()} == before


def test_a_copy_that_was_purged_keeps_no_other_copy_in_the_trash(home: Home) -> None:
    issue_id, _ = copies(home)
    made = fix_one(issue_id)
    home.step(made.id)
    first, second = TrashedFile.objects.order_by("id")
    trash_purge(first.id)
    stands = home.undo(made.id)
    assert (stands.code, stands.params["why"]["reason"]) == ("fix_copies_stay", "trash_purged")
    assert home.names() == sorted(["keep.flac", second.display])


def test_what_a_fix_under_way_may_have_to_bring_back_is_never_purged(home: Home) -> None:
    _, issue_id = transcode(home)
    before = home.digest(OLD)
    made = fix_one(issue_id, backup=False)  # kept only until the new file is proven
    home.fetch(made.job_id, flac())
    score(made.job_id)
    with pytest.raises(Killed):
        home.step(made.id, kill_at("trashed"))
    row = TrashedFile.objects.get()
    assert row.state == "trashed"
    proven_and_old(home)

    def purged() -> bool:
        """Whoever asks: retention, the sweep, a person."""
        expired = trash_expired(now=timezone.now(), keep_days=1)
        trash_purge_ask([*expired, *trash_proven(), row.id], send=False)
        return TrashedFile.objects.get(id=row.id).state != "trashed"

    assert not purged()
    time_passes()
    assert home.step(made.id).state == "done"
    remedy_undo_ask(made.id)
    assert not purged()
    assert home.step(made.id).state == "undone"
    assert home.digest(OLD) == before
    assert not TrashedFile.objects.filter(needed=True).exists()


def test_once_the_fix_is_done_its_old_file_is_purged_as_configured_and_the_undo_says_so(home: Home) -> None:
    _, issue_id = transcode(home)
    made = fix_one(issue_id)
    home.fetch(made.job_id, flac())
    score(made.job_id)
    assert home.step(made.id).state == "done"
    proven_and_old(home)
    asked = trash_purge_ask(trash_expired(now=timezone.now(), keep_days=1), send=False)
    assert len(asked) == 1
    with pytest.raises(DomainError) as caught:
        remedy_undo_ask(made.id)
    assert caught.value.code == "trash_purged"
    made.refresh_from_db()
    assert made.state == "done"


def test_an_old_file_whose_replacement_was_never_proven_outlives_the_days_that_trash_is_kept(home: Home) -> None:
    _, issue_id = transcode(home)
    made = fix_one(issue_id, backup=False)
    home.fetch(made.job_id, flac())
    score(made.job_id)
    home.step(made.id)
    TrashedFile.objects.update(trashed_at=timezone.now() - timedelta(days=999))
    assert trash_expired(now=timezone.now(), keep_days=1) == []
    assert trash_list(keep_days=1).items[0].purge_at is None


def proven_and_old(home: Home) -> None:
    """A whole scan saw the new file sound, long ago."""
    TrashedFile.objects.update(trashed_at=timezone.now() - timedelta(days=99))
    for root in LibraryRoot.objects.all():
        LibraryScan.objects.create(root=root, state="completed")
