"""A download that equals a file which lay there before: nothing is doubled, and no undo takes the person's own file away."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.domain.library.issues import IssueType
from apps.jobs.models import Job, JobTrack
from apps.library.models import AudioFile, TrashedFile
from tests.workers.assembled import flac
from tests.workers.conftest import Killed, kill_at
from tests.workers.mending import Home, fix, fix_one, issue, time_passes
from tests.workers.test_remedies import NEW, OLD, score, transcode

pytestmark = pytest.mark.django_db(transaction=True)

THIRD = "Mine/album/03 Song 3.flac"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(folder=tmp_path)


def trashed_as(home: Home, trash_of: str, name: str) -> bytes:
    """A person puts what an undo took away back by hand: the very bytes that the next download will have."""
    row = TrashedFile.objects.get(reason="undone")
    content = next((home.music / ".slskdn-trash" / str(row.id)).iterdir()).read_bytes()
    assert trash_of == row.display
    (home.music / name).write_bytes(content)
    return content


def test_undo_leaves_a_persons_own_file_that_a_missing_track_was_found_to_be(home: Home) -> None:
    home.own("Mine/album/1.flac", flac())
    issue_id = issue(IssueType.MISSING_TRACK, position=3)
    first = fix_one(issue_id)
    home.fetch(first.job_id, flac(3), position=3)
    assert home.step(first.id).state == "done"
    assert not JobTrack.objects.get(job_id=first.job_id).placing["found"]
    assert home.undo(first.id).state == "undone"
    assert home.names() == ["Mine/album/1.flac"]  # what we placed goes
    theirs = trashed_as(home, THIRD, THIRD)
    again = fix_one(issue_id)
    home.fetch(again.job_id, flac(3), position=3)
    assert home.step(again.id).state == "done"
    assert home.undo(again.id).state == "undone"
    assert (home.music / THIRD).read_bytes() == theirs
    assert AudioFile.objects.filter(display=THIRD, missing_since=None).exists()


def test_undo_of_an_exchange_brings_the_old_file_back_and_leaves_the_persons_own_better_one(home: Home) -> None:
    _, issue_id = transcode(home)
    before = home.digest(OLD)
    for turn in range(2):
        made = fix_one(issue_id)
        home.fetch(made.job_id, flac())
        score(made.job_id)
        assert home.step(made.id).state == "done"
        assert OLD not in home.names()
        assert home.undo(made.id).state == "undone"
        assert home.digest(OLD) == before
        assert (NEW in home.names()) is bool(turn)
        if not turn:
            theirs = trashed_as(home, NEW, NEW)
    assert (home.music / NEW).read_bytes() == theirs


def test_a_file_that_a_job_found_in_the_library_is_not_taken_away_with_the_fix_that_waited_for_it(home: Home) -> None:
    held = home.own("Other/3.flac", flac(3), position=3, quality=0.9)
    home.own("Mine/album/1.flac", flac())
    (outcome,) = fix(issue(IssueType.MISSING_TRACK, position=3))
    assert outcome.remediation is not None
    home.resolved(outcome.job)
    # As a job of a person's that the fix joined says of a track that is held.
    JobTrack.objects.filter(position=3).update(state="completed", code="already_held", audio_file_id=held)
    Job.objects.update(state="completed")
    assert home.step(outcome.remediation).state == "done"
    assert home.undo(outcome.remediation).state == "undone"
    assert "Other/3.flac" in home.names()


def test_a_download_whose_placing_was_killed_is_ours_when_it_is_placed_again(home: Home) -> None:
    home.own("Mine/album/1.flac", flac())
    made = fix_one(issue(IssueType.MISSING_TRACK, position=3))
    with pytest.raises(Killed):
        home.fetch(made.job_id, flac(3), position=3, checkpoint=kill_at("placed"))
    assert THIRD in home.names()
    JobTrack.objects.filter(lease_until__isnull=False).update(lease_until="2020-01-01T00:00:00Z")
    home.verified(position=3)
    assert home.step(made.id).state == "done"
    assert home.undo(made.id).state == "undone"
    assert home.names() == ["Mine/album/1.flac"]


def test_a_persons_file_that_took_the_old_name_meanwhile_is_neither_merged_with_ours_nor_taken_away(home: Home) -> None:
    old = home.own(NEW, flac(9), quality=0.3)
    issue_id = issue(IssueType.SUSPECTED_TRANSCODE, file_id=old)
    made = fix_one(issue_id)
    home.fetch(made.job_id, flac())
    score(made.job_id)
    ours = next(name for name in home.names() if name != NEW)

    def meanwhile(step: str) -> None:
        if step == "trashed":
            (home.music / NEW).write_bytes((home.music / ours).read_bytes())

    assert home.step(made.id, meanwhile).state == "done"
    assert home.names() == sorted([NEW, ours])
    theirs = home.digest(NEW)
    undone = home.undo(made.id)
    assert (undone.state, undone.code) == ("done", "trash_name_taken")  # their file has the old one's name
    assert home.digest(NEW) == theirs
    (home.music / NEW).unlink()
    time_passes()
    assert home.undo(made.id).state == "undone"
    assert home.names() == [NEW]
