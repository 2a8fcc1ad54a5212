"""A better variant that is here already settles the issue of a lesser one: nothing is fetched."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from apps.domain.library.issues import IssueType
from apps.jobs.models import Job
from apps.library.models import AudioFile, TrashedFile
from tests.workers.assembled import flac
from tests.workers.gateways import sound
from tests.workers.mending import Home, fix_one, issue, state_of

pytestmark = pytest.mark.django_db(transaction=True)

LESSER, BETTER = "poor/1.mp3", "good/1.flac"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(folder=tmp_path)


def held(home: Home) -> tuple[int, int, int]:
    """(lesser file, better file, issue)."""
    lesser = home.own(LESSER, sound.convert(flac(), home.folder / "lossy.mp3", "-b:a", "128k"), quality=0.3)
    better = home.own(BETTER, flac(), quality=0.95)
    return lesser, better, found(lesser, better)


def found(lesser: int, better: int) -> int:
    variant = AudioFile.objects.get(id=better).variant_id
    return issue(IssueType.NON_CANONICAL_VARIANT, code="better_in_library", file_id=lesser, better_variant=variant)


def test_the_lesser_file_goes_to_the_trash_without_a_download_and_comes_back(home: Home) -> None:
    _, _, issue_id = held(home)
    before = home.digest(LESSER)
    made = fix_one(issue_id)
    assert (made.action, made.job_id, Job.objects.count()) == ("remove_duplicate", None, 0)
    done = home.step(made.id)
    assert (done.state, state_of(issue_id)) == ("done", ("resolved", "fixed_duplicates"))
    assert home.names() == [BETTER]
    assert TrashedFile.objects.get().state == "trashed"
    assert home.undo(made.id).state == "undone"
    assert (home.names(), home.digest(LESSER)) == ([BETTER, LESSER], before)
    assert state_of(issue_id)[0] == "detected"


def test_with_replacing_off_nothing_is_touched_and_the_better_file_settles_it(home: Home) -> None:
    lesser, better, issue_id = held(home)
    done = home.step(fix_one(issue_id, replace=False).id)
    assert (done.state, done.code, Job.objects.count()) == ("done", "fixed_beside", 0)
    assert found(lesser, better) == issue_id  # the doctor looks again
    assert state_of(issue_id) == ("resolved", "fixed_beside")
    assert home.names() == [BETTER, LESSER]
    assert home.undo(done.id).state == "undone"
    assert home.names() == [BETTER, LESSER]


def test_a_better_file_that_rotted_takes_nothing_away(home: Home) -> None:
    _, _, issue_id = held(home)
    made = fix_one(issue_id)
    path = home.music / BETTER
    path.write_bytes(path.read_bytes()[:-1000])
    failed = home.step(made.id)
    assert (failed.state, failed.code) == ("failed", "fix_new_file_changed")
    assert home.names() == [BETTER, LESSER]
    assert not TrashedFile.objects.exists()


def test_a_better_file_of_another_album_leaves_this_album_whole(home: Home) -> None:
    _, better, issue_id = held(home)
    AudioFile.objects.filter(id=better).update(release_mbid=uuid.uuid4())
    made = fix_one(issue_id)
    assert (made.action, made.job_id is not None) == ("better_variant", True)
