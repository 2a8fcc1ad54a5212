"""A folder that is made read-only in the middle of a fix: nothing in it is changed any more, and nothing is lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from apps.domain.library.issues import IssueType
from apps.domain.library.trash import TrashReason, TrashState
from apps.library.models import LibraryRoot, TrashedFile
from apps.library.services_trash import root_changes_allow, trash_plan
from apps.remediation.models import Remediation
from tests.workers.assembled import flac
from tests.workers.conftest import Killed, kill_at
from tests.workers.mending import Home, fix_one, issue, state_of, time_passes
from tests.workers.test_remedies import NEW, OLD, score, transcode, wrong_tags
from workers.remedy_files import Checkpoint
from workers.trash import trash_restore, trash_step

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(folder=tmp_path)


def allow(home: Home, *, allowed: bool) -> None:
    assert root_changes_allow(LibraryRoot.objects.get(path=str(home.music)).id, allowed=allowed)


def forbid_at(home: Home, step: str) -> Checkpoint:
    def look(now: str) -> None:
        if now == step:
            allow(home, allowed=False)

    return look


def fetched(home: Home) -> tuple[Remediation, int]:
    _, issue_id = transcode(home)
    made = fix_one(issue_id)
    home.fetch(made.job_id, flac())
    score(made.job_id)
    return made, issue_id


@pytest.mark.parametrize("step", ["trashed", "noted"])
def test_forbidden_before_the_new_file_takes_the_name_the_fix_waits_until_it_is_allowed(home: Home, step: str) -> None:
    old = home.own("Mine/album/1. a song.flac", flac(9), quality=0.3)  # the new one is placed as "… (2).flac"
    issue_id = issue(IssueType.SUSPECTED_TRANSCODE, file_id=old)
    made = fix_one(issue_id)
    home.fetch(made.job_id, flac())
    score(made.job_id)
    beside = home.names()
    waiting = home.step(made.id, forbid_at(home, step))
    assert (waiting.state, waiting.code, state_of(issue_id)[0]) == ("placing", "root_not_writable", "fixing")
    assert home.names() == [
        one for one in beside if one != NEW
    ]  # the old one lies in the trash, the new one where it was
    for _ in range(8):  # however long it takes
        time_passes()
        assert home.step(made.id).state == "placing"
    allow(home, allowed=True)
    time_passes()
    assert home.step(made.id).state == "done"
    assert home.names() == [NEW]


def test_forbidden_before_the_old_file_moves_it_stays_and_the_fix_ends(home: Home) -> None:
    made, issue_id = fetched(home)
    before = home.digest(OLD)
    failed = home.step(made.id, forbid_at(home, "hashed"))
    assert (failed.state, failed.code, state_of(issue_id)[0]) == ("failed", "root_not_writable", "failed")
    assert home.digest(OLD) == before
    assert TrashedFile.objects.get(reason="replaced").state == "failed"


def test_forbidden_before_tags_are_written_the_file_stays_as_it_was(home: Home) -> None:
    _, issue_id = wrong_tags(home)
    name = home.names()[0]
    before = home.digest(name)
    failed = home.step(fix_one(issue_id).id, forbid_at(home, "tagged"))
    assert (failed.state, failed.code) == ("failed", "root_not_writable")
    assert home.digest(name) == before
    assert home.names() == [name]


def test_what_waits_for_the_trash_stays_if_the_folder_is_forbidden_meanwhile_and_a_begun_move_is_finished(
    home: Home,
) -> None:
    first, second = (home.own(f"{n}.flac", flac(n), position=n) for n in (1, 2))
    waits = trash_plan(first, reason=TrashReason.PERSON)
    begun = trash_plan(second, reason=TrashReason.PERSON)
    with pytest.raises(Killed):
        trash_step(begun, checkpoint=kill_at("renamed"))
    allow(home, allowed=False)
    time_passes()
    for one in (waits, begun):
        trash_step(one)
    row = TrashedFile.objects.get(id=waits)
    assert (row.state, row.code) == (TrashState.FAILED, "root_not_writable")
    assert home.names() == ["1.flac"]
    assert TrashedFile.objects.get(id=begun).state == TrashState.TRASHED


def test_what_is_to_come_back_stays_in_the_trash_if_the_folder_is_forbidden_meanwhile(home: Home) -> None:
    trash_id = trash_plan(home.own("1.flac", flac()), reason=TrashReason.PERSON)
    trash_step(trash_id)
    view = trash_restore(trash_id, checkpoint=forbid_at(home, "claimed"))
    assert (view.state, view.code) == (TrashState.TRASHED, "root_not_writable")
    assert home.names() == []
    assert not os.path.lexists(home.music / "1.flac")
